package redistest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// readMessage reads one command or one reply, RESP2 or RESP3, and answers it as
// it is. The words are the strings right in it, which for a command is all of
// it.
func readMessage(r *bufio.Reader) (raw []byte, words []string, err error) {
	var all bytes.Buffer
	words, err = copyMessage(&all, r)
	return all.Bytes(), words, err
}

func copyMessage(all *bytes.Buffer, r *bufio.Reader) (words []string, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	all.WriteString(line)
	text := strings.TrimRight(line, "\r\n")
	if text == "" {
		return nil, nil
	}
	var parts int
	switch text[0] {
	case '$', '=', '!': // so many bytes
		return copyString(all, r, text)
	case '*', '~', '>': // so many messages
		parts, err = strconv.Atoi(text[1:])
	case '%', '|': // so many pairs
		parts, err = strconv.Atoi(text[1:])
		parts *= 2
	case '+', '-', ':', '_', '#', ',', '(': // all in one line
		return []string{text[1:]}, nil
	default: // a command as people type it
		return strings.Fields(text), nil
	}
	if err != nil {
		return nil, fmt.Errorf("no RESP: %q", line)
	}
	for range parts {
		part, err := copyMessage(all, r)
		if err != nil {
			return nil, err
		}
		words = append(words, part...)
	}
	return words, nil
}

// copyString copies a string with its length before it, -1 for none.
func copyString(all *bytes.Buffer, r *bufio.Reader, head string) ([]string, error) {
	n, err := strconv.Atoi(head[1:])
	if err != nil {
		return nil, fmt.Errorf("no RESP: %q", head)
	}
	if n < 0 {
		return nil, nil
	}
	from := all.Len()
	if _, err := io.CopyN(all, r, int64(n)+2); err != nil {
		return nil, err
	}
	return []string{string(all.Bytes()[from : from+n])}, nil
}

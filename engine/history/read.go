package history

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// lineStart is how every line begins and no other part of one does.
const lineStart = `{"node":"`

// Read reads the lines of a history. A kill may tear a line: a beginning of one
// is left out at the end, and where the line of another process goes on behind
// it. Anything else that is no line is an error that names its number.
func Read(r io.Reader) ([]Line, error) {
	var lines []Line
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return lines, fmt.Errorf("history: line %d: %w", n, err)
		}
		text = bytes.TrimSuffix(text, []byte("\n"))
		if last && len(text) == 0 {
			return lines, nil
		}
		l, err := readLine(text)
		switch {
		case err == nil:
			lines = append(lines, l)
		case !last || !startsLine(text):
			return lines, fmt.Errorf("history: line %d: %w", n, err)
		}
		if last {
			return lines, nil
		}
	}
}

// readLine reads a line, or the whole one behind a torn one.
func readLine(text []byte) (Line, error) {
	l, err := parse(text)
	if err == nil {
		return l, nil
	}
	if i := bytes.LastIndex(text, []byte(lineStart)); i > 0 && startsLine(text[:i]) {
		return parse(text[i:])
	}
	return l, err
}

// startsLine reports whether a text may be the beginning of a line.
func startsLine(text []byte) bool {
	start := []byte(lineStart)
	return bytes.HasPrefix(text, start) || bytes.HasPrefix(start, text)
}

func parse(text []byte) (Line, error) {
	var l Line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return l, errors.New("something follows the line")
	}
	if l.Ev == "" || l.Life == "" || l.N == 0 {
		return l, errors.New("it is no line of a history: it has no ev, life or n")
	}
	return l, nil
}

// Merge puts the lines of several files of one machine into the order of its
// clock. The order within a file, which is the order of the writes, stays; of
// lines of the same time invocations come first, so that nothing looks later
// than it was.
func Merge(files ...[]Line) []Line {
	if len(files) == 1 {
		return files[0]
	}
	type dated struct {
		at   int64
		line Line
	}
	var all []dated
	for _, lines := range files {
		at := int64(0)
		for _, l := range lines {
			at = max(at, l.At)
			all = append(all, dated{at, l})
		}
	}
	slices.SortStableFunc(all, func(a, b dated) int {
		if n := cmp.Compare(a.at, b.at); n != 0 {
			return n
		}
		return cmp.Compare(min(len(a.line.End), 1), min(len(b.line.End), 1))
	})
	out := make([]Line, len(all))
	for i, d := range all {
		out[i] = d.line
	}
	return out
}

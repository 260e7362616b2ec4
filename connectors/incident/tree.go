package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a body. Graph's deepest type, a container in
// a pod of a cluster, stays below twenty.
const maxDepth = 64

// parse reads one JSON value. Beyond encoding/json it refuses a key that
// stands twice in an object, text after the value, nesting beyond maxDepth and
// invalid UTF-8; its errors name line and column.
func parse(body []byte) (any, error) {
	body = bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, errors.New("the body is empty, want a JSON object")
	}
	if at := invalidUTF8(body); at >= 0 {
		return nil, fmt.Errorf("%s: not JSON: invalid UTF-8; save the body as UTF-8", position(body, at))
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(body)), body: body}
	p.dec.UseNumber()
	v, err := p.value(0)
	if err != nil {
		return nil, p.place(err)
	}
	end := int(p.dec.InputOffset())
	if rest := bytes.TrimLeft(body[end:], " \t\r\n"); len(rest) > 0 {
		return nil, fmt.Errorf("%s: text after the end of the JSON value; want one value", position(body, len(body)-len(rest)))
	}
	return v, nil
}

type parser struct {
	dec  *json.Decoder
	body []byte
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, p.fail("nested deeper than %d levels", maxDepth)
	}
	tok, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		return p.object(depth)
	case json.Delim('['):
		return p.list(depth)
	}
	return tok, nil
}

func (p *parser) object(depth int) (any, error) {
	fields := map[string]any{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := tok.(string) // the decoder refuses any other key
		if _, twice := fields[key]; twice {
			return nil, p.fail("the key %s stands twice in one object", quote(key))
		}
		if fields[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.dec.Token()
	return fields, err
}

func (p *parser) list(depth int) (any, error) {
	list := []any{}
	for p.dec.More() {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := p.dec.Token()
	return list, err
}

// placedError is a finding that already names its place.
type placedError struct{ error }

func (p *parser) fail(format string, args ...any) error {
	return placedError{fmt.Errorf("%s: %s", position(p.body, int(p.dec.InputOffset())), fmt.Sprintf(format, args...))}
}

// place gives an error of the decoder its line and column. The decoder counts
// them in two ways, the check of a whole text in one.
func (p *parser) place(err error) error {
	if placed, ok := errors.AsType[placedError](err); ok {
		return placed.error
	}
	syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(p.body, new(json.RawMessage)))
	switch {
	case !ok:
		return fmt.Errorf("%s: not JSON: %w", position(p.body, int(p.dec.InputOffset())), err)
	case syntax.Offset >= int64(len(p.body)) && strings.HasPrefix(syntax.Error(), "unexpected end"):
		return fmt.Errorf("%s: not JSON: the body ends in the middle of a value; it was cut off", position(p.body, len(p.body)))
	}
	return fmt.Errorf("%s: not JSON: %w", position(p.body, int(syntax.Offset)-1), syntax)
}

// position names an offset as a person counts: line and column from 1.
func position(body []byte, offset int) string {
	before := body[:max(0, min(offset, len(body)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[start:])+1)
}

func invalidUTF8(body []byte) int {
	if utf8.Valid(body) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}

package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Format is how data is written.
type Format string

// The formats of read commands.
const (
	AsTable Format = "table"
	AsJSON  Format = "json"
	AsJSONL Format = "jsonl"
	AsYAML  Format = "yaml"
)

// Formats are all of them, the default first.
func Formats() []string {
	return []string{string(AsTable), string(AsJSON), string(AsJSONL), string(AsYAML)}
}

// Data writes v in a format other than table: as JSON, as one line of JSON for
// each element of a list, or as YAML with the same content.
func (s *Screen) Data(f Format, v any) error {
	var compact bytes.Buffer
	enc := json.NewEncoder(&compact)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	switch f {
	case AsJSON:
		var b bytes.Buffer
		if err := json.Indent(&b, compact.Bytes(), "", "  "); err != nil {
			return fmt.Errorf("output: %w", err)
		}
		s.put(Safe(b.String()))
	case AsJSONL:
		return s.lines(compact.Bytes())
	case AsYAML:
		text, err := asYAML(compact.Bytes())
		if err != nil {
			return fmt.Errorf("output: %w", err)
		}
		s.put(escape(text, yamlEscape))
	default:
		return fmt.Errorf("output: format %q is not one for data", f)
	}
	return nil
}

func (s *Screen) lines(raw []byte) error {
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		items = []json.RawMessage{bytes.TrimSpace(raw)}
	}
	for _, item := range items {
		s.put(Safe(string(item)) + "\n")
	}
	return nil
}

// asYAML writes a JSON text as YAML in block style, keys in the same order. Texts
// stay in JSON's quotes, which YAML reads alike, so that nothing in them can
// become syntax.
func asYAML(raw []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var b strings.Builder
	if err := node(&b, d, 0, true); err != nil {
		return "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("more than one value")
	}
	return strings.TrimLeft(b.String(), " \n") + "\n", nil
}

// node writes the next value; fresh says that the value begins a line of its
// own, as an item of a list does behind its dash.
func node(b *strings.Builder, d *json.Decoder, depth int, fresh bool) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	open, is := t.(json.Delim)
	if !is {
		scalar, err := encoded(t)
		b.WriteString(" " + scalar)
		return err
	}
	if !d.More() {
		b.WriteString(map[json.Delim]string{'{': " {}", '[': " []"}[open])
	}
	for first := true; d.More(); first = false {
		if first && fresh {
			b.WriteString(" ")
		} else {
			b.WriteString("\n" + strings.Repeat("  ", depth))
		}
		if open == '[' {
			b.WriteString("-")
			if err := node(b, d, depth+1, true); err != nil {
				return err
			}
			continue
		}
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, err := encoded(key)
		if err != nil {
			return err
		}
		b.WriteString(bare(name) + ":")
		if err := node(b, d, depth+1, false); err != nil {
			return err
		}
	}
	_, err = d.Token() // the closing delimiter
	return err
}

// encoded writes a scalar as JSON does, without escapes for HTML.
func encoded(t json.Token) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(t)
	return strings.TrimSpace(b.String()), err
}

// bare takes the quotes off a key that is a plain lower-case name; YAML would
// read some short names, such as y and no, as booleans.
func bare(quoted string) string {
	name := strings.Trim(quoted, `"`)
	if len(name) < 4 && name != "id" && name != "at" && name != "by" && name != "url" {
		return quoted
	}
	if name == "null" || name == "true" || name == "false" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return quoted
	}
	return name
}

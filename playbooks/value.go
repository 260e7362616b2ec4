package playbooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Decode reads JSON as a plain value of t: map[string]any, []any, string, int,
// float64, bool, time.Time in UTC, time.Duration or nil. Optional fields that
// are absent are there as nil, absent lists and maps are empty, fields that t
// has not are left out, and values of an enum that t does not know are kept.
// Numbers of a value without schema are ints when written whole, else float64,
// and text when neither can hold them. Errors name the path.
func (t Type) Decode(raw json.RawMessage) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: more than one value")
	}
	return t.decode(v, "")
}

func (t Type) decode(v any, path string) (any, error) {
	if v == nil {
		return t.absent(path)
	}
	switch t.kind {
	case kindOptional:
		return t.def.elem.decode(v, path)
	case kindList:
		return t.decodeList(v, path)
	case kindMap:
		return t.decodeMap(v, path)
	case kindRecord:
		return t.decodeRecord(v, path)
	case kindRef:
		if s, ok := v.(string); ok {
			return s, nil
		}
		return t.def.elem.decode(v, path)
	case kindAny, kindNone, kindBroken, kindNever:
		return decodeAny(v), nil
	case kindNil:
		return nil, wrongValue(path, t, v)
	}
	return t.decodeScalar(v, path)
}

// absent is what null or a missing field is.
func (t Type) absent(path string) (any, error) {
	switch t.kind {
	case kindOptional, kindAny, kindNil, kindNone:
		return nil, nil
	case kindList:
		return []any{}, nil
	case kindMap:
		return map[string]any{}, nil
	}
	return nil, fmt.Errorf("%s: is missing; expected %s", orValue(path), t)
}

func (t Type) decodeList(v any, path string) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrongValue(path, t, v)
	}
	if len(items) < t.def.atLeast {
		return nil, fmt.Errorf("%s: has %d items; expected at least %d", orValue(path), len(items), t.def.atLeast)
	}
	out := make([]any, len(items))
	for i, item := range items {
		var err error
		if out[i], err = t.def.elem.decode(item, path+"["+strconv.Itoa(i)+"]"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t Type) decodeMap(v any, path string) (any, error) {
	entries, ok := v.(map[string]any)
	if !ok {
		return nil, wrongValue(path, t, v)
	}
	out := make(map[string]any, len(entries))
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		var err error
		if out[k], err = t.def.elem.decode(entries[k], dotted(path, k)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t Type) decodeRecord(v any, path string) (any, error) {
	entries, ok := v.(map[string]any)
	if !ok {
		return nil, wrongValue(path, t, v)
	}
	out := make(map[string]any, len(t.def.fields))
	for _, f := range t.def.fields {
		var err error
		if out[f.Name], err = f.Type.decode(entries[f.Name], dotted(path, f.Name)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t Type) decodeScalar(v any, path string) (any, error) {
	switch x := v.(type) {
	case bool:
		if t.kind == kindBoolean {
			return x, nil
		}
	case json.Number:
		switch t.kind {
		case kindInteger, kindSize:
			if i, ok := wholeNumber(x); ok {
				return i, nil
			}
			return nil, fmt.Errorf("%s: %s is not a whole number of 64 bits", orValue(path), x)
		case kindNumber:
			if f, err := x.Float64(); err == nil {
				return f, nil
			}
			return nil, fmt.Errorf("%s: %s is too large for a number", orValue(path), x)
		}
	case string:
		return t.decodeText(x, path)
	}
	return nil, wrongValue(path, t, v)
}

func (t Type) decodeText(s, path string) (any, error) {
	var v any
	var err error
	switch t.kind {
	case kindString, kindEnum:
		return s, nil
	case kindTime:
		var at time.Time
		at, err = time.Parse(time.RFC3339Nano, s)
		v = at.UTC()
	case kindDuration:
		v, err = ParseDuration(s)
	case kindSize:
		v, err = ParseSize(s)
	default:
		return nil, wrongValue(path, t, s)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %q is no %s", orValue(path), shorten(s), t)
	}
	return v, nil
}

func decodeAny(v any) any {
	switch x := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(x.String()); err == nil {
			return i
		}
		if f, err := x.Float64(); err == nil && strings.ContainsAny(x.String(), ".eE") {
			return f
		}
		return x.String()
	case []any:
		for i := range x {
			x[i] = decodeAny(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = decodeAny(x[k])
		}
	}
	return v
}

func wholeNumber(n json.Number) (int, bool) {
	if i, err := strconv.Atoi(n.String()); err == nil {
		return i, true
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 || !strings.ContainsAny(n.String(), ".eE") {
		return 0, false
	}
	return int(f), true
}

func wrongValue(path string, t Type, v any) error {
	return fmt.Errorf("%s: is %s; expected %s", orValue(path), describe(v), t)
}

// describe names the kind of a plain value, never its content.
func describe(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int:
		return "an integer"
	case float64, json.Number:
		return "a number"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	case []any:
		return "a list"
	case map[string]any:
		return "a record"
	}
	return fmt.Sprintf("a %T", v)
}

func dotted(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func orValue(path string) string {
	if path == "" {
		return "the value"
	}
	return path
}

// shorten cuts text for a message.
func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

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
	return t.decode(v, nil)
}

func (t Type) decode(v any, path *where) (any, error) {
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
func (t Type) absent(path *where) (any, error) {
	switch t.kind {
	case kindOptional, kindAny, kindNil, kindNone:
		return nil, nil
	case kindList:
		return []any{}, nil
	case kindMap:
		return map[string]any{}, nil
	}
	return nil, fmt.Errorf("%s: is missing; expected %s", path.String(), t)
}

func (t Type) decodeList(v any, path *where) (any, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, wrongValue(path, t, v)
	}
	if len(items) < t.def.atLeast {
		return nil, fmt.Errorf("%s: has %d items; expected at least %d", path.String(), len(items), t.def.atLeast)
	}
	out := make([]any, len(items))
	at := &where{up: path, item: true}
	for i, item := range items {
		var err error
		at.index = i
		if out[i], err = t.def.elem.decode(item, at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t Type) decodeMap(v any, path *where) (any, error) {
	entries, ok := v.(map[string]any)
	if !ok {
		return nil, wrongValue(path, t, v)
	}
	at, out := &where{up: path}, make(map[string]any, len(entries))
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		var err error
		at.name = k
		if out[k], err = t.def.elem.decode(entries[k], at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t Type) decodeRecord(v any, path *where) (any, error) {
	entries, ok := v.(map[string]any)
	if !ok {
		return nil, wrongValue(path, t, v)
	}
	at, out := &where{up: path}, make(map[string]any, len(t.def.fields))
	for _, f := range t.def.fields {
		var err error
		at.name = f.Name
		if out[f.Name], err = f.Type.decode(entries[f.Name], at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t Type) decodeScalar(v any, path *where) (any, error) {
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
			return nil, fmt.Errorf("%s: %s is not a whole number of 64 bits", path.String(), x)
		case kindNumber:
			if f, err := x.Float64(); err == nil {
				return f, nil
			}
			return nil, fmt.Errorf("%s: %s is too large for a number", path.String(), x)
		}
	case string:
		return t.decodeText(x, path)
	}
	return nil, wrongValue(path, t, v)
}

func (t Type) decodeText(s string, path *where) (any, error) {
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
		return nil, fmt.Errorf("%s: %q is no %s", path.String(), shorten(s), t)
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

func wrongValue(path *where, t Type, v any) error {
	return fmt.Errorf("%s: is %s; expected %s", path.String(), describe(v), t)
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

// where is a place in a value, of which an error names the path.
type where struct {
	up    *where
	name  string // of a field or key
	item  bool   // of a list
	index int
}

func (w *where) String() string {
	if w == nil {
		return "the value"
	}
	before := ""
	if w.up != nil {
		before = w.up.String()
	}
	switch {
	case w.item:
		return before + "[" + strconv.Itoa(w.index) + "]"
	case before == "":
		return w.name
	}
	return before + "." + w.name
}

// shorten cuts text for a message.
func shorten(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

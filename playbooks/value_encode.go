package playbooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxDepth is how deep values may be nested.
const maxDepth = 64

// Encode writes a plain value as JSON, the same bytes for equal values: keys in
// order, times in UTC by RFC 3339, durations as 4h0m0s, whole floats with .0 so
// that they come back as they were.
func Encode(v any) (json.RawMessage, error) {
	e := encoder{limit: math.MaxInt}
	if err := e.value(v, nil, 0); err != nil {
		return nil, err
	}
	return e.out, nil
}

type encoder struct {
	out   []byte
	limit int
}

var errTooLong = errors.New("the JSON is too long")

func (e *encoder) value(v any, path *where, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: is nested deeper than %d", path.String(), maxDepth)
	}
	if len(e.out) > e.limit {
		return errTooLong
	}
	switch x := v.(type) {
	case []any:
		return e.list(x, path, depth)
	case map[string]any:
		return e.record(x, path, depth)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%s: is not a finite number", path.String())
		}
		s := strconv.FormatFloat(x, 'g', -1, 64)
		if !strings.ContainsAny(s, ".e") {
			s += ".0"
		}
		e.out = append(e.out, s...)
	case time.Time:
		if y := x.UTC().Year(); y < 0 || y > 9999 {
			return fmt.Errorf("%s: the year %d cannot be written", path.String(), y)
		}
		e.text(x.UTC().Format(time.RFC3339Nano))
	case nil:
		e.out = append(e.out, "null"...)
	case bool:
		e.out = strconv.AppendBool(e.out, x)
	case int:
		e.out = strconv.AppendInt(e.out, int64(x), 10)
	case string:
		e.text(x)
	case time.Duration:
		e.text(x.String())
	default:
		return fmt.Errorf("%s: a %T is not a plain value", path.String(), v)
	}
	return nil
}

func (e *encoder) list(items []any, path *where, depth int) error {
	e.out = append(e.out, '[')
	for i, item := range items {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		if err := e.value(item, path, depth+1); err != nil {
			return err
		}
	}
	e.out = append(e.out, ']')
	return nil
}

func (e *encoder) record(entries map[string]any, path *where, depth int) error {
	e.out = append(e.out, '{')
	at := &where{up: path}
	for i, k := range slices.Sorted(maps.Keys(entries)) {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.text(k)
		e.out = append(e.out, ':')
		at.name = k
		if err := e.value(entries[k], at, depth+1); err != nil {
			return err
		}
	}
	e.out = append(e.out, '}')
	return nil
}

// text writes a JSON string; bytes that are not UTF-8 become U+FFFD.
func (e *encoder) text(s string) {
	const hex = "0123456789abcdef"
	e.out = append(e.out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			e.out = append(e.out, '\\', byte(r))
		case r == '\n':
			e.out = append(e.out, '\\', 'n')
		case r < 0x20 || r == 0x2028 || r == 0x2029:
			e.out = append(e.out, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			e.out = append(e.out, string(r)...)
		}
	}
	e.out = append(e.out, '"')
}

// holds reports whether v is a plain value of t, and names the first part that
// is not. Each part visited is counted by visit, which may stop the walk.
func (t Type) holds(v any, visit func(v any, depth int) error) error {
	return t.holdsAt(v, visit, 0)
}

func (t Type) holdsAt(v any, visit func(v any, depth int) error, depth int) error {
	if err := visit(v, depth); err != nil {
		return err
	}
	switch t.kind {
	case kindOptional:
		if v == nil {
			return nil
		}
		return t.def.elem.holdsAt(v, visit, depth)
	case kindAny, kindNone, kindBroken, kindNever:
		return holdsAny(v, visit, depth)
	case kindRef:
		if _, ok := v.(string); ok {
			return nil
		}
		return t.def.elem.holdsAt(v, visit, depth)
	case kindList:
		return t.holdsList(v, visit, depth)
	case kindMap, kindRecord:
		return t.holdsFields(v, visit, depth)
	}
	if !t.holdsScalar(v) {
		return notOf(t, v)
	}
	return nil
}

func (t Type) holdsList(v any, visit func(v any, depth int) error, depth int) error {
	items, ok := v.([]any)
	if !ok {
		return notOf(t, v)
	}
	if len(items) < t.def.atLeast {
		return fmt.Errorf("a list of %d items where at least %d are expected", len(items), t.def.atLeast)
	}
	for _, item := range items {
		if err := t.def.elem.holdsAt(item, visit, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (t Type) holdsFields(v any, visit func(v any, depth int) error, depth int) error {
	entries, ok := v.(map[string]any)
	if !ok {
		return notOf(t, v)
	}
	if t.kind == kindMap {
		for _, entry := range entries {
			if err := t.def.elem.holdsAt(entry, visit, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	for _, f := range t.def.fields {
		if err := f.Type.holdsAt(entries[f.Name], visit, depth+1); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

func (t Type) holdsScalar(v any) bool {
	switch v.(type) {
	case nil:
		return t.kind == kindNil
	case string:
		return t.textual()
	case bool:
		return t.kind == kindBoolean
	case int:
		return t.numeric()
	case float64:
		return t.kind == kindNumber
	case time.Time:
		return t.kind == kindTime
	case time.Duration:
		return t.kind == kindDuration
	}
	return false
}

func holdsAny(v any, visit func(v any, depth int) error, depth int) error {
	switch x := v.(type) {
	case []any:
		for _, item := range x {
			if err := AnyType().holdsAt(item, visit, depth+1); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, entry := range x {
			if err := AnyType().holdsAt(entry, visit, depth+1); err != nil {
				return err
			}
		}
	case nil, string, bool, int, float64, time.Time, time.Duration:
	default:
		return fmt.Errorf("%s is not a plain value", describe(v))
	}
	return nil
}

func notOf(t Type, v any) error { return fmt.Errorf("expected %s, got %s", t, describe(v)) }

package playbooks

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Answer makes a value of t out of what a test says of it: what is missing is
// the parameter of the same name, or empty. The JSON is what an action of that
// output would give.
func (t Type) Answer(v any, params map[string]any) (json.RawMessage, error) {
	raw, err := Encode(t.filled(v, params, 0))
	if err != nil {
		return nil, err
	}
	if _, err := t.Decode(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// filled adds to a value what t needs.
func (t Type) filled(v any, params map[string]any, depth int) any {
	if depth > MaxDepth {
		return v
	}
	if v == nil {
		return t.empty(params, depth)
	}
	t = t.Present()
	switch x := v.(type) {
	case map[string]any:
		if !t.IsRecord() {
			break
		}
		out := maps.Clone(x)
		for _, f := range t.Fields() {
			if given, ok := x[f.Name]; ok {
				out[f.Name] = f.Type.filled(given, nil, depth+1)
			} else if e := f.Type.emptyField(f.Name, params, depth+1); e != nil {
				out[f.Name] = e
			}
		}
		return out
	case []any:
		elem, ok := t.Elem()
		if !ok {
			break
		}
		out := slices.Clone(x)
		for i := range out {
			out[i] = elem.filled(out[i], nil, depth+1)
		}
		return out
	}
	return v
}

// emptyField is what stands in a field that nobody gave.
func (t Type) emptyField(name string, params map[string]any, depth int) any {
	switch given := params[name].(type) {
	case string:
		if t.IsRecord() {
			return t.filled(map[string]any{"id": given}, nil, depth)
		}
		if t.Present().textual() {
			return given
		}
	case map[string]any:
		if t.IsRecord() {
			return t.filled(given, nil, depth)
		}
	}
	return t.empty(nil, depth)
}

// empty is the least value of t; nil of what may be absent.
func (t Type) empty(params map[string]any, depth int) any {
	switch t.kind {
	case kindRecord:
		return t.filled(map[string]any{}, params, depth+1)
	case kindList:
		return []any{}
	case kindMap:
		return map[string]any{}
	case kindString, kindRef:
		return ""
	case kindEnum:
		if values := t.Values(); len(values) > 0 {
			return values[0]
		}
		return ""
	case kindInteger, kindNumber, kindSize:
		return 0
	case kindBoolean:
		return false
	case kindDuration:
		return "0s"
	case kindTime:
		return "0001-01-01T00:00:00Z"
	}
	return nil
}

// CaseParams are the params of a run as a case gives them, with defaults for
// the others. The error names everything that is wrong.
func (p *Playbook) CaseParams(given map[string]any) (map[string]any, error) {
	values := map[string]any{}
	for _, q := range p.Params {
		v, ok := given[q.Name]
		switch {
		case ok:
			values[q.Name] = v
		case q.Required:
			return nil, fmt.Errorf("param %s is missing: it has no default", q.Name)
		default:
			values[q.Name] = q.Default
		}
	}
	raw, err := Encode(values)
	if err != nil {
		return nil, fmt.Errorf("params: %w", err)
	}
	if values, err = p.DecodeParams(raw); err != nil {
		return nil, err
	}
	for _, q := range p.Params {
		if err := q.fault(values[q.Name]); err != nil {
			return nil, fmt.Errorf("param %s %w", q.Name, err)
		}
	}
	return values, nil
}

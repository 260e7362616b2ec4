package playbooks

import (
	"errors"
	"fmt"
	"time"
)

// evalEqual compares values of one type, however deep. A value that is absent
// is equal only to nil; in a value without schema it is likely a misspelt
// field, so comparing it is an error.
func evalEqual(b *budget, args []any) (any, error) {
	return b.equal(args[0], args[1], 0)
}

func evalEqualAny(b *budget, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, fmt.Errorf("%s and %s cannot be compared: test for nil before", describe(args[0]), describe(args[1]))
	}
	return b.equal(args[0], args[1], 0)
}

func (b *budget) equal(x, y any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, &limitError{fmt.Sprintf("values nested deeper than %d are compared", maxDepth)}
	}
	if x == nil || y == nil {
		return x == nil && y == nil, nil
	}
	switch x := x.(type) {
	case string:
		if y, ok := y.(string); ok {
			return b.equalText(x, y)
		}
	case bool:
		if y, ok := y.(bool); ok {
			return x == y, nil
		}
	case int:
		if y, ok := y.(int); ok {
			return x == y, nil
		}
		if y, ok := y.(float64); ok {
			return float64(x) == y, nil
		}
	case float64:
		if y, ok := asFloat(y); ok {
			return x == y, nil
		}
	case time.Time:
		if y, ok := y.(time.Time); ok {
			return x.Equal(y), nil
		}
	case time.Duration:
		if y, ok := y.(time.Duration); ok {
			return x == y, nil
		}
	case []any:
		if y, ok := y.([]any); ok {
			return b.equalLists(x, y, depth)
		}
	case map[string]any:
		if y, ok := y.(map[string]any); ok {
			return b.equalFields(x, y, depth)
		}
	}
	return false, cannot("==", x, y)
}

func (b *budget) equalText(x, y string) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	if err := b.read(len(x)); err != nil {
		return false, err
	}
	return x == y, nil
}

func (b *budget) equalLists(x, y []any, depth int) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	if err := b.visit(len(x)); err != nil {
		return false, err
	}
	for i := range x {
		if same, err := b.equal(x[i], y[i], depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (b *budget) equalFields(x, y map[string]any, depth int) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	if err := b.visit(len(x)); err != nil {
		return false, err
	}
	// The order of a map is chance; the answer must not be: one field that is
	// different decides, whatever cannot be compared beside it.
	first, failed := "", error(nil)
	for k, v := range x {
		w, ok := y[k]
		if !ok {
			return false, nil
		}
		same, err := b.equal(v, w, depth+1)
		if _, limit := errors.AsType[*limitError](err); limit {
			return false, err
		}
		if err != nil && (failed == nil || k < first) {
			first, failed = k, err
		}
		if err == nil && !same {
			return false, nil
		}
	}
	return failed == nil, failed
}

func evalIn(b *budget, args []any) (any, error) {
	switch all := args[1].(type) {
	case []any:
		if err := b.visit(len(all)); err != nil {
			return nil, err
		}
		for _, item := range all {
			if same, err := b.equal(args[0], item, 0); same || err != nil {
				return same, err
			}
		}
		return false, nil
	case map[string]any:
		key, err := textArgument(args, 0)
		if err != nil {
			return nil, err
		}
		if err := b.read(len(key)); err != nil {
			return nil, err
		}
		_, ok := all[key]
		return ok, nil
	}
	return nil, fmt.Errorf("`in` needs a list behind it, not %s", describe(args[1]))
}

// evalInAny is evalIn for a value without schema, which must be there.
func evalInAny(b *budget, args []any) (any, error) {
	if args[0] == nil {
		return nil, cannot("in", nil, args[1])
	}
	return evalIn(b, args)
}

// has looks up in a written list.
func (set *textSet) has(v any) bool {
	switch x := v.(type) {
	case string:
		if len(x) > set.longest {
			return false
		}
	case int:
	case float64:
		_, ok := set.members[int(x)]
		return ok && float64(int(x)) == x
	default:
		panic(fmt.Errorf("%s is looked up in a written list", describe(v)))
	}
	_, ok := set.members[v]
	return ok
}

// hashKey is a scalar as a key: equal values have equal keys.
func (b *budget) hashKey(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return v, b.read(len(v))
	case nil, bool, int:
		return v, nil
	case float64:
		if i := int(v); float64(i) == v {
			return i, nil
		}
		return v, nil
	case time.Time:
		return v.UTC().Round(0), nil
	case time.Duration:
		return v, nil
	}
	return nil, fmt.Errorf("%s cannot be told apart by value: use unique_by", describe(v))
}

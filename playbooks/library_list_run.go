package playbooks

import (
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

func evalLen(b *budget, args []any) (any, error) {
	switch x := args[0].(type) {
	case []any:
		return len(x), nil
	case map[string]any:
		return len(x), nil
	case string:
		if err := b.read(len(x)); err != nil {
			return nil, err
		}
		return utf8.RuneCountInString(x), nil
	}
	return nil, fmt.Errorf("%s has no length", describe(args[0]))
}

func evalFirst(_ *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	return items[0], nil
}

func evalLast(_ *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	return items[len(items)-1], nil
}

func evalTake(_ *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	n, ok := args[1].(int)
	if !ok || n < 0 {
		return nil, fmt.Errorf("take needs a whole number from 0, not %v", describe(args[1]))
	}
	n = min(n, len(items))
	return items[:n:n], nil
}

func evalConcat(b *budget, args []any) (any, error) {
	n := 0
	for i := range args {
		items, err := listArgument(args, i)
		if err != nil {
			return nil, err
		}
		n += len(items)
	}
	if err := b.list(n); err != nil {
		return nil, err
	}
	out := make([]any, 0, n)
	for _, arg := range args {
		out = append(out, arg.([]any)...)
	}
	return out, nil
}

func evalFlatten(b *budget, args []any) (any, error) {
	lists, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.visit(len(lists)); err != nil {
		return nil, err
	}
	return evalConcat(b, lists)
}

func evalReverse(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.list(len(items)); err != nil {
		return nil, err
	}
	out := slices.Clone(items)
	slices.Reverse(out)
	return out, nil
}

func evalSort(b *budget, args []any) (any, error) {
	return evalSortBy(b, slices.Insert(slices.Clone(args), 1, args[0]))
}

// evalSortBy sorts args[0] by the keys of args[1].
func evalSortBy(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	keys, err := listArgument(args, 1)
	if err != nil {
		return nil, err
	}
	rounds := bits.Len(uint(len(items)))
	if err := errors.Join(b.list(times(2, len(items))), b.effort(times(len(items), rounds))); err != nil {
		return nil, err
	}
	for _, key := range keys {
		if s, ok := key.(string); ok {
			if err := b.read(times(len(s), rounds)); err != nil {
				return nil, err
			}
		}
	}
	at := make([]int, len(items))
	for i := range at {
		at[i] = i
	}
	descending := len(args) > 2 && args[2] == "desc"
	var failed error
	slices.SortStableFunc(at, func(i, j int) int {
		c, err := sortOrder(keys[i], keys[j])
		if err != nil {
			failed = err
		}
		if descending {
			return -c
		}
		return c
	})
	if failed != nil {
		return nil, failed
	}
	out := make([]any, len(items))
	for i, j := range at {
		out[i] = items[j]
	}
	return out, nil
}

// sortOrder is order, and texts by their characters.
func sortOrder(a, b any) (int, error) {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), nil
		}
	}
	return order(a, b)
}

func evalUniq(b *budget, args []any) (any, error) {
	return evalUniqueBy(b, []any{args[0], args[0]})
}

// evalUniqueBy keeps the first item of each key.
func evalUniqueBy(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	keys, err := listArgument(args, 1)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(b.list(len(items)), b.build(times(len(items), 48))); err != nil {
		return nil, err
	}
	seen := make(map[any]struct{}, len(items))
	out := make([]any, 0, len(items))
	for i, item := range items {
		key, err := b.hashKey(keys[i])
		if err != nil {
			return nil, err
		}
		if _, known := seen[key]; !known {
			seen[key] = struct{}{}
			out = append(out, item)
		}
	}
	return out, nil
}

func evalGroupBy(b *budget, args []any) (any, error) {
	items, err := listArgument(args, 0)
	if err != nil {
		return nil, err
	}
	keys, err := listArgument(args, 1)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(b.list(len(items)), b.build(times(len(items), 96))); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for i, item := range items {
		key, ok := keys[i].(string)
		if !ok {
			return nil, fmt.Errorf("groupBy needs text to group by, not %s", describe(keys[i]))
		}
		if err := b.read(len(key)); err != nil {
			return nil, err
		}
		group, _ := out[key].([]any)
		out[key] = append(group, item)
	}
	return out, nil
}

func evalKeys(b *budget, args []any) (any, error) {
	keys, err := b.sortedKeys(args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = k
	}
	return out, nil
}

func evalValues(b *budget, args []any) (any, error) {
	keys, err := b.sortedKeys(args[0])
	if err != nil {
		return nil, err
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		out[i] = args[0].(map[string]any)[k]
	}
	return out, nil
}

func (b *budget) sortedKeys(v any) ([]string, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a map is needed here, not %s", describe(v))
	}
	if err := errors.Join(b.list(times(2, len(m))), b.effort(times(len(m), bits.Len(uint(len(m)))))); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(m)), nil
}

package kql

import (
	"slices"
	"strings"
)

// join puts rows of two tables together where their keys are equal.
//
// Source: learn.microsoft.com/kusto/query/join-operator.
func (r *run) join(op *operator, left *Table, names *scope) (*Table, error) {
	right, err := r.source(op.join.right, names)
	if err != nil {
		return nil, err
	}
	l, m, err := joinColumns(op, left, right)
	if err != nil {
		return nil, err
	}
	kind := op.join.kind
	if kind == "innerunique" { // one row of the left for each key
		if left, err = r.firstPerKey(left, l); err != nil {
			return nil, err
		}
	}
	switch kind {
	case "leftsemi", "leftanti":
		return r.semi(left, right, l, m, kind == "leftsemi")
	case "rightsemi", "rightanti":
		return r.semi(right, left, m, l, kind == "rightsemi")
	}
	out := &Table{Columns: slices.Clone(left.Columns)}
	for _, c := range right.Columns {
		out.Columns = append(out.Columns, Column{unique(out.Columns, c.Name), c.Type})
	}
	return out, r.pairs(out, left, right, l, m, kind)
}

// pairs fills out with the pairs of rows and, where the kind says so, with rows
// that found none.
func (r *run) pairs(out, left, right *Table, l, m []int, kind string) error {
	byKey := map[string][]int{}
	for i, row := range right.Rows {
		if k, whole := r.joinKey(row, m); whole {
			byKey[k] = append(byKey[k], i)
		}
		if !r.spend(1) {
			return r.over()
		}
	}
	add := func(a, b []any) bool {
		if !r.room(len(out.Columns)) {
			return false
		}
		row := out.blank()
		copy(row, a)
		if b != nil {
			copy(row[len(left.Columns):], b)
		}
		out.Rows = append(out.Rows, row)
		return true
	}
	used := make([]bool, len(right.Rows))
	for _, row := range left.Rows {
		k, whole := r.joinKey(row, l)
		found := byKey[k]
		if !whole {
			found = nil
		}
		for _, i := range found {
			used[i] = true
			if !add(row, right.Rows[i]) {
				return r.over()
			}
		}
		if len(found) == 0 && (kind == "leftouter" || kind == "fullouter") && !add(row, nil) {
			return r.over()
		}
	}
	if kind == "rightouter" || kind == "fullouter" {
		for i, row := range right.Rows {
			if !used[i] && !add(nil, row) {
				return r.over()
			}
		}
	}
	return nil
}

// joinColumns finds the columns of the keys on both sides.
func joinColumns(op *operator, left, right *Table) (l, m []int, err error) {
	for _, k := range op.join.on {
		i := slices.IndexFunc(left.Columns, func(c Column) bool { return c.Name == k.left })
		j := slices.IndexFunc(right.Columns, func(c Column) bool { return c.Name == k.right })
		switch {
		case i < 0:
			return nil, nil, semantic(k.place, "'join' operator: Failed to resolve column named '%s' on the left side", k.left)
		case j < 0:
			return nil, nil, semantic(k.place, "'join' operator: Failed to resolve column named '%s' on the right side", k.right)
		}
		a, b := left.Columns[i].Type, right.Columns[j].Type
		if a == Dynamic || b == Dynamic {
			return nil, nil, semantic(k.place, "join key '%s' is of a 'dynamic' type. Please use an explicit cast using extend operator in the join legs (for example, '... | extend %s = tostring(%s) | join (... | extend %s = tostring(%s)) on %s') as join on a 'dynamic' type is not supported.", k.left, k.left, k.left, k.left, k.left, k.left)
		}
		if _, fits := common(a, b); !fits {
			return nil, nil, semantic(k.place, "'join' operator: the keys '%s' and '%s' have different types: %s and %s", k.left, k.right, a, b)
		}
		l, m = append(l, i), append(m, j)
	}
	return l, m, nil
}

// joinKey is the key of a row; false where a part is null, which equals nothing.
func (r *run) joinKey(row []any, columns []int) (string, bool) {
	values := make([]any, len(columns))
	for n, i := range columns {
		if row[i] == nil {
			return "", false
		}
		values[n] = row[i]
	}
	return r.keyOf(values), true
}

func (r *run) firstPerKey(t *Table, columns []int) (*Table, error) {
	seen := map[string]bool{}
	out := &Table{Columns: t.Columns}
	for _, row := range t.Rows {
		k, whole := r.joinKey(row, columns)
		if !r.spend(1) {
			return nil, r.over()
		}
		if whole && !seen[k] {
			seen[k] = true
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// semi keeps the rows of t whose key is among those of the other, or is not.
func (r *run) semi(t, other *Table, columns, others []int, want bool) (*Table, error) {
	keys := map[string]bool{}
	for _, row := range other.Rows {
		if k, whole := r.joinKey(row, others); whole {
			keys[k] = true
		}
		if !r.spend(1) {
			return nil, r.over()
		}
	}
	out := &Table{Columns: t.Columns}
	for _, row := range t.Rows {
		k, whole := r.joinKey(row, columns)
		if (whole && keys[k]) == want {
			out.Rows = append(out.Rows, row)
		}
		if !r.spend(1) {
			return nil, r.over()
		}
	}
	return out, nil
}

// lookup is a join that leaves the keys of the right side out.
func (r *run) lookup(op *operator, left *Table, names *scope) (*Table, error) {
	if k := op.join.kind; k != "leftouter" && k != "inner" {
		return nil, semantic(op.place, "'lookup' operator: expected kind leftouter or inner")
	}
	out, err := r.join(op, left, names)
	if err != nil {
		return nil, err
	}
	right, err := r.source(op.join.right, names)
	if err != nil {
		return nil, err
	}
	_, keys, err := joinColumns(op, left, right)
	if err != nil {
		return nil, err
	}
	var keep []int
	for i := range out.Columns {
		if i < len(left.Columns) || !slices.Contains(keys, i-len(left.Columns)) {
			keep = append(keep, i)
		}
	}
	return r.columns(out, keep)
}

// expand makes a row of each element of a list.
func (r *run) expand(op *operator, t *Table, names *scope) (*Table, error) {
	nodes, err := r.bindAll(r.binder(t, names, op.word), op.items)
	if err != nil {
		return nil, err
	}
	limit := int64(-1)
	if op.limit != nil {
		c, err := r.constant(op.limit, names)
		if err != nil {
			return nil, err
		}
		if n, is := c.value.(int64); is {
			limit = n
		}
	}
	out := &Table{Columns: slices.Clone(t.Columns)}
	at := make([]int, len(nodes))
	for i, n := range op.items {
		if nodes[i].typ != Dynamic {
			return nil, semantic(n.place, "'mv-expand' operator: expected a dynamic, got %s", nodes[i].typ)
		}
		typ := Dynamic
		if n.to != "" {
			typ = n.to
		}
		name := called(n, i+1)
		at[i] = slices.IndexFunc(out.Columns, func(c Column) bool { return c.Name == name })
		if at[i] < 0 {
			at[i] = len(out.Columns)
			out.Columns = append(out.Columns, Column{Name: name})
		}
		out.Columns[at[i]].Type = typ
	}
	for _, row := range t.Rows {
		lists, most := make([][]any, len(nodes)), 0
		for i := range nodes {
			lists[i] = elements(nodes[i].eval(row))
			most = max(most, len(lists[i]))
		}
		if limit >= 0 {
			most = int(min(int64(most), limit))
		}
		for k := range most {
			if !r.room(len(out.Columns)) {
				return nil, r.over()
			}
			to := out.blank()
			copy(to, row)
			for i, list := range lists {
				var v any
				if k < len(list) {
					v = list[k]
				}
				to[at[i]] = converted(v, out.Columns[at[i]].Type)
			}
			out.Rows = append(out.Rows, to)
		}
	}
	return out, nil
}

// elements are those of a list, the properties of a bag each as a bag, or the
// value itself; an empty list stands for one null.
func elements(v any) []any {
	switch v := v.(type) {
	case []any:
		if len(v) > 0 {
			return v
		}
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, strings.Compare)
		out := make([]any, 0, len(v))
		for _, k := range keys {
			out = append(out, map[string]any{k: v[k]})
		}
		if len(out) > 0 {
			return out
		}
	default:
		return []any{v}
	}
	return []any{nil}
}

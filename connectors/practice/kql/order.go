package kql

import "slices"

// order is sort and top: stable, so that equal rows keep their order.
func (r *run) order(op *operator, t *Table, names *scope) (*Table, error) {
	b := r.binder(t, names, op.word)
	keys := make([]node, len(op.order))
	for i, o := range op.order {
		n, err := b.bind(o.x)
		if err != nil {
			return nil, err
		}
		if n.typ == Dynamic {
			return nil, semantic(o.x.at(), "'%s' operator: cannot order by a dynamic; use tostring() or another cast", op.word)
		}
		keys[i] = n
	}
	type entry struct{ row, by []any }
	all := make([]entry, len(t.Rows))
	for i, row := range t.Rows {
		if !r.room(len(keys)) {
			return nil, r.over()
		}
		all[i] = entry{row, make([]any, len(keys))}
		for k := range keys {
			all[i].by[k] = keys[k].eval(row)
		}
	}
	slices.SortStableFunc(all, func(x, y entry) int {
		r.spend(1)
		for k, o := range op.order {
			if c := o.compare(x.by[k], y.by[k]); c != 0 {
				return c
			}
		}
		return 0
	})
	out := &Table{Columns: t.Columns}
	for _, e := range all {
		out.Rows = append(out.Rows, e.row)
	}
	if op.word == "top" {
		n, err := r.number(op, t, names)
		if err != nil {
			return nil, err
		}
		out.Rows = out.Rows[:n]
	}
	return out, nil
}

func (o ordering) compare(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil || b == nil:
		if (a == nil) == o.nullsFirst {
			return -1
		}
		return 1
	}
	c, _ := compared(a, b)
	if !o.asc {
		c = -c
	}
	return c
}

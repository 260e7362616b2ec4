package kql

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// union puts tables under each other: every column that one has, null where
// another lacks it.
func (r *run) union(op *operator, first *Table, names *scope) (*Table, error) {
	var legs []*Table
	var called []string
	if first != nil {
		legs, called = append(legs, first), append(called, "union_arg0")
	}
	for _, s := range op.legs {
		t, err := r.source(s, names)
		if err != nil {
			if e, is := errors.AsType[*Error](err); is && e.Kind == Semantic && op.flags["isfuzzy"] == "true" && s.table != "" {
				continue
			}
			return nil, err
		}
		name := s.table
		if name == "" {
			name = fmt.Sprintf("union_arg%d", len(legs))
		}
		legs, called = append(legs, t), append(called, name)
	}
	out := &Table{}
	if w := op.flags["withsource"]; w != "" {
		out.Columns = append(out.Columns, Column{w, String})
	}
	at := make([]map[int]int, len(legs)) // of each leg: its column → ours
	for l, t := range legs {
		at[l] = map[int]int{}
		for i, c := range t.Columns {
			at[l][i] = out.place(c)
		}
	}
	if op.flags["kind"] == "inner" {
		return r.unionRows(out.shared(at, op.flags["withsource"] != ""), legs, called, at, op.flags["withsource"])
	}
	return r.unionRows(out, legs, called, at, op.flags["withsource"])
}

// place is where a column of this name and type stands, or now does. One of the
// same name and another type is told apart by its type's name.
func (t *Table) place(c Column) int {
	for _, name := range []string{c.Name, c.Name + "_" + string(c.Type)} {
		i := slices.IndexFunc(t.Columns, func(o Column) bool { return o.Name == name })
		if i < 0 {
			t.Columns = append(t.Columns, Column{name, c.Type})
			return len(t.Columns) - 1
		}
		if t.Columns[i].Type == c.Type {
			return i
		}
	}
	t.Columns = append(t.Columns, Column{unique(t.Columns, c.Name), c.Type})
	return len(t.Columns) - 1
}

// shared keeps the columns that all legs have, changing at to them.
func (t *Table) shared(at []map[int]int, source bool) *Table {
	out := &Table{}
	moved := map[int]int{}
	for i, c := range t.Columns {
		everywhere := !slices.ContainsFunc(at, func(m map[int]int) bool { return !slices.Contains(slices.Collect(maps.Values(m)), i) })
		if everywhere || source && i == 0 {
			moved[i] = len(out.Columns)
			out.Columns = append(out.Columns, c)
		}
	}
	for _, m := range at {
		for from, to := range m {
			if n, kept := moved[to]; kept {
				m[from] = n
			} else {
				delete(m, from)
			}
		}
	}
	return out
}

func (r *run) unionRows(out *Table, legs []*Table, called []string, at []map[int]int, source string) (*Table, error) {
	for l, t := range legs {
		for _, row := range t.Rows {
			if !r.room(len(out.Columns)) {
				return nil, r.over()
			}
			to := out.blank()
			if source != "" {
				to[0] = called[l]
			}
			for from, n := range at[l] {
				to[n] = row[from]
			}
			out.Rows = append(out.Rows, to)
		}
	}
	return out, nil
}

// blank is a row of nulls, and of empty texts, which are never null.
func (t *Table) blank() []any {
	row := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		if c.Type == String {
			row[i] = ""
		}
	}
	return row
}

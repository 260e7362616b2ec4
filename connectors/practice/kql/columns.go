package kql

import (
	"slices"
	"strings"
)

// matches reports whether a name fits a pattern with stars.
func (g glob) matches(name string) bool {
	parts := strings.Split(g.pattern, "*")
	if len(parts) == 1 {
		return name == g.pattern
	}
	rest, is := strings.CutPrefix(name, parts[0])
	if !is {
		return false
	}
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// pick is project-away, project-keep and project-reorder.
func (r *run) pick(op *operator, t *Table) (*Table, error) {
	named := map[int]bool{}
	var order []int
	for _, g := range op.globs {
		found := strings.Contains(g.pattern, "*")
		for i, c := range t.Columns {
			if g.matches(c.Name) {
				found = true
				if !named[i] {
					named[i] = true
					order = append(order, i)
				}
			}
		}
		if !found {
			return nil, semantic(g.place, "'%s' operator: Failed to resolve column named '%s'", op.word, g.pattern)
		}
	}
	var keep []int
	if op.word == "project-reorder" {
		keep = order
	}
	for i := range t.Columns {
		if named[i] == (op.word == "project-keep") {
			keep = append(keep, i)
		}
	}
	return r.columns(t, keep)
}

// columns is the table with these columns of it.
func (r *run) columns(t *Table, keep []int) (*Table, error) {
	out := &Table{}
	for _, i := range keep {
		out.Columns = append(out.Columns, t.Columns[i])
	}
	for _, row := range t.Rows {
		if !r.room(len(keep)) {
			return nil, r.over()
		}
		to := make([]any, len(keep))
		for n, i := range keep {
			to[n] = row[i]
		}
		out.Rows = append(out.Rows, to)
	}
	return out, nil
}

func (r *run) rename(op *operator, t *Table) (*Table, error) {
	out := &Table{slices.Clone(t.Columns), t.Rows}
	for _, n := range op.items {
		old, is := n.x.(*name)
		if !is || n.name == "" {
			return nil, semantic(n.place, "'project-rename' operator: expected new = old")
		}
		i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == old.text })
		if i < 0 {
			return nil, semantic(n.place, "'project-rename' operator: Failed to resolve column named '%s'", old.text)
		}
		if slices.ContainsFunc(out.Columns, func(c Column) bool { return c.Name == n.name }) {
			return nil, semantic(n.place, "'project-rename' operator: a column named '%s' already exists", n.name)
		}
		out.Columns[i].Name = n.name
	}
	return out, nil
}

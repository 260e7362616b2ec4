package kql

import (
	"fmt"
	"slices"
)

// pipeline runs a source and its operators.
func (r *run) pipeline(p *pipeline, names *scope) (*Table, error) {
	t, err := r.source(p.source, names)
	if err != nil {
		return nil, err
	}
	for i := range p.ops {
		if t, err = r.operate(&p.ops[i], t, names); err != nil {
			return nil, err
		}
		if err := r.over(); err != nil {
			return nil, err
		}
	}
	return t, r.over()
}

func (r *run) source(s source, names *scope) (*Table, error) {
	switch {
	case s.group != nil:
		return r.pipeline(s.group, names)
	case s.union != nil:
		return r.union(s.union, nil, names)
	case s.print != nil:
		return r.project(s.print, &Table{Rows: [][]any{{}}}, names, "print")
	case s.sequence != nil:
		return r.sequence(s, names)
	case s.inline != nil:
		return r.inline(s, names)
	}
	what := s.table
	if s.function != "" {
		what = s.function
	}
	if in := names.find(what); in != nil {
		if in.isTable {
			return in.table, nil
		}
		return nil, semantic(s.place, "'%s' is a value; expected a table", what)
	}
	if s.function == "" {
		if t, is := r.o.Table(what); is {
			if !r.spend(len(t.Rows)) {
				return nil, r.over()
			}
			return t, nil
		}
	}
	return nil, semantic(s.place, "'where' operator: Failed to resolve table or column expression named '%s'", what)
}

func (r *run) sequence(s source, names *scope) (*Table, error) {
	q := s.sequence
	var bounds [3]constant
	for i, x := range []expr{q.from, q.to, q.step} {
		c, err := r.constant(x, names)
		if err != nil {
			return nil, err
		}
		bounds[i] = c
	}
	at, typ := bounds[0].value, bounds[0].typ
	if _, fits := common(typ, bounds[1].typ); !fits || at == nil || bounds[2].value == nil || typ == String || typ == Bool || typ == Dynamic {
		return nil, semantic(s.place, "range: the bounds and the step do not fit together")
	}
	t := &Table{Columns: []Column{{q.name, typ}}}
	for {
		c, ordered := compared(at, converted(bounds[1].value, typ))
		if !ordered || c > 0 {
			return t, nil
		}
		if !r.room(1) {
			return nil, r.over()
		}
		t.Rows = append(t.Rows, []any{at})
		next := calculated("+", typ, at, bounds[2].value)
		if d, is := compared(next, at); !is || d <= 0 {
			return nil, semantic(s.place, "range: the step must be greater than zero")
		}
		at = next
	}
}

func (r *run) inline(s source, names *scope) (*Table, error) {
	t := &Table{Columns: s.inline.columns}
	n := len(t.Columns)
	for i, x := range s.inline.cells {
		c, err := r.constant(x, names)
		if err != nil {
			return nil, err
		}
		if i%n == 0 {
			t.Rows = append(t.Rows, make([]any, n))
		}
		t.Rows[i/n][i%n] = converted(c.value, t.Columns[i%n].Type)
	}
	return t, nil
}

// operate passes the rows through one operator.
func (r *run) operate(op *operator, t *Table, names *scope) (*Table, error) {
	switch op.word {
	case "where":
		return r.filter(op, t, names)
	case "project":
		return r.project(op.items, t, names, op.word)
	case "extend":
		return r.extend(op.items, t, names)
	case "distinct":
		return r.distinct(op, t, names)
	case "project-away", "project-keep", "project-reorder":
		return r.pick(op, t)
	case "project-rename":
		return r.rename(op, t)
	case "summarize":
		return r.summarize(op, t, names)
	case "count":
		return &Table{[]Column{{"Count", Long}}, [][]any{{int64(len(t.Rows))}}}, nil
	case "take":
		n, err := r.number(op, t, names)
		if err != nil {
			return nil, err
		}
		return &Table{t.Columns, t.Rows[:min(n, len(t.Rows))]}, nil
	case "top", "order":
		return r.order(op, t, names)
	case "join":
		return r.join(op, t, names)
	case "lookup":
		return r.lookup(op, t, names)
	case "union":
		return r.union(op, t, names)
	case "mv-expand":
		return r.expand(op, t, names)
	case "getschema":
		out := &Table{Columns: []Column{{"ColumnName", String}, {"ColumnOrdinal", Int}, {"ColumnType", String}}}
		for i, c := range t.Columns {
			out.Rows = append(out.Rows, []any{c.Name, int64(i), string(c.Type)})
		}
		return out, nil
	}
	return t, nil // as, serialize, render
}

func (r *run) binder(t *Table, names *scope, op string) *binder {
	return &binder{run: r, names: names, columns: t.Columns, op: op}
}

// number is the count of take or top.
func (r *run) number(op *operator, t *Table, names *scope) (int, error) {
	c, err := r.constant(op.count, names)
	if err != nil {
		return 0, err
	}
	n, is := c.value.(int64)
	if !is || n < 0 {
		return 0, semantic(op.count.at(), "'%s' operator: expected a number of rows", op.word)
	}
	return int(min(n, int64(len(t.Rows)))), nil
}

func (r *run) filter(op *operator, t *Table, names *scope) (*Table, error) {
	b := r.binder(t, names, op.word)
	n, err := b.bind(op.cond)
	if err != nil {
		return nil, err
	}
	if n, err = b.truth(op.cond.at(), n); err != nil {
		return nil, err
	}
	out := &Table{Columns: t.Columns}
	for _, row := range t.Rows {
		if !r.spend(1) {
			return nil, r.over()
		}
		if n.eval(row) == true {
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

// called is the name of a column that was given none.
func called(n named, at int) string {
	if n.name != "" {
		return n.name
	}
	switch x := n.x.(type) {
	case *name:
		return x.text
	case *member:
		if inner := called(named{x: x.of}, 0); inner != "" {
			return inner + "_" + x.name
		}
		return x.name
	case *call:
		if (x.fn == "bin" || x.fn == "floor") && len(x.args) > 0 {
			return called(named{x: x.args[0]}, at)
		}
		if x.fn == "tostring" && len(x.args) == 1 {
			if in := called(named{x: x.args[0]}, 0); in != "" {
				return in
			}
		}
	}
	if at == 0 {
		return ""
	}
	return fmt.Sprintf("Column%d", at)
}

// unique makes names of columns differ, as Kusto does by numbers.
func unique(taken []Column, name string) string {
	has := func(n string) bool { return slices.ContainsFunc(taken, func(c Column) bool { return c.Name == n }) }
	out := name
	for n := 1; has(out); n++ {
		out = fmt.Sprintf("%s%d", name, n)
	}
	return out
}

func (r *run) bindAll(b *binder, items []named) ([]node, error) {
	out := make([]node, len(items))
	for i, n := range items {
		x, err := b.bind(n.x)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

func (r *run) project(items []named, t *Table, names *scope, op string) (*Table, error) {
	nodes, err := r.bindAll(r.binder(t, names, op), items)
	if err != nil {
		return nil, err
	}
	out := &Table{}
	for i, n := range items {
		name := called(n, i+1)
		if op == "print" && n.name == "" {
			name = fmt.Sprintf("print_%d", i)
		}
		if slices.ContainsFunc(out.Columns, func(c Column) bool { return c.Name == name }) {
			if n.name != "" {
				return nil, semantic(n.place, "'%s' operator: a column named '%s' already exists", op, name)
			}
			name = unique(out.Columns, name)
		}
		out.Columns = append(out.Columns, Column{name, nodes[i].typ})
	}
	for _, row := range t.Rows {
		if !r.room(len(nodes)) {
			return nil, r.over()
		}
		to := make([]any, len(nodes))
		for i := range nodes {
			to[i] = nodes[i].eval(row)
		}
		out.Rows = append(out.Rows, to)
	}
	return out, nil
}

// room takes a row of n cells.
func (r *run) room(n int) bool { return r.spend(1) && r.built(48+24*n) }

func (r *run) extend(items []named, t *Table, names *scope) (*Table, error) {
	out := &Table{Columns: slices.Clone(t.Columns)}
	nodes, err := r.bindAll(r.binder(t, names, "extend"), items)
	if err != nil {
		return nil, err
	}
	at := make([]int, len(items))
	for i, n := range items {
		name := called(n, i+1)
		at[i] = slices.IndexFunc(out.Columns, func(c Column) bool { return c.Name == name })
		if at[i] < 0 {
			at[i] = len(out.Columns)
			out.Columns = append(out.Columns, Column{Name: name})
		}
		out.Columns[at[i]].Type = nodes[i].typ
	}
	for _, row := range t.Rows {
		if !r.room(len(out.Columns)) {
			return nil, r.over()
		}
		to := make([]any, len(out.Columns))
		copy(to, row)
		for i := range nodes {
			to[at[i]] = nodes[i].eval(row)
		}
		out.Rows = append(out.Rows, to)
	}
	return out, nil
}

func (r *run) distinct(op *operator, t *Table, names *scope) (*Table, error) {
	if _, all := op.items[0].x.(*star); !all {
		var err error
		if t, err = r.project(op.items, t, names, op.word); err != nil {
			return nil, err
		}
	}
	for _, c := range t.Columns {
		if c.Type == Dynamic {
			return nil, semantic(op.place, "'distinct' operator: column '%s' has type dynamic; use tostring()", c.Name)
		}
	}
	seen := map[string]bool{}
	out := &Table{Columns: t.Columns}
	for _, row := range t.Rows {
		k := r.keyOf(row)
		if !r.spend(1) {
			return nil, r.over()
		}
		if !seen[k] {
			seen[k] = true
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

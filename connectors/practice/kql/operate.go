package kql

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
			if e, is := err.(*Error); is && e.Kind == Semantic && op.flags["isfuzzy"] == "true" && s.table != "" {
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

package kql

import (
	"fmt"
	"slices"
)

// aggregate is one aggregation function with its arguments, and where its
// values stand in the row that the rest of the expression sees.
type aggregate struct {
	*call
	args    []node
	names   []string // of arg_max and take_any: the columns that it answers
	first   int      // slot
	columns []Column
}

// aggregates reports whether a function is one of aggregation.
func aggregates(fn string) bool {
	return slices.Contains([]string{
		"count", "countif", "dcount", "dcountif", "count_distinct", "sum", "sumif", "avg", "avgif", "min", "max", "minif", "maxif",
		"make_set", "make_list", "make_set_if", "make_list_if", "makeset", "makelist", "arg_max", "arg_min", "any", "take_any", "take_anyif", "percentile",
	}, fn)
}

// summarize groups rows and computes one row of each group. Without by all rows
// are one group, also when there are none.
//
// Source: learn.microsoft.com/kusto/query/summarize-operator.
func (r *run) summarize(op *operator, t *Table, names *scope) (*Table, error) {
	b := r.binder(t, names, op.word)
	by, err := r.bindAll(b, op.by)
	if err != nil {
		return nil, err
	}
	out := &Table{}
	for i, n := range op.by {
		if by[i].typ == Dynamic {
			return nil, semantic(n.place, "Summarize group key '%s' is of a 'dynamic' type. Please use an explicit cast (for example, 'summarize ... by tostring(%s)') as grouping by a 'dynamic' type is not supported.", called(n, i+1), called(n, i+1))
		}
		out.Columns = append(out.Columns, Column{unique(out.Columns, called(n, i+1)), by[i].typ})
	}
	s := &summary{run: r, binder: b, keys: slices.Clone(out.Columns)}
	for _, n := range op.items {
		if err := s.item(out, n); err != nil {
			return nil, err
		}
	}
	groups, order, err := r.groups(by, t)
	if err != nil {
		return nil, err
	}
	if len(op.by) == 0 && len(order) == 0 {
		groups[""], order = &group{}, []string{""}
	}
	for _, k := range order {
		row, err := s.row(groups[k])
		if err != nil {
			return nil, err
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

type group struct {
	key  []any
	rows [][]any
}

func (r *run) groups(by []node, t *Table) (map[string]*group, []string, error) {
	groups, order := map[string]*group{}, []string(nil)
	for _, row := range t.Rows {
		if !r.spend(1) {
			return nil, nil, r.over()
		}
		values := make([]any, len(by))
		for i := range by {
			values[i] = by[i].eval(row)
		}
		k := r.keyOf(values)
		g := groups[k]
		if g == nil {
			g = &group{key: values}
			groups[k] = g
			order = append(order, k)
			if !r.room(len(by)) {
				return nil, nil, r.over()
			}
		}
		g.rows = append(g.rows, row)
	}
	return groups, order, nil
}

// summary is the columns that are computed for each group.
type summary struct {
	run    *run
	binder *binder
	keys   []Column // what it groups by
	all    []*aggregate
	slots  []Column
	nodes  []node // over the slots
}

// item adds one expression with aggregates in it.
func (s *summary) item(out *Table, n named) error {
	if c, is := n.x.(*call); is && aggregates(c.fn) { // may answer several columns
		a, err := s.aggregate(c, n.name)
		if err != nil {
			return err
		}
		for i, col := range a.columns {
			col.Name = unique(out.Columns, col.Name)
			out.Columns = append(out.Columns, col)
			at := a.first + i
			s.nodes = append(s.nodes, node{col.Type, func(row []any) any { return row[at] }, false})
		}
		return nil
	}
	x, err := s.lift(n.x)
	if err != nil {
		return err
	}
	inner := &binder{run: s.run, names: s.binder.names, op: "summarize"}
	v, err := inner.bind(x)
	if err != nil {
		return err
	}
	name := called(n, len(out.Columns)+1)
	out.Columns = append(out.Columns, Column{unique(out.Columns, name), v.typ})
	s.nodes = append(s.nodes, v)
	return nil
}

// lift puts slots in the place of the aggregates of an expression.
func (s *summary) lift(x expr) (expr, error) {
	var err error
	sub := func(in expr) expr {
		if err != nil {
			return in
		}
		var out expr
		out, err = s.lift(in)
		return out
	}
	switch x := x.(type) {
	case *call:
		if aggregates(x.fn) {
			a, err := s.aggregate(x, "")
			if err != nil {
				return nil, err
			}
			if len(a.columns) != 1 {
				return nil, semantic(x.place, "'summarize' operator: %s() answers several columns and cannot be part of an expression", x.fn)
			}
			return &slot{x.place, a.first, a.columns[0].Type}, nil
		}
		c := &call{place: x.place, fn: x.fn}
		for _, a := range x.args {
			c.args = append(c.args, sub(a))
		}
		return c, err
	case *binary:
		return &binary{x.place, x.op, sub(x.x), sub(x.y)}, err
	case *unary:
		return &unary{x.place, x.op, sub(x.x)}, err
	case *member:
		return &member{x.place, sub(x.of), x.name}, err
	case *index:
		return &index{x.place, sub(x.of), sub(x.by)}, err
	}
	return x, nil
}

// aggregate binds one aggregation function.
func (s *summary) aggregate(x *call, name string) (*aggregate, error) {
	a := &aggregate{call: x, first: len(s.slots)}
	inner := ""
	for i, arg := range x.args {
		if _, all := arg.(*star); all {
			if x.fn != "arg_max" && x.fn != "arg_min" && x.fn != "any" && x.fn != "take_any" {
				return nil, semantic(x.place, "'summarize' operator: %s(*) makes no sense", x.fn)
			}
			for c, col := range s.binder.columns {
				if slices.Contains(a.names, col.Name) || slices.ContainsFunc(s.keys, func(k Column) bool { return k.Name == col.Name }) {
					continue
				}
				a.names = append(a.names, col.Name)
				a.args = append(a.args, node{col.Type, func(row []any) any { return row[c] }, false})
			}
			continue
		}
		n, err := s.binder.bind(arg)
		if err != nil {
			return nil, err
		}
		a.args = append(a.args, n)
		a.names = append(a.names, called(named{x: arg}, 0))
		if i == 0 {
			inner = a.names[0]
		}
	}
	if err := a.shape(name, inner); err != nil {
		return nil, err
	}
	s.slots = append(s.slots, a.columns...)
	s.all = append(s.all, a)
	return a, nil
}

// shape says which columns the aggregate answers and refuses wrong arguments.
func (a *aggregate) shape(name, inner string) error {
	least, most := 1, 1
	typ, prefix := Long, a.fn
	var first Type
	if len(a.args) > 0 {
		first = a.args[0].typ
	}
	switch a.fn {
	case "count":
		least, most = 0, 0
	case "dcount":
		most = 2
	case "dcountif":
		least, most, prefix = 2, 3, "dcountif"
	case "sumif", "minif", "maxif":
		least, most, typ = 2, 2, first
	case "sum", "min", "max":
		typ = first
	case "avg":
		typ = Real
	case "avgif":
		least, most, typ = 2, 2, Real
	case "make_set", "makeset", "make_list", "makelist":
		most, typ, prefix = 2, Dynamic, map[bool]string{true: "set", false: "list"}[a.fn == "make_set" || a.fn == "makeset"]
	case "make_set_if", "make_list_if":
		least, most, typ, prefix = 2, 3, Dynamic, map[bool]string{true: "set", false: "list"}[a.fn == "make_set_if"]
	case "percentile":
		least, most, typ = 2, 2, first
	case "arg_max", "arg_min", "any", "take_any", "take_anyif":
		return a.pick(name)
	}
	if len(a.args) < least || len(a.args) > most {
		return semantic(a.place, "'summarize' operator: %s(): function does not expect %d argument(s)", a.fn, len(a.args))
	}
	if slices.Contains([]string{"sum", "sumif", "avg", "avgif", "percentile"}, a.fn) && !numeric(first) && first != TimeSpan && (first != Dynamic || a.fn == "percentile") {
		return semantic(a.place, "'summarize' operator: %s(): argument #1 has the wrong type %s", a.fn, first)
	}
	if a.fn == "percentile" && !a.args[1].fixed {
		return semantic(a.place, "'summarize' operator: percentile(): argument #2 must be a constant")
	}
	switch {
	case typ == Int && (a.fn == "sum" || a.fn == "sumif"):
		typ = Long
	case typ == Dynamic && (a.fn == "sum" || a.fn == "sumif"):
		typ = Real
	case typ == Real && first == TimeSpan:
		typ = TimeSpan
	}
	if name == "" {
		name = prefix + "_" + inner
	}
	a.columns = []Column{{name, typ}}
	return nil
}

// pick shapes arg_max, arg_min and take_any, which answer values of one row.
func (a *aggregate) pick(name string) error {
	least := 1
	if a.fn == "arg_max" || a.fn == "arg_min" {
		least = 2
	}
	if len(a.args) < least {
		return semantic(a.place, "'summarize' operator: %s(): function does not expect %d argument(s)", a.fn, len(a.args))
	}
	for i, n := range a.args {
		if a.fn == "take_anyif" && i > 0 {
			break
		}
		called := a.names[i]
		if i == 0 && name != "" {
			called = name
		}
		if called == "" {
			called = fmt.Sprintf("%s_%d", a.fn, i)
		}
		a.columns = append(a.columns, Column{called, n.typ})
	}
	return nil
}

// row computes the columns of one group.
func (s *summary) row(g *group) ([]any, error) {
	slots := make([]any, 0, len(s.slots))
	for _, a := range s.all {
		if !s.run.room(len(a.columns)) || !s.run.spend(len(g.rows)) {
			return nil, s.run.over()
		}
		slots = append(slots, a.compute(s.run, g.rows)...)
	}
	row := slices.Clone(g.key)
	for _, n := range s.nodes {
		row = append(row, n.eval(slots))
	}
	return row, s.run.over()
}

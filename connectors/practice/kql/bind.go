package kql

import (
	"slices"
	"strings"
	"time"
)

// node is an expression whose names and types are known.
type node struct {
	typ   Type
	eval  func(row []any) any
	fixed bool // its value is the same for every row
}

// binder gives the names of an expression their meaning.
type binder struct {
	run     *run
	names   *scope
	columns []Column
	op      string // the operator, for errors
}

func fixed(c constant) node {
	if c.typ == String && c.value == nil {
		c.value = ""
	}
	return node{c.typ, func([]any) any { return c.value }, true}
}

// folded computes once what depends on no row.
func folded(n node, args ...node) node {
	for _, a := range args {
		if !a.fixed {
			return n
		}
	}
	return fixed(constant{n.typ, n.eval(nil)})
}

func (b *binder) bind(x expr) (node, error) {
	if !b.run.spend(1) {
		return node{}, b.run.over()
	}
	switch x := x.(type) {
	case *literal:
		return fixed(x.constant), nil
	case *name:
		return b.name(x)
	case *member:
		return b.member(x)
	case *index:
		return b.index(x)
	case *unary:
		return b.unary(x)
	case *binary:
		return b.binary(x)
	case *among:
		return b.among(x)
	case *between:
		return b.between(x)
	case *call:
		return b.call(x)
	case *slot:
		return node{x.typ, func(row []any) any { return row[x.n] }, false}, nil
	case *scalarOf:
		t, err := b.run.pipeline(x.query, b.names)
		if err != nil {
			return node{}, err
		}
		if len(t.Columns) == 0 {
			return node{}, semantic(x.place, "toscalar(): the query has no column")
		}
		c := constant{typ: t.Columns[0].Type}
		if len(t.Rows) > 0 {
			c.value = t.Rows[0][0]
		}
		return fixed(c), nil
	}
	return node{}, semantic(x.at(), "%sa star makes no sense here", b.where())
}

// where begins an error with the operator.
func (b *binder) where() string {
	if b.op == "" {
		return ""
	}
	return "'" + b.op + "' operator: "
}

func (b *binder) column(name string) int {
	return slices.IndexFunc(b.columns, func(c Column) bool { return c.Name == name })
}

func (b *binder) name(x *name) (node, error) {
	if i := b.column(x.text); i >= 0 {
		return node{b.columns[i].Type, func(row []any) any { return row[i] }, false}, nil
	}
	if in := b.names.find(x.text); in != nil && !in.isTable {
		return fixed(in.value), nil
	}
	return node{}, semantic(x.place, "%sFailed to resolve column or scalar expression named '%s'", b.where(), x.text)
}

func (b *binder) member(x *member) (node, error) {
	of, err := b.bind(x.of)
	if err != nil {
		return node{}, err
	}
	if of.typ != Dynamic {
		return node{}, semantic(x.place, "%sPath expression's source must be of type dynamic, and is %s; use parse_json()", b.where(), of.typ)
	}
	return folded(node{Dynamic, func(row []any) any {
		m, _ := of.eval(row).(map[string]any)
		return m[x.name]
	}, false}, of), nil
}

func (b *binder) index(x *index) (node, error) {
	of, err := b.bind(x.of)
	if err != nil {
		return node{}, err
	}
	by, err := b.bind(x.by)
	if err != nil {
		return node{}, err
	}
	if of.typ != Dynamic {
		return node{}, semantic(x.place, "%sPath expression's source must be of type dynamic, and is %s; use parse_json()", b.where(), of.typ)
	}
	return folded(node{Dynamic, func(row []any) any {
		switch v := of.eval(row).(type) {
		case map[string]any:
			k, _ := by.eval(row).(string)
			return v[k]
		case []any:
			n, is := by.eval(row).(int64)
			if is && n < 0 {
				n += int64(len(v))
			}
			if is && n >= 0 && n < int64(len(v)) {
				return v[n]
			}
		}
		return nil
	}, false}, of, by), nil
}

func (b *binder) unary(x *unary) (node, error) {
	v, err := b.bind(x.x)
	if err != nil {
		return node{}, err
	}
	if !numeric(v.typ) && v.typ != TimeSpan {
		return node{}, semantic(x.place, "%sOperator '%s' cannot be applied to %s; try adding an explicit cast", b.where(), x.op, v.typ)
	}
	if x.op == "+" {
		return v, nil
	}
	return folded(node{v.typ, func(row []any) any {
		switch v := v.eval(row).(type) {
		case int64:
			return -v
		case float64:
			return -v
		case time.Duration:
			return -v
		}
		return nil
	}, false}, v), nil
}

func numeric(t Type) bool { return t == Int || t == Long || t == Real }

func (b *binder) binary(x *binary) (node, error) {
	l, err := b.bind(x.x)
	if err != nil {
		return node{}, err
	}
	r, err := b.bind(x.y)
	if err != nil {
		return node{}, err
	}
	var out node
	switch x.op {
	case "and", "or":
		out, err = b.logic(x, l, r)
	case "==", "!=", "<", "<=", ">", ">=":
		out, err = b.order(x.place, x.op, l, r)
	case "+", "-", "*", "/", "%":
		out, err = b.arithmetic(x, l, r)
	default:
		out, err = b.textual(x, l, r)
	}
	if err != nil {
		return node{}, err
	}
	return folded(out, l, r), nil
}

// truth makes a condition of a value.
func (b *binder) truth(at place, n node) (node, error) {
	switch n.typ {
	case Bool:
		return n, nil
	case Dynamic, Int, Long, Real:
		return folded(node{Bool, func(row []any) any { return asBool(n.eval(row)) }, false}, n), nil
	}
	return node{}, semantic(at, "%sExpected an expression of type bool, got %s", b.where(), n.typ)
}

func (b *binder) logic(x *binary, l, r node) (node, error) {
	l, err := b.truth(x.x.at(), l)
	if err != nil {
		return node{}, err
	}
	if r, err = b.truth(x.y.at(), r); err != nil {
		return node{}, err
	}
	stop := x.op == "or" // the value that decides alone
	return node{Bool, func(row []any) any {
		a, is := l.eval(row).(bool)
		if is && a == stop {
			return stop
		}
		c, too := r.eval(row).(bool)
		switch {
		case too && c == stop:
			return stop
		case is && too:
			return !stop
		}
		return nil
	}, false}, nil
}

// common is the type in which two compare.
func common(a, b Type) (Type, bool) {
	switch {
	case a == b:
		return a, true
	case numeric(a) && numeric(b):
		if a == Real || b == Real {
			return Real, true
		}
		return Long, true
	case a == Dynamic:
		return b, true
	case b == Dynamic:
		return a, true
	case a == String && b == GUID || a == GUID && b == String:
		return String, true
	}
	return "", false
}

func (b *binder) order(at place, op string, l, r node) (node, error) {
	typ, fits := common(l.typ, r.typ)
	if !fits {
		return node{}, semantic(at, "%sCannot compare values of types %s and %s. Try adding explicit casts", b.where(), l.typ, r.typ)
	}
	equality := op == "==" || op == "!="
	if !equality && (typ == String || typ == GUID || typ == Bool) {
		return node{}, semantic(at, "%sOperator '%s' cannot be applied to values of type %s", b.where(), op, typ)
	}
	run := b.run
	return node{Bool, func(row []any) any {
		if !run.spend(1) {
			return nil
		}
		a, b := converted(l.eval(row), typ), converted(r.eval(row), typ)
		if a == nil || b == nil {
			return nil
		}
		if typ == Dynamic && equality {
			return (run.key(a) == run.key(b)) == (op == "==")
		}
		if typ == String && equality && l.typ == GUID != (r.typ == GUID) {
			return strings.EqualFold(a.(string), b.(string)) == (op == "==")
		}
		c, ordered := compared(a, b)
		if !ordered {
			return op == "!="
		}
		return holds(op, c)
	}, false}, nil
}

func holds(op string, c int) bool {
	switch op {
	case "==":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func (b *binder) between(x *between) (node, error) {
	v, err := b.bind(x.x)
	if err != nil {
		return node{}, err
	}
	low, err := b.bind(x.low)
	if err != nil {
		return node{}, err
	}
	high, err := b.bind(x.high)
	if err != nil {
		return node{}, err
	}
	if v.typ == DateTime && high.typ == TimeSpan { // between (t .. 1d) counts from t
		from, for_ := low, high
		high = folded(node{DateTime, func(row []any) any { return shifted(from.eval(row), for_.eval(row), 1) }, false}, low, high)
	}
	from, err := b.order(x.place, ">=", v, low)
	if err != nil {
		return node{}, err
	}
	to, err := b.order(x.place, "<=", v, high)
	if err != nil {
		return node{}, err
	}
	return folded(node{Bool, func(row []any) any {
		a, is := from.eval(row).(bool)
		b, too := to.eval(row).(bool)
		if !is || !too {
			return nil
		}
		return (a && b) != x.not
	}, false}, v, low, high), nil
}

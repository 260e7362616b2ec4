package playbooks

import (
	"math"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// values is what is known of a value: that it is one of some, none of some, or
// between two numbers.
type values struct {
	in        []any // nil: any
	out       []any
	low, high bound
}

// bound is an end of a range of numbers; open says that it is not part of it.
type bound struct {
	at    float64
	known bool
	open  bool
}

// and is what is known when both hold.
func (v values) and(w values) values {
	out := values{in: v.in, out: slices.Concat(v.out, w.out), low: v.low, high: v.high}
	switch {
	case v.in == nil:
		out.in = w.in
	case w.in != nil:
		out.in = []any{}
		for _, x := range v.in {
			if slices.Contains(w.in, x) {
				out.in = append(out.in, x)
			}
		}
	}
	if w.low.known && (!v.low.known || w.low.at > v.low.at || w.low.at == v.low.at && w.low.open) {
		out.low = w.low
	}
	if w.high.known && (!v.high.known || w.high.at < v.high.at || w.high.at == v.high.at && w.high.open) {
		out.high = w.high
	}
	return out
}

// or is what is known when one of them holds.
func (v values) or(w values) values {
	out := values{}
	if v.in != nil && w.in != nil {
		out.in = slices.Concat(v.in, w.in)
	}
	for _, x := range v.out {
		if slices.Contains(w.out, x) {
			out.out = append(out.out, x)
		}
	}
	if v.low.known && w.low.known {
		if out.low = v.low; w.low.at < v.low.at || w.low.at == v.low.at && !w.low.open {
			out.low = w.low
		}
	}
	if v.high.known && w.high.known {
		if out.high = v.high; w.high.at > v.high.at || w.high.at == v.high.at && !w.high.open {
			out.high = w.high
		}
	}
	return out
}

// verdict is what is known of a condition.
type verdict int

const (
	unsure verdict = iota
	never
	ever
)

func (v verdict) not() verdict {
	switch v {
	case never:
		return ever
	case ever:
		return never
	}
	return unsure
}

func verdictOf(b bool) verdict {
	if b {
		return ever
	}
	return never
}

// is answers whether the value is x.
func (v values) is(x any) verdict {
	n, isNumber := x.(float64)
	switch {
	case v.in != nil && len(v.in) == 0:
		return unsure // nothing gets here
	case v.in != nil && !slices.Contains(v.in, x), slices.Contains(v.out, x):
		return never
	case v.in != nil && !slices.ContainsFunc(v.in, func(y any) bool { return y != x }):
		return ever
	case isNumber && (v.less(n) == ever || v.more(n) == ever):
		return never
	}
	return unsure
}

// less answers whether the value is less than n.
func (v values) less(n float64) verdict {
	switch {
	case v.high.known && (v.high.at < n || v.high.at == n && v.high.open):
		return ever
	case v.low.known && v.low.at >= n:
		return never
	}
	return unsure
}

// more answers whether the value is more than n.
func (v values) more(n float64) verdict {
	switch {
	case v.low.known && (v.low.at > n || v.low.at == n && v.low.open):
		return ever
	case v.high.known && v.high.at <= n:
		return never
	}
	return unsure
}

// anyOf answers whether the value is one of xs.
func (v values) anyOf(xs []any) verdict {
	all := never
	for _, x := range xs {
		switch v.is(x) {
		case ever:
			return ever
		case unsure:
			all = unsure
		}
	}
	within := len(v.in) > 0 && !slices.ContainsFunc(v.in, func(x any) bool { return !slices.Contains(xs, x) })
	if within {
		return ever
	}
	return all
}

// absent is nil as a value that comparisons know.
type absent struct{}

// constantOf is the value of a written constant.
func constantOf(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, !math.IsNaN(n.Value)
	case *ast.BoolNode:
		return n.Value, true
	case *ast.NilNode:
		return absent{}, true
	case *ast.UnaryNode:
		if x, ok := constantOf(n.Node); ok && n.Operator == "-" {
			if f, isNumber := x.(float64); isNumber {
				return -f, true
			}
		}
	}
	return nil, false
}

// valuePath is the path of a value that conditions compare: a name with fields,
// or the length of one.
func valuePath(n ast.Node) string {
	if list := lengthOf(n); list != nil {
		return lengthPath(list)
	}
	return pathOf(n, pathOfName)
}

// lengthPath is the path of a list's length: by the list's path, or as it is
// written.
func lengthPath(list ast.Node) string {
	if path := pathOf(list, pathOfName); path != "" {
		return "len(" + path + ")"
	}
	if text := list.String(); !strings.Contains(text, "now(") && !strings.Contains(text, "ago(") {
		return "len(" + text + ")"
	}
	return ""
}

// comparison is a test of a path against constants, turned so that the path
// stands on the left.
type comparison struct {
	path string
	op   string // == < > in
	with []any
	not  bool
}

func comparisonOf(n ast.Node) (comparison, bool) {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return comparison{}, false
	}
	if b.Operator == "in" {
		list, ok := b.Right.(*ast.ArrayNode)
		if !ok {
			return comparison{}, false
		}
		c := comparison{path: valuePath(b.Left), op: "in"}
		for _, item := range list.Nodes {
			x, ok := constantOf(item)
			if !ok {
				return comparison{}, false
			}
			c.with = append(c.with, x)
		}
		return c, c.path != ""
	}
	c := comparison{path: valuePath(b.Left), op: b.Operator}
	x, ok := constantOf(b.Right)
	if !ok {
		if x, ok = constantOf(b.Left); !ok {
			return comparison{}, false
		}
		c.path = valuePath(b.Right)
		mirrored := map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<="}
		if to, ok := mirrored[c.op]; ok {
			c.op = to
		}
	}
	switch c.op {
	case "!=":
		c.op, c.not = "==", true
	case "<=":
		c.op, c.not = ">", true
	case ">=":
		c.op, c.not = "<", true
	case "==", "<", ">":
	default:
		return comparison{}, false
	}
	if _, isNumber := x.(float64); c.op != "==" && !isNumber {
		return comparison{}, false
	}
	c.with = []any{x}
	return c, c.path != ""
}

// learned is what the comparison tells of its path once it has answered truth.
func (c comparison) learned(truth bool) values {
	n, _ := c.with[0].(float64)
	switch holds := truth != c.not; {
	case c.op == "<" && holds:
		return values{high: bound{n, true, true}}
	case c.op == "<":
		return values{low: bound{n, true, false}}
	case c.op == ">" && holds:
		return values{low: bound{n, true, true}}
	case c.op == ">":
		return values{high: bound{n, true, false}}
	case holds:
		return values{in: c.with}
	}
	return values{out: c.with}
}

// decide answers the comparison by what is known.
func (c comparison) decide(v values) verdict {
	n, _ := c.with[0].(float64)
	out := unsure
	switch c.op {
	case "<":
		out = v.less(n)
	case ">":
		out = v.more(n)
	case "==":
		out = v.is(c.with[0])
	case "in":
		out = v.anyOf(c.with)
	}
	if c.not {
		return out.not()
	}
	return out
}

// atom is the name under which the answer to a whole condition is known.
const atom = "? "

// atomOf is the name of a condition without parts; "" where the next look may
// answer otherwise. `a != b` is the opposite of `a == b`.
func atomOf(n ast.Node) (name string, opposite bool) {
	text := n.String()
	if strings.Contains(text, "now(") || strings.Contains(text, "ago(") {
		return "", false
	}
	if b, ok := n.(*ast.BinaryNode); ok {
		if op, ok := map[string]string{"!=": "==", "<=": ">", ">=": "<"}[b.Operator]; ok {
			return atom + b.Left.String() + " " + op + " " + b.Right.String(), true
		}
		if _, isConstant := constantOf(b.Right); isConstant || b.Operator == "==" || b.Operator == "<" || b.Operator == ">" {
			return atom + b.Left.String() + " " + b.Operator + " " + b.Right.String(), false
		}
	}
	return atom + text, false
}

// learnValues is what is known of values once a condition has answered truth.
func learnValues(n ast.Node, truth bool) facts {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return learnValues(n.Node, !truth)
		}
	case *ast.BinaryNode:
		if and := isAnd(n); and || isOr(n) {
			left, right := learnValues(n.Left, truth), learnValues(n.Right, truth)
			if and == truth {
				return left.and(right)
			}
			return left.or(right)
		}
	case *ast.BoolNode:
		return nil
	}
	known := facts{}
	if name, opposite := atomOf(n); name != "" {
		known[name] = fact{values: values{in: []any{truth != opposite}}}
	}
	if c, ok := comparisonOf(n); ok && len(c.with) > 0 {
		known[c.path] = fact{values: c.learned(truth)}
	}
	return known
}

func isAnd(n *ast.BinaryNode) bool { return n.Operator == "and" || n.Operator == "&&" }
func isOr(n *ast.BinaryNode) bool  { return n.Operator == "or" || n.Operator == "||" }

// decide answers a condition by what is known, if that is enough.
func (f facts) decide(n ast.Node) verdict {
	switch n := n.(type) {
	case *ast.BoolNode:
		return verdictOf(n.Value)
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return f.decide(n.Node).not()
		}
	case *ast.BinaryNode:
		if and := isAnd(n); and || isOr(n) {
			left, right := f.decide(n.Left), f.and(learnValues(n.Left, and)).decide(n.Right)
			settles := verdictOf(!and)
			switch {
			case left == settles || right == settles:
				return settles
			case left == settles.not() && right == settles.not():
				return left
			}
			return unsure
		}
	}
	if name, opposite := atomOf(n); name != "" {
		if known := f[name].values.in; len(known) == 1 {
			return verdictOf(known[0] == true != opposite)
		}
	}
	if c, ok := comparisonOf(n); ok && len(c.with) > 0 {
		return c.decide(f.valuesOf(c.path))
	}
	return unsure
}

// valuesOf is what is known of a path; a length is never below nothing.
func (f facts) valuesOf(path string) values {
	v := f[path].values
	if list, ok := strings.CutPrefix(path, "len("); ok {
		least := f[strings.TrimSuffix(list, ")")].atLeast
		v = v.and(values{low: bound{float64(least), true, false}})
	}
	return v
}

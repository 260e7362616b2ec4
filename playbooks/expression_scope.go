package playbooks

import (
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// Scope is what an expression may name, with what is known of it: which values
// are there, how long lists are at least. It is immutable.
type Scope struct {
	names  map[string]Type
	facts  facts
	labels *labelOrder // nil: not known
}

// facts are what tests have told, by path: incident.assigned_to.
type facts map[string]fact

type fact struct {
	present bool
	atLeast int // items of the list
	values  values
}

// NewScope is a scope with these names.
func NewScope(names map[string]Type) Scope { return Scope{names: maps.Clone(names)} }

// With is the scope with a name added, or hidden by a new value; nothing is
// known of that.
func (s Scope) With(name string, t Type) Scope {
	names := maps.Clone(s.names)
	if names == nil {
		names = map[string]Type{}
	}
	names[name] = t
	return Scope{names: names, facts: s.facts.without(name), labels: s.labels}
}

// WithField is the scope in which the record called name has one more field, or
// another value for one; what is known of its other fields stays. A name that
// is not there yet becomes a record.
func (s Scope) WithField(name, field string, t Type) Scope {
	record, ok := s.names[name]
	if !ok || !record.IsRecord() {
		record = RecordOf("")
	}
	out := s.With(name, record.WithField(field, t))
	out.facts = s.facts.without(name + "." + field)
	return out
}

// without is the scope in which a name has gone.
func (s Scope) without(name string) Scope {
	names := maps.Clone(s.names)
	delete(names, name)
	return Scope{names: names, facts: s.facts.without(name), labels: s.labels}
}

// Lookup is the type of a name.
func (s Scope) Lookup(name string) (Type, bool) {
	t, ok := s.names[name]
	return t, ok
}

// Names are the names in order.
func (s Scope) Names() []string { return slices.Sorted(maps.Keys(s.names)) }

// Narrow is the scope where e is known to have answered truth: behind an `if`,
// in its `else`, or after a step that ended the rest. e must have been compiled
// in a scope with the same names.
func (s Scope) Narrow(e *Expression, truth bool) Scope {
	if e == nil || e.root == nil {
		return s
	}
	learned := learn(e.root, truth, pathOfName).and(learnValues(e.root, truth))
	return Scope{names: s.names, facts: s.facts.and(learned), labels: s.labels}
}

// filled reports whether a list that an expression names is known to hold
// something.
func (s Scope) filled(e *Expression) bool {
	if e == nil || e.root == nil {
		return false
	}
	path := pathOf(e.root, pathOfName)
	return path != "" && s.facts[path].atLeast > 0
}

// without forgets a path and all below it.
func (f facts) without(path string) facts {
	out := facts{}
	for k, v := range f {
		mentions := (strings.HasPrefix(k, atom) || strings.HasPrefix(k, "len(")) && strings.Contains(k, path)
		if k != path && !strings.HasPrefix(k, path+".") && !strings.Contains(k, "("+path) && !mentions {
			out[k] = v
		}
	}
	return out
}

// and is what is known when both hold.
func (f facts) and(g facts) facts {
	if len(g) == 0 {
		return f
	}
	out := maps.Clone(f)
	if out == nil {
		out = facts{}
	}
	for k, v := range g {
		out[k] = fact{present: v.present || out[k].present, atLeast: max(v.atLeast, out[k].atLeast), values: v.values.and(out[k].values)}
	}
	return out
}

// or is what is known when one of them holds.
func (f facts) or(g facts) facts {
	out := facts{}
	for k, v := range f {
		if w, both := g[k]; both {
			out[k] = fact{present: v.present && w.present, atLeast: min(v.atLeast, w.atLeast), values: v.values.or(w.values)}
		}
	}
	return out
}

// pather answers the path of a node without parts, such as a name or `#`, or "".
type pather func(ast.Node) string

func pathOfName(n ast.Node) string {
	if id, ok := n.(*ast.IdentifierNode); ok {
		return id.Value
	}
	return ""
}

// pathOf is a text that is the same for nodes that have the same value within
// one evaluation, or "" when that is not known.
func pathOf(n ast.Node, root pather) string {
	switch n := n.(type) {
	case *ast.ChainNode:
		return pathOf(n.Node, root)
	case *ast.MemberNode:
		base := pathOf(n.Node, root)
		if base == "" {
			return ""
		}
		switch p := n.Property.(type) {
		case *ast.StringNode:
			return base + "." + p.Value
		case *ast.IntegerNode:
			return base + ".[" + p.String() + "]"
		}
		return ""
	case *ast.BuiltinNode:
		if (n.Name == "first" || n.Name == "last") && len(n.Arguments) == 1 {
			if inner := pathOf(n.Arguments[0], root); inner != "" {
				return n.Name + "(" + inner + ")"
			}
		}
		return ""
	}
	return root(n)
}

// learn is what is known once a condition has answered truth.
func learn(n ast.Node, truth bool, root pather) facts {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return learn(n.Node, !truth, root)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&", "or", "||":
			left, right := learn(n.Left, truth, root), learn(n.Right, truth, root)
			if (n.Operator == "and" || n.Operator == "&&") == truth {
				return left.and(right)
			}
			return left.or(right)
		}
		return learnComparison(n, truth, root)
	case *ast.BuiltinNode:
		if n.Name == "any" && truth || n.Name == "none" && !truth || n.Name == "all" && !truth || n.Name == "one" && truth {
			return atLeast(pathOf(n.Arguments[0], root), 1)
		}
	}
	return nil
}

// learnComparison reads x != nil, x == "a" and len(xs) > 0, either way round.
func learnComparison(n *ast.BinaryNode, truth bool, root pather) facts {
	op, left, right := n.Operator, n.Left, n.Right
	if !truth {
		negated := map[string]string{"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
		op = negated[op]
	}
	if lengthOf(right) != nil || isNil(left) {
		mirrored := map[string]string{"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
		op, left, right = mirrored[op], right, left
	}
	if list := lengthOf(left); list != nil {
		if k, ok := right.(*ast.IntegerNode); ok {
			return learnLength(pathOf(list, root), op, k.Value)
		}
		return nil
	}
	switch {
	case op == "!=" && isNil(right):
		return present(left, root)
	case op == "==" && isConstant(right):
		return present(left, root)
	case op == "==" && isConstant(left):
		return present(right, root)
	}
	return nil
}

func learnLength(path, op string, k int) facts {
	switch {
	case op == ">" && k >= 0:
		return atLeast(path, k+1)
	case (op == ">=" || op == "==") && k > 0:
		return atLeast(path, k)
	case op == "!=" && k == 0:
		return atLeast(path, 1)
	}
	return nil
}

func atLeast(path string, n int) facts {
	if path == "" {
		return nil
	}
	return facts{path: {atLeast: n}}
}

// present says that a value is there, and so all before a `?.` in it.
func present(n ast.Node, root pather) facts {
	known := facts{}
	for {
		if path := pathOf(n, root); path != "" {
			known[path] = fact{present: true}
		}
		switch m := n.(type) {
		case *ast.ChainNode:
			n = m.Node
			continue
		case *ast.MemberNode:
			n = m.Node
			continue
		}
		return known
	}
}

func lengthOf(n ast.Node) ast.Node {
	if b, ok := n.(*ast.BuiltinNode); ok && b.Name == "len" && len(b.Arguments) == 1 {
		return b.Arguments[0]
	}
	return nil
}

func isNil(n ast.Node) bool {
	_, ok := n.(*ast.NilNode)
	return ok
}

func isConstant(n ast.Node) bool {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return true
	}
	return false
}

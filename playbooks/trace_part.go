package playbooks

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// part makes of what was seen what is told.
func (r *recorder) part(s *seen, err error) Part {
	p := r.blank(s.node)
	p.Outcome, p.Value = s.state, s.value
	if s.state == PartFailed && err != nil && !slices.ContainsFunc(s.below, anyFailed) {
		p.Message = err.Error()
	}
	p.Parts = flat(p.Op, r.parts(s.node, s.below, err))
	if k, ok := r.question(s.node); ok {
		p.Items = r.items(k, s.below, err)
	}
	return p
}

func anyFailed(s *seen) bool {
	if s.items != nil {
		return slices.ContainsFunc(s.items.some, func(i seenItem) bool { return i.what.state == PartFailed })
	}
	return s.state == PartFailed
}

// blank is a part before it is looked at.
func (r *recorder) blank(n ast.Node) Part {
	from, to := r.c.span(n)
	return Part{
		Text: strings.TrimSpace(string(r.c.runes[from:to])), From: from, To: to, Op: r.op(n),
		Type: r.c.types[n].widen(), Outcome: PartUnlooked,
	}
}

// op names what a node does.
func (r *recorder) op(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&":
			return "and"
		case "||":
			return "or"
		}
		return n.Operator
	case *ast.UnaryNode:
		if n.Operator == "!" {
			return "not"
		}
		return n.Operator
	case *ast.ConditionalNode:
		return "?:"
	case *ast.VariableDeclaratorNode:
		return "let"
	case *ast.BuiltinNode:
		return r.c.functionName(n.Name, n.Location())
	case *ast.CallNode:
		if name, ok := n.Callee.(*ast.IdentifierNode); ok {
			return name.Value
		}
	}
	return ""
}

// parts are the parts of a node that are worth telling, in the order of their
// evaluation.
func (r *recorder) parts(n ast.Node, below []*seen, err error) []Part {
	var all []Part
	for _, child := range r.operands(n) {
		at := slices.IndexFunc(below, func(s *seen) bool { return s.node == child })
		switch {
		case isWritten(child):
		case at >= 0:
			all = append(all, r.part(below[at], err))
		default:
			all = append(all, r.unlooked(child))
		}
	}
	return all
}

// flat makes the parts of `a and b and c` three, as it is read.
func flat(op string, parts []Part) []Part {
	if op != "and" && op != "or" || len(parts) == 0 || parts[0].Op != op || parts[0].Message != "" {
		return parts
	}
	return append(parts[0].Parts, parts[1:]...)
}

// unlooked is a part that nothing was seen of, with all its parts.
func (r *recorder) unlooked(n ast.Node) Part {
	p := r.blank(n)
	p.Parts = flat(p.Op, r.parts(n, nil, nil))
	return p
}

// operands are the children of a node without the question about each item, the
// names of functions and fields, and the links of a path.
func (r *recorder) operands(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.CallNode:
		return n.Arguments
	case *ast.ChainNode, *ast.MemberNode:
		return r.links(n)
	case *ast.MapNode:
		values := make([]ast.Node, len(n.Pairs))
		for i, p := range n.Pairs {
			values[i] = p.(*ast.PairNode).Value
		}
		return values
	}
	var all []ast.Node
	for _, child := range children(n) {
		if _, question := child.(*ast.PredicateNode); !question {
			all = append(all, child)
		}
	}
	return all
}

// links are what a path begins with, if that is more than a name, and what it is
// indexed by.
func (r *recorder) links(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.ChainNode:
		return r.links(n.Node)
	case *ast.MemberNode:
		all := r.links(n.Node)
		if _, ok := n.Property.(*ast.StringNode); !ok && !isConstant(n.Property) {
			all = append(all, n.Property)
		}
		return all
	case *ast.IdentifierNode, *ast.PointerNode:
		return nil
	}
	return []ast.Node{n}
}

// question answers the question about each item that a node asks.
func (r *recorder) question(n ast.Node) (asked, bool) {
	k, ok := n.(*ast.BuiltinNode)
	if !ok {
		return asked{}, false
	}
	for _, arg := range k.Arguments {
		if p, is := arg.(*ast.PredicateNode); is {
			return asked{k, k.Arguments[0], p.Node}, true
		}
	}
	return asked{}, false
}

// asked is a loop: its list, and what is asked about each item.
type asked struct {
	loop *ast.BuiltinNode
	list ast.Node
	body ast.Node
}

// items tells what a question answered.
func (r *recorder) items(k asked, below []*seen, err error) *Items {
	out := &Items{Some: []Item{}}
	var list []any
	for _, s := range below {
		if s.node == k.list {
			list, _ = s.value.([]any)
		}
	}
	if array, ok := k.list.(*ast.ArrayNode); ok && list == nil {
		out.Total = len(array.Nodes)
	}
	if list != nil {
		out.Total = len(list)
	}
	at := slices.IndexFunc(below, func(s *seen) bool { return s.node == k.body && s.items != nil })
	if at < 0 {
		return out
	}
	all := below[at].items
	out.Asked, out.True, out.False = all.asked, all.yes, all.no
	for _, i := range all.some {
		item := Item{Index: position(k, i.index, len(list)), Part: r.part(i.what, err)}
		if item.Index >= 0 && item.Index < len(list) {
			item.Item = list[item.Index]
		}
		out.Some = append(out.Some, item)
	}
	return out
}

// position is the place in the list of the item that was asked about as the
// nth.
func position(k asked, nth, total int) int {
	switch {
	case strings.HasPrefix(k.loop.Name, "findLast"):
		return total - 1 - nth
	case k.loop.Name == "reduce" && len(k.loop.Arguments) < 3:
		return nth + 1
	}
	return nth
}

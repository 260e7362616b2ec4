package playbooks

import (
	"fmt"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

// shape looks at the tree before anything else walks it: its size and depth,
// and forms that the language has not.
func (s *source) shape() []Problem {
	w := shapeWalk{s: s, seen: map[ast.Node]bool{}}
	w.walk(s.root, 0)
	return w.problems
}

type shapeWalk struct {
	s        *source
	seen     map[ast.Node]bool
	problems []Problem
	full     bool
}

func (w *shapeWalk) refuse(n ast.Node, code, message, hint string) {
	from, to := w.s.span(n)
	w.problems = append(w.problems, Problem{from, to, code, message, hint})
}

func (w *shapeWalk) walk(n ast.Node, depth int) {
	if n == nil || w.full {
		return
	}
	if w.seen[n] {
		// The parser uses a part twice for a < b < c and a ?: b; walking such
		// trees could take forever.
		w.refuse(n, "E306", "a value stands in two comparisons, or before `?:`",
			"write a < b and b < c; or x ? x : y")
		w.full = true
		return
	}
	w.seen[n] = true
	if len(w.seen) > maxNodes || depth > maxNesting {
		w.refuse(n, "E302", fmt.Sprintf("the expression has more than %d parts or is nested deeper than %d", maxNodes, maxNesting),
			"split it with `set` steps")
		w.full = true
		return
	}
	switch n := n.(type) {
	case *ast.BytesNode:
		w.refuse(n, "E306", "byte strings are not allowed", "write a text without b")
	case *ast.SequenceNode:
		w.refuse(n, "E306", "several expressions separated by `;`", "only the last would count: keep one")
	case *ast.BinaryNode:
		// A chain of one operator is flat for its reader.
		left := depth + 1
		if b, ok := n.Left.(*ast.BinaryNode); ok && b.Operator == n.Operator {
			left = depth
		}
		w.walk(n.Left, left)
		w.walk(n.Right, depth+1)
		return
	}
	for _, child := range children(n) {
		w.walk(child, depth+1)
	}
}

// children are the parts of a node in the order of the text.
func children(n ast.Node) []ast.Node {
	var all []ast.Node
	switch n := n.(type) {
	case *ast.UnaryNode:
		all = []ast.Node{n.Node}
	case *ast.BinaryNode:
		all = []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		all = []ast.Node{n.Node}
	case *ast.MemberNode:
		all = []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		all = []ast.Node{n.Node, n.From, n.To}
	case *ast.CallNode:
		all = append([]ast.Node{n.Callee}, n.Arguments...)
	case *ast.BuiltinNode:
		all = n.Arguments
	case *ast.PredicateNode:
		all = []ast.Node{n.Node}
	case *ast.ConditionalNode:
		all = []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.VariableDeclaratorNode:
		all = []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		all = n.Nodes
	case *ast.ArrayNode:
		all = n.Nodes
	case *ast.MapNode:
		all = n.Pairs
	case *ast.PairNode:
		all = []ast.Node{n.Key, n.Value}
	}
	some := all[:0:0]
	for _, c := range all {
		if c != nil {
			some = append(some, c)
		}
	}
	return some
}

// span is the part of the text that a node covers.
func (s *source) span(n ast.Node) (from, to int) {
	from, to = len(s.runes), 0
	s.cover(n, &from, &to)
	if from >= to {
		return 0, min(1, len(s.runes))
	}
	return from, min(to, len(s.runes))
}

func (s *source) cover(n ast.Node, from, to *int) {
	switch n := n.(type) {
	case *ast.ConditionalNode, *ast.PredicateNode, *ast.PairNode:
		// Their location is not theirs.
	case *ast.PointerNode:
		at := n.Location().From
		*from, *to = min(*from, at), max(*to, at+1+utf8.RuneCountInString(n.Name))
	default:
		if l := n.Location(); l.To > l.From {
			*from, *to = min(*from, l.From), max(*to, l.To)
		}
	}
	for _, c := range children(n) {
		s.cover(c, from, to)
	}
	var closing rune
	switch n := n.(type) {
	case *ast.CallNode, *ast.BuiltinNode:
		closing = ')'
	case *ast.ArrayNode, *ast.SliceNode:
		closing = ']'
	case *ast.MapNode:
		closing = '}'
	case *ast.MemberNode:
		at := n.Property.Location().From
		if _, field := n.Property.(*ast.StringNode); !field || at < len(s.runes) && isQuote(s.runes[at]) {
			closing = ']'
		}
	}
	if closing == 0 {
		return
	}
	for at := *to; at < len(s.runes); at++ {
		switch s.runes[at] {
		case ' ', '\t', '\n', '\r', '(', ',':
		case closing:
			*to = at + 1
			return
		default:
			return
		}
	}
}

package playbooks

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// expressionMutator changes one expression of a playbook.
type expressionMutator struct {
	*mutator
	at     spot
	source *source
	of     *mutated
}

// expression tries the changes of one expression.
func (m *mutator) expression(s spot) {
	if m.src.scalar(s.node) == nil && s.node.Tag == "!!str" {
		return // where its parts stand cannot be told
	}
	read, problems := parse(s.text)
	if len(problems) > 0 || s.node.Tag != "!!str" {
		return
	}
	x := &expressionMutator{mutator: m, at: s, source: read, of: m.owner[s.node]}
	if x.conditional() {
		if x.of.key == "on" {
			x.replace(MutantGuard, read.root, "true", "every event of the trigger starts it")
		}
		if x.of.key != "if" || !isConstant(read.root) {
			x.negate(read.root)
		}
	}
	x.walk(read.root, x.conditional())
}

// conditional reports whether the whole is a condition.
func (x *expressionMutator) conditional() bool {
	return x.of != nil && (x.of.key == "if" || x.of.key == "on" || x.of.key == "until")
}

// holdsBack reports whether the condition, when true, makes the run do less: an
// approval is asked for, or it ends.
func (x *expressionMutator) holdsBack() bool {
	if x.of == nil || x.of.step == nil || x.of.key != "if" {
		return false
	}
	switch x.of.step.Kind {
	case Approve, Stop, Fail:
		return true
	}
	return false
}

// place is where a node stands in the file, with the brackets that its text
// needs.
func (x *expressionMutator) place(n ast.Node) (span, bool) {
	from, to := x.source.span(n)
	from, to = balanced(x.source.runes, from, to)
	if from < 0 {
		return span{}, false
	}
	return x.src.inScalar(x.at.node, x.at.base+from, x.at.base+to), true
}

// balanced widens a part of an expression until its brackets are even; -1 where
// they never are.
func balanced(runes []rune, from, to int) (int, int) {
	for {
		open, least := 0, 0
		for i, part := range lexemes(runes[from:to]) {
			_ = i
			switch string(part) {
			case "(", "[", "{":
				open++
			case ")", "]", "}":
				open--
				least = min(least, open)
			}
		}
		switch {
		case least < 0 && from > 0:
			from--
		case open > 0 && to < len(runes):
			to++
		case open == 0 && least == 0:
			return from, to
		default:
			return -1, -1
		}
	}
}

func (x *expressionMutator) raw(n ast.Node) (string, bool) {
	at, ok := x.place(n)
	return x.src.text[at.from:at.to], ok
}

// replace puts another text in the place of a node.
func (x *expressionMutator) replace(class MutantClass, n ast.Node, with, why string) {
	at, ok := x.place(n)
	if !ok {
		return
	}
	was := strings.Join(strings.Fields(x.src.text[at.from:at.to]), " ")
	change := fmt.Sprintf("%s → %s", was, strings.Join(strings.Fields(with), " "))
	if why != "" {
		change += " (" + why + ")"
	}
	x.add(class, at, with, change, x.of)
}

func (x *expressionMutator) negate(n ast.Node) {
	if text, ok := x.raw(n); ok {
		x.replace(MutantFlip, n, "not ("+text+")", "")
	}
}

// walk tries the changes of a node and of those in it. question says that a
// boolean of it decides what the run does.
func (x *expressionMutator) walk(n ast.Node, question bool) {
	switch n := n.(type) {
	case *ast.BinaryNode:
		x.binary(n, question)
	case *ast.BuiltinNode:
		if n.Name == "filter" && len(n.Arguments) == 2 {
			if list, ok := x.raw(n.Arguments[0]); ok {
				x.replace(MutantWidens, n, list, "all of them")
			}
		}
		for i, c := range n.Arguments {
			x.walk(c, i == 1 && n.Name == "filter" && !x.conditional())
		}
		return
	case *ast.PredicateNode:
		x.walk(n.Node, question)
		return
	case *ast.UnaryNode:
		if in, is := n.Node.(*ast.BinaryNode); is && in.Operator == "in" && (n.Operator == "not" || n.Operator == "!") {
			left, okL := x.raw(in.Left)
			right, okR := x.raw(in.Right)
			if okL && okR {
				x.replace(MutantFlip, n, left+" in "+right, "")
			}
			return
		}
	case *ast.IntegerNode:
		x.replace(MutantFlip, n, strconv.Itoa(n.Value+1), "")
		return
	case *ast.BoolNode:
		x.replace(MutantFlip, n, strconv.FormatBool(!n.Value), "")
		return
	}
	for _, c := range children(n) {
		x.walk(c, question && connective(n))
	}
}

// connective reports whether the parts of a node are questions as it is.
func connective(n ast.Node) bool {
	b, is := n.(*ast.BinaryNode)
	return is && (joins(b.Operator) || parts(b.Operator))
}

func joins(op string) bool { return op == "and" || op == "&&" }
func parts(op string) bool { return op == "or" || op == "||" }

func (x *expressionMutator) binary(n *ast.BinaryNode, question bool) {
	left, okL := x.raw(n.Left)
	right, okR := x.raw(n.Right)
	if !okL || !okR {
		return
	}
	switch {
	case joins(n.Operator), parts(n.Operator):
		other := "or"
		if parts(n.Operator) {
			other = "and"
		}
		x.replace(MutantFlip, n, left+" "+other+" "+right, "")
		class := x.dropped(joins(n.Operator), question)
		x.replace(class, n, left, "without the second part")
		x.replace(class, n, right, "without the first part")
	case n.Operator == "in":
		x.replace(MutantFlip, n, left+" not in "+right, "")
	default:
		for _, op := range compared(n.Operator) {
			x.replace(MutantFlip, n, left+" "+op+" "+right, "")
		}
	}
}

// dropped is the class of a condition with one part less: without a part of an
// `and` it is true more often, without one of an `or` less often.
func (x *expressionMutator) dropped(and, question bool) MutantClass {
	switch {
	case !question || and == x.holdsBack():
		return MutantFlip
	case x.conditional():
		return MutantGuard
	case and:
		return MutantWidens
	}
	return MutantFlip
}

// compared are the comparisons that a mistake could make of another.
func compared(op string) []string {
	return map[string][]string{
		"==": {"!="}, "!=": {"=="}, "<": {"<=", ">="}, "<=": {"<", ">"}, ">": {">=", "<="}, ">=": {">", "<"},
	}[op]
}

package playbooks

import (
	"errors"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// Outcome says what became of a part of an expression.
type Outcome string

// The outcomes of a part.
const (
	PartValue    Outcome = "value"         // it has a value, which may be absent
	PartFailed   Outcome = "failed"        // it, or a part of it, gave no value
	PartUnlooked Outcome = "not looked at" // the answer was known before
)

// Part is a part of an expression with what became of it in one evaluation.
type Part struct {
	Text     string  // as written
	From, To int     // rune offsets in the source
	Op       string  // and, or, not, a comparison, the name of a function; "" for what is only read
	Type     Type    // what the checker knows of it
	Outcome  Outcome // whether Value counts
	Value    any     // a plain value; nil is absent
	Message  string  // of the innermost part that failed
	Parts    []Part  // in the order in which they are evaluated; constants and links of a path are left out
	Items    *Items  // of a question about each item
}

// Items is what a question answered for the items of a list.
type Items struct {
	Total int    // items of the list
	Asked int    // items the question was asked about
	True  int    // of those, with the answer yes
	False int    // with the answer no
	Some  []Item // the first few, and the one that failed
}

// Item is one item with the answer that a question gave for it.
type Item struct {
	Index int // from 0
	Item  any // nil also where the item is not known, as for reduce
	Part
}

// Trace is an evaluation, part by part.
type Trace struct {
	Source string
	Value  any
	Type   Type
	Root   Part
}

// keptItems is how many items a trace shows of each answer, and of answers that
// are neither yes nor no; keptParts how many parts it keeps in all.
const (
	keptItems = 3
	keptParts = 20_000
)

// Trace evaluates as Eval does, with the same answer and within the same
// limits, and tells the value of every part. With an error, an *EvalError, the
// trace tells how far the evaluation came.
func (e *Expression) Trace(env Env) (Trace, error) {
	v, err := e.Eval(env)
	t := Trace{Source: e.source, Value: v, Type: e.typ}
	t.Root = Part{Text: e.source, To: len([]rune(e.source)), Type: e.typ, Outcome: PartValue, Value: v}
	if e.read == nil || e.program == nil {
		t.Root.Outcome, t.Root.Message = PartFailed, err.Error()
		return t, err
	}
	r := newRecorder(e.read)
	watched := &Expression{source: e.source, typ: e.typ, root: e.root, names: e.names, admit: e.admit}
	if watched.assemble(e.read, r.watch) == nil {
		_, _ = watched.Eval(env) // the answer is Eval's; this one tells the parts
	}
	t.Root = r.part(r.finish(e.read.root, err), err)
	if failed, ok := errors.AsType[*EvalError](err); ok && t.Root.Outcome != PartFailed {
		t.Root.Outcome, t.Root.Value, t.Root.Message = PartFailed, nil, failed.Message
	}
	if err == nil {
		t.Root.Outcome, t.Root.Value = PartValue, v
	}
	return t, err
}

// seen is a value that a node gave, with what was seen below it. For the body
// of a question it holds all its items.
type seen struct {
	node  ast.Node
	value any
	state Outcome
	below []*seen
	items *seenItems
}

type seenItems struct {
	asked, yes, no, other int
	some                  []seenItem
}

type seenItem struct {
	index int
	what  *seen
}

// recorder notes the values of nodes as the machine comes by them. A node is
// left after all that is below it, so what was noted last and lies below it is
// its.
type recorder struct {
	c      *checker
	number map[ast.Node]int // in the order of the tree
	last   map[ast.Node]int // number of the last node below
	bodies map[ast.Node]bool
	inner  map[ast.Node]bool // links of a path, which is told as a whole
	stack  []*seen
	kept   int
}

func newRecorder(c *checker) *recorder {
	r := &recorder{c: c, number: map[ast.Node]int{}, last: map[ast.Node]int{}, bodies: map[ast.Node]bool{}, inner: map[ast.Node]bool{}}
	r.enumerate(c.root)
	return r
}

func (r *recorder) enumerate(n ast.Node) {
	r.number[n] = len(r.number)
	switch n := n.(type) {
	case *ast.PredicateNode:
		r.bodies[n.Node] = true
	case *ast.ChainNode:
		r.inner[n.Node] = isLink(n.Node)
	case *ast.MemberNode:
		r.inner[n.Node] = isLink(n.Node)
	}
	for _, child := range children(n) {
		r.enumerate(child)
	}
	r.last[n] = len(r.number) - 1
}

// watch puts a note around the value of a node.
func (r *recorder) watch(n, lowered ast.Node) ast.Node {
	if !r.watched(n) {
		return lowered
	}
	note := direct(func(v any) any {
		r.leave(n, v, PartValue)
		return v
	}, lowered)
	note.SetLocation(lowered.Location())
	note.SetType(lowered.Type())
	return note
}

// watched reports whether the value of a node is noted.
func (r *recorder) watched(n ast.Node) bool {
	_, known := r.number[n]
	return known && !r.inner[n] && (!isLiteral(n) || r.bodies[n])
}

func isLink(n ast.Node) bool {
	switch n.(type) {
	case *ast.ChainNode, *ast.MemberNode, *ast.IdentifierNode, *ast.PointerNode:
		return true
	}
	return false
}

// isWritten reports whether a node is a value written out, which tells nothing.
func isWritten(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ArrayNode:
		return !slices.ContainsFunc(n.Nodes, func(item ast.Node) bool { return !isWritten(item) })
	case *ast.UnaryNode:
		return n.Operator == "-" && isWritten(n.Node)
	}
	return isLiteral(n)
}

func isLiteral(n ast.Node) bool {
	switch n.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.PredicateNode, *ast.PairNode:
		return true
	}
	return false
}

// leave notes a value.
func (r *recorder) leave(n ast.Node, v any, state Outcome) {
	from, to := r.number[n], r.last[n]
	at := len(r.stack)
	for at > 0 {
		if k := r.number[r.stack[at-1].node]; k <= from || k > to {
			break
		}
		at--
	}
	s := &seen{node: n, value: v, state: state, below: slices.Clone(r.stack[at:])}
	r.stack = r.stack[:at]
	if !r.bodies[n] {
		r.keep(s)
		return
	}
	if at == 0 || r.stack[at-1].node != n {
		r.keep(&seen{node: n, state: PartValue, items: &seenItems{}})
	}
	if len(r.stack) > 0 && r.stack[len(r.stack)-1].node == n {
		r.stack[len(r.stack)-1].items.add(s)
	}
}

// keep remembers what was seen, as long as there is room.
func (r *recorder) keep(s *seen) {
	if r.kept++; r.kept <= keptParts {
		r.stack = append(r.stack, s)
	}
}

func (i *seenItems) add(s *seen) {
	index := i.asked
	i.asked++
	n := &i.other
	switch s.value {
	case true:
		n = &i.yes
	case false:
		n = &i.no
	}
	if *n++; *n <= keptItems || s.state == PartFailed {
		i.some = append(i.some, seenItem{index, s})
	}
}

// finish answers what was seen of the root. Where the evaluation failed, the
// nodes around the place were never left: they are now.
func (r *recorder) finish(root ast.Node, err error) *seen {
	if len(r.stack) == 1 && r.stack[0].node == root && r.stack[0].items == nil {
		return r.stack[0]
	}
	failed, ok := errors.AsType[*EvalError](err)
	if !ok {
		return &seen{node: root, state: PartValue}
	}
	for _, n := range slices.Backward(r.around(root, failed)) {
		if r.watched(n) {
			r.leave(n, nil, PartFailed)
		}
	}
	if n := len(r.stack); n > 0 && r.stack[n-1].node == root {
		return r.stack[n-1]
	}
	return &seen{node: root, state: PartFailed}
}

// around are the nodes from one down to the innermost that covers the place of
// an error and gave no value.
func (r *recorder) around(n ast.Node, at *EvalError) []ast.Node {
	path := []ast.Node{n}
	for _, child := range children(n) {
		from, to := r.c.span(child)
		done := slices.ContainsFunc(r.stack, func(s *seen) bool { return s.node == child && s.items == nil })
		if from <= at.From && at.To <= to && !done && !isConstant(child) {
			return append(path, r.around(child, at)...)
		}
	}
	return path
}

// IncidentScope is what an expression may name about an incident: event,
// incident, evidence, and the params of the playbook, if there is one, with the
// lists that it names.
func IncidentScope(p *Playbook) Scope {
	params, lists := RecordOf(""), RecordOf("")
	if p != nil {
		params = p.paramsType()
		for _, l := range p.Lists {
			lists = lists.WithField(l.Name, ListOf(l.Type))
		}
	}
	return NewScope(map[string]Type{
		"event": eventType(), "incident": incidentType(), "evidence": evidenceType(), "params": params, "lists": lists,
	})
}

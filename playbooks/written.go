package playbooks

import (
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// Source is the template as a playbook writes it on one line: text, with ${{ }}
// around expressions; lists and mappings in their flow style. It is for people:
// blanks within expressions and quotes are not those of the file.
func (t *Template) Source() string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	t.write(&b, (*Expression).Source)
	return b.String()
}

// Canonical is Source with expressions in their canonical form: two templates
// that give the same values everywhere mostly have the same.
func (t *Template) Canonical() string {
	if t == nil {
		return ""
	}
	var b strings.Builder
	t.write(&b, (*Expression).Canonical)
	return b.String()
}

func (t *Template) write(b *strings.Builder, text func(*Expression) string) {
	inside := func(e *Expression) { b.WriteString("${{ " + strings.TrimSpace(text(e)) + " }}") }
	switch {
	case t.expr != nil:
		inside(t.expr)
	case t.texts != nil:
		for _, p := range t.texts {
			if p.expr != nil {
				inside(p.expr)
				continue
			}
			b.WriteString(p.text)
		}
	case t.isList:
		b.WriteString("[")
		for i, item := range t.list {
			if i > 0 {
				b.WriteString(", ")
			}
			item.write(b, text)
		}
		b.WriteString("]")
	case t.isMap:
		b.WriteString("{")
		names := slices.Sorted(slices.Values(t.names))
		for i, name := range names {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(name + ": ")
			t.field(name).write(b, text)
		}
		b.WriteString("}")
	default:
		writeLiteral(b, t.literal)
	}
}

func writeLiteral(b *strings.Builder, v any) {
	if s, ok := printed(v); ok {
		b.WriteString(s)
		return
	}
	if raw, err := Encode(v); err == nil {
		b.Write(raw)
	}
}

// Part is the template of a key of a mapping, or nil.
func (t *Template) Part(name string) *Template { return t.field(name) }

// Parts are the keys of a mapping, in order.
func (t *Template) Parts() []string {
	if t == nil {
		return nil
	}
	return slices.Sorted(slices.Values(t.names))
}

// Expressions are all that the template evaluates.
func (t *Template) Expressions() []*Expression { return t.expressions() }

// Canonical is the expression without what does not change its meaning: blanks,
// comments, brackets, kinds of quotes, `&&` for `and`. Of an expression with
// errors it is the source.
func (e *Expression) Canonical() string {
	if n := e.fresh(); n != nil {
		return canonical(n)
	}
	return strings.Join(strings.Fields(e.source), " ")
}

// Clauses are the canonical forms of what `and` joins, or `or`: the expression
// alone when it joins nothing so.
func (e *Expression) Clauses(op string) []string {
	n := e.fresh()
	if n == nil {
		return []string{e.Canonical()}
	}
	return clauses(n, op)
}

// ClausesOf are the Clauses of an expression that is only text.
func ClausesOf(text, op string) []string { return (&Expression{source: text}).Clauses(op) }

func clauses(n ast.Node, op string) []string {
	if b, ok := n.(*ast.BinaryNode); ok && b.Operator == op {
		return append(clauses(b.Left, op), clauses(b.Right, op)...)
	}
	return []string{canonical(n)}
}

// Bound is a comparison with a number, as in len(xs) > 10.
type Bound struct {
	What string // canonical
	Op   string // < <= > >=
	Than float64
}

// BoundOf reads an expression as a comparison with a number.
func BoundOf(text string) (Bound, bool) {
	s, problems := parse(text)
	if len(problems) > 0 {
		return Bound{}, false
	}
	n, ok := s.root.(*ast.BinaryNode)
	if !ok || !slices.Contains([]string{"<", "<=", ">", ">="}, n.Operator) {
		return Bound{}, false
	}
	if v, ok := writtenNumber(n.Right); ok {
		return Bound{canonical(n.Left), n.Operator, v}, true
	}
	if v, ok := writtenNumber(n.Left); ok {
		turned := map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}
		return Bound{canonical(n.Right), turned[n.Operator], v}, true
	}
	return Bound{}, false
}

func writtenNumber(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	}
	return 0, false
}

// fresh is a tree of the expression that may be changed, with one spelling for
// what has two; nil when it cannot be read.
func (e *Expression) fresh() ast.Node {
	s, problems := parse(e.source)
	if len(problems) > 0 {
		return nil
	}
	s.spell(s.root)
	return s.root
}

func (s *source) spell(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&":
			n.Operator = "and"
		case "||":
			n.Operator = "or"
		case "^":
			n.Operator = "**"
		}
	case *ast.UnaryNode:
		if n.Operator == "!" {
			n.Operator = "not"
		}
	case *ast.BuiltinNode:
		n.Name = s.functionName(n.Name, n.Location())
	}
	for _, child := range children(n) {
		s.spell(child)
	}
}

// canonical writes a tree with brackets around whatever an operator stands in,
// but not around the whole.
func canonical(n ast.Node) string {
	text := bracketed(n)
	if _, ok := n.(*ast.BinaryNode); ok {
		return text[1 : len(text)-1]
	}
	return text
}

func bracketed(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BinaryNode:
		return "(" + bracketed(n.Left) + " " + n.Operator + " " + bracketed(n.Right) + ")"
	case *ast.UnaryNode:
		if n.Operator == "not" {
			return "(not " + bracketed(n.Node) + ")"
		}
		return "(" + n.Operator + bracketed(n.Node) + ")"
	case *ast.ConditionalNode:
		return "(" + bracketed(n.Cond) + " ? " + bracketed(n.Exp1) + " : " + bracketed(n.Exp2) + ")"
	case *ast.VariableDeclaratorNode:
		return "(let " + n.Name + " = " + bracketed(n.Value) + "; " + bracketed(n.Expr) + ")"
	case *ast.ChainNode:
		return bracketed(n.Node)
	case *ast.MemberNode:
		return bracketedMember(n)
	case *ast.SliceNode:
		bounds := [2]string{}
		for i, bound := range []ast.Node{n.From, n.To} {
			if bound != nil {
				bounds[i] = bracketed(bound)
			}
		}
		return bracketed(n.Node) + "[" + bounds[0] + ":" + bounds[1] + "]"
	case *ast.PredicateNode:
		if let, ok := n.Node.(*ast.VariableDeclaratorNode); ok {
			text := bracketed(let)
			return "{" + text[1:len(text)-1] + "}"
		}
		if record, ok := n.Node.(*ast.MapNode); ok {
			return "{" + bracketed(record) + "}"
		}
		return canonical(n.Node)
	case *ast.ArrayNode:
		return "[" + commas(n.Nodes) + "]"
	case *ast.MapNode:
		return "{" + commas(n.Pairs) + "}"
	case *ast.PairNode:
		return bracketed(n.Key) + ": " + bracketed(n.Value)
	case *ast.BuiltinNode:
		return n.Name + "(" + commas(n.Arguments) + ")"
	case *ast.CallNode:
		return bracketed(n.Callee) + "(" + commas(n.Arguments) + ")"
	}
	return n.String()
}

// bracketedMember writes what is read of something.
func bracketedMember(n *ast.MemberNode) string {
	base, dot := bracketed(n.Node), "."
	if chain, ok := n.Node.(*ast.ChainNode); ok {
		base = "(" + bracketed(chain.Node) + ")"
	}
	if n.Optional {
		dot = "?."
	}
	if name, ok := n.Property.(*ast.StringNode); ok && isName.MatchString(name.Value) {
		return base + dot + name.Value
	}
	if n.Optional {
		return base + "?.[" + bracketed(n.Property) + "]"
	}
	return base + "[" + bracketed(n.Property) + "]"
}

var isName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func commas(nodes []ast.Node) string {
	parts := make([]string, len(nodes))
	for i, n := range nodes {
		parts[i] = bracketed(n)
		if _, ok := n.(*ast.BinaryNode); ok {
			parts[i] = canonical(n)
		}
	}
	return strings.Join(parts, ", ")
}

// Members is a test whether something is one of some written values.
type Members struct {
	What string // canonical
	Not  bool   // none of them
	Of   []string
}

// MembersOf reads an expression as such a test: x in ["a", "b"], x == "a", or
// their negation.
func MembersOf(text string) (Members, bool) {
	s, problems := parse(text)
	if len(problems) > 0 {
		return Members{}, false
	}
	s.spell(s.root)
	n, not := s.root, false
	if u, ok := n.(*ast.UnaryNode); ok && u.Operator == "not" {
		n, not = u.Node, true
	}
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return Members{}, false
	}
	list, isList := b.Right.(*ast.ArrayNode)
	switch {
	case b.Operator == "in" && isList:
		m := Members{What: canonical(b.Left), Not: not}
		for _, item := range list.Nodes {
			if !isLiteral(item) {
				return Members{}, false
			}
			m.Of = append(m.Of, canonical(item))
		}
		return m, true
	case (b.Operator == "==" || b.Operator == "!=") && isConstant(b.Right):
		return Members{canonical(b.Left), not != (b.Operator == "!="), []string{canonical(b.Right)}}, true
	}
	return Members{}, false
}

// TakenFrom answers the canonical list of which an expression takes only items:
// of filter(xs, …), take(xs, 5) and their like it is xs.
func TakenFrom(text string) (string, bool) {
	s, problems := parse(text)
	if len(problems) > 0 {
		return "", false
	}
	s.spell(s.root)
	n, ok := s.root.(*ast.BuiltinNode)
	if c, isCall := s.root.(*ast.CallNode); isCall {
		if name, named := c.Callee.(*ast.IdentifierNode); named {
			n, ok = &ast.BuiltinNode{Name: name.Value, Arguments: c.Arguments}, true
		}
	}
	narrows := []string{"filter", "take", "sort", "sortBy", "reverse", "uniq", "unique_by"}
	if !ok || len(n.Arguments) == 0 || !slices.Contains(narrows, n.Name) {
		return "", false
	}
	return canonical(n.Arguments[0]), true
}

// FilterOf answers the canonical list of filter(xs, …) and what `and` joins in
// its question.
func FilterOf(text string) (list string, asked []string, ok bool) {
	s, problems := parse(text)
	if len(problems) > 0 {
		return "", nil, false
	}
	s.spell(s.root)
	n, ok := s.root.(*ast.BuiltinNode)
	if !ok || n.Name != "filter" || len(n.Arguments) != 2 {
		return "", nil, false
	}
	question, ok := n.Arguments[1].(*ast.PredicateNode)
	if !ok {
		return "", nil, false
	}
	return canonical(n.Arguments[0]), clauses(question.Node, "and"), true
}

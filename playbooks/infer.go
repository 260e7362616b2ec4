package playbooks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// checker finds the type of every part of one expression, and all problems.
type checker struct {
	*source
	scope     Scope
	functions map[string]function
	types     map[ast.Node]Type
	problems  []Problem
	uses      []string
	loops     int
}

// flow is what is known at one place of an expression.
type flow struct {
	facts facts
	lets  []letName
	loops []loopItem
}

type letName struct {
	name string
	path string
	typ  Type
}

// loopItem is what `#` means inside a question about each item.
type loopItem struct {
	path string
	item Type
	acc  Type // of reduce, else zero
}

func (f flow) knowing(more facts) flow {
	f.facts = f.facts.and(more)
	return f
}

// path is what the facts call a node without parts.
func (f flow) path(n ast.Node) string {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		for _, l := range slices.Backward(f.lets) {
			if l.name == n.Value {
				return l.path
			}
		}
		return n.Value
	case *ast.PointerNode:
		if len(f.loops) > 0 {
			return f.loops[len(f.loops)-1].path + n.Name
		}
	}
	return ""
}

func broken() Type { return Type{kind: kindBroken} }

// report adds a problem at a node and answers the type that raises no others.
func (c *checker) report(n ast.Node, code, message, hint string) Type {
	from, to := c.span(n)
	return c.reportAt(from, to, Problem{Code: code, Message: message, Hint: hint})
}

func (c *checker) reportAt(from, to int, p Problem) Type {
	p.From, p.To = from, to
	if !slices.Contains(c.problems, p) {
		c.problems = append(c.problems, p)
	}
	return broken()
}

// infer finds the type of n and keeps it.
func (c *checker) infer(n ast.Node, f flow) Type {
	t := c.inferNode(n, f)
	if path := pathOf(n, f.path); path != "" {
		known := f.facts[path]
		if known.present {
			t = t.Present()
		}
		if t.kind == kindList && known.atLeast > t.def.atLeast {
			t = listAtLeast(t.def.elem, known.atLeast)
		}
	}
	c.types[n] = t
	return t
}

func (c *checker) inferNode(n ast.Node, f flow) Type {
	switch n := n.(type) {
	case *ast.NilNode:
		return Type{kind: kindNil}
	case *ast.IntegerNode:
		return IntegerType()
	case *ast.FloatNode:
		return NumberType()
	case *ast.BoolNode:
		return BooleanType()
	case *ast.StringNode:
		return literalType(n.Value)
	case *ast.IdentifierNode:
		return c.inferName(n, f)
	case *ast.PointerNode:
		return c.inferPointer(n, f)
	case *ast.UnaryNode:
		return c.inferUnary(n, f)
	case *ast.BinaryNode:
		return c.inferBinary(n, f)
	case *ast.ConditionalNode:
		return c.inferConditional(n, f)
	case *ast.ChainNode:
		return c.inferChain(n, f)
	case *ast.MemberNode:
		return c.inferMember(n, f)
	case *ast.SliceNode:
		return c.inferSlice(n, f)
	case *ast.VariableDeclaratorNode:
		return c.inferLet(n, f)
	case *ast.ArrayNode:
		return c.inferList(n, f)
	case *ast.MapNode:
		return c.inferRecord(n, f)
	case *ast.BuiltinNode:
		return c.inferCall(call{node: n, name: c.functionName(n.Name, n.Location()), args: n.Arguments}, f)
	case *ast.CallNode:
		if name, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.inferCall(call{node: n, name: name.Value, args: n.Arguments}, f)
		}
		return c.report(n, "E306", "values have no methods", "use a function, as in lower(x)")
	}
	return c.report(n, "E306", "this is not allowed in expressions", "")
}

func (c *checker) inferName(n *ast.IdentifierNode, f flow) Type {
	for _, l := range slices.Backward(f.lets) {
		if l.name == n.Value {
			return l.typ
		}
	}
	if t, ok := c.scope.Lookup(n.Value); ok {
		c.use(n.Value)
		return t
	}
	if strings.HasPrefix(n.Value, "$") {
		return c.report(n, "E306", fmt.Sprintf("`%s` is not allowed", n.Value), "name what is needed: incident, evidence, params…")
	}
	if _, ok := c.functions[n.Value]; ok {
		return c.report(n, "E303", fmt.Sprintf("`%s` is a function", n.Value), fmt.Sprintf("call it: %s(…)", n.Value))
	}
	names := c.scope.Names()
	for _, l := range f.lets {
		names = append(names, l.name)
	}
	hint := ""
	if absent := strings.ToLower(n.Value); absent == "null" || absent == "none" || absent == "undefined" {
		hint = "what is absent is nil: == nil, != nil"
	} else if near := Nearest(n.Value, names); near != "" {
		hint = fmt.Sprintf("did you mean `%s`?", near)
	} else if field := c.fieldOfItem(n.Value, f); field != "" {
		hint = fmt.Sprintf("did you mean `.%s` of the item?", field)
	} else if len(names) > 0 {
		hint = "known here: " + strings.Join(names, ", ")
		if _, to := c.span(n); to >= len(c.runes) || !strings.ContainsRune(".?[", c.runes[to]) {
			hint = fmt.Sprintf("a text has quotes: \"%s\"; %s", n.Value, hint)
		}
	}
	return c.report(n, "E303", fmt.Sprintf("unknown name `%s`", n.Value), hint)
}

// fieldOfItem is a field of the innermost item that has this name.
func (c *checker) fieldOfItem(name string, f flow) string {
	if len(f.loops) > 0 {
		if _, ok := f.loops[len(f.loops)-1].item.Field(name); ok {
			return name
		}
	}
	return ""
}

func (c *checker) use(path string) {
	if !slices.Contains(c.uses, path) {
		c.uses = append(c.uses, path)
	}
}

func (c *checker) inferPointer(n *ast.PointerNode, f flow) Type {
	if len(f.loops) == 0 {
		return c.report(n, "E303", "`#` stands only inside a question about each item", "")
	}
	loop := f.loops[len(f.loops)-1]
	switch {
	case n.Name == "":
		return loop.item
	case n.Name == "index":
		return IntegerType()
	case n.Name == "acc" && !loop.acc.IsZero():
		return loop.acc
	}
	return c.report(n, "E303", fmt.Sprintf("unknown name `#%s`", n.Name), "there are # and #index, and in reduce #acc")
}

func (c *checker) inferConditional(n *ast.ConditionalNode, f flow) Type {
	c.wantBoolean(n.Cond, f, "before `?`")
	yes := c.infer(n.Exp1, f.knowing(learn(n.Cond, true, f.path)))
	no := c.infer(n.Exp2, f.knowing(learn(n.Cond, false, f.path)))
	t, ok := Unify(yes, no)
	if !ok {
		return c.report(n, "E308", fmt.Sprintf("the two results have different types: %s and %s", yes.widen(), no.widen()), "")
	}
	return t
}

func (c *checker) inferLet(n *ast.VariableDeclaratorNode, f flow) Type {
	t := c.infer(n.Value, f)
	if why := c.taken(n.Name, f); why != "" {
		at := n.Location()
		c.reportAt(at.From, at.To, Problem{Code: "E317", Message: fmt.Sprintf("`%s` %s", n.Name, why), Hint: "choose another name"})
	}
	c.loops++
	path := pathOf(n.Value, f.path)
	if path == "" {
		path = "let" + strconv.Itoa(c.loops) + " " + n.Name
	}
	f.lets = append(slices.Clip(f.lets), letName{n.Name, path, t})
	return c.infer(n.Expr, f)
}

// taken says why a let may not have this name, or "".
func (c *checker) taken(name string, f flow) string {
	if _, ok := c.scope.Lookup(name); ok {
		return "already has a value"
	}
	if slices.ContainsFunc(f.lets, func(l letName) bool { return l.name == name }) {
		return "already has a value"
	}
	if _, ok := c.functions[name]; ok {
		return "is a function"
	}
	if strings.HasPrefix(name, "$") || strings.ContainsFunc(name, func(r rune) bool { return r > 0x7F }) {
		return "is not a name"
	}
	return ""
}

func (c *checker) inferList(n *ast.ArrayNode, f flow) Type {
	elem := Type{kind: kindNever}
	for i, item := range n.Nodes {
		t := c.infer(item, f)
		u, ok := Unify(elem, t)
		if !ok {
			c.report(item, "E308", fmt.Sprintf("item %d is %s, those before are %s", i+1, t.widen(), elem.widen()), "a list holds values of one type")
			u = broken()
		}
		elem = u
	}
	return listAtLeast(elem, len(n.Nodes))
}

func (c *checker) inferRecord(n *ast.MapNode, f flow) Type {
	var fields []TypeField
	for _, node := range n.Pairs {
		pair := node.(*ast.PairNode)
		t := c.infer(pair.Value, f)
		key, ok := pair.Key.(*ast.StringNode)
		if !ok {
			c.report(pair.Key, "E306", "the name of a field must be written, not computed", "")
			continue
		}
		c.types[key] = literalType(key.Value)
		if slices.ContainsFunc(fields, func(g TypeField) bool { return g.Name == key.Value }) {
			c.report(key, "E317", fmt.Sprintf("the field `%s` is given twice", key.Value), "")
			continue
		}
		fields = append(fields, TypeField{Name: key.Value, Type: t})
	}
	return RecordOf("", fields...)
}

package playbooks

import (
	"fmt"
	"reflect"
	"regexp"
	"regexp/syntax"
	"strconv"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// evaluator is a function of ours as expr's machine calls it. What it makes or
// goes through is paid from the budget before.
type evaluator func(b *budget, args []any) (any, error)

// lowering makes of a checked tree one for expr's machine: loops pay when they
// are entered, and everything that can overflow, grow or loop out of sight is a
// function of ours. The checked tree stays as it is.
type lowering struct {
	*checker
	budget *ast.ConstantNode
	loop   *loopCost // of the innermost loop; the outermost is the expression itself
	calls  conf.FunctionsTable
	lets   int
	watch  func(n, lowered ast.Node) ast.Node // nil: nobody watches
}

func (l *lowering) lower(n ast.Node) ast.Node {
	if n == nil {
		return nil
	}
	l.loop.work++
	out := l.lowerNode(n)
	if loc := n.Location(); out.Location().To == 0 {
		out.SetLocation(loc)
	}
	out.SetType(l.types[n].machine())
	if l.watch != nil {
		out = l.watch(n, out)
	}
	return out
}

// machine is the Go type that expr's compiler is told, so that it neither
// dereferences nor guesses: what a value certainly is, or something without
// meaning to it.
func (t Type) machine() reflect.Type {
	switch t.kind {
	case kindString, kindEnum:
		return reflect.TypeFor[string]()
	case kindInteger, kindSize:
		return reflect.TypeFor[int]()
	case kindBoolean:
		return reflect.TypeFor[bool]()
	}
	return reflect.TypeFor[[]any]()
}

func (l *lowering) lowerNode(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.NilNode:
		return &ast.NilNode{}
	case *ast.IntegerNode:
		return &ast.IntegerNode{Value: n.Value}
	case *ast.FloatNode:
		return &ast.FloatNode{Value: n.Value}
	case *ast.BoolNode:
		return &ast.BoolNode{Value: n.Value}
	case *ast.StringNode:
		return &ast.StringNode{Value: n.Value}
	case *ast.IdentifierNode:
		return &ast.IdentifierNode{Value: n.Value}
	case *ast.PointerNode:
		return &ast.PointerNode{Name: n.Name}
	case *ast.UnaryNode:
		return l.lowerUnary(n)
	case *ast.BinaryNode:
		return l.lowerBinary(n)
	case *ast.ConditionalNode:
		return &ast.ConditionalNode{Cond: l.condition(n.Cond), Exp1: l.lower(n.Exp1), Exp2: l.lower(n.Exp2)}
	case *ast.ChainNode:
		return &ast.ChainNode{Node: l.lower(n.Node)}
	case *ast.MemberNode:
		return l.lowerMember(n)
	case *ast.SliceNode:
		return l.lowerSlice(n)
	case *ast.VariableDeclaratorNode:
		return &ast.VariableDeclaratorNode{Name: n.Name, Value: l.lower(n.Value), Expr: l.lower(n.Expr)}
	case *ast.ArrayNode:
		l.loop.built += 48 + 16*len(n.Nodes)
		return &ast.ArrayNode{Nodes: l.lowerAll(n.Nodes)}
	case *ast.MapNode:
		return l.lowerRecord(n)
	case *ast.BuiltinNode:
		return l.lowerCall(call{node: n, name: l.functionName(n.Name, n.Location()), args: n.Arguments})
	case *ast.CallNode:
		return l.lowerCall(call{node: n, name: n.Callee.(*ast.IdentifierNode).Value, args: n.Arguments})
	}
	panic("playbooks: a node that the checker let through")
}

func (l *lowering) lowerAll(nodes []ast.Node) []ast.Node {
	out := make([]ast.Node, len(nodes))
	for i, n := range nodes {
		out[i] = l.lower(n)
	}
	return out
}

// lowerRecord counts what Go takes for a small map.
func (l *lowering) lowerRecord(n *ast.MapNode) ast.Node {
	l.loop.built += 64 + 352*(1+len(n.Pairs)/8)
	pairs := make([]ast.Node, len(n.Pairs))
	for i, p := range n.Pairs {
		pair := p.(*ast.PairNode)
		pairs[i] = &ast.PairNode{Key: l.lower(pair.Key), Value: l.lower(pair.Value)}
	}
	return &ast.MapNode{Pairs: pairs}
}

// lowerMember reads a field without reflection. A ?. is left to expr, which
// knows the end of its chain.
func (l *lowering) lowerMember(n *ast.MemberNode) ast.Node {
	base := l.lower(n.Node)
	field, ok := n.Property.(*ast.StringNode)
	if n.Optional || !ok {
		return &ast.MemberNode{Node: base, Property: l.key(n.Property), Optional: n.Optional}
	}
	return direct(fieldOf(field.Value), base)
}

// key is what a map is asked for.
func (l *lowering) key(n ast.Node) ast.Node {
	if l.types[n].kind != kindAny {
		return l.lower(n)
	}
	return l.checked(direct(mustText, l.lower(n)), n)
}

// condition is an operand of logic: expr answers the last one unseen.
func (l *lowering) condition(n ast.Node) ast.Node {
	if l.types[n].kind != kindAny {
		return l.lower(n)
	}
	return l.checked(direct(mustBoolean, l.lower(n)), n)
}

func (l *lowering) checked(out, n ast.Node) ast.Node {
	out.SetLocation(n.Location())
	out.SetType(reflect.TypeFor[[]any]())
	return out
}

func mustBoolean(v any) any {
	if b, ok := v.(bool); ok {
		return b
	}
	panic(fmt.Errorf("a condition is %s, neither true nor false", describe(v)))
}

func mustText(v any) any {
	if s, ok := v.(string); ok {
		return s
	}
	panic(fmt.Errorf("a map is asked for text, not for %s", describe(v)))
}

// fieldOf reads one field of records.
func fieldOf(name string) func(any) any {
	return func(record any) any {
		if fields, ok := record.(map[string]any); ok {
			return fields[name]
		}
		panic(fmt.Errorf("`%s` is read of %s", name, describe(record)))
	}
}

// direct is a call without arguments made into a list, for functions of the
// forms that expr calls so. They pay nothing, and fail by panic, which expr
// catches with the place.
func direct[F func(any) any | func(any) bool | func(any) int](f F, arg ast.Node) ast.Node {
	callee := &ast.ConstantNode{Value: f}
	callee.SetType(reflect.TypeFor[F]())
	return &ast.CallNode{Callee: callee, Arguments: []ast.Node{arg}}
}

func (l *lowering) lowerSlice(n *ast.SliceNode) ast.Node {
	args := []ast.Node{l.lower(n.Node), &ast.NilNode{}, &ast.NilNode{}}
	for i, bound := range []ast.Node{n.From, n.To} {
		if bound != nil {
			args[i+1] = l.lower(bound)
		}
	}
	return l.call("[:]", evalSlice, args...)
}

func (l *lowering) lowerUnary(n *ast.UnaryNode) ast.Node {
	if n.Operator == "not" || n.Operator == "!" {
		return &ast.UnaryNode{Operator: "not", Node: l.condition(n.Node)}
	}
	operand := l.lower(n.Node)
	switch n.Operator {
	case "-":
		if k, ok := operand.(*ast.IntegerNode); ok {
			return &ast.IntegerNode{Value: -k.Value}
		}
		return l.call("-x", evalNegate, operand)
	}
	return l.call("+x", evalPlus, operand)
}

func (l *lowering) lowerBinary(n *ast.BinaryNode) ast.Node {
	switch n.Operator {
	case "and", "&&", "or", "||":
		return &ast.BinaryNode{Operator: n.Operator, Left: l.condition(n.Left), Right: l.condition(n.Right)}
	}
	left := l.lower(n.Left)
	switch n.Operator {
	case "matches":
		pattern := n.Right.(*ast.StringNode).Value
		return l.call("matches", evalMatches, left, &ast.ConstantNode{Value: compilePattern(pattern)})
	case "in":
		if set := constantSet(n.Right); set != nil {
			return direct(set.has, left)
		}
	}
	right := l.lower(n.Right)
	if n.Operator == "in" && l.types[n.Left].kind == kindAny {
		return l.call("in any", evalInAny, left, right)
	}
	if l.native(n) {
		return &ast.BinaryNode{Operator: n.Operator, Left: left, Right: right}
	}
	switch n.Operator {
	case "==", "!=":
		eq := l.call("==", evalEqual, left, right)
		if l.types[n.Left].kind == kindAny || l.types[n.Right].kind == kindAny {
			eq = l.call("== any", evalEqualAny, left, right)
		}
		if n.Operator == "==" {
			return eq
		}
		eq.SetLocation(n.Location())
		eq.SetType(reflect.TypeFor[bool]())
		return &ast.UnaryNode{Operator: "not", Node: eq}
	case "^":
		return l.call("**", operators()["**"], left, right)
	}
	return l.call(n.Operator, operators()[n.Operator], left, right)
}

// native reports whether expr's own operator answers right and cheaply: where
// scalars are compared of which not both are long.
func (l *lowering) native(n *ast.BinaryNode) bool {
	left, right := l.types[n.Left], l.types[n.Right]
	short := isConstant(n.Left) || isConstant(n.Right)
	text := left.Present().textual() || right.Present().textual()
	switch n.Operator {
	case "??":
		return true
	case "==", "!=":
		if isNil(n.Left) || isNil(n.Right) {
			return true
		}
		return left.Present().IsScalar() && right.Present().IsScalar() && (short || !text)
	case "<", "<=", ">", ">=":
		return left.IsScalar() && right.IsScalar()
	case "startsWith", "endsWith":
		return short && left.textual() && right.textual()
	}
	return false
}

// call is a call of a function of ours, which gets the budget first.
func (l *lowering) call(name string, eval evaluator, args ...ast.Node) ast.Node {
	name = "stanch " + name
	if _, ok := l.calls[name]; !ok {
		l.calls[name] = &builtin.Function{Name: name, Func: func(params ...any) (any, error) {
			return eval(params[0].(*budget), params[1:])
		}}
	}
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: append([]ast.Node{l.budget}, args...)}
}

func (l *lowering) lowerCall(k call) ast.Node {
	fn := l.functions[k.name]
	if fn.lower != nil {
		return fn.lower(l, k)
	}
	return l.call(k.name, fn.eval, l.lowerAll(k.args)...)
}

// lowerLoop keeps a function of expr that asks about each item; its list is
// paid for when the loop is entered. made is what each item adds to the result.
func (l *lowering) lowerLoop(name string, k call, made int) ast.Node {
	return &ast.BuiltinNode{Name: name, Arguments: l.loopArguments(l.lower(k.args[0]), k, made)}
}

func (l *lowering) loopArguments(list ast.Node, k call, made int) []ast.Node {
	outer, cost := l.loop, &loopCost{work: 1, built: made}
	entered := l.call("each", evalEach, list, &ast.ConstantNode{Value: cost})
	entered.SetLocation(k.args[0].Location())
	entered.SetType(reflect.TypeFor[[]any]())
	args := []ast.Node{entered}
	if len(k.args) > 1 {
		l.loop = cost
		args = append(args, l.lowerQuestion(k.args[1]))
		l.loop = outer
	}
	for _, arg := range k.args[min(2, len(k.args)):] {
		args = append(args, l.lower(arg))
	}
	return args
}

func (l *lowering) lowerQuestion(n ast.Node) ast.Node {
	p, ok := n.(*ast.PredicateNode)
	if !ok {
		return l.lower(n)
	}
	out := &ast.PredicateNode{Node: l.lower(p.Node)}
	out.SetLocation(p.Location())
	return out
}

// lowerBy makes f(list, question, …) a function of ours over the list and the
// answers: let x = list; f(x, map(x, question), …).
func (l *lowering) lowerBy(k call, eval evaluator) ast.Node {
	l.lets++
	name := "stanch list " + strconv.Itoa(l.lets)
	answers := call{node: k.node, name: "map", args: k.args[:2]}
	mapped := &ast.BuiltinNode{Name: "map", Arguments: l.loopArguments(&ast.IdentifierNode{Value: name}, answers, 16)}
	args := []ast.Node{&ast.IdentifierNode{Value: name}, mapped}
	for _, arg := range k.args[2:] {
		args = append(args, l.lower(arg))
	}
	for _, arg := range args {
		arg.SetLocation(k.node.Location())
		arg.SetType(reflect.TypeFor[[]any]())
	}
	body := l.call(k.name, eval, args...)
	body.SetLocation(k.node.Location())
	return &ast.VariableDeclaratorNode{Name: name, Value: l.lower(k.args[0]), Expr: body}
}

// textSet is a written list of texts or whole numbers.
type textSet struct {
	members map[any]struct{}
	longest int
}

// constantSet is a list of constants to look up in, or nil.
func constantSet(n ast.Node) *textSet {
	list, ok := n.(*ast.ArrayNode)
	if !ok {
		return nil
	}
	set := &textSet{members: map[any]struct{}{}}
	for _, item := range list.Nodes {
		switch item := item.(type) {
		case *ast.StringNode:
			set.members[item.Value] = struct{}{}
			set.longest = max(set.longest, len(item.Value))
		case *ast.IntegerNode:
			set.members[item.Value] = struct{}{}
		default:
			return nil
		}
	}
	return set
}

// pattern is a compiled regular expression that knows what a byte costs.
type pattern struct {
	re   *regexp.Regexp
	size int
}

func compilePattern(src string) *pattern {
	p := &pattern{re: regexp.MustCompile(src), size: 1}
	if parsed, err := syntax.Parse(src, syntax.Perl); err == nil {
		if prog, err := syntax.Compile(parsed.Simplify()); err == nil {
			p.size = len(prog.Inst)
		}
	}
	return p
}

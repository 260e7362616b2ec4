package playbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// wantBoolean checks a part that decides.
func (c *checker) wantBoolean(n ast.Node, f flow, where string) {
	t := c.infer(n, f)
	if t.kind == kindOptional && t.def.elem.kind == kindBoolean {
		text := c.textOf(n)
		c.report(n, "E312", fmt.Sprintf("`%s` may be absent", text), fmt.Sprintf("write %s == true, or (%s ?? false)", text, text))
		return
	}
	if t = c.present(n, t); t.Fits(BooleanType()) {
		return
	}
	hint := ""
	switch {
	case t.kind == kindList:
		hint = fmt.Sprintf("test it: len(%s) > 0", c.textOf(n))
	case t.numeric():
		hint = fmt.Sprintf("test it: %s > 0", c.textOf(n))
	case t.textual():
		hint = fmt.Sprintf(`test it: %s != ""`, c.textOf(n))
	}
	c.report(n, "E308", fmt.Sprintf("%s there must be true or false, not %s", where, t.widen()), hint)
}

func (c *checker) inferUnary(n *ast.UnaryNode, f flow) Type {
	if n.Operator == "not" || n.Operator == "!" {
		c.wantBoolean(n.Node, f, "behind `"+n.Operator+"`")
		return BooleanType()
	}
	t := c.present(n.Node, c.infer(n.Node, f))
	switch {
	case t.kind == kindAny, t.kind == kindBroken, t.kind == kindNumber, t.kind == kindDuration && n.Operator == "-":
		return t
	case t.numeric():
		return IntegerType()
	}
	return c.report(n, "E308", fmt.Sprintf("`%s` needs a number, not %s", n.Operator, t.widen()), "")
}

func (c *checker) inferBinary(n *ast.BinaryNode, f flow) Type {
	switch n.Operator {
	case "and", "&&", "or", "||":
		return c.inferLogic(n, f)
	case "??":
		return c.inferOtherwise(n, f)
	}
	if not, ok := n.Left.(*ast.UnaryNode); ok && c.misplacedNot(n, not, f) {
		return BooleanType()
	}
	left, right := c.infer(n.Left, f), c.infer(n.Right, f)
	switch n.Operator {
	case "==", "!=":
		c.checkEqual(n, left, right)
		return BooleanType()
	case "in":
		c.checkIn(n, left, right)
		return BooleanType()
	case "contains", "startsWith", "endsWith", "matches":
		c.checkText(n, left, right)
		return BooleanType()
	}
	left, right = c.present(n.Left, left), c.present(n.Right, right)
	switch n.Operator {
	case "<", "<=", ">", ">=":
		c.checkOrder(n, left, right)
		return BooleanType()
	case "..":
		c.wantType(n.Left, left, IntegerType())
		c.wantType(n.Right, right, IntegerType())
		return ListOf(IntegerType())
	}
	return c.inferArithmetic(n, left, right)
}

// misplacedNot catches `not "x" in tags`, which asks for (not "x").
func (c *checker) misplacedNot(n *ast.BinaryNode, not *ast.UnaryNode, f flow) bool {
	if not.Operator != "not" && not.Operator != "!" || n.Operator == "==" || n.Operator == "!=" {
		return false
	}
	t := c.infer(not.Node, f)
	if t.Fits(BooleanType()) {
		return false
	}
	c.infer(n.Right, f)
	c.types[not] = broken()
	left, right := c.textOf(not.Node), c.textOf(n.Right)
	hint := fmt.Sprintf("write not (%s %s %s)", left, n.Operator, right)
	if !strings.ContainsAny(n.Operator, "<>+-*/%^.") {
		hint = fmt.Sprintf("write %s not %s %s", left, n.Operator, right)
	}
	c.report(not, "E308", fmt.Sprintf("`%s` stands before %s alone, which is %s", not.Operator, left, t.widen()), hint)
	return true
}

func (c *checker) inferLogic(n *ast.BinaryNode, f flow) Type {
	and := n.Operator == "and" || n.Operator == "&&"
	c.wantBoolean(n.Left, f, "before `"+n.Operator+"`")
	c.wantBoolean(n.Right, f.knowing(learn(n.Left, and, f.path)), "behind `"+n.Operator+"`")
	c.checkSame(n)
	return BooleanType()
}

// checkSame warns of an operator with the same on both sides.
func (c *checker) checkSame(n *ast.BinaryNode) {
	if isConstant(n.Left) && isConstant(n.Right) {
		return
	}
	if n.Left.String() == n.Right.String() {
		c.report(n, "W320", fmt.Sprintf("both sides of `%s` are the same", n.Operator), "one of them is likely a slip")
	}
}

func (c *checker) inferOtherwise(n *ast.BinaryNode, f flow) Type {
	left := c.infer(n.Left, f)
	right := c.infer(n.Right, f)
	switch left.kind {
	case kindBroken:
		return right
	case kindAny, kindNil:
	case kindOptional:
		left = left.Present()
	default:
		c.report(n.Left, "W321", fmt.Sprintf("`%s` is never absent, so what stands behind `??` never counts", c.textOf(n.Left)), "")
	}
	if left.kind == kindNil {
		return right
	}
	t, ok := Unify(left, right)
	if !ok {
		return c.report(n, "E308", fmt.Sprintf("`??` gives %s or %s", left.widen(), right.widen()), "both must be of one type")
	}
	return t
}

// checkEqual looks at == and !=, the operators that take absent values.
func (c *checker) checkEqual(n *ast.BinaryNode, left, right Type) {
	c.checkSame(n)
	for _, side := range []struct {
		node  ast.Node
		other Type
		t     Type
	}{{n.Left, right, left}, {n.Right, left, right}} {
		if side.other.kind == kindNil && !side.t.Optional() && !side.t.IsAny() && side.t.kind != kindBroken {
			c.report(n, "W321", fmt.Sprintf("`%s` is never absent", c.textOf(side.node)), "")
			return
		}
	}
	if left.kind == kindNil || right.kind == kindNil {
		return
	}
	c.checkComparable(n, n.Right, left.Present(), right.Present())
}

// checkComparable reports two values that can never be equal. where is the part
// that a value outside an enum is shown at when it is the right one.
func (c *checker) checkComparable(n *ast.BinaryNode, where ast.Node, left, right Type) {
	if left.kind == kindEnum && right.kind == kindEnum && !(left.def.literal && right.def.literal) {
		c.checkEnum(n, where, left, right)
		return
	}
	if left.kind == kindRef || right.kind == kindRef {
		c.report(n, "E310", "a reference cannot be compared", "compare a field of it")
		return
	}
	if _, ok := Unify(left, right); ok || left.kind == kindRecord && right.kind == kindRecord {
		return
	}
	hint := ""
	switch {
	case left.numeric() && right.textual(), left.textual() && right.numeric():
		hint = "a number is written without quotes; int(x) or float(x) reads text"
	case left.kind == kindBoolean && right.textual(), left.textual() && right.kind == kindBoolean:
		hint = "true and false are written without quotes"
	case left.kind == kindDuration || right.kind == kindDuration:
		hint = `write a duration as duration("30d")`
	case left.kind == kindTime || right.kind == kindTime:
		hint = `write a time as date("2026-01-31") or ago("30d")`
	case left.kind == kindList && right.textual(), right.kind == kindList && left.textual():
		hint = "`x in list` asks whether a list has it"
	}
	c.report(n, "E310", fmt.Sprintf("%s and %s are never equal", left.widen(), right.widen()), hint)
}

func (c *checker) checkEnum(n *ast.BinaryNode, where ast.Node, left, right Type) {
	known, given := left, right
	if left.def.literal {
		known, given, where = right, left, n.Left
	}
	if !given.def.literal {
		if !slices.ContainsFunc(given.def.values, func(v string) bool { return slices.Contains(known.def.values, v) }) {
			c.report(n, "E310", fmt.Sprintf("%s and %s have no value in common", left, right), "")
		}
		return
	}
	for _, v := range given.def.values {
		if slices.Contains(known.def.values, v) {
			continue
		}
		hint := "known: " + strings.Join(known.def.values, ", ")
		if near := Nearest(v, known.def.values); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.report(where, "E311", fmt.Sprintf("%q is no value of %s", v, known), hint)
	}
}

func (c *checker) checkIn(n *ast.BinaryNode, left, right Type) {
	right = c.present(n.Right, right)
	if left.kind == kindNil {
		c.present(n.Left, left)
		return
	}
	switch {
	case right.kind == kindBroken, right.kind == kindAny:
		c.present(n.Left, left)
	case right.kind == kindMap:
		c.wantType(n.Left, left, StringType())
	case right.kind == kindList:
		if !right.def.elem.Optional() {
			left = c.present(n.Left, left)
		}
		c.checkMembers(n, left.Present(), right)
	case right.textual():
		c.report(n, "E308", "`in` looks into a list, not into text", fmt.Sprintf("write %s contains %s", c.textOf(n.Right), c.textOf(n.Left)))
	default:
		c.report(n, "E308", fmt.Sprintf("`in` needs a list behind it, not %s", right.widen()), "")
	}
}

func (c *checker) checkMembers(n *ast.BinaryNode, left, list Type) {
	written, ok := n.Right.(*ast.ArrayNode)
	if !ok || len(written.Nodes) == 0 {
		c.checkComparable(n, n.Right, left, list.def.elem.Present())
		return
	}
	for _, item := range written.Nodes {
		if t := c.types[item]; t.kind != kindNil {
			c.checkComparable(n, item, left, t.Present())
		}
	}
}

func (c *checker) checkText(n *ast.BinaryNode, left, right Type) {
	left, right = c.present(n.Left, left), c.present(n.Right, right)
	if left.kind == kindList {
		hint := fmt.Sprintf("any(%s, # %s %s)", c.textOf(n.Left), n.Operator, c.textOf(n.Right))
		if n.Operator == "contains" {
			hint = fmt.Sprintf("write %s in %s", c.textOf(n.Right), c.textOf(n.Left))
		}
		c.report(n, "E308", fmt.Sprintf("`%s` looks into text, not into a list", n.Operator), hint)
		return
	}
	c.wantType(n.Left, left, StringType())
	c.wantType(n.Right, right, StringType())
	if n.Operator != "matches" {
		return
	}
	pattern, ok := n.Right.(*ast.StringNode)
	if !ok {
		c.report(n.Right, "E315", "the pattern must be written, not computed", "use contains, startsWith or == for text that is computed")
		return
	}
	if _, err := regexp.Compile(pattern.Value); err != nil {
		c.report(pattern, "E316", strings.TrimPrefix(err.Error(), "error parsing regexp: "), "patterns are those of Go (RE2)")
	}
}

func (c *checker) checkOrder(n *ast.BinaryNode, left, right Type) {
	c.checkSame(n)
	ordered := func(t Type) bool {
		return t.numeric() || t.kind == kindTime || t.kind == kindDuration || t.kind == kindAny || t.kind == kindBroken
	}
	for i, side := range []Type{left, right} {
		node := []ast.Node{n.Left, n.Right}[i]
		if ordered(side) {
			continue
		}
		hint := ""
		switch {
		case side.kind == kindEnum && !side.def.literal:
			hint = fmt.Sprintf("name the values: %s in [%s]", c.textOf(node), quoteAll(side.def.values))
		case side.kind == kindList:
			hint = fmt.Sprintf("did you mean len(%s)?", c.textOf(node))
		case side.textual():
			hint = "int(x) or float(x) reads a number, duration(x) a duration"
		}
		c.report(node, "E308", fmt.Sprintf("%s has no order", side.widen()), hint)
		return
	}
	if _, ok := Unify(left, right); !ok {
		c.report(n, "E310", fmt.Sprintf("%s and %s cannot be compared", left.widen(), right.widen()), "")
	}
}

func quoteAll(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", v)
	}
	return strings.Join(quoted, ", ")
}

func (c *checker) inferArithmetic(n *ast.BinaryNode, left, right Type) Type {
	if left.kind == kindBroken || right.kind == kindBroken {
		return broken()
	}
	if k, ok := constantInt(n.Right); ok && k == 0 && (n.Operator == "/" || n.Operator == "%") {
		return c.report(n, "E316", "division by zero", "")
	}
	if left.kind == kindAny || right.kind == kindAny {
		return AnyType()
	}
	if t, ok := arithmetic(n.Operator, left, right); ok {
		return t
	}
	hint := ""
	switch {
	case n.Operator == "+" && left.kind == kindList:
		hint = fmt.Sprintf("concat(%s, %s) joins lists", c.textOf(n.Left), c.textOf(n.Right))
	case n.Operator == "+" && left.textual() != right.textual():
		hint = "string(x) makes text of a value"
	case left.kind == kindTime || right.kind == kindTime:
		hint = `add a duration to a time: created_at + duration("30d")`
	}
	return c.report(n, "E308", fmt.Sprintf("`%s` does not work on %s and %s", n.Operator, left.widen(), right.widen()), hint)
}

// arithmetic is the type of an operator's result, if there is one.
func arithmetic(op string, left, right Type) (Type, bool) {
	l, r := left.kind, right.kind
	both := func(k typeKind) bool { return l == k && r == k }
	if left.numeric() && right.numeric() {
		switch {
		case op == "/" || op == "**" || op == "^":
			return NumberType(), true
		case l != kindNumber && r != kindNumber:
			return IntegerType(), true
		}
		return NumberType(), op != "%"
	}
	switch op {
	case "+":
		if left.textual() && right.textual() {
			return StringType(), true
		}
		if l == kindTime && r == kindDuration || l == kindDuration && r == kindTime {
			return TimeType(), true
		}
		return DurationType(), both(kindDuration)
	case "-":
		if l == kindTime && r == kindDuration {
			return TimeType(), true
		}
		return DurationType(), both(kindDuration) || both(kindTime)
	case "*":
		whole := func(t Type) bool { return t.kind == kindInteger }
		return DurationType(), l == kindDuration && whole(right) || r == kindDuration && whole(left)
	case "/":
		return NumberType(), both(kindDuration)
	}
	return Type{}, false
}

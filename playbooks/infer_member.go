package playbooks

import (
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// inferChain is a chain with ?. in it: nil as soon as a link is absent.
func (c *checker) inferChain(n *ast.ChainNode, f flow) Type {
	t := c.infer(n.Node, f)
	if c.chainMayEnd(n.Node) {
		return OptionalOf(t)
	}
	return t
}

// chainMayEnd reports whether a ?. in the chain stands behind something that
// may be absent.
func (c *checker) chainMayEnd(n ast.Node) bool {
	m, ok := n.(*ast.MemberNode)
	if !ok {
		return false
	}
	if m.Optional && (c.types[m.Node].Optional() || c.types[m.Node].IsAny()) {
		return true
	}
	return c.chainMayEnd(m.Node)
}

func (c *checker) inferMember(n *ast.MemberNode, f flow) Type {
	if n.Method {
		return c.report(n, "E306", "values have no methods", "use a function, as in lower(x)")
	}
	used := len(c.uses)
	base := c.infer(n.Node, f)
	if base.Optional() {
		if !n.Optional {
			c.reportAbsent(n.Node, base)
		}
		base = base.Present()
	}
	if field, ok := n.Property.(*ast.StringNode); ok {
		c.types[field] = literalType(field.Value)
		t := c.inferField(n, base, field.Value, f)
		c.useField(used, n, field.Value)
		return t
	}
	return c.inferIndex(n, base, f)
}

// useField makes the name that was just read a longer one.
func (c *checker) useField(used int, n *ast.MemberNode, field string) {
	path := pathOf(n.Node, pathOfName)
	if path == "" || strings.ContainsAny(path, "([") {
		return
	}
	if len(c.uses) > used && c.uses[len(c.uses)-1] == path {
		c.uses = c.uses[:len(c.uses)-1]
	}
	if root, _, _ := strings.Cut(path, "."); c.scope.has(root) {
		c.use(path + "." + field)
	}
}

func (s Scope) has(name string) bool {
	_, ok := s.names[name]
	return ok
}

func (c *checker) inferField(n *ast.MemberNode, base Type, field string, f flow) Type {
	switch base.kind {
	case kindBroken, kindAny, kindNever:
		return base
	case kindMap:
		return OptionalOf(base.def.elem)
	case kindRecord:
		if t, ok := base.Field(field); ok {
			return t
		}
		return c.unknownField(n, base, field, f)
	case kindList:
		hint := fmt.Sprintf("map(%s, .%s) reads it of every item; first(%s) may be absent", c.textOf(n.Node), field, c.textOf(n.Node))
		if field == "length" || field == "size" || field == "count" {
			if _, has := base.def.elem.Field(field); !has {
				hint = fmt.Sprintf("write len(%s)", c.textOf(n.Node))
			}
		}
		return c.reportField(n, "E304", fmt.Sprintf("%s is a list and has no field `%s`", base, field), hint)
	case kindTime, kindDuration:
		return c.reportField(n, "E304", fmt.Sprintf("a %s has no fields", base), "compare it, or use now(), ago() and duration()")
	}
	return c.reportField(n, "E304", fmt.Sprintf("%s has no fields, so no `%s`", base.widen(), field), "")
}

// reportField reports at the name behind the dot.
func (c *checker) reportField(n *ast.MemberNode, code, message, hint string) Type {
	at := n.Property.Location()
	return c.reportAt(at.From, at.To, Problem{Code: code, Message: message, Hint: hint})
}

func (c *checker) unknownField(n *ast.MemberNode, base Type, field string, f flow) Type {
	hint := ""
	if near := base.Suggest(field); near != "" {
		hint = fmt.Sprintf("did you mean `%s`?", near)
	}
	_, ofItem := n.Node.(*ast.PointerNode)
	for i := len(f.loops) - 2; ofItem && i >= 0; i-- {
		if _, ok := f.loops[i].item.Field(field); ok {
			hint = fmt.Sprintf("`.%s` means the inner item here; name the outer one: {let outer = #; … outer.%s …}", field, field)
			break
		}
	}
	if hint == "" {
		names := make([]string, 0, len(base.def.fields))
		for _, f := range base.def.fields {
			names = append(names, f.Name)
		}
		hint = "it has " + strings.Join(names, ", ")
		if len(names) == 0 {
			hint = "it has no fields"
			if c.textOf(n.Node) == "lists" {
				hint = "lists are files in the folder lists beside the playbook: lists/" + field + ".yaml"
			}
		}
	}
	name := base.String()
	if base.Name() == "" {
		name = "`" + c.textOf(n.Node) + "`"
	}
	return c.reportField(n, "E304", fmt.Sprintf("%s has no field `%s`", name, field), hint)
}

func (c *checker) inferIndex(n *ast.MemberNode, base Type, f flow) Type {
	key := c.infer(n.Property, f)
	switch base.kind {
	case kindBroken:
		return base
	case kindMap:
		c.wantType(n.Property, key, StringType())
		return OptionalOf(base.def.elem)
	case kindList:
		c.wantType(n.Property, key, IntegerType())
		return c.indexList(n, base)
	case kindAny:
		if _, ok := n.Property.(*ast.IntegerNode); ok {
			return base
		}
		return c.report(n, "E306", "what to read of a value without schema must be written, not computed", "")
	case kindRecord:
		return c.report(n, "E306", "the name of a field must be written, not computed", "")
	}
	return c.report(n, "E308", fmt.Sprintf("%s cannot be indexed", base.widen()), "")
}

// indexList lets a written index through when the list is known to be that long.
func (c *checker) indexList(n *ast.MemberNode, base Type) Type {
	k, ok := constantInt(n.Property)
	if ok && k < 0 {
		k = -k - 1
	}
	if ok && k < base.def.atLeast {
		return base.def.elem
	}
	list := c.textOf(n.Node)
	hint := fmt.Sprintf("first(%s) may be absent and can be tested; or test len(%s) > %d before", list, list, k)
	if !ok {
		hint = "use find(), filter() or take() instead of a computed index"
	}
	c.report(n, "E313", fmt.Sprintf("%s may have too few items", list), hint)
	return base.def.elem
}

func constantInt(n ast.Node) (int, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		return n.Value, true
	case *ast.UnaryNode:
		if k, ok := n.Node.(*ast.IntegerNode); ok && n.Operator == "-" {
			return -k.Value, true
		}
	}
	return 0, false
}

func (c *checker) inferSlice(n *ast.SliceNode, f flow) Type {
	base := c.present(n.Node, c.infer(n.Node, f))
	for _, bound := range []ast.Node{n.From, n.To} {
		if bound != nil {
			c.wantType(bound, c.infer(bound, f), IntegerType())
		}
	}
	switch {
	case base.kind == kindBroken:
		return base
	case base.kind == kindList:
		return ListOf(base.def.elem)
	case base.textual():
		return StringType()
	}
	return c.report(n, "E308", fmt.Sprintf("%s has no parts to take", base.widen()), "")
}

// present answers t as something that is there, and reports when it may not be.
func (c *checker) present(n ast.Node, t Type) Type {
	if t.Optional() {
		c.reportAbsent(n, t)
		if t.kind == kindNil {
			return broken()
		}
	}
	return t.Present()
}

func (c *checker) reportAbsent(n ast.Node, t Type) {
	text := c.textOf(n)
	if t.kind == kindNil {
		c.report(n, "E312", "nil can only be compared with == and !=", "")
		return
	}
	if id, ok := strings.CutPrefix(pathOf(n, pathOfName), "steps."); ok && !strings.Contains(id, ".") {
		c.report(n, "E312", fmt.Sprintf("the step `%s` may not have run", id),
			fmt.Sprintf("test `%s != nil and …` before, read with ?. or give another value with ??", text))
		return
	}
	c.report(n, "E312", fmt.Sprintf("`%s` may be absent", text),
		fmt.Sprintf("test `%s != nil and …` before, or give another value: (%s ?? …)", text, text))
}

// textOf is a part of the expression as written, shortened.
func (c *checker) textOf(n ast.Node) string {
	from, to := c.span(n)
	return shorten(string(c.runes[from:to]))
}

// wantType reports a value that does not fit.
func (c *checker) wantType(n ast.Node, got, want Type) bool {
	if got.Optional() && !want.Optional() {
		got = c.present(n, got)
	}
	if got.Fits(want) {
		return true
	}
	c.report(n, "E308", fmt.Sprintf("expected %s, got %s", want, got.widen()), convertHint(got, want))
	return false
}

// convertHint names the function that makes the wanted type, if there is one.
func convertHint(got, want Type) string {
	switch {
	case want.kind == kindString && got.IsScalar():
		return "string(x) makes text of it"
	case want.kind == kindDuration && got.textual():
		return `write duration("30d")`
	case want.kind == kindTime && got.textual():
		return `write date("2026-01-31")`
	case (want.kind == kindInteger || want.kind == kindSize) && got.textual():
		return `int(x) reads text, size("10MiB") a size`
	case want.kind == kindInteger && got.kind == kindNumber:
		return "int(x), floor(x) or round(x) makes a whole number"
	case want.kind == kindNumber && got.textual():
		return "float(x) reads text"
	}
	return ""
}

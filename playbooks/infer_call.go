package playbooks

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/expr-lang/expr/ast"
)

// call is a function with its arguments.
type call struct {
	node ast.Node
	name string
	args []ast.Node
}

func (c *checker) inferCall(k call, f flow) Type {
	fn, ok := c.functions[k.name]
	if !ok {
		return c.unknownFunction(k, f)
	}
	if len(k.args) < fn.min || len(k.args) > fn.max {
		for _, arg := range k.args {
			if _, question := arg.(*ast.PredicateNode); !question {
				c.infer(arg, f)
			}
		}
		return c.report(k.node, "E307", fmt.Sprintf("%s takes %s, not %d", k.name, fn.takes(), len(k.args)), "as in "+fn.example)
	}
	return fn.infer(c, k, f)
}

func (c *checker) unknownFunction(k call, f flow) Type {
	hint := ""
	if near := Nearest(k.name, slices.Collect(maps.Keys(c.functions))); near != "" {
		hint = fmt.Sprintf("did you mean `%s`?", near)
	} else if instead := insteadOf(k.name); instead != "" {
		hint = instead
	}
	at := k.node.Location()
	c.reportAt(at.From, at.To, Problem{Code: "E305", Message: fmt.Sprintf("unknown function `%s`", k.name), Hint: hint})
	for _, arg := range k.args {
		if _, question := arg.(*ast.PredicateNode); !question {
			c.infer(arg, f)
		}
	}
	return broken()
}

// insteadOf says what to write for functions that others have.
func insteadOf(name string) string {
	switch name {
	case "get":
		return "write x.field, or m[key] for a map"
	case "fromJSON":
		return "answers of actions are already values"
	case "type":
		return "types are known before anything runs"
	case "size", "length":
		return "len(x) counts"
	case "exists", "defined", "has":
		return "write x != nil"
	case "timezone":
		return "times are compared as instants"
	case "isEmpty", "empty":
		return "write len(x) == 0"
	}
	return ""
}

// takes is the number of arguments in words.
func (fn function) takes() string {
	switch {
	case fn.min == fn.max && fn.min == 1:
		return "1 argument"
	case fn.min == fn.max:
		return strconv.Itoa(fn.min) + " arguments"
	case fn.max == manyArguments:
		return "at least " + strconv.Itoa(fn.min) + " argument(s)"
	}
	return strconv.Itoa(fn.min) + " to " + strconv.Itoa(fn.max) + " arguments"
}

// list finds the type of the items of a list argument.
func (c *checker) list(k call, i int, f flow) Type {
	before := len(c.problems)
	t := c.infer(k.args[i], f)
	c.pipeHint(k, i, before)
	t = c.present(k.args[i], t)
	switch t.kind {
	case kindList:
		return t.def.elem
	case kindAny, kindBroken:
		return t
	case kindMap:
		c.report(k.args[i], "E308", fmt.Sprintf("%s needs a list, not a map", k.name), fmt.Sprintf("values(%s) is a list", c.textOf(k.args[i])))
	default:
		// `a and xs | any(…)` has been explained already.
		if t.kind != kindBoolean || !slices.ContainsFunc(c.problems[before:], Problem.IsError) {
			c.report(k.args[i], "E308", fmt.Sprintf("%s needs a list, not %s", k.name, t.widen()), "")
			c.pipeHint(k, i, before)
		}
	}
	return broken()
}

// pipeHint explains `a and xs | any(.ok)`, which pipes all that stands before.
func (c *checker) pipeHint(k call, i, before int) {
	b, ok := k.args[i].(*ast.BinaryNode)
	if !ok || i > 0 || b.Location().From > k.node.Location().From {
		return
	}
	for j := before; j < len(c.problems); j++ {
		c.problems[j].Hint = fmt.Sprintf("`|` takes all that stands before it: write %s(%s, …), or put the pipe in brackets", k.name, c.textOf(b.Right))
	}
}

// question finds the type of the answer to a question about each item.
func (c *checker) question(k call, i int, item Type, f flow) Type {
	return c.questionOver(k, i, loopItem{item: item}, f)
}

func (c *checker) questionOver(k call, i int, item loopItem, f flow) Type {
	c.loops++
	item.path = "#" + strconv.Itoa(c.loops) + " "
	f.loops = append(slices.Clip(f.loops), item)
	node := k.args[i]
	if p, ok := node.(*ast.PredicateNode); ok {
		c.types[p] = broken()
		node = p.Node
	}
	return c.infer(node, f)
}

// test checks that the question about each item is one of yes or no.
func (c *checker) test(k call, i int, item Type, f flow) {
	c.loops++
	f.loops = append(slices.Clip(f.loops), loopItem{item: item, path: "#" + strconv.Itoa(c.loops) + " "})
	node := k.args[i]
	if p, ok := node.(*ast.PredicateNode); ok {
		node = p.Node
	}
	c.wantBoolean(node, f, "the question of "+k.name)
}

// narrowed is the type of the items that passed a test, such as `# != nil` or
// `.label != nil`.
func (c *checker) narrowed(k call, i int, item Type) Type {
	p, ok := k.args[i].(*ast.PredicateNode)
	if !ok {
		return item
	}
	root := func(n ast.Node) string {
		if _, ok := n.(*ast.PointerNode); ok {
			return "#"
		}
		return ""
	}
	known := learn(p.Node, true, root)
	if known["#"].present {
		item = item.Present()
	}
	return item.refine(func(field string) bool { return known["#."+field].present })
}

// constantText is a text argument that must be written.
func (c *checker) constantText(k call, i int, f flow) (string, bool) {
	t := c.infer(k.args[i], f)
	if s, ok := k.args[i].(*ast.StringNode); ok {
		return s.Value, true
	}
	if c.wantType(k.args[i], t, StringType()) {
		c.report(k.args[i], "E315", fmt.Sprintf("this argument of %s must be written, not computed", k.name), "as in "+c.functions[k.name].example)
	}
	return "", false
}

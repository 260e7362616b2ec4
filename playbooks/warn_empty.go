package playbooks

import (
	"github.com/expr-lang/expr/ast"
	"gopkg.in/yaml.v3"
)

// emptyList warns of all() and none() before effects: both are true of an empty
// list, unless something says that it is not.
func (c *linter) emptyList(x field, e *Expression, known facts) {
	known = known.and(learn(e.root, true, pathOfName)).and(learnValues(e.root, true))
	var look func(n ast.Node, asked bool)
	look = func(n ast.Node, asked bool) {
		switch n := n.(type) {
		case *ast.UnaryNode:
			if n.Operator == "not" || n.Operator == "!" {
				look(n.Node, !asked)
			}
		case *ast.BinaryNode:
			if isAnd(n) || isOr(n) {
				look(n.Left, asked)
				look(n.Right, asked)
			}
		case *ast.BuiltinNode:
			if asked && (n.Name == "all" || n.Name == "none") && !known.holdsSome(n.Arguments[0]) {
				c.vacuous(x.value, e, n)
			}
		}
	}
	look(e.root, true)
}

// holdsSome reports whether a list is known not to be empty.
func (f facts) holdsSome(list ast.Node) bool {
	if path := pathOf(list, pathOfName); path != "" && f[path].atLeast > 0 {
		return true
	}
	return f.valuesOf(lengthPath(list)).more(0) == ever
}

func (c *linter) vacuous(n *yaml.Node, e *Expression, call *ast.BuiltinNode) {
	list := "the list"
	at := c.src.node(n)
	if read, problems := parse(e.source); len(problems) == 0 {
		from, to := read.span(call.Arguments[0])
		list = shorten(string(read.runes[from:to]))
		if text, base, ok := c.bare(n, ""); ok && n.Tag == "!!str" && text == e.source {
			from, to = read.span(call)
			at = c.src.inScalar(n, base+from, base+to)
		}
	}
	c.add(at, "W503", "write len("+list+") > 0 and …", "%s(%s, …) is true when the list is empty, and effects follow", call.Name, list)
}

// emptyTriggers looks at the conditions of triggers, which are before all
// effects.
func (c *linter) emptyTriggers() {
	on := c.p.On
	look := func(written fields, e *Expression) {
		if x, ok := written.get("if"); ok && e != nil {
			c.emptyList(x, e, nil)
		}
	}
	if on.Incident != nil {
		look(on.Incident.written, on.Incident.If)
	}
	if on.Alert != nil {
		look(on.Alert.written, on.Alert.If)
	}
	if on.Webhook != nil {
		look(on.Webhook.written, on.Webhook.If)
	}
}

package playbooks

import (
	"github.com/expr-lang/expr/ast"
	"gopkg.in/yaml.v3"
)

// always warns of a condition, or a part of one, whose answer is known before it
// is asked: by what it says itself, or by the conditions around it and before it.
func (c *linter) always(n *yaml.Node, base int, e *Expression, s Scope) {
	known := s.facts
	if answer := known.decide(e.root); answer != unsure {
		c.add(c.src.node(n), "W512", "leave it out, or look for what it should have asked", "the condition is always %v", answer == ever)
		return
	}
	c.alwaysParts(e.root, known, func(part ast.Node, answer verdict) {
		at := c.src.node(n)
		if read, problems := parse(e.source); len(problems) == 0 && n.Tag == "!!str" {
			from, to := read.span(part)
			at = c.src.inScalar(n, base+from, base+to)
		}
		c.add(at, "W512", "leave it out, or look for what it should have asked", "this part of the condition is always %v here", answer == ever)
	})
}

// alwaysParts tells of the parts of a condition that are known where they are
// asked.
func (c *linter) alwaysParts(n ast.Node, known facts, tell func(ast.Node, verdict)) {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			c.alwaysParts(n.Node, known, tell)
		}
	case *ast.BinaryNode:
		and := isAnd(n)
		if !and && !isOr(n) {
			return
		}
		for _, part := range []struct {
			node  ast.Node
			known facts
		}{{n.Left, known}, {n.Right, known.and(learnValues(n.Left, and))}} {
			if answer := part.known.decide(part.node); answer != unsure {
				tell(part.node, answer)
				continue
			}
			c.alwaysParts(part.node, part.known, tell)
		}
	}
}

package playbooks

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// question compiles a bare expression: a text is one, a number or boolean is
// itself. It answers nil after a finding.
func (c *linter) question(x field, s Scope, want Type) *Expression {
	n := x.value
	switch {
	case x.cut:
		return nil
	case n.Kind != yaml.ScalarNode:
		hint := "write an expression, in quotes"
		if n.Kind == yaml.SequenceNode {
			hint = "quote it: a list inside an expression is written '[a, b]'"
		}
		c.add(c.src.node(n), "E212", hint, "%s is an expression, not %s", x.name, kindOf(n))
		return nil
	case n.Tag == "!!null":
		c.add(c.src.node(x.key), "E212", "", "%s is an expression, and empty", x.name)
		return nil
	case n.Tag == "!!timestamp":
		c.add(c.src.node(n), "E212", "compare with a time or a duration: now() - incident.created_at > duration(\"30d\")", "YAML reads %s as a date, an expression as a subtraction", n.Value)
		return nil
	case n.Tag == "!!str" && c.eaten(n):
		return nil
	}
	text, base, ok := c.bare(n, x.name)
	if !ok {
		return nil
	}
	before := len(c.findings)
	e := c.compile(n, text, base, s, want)
	if e != nil && want.kind == kindBoolean && len(c.findings) == before {
		c.always(n, base, e, s)
	}
	return e
}

// bare answers the expression of a scalar and where it begins in its value.
// ${{ }} around the whole is taken off.
func (c *linter) bare(n *yaml.Node, what string) (text string, base int, ok bool) {
	text = n.Value
	switch n.Tag {
	case "!!bool":
		return strings.ToLower(text), 0, true
	case "!!int", "!!float":
		if !plainNumber.MatchString(text) {
			c.add(c.src.node(n), "E212", "write digits only, or quote a text", "%s is written %s, which readers and programs take for different numbers", what, text)
			return "", 0, false
		}
		return text, 0, true
	}
	if slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(text)) {
		c.add(c.src.node(n), "E212", "write true or false", "%s is %s, which is no boolean", what, text)
		return "", 0, false
	}
	if !strings.Contains(text, "${{") {
		return text, 0, true
	}
	pieces, err := splitTemplate(text)
	if err == nil && len(pieces) == 1 && pieces[0].isExpr {
		return pieces[0].text, pieces[0].from, true
	}
	if err != nil {
		c.add(c.src.node(n), "E415", "add }} at the end, or leave ${{ out: this is an expression anyway", "${{ is not closed")
		return "", 0, false
	}
	c.add(c.src.node(n), "E212", "leave ${{ }} out: the whole value is an expression", "%s is one expression; here something stands outside ${{ }}", what)
	return "", 0, false
}

// compile compiles an expression that stands at a rune of a scalar and places
// its problems in the file.
func (c *linter) compile(n *yaml.Node, text string, base int, s Scope, want Type) *Expression {
	if c.p.watch != nil {
		c.p.watch(spot{n, text, base, s, want})
	}
	if c.compiled++; c.compiled > MaxExpressions || c.full() {
		return nil // see tooMuch
	}
	e, problems := Compile(text, s, want)
	failed := e == nil
	for _, p := range problems {
		at := c.src.node(n)
		if n.Tag == "!!str" {
			at = c.src.inScalar(n, base+p.From, base+p.To)
		}
		c.elsewhere(&p, text)
		c.add(at, p.Code, p.Hint, "%s", p.Message)
		failed = failed || p.IsError()
	}
	if failed {
		return nil
	}
	c.use(e)
	return e
}

// elsewhere says of an unknown step or var where the playbook has it.
func (c *linter) elsewhere(p *Problem, text string) {
	runes := []rune(text)
	if p.Code != "E304" && p.Code != "E303" || p.To > len(runes) || p.From > p.To {
		return
	}
	name, before := string(runes[p.From:p.To]), strings.TrimRight(string(runes[:p.From]), " ?.")
	if p.Code == "E303" && c.p.OnlyCalled() && slices.Contains([]string{"incident", "evidence", "alert", "subject"}, name) {
		p.Message = name + " is not known: nothing starts this playbook but a call"
		p.Hint = "make it a param, of the type " + name + ", or name a trigger that gives it in `on`"
		if name == "evidence" {
			p.Hint = "make what it needs a param, such as files: {type: [file]}, or name a trigger that gives it in `on`"
		}
		return
	}
	if c.notGiven(p, name, strings.HasSuffix(before, "event")) {
		return
	}
	if p.Code == "E303" {
		return
	}
	hint := "a step sees what stands before it, in its own list and in the lists around it"
	switch {
	case strings.HasSuffix(before, "steps"):
		switch s, ok := c.ids[name]; {
		case !ok:
			p.Message, p.Hint = fmt.Sprintf("there is no step %s", name), suggest(name, keysOf(c.ids))
		case slices.Contains([]Kind{Block, Parallel, Set, Stop, Fail}, s.Kind):
			p.Message, p.Hint = fmt.Sprintf("step %s (line %d) has no output", name, s.Line), "actions, for_each, approve, repeat, call and a wait for an event have one"
		default:
			p.Message, p.Hint = fmt.Sprintf("step %s (line %d) is not known here", name, s.Line), hint
		}
	case strings.HasSuffix(before, "vars"):
		if line, ok := c.names[name]; ok {
			p.Message, p.Hint = fmt.Sprintf("vars.%s (set on line %d) is not known here", name, line), hint+"; values of one set do not see each other, and collect takes them out of for_each"
		} else {
			p.Message, p.Hint = fmt.Sprintf("nothing sets vars.%s", name), suggest(name, keysOf(c.names))
		}
	case strings.HasSuffix(before, "params"):
		names := []string{}
		for _, q := range c.p.Params {
			names = append(names, q.Name)
		}
		p.Message, p.Hint = fmt.Sprintf("the playbook has no param %s", name), suggest(name, names)
	}
}

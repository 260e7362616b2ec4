package playbooks

import (
	"regexp"

	"gopkg.in/yaml.v3"
)

// namedValue is a text that reads like the name of a value.
var namedValue = regexp.MustCompile(`^[a-z][a-z0-9_]*(\??\.[a-z][a-z0-9_]*|\[[0-9]+\])+$`)

// expressionAsText warns of data without ${{ }} that names a value which is known
// here: the action would get the name in place of the value.
func (c *linter) expressionAsText(n *yaml.Node, s Scope) {
	if n.Tag != "!!str" || !namedValue.MatchString(n.Value) {
		return
	}
	_, problems := Compile(n.Value, s, Type{})
	for _, p := range problems {
		if p.IsError() && p.Code != "E312" && p.Code != "E313" {
			return
		}
	}
	c.add(c.src.node(n), "W527", `write "${{ `+n.Value+` }}"`, "this is the text %s, not its value", quoted(n.Value))
}

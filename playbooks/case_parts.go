package playbooks

import (
	"reflect"
	"slices"

	"gopkg.in/yaml.v3"
)

// replyKeys are the keys of a CaseReply.
func replyKeys() []string {
	var keys []string
	for f := range reflect.TypeFor[CaseReply]().Fields() {
		if name := f.Tag.Get("json"); name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}

// caseAction reads a list of answers, one answer, or an output: a mapping is an
// answer when all its keys are those of one.
func (l *loader) caseAction(x field) CaseAction {
	one := func(n *yaml.Node) CaseReply {
		r := CaseReply{line: n.Line}
		l.record(n, reflect.ValueOf(&r).Elem(), "an answer of "+x.name)
		given := 0
		for _, is := range []bool{r.Output != nil || r.Effects != nil, r.Error != nil, r.Practice} {
			if is {
				given++
			}
		}
		if given > 1 {
			l.add(l.src.node(n), "E204", "make two answers of them", "an answer of %s is either output and effects, or error, or practice", x.name)
		}
		return r
	}
	n := x.value
	if n.Kind == yaml.SequenceNode {
		all := CaseAction{}
		for _, item := range n.Content {
			all = append(all, one(item))
		}
		return all
	}
	keys := replyKeys()
	is := n.Kind == yaml.MappingNode && len(n.Content) > 0
	for i := 0; is && i < len(n.Content); i += 2 {
		is = slices.Contains(keys, n.Content[i].Value)
	}
	if is {
		return CaseAction{one(n)}
	}
	out, _ := l.plain(n, x.name, 0)
	return CaseAction{{Output: out, line: n.Line}}
}

// caseAnswer reads one decision or a list of them.
func (l *loader) caseAnswer(x field) CaseAnswer {
	nodes := []*yaml.Node{x.value}
	if x.value.Kind == yaml.SequenceNode {
		nodes = x.value.Content
	}
	all := CaseAnswer{}
	for _, n := range nodes {
		d := CaseDecision{line: n.Line}
		l.record(n, reflect.ValueOf(&d).Elem(), "an answer at "+x.name)
		all = append(all, d)
	}
	return all
}

// expectEffects reads a list, which is all that happened, or what it contains.
func (l *loader) expectEffects(x field, into *ExpectEffects) {
	if x.value.Kind == yaml.MappingNode {
		l.record(x.value, reflect.ValueOf(into).Elem(), "effects")
		return
	}
	into.Exact = true
	l.nested(x, reflect.ValueOf(&into.List).Elem(), "")
}

// checks reads one question or a list of them.
func (l *loader) checks(x field) []CaseCheck {
	nodes := []*yaml.Node{x.value}
	if x.value.Kind == yaml.SequenceNode {
		nodes = x.value.Content
	}
	all := []CaseCheck{}
	for _, n := range nodes {
		all = append(all, CaseCheck{Source: n.Value, node: &caseNode{field{name: "check", key: n, value: n}}})
	}
	return all
}

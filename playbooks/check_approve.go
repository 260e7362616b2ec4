package playbooks

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// approve checks an approval by itself; what it covers is looked at when all
// steps are known.
func (c *linter) approve(s *Step, f *reach) {
	inner := f.scope
	a, w := s.Approve, s.Approve.written
	c.blind = c.blind || w.node.Kind != yaml.MappingNode
	if x, ok := w.get("ask"); ok {
		a.Ask = c.prose(x.value, inner, "ask")
	}
	if x, ok := w.get("targets"); ok {
		if a.Targets = c.question(x, inner, Type{}); a.Targets != nil {
			c.targets(a, x)
		}
		c.blind = c.blind || a.Entity == ""
	}
	if x, ok := w.get("approvers"); ok {
		a.Approvers = c.data(x.value, inner, ListOf(StringType()), "approvers")
		c.approvers(a, x)
	}
	if x, ok := w.get("timeout"); ok {
		a.Timeout = c.timeout(x.value, inner, "timeout")
	} else if a.OnTimeout != "reject" || w.has("on_timeout") {
		if x, ok := w.get("on_timeout"); ok {
			c.add(c.src.node(x.key), "E210", "add timeout: 4h", "on_timeout without timeout: the approval waits for ever")
		}
	}
	if x, ok := w.get("remind"); ok {
		a.Remind = c.timeout(x.value, inner, "remind")
	}
	out := []TypeField{{"outcome", EnumOf("", "approved", "rejected", "timed_out"), "what was decided"}}
	for _, q := range a.Form {
		t := q.Type
		if q.Default == nil && !q.Required || a.OnReject == "continue" || a.OnTimeout == "approve" {
			t = OptionalOf(t) // nobody has filled it in
		}
		out = append(out, TypeField{q.Name, t, q.Description})
	}
	c.bring(s, f, RecordOf("", out...))
}

// targets finds the entity that each target is or holds.
func (c *linter) targets(a *Approval, x field) {
	t := typeOf(a.Targets)
	if t.kind == kindBroken {
		return
	}
	at := c.src.node(x.value)
	elem, ok := t.Elem()
	if !t.IsList() || !ok {
		hint := "put it into a list: [" + strings.TrimSpace(a.Targets.Source()) + "]"
		if t.Optional() {
			hint = "write ?? [] behind it"
		}
		c.add(at, "E410", hint, "targets is a list of entities, or of records with one entity; this is %s", t)
		return
	}
	if kind, is := c.kindOfEntity(elem); is {
		a.Entity = kind
		return
	}
	fields := []string{}
	for _, f := range elem.Fields() {
		if kind, is := c.kindOfEntity(f.Type); is {
			fields = append(fields, f.Name)
			a.Entity, a.Field = kind, f.Name
		}
	}
	switch len(fields) {
	case 1:
		return
	case 0:
		c.add(at, "E410", "list files, users, devices… of the evidence, or records that hold one of them", "no approver could see what is touched: a target (%s) holds no entity", elem)
	default:
		c.add(at, "E410", "leave one of them out", "a target holds more than one entity: %s", strings.Join(fields, ", "))
	}
	a.Entity, a.Field = "", ""
}

// approvers judges who is asked, as far as it is written out.
func (c *linter) approvers(a *Approval, x field) {
	if x.value.Kind != yaml.SequenceNode {
		return
	}
	if len(x.value.Content) == 0 {
		c.add(c.src.node(x.value), "E413", "name a group or people", "approvers is empty: nobody could approve")
		return
	}
	people := map[string]bool{}
	for _, n := range x.value.Content {
		if c.w.Groups == nil || n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "${{") {
			return
		}
		members, known := c.w.Groups[n.Value]
		if !known && !strings.Contains(n.Value, "@") {
			c.add(c.src.node(n), "E413", suggest(n.Value, keysOf(c.w.Groups)), "there is no group %s in the config", quoted(n.Value))
			return
		}
		if !known {
			members = []string{n.Value}
		}
		for _, m := range members {
			people[strings.ToLower(m)] = true
		}
	}
	if len(people) < a.Quorum {
		at := x.value
		if q, ok := a.written.get("quorum"); ok {
			at = q.value
		}
		c.add(c.src.node(at), "E413", "", "quorum is %d, but approvers are %d: it could never be reached", a.Quorum, len(people))
	}
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package playbooks

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"stanch/actions"
)

// approve checks an approval by itself; what it covers is looked at when all
// steps are known.
func (c *linter) approve(s *Step, f *reach, inner Scope) {
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
	out := EnumOf("", "approved", "rejected", "timed_out")
	c.bring(s, f, RecordOf("", TypeField{"outcome", out, "what was decided"}))
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

// approvals resolves what the approvals in a list cover. After are the steps
// that follow the list itself.
func (c *linter) approvals(steps, after []*Step) {
	for i, s := range steps {
		behind := append(slices.Clone(steps[i+1:]), after...)
		switch s.Kind {
		case Approve:
			c.cover(s, behind)
		case Block:
			c.approvals(s.Steps, behind)
			c.approvals(s.Else, behind)
		case ForEach:
			c.approvals(s.Steps, nil)
		case Parallel:
			for _, b := range s.Branches {
				c.approvals([]*Step{b}, behind)
			}
		}
	}
}

// cover finds the steps that an approval covers, among those behind it.
func (c *linter) cover(gate *Step, behind []*Step) {
	a := gate.Approve
	for _, s := range effectSteps(behind) {
		c.note(&c.guarded, s)
	}
	x, named := a.written.get("covers")
	switch {
	case named && x.value.Kind == yaml.SequenceNode:
		for _, n := range x.value.Content {
			c.coverByName(gate, n, behind)
		}
	case !named && a.Entity != "":
		for _, s := range effectSteps(behind) {
			if k := c.known[s].kind; k == a.Entity && k != "incident" {
				a.Covers = append(a.Covers, s)
			}
		}
		if len(a.Covers) == 0 {
			c.add(c.at(gate, "approve"), "W510", "name the steps with covers", "nothing behind this approval has effects on a %s: it covers no step", a.Entity)
		}
	}
	for _, s := range a.Covers {
		c.note(&c.covered, s)
	}
	c.fromTargets(gate, behind)
	c.onTimeout(gate)
}

func (c *linter) note(set *map[*Step]bool, s *Step) {
	if *set == nil {
		*set = map[*Step]bool{}
	}
	(*set)[s] = true
}

// coverByName adds the effects of a step that covers names.
func (c *linter) coverByName(gate *Step, n *yaml.Node, behind []*Step) {
	a := gate.Approve
	if n.Kind != yaml.ScalarNode {
		return
	}
	ids, found := []string{}, (*Step)(nil)
	Walk(behind, func(_ string, s *Step) {
		if s.ID != "" {
			ids = append(ids, s.ID)
		}
		if s.ID == n.Value && s.ID != "" {
			found = s
		}
	})
	at := c.src.node(n)
	if found == nil {
		c.blind = true
		c.add(at, "E411", suggest(n.Value, ids), "covers names %s, which is no step behind this approval", quoted(n.Value))
		return
	}
	effects := effectSteps([]*Step{found})
	if len(effects) == 0 {
		c.add(at, "E411", "", "step %s has no effects to approve", n.Value)
	}
	for _, s := range effects {
		kind := c.known[s].kind
		if a.Targets != nil && a.Entity == "" {
			continue // a finding already
		}
		if kind != a.Entity && kind != "incident" {
			c.blind = true
			shown := "no targets"
			if a.Entity != "" {
				shown = "targets that are a " + a.Entity
			}
			c.add(at, "E411", "cover it by an approval of its own", "%s acts on a %s, but this approval shows %s", called(s), orUnknown(kind), shown)
			continue
		}
		if !slices.Contains(a.Covers, s) {
			a.Covers = append(a.Covers, s)
		}
	}
}

func orUnknown(kind string) string {
	if kind == "" {
		return "thing that it does not name"
	}
	return kind
}

// effectSteps are the action steps with effects in a list, at any depth.
func effectSteps(steps []*Step) []*Step {
	var all []*Step
	Walk(steps, func(_ string, s *Step) {
		if s.Kind == Action && (s.Action.Class == actions.Writes || s.Action.Class == actions.Destroys) {
			all = append(all, s)
		}
	})
	return all
}

// onTimeout refuses approval by silence where it is too much.
func (c *linter) onTimeout(gate *Step) {
	a := gate.Approve
	if a.OnTimeout != "approve" {
		return
	}
	x, _ := a.written.get("on_timeout")
	at := c.src.node(x.value)
	for _, s := range a.Covers {
		if s.Action.Class == actions.Destroys {
			c.add(at, "E414", "reject or stop", "on_timeout: approve, but %s destroys: silence is no consent", called(s))
			return
		}
	}
	if len(a.Covers) > 0 && !oneTarget(a.Targets) {
		c.add(at, "E414", "reject or stop, or give one target: take(…, 1)", "on_timeout: approve over more than one target: silence is no consent")
	}
}

// oneTarget reports whether a list is seen to hold one item at most.
func oneTarget(e *Expression) bool {
	if e == nil {
		return false
	}
	src := strings.Join(strings.Fields(e.Source()), "")
	return strings.HasPrefix(src, "take(") && strings.HasSuffix(src, ",1)") ||
		strings.HasPrefix(src, "[") && strings.HasSuffix(src, "]") && !strings.Contains(src, ",")
}

// fromTargets looks that what covered steps act upon comes from the targets, or
// is the run's own incident.
func (c *linter) fromTargets(gate *Step, behind []*Step) {
	a := gate.Approve
	t := trail{c: c, names: map[string]bool{}}
	if a.Targets != nil {
		t.names[sameText(a.Targets.Source())] = true
	}
	t.walk(behind, func(s *Step, from bool) {
		ofIncident := c.known[s].kind == "incident" && a.Entity != "incident"
		switch {
		case !slices.Contains(a.Covers, s), ofIncident && c.ownIncident(s), from && !ofIncident:
			return
		}
		at, hint := c.at(s, "uses"), "act on ${{ incident.id }}: other incidents are not covered"
		if x, ok := s.written.get("with"); ok {
			at = c.src.node(x.key)
		}
		if !ofIncident && a.Targets != nil {
			hint = "act on what the approval shows: for_each: " + strings.TrimSpace(a.Targets.Source())
		}
		c.add(at, "E412", hint, "the approval on line %d covers %s, but what it acts upon does not come from its targets", gate.Line, called(s))
	})
}

// ownIncident reports whether a step acts on the incident of the run.
func (c *linter) ownIncident(s *Step) bool {
	entity := c.known[s].entity
	if entity == nil {
		return true // there is a finding already
	}
	all := entity.expressions()
	for _, e := range all {
		if src := strings.TrimSpace(e.Source()); src != "incident" && src != "incident.id" {
			return false
		}
	}
	return len(all) == 1
}

package playbooks

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"stanch/actions"
)

// approvals resolves what the approvals in a list cover. After are the steps
// that follow the list itself. The on_error and finally of a step around are not
// behind an approval inside: they run where it was never asked, too.
func (c *linter) approvals(steps, after []*Step) {
	for i, s := range steps {
		behind := append(slices.Clone(steps[i+1:]), after...)
		switch s.Kind {
		case Approve:
			c.cover(s, behind)
		case Block:
			c.approvals(s.Steps, behind)
			c.approvals(s.Else, behind)
		case ForEach, Repeat: // what is decided in an item or a turn holds there
			c.approvals(s.Steps, nil)
		case Parallel:
			for _, b := range s.Branches {
				c.approvals([]*Step{b}, behind)
			}
		}
		c.approvals(s.Rescue, behind)
		c.approvals(s.Finally, behind)
	}
}

// cover finds the steps that an approval covers, among those behind it.
func (c *linter) cover(gate *Step, behind []*Step) {
	a := gate.Approve
	for _, s := range effectSteps(behind) {
		c.guarded[s] = true
	}
	x, named := a.written.get("covers")
	switch {
	case named && x.value.Kind == yaml.SequenceNode:
		for _, n := range x.value.Content {
			c.coverByName(gate, n, behind)
		}
	case !named && a.Entity != "":
		for _, s := range effectSteps(behind) {
			if a.Entity != ofIncident && slices.Contains(c.kinds(s), a.Entity) {
				a.Covers = append(a.Covers, s)
			}
		}
		if len(a.Covers) == 0 {
			c.add(c.at(gate, "approve"), "W510", "name the steps with covers", "nothing behind this approval has effects on a %s: it covers no step", a.Entity)
		}
	}
	for _, s := range a.Covers {
		c.all.covered[s] = true
	}
	c.fromTargets(gate, behind)
	c.onTimeout(gate)
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
		if a.Targets != nil && a.Entity == "" {
			continue // a finding already
		}
		wrong := slices.DeleteFunc(c.kinds(s), func(kind string) bool { return kind == a.Entity || kind == ofIncident })
		if len(wrong) > 0 {
			c.blind = true
			shown := "no targets"
			if a.Entity != "" {
				shown = "targets that are a " + a.Entity
			}
			c.add(at, "E411", "cover it by an approval of its own", "%s acts on a %s, but this approval shows %s", called(s), orUnknown(wrong[0]), shown)
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

// effectSteps are the steps with effects in a list, at any depth: actions, and
// calls of playbooks with effects that they do not ask about themselves.
func effectSteps(steps []*Step) []*Step {
	var all []*Step
	Walk(steps, func(_ string, s *Step) {
		if s.Kind == Action && (s.Action.Class == actions.Writes || s.Action.Class == actions.Destroys) ||
			s.Kind == Call && s.Call.Book != nil && len(s.Call.Book.open) > 0 {
			all = append(all, s)
		}
	})
	return all
}

// openEffect is an effect of a playbook that none of its own approvals covers:
// whoever calls it answers for it.
type openEffect struct {
	step   *Step // the action
	kind   string
	capped bool // by a guardrail of its own playbook
}

// openEffects are those of the playbook and of what it calls.
func (c *linter) openEffects() []openEffect {
	var all []openEffect
	c.p.Walk(func(_ string, s *Step) {
		if c.all.covered[s] {
			return
		}
		switch {
		case s.Kind == Call && s.Call.Book != nil:
			for _, e := range s.Call.Book.open {
				e.capped = e.capped || c.caps(e.kind)
				all = append(all, e)
			}
		case s.Kind == Action && (s.Action.Class == actions.Writes || s.Action.Class == actions.Destroys):
			all = append(all, openEffect{s, c.all.steps[s].kind, c.capped(s)})
		}
	})
	return all
}

// kinds are the kinds of entities that a step has effects on.
func (c *linter) kinds(s *Step) []string {
	if s.Kind != Call {
		return []string{c.all.steps[s].kind}
	}
	var all []string
	if s.Call.Book != nil {
		for _, e := range s.Call.Book.open {
			if !slices.Contains(all, e.kind) {
				all = append(all, e.kind)
			}
		}
	}
	return all
}

// destroys reports whether a step has effects of the class destroys that nobody
// is asked about.
func destroys(s *Step) bool {
	if s.Kind != Call {
		return s.Action.Class == actions.Destroys
	}
	return s.Call.Book != nil && slices.ContainsFunc(s.Call.Book.open, func(e openEffect) bool {
		return e.step.Action.Class == actions.Destroys
	})
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
		if destroys(s) {
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
	t := trail{c: c, names: map[string]bool{}, gate: gate}
	if a.Targets != nil {
		src := sameText(a.Targets.Source())
		t.names[src] = true
		for _, one := range elements(src) {
			if pathOnly.MatchString(one) {
				t.names[one] = true
			}
		}
	}
	t.walk(behind, func(s *Step, e touched) {
		another := e.kind == ofIncident && a.Entity != ofIncident
		switch {
		case !slices.Contains(a.Covers, s), another && e.ownIncident, e.from && !another:
			return
		}
		at, hint := c.at(s, "uses"), "act on ${{ incident.id }}: other incidents are not covered"
		if x, ok := s.written.get("with"); ok {
			at = c.src.node(x.key)
		}
		if !another && a.Targets != nil {
			hint = "act on what the approval shows: " + onTargets(strings.TrimSpace(a.Targets.Source()))
		}
		c.add(at, "E412", hint, "the approval on line %d covers %s, but what it acts upon does not come from its targets", gate.Line, e.name)
	})
}

// onTargets says how steps act on what an approval shows: on the items that it writes
// out, or on each of its list.
func onTargets(targets string) string {
	if items := elements(targets); len(items) > 0 {
		return strings.Join(items, ", ")
	}
	return "for_each: " + targets
}

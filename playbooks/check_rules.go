package playbooks

import (
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// CheckRules checks rules as they stand together: their names and types, and
// what they mean for each other and for playbooks, at a time. It fills in their
// expressions. Playbooks that they run are those of w.Calls; nil: not known here.
func CheckRules(rules []*Rule, w World, now time.Time) []Finding {
	var findings []Finding
	inOrder := slices.Clone(rules)
	slices.SortStableFunc(inOrder, func(a, b *Rule) int { return a.Order - b.Order })
	for i, r := range inOrder {
		c := &linter{
			report: &report{src: r.source}, p: &Playbook{On: On{Incident: &IncidentTrigger{}}, source: r.source}, w: w, all: newCallees(w),
			used: map[string]bool{}, named: map[string]bool{}, ids: map[string]*Step{}, names: map[string]int{},
		}
		c.rule(r, now)
		for _, earlier := range inOrder[:i] {
			c.ruleAfter(r, earlier, now)
		}
		r.Lists = c.lists()
		findings = append(findings, c.findings...)
	}
	return sortFindings(findings)
}

// rule checks a rule by itself.
func (c *linter) rule(r *Rule, now time.Time) {
	names := typesOf((On{Incident: &IncidentTrigger{}}).gives())
	names["lists"] = c.listsType()
	s := NewScope(names).WithLabels(c.w.Labels)
	if x, ok := r.written.get("if"); ok {
		r.If = c.question(x, s, BooleanType())
	}
	if x, ok := r.written.get("expires"); ok && !r.Expires.IsZero() && !r.Expires.After(now) {
		c.add(c.src.node(x.value), "W661", "delete the rule, or say until when it holds", "the rule has expired: it does nothing any more")
	}
	suppresses, seen := false, map[string]bool{}
	for i := range r.Then {
		a := &r.Then[i]
		at := c.src.node(a.key)
		switch a.kind {
		case "assign":
			a.Assign = c.prose(a.value, s, "assign")
		case "comment":
			a.Comment = c.prose(a.value, s, "comment")
		case "run":
			c.runs(a)
			if suppresses {
				c.add(at, "E661", "run it before suppress, or delete one of them", "nothing runs behind suppress: no playbook starts for this revision any more")
			}
		case "suppress":
			suppresses = true
			if r.always() && r.holds(now) {
				c.add(at, "W662", "add an `if`", "the rule holds for every incident: no playbook starts by itself any more")
			}
		}
		if seen[a.kind] && slices.Contains([]string{"update", "assign", "suppress"}, a.kind) {
			c.add(at, "E206", "join them", "then has %s twice", a.kind)
		}
		seen[a.kind] = true
	}
}

// runs finds playbooks that are not there.
func (c *linter) runs(a *RuleAction) {
	if c.w.Calls == nil || a.Run == nil {
		return
	}
	for _, n := range scalars(a.value) {
		if _, known := c.w.Calls[n.Value]; !known && n.Value != "" {
			c.add(c.src.node(n), "E420", suggest(n.Value, keysOf(c.w.Calls)), "there is no playbook %s", quoted(n.Value))
		}
	}
}

// scalars are the values below a node, without keys.
func scalars(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.ScalarNode {
		return []*yaml.Node{n}
	}
	var all []*yaml.Node
	for i, child := range n.Content {
		if n.Kind == yaml.SequenceNode || i%2 == 1 {
			all = append(all, scalars(child)...)
		}
	}
	return all
}

// ruleAfter looks what an earlier rule means for this one.
func (c *linter) ruleAfter(r, earlier *Rule, now time.Time) {
	at := func(key string) span {
		x, _ := r.written.get(key)
		return c.src.node(x.value)
	}
	if r.Name != "" && r.Name == earlier.Name {
		c.add(at("rule"), "E206", "every rule has a name of its own: rename one of them", "the name %s is taken by %s", r.Name, earlier.File)
	}
	if r.written.has("order") && earlier.written.has("order") && r.Order == earlier.Order {
		c.add(at("order"), "E662", "give it another place", "the rule %s (%s) has the order %d too: which of them is first is not said", earlier.Name, earlier.File, r.Order)
	}
	if !earlier.holds(now) || !r.holds(now) || !earlier.suppresses() || !earlier.covers(r) {
		return
	}
	for _, a := range r.Then {
		if a.kind == "run" {
			c.add(c.src.node(a.key), "W663", "put this rule first, or make the conditions differ", "this never happens: for all such incidents the rule %s (order %d) suppresses playbooks before", earlier.Name, earlier.Order)
		}
	}
}

func (r *Rule) holds(now time.Time) bool {
	return r.Enabled && !r.faulty && (r.Expires.IsZero() || r.Expires.After(now))
}

func (r *Rule) suppresses() bool {
	return slices.ContainsFunc(r.Then, func(a RuleAction) bool { return a.Suppress != nil })
}

// always reports whether the rule holds for every incident.
func (r *Rule) always() bool {
	return !r.written.has("if") || r.If != nil && strings.TrimSpace(r.If.Source()) == "true"
}

// covers reports whether the rule surely holds wherever another does: it has no
// condition, or the same one.
func (r *Rule) covers(other *Rule) bool {
	if slices.ContainsFunc(other.On, func(e string) bool { return !slices.Contains(r.On, e) }) {
		return false
	}
	return r.always() || r.If != nil && other.If != nil && r.If.Canonical() == other.If.Canonical()
}

// Matches decides whether the rule holds for an event, as Playbook.Matches does
// for a playbook. Names are those of RuleNames.
func (r *Rule) Matches(ev Event, names map[string]any, own []string, now time.Time) (Verdict, error) {
	if v, decided := r.listens(ev, now); decided {
		return v, nil
	}
	return (&Playbook{}).asks("if", r.If, r.Env(names, own, now))
}

// Judge decides as Matches does. Where the condition is false it says which of the
// parts that `and` joins was, and what that part read.
func (r *Rule) Judge(ev Event, names map[string]any, own []string, now time.Time) (Verdict, error) {
	v, decided := r.listens(ev, now)
	if decided {
		return v, nil
	}
	env := r.Env(names, own, now)
	for _, part := range r.If.conjuncts() {
		a := part.ask(env)
		if a.failed {
			break // the whole says it, with its place
		}
		if a.value == false {
			return Verdict{false, "the condition does not hold: " + a.because}, nil
		}
	}
	return (&Playbook{}).asks("if", r.If, env)
}

// listens looks at all of a rule but its condition; decided is false where that
// is to be asked.
func (r *Rule) listens(ev Event, now time.Time) (v Verdict, decided bool) {
	switch {
	case !r.Enabled:
		return Verdict{false, "the rule is not enabled"}, true
	case !r.holds(now):
		return Verdict{false, "the rule has expired"}, true
	case ev.Trigger != "incident":
		return Verdict{false, "rules are asked about incidents alone"}, true
	case !slices.Contains(r.On, ev.Kind):
		return Verdict{false, "on is " + strings.Join(r.On, ", ") + "; this one was " + ev.Kind}, true
	case r.If == nil:
		return Verdict{true, "the rule has no condition"}, true
	}
	return Verdict{}, false
}

// Env is what the rule's expressions are evaluated in.
func (r *Rule) Env(names map[string]any, own []string, now time.Time) Env {
	env := Env{Names: map[string]any{"params": map[string]any{}, "lists": listValues(r.Lists)}, Now: now, OwnDomains: own}
	for name, v := range names {
		if name != "lists" && name != "params" {
			env.Names[name] = v
		}
	}
	return env
}

// RuleNames are the names that the event gives to rules.
func (o *Offer) RuleNames() (map[string]any, error) {
	return o.Names(&Playbook{On: On{Incident: &IncidentTrigger{}}})
}

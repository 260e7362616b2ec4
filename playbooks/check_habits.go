package playbooks

import (
	"slices"
)

// habits warns of what is allowed and often a slip.
func (c *linter) habits() {
	c.unused()
	c.secrets()
	c.timeHabits()
	c.effectHabits()
	if c.blind {
		return // what an approval covers is not known
	}
	if c.p.OnlyCalled() {
		return // its callers answer for what it does
	}
	every := slices.Concat(c.p.Steps, c.p.OnFailure, c.p.Finally)
	c.walkHabits(every)
	if len(effectSteps(every)) > 0 {
		c.emptyTriggers()
	}
	for _, s := range effectSteps(every) {
		if !destroys(s) || c.all.covered[s] {
			continue
		}
		at := c.at(s, s.written.kindKey())
		if c.guarded[s] {
			c.add(at, "E417", "name it in covers, or give the approval targets of its kind", "%s destroys behind an approval that does not cover it", called(s))
		} else if !c.capped(s) {
			c.add(at, "W504", "add an approve step before it, or guardrails: {max_targets: …}", "%s destroys without approval and without a guardrail", called(s))
		}
	}
}

// unused warns of vars and params that nothing reads.
func (c *linter) unused() {
	if c.p.faulty || c.errors() > 0 {
		return // what reads them may be what is broken
	}
	said := map[string]bool{}
	for _, x := range c.sets {
		if !c.used["vars."+x.name] && !c.used["vars."] && !said[x.name] {
			said[x.name] = true
			c.add(c.src.node(x.key), "W501", "delete it", "nothing reads vars.%s", x.name)
		}
	}
	for _, q := range c.p.Params {
		if !c.used["params."+q.Name] && !c.used["params."] {
			c.add(c.src.node(q.key), "W502", "delete it", "nothing reads params.%s", q.Name)
		}
	}
}

// capped reports whether a guardrail counts what a step acts upon.
func (c *linter) capped(s *Step) bool {
	if s.Kind != Call {
		return c.caps(c.all.steps[s].kind)
	}
	return !slices.ContainsFunc(s.Call.Book.open, func(e openEffect) bool { return !e.capped && !c.caps(e.kind) })
}

// caps reports whether a guardrail counts entities of a kind.
func (c *linter) caps(kind string) bool {
	for plural := range c.p.Guardrails.MaxTargets {
		if plural == kind+"s" || plural == kind+"es" {
			return true
		}
	}
	return false
}

func (c *linter) walkHabits(steps []*Step) {
	Walk(steps, func(_ string, s *Step) {
		effects := effectSteps([]*Step{s})
		if len(effects) == 0 {
			return
		}
		if i := slices.IndexFunc(effects, func(e *Step) bool { return !c.all.covered[e] && !c.capped(e) && !c.onOwnIncident(e) }); i >= 0 && s.Kind == ForEach {
			c.add(c.at(s, "for_each"), "W511", "add guardrails: {max_targets: …}, or an approval", "this loop has effects (%s) and nothing limits how many", called(effects[i]))
		}
		if x, ok := s.written.get("if"); ok && s.If != nil {
			c.emptyList(x, s.If, c.before[s])
		}
	})
}

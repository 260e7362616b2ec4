package review

import (
	"fmt"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/playbooks"
)

// step compares a pair of steps.
func (c *comparer) step(p pair) {
	where, line := p.where()
	switch {
	case p.a == nil:
		c.arrived(p.b, where, line)
		return
	case p.b == nil:
		c.gone(p.a, where, line)
		return
	case p.moved:
		c.moved(p, where, line)
	}
	c.condition(where+".if", line, conditions{p.a.If, p.b.If}, towards(p.b), "the condition of "+called(p.b, where))
	c.text(where, line, "the title", c.new(p.a.Title.Canonical()), p.b.Title.Canonical())
	c.text(where, line, "the timeout", c.new(p.a.Timeout.Canonical()), p.b.Timeout.Canonical())
	c.onError(p, where, line)
	switch p.b.Kind {
	case playbooks.Action:
		c.action(p, where, line)
	case playbooks.Set:
		c.set(where, line, "vars.", p.a.Set, p.b.Set)
	case playbooks.ForEach:
		c.each(p, where, line)
	case playbooks.Approve:
		c.approve(p, where, line)
	case playbooks.Wait:
		c.text(where, line, "the wait", c.new(waitText(p.a.Wait)), waitText(p.b.Wait))
	case playbooks.Repeat:
		c.repeat(p, where, line)
	case playbooks.Call:
		c.call(p, where, line)
	case playbooks.Stop, playbooks.Fail:
		c.text(where, line, "the text", c.new(p.a.Text.Canonical()), p.b.Text.Canonical())
	}
}

// called names a step in a sentence.
func called(s *playbooks.Step, where string) string {
	switch {
	case s.Uses != "":
		return s.Uses
	case s.ID != "":
		return string(s.Kind) + " " + s.ID
	}
	return string(s.Kind) + " at " + where
}

func isEffect(s *playbooks.Step) bool {
	return s.Action.Class == actions.Writes || s.Action.Class == actions.Destroys
}

// effectsIn reports whether effects, and whether questions or ends are in a step.
func effectsIn(s *playbooks.Step) (effects, guards bool) {
	playbooks.Walk([]*playbooks.Step{s}, func(_ string, in *playbooks.Step) {
		effects = effects || isEffect(in) || in.Kind == playbooks.Call
		guards = guards || in.Kind == playbooks.Approve || in.Kind == playbooks.Stop || in.Kind == playbooks.Fail
	})
	return effects, guards
}

// towards is where a condition of a step leads: +1 to effects, -1 away from
// them, 0 to neither.
func towards(s *playbooks.Step) int {
	effects, guards := effectsIn(s)
	switch {
	case effects:
		return +1
	case guards:
		return -1
	}
	return 0
}

// arrived tells of a step that is new.
func (c *comparer) arrived(s *playbooks.Step, where string, line int) {
	switch {
	case isEffect(s):
		guarded := "nobody is asked before"
		if e := c.effectOf(c.b, where); e != nil && len(e.Approvals) > 0 {
			guarded = "after the approval " + strings.Join(e.Approvals, ", ")
		}
		c.add(Widens, where, line, "a new effect: %s (%s), %s", s.Uses, s.Action.Class, guarded)
	case s.Kind == playbooks.Call:
		c.add(Widens, where, line, "calls %s", s.Call.Playbook)
	case s.Kind == playbooks.Approve, s.Kind == playbooks.Stop, s.Kind == playbooks.Fail:
		c.add(Narrows, where, line, "a new %s", called(s, where))
	case len(parts(s, nil)[0].a)+len(s.Branches) > 0: // what is in it is told by itself
	default:
		c.add(Neutral, where, line, "a new step: %s", called(s, where))
	}
}

// gone tells of a step that is no longer there.
func (c *comparer) gone(s *playbooks.Step, where string, line int) {
	switch {
	case isEffect(s):
		c.add(Narrows, where, line, "no longer: %s (%s)", s.Uses, s.Action.Class)
	case s.Kind == playbooks.Call:
		c.add(Narrows, where, line, "no longer calls %s", s.Call.Playbook)
	case s.Kind == playbooks.Approve:
		c.add(Widens, where, line, "%s is gone: nobody is asked there", called(s, where))
	case s.Kind == playbooks.Stop, s.Kind == playbooks.Fail:
		c.add(Widens, where, line, "%s is gone: it goes on there", called(s, where))
	case s.If != nil && len(s.Steps) > 0:
		c.add(Widens, where, line, "the condition around steps is gone: %s", oneLine(s.If.Source()))
	case len(s.Steps)+len(s.Branches) > 0:
	default:
		c.add(Neutral, where, line, "a step is gone: %s", called(s, where))
	}
}

// moved tells of a step in another list: which conditions and loops are around
// it now.
func (c *comparer) moved(p pair, where string, line int) {
	if !isEffect(p.b) {
		c.add(Neutral, where, line, "%s moved from %s", called(p.b, where), p.pathA)
		return
	}
	a, b := c.effectOf(c.a, p.pathA), c.effectOf(c.b, p.pathB)
	if a == nil || b == nil {
		c.add(Widens, where, line, "%s moved from %s", called(p.b, where), p.pathA)
		return
	}
	before, after := c.newAll(canonicals(a.conds)), canonicals(b.conds)
	gone, more := missing(before, after), missing(after, before)
	severity, because := Widens, ""
	switch {
	case len(gone) > 0:
		because = ", no longer only if " + strings.Join(gone, " and ")
	case len(more) > 0:
		severity, because = Narrows, ", now only if "+strings.Join(more, " and ")
	case a.When == b.When:
		severity = Neutral
	}
	c.add(severity, where, line, "%s moved from %s%s", called(p.b, where), p.pathA, because)
}

func canonicals(conds []condition) []string {
	out := make([]string, len(conds))
	for i, k := range conds {
		out[i] = k.expr.Canonical()
		if !k.truth {
			out[i] = "not (" + out[i] + ")"
		}
	}
	return out
}

func (c *comparer) effectOf(s Sheet, path string) *Effect {
	at := slices.IndexFunc(s.Effects, func(e Effect) bool { return e.Path == path })
	if at < 0 {
		return nil
	}
	return &s.Effects[at]
}

// onError compares what becomes of the list when a step fails.
func (c *comparer) onError(p pair, where string, line int) {
	if p.a.OnError == p.b.OnError {
		return
	}
	severity := Neutral
	switch goesOn := []string{"continue", "steps"}; {
	case slices.Contains(goesOn, p.b.OnError) && !slices.Contains(goesOn, p.a.OnError):
		severity = Widens
	case slices.Contains(goesOn, p.a.OnError):
		severity = Narrows
	case p.a.OnError == "rollback":
		severity = Widens
	case p.b.OnError == "rollback":
		severity = Narrows
	}
	c.add(severity, where, line, "if it fails: %s is now %s", p.a.OnError, p.b.OnError)
}

// action compares what an action is given, and who is asked before.
func (c *comparer) action(p pair, where string, line int) {
	target := ""
	if p.b.Action.Params != nil {
		target, _, _ = p.b.Action.EntityParam()
	}
	for _, name := range union(p.a.With.Parts(), p.b.With.Parts()) {
		a, b := c.new(p.a.With.Part(name).Canonical()), p.b.With.Part(name).Canonical()
		severity := Neutral
		if isEffect(p.b) && !isProse(name) {
			severity = Widens
		}
		switch {
		case a == b:
		case name == target:
			c.add(severity, where, line, "%s acts on other targets: %s", p.b.Uses, fromTo(p.a.With.Part(name).Source(), p.b.With.Part(name).Source()))
		default:
			c.add(severity, where, line, "%s of %s: %s", name, p.b.Uses, fromTo(p.a.With.Part(name).Source(), p.b.With.Part(name).Source()))
		}
	}
	switch {
	case p.a.For == nil && p.b.For != nil:
		c.add(Narrows, where, line, "%s is taken back after %s", p.b.Uses, p.b.For.Source())
	case p.a.For != nil && p.b.For == nil:
		c.add(Widens, where, line, "%s is no longer taken back after %s", p.b.Uses, p.a.For.Source())
	case p.a.For.Canonical() != p.b.For.Canonical():
		c.add(Widens, where, line, "%s is taken back at another time: %s", p.b.Uses, fromTo(p.a.For.Source(), p.b.For.Source()))
	}
	c.text(where, line, "retry", retryText(p.a.Retry), retryText(p.b.Retry))
	c.covered(p, where, line)
}

// covered compares the approvals that cover an effect.
func (c *comparer) covered(p pair, where string, line int) {
	a, b := c.effectOf(c.a, p.pathA), c.effectOf(c.b, p.pathB)
	if a == nil || b == nil {
		return
	}
	before := []string{}
	for _, path := range a.Approvals {
		at := slices.IndexFunc(c.pairs, func(q pair) bool { return q.a != nil && q.pathA == path })
		if at >= 0 && c.pairs[at].b != nil {
			path = c.pairs[at].pathB
		}
		before = append(before, path)
	}
	for _, gone := range missing(before, b.Approvals) {
		c.add(Widens, where, line, "%s is no longer covered by the approval %s", p.b.Uses, gone)
	}
	for _, more := range missing(b.Approvals, before) {
		c.add(Narrows, where, line, "%s is covered by the approval %s", p.b.Uses, more)
	}
}

func retryText(r *playbooks.Retry) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%d attempts, %s from %s to %s, jitter %s, on %s", r.Attempts, r.Backoff, r.Initial, r.Cap, r.Jitter, sorted(r.On))
}

func union(a, b []string) []string {
	all := slices.Concat(a, missing(b, a))
	slices.Sort(all)
	return all
}

// set compares values that names are given.
func (c *comparer) set(where string, line int, prefix string, a, b []playbooks.Binding) {
	before, after := expressions(a), expressions(b)
	for _, name := range keysOf(before, after) {
		x, had := before[name]
		y, has := after[name]
		switch {
		case !has:
			c.add(Neutral, where, line, "no longer sets %s%s", prefix, name)
			continue
		case !had:
			c.add(Neutral, where, line, "sets %s%s: %s", prefix, name, oneLine(y.Source()))
			continue
		}
		severity := Neutral
		switch r := c.relateLists(x, y); {
		case r == same:
			continue
		case prefix != "vars." || c.decides(prefix+name):
			severity = Widens
			if r == tighter {
				severity = Narrows
			}
		}
		c.add(severity, where, line, "%s%s: %s", prefix, name, fromTo(x.Source(), y.Source()))
	}
}

func expressions(all []playbooks.Binding) map[string]*playbooks.Expression {
	out := map[string]*playbooks.Expression{}
	for _, b := range all {
		if b.Expr != nil {
			out[b.Name] = b.Expr
		}
	}
	return out
}

// each compares the heads of loops.
func (c *comparer) each(p pair, where string, line int) {
	effects, _ := effectsIn(p.b)
	if r := c.relateLists(p.a.Each.List, p.b.Each.List); r != same {
		severity := Neutral
		if effects {
			severity = Widens
			if r == tighter {
				severity = Narrows
			}
		}
		c.add(severity, where, line, "for each of another list: %s", fromTo(p.a.Each.List.Source(), p.b.Each.List.Source()))
	}
	c.text(where, line, "at the same time", fmt.Sprint(p.a.Each.MaxParallel), fmt.Sprint(p.b.Each.MaxParallel))
	c.text(where, line, "at once", fmt.Sprint(p.a.Each.Batch), fmt.Sprint(p.b.Each.Batch))
	c.set(where, line, "collected ", p.a.Each.Collect, p.b.Each.Collect)
}

// repeat compares how often steps are repeated.
func (c *comparer) repeat(p pair, where string, line int) {
	effects, _ := effectsIn(p.b)
	severity := Neutral
	if effects && p.b.Repeat.Times > p.a.Repeat.Times {
		severity = Widens
	}
	if p.a.Repeat.Times != p.b.Repeat.Times {
		c.add(severity, where, line, "at most %d times, was %d", p.b.Repeat.Times, p.a.Repeat.Times)
	}
	c.condition(where+".until", line, conditions{p.a.Repeat.Until, p.b.Repeat.Until}, 0, "until")
	c.text(where, line, "every", c.new(p.a.Repeat.Every.Canonical()), p.b.Repeat.Every.Canonical())
}

// call compares what a called playbook is given.
func (c *comparer) call(p pair, where string, line int) {
	if p.a.Call.Playbook != p.b.Call.Playbook {
		c.add(Widens, where, line, "calls %s, was %s", p.b.Call.Playbook, p.a.Call.Playbook)
		return
	}
	if a, b := c.new(p.a.Call.With.Canonical()), p.b.Call.With.Canonical(); a != b {
		c.add(Widens, where, line, "%s is called with %s", p.b.Call.Playbook, fromTo(p.a.Call.With.Source(), p.b.Call.With.Source()))
	}
}

func waitText(w *playbooks.Waiting) string {
	if w == nil {
		return ""
	}
	return strings.TrimSpace(strings.Join([]string{
		w.For.Canonical(), w.Until.Canonical(), w.Event, w.Key.Canonical(), w.Timeout.Canonical(), w.OnTimeout, w.Since.Canonical(),
	}, " "))
}

package playbooks

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"stanch/actions"
)

// stale warns of effects that go by the incident as it was when the run started,
// though time has passed since.
func (c *linter) stale(steps []*Step, waited bool) {
	for _, s := range steps {
		if waited && len(effectSteps([]*Step{s})) > 0 {
			c.staleStep(s)
		}
		inner := waited
		for _, list := range [][]*Step{s.Steps, s.Else, s.Rescue, s.Finally} {
			c.stale(list, inner)
		}
		for _, b := range s.Branches {
			c.stale([]*Step{b}, waited)
		}
		waited = waited || takesTime(s)
	}
}

// takesTime reports whether a step lets time pass: itself, or one in it.
func takesTime(s *Step) bool {
	found := false
	Walk([]*Step{s}, func(_ string, t *Step) { found = found || t.Kind == Wait || t.Kind == Approve })
	return found
}

func (c *linter) staleStep(s *Step) {
	tell := func(at span, e *Expression) bool {
		for _, path := range e.Uses() {
			field, ok := strings.CutPrefix(path, "incident.")
			field, _, _ = strings.Cut(field, ".")
			if ok && slices.Contains([]string{"status", "severity", "classification", "determination", "assigned_to", "tags"}, strings.TrimSuffix(field, "?")) {
				c.add(at, "W515", "read it afresh: uses: incidents.get", "incident.%s is what it was when the run was started, before the wait", field)
				return true
			}
		}
		return false
	}
	if x, ok := s.written.get("if"); ok && s.If != nil && tell(c.src.node(x.value), s.If) {
		return
	}
	if s.Kind != Action || s.Action.Repeat == actions.RepeatHarmless || s.With == nil {
		return
	}
	x, _ := s.written.get("with")
	for _, e := range s.With.expressions() {
		if tell(c.src.node(x.key), e) {
			return
		}
	}
}

// timeHabits warns of times that cannot do what they say.
func (c *linter) timeHabits() {
	if w := c.p.written; c.p.Timeout != nil {
		x, _ := w.get("timeout")
		c.within(c.p.Steps, literalOf(c.p.Timeout), "the run's (line "+c.lineOf(x.key)+")")
	} else {
		c.within(c.p.Steps, 0, "")
	}
	c.p.Walk(func(_ string, s *Step) {
		c.pointlessRetry(s)
		c.longFor(s)
		c.rejection(s)
	})
}

func (c *linter) lineOf(n *yaml.Node) string {
	line, _ := c.src.position(c.src.start(n))
	return strconv.Itoa(line)
}

// literalOf is a duration that is written out; 0 if it is not.
func literalOf(t *Template) time.Duration {
	if t == nil || t.expr != nil {
		return 0
	}
	switch v := t.literal.(type) {
	case time.Duration:
		return v
	case string:
		d, _ := ParseDuration(v)
		return d
	}
	return 0
}

// within warns of times in steps that are longer than the time of what is
// around: they never end by themselves.
func (c *linter) within(steps []*Step, most time.Duration, whose string) {
	for _, s := range steps {
		inner, of := most, whose
		for _, own := range s.times() {
			d := literalOf(own.template)
			if d == 0 {
				continue
			}
			if most > 0 && d > most {
				c.add(c.src.node(own.value), "W520", "make it shorter, or the time around it longer", "%s of %s is longer than the timeout around it, %s: %s", own.name, shortDuration(d), whose, shortDuration(most))
			} else if own.name == "timeout" && s.Kind != Action && s.Kind != Approve && s.Kind != Wait {
				inner, of = d, "of the step on line "+strconv.Itoa(s.Line)
			}
		}
		for _, list := range [][]*Step{s.Steps, s.Else, s.Branches, s.Rescue} {
			c.within(list, inner, of)
		}
	}
}

// namedTime is a duration of a step with the key that it stands at.
type namedTime struct {
	name     string
	value    *yaml.Node
	template *Template
}

func (s *Step) times() []namedTime {
	var all []namedTime
	from := func(f fields, name string, t *Template) {
		if x, ok := f.get(name); ok && t != nil {
			all = append(all, namedTime{name, x.value, t})
		}
	}
	from(s.written, "timeout", s.Timeout)
	if s.Approve != nil {
		from(s.Approve.written, "timeout", s.Approve.Timeout)
		from(s.Approve.written, "remind", s.Approve.Remind)
	}
	if s.Wait != nil {
		from(s.written, "wait", s.Wait.For)
		from(s.Wait.written, "timeout", s.Wait.Timeout)
	}
	if s.Repeat != nil {
		from(s.Repeat.written, "every", s.Repeat.Every)
	}
	return all
}

// pointlessRetry warns of a retry for errors that a second attempt cannot turn
// into success, or that is never made.
func (c *linter) pointlessRetry(s *Step) {
	x, ok := s.written.get("retry")
	if !ok || s.Retry == nil || s.Action.Name == "" || len(s.Retry.On) == 0 {
		return
	}
	hopeless := []string{"invalid", "refused", "limit", "forbidden", "unauthorized"}
	why := "the same answer would come again"
	if hasEffects(s.Action) {
		hopeless = append(hopeless, "timeout", "unknown")
		why = "the same answer would come again, and an effect without a certain answer is never repeated"
	}
	if slices.ContainsFunc(s.Retry.On, func(code string) bool { return !slices.Contains(hopeless, code) }) {
		return
	}
	at := c.src.node(x.key)
	if on, ok := child(x.value, "on"); ok {
		at = c.src.node(on.key)
	}
	c.add(at, "W519", "leave on out, or name throttled, unavailable, locked or conflict", "a retry on %s has no effect: %s", strings.Join(s.Retry.On, ", "), why)
}

// child is a key of a mapping.
func child(n *yaml.Node, name string) (field, bool) {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return field{name: name, key: n.Content[i], value: n.Content[i+1]}, true
		}
	}
	return field{}, false
}

// longestFor is for how long an effect lasts at most that is meant to be taken
// back.
const longestFor = 30 * 24 * time.Hour

// longFor warns of an effect that is taken back so late that nobody expects it.
func (c *linter) longFor(s *Step) {
	if d := literalOf(s.For); d > longestFor {
		x, _ := s.written.get("for")
		c.add(c.src.node(x.value), "W523", "leave for out, and undo it when it is time; or ask somebody by then", "%s is taken back after %s, when nobody expects it any more", called(s), shortDuration(d))
	}
}

// rejection warns of an approval whose rejection changes nothing: the steps
// behind it go on and are refused one by one.
func (c *linter) rejection(s *Step) {
	if s.Kind != Approve || s.Approve.OnReject != "continue" || len(s.Approve.Covers) == 0 {
		return
	}
	if s.ID != "" && c.used["steps."+s.ID] {
		return
	}
	x, _ := s.Approve.written.get("on_reject")
	c.add(c.src.node(x.key), "W525", "give it an id and ask steps.ID.outcome, or leave on_reject out", "nothing behind asks whether it was approved: after a rejection what it covers is refused step by step")
}

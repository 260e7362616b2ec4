package review

import (
	"fmt"
	"slices"
	"strings"

	"stanch/playbooks"
)

// triggers compares what starts the playbooks.
func (c *comparer) triggers(a, b *playbooks.Playbook) {
	before, after := byName(triggers(a)), byName(triggers(b))
	for _, name := range keysOf(before, after) {
		x, had := before[name]
		y, has := after[name]
		where := "on." + name
		switch {
		case !has:
			c.add(Narrows, where, 0, "no longer starts when %s", x.words())
			continue
		case !had:
			c.add(Widens, where, 0, "also starts when %s", y.words())
			continue
		}
		for i, s := range x.settings {
			if s.value != y.settings[i].value {
				severity := ofSetting(s.name, s.value, y.settings[i].value)
				c.add(severity, where+"."+s.name, 0, "%s: %s", s.name, fromTo(s.value, y.settings[i].value))
			}
		}
		c.condition(where+".if", 0, conditions{x.cond, y.cond}, +1, "the condition of the trigger "+name)
	}
}

func byName(all []trigger) map[string]trigger {
	out := map[string]trigger{}
	for _, t := range all {
		out[t.name] = t
	}
	return out
}

// ofSetting judges a changed setting of a trigger.
func ofSetting(name, a, b string) string {
	switch name {
	case "events", "changes":
		x, y := strings.Split(a, ", "), strings.Split(b, ", ")
		if len(missing(y, x)) == 0 {
			return Narrows
		}
		return Widens
	case "query", "let", "key", "subject", "source", "start":
		return Widens
	case "max_rows":
		if len(a) > len(b) || len(a) == len(b) && a > b {
			return Narrows
		}
		return Widens
	case "auth":
		if b == "hmac" {
			return Narrows
		}
		return Widens
	}
	return Neutral
}

// params compares the inputs.
func (c *comparer) params(a, b *playbooks.Playbook) {
	before, after := paramsOf(a), paramsOf(b)
	for _, name := range keysOf(before, after) {
		x, had := before[name]
		y, has := after[name]
		where := "params." + name
		switch {
		case !has:
			c.add(Neutral, where, 0, "the param %s is gone", name)
		case !had:
			c.add(Neutral, where, 0, "a new param %s (%s)", name, y.Type)
		default:
			c.param(where, x, y)
		}
	}
}

func paramsOf(p *playbooks.Playbook) map[string]playbooks.Param {
	out := map[string]playbooks.Param{}
	for _, q := range p.Params {
		out[q.Name] = q
	}
	return out
}

func (c *comparer) param(where string, x, y playbooks.Param) {
	if x.Type.String() != y.Type.String() {
		c.add(Widens, where, 0, "the type of %s: %s", x.Name, fromTo(x.Type.String(), y.Type.String()))
	}
	if from, to := defaultText(x), defaultText(y); from != to {
		severity := Neutral
		if c.decides("params." + x.Name) {
			severity = Widens
		}
		c.add(severity, where, 0, "the default of %s: %s", x.Name, fromTo(from, to))
	}
	c.bound(where, "the least "+x.Name, x.Minimum, y.Minimum, +1)
	c.bound(where, "the most "+x.Name, x.Maximum, y.Maximum, -1)
	from, to := enumTexts(x), enumTexts(y)
	for _, gone := range missing(from, to) {
		c.add(Narrows, where, 0, "%s may no longer be %s", x.Name, gone)
	}
	for _, more := range missing(to, from) {
		c.add(Widens, where, 0, "%s may also be %s", x.Name, more)
	}
	c.text(where, 0, "the description of "+x.Name, x.Description, y.Description)
}

// bound compares a limit; up says that a larger one is tighter.
func (c *comparer) bound(where, what string, x, y *float64, up int) {
	switch {
	case x == nil && y == nil:
	case x == nil:
		c.add(Narrows, where, 0, "%s: %v", what, *y)
	case y == nil:
		c.add(Widens, where, 0, "%s was %v, and is free now", what, *x)
	case *x != *y:
		severity := Widens
		if (*y > *x) == (up > 0) {
			severity = Narrows
		}
		c.add(severity, where, 0, "%s: %v is now %v", what, *x, *y)
	}
}

func defaultText(q playbooks.Param) string {
	if q.Required {
		return ""
	}
	raw, err := playbooks.Encode(q.Default)
	if err != nil {
		return fmt.Sprint(q.Default)
	}
	return string(raw)
}

func enumTexts(q playbooks.Param) []string {
	out := []string{}
	for _, v := range q.Enum {
		raw, _ := playbooks.Encode(v)
		out = append(out, string(raw))
	}
	return out
}

// decides reports whether a name is read by anything of the new playbook but
// texts: a condition, a list, what an effect is given.
func (c *comparer) decides(name string) bool {
	read := false
	look := func(all ...*playbooks.Expression) {
		for _, e := range all {
			read = read || e != nil && slices.ContainsFunc(e.Uses(), func(u string) bool {
				return u == name || strings.HasPrefix(u, name+".") || strings.HasPrefix(u, name+"?")
			})
		}
	}
	for _, t := range triggers(c.books[1]) {
		look(t.cond)
	}
	eachStep(c.books[1], func(_ string, s *playbooks.Step) {
		look(s.If)
		for _, b := range s.Set {
			look(b.Expr)
		}
		if s.Each != nil {
			look(s.Each.List)
		}
		if s.Approve != nil {
			look(s.Approve.Targets)
			look(s.Approve.Approvers.Expressions()...)
		}
		if s.Repeat != nil {
			look(s.Repeat.Until)
		}
		if s.Call != nil {
			look(s.Call.With.Expressions()...)
		}
		for _, key := range s.With.Parts() {
			if !isProse(key) {
				look(s.With.Part(key).Expressions()...)
			}
		}
	})
	return read
}

func eachStep(p *playbooks.Playbook, visit func(string, *playbooks.Step)) { p.Walk(visit) }

// isProse reports whether a parameter is what people are told.
func isProse(name string) bool {
	return slices.Contains([]string{"text", "comment", "reason", "title", "subject", "message", "body", "justification"}, name)
}

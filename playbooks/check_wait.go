package playbooks

import (
	"maps"
	"slices"
	"strings"
)

// wait checks a step that lets time pass.
func (c *linter) wait(s *Step, f *reach) {
	w := s.Wait
	x, _ := s.written.get("wait")
	if w.written.node == nil {
		w.For = c.timeout(x.value, f.scope, "wait")
		return
	}
	if y, ok := w.written.get("until"); ok {
		w.Until = c.data(y.value, f.scope, TimeType(), "until")
	}
	if !w.written.has("event") {
		return
	}
	if y, ok := w.written.get("key"); ok {
		w.Key = c.prose(y.value, f.scope, "key")
	}
	if y, ok := w.written.get("timeout"); ok {
		w.Timeout = c.timeout(y.value, f.scope, "timeout")
	}
	if y, ok := w.written.get("since"); ok {
		w.Since = c.data(y.value, f.scope, TimeType(), "since")
	}
	maybe := func(t Type) Type { return t } // behind the wait the event is there
	if w.OnTimeout == "continue" {
		maybe = OptionalOf
	}
	c.bring(s, f, RecordOf(
		"",
		TypeField{"outcome", EnumOf("", "received", "timed_out"), "whether the event came"},
		TypeField{"data", maybe(w.Data), "what the event brought"},
		TypeField{"by", OptionalOf(StringType()), "who sent it"},
		TypeField{"at", maybe(TimeType()), "when it came"},
	))
}

// repeat checks steps that run again and again. The steps of a turn start
// absent in each; vars go on from turn to turn, so that one set in a turn is
// there in the next, though not in the first.
func (c *linter) repeat(s *Step, f *reach) {
	before := f.scope
	w := s.Repeat.written
	turn := before
	for _, name := range slices.Sorted(maps.Keys(setsIn(s.Steps))) {
		if old, known := varType(before, name); known {
			turn = turn.WithField("vars", name, old) // what was known of it is not, in the next turn
		}
	}
	turn = c.nextTurn(s, turn)
	body := c.list(s.Steps, turn)
	if x, ok := w.get("until"); ok {
		s.Repeat.Until = c.question(x, body.scope, BooleanType())
	}
	if x, ok := w.get("every"); ok {
		s.Repeat.Every = c.timeout(x.value, before, "every")
	}
	for _, name := range slices.Sorted(maps.Keys(body.vars)) {
		f.addVar(name, body.vars[name])
	}
	if s.Repeat.Until != nil {
		f.scope = f.scope.Narrow(s.Repeat.Until, true)
	}
	f.ends = body.ends
	c.bring(s, f, RecordOf("", TypeField{"rounds", IntegerType(), "how often the steps ran"}))
}

// nextTurn is the scope of any turn: with the vars that an earlier one may have
// set. Their types are found by going through a turn without telling.
func (c *linter) nextTurn(s *Step, turn Scope) Scope {
	fresh := setsIn(s.Steps)
	maps.DeleteFunc(fresh, func(name string, _ bool) bool { _, known := varType(turn, name); return known })
	if len(fresh) == 0 {
		return turn
	}
	told, width := c.report, c.width
	c.report = &report{src: told.src}
	trial := c.list(s.Steps, turn)
	c.report, c.width = told, width
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		if t, ok := trial.vars[name]; ok {
			turn = turn.WithField("vars", name, OptionalOf(t))
		}
	}
	return turn
}

// setsIn are the vars that steps set where a list around them sees it: not those
// of loops.
func setsIn(steps []*Step) map[string]bool {
	names := map[string]bool{}
	for _, s := range steps {
		if s.Kind == Set {
			for _, x := range s.assigns {
				names[x.name] = true
			}
		}
		for _, inside := range s.lists() {
			maps.Copy(names, setsIn(inside))
		}
	}
	return names
}

// lists are the lists of steps in a step that share what they set with the list
// around: all but the items of a loop.
func (s *Step) lists() [][]*Step {
	all := [][]*Step{s.Else, s.Branches, s.Rescue, s.Finally}
	if s.Kind != ForEach {
		all = append(all, s.Steps)
	}
	return all
}

// chain writes ids of playbooks that call each other.
func chain(ids ...string) string { return strings.Join(ids, " → ") }

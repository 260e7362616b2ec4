package playbooks

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"stanch/actions"
)

// step checks one step and tells the reach what it brings: what it does itself,
// then what it does about its errors, then what it does at last.
func (c *linter) step(s *Step, f *reach) {
	before := f.scope
	inner, other := before, before
	c.before[s] = before.facts
	if x, ok := s.written.get("if"); ok {
		if s.If = c.question(x, before, BooleanType()); s.If != nil {
			inner, other = before.Narrow(s.If, true), before.Narrow(s.If, false)
		}
	}
	if x, ok := s.written.get("title"); ok {
		s.Title = c.prose(x.value, before, "title")
	}
	if x, ok := s.written.get("timeout"); ok {
		s.Timeout = c.timeout(x.value, before, "timeout")
	}
	body := newReach(inner)
	c.body(s, &body)
	paths := []reach{body}
	if s.mayBeLeftOut() {
		paths = append(paths, c.list(s.Else, other))
	}
	paths = append(paths, c.failed(s, before, paths)...)
	c.join(f, before, paths)
	c.atLast(s, f, before, paths)
}

// body checks what a step does.
func (c *linter) body(s *Step, f *reach) {
	switch s.Kind {
	case Action:
		c.action(s, f)
	case Set:
		c.set(s, f)
	case Block:
		*f = c.list(s.Steps, f.scope)
	case ForEach:
		c.forEach(s, f)
	case Parallel:
		c.parallel(s, f)
	case Approve:
		c.approve(s, f)
	case Wait:
		c.wait(s, f)
	case Repeat:
		c.repeat(s, f)
	case Call:
		c.call(s, f)
	case Stop, Fail:
		c.end(s, f)
	}
}

// failed answers the ways on behind a step that failed; none where its failure
// ends the list.
func (c *linter) failed(s *Step, before Scope, ways []reach) []reach {
	if s.OnError != "steps" && (s.OnError != "continue" || s.Kind == ForEach) {
		return nil
	}
	half := c.anyOf(before, ways)
	if s.OnError == "continue" {
		return []reach{half}
	}
	rescue := c.list(s.Rescue, half.scope.With("error", errorType()))
	if outer, known := before.Lookup("error"); known {
		rescue.scope = rescue.scope.With("error", outer)
	} else {
		rescue.scope = rescue.scope.without("error")
	}
	for name, t := range half.steps {
		if _, again := rescue.steps[name]; !again {
			rescue.steps[name] = t
		}
	}
	for name, t := range half.vars {
		if _, again := rescue.vars[name]; !again {
			rescue.vars[name] = t
		}
	}
	return []reach{rescue}
}

// atLast checks finally, in which everything of the step may be absent: it runs
// however the step has ended.
func (c *linter) atLast(s *Step, f *reach, before Scope, ways []reach) {
	if len(s.Finally) == 0 {
		return
	}
	half := c.anyOf(before, ways)
	last := c.list(s.Finally, half.scope.With("error", OptionalOf(errorType())))
	f.ends = f.ends || last.ends
	skipped := s.mayBeLeftOut() && len(s.Else) == 0
	for _, name := range slices.Sorted(maps.Keys(last.steps)) {
		t := last.steps[name]
		if skipped {
			t = OptionalOf(t)
		}
		f.addStep(name, t)
	}
	for _, name := range slices.Sorted(maps.Keys(last.vars)) {
		t := last.vars[name]
		if old, known := varType(f.scope, name); skipped && known {
			t = old
		} else if skipped {
			t = OptionalOf(t)
		}
		f.addVar(name, t)
	}
}

// errorType is what `error` is where steps know of one.
func errorType() Type {
	return RecordOf(
		"error",
		TypeField{"step", StringType(), "path of the step that failed"},
		TypeField{"code", EnumOf("", ErrorCodes()...), "what kind of error"},
		TypeField{"message", StringType(), "what it said"},
	)
}

// mayBeLeftOut reports whether a step has a condition.
func (s *Step) mayBeLeftOut() bool { return s.written.has("if") }

// bring makes the output of a step known under its id.
func (c *linter) bring(s *Step, f *reach, t Type) {
	s.output = t
	if s.ID != "" {
		f.addStep(s.ID, t)
	}
}

// OutputType is what steps.<id> holds when the step has run; no type for a step
// that has no output.
func (s *Step) OutputType() Type { return s.output }

// ofIncident is the kind of what actions on incidents act upon, and their
// parameter that names it.
const ofIncident = "incident"

// action checks a step with `uses`.
func (c *linter) action(s *Step, f *reach) {
	params, result := AnyType(), Type{kind: kindBroken}
	a, ok := c.lookup(s)
	if ok {
		s.Action = a
		params, result = c.goType(a.Params), c.all.types.of(a.Result)
	}
	c.with(s, params, f.scope)
	if x, given := s.written.get("for"); given {
		s.For = c.timeout(x.value, f.scope, "for")
		c.takenBack(s, x, ok)
	}
	c.facts[s] = f.scope.facts
	if ok {
		name, kind, has := a.EntityParam()
		if !has && s.With.field(ofIncident) != nil { // incidents are named by their id
			name, kind, has = ofIncident, ofIncident, true
		}
		if has {
			c.all.steps[s] = listed{entity: s.With.field(name), kind: kind}
		}
	}
	c.bring(s, f, result)
}

// with checks what a step gives its action.
func (c *linter) with(s *Step, params Type, inner Scope) {
	x, given := s.written.get("with")
	if given && x.value.Kind != yaml.MappingNode {
		c.add(c.src.node(x.value), "E203", "", "with is a mapping of params to values, not %s", kindOf(x.value))
		return
	}
	at, hint := c.at(s, "uses"), "add with: {%s: …}"
	if given {
		s.With = c.data(x.value, inner, params, s.Uses)
		at, hint = c.src.node(x.value), "write %s: [] if there is none"
	} else {
		s.With = &Template{isMap: true, typ: params}
	}
	if s.faulty || s.Action.Params == nil {
		return
	}
	for f := range s.Action.Params.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		t, known := params.Field(name)
		optional := f.Type.Kind() == reflect.Pointer || strings.Contains(options, "omit")
		if !known || optional || c.gives(x, name) || given && t.needed() {
			continue
		}
		c.add(at, "E404", fmt.Sprintf(hint, name), "%s needs %s (%s)", s.Uses, name, t)
	}
}

// gives reports whether a mapping has a key.
func (c *linter) gives(x field, name string) bool {
	if x.value == nil {
		return false
	}
	for i := 0; i+1 < len(x.value.Content); i += 2 {
		if x.value.Content[i].Value == name {
			return true
		}
	}
	return false
}

// lookup finds the action that a step uses.
func (c *linter) lookup(s *Step) (actions.Action, bool) {
	if s.Uses == "" || c.w.Catalog == nil {
		return actions.Action{}, false
	}
	a, ok := c.w.Catalog.Lookup(s.Uses)
	if !ok {
		x, _ := s.written.get("uses")
		hint := suggest(s.Uses, c.w.Catalog.Names())
		if hint == "" {
			hint = "stanch actions lists them"
		}
		c.add(c.src.node(x.value), "E401", hint, "there is no action %s", quoted(s.Uses))
	}
	return a, ok
}

// takenBack looks that the effects of a step with `for` have an inverse.
func (c *linter) takenBack(s *Step, x field, known bool) {
	switch a := s.Action; {
	case !known:
	case a.Class == actions.Reads:
		c.add(c.src.node(x.key), "E210", "delete it", "for says when effects are taken back; %s has none", s.Uses)
	case !a.Undoable():
		c.add(c.src.node(x.key), "E419", "use an action with an inverse: stanch actions show "+s.Uses, "for needs an inverse, and %s has none: %s", s.Uses, a.NoUndo)
	}
}

// set checks a step with `set`: every value sees what was there before the step.
func (c *linter) set(s *Step, f *reach) {
	before := f.scope
	types := map[string]Type{}
	s.Set = nil
	for _, x := range s.assigns {
		e := c.question(x, before, Type{})
		s.Set = append(s.Set, Binding{x.name, e})
		t := typeOf(e)
		if old, known := varType(before, x.name); known {
			t = c.sameType(x, old, e)
		} else {
			c.sets = append(c.sets, x)
		}
		for _, outside := range c.inLoop {
			if outside[x.name] {
				c.add(c.src.node(x.key), "W509", "use collect to take values out of for_each", "vars.%s was set outside this for_each; what is set here stays in this item", x.name)
				break
			}
		}
		types[x.name] = t
		c.lastSet[x.name] = x
	}
	for _, name := range slices.Sorted(maps.Keys(types)) {
		f.addVar(name, types[name])
	}
}

// sameType looks that a var keeps its first type.
func (c *linter) sameType(x field, before Type, e *Expression) Type {
	if e == nil {
		return before
	}
	switch {
	case e.exact.Fits(before.Present()):
		return before.Present()
	case e.exact.Fits(before):
		return before
	}
	c.add(c.src.node(x.value), "E406", "give the new value another name", "vars.%s is %s; this is %s", x.name, before, e.exact.widen())
	return before
}

// end checks stop and fail.
func (c *linter) end(s *Step, f *reach) {
	x, _ := s.written.get(string(s.Kind))
	s.Text = c.prose(x.value, f.scope, string(s.Kind))
	f.ends = true
}

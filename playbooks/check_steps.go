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

// reach is what is known while a list of steps is walked: the scope that the next
// step sees, and which steps and vars the list has brought.
type reach struct {
	scope Scope
	steps map[string]Type
	vars  map[string]Type
	ends  bool // nothing behind can run
	dead  bool // said already
}

func newReach(s Scope) reach {
	return reach{scope: s, steps: map[string]Type{}, vars: map[string]Type{}}
}

// addStep makes a step's output known below.
func (f *reach) addStep(id string, t Type) {
	f.steps[id] = t
	f.scope = f.scope.WithField("steps", id, t)
}

// addVar makes a var known below.
func (f *reach) addVar(name string, t Type) {
	f.vars[name] = t
	f.scope = f.scope.WithField("vars", name, t)
}

// varType is the type that a var has in a scope.
func varType(s Scope, name string) (Type, bool) {
	vars, _ := s.Lookup("vars")
	return vars.Field(name)
}

// list walks steps that follow each other.
func (c *linter) list(steps []*Step, s Scope) reach {
	f := newReach(s)
	for _, step := range steps {
		if f.ends && !f.dead {
			c.add(c.at(step, ""), "W505", "", "nothing gets here: the step before always ends the list")
			f.dead = true
		}
		c.step(step, &f)
	}
	return f
}

// step checks one step and tells the reach what it brings.
func (c *linter) step(s *Step, f *reach) {
	inner := f.scope
	if x, ok := s.written.get("if"); ok {
		if s.If = c.question(x, f.scope, BooleanType()); s.If != nil {
			inner = inner.Narrow(s.If, true)
			if src := strings.TrimSpace(s.If.Source()); src == "true" || src == "false" {
				c.add(c.src.node(x.value), "W512", "leave if out, or delete the step", "the condition is always %s", src)
			}
		}
	}
	if x, ok := s.written.get("title"); ok {
		s.Title = c.prose(x.value, f.scope, "title")
	}
	switch s.Kind {
	case Action:
		c.action(s, f, inner)
	case Set:
		c.set(s, f, inner)
	case Block:
		c.block(s, f, inner)
	case ForEach:
		c.forEach(s, f, inner)
	case Parallel:
		c.parallel(s, f, inner)
	case Approve:
		c.approve(s, f, inner)
	case Stop, Fail:
		c.end(s, f, inner)
	}
}

// mayBeLeftOut reports whether a step has a condition.
func (s *Step) mayBeLeftOut() bool { return s.written.has("if") }

// bring makes the output of a step known under its id.
func (c *linter) bring(s *Step, f *reach, t Type) {
	s.output = t
	if s.mayBeLeftOut() || s.OnError == "continue" && s.Kind != ForEach {
		t = OptionalOf(t)
	}
	if s.ID != "" {
		f.addStep(s.ID, t)
	}
}

// OutputType is what steps.<id> holds when the step has run; no type for a step
// that has no output.
func (s *Step) OutputType() Type { return s.output }

// action checks a step with `uses`.
func (c *linter) action(s *Step, f *reach, inner Scope) {
	params, result := AnyType(), Type{kind: kindBroken}
	a, ok := c.lookup(s)
	if ok {
		s.Action = a
		params, result = c.goType(a.Params), c.goType(a.Result)
	}
	c.with(s, params, inner)
	if x, given := s.written.get("timeout"); given {
		s.Timeout = c.timeout(x.value, inner, "timeout")
	}
	if ok {
		if name, kind, has := a.EntityParam(); has {
			c.known[s] = listed{entity: s.With.field(name), kind: kind}
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

// set checks a step with `set`: every value sees what was there before the step.
func (c *linter) set(s *Step, f *reach, inner Scope) {
	types := map[string]Type{}
	for _, x := range s.assigns {
		e := c.question(x, inner, Type{})
		s.Set = append(s.Set, Binding{x.name, e})
		t := typeOf(e)
		if before, known := varType(f.scope, x.name); known {
			t = c.sameType(x, before, t)
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
		t := types[name]
		if s.mayBeLeftOut() || s.OnError == "continue" {
			if before, known := varType(f.scope, name); known {
				t = before
			} else {
				t = OptionalOf(t)
			}
		}
		f.addVar(name, t)
	}
}

// sameType looks that a var keeps its first type.
func (c *linter) sameType(x field, before, now Type) Type {
	if now.Fits(before.Present()) {
		return before.Present()
	}
	if now.Fits(before) {
		return before
	}
	c.add(c.src.node(x.value), "E406", "give the new value another name", "vars.%s is %s; this is %s", x.name, before, now)
	return before
}

// block checks steps in a step, with or without if and else.
func (c *linter) block(s *Step, f *reach, inner Scope) {
	then := c.list(s.Steps, inner)
	if !s.mayBeLeftOut() && s.OnError != "continue" {
		f.scope, f.ends = then.scope, f.ends || then.ends
		maps.Copy(f.steps, then.steps)
		maps.Copy(f.vars, then.vars)
		return
	}
	other := f.scope
	if s.If != nil {
		other = other.Narrow(s.If, false)
	}
	els := c.list(s.Else, other)
	if s.OnError == "continue" { // either may have stopped anywhere
		c.merge(f, f.scope, []reach{then.partial(), els.partial()})
		return
	}
	switch {
	case then.ends && els.ends:
		f.ends = true
		c.merge(f, f.scope, []reach{then, els})
	case then.ends:
		c.adopt(f, els, then)
	case els.ends:
		c.adopt(f, then, els)
	default:
		c.merge(f, f.scope, []reach{then, els})
	}
}

// partial is a reach of which any step may be missing.
func (f reach) partial() reach {
	p := newReach(f.scope)
	for name, t := range f.steps {
		p.steps[name] = OptionalOf(t)
	}
	for name, t := range f.vars {
		p.vars[name] = OptionalOf(t)
	}
	return p
}

// adopt goes on with the one branch that does not end; what the other brought is
// absent.
func (c *linter) adopt(f *reach, goesOn, ended reach) {
	f.scope = goesOn.scope
	maps.Copy(f.steps, goesOn.steps)
	maps.Copy(f.vars, goesOn.vars)
	for name, t := range ended.steps {
		if _, known := f.steps[name]; !known {
			f.addStep(name, OptionalOf(t))
		}
	}
	for name, t := range ended.vars {
		if _, known := varType(f.scope, name); !known {
			f.addVar(name, OptionalOf(t))
		}
	}
}

// merge goes on behind branches of which one has run: what all bring is there,
// anything else may be absent.
func (c *linter) merge(f *reach, before Scope, branches []reach) {
	f.scope = before
	for _, name := range namesOf(branches, func(b reach) map[string]Type { return b.steps }) {
		t, _ := joined(branches, Type{}, func(b reach) (Type, bool) { t, ok := b.steps[name]; return t, ok })
		f.addStep(name, t)
	}
	for _, name := range namesOf(branches, func(b reach) map[string]Type { return b.vars }) {
		old, _ := varType(before, name)
		t, fits := joined(branches, old, func(b reach) (Type, bool) { t, ok := b.vars[name]; return t, ok })
		if x := c.lastSet[name]; !fits && x.value != nil {
			c.add(c.src.node(x.value), "E406", "give one of them another name", "vars.%s has another type in the other branch", name)
		}
		f.addVar(name, t)
	}
}

func namesOf(branches []reach, of func(reach) map[string]Type) []string {
	all := map[string]bool{}
	for _, b := range branches {
		for name := range of(b) {
			all[name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// joined is the type of a name behind branches, with its type before them, and
// whether the branches agree about it.
func joined(branches []reach, before Type, of func(reach) (Type, bool)) (t Type, agreed bool) {
	everywhere, agreed := true, true
	for _, b := range branches {
		u, ok := of(b)
		switch {
		case !ok:
			everywhere = false
		case t.IsZero():
			t = u
		default:
			joint, fits := Unify(t, u)
			if !fits {
				joint, agreed = Type{kind: kindBroken}, false
			}
			t = joint
		}
	}
	switch {
	case everywhere:
		return t, agreed
	case !before.IsZero():
		return before, agreed
	}
	return OptionalOf(t), agreed
}

// end checks stop and fail.
func (c *linter) end(s *Step, f *reach, inner Scope) {
	x, _ := s.written.get(string(s.Kind))
	s.Text = c.prose(x.value, inner, string(s.Kind))
	if !s.mayBeLeftOut() {
		f.ends = true
		return
	}
	if s.If != nil {
		f.scope = f.scope.Narrow(s.If, false)
	}
}

// entityTypes are the kinds of entities that evidence holds, and the incident.
func entityTypes() map[string]Type {
	kinds := map[string]Type{"incident": incidentType()}
	for _, f := range evidenceType().Fields() {
		if elem, ok := f.Type.Elem(); ok && f.Name != "other" {
			kinds[elem.Name()] = elem
		}
	}
	alerts, _ := incidentType().Field("alerts")
	if elem, ok := alerts.Elem(); ok {
		kinds["alert"] = elem
	}
	return kinds
}

// kindOfEntity answers which entity a type is.
func (c *linter) kindOfEntity(t Type) (string, bool) {
	if t.def == nil {
		return "", false
	}
	src, ok := t.def.source.(reflect.Type)
	if !ok {
		return "", false
	}
	for kind, e := range c.entities {
		if e.def.source == src {
			return kind, true
		}
	}
	return "", false
}

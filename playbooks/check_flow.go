package playbooks

import (
	"maps"
	"slices"
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

// anyOf is what is known where a step may have stopped anywhere on its ways: all
// that they bring may be absent.
func (c *linter) anyOf(before Scope, ways []reach) reach {
	half := newReach(before)
	for _, w := range ways {
		for _, name := range slices.Sorted(maps.Keys(w.steps)) {
			half.addStep(name, OptionalOf(w.steps[name]))
		}
		for _, name := range slices.Sorted(maps.Keys(w.vars)) {
			t := OptionalOf(w.vars[name])
			if old, known := varType(before, name); known {
				t = old
			}
			half.addVar(name, t)
		}
	}
	return half
}

// join goes on behind the ways through a step of which one was taken. What a way
// brought that ended the list is absent.
func (c *linter) join(f *reach, before Scope, ways []reach) {
	var on, ended []reach
	for _, w := range ways {
		if w.ends {
			ended = append(ended, w)
		} else {
			on = append(on, w)
		}
	}
	switch len(on) {
	case 0:
		f.ends = true
		c.merge(f, before, ended)
		return
	case 1:
		f.scope = on[0].scope
		maps.Copy(f.steps, on[0].steps)
		maps.Copy(f.vars, on[0].vars)
	default:
		c.merge(f, before, on)
	}
	for _, e := range ended {
		for _, name := range slices.Sorted(maps.Keys(e.steps)) {
			if _, known := f.steps[name]; !known {
				f.addStep(name, OptionalOf(e.steps[name]))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(e.vars)) {
			if _, known := varType(f.scope, name); !known {
				f.addVar(name, OptionalOf(e.vars[name]))
			}
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

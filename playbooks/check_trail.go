package playbooks

import (
	"maps"
	"regexp"
	"strings"
)

// trail follows the targets of an approval through the steps behind it. Names
// are expressions and vars, true where their value holds targets or is one, false
// where something else was put into them.
type trail struct {
	c     *linter
	names map[string]bool
	gate  *Step
	own   map[string]bool // params of a called playbook that are the run's incident
}

// touched is what the trail knows of an effect.
type touched struct {
	from        bool   // it acts upon targets
	kind        string // of what it acts upon
	ownIncident bool   // that is the incident of the run
	name        string // as messages call the step
}

// walk visits the effects of steps with what they act upon; those of a called
// playbook are visited as the step that calls it.
func (t trail) walk(steps []*Step, visit func(*Step, touched)) {
	for _, s := range steps {
		before := maps.Clone(t.names)
		t.inside(s, visit)
		if s.mayBeLeftOut() || s.OnError == "continue" || s.OnError == "steps" {
			t.perhaps(before)
		}
		other := trail{t.c, before, t.gate, t.own}
		other.walk(s.Else, visit)
		if len(s.Else) > 0 {
			t.perhaps(before)
		}
		if len(s.Rescue) > 0 {
			rescue := trail{t.c, maps.Clone(t.names), t.gate, t.own}
			rescue.walk(s.Rescue, visit)
			t.perhaps(rescue.names)
		}
		t.walk(s.Finally, visit)
	}
}

// inside visits what a step itself does.
func (t trail) inside(s *Step, visit func(*Step, touched)) {
	switch s.Kind {
	case Action:
		known := t.c.all.steps[s]
		visit(s, touched{t.data(known.entity), known.kind, t.ownIncident(known.entity), called(s)})
	case Set:
		t.set(s)
	case Block:
		t.walk(s.Steps, visit)
	case ForEach:
		inside := trail{t.c, maps.Clone(t.names), t.gate, t.own}
		delete(inside.names, s.Each.As)
		if t.list(s.Each.List) {
			inside.names[s.Each.As] = true
		}
		inside.walk(s.Steps, visit)
	case Repeat:
		first := trail{t.c, maps.Clone(t.names), t.gate, t.own}
		first.walk(s.Steps, func(*Step, touched) {})
		t.perhaps(first.names) // what one turn leaves, the next one meets
		t.walk(s.Steps, visit)
	case Parallel:
		t.walk(s.Branches, visit)
	case Call:
		t.call(s, visit)
	}
}

// call follows targets into a called playbook: by its params.
func (t trail) call(s *Step, visit func(*Step, touched)) {
	if s.Call.Book == nil || s.Call.With == nil {
		return
	}
	inside := trail{t.c, map[string]bool{}, t.gate, map[string]bool{}}
	for i, name := range s.Call.With.names {
		given := s.Call.With.fields[i]
		if len(given.expressions()) > 0 {
			inside.own["params."+name] = t.ownIncident(given)
			inside.names["params."+name] = t.data(given) || given.expr != nil && t.list(given.expr)
		}
	}
	for _, steps := range [][]*Step{s.Call.Book.Steps, s.Call.Book.OnFailure, s.Call.Book.Finally} {
		inside.walk(steps, func(inner *Step, e touched) {
			if !t.c.all.covered[inner] { // else the called playbook has asked itself
				e.name = called(inner) + " in " + s.Call.Playbook
				visit(s, e)
			}
		})
	}
}

// onOwnIncident reports whether all that a step does without asking is done to
// the incident of the run.
func (c *linter) onOwnIncident(s *Step) bool {
	only := true
	t := trail{c: c, names: map[string]bool{}, gate: &Step{}}
	t.inside(s, func(_ *Step, e touched) { only = only && e.kind == ofIncident && e.ownIncident })
	return only
}

// ownIncident reports whether an action acts on the incident of the run.
func (t trail) ownIncident(entity *Template) bool {
	if entity == nil {
		return true // there is a finding already
	}
	all := entity.expressions()
	for _, e := range all {
		src := strings.TrimSuffix(strings.TrimSpace(e.Source()), ".id")
		if src != "incident" && !t.own[src] {
			return false
		}
	}
	return len(all) == 1
}

// perhaps keeps of two ways what holds on both; what only one of them has set
// counts, unless it was set before the approval.
func (t trail) perhaps(other map[string]bool) {
	for name, holds := range other {
		if mine, known := t.names[name]; known {
			t.names[name] = mine && holds
		} else {
			t.names[name] = holds && !t.older(name)
		}
	}
	for name, holds := range t.names {
		if _, known := other[name]; !known {
			t.names[name] = holds && !t.older(name)
		}
	}
}

// older reports whether a var is set before the approval.
func (t trail) older(name string) bool {
	line, known := t.c.names[strings.TrimPrefix(name, "vars.")]
	return known && line < t.gate.Line
}

// set follows vars: one that takes targets holds them; what is read of a var
// that is set anew is no target any more.
func (t trail) set(s *Step) {
	takes := map[string]bool{}
	for _, b := range s.Set {
		takes["vars."+b.Name] = t.list(b.Expr)
	}
	for name, holds := range takes {
		word := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
		for held := range maps.Clone(t.names) {
			if word.MatchString(held) {
				t.names[held] = false
			}
		}
		t.names[name] = holds
	}
}

// list reports whether every item of a list is a target: the list is written as
// the targets are, or takes some of them.
func (t trail) list(e *Expression) bool {
	if e == nil {
		return true // there is a finding already
	}
	for src, ok := sameText(e.Source()), true; ok; src, ok = firstArgument(src) {
		if t.names[src] || pathOnly.MatchString(src) && t.holds(src) {
			return true
		}
	}
	return false
}

// data reports whether what a parameter names comes from the targets: all that
// it reads must.
func (t trail) data(d *Template) bool {
	if d == nil {
		return true // there is a finding already
	}
	reads := 0
	for _, e := range d.expressions() {
		for _, name := range e.Uses() {
			if strings.HasPrefix(name, "run.") || strings.HasPrefix(name, "params.") && !t.knows(name) {
				continue
			}
			if !t.holds(name) {
				return false
			}
			reads++
		}
	}
	return reads > 0
}

// holds reports whether a dotted name is one that holds targets, or lies in one.
func (t trail) holds(path string) bool {
	for name, held := range t.names {
		if !held {
			continue
		}
		if path == name || strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+"[") || strings.HasPrefix(path, name+"?.") {
			return true
		}
	}
	return false
}

// knows reports whether a param of a called playbook was given by the caller,
// out of more than constants.
func (t trail) knows(path string) bool {
	name, rest, _ := strings.Cut(path, ".")
	field, _, _ := strings.Cut(rest, ".")
	field, _, _ = strings.Cut(field, "[")
	_, ok := t.names[name+"."+strings.TrimSuffix(field, "?")]
	return ok
}

var (
	pathOnly = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*(\??\.[a-zA-Z_][a-zA-Z0-9_]*)*$`)
	narrower = regexp.MustCompile(`^(?:filter|take|sort|sortBy|reverse|uniq|unique_by)\(`)
)

// firstArgument answers the list that a call of a function takes which answers
// only items of that list.
func firstArgument(src string) (string, bool) {
	head := narrower.FindString(src)
	if head == "" || !strings.HasSuffix(src, ")") {
		return "", false
	}
	parts, ok := partsOf(src[len(head) : len(src)-1])
	return parts[0], ok
}

// elements are the items of a list that is written out: [user] has user.
func elements(src string) []string {
	inner, begins := strings.CutPrefix(src, "[")
	inner, ends := strings.CutSuffix(inner, "]")
	if parts, ok := partsOf(inner); begins && ends && ok {
		return parts
	}
	return nil
}

// partsOf splits at the commas that are in no brackets and no text.
func partsOf(src string) ([]string, bool) {
	parts, from, depth := []string{}, 0, 0
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 {
				return []string{""}, false
			}
		case '"', '\'', '`':
			n := textEnd(src[i:])
			if n < 0 {
				return []string{""}, false
			}
			i += n - 1
		case ',':
			if depth == 0 {
				parts = append(parts, strings.TrimSpace(src[from:i]))
				from = i + 1
			}
		}
	}
	return append(parts, strings.TrimSpace(src[from:])), true
}

// sameText is an expression without what does not matter between its words.
func sameText(src string) string { return strings.Join(strings.Fields(src), " ") }

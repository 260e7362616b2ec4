package playbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// MutantClass says what a change of a playbook does to what it may do.
type MutantClass string

// The classes of mutants.
const (
	MutantWidens MutantClass = "widens" // it acts on more
	MutantGuard  MutantClass = "guard"  // something that held it back is gone
	MutantFlip   MutantClass = "flip"   // a condition or a value is another
	MutantDrop   MutantClass = "drop"   // a step is not run
)

// Mutant is a playbook with one change that its tests should notice. Line counts
// from 1; Path is that of the step it is in, "" outside of steps.
type Mutant struct {
	Class  MutantClass
	Line   int
	Column int
	Path   string
	Change string // in words: "count > 3" → "count >= 3"
	Text   []byte // of the whole playbook
	Entity string // of a guardrail: the kind that it limits or protects, in the plural
}

// Mutants are the changes of a playbook that are worth trying, in the order of
// its text. Those that the checker would refuse are left out, as is what cannot
// make a difference.
func Mutants(file string, text []byte, w World) []Mutant {
	p, findings := Load(file, text)
	if p == nil || HasErrors(findings) {
		return nil
	}
	m := &mutator{p: p, src: p.source, owner: map[*yaml.Node]*mutated{}}
	var spots []spot
	p.watch = func(s spot) { spots = append(spots, s) }
	if HasErrors(Check(p, w)) {
		return nil
	}
	p.watch = nil
	m.owners()
	m.steps()
	m.guardrails()
	for _, s := range spots {
		m.expression(s)
	}
	slices.SortStableFunc(m.all, func(a, b Mutant) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Class, b.Class), cmp.Compare(a.Change, b.Change))
	})
	return slices.CompactFunc(m.all, func(a, b Mutant) bool { return string(a.Text) == string(b.Text) })
}

// mutated is a step whose text is changed, and the role of a value in it.
type mutated struct {
	path string
	step *Step
	key  string // if, until, targets, for_each, on: of the value itself
}

type mutator struct {
	p     *Playbook
	src   *fileText
	owner map[*yaml.Node]*mutated
	all   []Mutant
}

// add notes a change of a part of the text.
func (m *mutator) add(class MutantClass, at span, with, change string, of *mutated) {
	text := m.src.text[:at.from] + with + m.src.text[at.to:]
	if text == m.src.text {
		return
	}
	one := Mutant{Class: class, Change: change, Text: []byte(text)}
	one.Line, one.Column = m.src.position(at.from)
	if of != nil {
		one.Path = of.path
	}
	m.all = append(m.all, one)
}

// owners notes for every node which step it belongs to and what it is there.
func (m *mutator) owners() {
	var own func(n *yaml.Node, of *mutated)
	own = func(n *yaml.Node, of *mutated) {
		m.owner[n] = of
		for _, c := range n.Content {
			own(c, of)
		}
	}
	m.p.Walk(func(path string, s *Step) {
		own(s.written.node, &mutated{path: path, step: s})
		for _, key := range []string{"if", "for_each"} {
			if x, ok := s.written.get(key); ok {
				own(x.value, &mutated{path, s, key})
			}
		}
		if s.Approve != nil {
			if x, ok := s.Approve.written.get("targets"); ok {
				own(x.value, &mutated{path, s, "targets"})
			}
		}
		if s.Repeat != nil {
			if x, ok := s.Repeat.written.get("until"); ok {
				own(x.value, &mutated{path, s, "until"})
			}
		}
	})
	on, ok := m.p.written.get("on")
	if !ok {
		return
	}
	for i := 0; i+1 < len(on.value.Content); i += 2 {
		name, trigger := on.value.Content[i].Value, on.value.Content[i+1]
		for k := 0; k+1 < len(trigger.Content); k += 2 {
			if trigger.Content[k].Value == "if" {
				own(trigger.Content[k+1], &mutated{"on." + name, nil, "on"})
			}
		}
	}
}

// steps takes away conditions, approvals and whole steps. A step that is taken
// away keeps its place, with a condition that is never true.
func (m *mutator) steps() {
	m.p.Walk(func(path string, s *Step) {
		of := &mutated{path: path, step: s}
		class, what := MutantDrop, called(s)+" is not run"
		switch s.Kind {
		case Approve:
			class, what = MutantGuard, "nobody is asked"
		case Stop, Fail:
			class, what = MutantGuard, "the run does not end here"
		case Set, Wait:
			class = MutantFlip
		}
		at, ok := m.condition(s)
		if ok {
			m.add(class, at, "false", what, of)
			m.whole(s, at, of)
			return
		}
		n := s.written.node
		from := m.src.start(n)
		if n.Style&yaml.FlowStyle != 0 {
			m.add(class, span{from + 1, from + 1}, "if: false, ", what, of)
			return
		}
		m.add(class, span{from, from}, "if: false\n"+strings.Repeat(" ", n.Column-1), what, of)
	})
	m.answers()
}

// condition answers where the condition of a step is written.
func (m *mutator) condition(s *Step) (span, bool) {
	x, ok := s.written.get("if")
	if !ok || s.If == nil || m.src.scalar(x.value) == nil {
		return span{}, false
	}
	return m.content(x.value), true
}

// content is the place of a scalar's value without what quotes it.
func (m *mutator) content(n *yaml.Node) span {
	places := m.src.scalar(n)
	at := m.src.node(n)
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 && len(places) > 1 {
		return span{places[0], places[len(places)-1]}
	}
	return at
}

// whole makes a condition always true.
func (m *mutator) whole(s *Step, at span, of *mutated) {
	class, what := MutantGuard, "its condition is gone"
	if s.Kind == Approve || s.Kind == Stop || s.Kind == Fail || s.Kind == Set || s.Kind == Wait {
		class = MutantFlip // it holds back more, not less
	}
	m.add(class, at, "true", what, of)
}

// answers weakens approvals.
func (m *mutator) answers() {
	m.p.Walk(func(path string, s *Step) {
		if s.Approve == nil {
			return
		}
		of := &mutated{path: path, step: s}
		if x, ok := s.Approve.written.get("quorum"); ok && s.Approve.Quorum > 1 {
			m.add(MutantGuard, m.src.node(x.value), fmt.Sprint(s.Approve.Quorum-1), fmt.Sprintf("%d approve instead of %d", s.Approve.Quorum-1, s.Approve.Quorum), of)
		}
		if _, ok := s.Approve.written.get("on_reject"); ok {
			return
		}
		if x, ok := s.Approve.written.get("on_timeout"); ok && s.Approve.OnTimeout != "approve" {
			m.add(MutantGuard, m.src.node(x.value), "approve", "silence is consent", of)
		}
	})
}

// guardrails takes away limits and protections, one at a time.
func (m *mutator) guardrails() {
	g, ok := m.p.written.get("guardrails")
	if !ok {
		return
	}
	for i := 0; i+1 < len(g.value.Content); i += 2 {
		name, limits := g.value.Content[i].Value, g.value.Content[i+1]
		for k := 0; k+1 < len(limits.Content); k += 2 {
			key, value := limits.Content[k], limits.Content[k+1]
			if !m.acts(key.Value) {
				continue // no step acts on such a thing: nothing would change
			}
			if name == "max_targets" {
				m.add(MutantGuard, m.src.node(value), "1000000", "no limit of "+key.Value, nil)
				m.all[len(m.all)-1].Entity = key.Value
				continue
			}
			for _, entry := range value.Content {
				m.add(MutantGuard, m.src.node(entry), `"nobody@nowhere.invalid"`, entry.Value+" is not protected", nil)
				m.all[len(m.all)-1].Entity = key.Value
			}
		}
	}
}

// acts reports whether a step with effects may touch entities of a kind, given
// in the plural. What a file belongs to is touched with it.
func (m *mutator) acts(plural string) bool {
	found := false
	m.p.Walk(func(_ string, s *Step) {
		if s.Kind != Action || s.Action.Class == "reads" {
			return
		}
		_, kind, ok := s.Action.EntityParam()
		switch {
		case !ok:
			found = found || !strings.HasPrefix(s.Uses, "incidents.") || plural == "incidents"
		case kind+"s" == plural, kind+"es" == plural:
			found = true
		case kind == "file" && (plural == "sites" || plural == "labels"), kind == "message" && plural == "mailboxes":
			found = true
		}
	})
	return found
}

package playbooks

import (
	"maps"
	"regexp"
	"strings"
)

// trail follows the targets of an approval through the steps behind it.
type trail struct {
	c     *linter
	names map[string]bool // expressions whose value holds targets, or is one
}

// walk visits the actions of steps with whether what they act upon comes from
// the targets.
func (t trail) walk(steps []*Step, visit func(s *Step, from bool)) {
	for _, s := range steps {
		switch s.Kind {
		case Action:
			visit(s, t.data(t.c.known[s].entity))
		case Set:
			t.set(s)
		case Block:
			t.walk(s.Steps, visit)
			t.walk(s.Else, visit)
		case ForEach:
			inside := trail{t.c, maps.Clone(t.names)}
			delete(inside.names, s.Each.As)
			if t.list(s.Each.List) {
				inside.names[s.Each.As] = true
			}
			inside.walk(s.Steps, visit)
		case Parallel:
			t.walk(s.Branches, visit)
		}
	}
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
				delete(t.names, held)
			}
		}
		if holds {
			t.names[name] = true
		}
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
			if strings.HasPrefix(name, "params.") || strings.HasPrefix(name, "run.") {
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
	for name := range t.names {
		if path == name || strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+"[") || strings.HasPrefix(path, name+"?.") {
			return true
		}
	}
	return false
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
	rest, depth := src[len(head):len(src)-1], 0
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth < 0 {
				return "", false
			}
		case '"', '\'', '`':
			n := textEnd(rest[i:])
			if n < 0 {
				return "", false
			}
			i += n - 1
		case ',':
			if depth == 0 {
				return rest[:i], true
			}
		}
	}
	return rest, true
}

// sameText is an expression without what does not matter between its words.
func sameText(src string) string { return strings.Join(strings.Fields(src), " ") }

package review

import (
	"regexp"
	"slices"
	"strings"

	"stanch/playbooks"
)

// pair is a step of the old playbook and the one that took its place; nil where
// there is none.
type pair struct {
	a, b         *playbooks.Step
	pathA, pathB string
	moved        bool // into another list
}

// where is the path that people look at.
func (p pair) where() (string, int) {
	if p.b != nil {
		return p.pathB, p.b.Line
	}
	return p.pathA, p.a.Line
}

// aligner finds out which steps are the same.
type aligner struct {
	pairs   []pair
	gone    []pair
	arrived []pair
}

// align pairs the steps of two playbooks: by id, else by what they do, else by
// their place.
func align(a, b *playbooks.Playbook) []pair {
	x := &aligner{}
	x.lists("", a.Steps, "", b.Steps)
	x.lists("on_failure/", a.OnFailure, "on_failure/", b.OnFailure)
	x.lists("finally/", a.Finally, "finally/", b.Finally)
	x.again(func(p, q *playbooks.Step) bool { return p.ID != "" && p.ID == q.ID && alike(p, q) })
	x.again(func(p, q *playbooks.Step) bool { return fingerprint(p) == fingerprint(q) })
	x.again(func(p, q *playbooks.Step) bool { return p.Kind == playbooks.Action && alike(p, q) })
	return slices.Concat(x.pairs, x.gone, x.arrived)
}

// alike reports whether one step may be the other, changed.
func alike(p, q *playbooks.Step) bool {
	return p.Kind == q.Kind && p.Uses == q.Uses && (p.Call == nil || q.Call == nil || p.Call.Playbook == q.Call.Playbook)
}

// lists pairs the steps of two lists.
func (x *aligner) lists(prefixA string, a []*playbooks.Step, prefixB string, b []*playbooks.Step) {
	partner := make([]int, len(a))
	taken := make([]bool, len(b))
	for i := range partner {
		partner[i] = -1
	}
	match := func(same func(p, q *playbooks.Step) bool) {
		for i, p := range a {
			for j := 0; j < len(b) && partner[i] < 0; j++ {
				if !taken[j] && same(p, b[j]) {
					partner[i], taken[j] = j, true
				}
			}
		}
	}
	match(func(p, q *playbooks.Step) bool { return p.ID != "" && p.ID == q.ID && alike(p, q) })
	match(func(p, q *playbooks.Step) bool { return fingerprint(p) == fingerprint(q) })
	match(func(p, q *playbooks.Step) bool { return shared(p, q) })
	match(func(p, q *playbooks.Step) bool { return alike(p, q) && (p.ID == "" || q.ID == "") })
	match(func(p, q *playbooks.Step) bool { return alike(p, q) && p.Kind != playbooks.Action })
	for i, p := range a {
		path := prefixA + p.Name
		if partner[i] < 0 {
			x.alone(&x.gone, p, path, true)
			continue
		}
		q := b[partner[i]]
		x.pair(pair{a: p, b: q, pathA: path, pathB: prefixB + q.Name})
	}
	for j, q := range b {
		if !taken[j] {
			x.alone(&x.arrived, q, prefixB+q.Name, false)
		}
	}
}

// pair notes a pair and pairs what is in both.
func (x *aligner) pair(p pair) {
	x.pairs = append(x.pairs, p)
	for _, part := range parts(p.a, p.b) {
		x.lists(p.pathA+part.path, part.a, p.pathB+part.path, part.b)
	}
}

// part is a list within two steps.
type part struct {
	path string
	a, b []*playbooks.Step
}

func parts(a, b *playbooks.Step) []part {
	none := &playbooks.Step{}
	if a == nil {
		a = none
	}
	if b == nil {
		b = none
	}
	return []part{
		{"/", a.Steps, b.Steps},
		{"/else/", a.Else, b.Else},
		{"/", a.Branches, b.Branches},
		{"/on_error/", a.Rescue, b.Rescue},
		{"/finally/", a.Finally, b.Finally},
	}
}

// alone notes a step without partner, and all in it.
func (x *aligner) alone(to *[]pair, s *playbooks.Step, path string, old bool) {
	p := pair{b: s, pathB: path}
	if old {
		p = pair{a: s, pathA: path}
	}
	*to = append(*to, p)
	for _, part := range parts(s, nil) {
		for _, inner := range part.a {
			x.alone(to, inner, path+part.path+inner.Name, old)
		}
	}
}

// again pairs steps that went into another list.
func (x *aligner) again(same func(p, q *playbooks.Step) bool) {
	left := x.gone[:0:0]
	for _, g := range x.gone {
		at := slices.IndexFunc(x.arrived, func(n pair) bool { return same(g.a, n.b) })
		if at < 0 {
			left = append(left, g)
			continue
		}
		n := x.arrived[at]
		x.arrived = slices.Delete(x.arrived, at, at+1)
		x.pairs = append(x.pairs, pair{a: g.a, b: n.b, pathA: g.pathA, pathB: n.pathB, moved: true})
	}
	x.gone = left
}

// fingerprint is what a step does, in words that are the same for steps that do
// the same under other names.
func fingerprint(s *playbooks.Step) string {
	var b strings.Builder
	b.WriteString(string(s.Kind) + " " + s.Uses + " " + s.With.Canonical() + " " + s.Text.Canonical())
	for _, e := range s.Set {
		b.WriteString(" " + e.Name + "=" + e.Expr.Canonical())
	}
	if s.Each != nil && s.Each.List != nil {
		b.WriteString(" " + s.Each.List.Canonical())
	}
	if s.Approve != nil {
		b.WriteString(" " + s.Approve.Ask.Canonical() + s.Approve.Approvers.Canonical())
	}
	if s.Wait != nil {
		b.WriteString(" " + s.Wait.Event + s.Wait.For.Canonical() + s.Wait.Until.Canonical())
	}
	if s.Call != nil {
		b.WriteString(" " + s.Call.Playbook)
	}
	if s.Kind == playbooks.Block || s.Kind == playbooks.Parallel || s.Kind == playbooks.ForEach || s.Kind == playbooks.Repeat {
		for _, part := range parts(s, nil) {
			for _, inner := range part.a {
				b.WriteString(" (" + fingerprint(inner) + ")")
			}
		}
	}
	return b.String()
}

// shared reports whether two containers have a step in common.
func shared(p, q *playbooks.Step) bool {
	if !alike(p, q) || p.Kind == playbooks.Action {
		return false
	}
	has := map[string]bool{}
	playbooks.Walk([]*playbooks.Step{p}, func(_ string, s *playbooks.Step) {
		if s != p {
			has[fingerprint(s)] = true
		}
	})
	found := false
	playbooks.Walk([]*playbooks.Step{q}, func(_ string, s *playbooks.Step) { found = found || s != q && has[fingerprint(s)] })
	return found
}

// names finds out which steps and loops are called otherwise.
func (c *comparer) names() {
	for _, p := range c.pairs {
		if p.a == nil || p.b == nil {
			continue
		}
		if p.a.ID != "" && p.b.ID != "" && p.a.ID != p.b.ID {
			c.renamed["steps."+p.a.ID] = "steps." + p.b.ID
		}
		if p.a.Each != nil && p.b.Each != nil {
			if p.a.Each.As != p.b.Each.As {
				c.renamed[p.a.Each.As] = p.b.Each.As
			}
			if p.a.Each.Index != "" && p.b.Each.Index != "" && p.a.Each.Index != p.b.Each.Index {
				c.renamed[p.a.Each.Index] = p.b.Each.Index
			}
		}
	}
}

// word finds dotted names that begin an expression's path.
var word = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[.#]?[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?`)

// new is a canonical text of the old playbook as the new one would write it.
func (c *comparer) new(canonical string) string {
	if len(c.renamed) == 0 {
		return canonical
	}
	return word.ReplaceAllStringFunc(canonical, func(w string) string {
		if to, ok := c.renamed[w]; ok {
			return to
		}
		first, rest, dotted := strings.Cut(w, ".")
		if to, ok := c.renamed[first]; ok && dotted && first != "" {
			return to + "." + rest
		}
		return w
	})
}

func (c *comparer) newAll(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = c.new(s)
	}
	return out
}

package review

import (
	"slices"

	"stanch/playbooks"
)

// conditions are those of one place, before and after; nil is none.
type conditions struct{ a, b *playbooks.Expression }

// relation says how an answer changed.
type relation int

const (
	same    relation = iota
	looser           // yes in at least all cases in which it was yes
	tighter          // yes in at most those
	other            // nobody can tell
)

// condition compares what must hold. Towards is +1 where a yes leads to
// effects, -1 where it keeps from them or asks people, 0 where it does neither.
func (c *comparer) condition(where string, line int, k conditions, towards int, what string) {
	r := c.relate(k)
	if r == same {
		return
	}
	a, b := "always", "always"
	if k.a != nil {
		a = oneLine(k.a.Source())
	}
	if k.b != nil {
		b = oneLine(k.b.Source())
	}
	severity := Widens
	switch {
	case towards == 0:
		severity = Neutral
	case r == other:
	case (r == tighter) == (towards > 0):
		severity = Narrows
	}
	how := map[relation]string{looser: " is looser", tighter: " is tighter", other: " is another"}[r]
	c.add(severity, where, line, "%s%s: %s is now %s", what, how, a, b)
}

func (c *comparer) relate(k conditions) relation {
	switch {
	case k.a == nil && k.b == nil:
		return same
	case k.a == nil:
		return tighter
	case k.b == nil:
		return looser
	}
	a, b := c.new(k.a.Canonical()), k.b.Canonical()
	if a == b {
		return same
	}
	before, after := c.newAll(k.a.Clauses("and")), k.b.Clauses("and")
	gone, more := missing(before, after), missing(after, before)
	return relateClauses(gone, more)
}

// relateClauses compares what `and` joins: tests that are gone with those that
// are new, of which some took the place of others.
func relateClauses(gone, more []string) relation {
	all := same
	with := func(r relation) {
		switch {
		case all == same:
			all = r
		case r != same && r != all:
			all = other
		}
	}
	for _, g := range gone {
		at := slices.IndexFunc(more, func(m string) bool { return relateClause(g, m) != other })
		if at < 0 {
			with(looser)
			continue
		}
		with(relateClause(g, more[at]))
		more = slices.Delete(slices.Clone(more), at, at+1)
	}
	for range more {
		with(tighter)
	}
	return all
}

// relateClause compares two tests of which one took the place of the other.
func relateClause(a, b string) relation {
	if r := relateOr(a, b); r != other {
		return r
	}
	if x, ok := playbooks.BoundOf(a); ok {
		if y, ok := playbooks.BoundOf(b); ok {
			return relateBounds(x, y)
		}
	}
	x, ok := playbooks.MembersOf(a)
	y, both := playbooks.MembersOf(b)
	if !ok || !both || x.What != y.What || x.Not != y.Not {
		return other
	}
	gone, more := missing(x.Of, y.Of), missing(y.Of, x.Of)
	switch {
	case len(gone) == 0 && len(more) == 0:
		return same
	case len(gone) == 0:
		return turned(looser, x.Not)
	case len(more) == 0:
		return turned(tighter, x.Not)
	}
	return other
}

func turned(r relation, not bool) relation {
	if not {
		return looser + tighter - r
	}
	return r
}

// relateOr compares tests joined by `or`.
func relateOr(a, b string) relation {
	before, after := playbooks.ClausesOf(a, "or"), playbooks.ClausesOf(b, "or")
	gone, more := missing(before, after), missing(after, before)
	switch {
	case len(gone) == 0 && len(more) == 0:
		return same
	case len(gone) == 0:
		return looser
	case len(more) == 0:
		return tighter
	}
	return other
}

func relateBounds(x, y playbooks.Bound) relation {
	above := slices.Contains([]string{">", ">="}, x.Op)
	if x.What != y.What || above != slices.Contains([]string{">", ">="}, y.Op) {
		return other
	}
	strictX, strictY := len(x.Op) == 1, len(y.Op) == 1
	switch {
	case x.Than == y.Than && strictX == strictY:
		return same
	case x.Than == y.Than:
		if strictY {
			return tighter
		}
		return looser
	case (y.Than > x.Than) == above:
		return tighter
	}
	return looser
}

// relateLists compares lists of targets: whether one takes only items of the
// other.
func (c *comparer) relateLists(a, b *playbooks.Expression) relation {
	if a == nil || b == nil {
		if a == b {
			return same
		}
		return other
	}
	x, y := c.new(a.Canonical()), b.Canonical()
	switch {
	case x == y:
		return same
	case takes(y, x):
		return tighter
	case takes(x, y):
		return looser
	}
	return relateFilters(x, y)
}

// relateFilters compares two filters of one list.
func relateFilters(x, y string) relation {
	from, before, ok := playbooks.FilterOf(x)
	to, after, both := playbooks.FilterOf(y)
	if !ok || !both || from != to {
		return other
	}
	return relateClauses(missing(before, after), missing(after, before))
}

// takes reports whether a list takes only items of another.
func takes(list, from string) bool {
	for range 8 {
		inner, ok := playbooks.TakenFrom(list)
		if !ok {
			return false
		}
		if inner == from {
			return true
		}
		list = inner
	}
	return false
}

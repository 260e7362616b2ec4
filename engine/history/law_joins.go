package history

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

func ns(n int64) time.Duration { return time.Duration(n).Round(time.Microsecond) }

// joins decides law 4: a join comes once, after all children have ended.
func (k *ledger) joins() {
	for _, s := range k.sorted() {
		for _, l := range s.leases {
			if l.Children != nil {
				k.joined(s, l)
			}
		}
		for _, o := range s.settles {
			if o.fate == done && o.then("open") {
				k.opened(s, o)
			}
		}
	}
}

// joined looks for the open of a join.
func (k *ledger) joined(s *strand, l *lease) {
	var before []*act
	for _, a := range s.settles {
		if a.place.Seq == l.Seq-1 && a.from < l.to {
			before = append(before, a)
		}
	}
	if len(before) == 0 || slices.ContainsFunc(before, func(a *act) bool { return a.then("open") }) {
		return
	}
	k.broken(4, l.Place, []shows{before[0], l}, "a join came that nothing was opened for at position %d", l.Seq-1)
}

// opened judges what came of an open.
func (k *ledger) opened(s *strand, o *act) {
	var first *lease // that a settle handed over
	for _, l := range s.leases {
		if l.Seq != o.place.Seq+1 {
			continue
		}
		if l.Children == nil {
			k.broken(4, l.Place, []shows{o, l}, "the strand goes on, and the join of %s has not come", o.ask.Then.Path)
			continue
		}
		k.complete(o, l)
		switch {
		case !l.over:
		case first == nil:
			first = l
		case first.by != l.by:
			k.broken(4, l.Place, []shows{first, l}, "the join of %s came twice", o.ask.Then.Path)
		}
	}
}

// complete judges the children that came with a join.
func (k *ledger) complete(o *act, l *lease) {
	then := o.ask.Then
	listed := map[int]bool{}
	failed := false
	for _, c := range l.children {
		failed = failed || c.outcome == "failed"
		if c.index >= then.Count || listed[c.index] {
			k.broken(4, l.Place, []shows{o, l}, "the join of %s has the child %d, of %d once each", then.Path, c.index, then.Count)
		}
		listed[c.index] = true
		k.childEnded(o, l, c)
	}
	excused := then.Failfast && failed || k.mayBeMarked(o.place.Run, 0, l.to)
	for i := range then.Count {
		if listed[i] {
			continue
		}
		was := k.strands[Place{Run: o.place.Run, Strand: childPath(then.Path, i)}]
		switch {
		case was != nil && len(was.leases) > 0 && was.leases[0].to < l.from:
			k.broken(4, l.Place, []shows{o, was.leases[0], l}, "the join of %s leaves out the child %d, which was under way", then.Path, i)
		case !excused:
			k.broken(4, l.Place, []shows{o, l}, "the join of %s came without the child %d: %d of %d", then.Path, i, len(listed), then.Count)
			return // one names them all
		}
	}
}

// childEnded looks for the end of a child before its join.
func (k *ledger) childEnded(o *act, l *lease, c child) {
	path := childPath(o.ask.Then.Path, c.index)
	var ends []*act
	if s := k.strands[Place{Run: o.place.Run, Strand: path}]; s != nil {
		for _, a := range s.settles {
			if a.then("end") && a.from < l.to {
				ends = append(ends, a)
			}
		}
	}
	if len(ends) == 0 {
		k.broken(4, l.Place, []shows{o, l}, "the join of %s came before the child %d had ended", o.ask.Then.Path, c.index)
		return
	}
	if !slices.ContainsFunc(ends, func(a *act) bool { return a.ask.Then.Outcome == c.outcome }) {
		k.broken(4, l.Place, []shows{ends[0], l}, "the child %s ended as %s; the join says %s", path, ends[0].ask.Then.Outcome, c.outcome)
	}
}

func childPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// windows decides that no more children live at once than were asked for.
func (k *ledger) windows() {
	for _, s := range k.sorted() {
		for _, o := range s.settles {
			if o.fate == done && o.then("open") && o.ask.Then.Window < o.ask.Then.Count {
				k.window(o)
			}
		}
	}
}

func (k *ledger) window(o *act) {
	then := o.ask.Then
	type step struct {
		line, more int
		by         *lease
	}
	var steps []step
	for i := range then.Count {
		s := k.strands[Place{Run: o.place.Run, Strand: childPath(then.Path, i)}]
		if s == nil || len(s.leases) == 0 {
			continue
		}
		lives := slices.MinFunc(s.leases, func(a, b *lease) int { return cmp.Compare(a.to, b.to) })
		steps = append(steps, step{lives.to, 1, lives})
		for _, a := range s.settles {
			if a.then("end") {
				steps = append(steps, step{a.from, -1, nil})
				break
			}
		}
	}
	// A child may end as soon as that was asked for, and only then the next begins.
	slices.SortFunc(steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.more, b.more)) })
	live := 0
	for _, s := range steps {
		if live += s.more; live > then.Window {
			k.broken(0, s.by.Place, []shows{o, s.by}, "%d children of %s live at once, at most %d may", live, then.Path, then.Window)
			return
		}
	}
}

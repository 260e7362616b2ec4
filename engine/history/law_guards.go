package history

import (
	"maps"
	"math"
	"slices"
)

// certainlyFrozen reports whether a freeze stood from one line to another,
// whatever became of what is not certain.
func (k *ledger) certainlyFrozen(from, to int) bool {
	return k.frozenBy(from, to) != nil
}

// frozenBy answers the freeze that stood from one line to another, or nil.
func (k *ledger) frozenBy(from, to int) *act {
	for _, f := range slices.Backward(k.freezes()) {
		if f.ask.Mark != "freeze" || !f.before(from) {
			continue
		}
		lifted := slices.ContainsFunc(k.freezes(), func(t *act) bool {
			return t.ask.Mark == "thaw" && !t.before(f.from) && t.from < to
		})
		if !lifted {
			return f
		}
	}
	return nil
}

// freezes answers what changed the freeze, or may have.
func (k *ledger) freezes() []*act {
	if k.frost == nil {
		k.frost = []*act{}
		for _, a := range k.acts {
			if a.ev == "freeze" && a.ask.Mark != "" && a.fate != not {
				k.frost = append(k.frost, a)
			}
		}
	}
	return k.frost
}

// freeze decides law 9 for the freeze: no intent is recorded under one, and
// whoever asks is told of it.
func (k *ledger) freeze() {
	for _, a := range k.acts {
		if a.fate != done {
			continue
		}
		told := a.ev == "claim" || a.ev == "renew" || a.ev == "freeze" && a.ask.Mark == ""
		if !told && !(a.ev == "settle" && k.intent(a)) {
			continue
		}
		by := k.frozenBy(a.from, a.to)
		switch {
		case by == nil:
		case !told:
			k.broken(9, a.place, []shows{by, a}, "an intent was recorded in a freeze")
		case a.ev == "claim" && a.store <= by.store: // it tells how it was before
		case !a.answer.Frozen:
			k.broken(9, Place{}, []shows{by, a}, "%s does not tell of the freeze", a.ev)
		}
	}
}

// intent reports whether a settle recorded an intent: by its mark, or by what
// its audit says.
func (k *ledger) intent(a *act) bool {
	return a.ask.Intent || slices.ContainsFunc(a.ask.Said, func(s Said) bool { return s.Kind == "effect.intent" })
}

// reservation is a target that was certainly reserved under a cap.
type reservation struct {
	Take
	target string
	by     *act
	limit  int    // the widest under which the effect may have got it
	backs  []*act // of its effect
	until  int64  // by the store's time, at the earliest; MaxInt64: it does not end
}

// caps decides law 9 for caps: at no time are more targets reserved than the cap
// allows whoever came last.
func (k *ledger) caps() {
	type holder struct{ cap, effect string }
	granted, backs := map[string][]*reservation{}, map[holder][]*act{}
	for _, a := range k.acts {
		if a.fate == not {
			continue
		}
		for _, t := range a.ask.Take {
			if t.Back {
				backs[holder{t.Name, t.Effect}] = append(backs[holder{t.Name, t.Effect}], a)
			} else if a.fate == done {
				granted[t.Name] = k.reserve(granted[t.Name], a, t)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(granted)) {
		for _, r := range granted[name] {
			r.backs = backs[holder{name, r.Effect}]
		}
		k.capped(name, granted[name])
	}
}

func (k *ledger) reserve(all []*reservation, a *act, t Take) []*reservation {
	until := int64(math.MaxInt64)
	if t.Window > 0 {
		until = k.low[a.from] + t.Window
		if k.low[a.from] == 0 {
			until = 0
		}
	}
	for _, target := range t.Targets {
		r := &reservation{Take: t, target: target, by: a, limit: t.Limit, until: until}
		for _, o := range all {
			if o.Effect == t.Effect && o.target == target {
				r.limit = max(r.limit, o.limit) // it may only have been granted again
			}
		}
		all = append(all, r)
	}
	return all
}

// capped looks at a cap whenever something was granted.
func (k *ledger) capped(name string, all []*reservation) {
	for i, now := range all {
		if i > 0 && all[i-1].by == now.by {
			continue
		}
		line := now.by.to
		var live []*reservation
		targets := map[string]bool{}
		latest := -1 // the last that began after everything before it was done
		for _, r := range all {
			if r.by.to <= line && (r.until == math.MaxInt64 || k.high[line] < r.until) && !r.mayBeBack(line) {
				live = append(live, r)
				targets[r.target] = true
				latest = max(latest, r.by.from)
			}
		}
		limit := 0
		for _, r := range live {
			if r.by.to >= latest { // it may have been the last
				limit = max(limit, r.limit)
			}
		}
		if len(live) > 0 && len(targets) > limit {
			k.broken(9, now.by.place, []shows{now.by}, "%d targets are reserved under the cap %s of %d", len(targets), name, limit)
			return
		}
	}
}

// mayBeBack reports whether a reservation may have been given back by a line.
func (r *reservation) mayBeBack(line int) bool {
	return slices.ContainsFunc(r.backs, func(b *act) bool { return !b.before(r.by.from) && b.from <= line })
}

// cancels decides law 10 for marks: after one nothing begins but what acts under
// it.
func (k *ledger) cancels() {
	for _, s := range k.sorted() {
		for _, a := range s.settles {
			if a.fate != done || !k.intent(a) {
				continue
			}
			if by := k.markedBefore(s.Run, a.from, a.ask.Mark); by != nil {
				k.broken(10, a.place, []shows{by, a}, "an intent was recorded after the run got the mark %s", by.ask.Mark)
			}
		}
		for _, o := range s.settles {
			if o.fate == done && o.then("open") {
				k.bornCancelled(o)
			}
		}
	}
}

// bornCancelled looks for children that were opened under a mark.
func (k *ledger) bornCancelled(o *act) {
	by := k.markedBefore(o.place.Run, o.from, o.ask.Mark)
	for i := range o.ask.Then.Count {
		s := k.strands[Place{Run: o.place.Run, Strand: childPath(o.ask.Then.Path, i)}]
		if s == nil || len(s.leases) == 0 {
			continue
		}
		l, mark := s.leases[0], by
		if mark == nil && l.over && l.Seq == 0 { // it began by this very act
			mark = k.markedBefore(o.place.Run, l.from, o.ask.Mark)
		}
		if mark != nil {
			k.broken(10, s.Place, []shows{mark, o, l}, "a child began after the run got the mark %s", mark.ask.Mark)
			return
		}
	}
}

// markedBefore answers the act by which a run certainly had a mark before a
// line, other than the one that it acts under, or nil.
func (k *ledger) markedBefore(run string, line int, under string) *act {
	for _, m := range k.marks[run] {
		if m.before(line) && m.ask.Mark != under {
			return m
		}
	}
	return nil
}

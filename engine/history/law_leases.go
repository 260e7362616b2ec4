package history

import (
	"math"
	"slices"
)

// positions decides laws 2 and 3 for what was settled: a position is settled
// once, and what was settled is not handed out again.
func (k *ledger) positions() {
	for _, s := range k.sorted() {
		top := map[int64]*act{} // by position: who settled it
		for _, a := range s.settles {
			if a.fate != done {
				continue
			}
			was := top[a.place.Seq]
			switch {
			case was == nil:
				top[a.place.Seq] = a
			case was.place.Token != a.place.Token:
				k.broken(3, a.place, []shows{was, a}, "two holders settled position %d", a.place.Seq)
			default:
				k.broken(2, a.place, []shows{was, a}, "position %d was settled twice", a.place.Seq)
			}
		}
		for _, l := range s.leases {
			for _, a := range s.settles {
				if a.place.Seq >= l.Seq && a.before(l.from) {
					k.broken(2, l.Place, []shows{a, l}, "position %d is given out although position %d was settled", l.Seq, a.place.Seq)
					break
				}
			}
		}
	}
}

// leases decides law 3 for who may settle and renew: only whoever was given the
// strand last.
func (k *ledger) leases() {
	for _, s := range k.sorted() {
		lost := map[*lease]*lease{} // by whom, at the earliest
		for _, l := range s.leases {
			for _, o := range s.leases {
				if o.Token != l.Token && l.to < o.from && (lost[l] == nil || o.to < lost[l].to) {
					lost[l] = o
				}
			}
		}
		for _, a := range s.settles {
			if a.fate == done {
				k.settledBy(s, a, lost)
			}
		}
		for _, l := range s.leases {
			k.reached(s, l)
			if lost[l] != nil {
				k.renewedLost(l, lost[l])
			}
		}
		k.early(s)
	}
}

// settledBy judges the token of a settle that was done.
func (k *ledger) settledBy(s *strand, a *act, lost map[*lease]*lease) {
	l := k.tokens[a.place.Token]
	switch {
	case l == nil:
		k.broken(3, a.place, []shows{a}, "it was settled under a token that nobody was given")
		return
	case l.Run != s.Run || l.Strand != s.Strand:
		k.broken(3, a.place, []shows{l, a}, "it was settled under the token of strand %q of %s", l.Strand, l.Run)
		return
	case l.Seq > a.place.Seq:
		k.broken(3, a.place, []shows{l, a}, "position %d was settled under a lease of position %d", a.place.Seq, l.Seq)
	}
	if by := lost[l]; by != nil && by.to < a.from {
		k.broken(3, a.place, []shows{l, by, a}, "it was settled under a lease that was lost to another holder")
	}
	next := l.Seq
	for _, o := range s.settles {
		if o.place.Token == a.place.Token && o.place.Seq == next {
			next++
		}
	}
	if next < a.place.Seq {
		k.broken(0, a.place, []shows{l, a}, "position %d was settled by a holder that did not settle position %d", a.place.Seq, next)
	}
}

// reached looks for the settle before a position that was given out.
func (k *ledger) reached(s *strand, l *lease) {
	known := int64(math.MaxInt64) // from where on the history knows the strand
	for _, o := range s.leases {
		if o.to < l.from {
			known = min(known, o.Seq)
		}
	}
	if l.Seq <= known {
		return
	}
	if !slices.ContainsFunc(s.settles, func(a *act) bool { return a.place.Seq == l.Seq-1 && a.from < l.to }) {
		k.broken(0, l.Place, []shows{l}, "position %d is given out, and nobody settled position %d", l.Seq, l.Seq-1)
	}
}

func (k *ledger) renewedLost(l, by *lease) {
	for _, r := range k.renews[l.Token] {
		if r.fate == done && by.to < r.from && !slices.Contains(r.answer.Lost, l.Token) {
			k.broken(3, l.Place, []shows{l, by, r}, "a lease was renewed that was lost to another holder")
		}
	}
}

// early looks for strands that were taken from a holder who lives, before the
// lease was over.
func (k *ledger) early(s *strand) {
	for i := 1; i < len(s.leases); i++ {
		l, by := s.leases[i-1], s.leases[i]
		if by.Token == l.Token || l.to >= by.from || by.store == 0 || k.mayLet(s, l, by.to) || !k.lived(l.life, by.to) {
			continue
		}
		if end, ok := k.endsAfter(l, by); ok && by.store+k.slack < end {
			k.broken(3, by.Place, []shows{l, by}, "it was given to another %s before the lease of its holder was over", ns(end-by.store))
		}
	}
}

// mayLet reports whether a holder may have let go before a line.
func (k *ledger) mayLet(s *strand, l *lease, to int) bool {
	return slices.ContainsFunc(s.settles, func(a *act) bool { return a.place.Token == l.Token && a.from < to && a.lets() })
}

// lived reports whether a process lived and used the store after a line.
func (k *ledger) lived(life string, line int) bool {
	closed, is := k.closes[life]
	return k.alive[life] > line && (!is || closed > line)
}

// endsAfter answers when a lease was over at the earliest, by the store's time,
// seen from another that was given out later. ok is false where nobody can tell.
func (k *ledger) endsAfter(l, by *lease) (end int64, ok bool) {
	if l.last == 0 || l.store == 0 || l.by.calls > 1 {
		return 0, false
	}
	sure, end := l.to, k.earliest(l.by)+l.last
	for _, r := range k.renews[l.Token] {
		if r.before(by.from) && r.from > sure && !slices.Contains(r.answer.Lost, l.Token) {
			sure, end = r.to, k.earliest(r)+r.ask.Last
		}
	}
	for _, r := range k.renews[l.Token] {
		if r.from >= by.to || r.before(sure) {
			continue
		}
		if r.fate == maybe {
			return 0, false
		}
		end = min(end, k.earliest(r)+r.ask.Last)
	}
	return end, true
}

// earliest answers when an act was done at the earliest, by the store's time. The
// time that was answered may be of the last of its parts: a claim and a renew ask
// several partitions, of which one may be slow.
func (k *ledger) earliest(a *act) int64 {
	return max(k.low[a.from], a.store-max(0, k.lines[a.to].At-a.at))
}

// takeovers decides law 12: what a lost worker held is given to another soon
// after its lease is over.
func (k *ledger) takeovers() {
	for _, s := range k.sorted() {
		for i := 1; i < len(s.leases); i++ {
			l, by := s.leases[i-1], s.leases[i]
			if l.to >= by.from || by.store == 0 || k.mayLet(s, l, by.to) || k.maybeClaimed(l.from, by.to) {
				continue
			}
			end, ok := k.latest(s, l)
			if !ok {
				continue
			}
			if c := k.roomy(k.laneOf(s.Place), end+k.late, by.store, by.from); c != nil {
				k.broken(12, by.Place, []shows{l, c, by}, "a lost lease was over for %s before the strand was given to another, and there were claims with room", ns(by.store-end))
			}
		}
	}
}

// latest answers when a lease was over at the latest. ok is false where nobody
// can tell.
func (k *ledger) latest(s *strand, l *lease) (end int64, ok bool) {
	if l.last == 0 || l.store == 0 || l.by.calls > 1 {
		return 0, false
	}
	end = l.store + l.last
	for _, r := range k.renews[l.Token] {
		if r.fate == maybe {
			return 0, false
		}
		end = max(end, r.store+r.ask.Last)
	}
	for _, a := range s.settles {
		if a.place.Token == l.Token { // a store may let a settle renew
			if a.fate == maybe {
				return 0, false
			}
			end = max(end, a.store+l.last)
		}
	}
	return end, true
}

// maybeClaimed reports whether a claim between two lines may have given out what
// nobody has heard of.
func (k *ledger) maybeClaimed(from, to int) bool {
	return slices.ContainsFunc(k.unheard, func(a *act) bool { return a.from < to && a.to > from })
}

// laneOf answers the lane of a strand, which is that of its run, or -1 where
// nobody can tell.
func (k *ledger) laneOf(p Place) int {
	for _, p := range []Place{p, {Run: p.Run}} {
		if s := k.strands[p]; s != nil && len(s.leases) > 0 {
			return s.leases[0].Lane
		}
	}
	if b := k.born[p.Run]; b.known {
		return b.Lane
	}
	return -1
}

// hasRoom reports whether a claim that got less than it asked for would have got
// more of a lane, or, with -1, of any lane.
func (a *act) hasRoom(lane int) bool {
	left := slices.Clone(a.ask.Room)
	for _, g := range a.answer.Grants {
		if g.Lane < len(left) {
			left[g.Lane]--
		}
	}
	if lane < 0 {
		return len(left) == 0 || slices.Min(left) > 0
	}
	return lane >= len(left) || left[lane] > 0
}

// roomy answers a claim between two of the store's times and before a line that
// would have given out more of a lane, had the store had more, or nil.
func (k *ledger) roomy(lane int, after, until int64, before int) *act {
	if after >= until {
		return nil
	}
	for _, a := range k.claims {
		if a.from >= before {
			break
		}
		if a.to < before && a.store > after && a.store < until && a.hasRoom(lane) {
			return a
		}
	}
	return nil
}

package history

import "math"

// timers decides law 7: nothing that waits for a time goes on before it, or long
// after it while there are claims with room.
func (k *ledger) timers() {
	for _, s := range k.sorted() {
		for _, a := range s.settles {
			if a.fate != done || !a.then("wait") || a.answer.Holds || a.store == 0 {
				continue
			}
			for _, l := range s.leases {
				if l.Seq == a.place.Seq+1 && l.store != 0 {
					k.waited(s, a, l)
				}
			}
		}
		if b := k.born[s.Run]; s.Strand == "" && b.known && b.After > 0 && b.by.store != 0 && b.by.ev == "begin" && len(s.leases) > 0 {
			l := s.leases[0]
			if due := b.by.store + b.After; l.store != 0 && l.store+k.slack < due {
				k.broken(7, s.Place, []shows{b.by, l}, "the run began %s before its time", ns(due-l.store))
			}
		}
	}
}

// waited judges how a wait ended.
func (k *ledger) waited(s *strand, a *act, l *lease) {
	then := a.ask.Then
	due := int64(math.MaxInt64)
	if !then.Ever {
		due = a.store + then.For
	}
	switch {
	case l.store+k.slack < due && !k.mayBeWoken(s, a, l):
		if then.Ever {
			k.broken(7, s.Place, []shows{a, l}, "it waited for a signal, and went on without one")
			return
		}
		k.broken(7, s.Place, []shows{a, l}, "it went on %s before its time", ns(due-l.store))
	case !then.Ever && l == s.next(a) && !k.maybeClaimed(a.from, l.to):
		if c := k.roomy(l.Lane, due+k.late, l.store, l.from); c != nil && c.from > a.to {
			k.broken(7, s.Place, []shows{a, c, l}, "its time was over for %s before it went on, and there were claims with room", ns(l.store-due))
		}
	}
}

// next answers the first lease after a settle.
func (s *strand) next(a *act) *lease {
	for _, l := range s.leases {
		if l.Seq == a.place.Seq+1 {
			return l
		}
	}
	return nil
}

// mayBeWoken reports whether a signal, a mark or a thaw may have ended a wait
// before a lease.
func (k *ledger) mayBeWoken(s *strand, a *act, l *lease) bool {
	for _, w := range s.words {
		if !w.before(a.from) && w.from < l.to {
			return true
		}
	}
	if a.ask.Then.Thaw && !k.certainlyFrozen(a.from, l.to) {
		return true
	}
	return k.mayBeMarked(s.Run, a.from, l.to)
}

package history

import (
	"slices"
	"strings"

	"stanch/engine"
)

// ends decides what the last state of the store shows: law 10, that every run
// has ended, goes on or waits for something with a name; laws 7 and 12, that
// nothing is overdue; and that what was acknowledged is there.
func (k *ledger) ends() {
	live := map[string]bool{} // concurrency keys of runs that have begun and not ended
	sure := true
	for _, r := range k.final {
		b := k.born[r.ID]
		if r.Status == "running" {
			live[b.Key] = true
			sure = sure && b.known
		}
	}
	for i := range k.final {
		r := &k.final[i]
		k.endOf(r)
		if r.Status == "queued" {
			b := k.born[r.ID]
			if sure && b.known && b.Key != "" && !live[b.Key] {
				k.broken(10, Place{Run: r.ID}, []shows{b.by}, "it is queued for a key that no run holds")
			}
		}
	}
}

// endOf judges one run at the end.
func (k *ledger) endOf(r *engine.RunRecord) {
	root := k.strands[Place{Run: r.ID}]
	var end *act
	if root != nil {
		for _, a := range root.settles {
			if a.fate == done && a.then("end") {
				end = a
			}
		}
	}
	switch r.Status {
	case "succeeded", "failed", "rejected", "cancelled":
		if end != nil && end.ask.Then.Outcome != r.Status {
			k.broken(2, Place{Run: r.ID}, []shows{end}, "it ended as %s; at the end it is %s", end.ask.Then.Outcome, r.Status)
		}
		for _, st := range r.Strands {
			if st.State != "ended" {
				k.broken(10, Place{Run: r.ID, Strand: st.Path}, nil, "the run has ended as %s, and the strand is %s", r.Status, st.State)
			}
		}
		return
	case "running", "queued":
	default:
		k.broken(10, Place{Run: r.ID}, nil, "its status is %q", r.Status)
		return
	}
	if end != nil {
		k.broken(2, Place{Run: r.ID}, []shows{end}, "it ended as %s; at the end it is %s", end.ask.Then.Outcome, r.Status)
		return
	}
	goes := false
	for i := range r.Strands {
		st := &r.Strands[i]
		goes = goes || st.State != "ended"
		k.endOfStrand(r, st)
	}
	if !goes {
		k.broken(10, Place{Run: r.ID}, nil, "it has not ended, and all %d strands of it have", len(r.Strands))
	}
	k.forgotten(r)
}

// endOfStrand judges a strand of a live run.
func (k *ledger) endOfStrand(r *engine.RunRecord, st *engine.StrandRecord) {
	p := Place{Run: r.ID, Strand: st.Path}
	over, c := int64(0), (*act)(nil)
	if !st.Due.IsZero() {
		over = st.Due.UnixNano()
		c = k.roomy(k.laneOf(p), over+k.late, never, never)
	}
	switch st.State {
	case "ended":
	case "due":
		k.leftLying(p)
		if c != nil {
			k.broken(10, p, []shows{c}, "it is due since %s, and nobody got it", ns(c.store-over))
		}
	case "leased":
		k.leftLying(p)
		if c != nil {
			k.broken(12, p, []shows{c}, "its lease is over since %s, and nobody else got it", ns(c.store-over))
		}
	case "waiting":
		if c != nil {
			k.broken(7, p, []shows{c}, "its time is over since %s, and it waits", ns(c.store-over))
		}
		if st.Due.IsZero() && st.On == "" {
			k.broken(10, p, nil, "it waits for nothing that has a name")
		}
	case "joining":
		k.stillJoining(r, st)
	default:
		k.broken(10, p, nil, "its state is %q", st.State)
	}
}

// leftLying looks for a lost lease after which nobody was given the strand.
func (k *ledger) leftLying(p Place) {
	s := k.strands[p]
	if s == nil || len(s.leases) == 0 {
		return
	}
	l := s.leases[len(s.leases)-1]
	if k.mayLet(s, l, never) || k.maybeClaimed(l.from, never) {
		return
	}
	if end, ok := k.latest(s, l); ok {
		if c := k.roomy(k.laneOf(p), end+k.late, never, never); c != nil {
			k.broken(12, p, []shows{l, c}, "a lost lease is over for %s, and nobody was given the strand", ns(c.store-end))
		}
	}
}

// stillJoining looks for what a join still waits for.
func (k *ledger) stillJoining(r *engine.RunRecord, st *engine.StrandRecord) {
	p := Place{Run: r.ID, Strand: st.Path}
	var by []shows
	path := ""
	if s := k.strands[p]; s != nil {
		for _, a := range s.settles {
			if a.fate == done && a.then("open") {
				path, by = a.ask.Then.Path, []shows{a}
			}
		}
	}
	waits := slices.ContainsFunc(r.Strands, func(o engine.StrandRecord) bool {
		return o.State != "ended" && o.Path != st.Path && (path == "" || strings.HasPrefix(o.Path, path+"["))
	})
	if !waits {
		k.broken(4, p, by, "all children have ended, and the join has not come")
	}
}

// forgotten looks for facts that were acknowledged and are not there.
func (k *ledger) forgotten(r *engine.RunRecord) {
	kept := map[string]int64{}
	for _, st := range r.Strands {
		kept[st.Path] = st.Seen
	}
	for _, s := range k.strandsOf(r.ID) {
		for law, acts := range map[int][]*act{2: s.settles, 8: s.words} {
			for _, a := range acts {
				if a.fate != done {
					continue
				}
				if seen, there := kept[s.Strand]; !there || seen < a.answer.Seen {
					k.broken(law, s.Place, []shows{a}, "fact %d was acknowledged, and at the end there are %d", a.answer.Seen, seen)
					break
				}
			}
		}
	}
}

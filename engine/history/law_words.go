package history

import (
	"cmp"
	"maps"
	"slices"

	"stanch/engine"
)

// facts decides law 8 for signals, and that facts add up: each fact of a strand
// has a number of its own, and a signal that saw the strand at a fact is the
// next one.
func (k *ledger) facts() {
	type piece struct {
		first, last int64
		by          *act
	}
	for _, s := range k.sorted() {
		var pieces []piece
		seen := map[int64]*act{} // who was accepted at a fact, having seen it as the last
		for _, w := range s.words {
			if w.fate != done || w.answer.Seen == 0 {
				continue
			}
			pieces = append(pieces, piece{w.answer.Seen, w.answer.Seen, w})
			if w.ask.Words == nil || w.ask.Words.Seen == engine.AnyVersion || w.ask.Mark != "" {
				continue
			}
			if was := seen[w.ask.Words.Seen]; was != nil {
				k.broken(8, s.Place, []shows{was, w}, "two signals were accepted that both saw %d facts", w.ask.Words.Seen)
			}
			seen[w.ask.Words.Seen] = w
			if w.answer.Seen != w.ask.Words.Seen+1 {
				k.broken(8, s.Place, []shows{w}, "a signal that saw %d facts became fact %d", w.ask.Words.Seen, w.answer.Seen)
			}
		}
		for _, a := range s.settles {
			if n := a.ask.Words; a.fate == done && n != nil && n.Facts > 0 {
				pieces = append(pieces, piece{a.answer.Seen - int64(n.Facts) + 1, a.answer.Seen, a})
			}
		}
		slices.SortStableFunc(pieces, func(a, b piece) int { return cmp.Compare(a.first, b.first) })
		for i := 1; i < len(pieces); i++ {
			a, b := pieces[i-1], pieces[i]
			if b.first > a.last || a.by.ev == "settle" && b.by.ev == "settle" && a.by.place.Seq == b.by.place.Seq {
				continue // or it is told as law 2 or 3
			}
			law := 0
			if a.by.ev == "signal" || b.by.ev == "signal" {
				law = 8
			}
			k.broken(law, s.Place, []shows{a.by, b.by}, "fact %d was written twice", b.first)
		}
	}
}

// decisions decides law 8 by the audit: each person counts once, nobody decides
// on a run of their own, and what is decided is what was asked.
func (k *ledger) decisions() {
	type vote struct{ question, hash, by string }
	asked := map[string]map[string]bool{} // by question: hashes
	votes := map[vote]*act{}
	for _, a := range k.acts {
		for _, s := range a.ask.Said {
			if s.Kind == "approval.asked" && a.fate != not {
				if asked[s.Question] == nil {
					asked[s.Question] = map[string]bool{}
				}
				asked[s.Question][s.Hash] = true
			}
		}
	}
	for _, a := range k.acts {
		if a.fate != done || a.ev != "signal" {
			continue
		}
		for _, s := range a.ask.Said {
			if s.Kind != "approval.decision" {
				continue
			}
			v := vote{s.Question, s.Hash, s.By}
			if was := votes[v]; was != nil && s.By != "" {
				k.broken(8, a.place, []shows{was, a}, "one person decided the approval %s twice", s.Question)
			}
			votes[v] = a
			if hashes := asked[s.Question]; hashes != nil && !hashes[s.Hash] {
				k.broken(8, a.place, []shows{a}, "the approval %s was decided by another hash than was asked", s.Question)
			}
			if b := k.born[a.place.Run]; b.known && s.By != "" && slices.ContainsFunc(b.by.ask.Said, func(o Said) bool { return o.Kind == "run.begin" && o.By == s.By }) {
				k.broken(8, a.place, []shows{b.by, a}, "who started the run decided the approval %s", s.Question)
			}
		}
	}
}

// documents decides that versions and named leases add up: what changed since it
// was seen is not written over, and no two hold a name under one token.
func (k *ledger) documents() {
	type version struct {
		key string
		n   int64
	}
	puts, holds, mortal := map[version]*act{}, map[version]*act{}, map[string]bool{}
	for _, a := range k.acts {
		if d := a.ask.Document; d != nil && (a.ev == "delete" || a.ev == "put" && a.ask.Last != 0) {
			mortal[d.Key] = true // its versions may begin anew
		}
	}
	for _, a := range k.acts {
		d := a.ask.Document
		if d == nil || a.fate != done {
			continue
		}
		switch {
		case a.ev == "put" && d.Version >= 0 && !mortal[d.Key]:
			if was := puts[version{d.Key, d.Version}]; was != nil {
				k.broken(0, Place{}, []shows{was, a}, "version %d of the document %s was written over twice", d.Version, d.Key)
			}
			puts[version{d.Key, d.Version}] = a
		case a.ev == "hold" && a.answer.Count > 0:
			if was := holds[version{d.Key, a.answer.Count}]; was != nil && was.ask.Document.Holder != d.Holder {
				k.broken(7, Place{}, []shows{was, a}, "two hold the name %s under the token %d", d.Key, a.answer.Count)
			}
			holds[version{d.Key, a.answer.Count}] = a
		}
	}
}

// keys decides that at most one run per concurrency key is under way.
func (k *ledger) keys() {
	holders := map[string][]string{}
	for _, run := range slices.Sorted(maps.Keys(k.born)) {
		if b := k.born[run]; b.known && b.Key != "" {
			holders[b.Key] = append(holders[b.Key], run)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(holders)) {
		for _, run := range holders[key] {
			for _, other := range holders[key] {
				if run != other && k.both(run, other) {
					break
				}
			}
		}
	}
}

// both tells of a run that was given out while another of its key was under way.
func (k *ledger) both(run, other string) bool {
	a, b := k.strands[Place{Run: run}], k.strands[Place{Run: other}]
	if a == nil || b == nil || len(a.leases) == 0 {
		return false
	}
	for _, l := range b.leases {
		if l.from <= a.leases[0].to {
			continue
		}
		if !slices.ContainsFunc(a.settles, func(o *act) bool { return o.then("end") && o.from < l.to }) {
			k.broken(0, l.Place, []shows{a.leases[0], l}, "the run %s has the same concurrency key and has not ended", run)
			return true
		}
	}
	return false
}

package history

import (
	"cmp"
	"maps"
	"slices"
)

// word is what an act said of an effect.
type word struct {
	Said
	by *act
}

func (w word) shown() []int { return w.by.shown() }

// effect is all that a history says of one.
type effect struct {
	id      string
	class   string
	intents []word // that were or may have been recorded
	results []word
	solved  []word // by people
	seen    []Witness
}

func (e *effect) place() Place { return e.first().place }

func (e *effect) first() *act {
	for _, all := range [][]word{e.intents, e.results, e.solved} {
		if len(all) > 0 {
			return all[0].by
		}
	}
	return &act{}
}

// told gathers what is known of effects, in the order of their ids.
func (k *ledger) told() []*effect {
	all := map[string]*effect{}
	of := func(id string) *effect {
		if all[id] == nil {
			all[id] = &effect{id: id}
		}
		return all[id]
	}
	for _, a := range k.acts {
		if a.fate == not {
			continue
		}
		for _, s := range a.ask.Said {
			if s.Effect == "" {
				continue
			}
			e, w := of(s.Effect), word{s, a}
			e.class = cmp.Or(e.class, s.Class)
			switch {
			case s.Kind == "effect.intent" && a.ask.Intent:
				e.intents = append(e.intents, w)
			case s.Kind == "effect.result":
				e.results = append(e.results, w)
			case s.Kind == "effect.resolve":
				e.solved = append(e.solved, w)
			}
		}
	}
	for _, w := range k.witness {
		e := of(w.RequestID)
		e.seen = append(e.seen, w)
	}
	var sorted []*effect
	for _, id := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, all[id])
	}
	return sorted
}

// effects decides laws 2, 5 and 6 as far as intents and results tell.
func (k *ledger) effects() {
	for _, e := range k.told() {
		for _, r := range e.results {
			if r.by.fate == done && r.Status == "done" && !slices.ContainsFunc(e.intents, func(i word) bool { return i.by.from < r.by.to }) {
				k.broken(5, e.place(), []shows{r}, "the effect %s is done, and no intent was recorded before", e.id)
			}
			for _, i := range e.intents {
				if i.by.fate == done && r.by.before(i.by.from) {
					k.again(e, r, i)
				}
			}
		}
	}
}

// again judges an intent after a result.
func (k *ledger) again(e *effect, result, intent word) {
	switch result.Status {
	case "done", "already_so":
		k.broken(2, e.place(), []shows{result, intent}, "the effect %s is %s and was begun again", e.id, result.Status)
	case "unknown":
		if !slices.ContainsFunc(e.solved, func(w word) bool { return w.by.from < intent.by.to }) {
			k.broken(6, e.place(), []shows{result, intent}, "the effect %s is unknown and was begun again, and nobody has said what became of it", e.id)
		}
	}
}

// sent decides laws 2, 5 and 6 by what the world saw.
func (k *ledger) sent() {
	if k.witness == nil {
		return
	}
	for _, e := range k.told() {
		if len(e.seen) > 1 && e.class == "destroys" {
			k.broken(6, e.place(), words2shows(e.intents), "the world saw the effect %s, which destroys, %d times", e.id, len(e.seen))
		}
		for _, w := range e.seen {
			k.sentOnce(e, w)
		}
	}
}

func words2shows(words []word) []shows {
	var all []shows
	for _, w := range words {
		all = append(all, w)
	}
	return all
}

// sentOnce judges one change that the world saw.
func (k *ledger) sentOnce(e *effect, w Witness) {
	when := w.At.UnixNano() + k.slack
	if len(e.intents) == 0 {
		k.broken(5, e.place(), nil, "the world saw %s of %s by %s, and no intent was recorded", w.Operation, w.Target, cmp.Or(e.id, "nobody"))
		return
	}
	before := func(i word) bool {
		if i.by.fate == done {
			return k.lines[i.by.to].At <= when
		}
		return i.by.at <= when
	}
	if !slices.ContainsFunc(e.intents, before) {
		k.broken(5, e.place(), words2shows(e.intents), "the world saw %s of %s by %s before its intent was recorded", w.Operation, w.Target, e.id)
	}
	for _, r := range e.results {
		switch {
		case r.by.fate != done:
		case (r.Status == "done" || r.Status == "already_so") && k.lines[r.by.to].At+k.slack < w.At.UnixNano():
			k.broken(2, e.place(), []shows{r}, "the world saw %s of %s by %s after its result was recorded", w.Operation, w.Target, e.id)
		case e.class == "destroys" && (r.Status == "not_done" || r.Status == "refused"):
			k.broken(6, e.place(), []shows{r}, "the effect %s, which destroys, is recorded as %s, and the world saw it", e.id, r.Status)
		}
	}
}

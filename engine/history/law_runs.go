package history

import (
	"maps"
	"slices"
)

// runs decides law 1: a run that was begun is there, and there is one per dedupe
// key.
func (k *ledger) runs() {
	begun := map[string]*act{}   // by run: what was answered that it is
	byKey := map[string]*named{} // by dedupe key
	fresh := map[string][]*act{} // by run: who was told that it is new
	for _, a := range k.acts {
		if a.fate != done || a.ev != "begin" && a.ev != "settle" {
			continue
		}
		runs := a.answer.Begun
		if a.ev == "begin" {
			runs = []string{a.run}
			if a.answer.New {
				fresh[a.run] = append(fresh[a.run], a)
			}
			for _, line := range a.repeats {
				if again := k.lines[line].Run; again != a.run {
					k.broken(1, Place{Run: a.run}, []shows{a, at(line)}, "one request to begin was answered with the runs %s and %s", a.run, again)
				}
			}
		}
		for i, run := range runs {
			if run == "" || i >= len(a.ask.Begin) {
				continue
			}
			if begun[run] == nil {
				begun[run] = a
			}
			k.oneRun(byKey, a, a.ask.Begin[i].Dedupe, run)
		}
	}
	for _, run := range slices.Sorted(maps.Keys(fresh)) {
		if by := fresh[run]; len(by) > 1 {
			k.broken(1, Place{Run: run}, []shows{by[0], by[1]}, "two requests were told that the run is new")
		}
	}
	k.kept(begun)
}

// at is a line that shows something by itself.
type at int

func (l at) shown() []int { return []int{int(l)} }

// named is the run that a dedupe key began.
type named struct {
	run string
	by  *act
}

func (k *ledger) oneRun(byKey map[string]*named, a *act, key, run string) {
	switch was := byKey[key]; {
	case key == "":
	case was == nil:
		byKey[key] = &named{run, a}
	case was.run != run:
		k.broken(1, Place{Run: run}, []shows{was.by, a}, "the dedupe key %s began the run %s too", key, was.run)
	}
}

// kept looks for runs that were begun, at the end and whenever somebody asked.
func (k *ledger) kept(begun map[string]*act) {
	if k.final != nil {
		there := map[string]bool{}
		for _, r := range k.final {
			there[r.ID] = true
		}
		for _, run := range slices.Sorted(maps.Keys(begun)) {
			if !there[run] {
				k.broken(1, Place{Run: run}, []shows{begun[run]}, "the run was begun and is not there at the end")
			}
		}
	}
	ended := map[string]bool{}
	for _, s := range k.strands {
		ended[s.Run] = ended[s.Run] || s.Strand == "" && slices.ContainsFunc(s.settles, func(a *act) bool { return a.then("end") })
	}
	for i, l := range k.lines {
		// Runs that have ended may have been moved to the archive.
		if l.Ev != "run" || l.End != Fail {
			continue
		}
		asked := k.ended[i]
		if asked == nil || ended[asked.place.Run] {
			continue
		}
		if by := begun[asked.place.Run]; by != nil && by.before(asked.from) {
			k.broken(1, asked.place, []shows{by, asked, at(i)}, "the run was begun and is not found")
		}
	}
}

// editions decides law 11: a run has one edition.
func (k *ledger) editions() {
	type seen struct {
		edition string
		by      shows
	}
	first := map[string]seen{}
	look := func(run, edition string, by shows) {
		switch was, ok := first[run]; {
		case run == "" || edition == "":
		case !ok:
			first[run] = seen{edition, by}
		case was.edition != edition:
			k.broken(11, Place{Run: run}, []shows{was.by, by}, "the run goes by the edition %s and by %s", was.edition, edition)
		}
	}
	for _, run := range slices.Sorted(maps.Keys(k.born)) {
		if b := k.born[run]; b.known {
			look(run, b.Edition, b.by)
		}
	}
	for _, s := range k.sorted() {
		for _, l := range s.leases {
			look(s.Run, l.Edition, l)
		}
	}
	for i, l := range k.lines {
		if l.Ev == "run" && l.End == OK && l.Answer != nil {
			if a := k.ended[i]; a != nil {
				look(a.place.Run, l.Answer.Edition, at(i))
			}
		}
	}
	for _, r := range k.final {
		if was, ok := first[r.ID]; ok && r.Edition != "" && was.edition != short(r.Edition) {
			k.broken(11, Place{Run: r.ID}, []shows{was.by}, "the run goes by the edition %s, at the end by %s", was.edition, short(r.Edition))
		}
	}
}

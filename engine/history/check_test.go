package history

import (
	"testing"
	"time"

	"stanch/engine"
)

// planted are histories that break a law.
type planted struct {
	law   int
	name  string
	found string // part of the message
	write func() *book
}

func TestPlantedViolationsAreFound(t *testing.T) {
	perLaw := map[int]int{}
	for _, some := range [][]planted{plantedRuns(), plantedLeases(), plantedJoins(), plantedEffects(), plantedTimers(), plantedWords(), plantedGuards(), plantedEnds()} {
		for _, p := range some {
			perLaw[p.law]++
			t.Run(p.name, func(t *testing.T) { finds(t, p.write(), p.law, p.found) })
		}
	}
	for law := range 13 {
		if perLaw[law] < 2 {
			t.Errorf("law %d has %d planted violations, it must be two at least", law, perLaw[law])
		}
	}
}

func plantedRuns() []planted {
	return []planted{
		{1, "a begun run is not there at the end", "not there at the end", func() *book {
			b := &book{final: []engine.RunRecord{}}
			b.play(beginning("r", "d"))
			return b
		}},
		{1, "a run that a settle began is not there at the end", "not there at the end", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).with(func(a *Ask, o *Answer) { a.Begin, o.Begun = []Begin{{Playbook: "q"}}, []string{"lost"} }))
			b.final = []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "leased"})}
			return b
		}},
		{1, "one dedupe key begins two runs", "dedupe key", func() *book {
			b := &book{}
			b.play(beginning("r", "d"), beginning("s", "d"))
			return b
		}},
		{1, "a settle begins the run of a dedupe key again", "dedupe key", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).with(func(a *Ask, o *Answer) { a.Begin, o.Begun = []Begin{{Playbook: "p", Dedupe: "d"}}, []string{"s"} }))
			return b
		}},
		{1, "a repeated request begins another run", "one request", func() *book {
			b := &book{}
			b.play(beginning("r", ""), beginning("s", "").as("begin r"))
			return b
		}},
		{1, "two requests are told that the run is new", "two requests", func() *book {
			b := &book{}
			b.play(beginning("r", ""), beginning("r", "").as("another"))
			return b
		}},
		{1, "a begun run is not found", "not found", func() *book {
			b := begun()
			p := calling("run", "").ends(Fail)
			p.ask.Run = "r"
			b.play(p)
			return b
		}},
		{11, "a strand goes by another edition than its run began with", "edition", func() *book {
			b := &book{}
			g := to("r 0 t")
			g.Edition = "f"
			b.play(beginning("r", "d"), claiming(g))
			return b
		}},
		{11, "the edition at the end is another", "at the end", func() *book {
			b := begun()
			r := record("r", "running", engine.StrandRecord{State: "leased"})
			r.Edition = "another"
			b.final = []engine.RunRecord{r}
			return b
		}},
	}
}

func plantedLeases() []planted {
	return []planted{
		{2, "a settled position is given out again", "given out although", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil), settling("r 1 t", &Then{Kind: "yield"}), claiming(to("r 1 u")))
			return b
		}},
		{2, "an ended strand is given out again", "given out although", func() *book {
			b := begun()
			b.play(settling("r 0 t", ended("succeeded")), claiming(to("r 0 u")))
			return b
		}},
		{2, "one holder settles a position twice", "settled twice", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil), settling("r 0 t", nil).as("another"))
			return b
		}},
		{2, "an acknowledged settle is gone at the end", "was acknowledged", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).wrote(2, 2))
			b.final = []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "leased", Seen: 1})}
			return b
		}},
		{2, "the run is live at the end although it has ended", "at the end it is running", func() *book {
			b := begun()
			b.play(settling("r 0 t", ended("succeeded")))
			b.final = []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "due"})}
			return b
		}},
		{3, "two holders settle one position", "two holders", func() *book {
			b := begun()
			b.pass(2 * time.Minute)
			b.play(claiming(to("r 0 u")).by("b"), settling("r 0 u", nil).by("b"), settling("r 0 t", nil))
			return b
		}},
		{3, "two holders settle one position at once", "two holders", func() *book {
			b := begun()
			b.pass(2 * time.Minute)
			b.play(claiming(to("r 0 u")).by("b"))
			b.overlap(settling("r 0 t", nil), settling("r 0 u", nil).by("b"))
			return b
		}},
		{3, "a lost lease settles", "lost to another", func() *book {
			b := begun()
			b.pass(2 * time.Minute)
			b.play(claiming(to("r 0 u")).by("b"), settling("r 0 t", nil))
			return b
		}},
		{3, "a token that nobody has settles", "nobody was given", func() *book {
			b := begun()
			b.play(settling("r 0 x", nil))
			return b
		}},
		{3, "the token of another strand settles", "the token of strand", func() *book {
			b := begun()
			b.play(beginning("s", ""), claiming(to("s 0 u")), settling("s 0 t", nil))
			return b
		}},
		{3, "a strand is taken from a holder who lives", "before the lease", func() *book {
			b := begun()
			b.pass(50 * time.Second)
			b.play(claiming(to("r 0 u")).by("b"), renewing("r 0 x"))
			return b
		}},
		{3, "a lost lease is renewed", "renewed that was lost", func() *book {
			b := begun()
			b.pass(2 * time.Minute)
			b.play(claiming(to("r 0 u")).by("b"), renewing("r 0 t"))
			return b
		}},
		{12, "a lost worker's strand is left lying", "lost lease", func() *book {
			b := begun()
			b.pass(3 * time.Minute)
			b.play(claiming().by("b"))
			b.pass(time.Minute)
			b.play(claiming(to("r 0 u")).by("b"))
			return b
		}},
		{12, "a renewed lease is left lying after its end", "lost lease", func() *book {
			b := begun()
			b.pass(30 * time.Second)
			b.play(renewing("r 0 t"))
			b.pass(4 * time.Minute)
			b.play(claiming().by("b"), claiming(to("r 0 u")).by("b"))
			return b
		}},
		{12, "nobody takes over until the end", "its lease is over", func() *book {
			b := begun()
			due := b.time() + int64(time.Minute)
			b.pass(3 * time.Minute)
			b.play(claiming().by("b"))
			b.final = []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "leased", Due: time.Unix(0, due)})}
			return b
		}},
		{0, "a position is left out", "did not settle position 1", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil), settling("r 2 t", nil))
			return b
		}},
		{0, "a position is given out that nobody reached", "nobody settled position 1", func() *book {
			b := begun()
			b.play(settling("r 0 t", &Then{Kind: "yield"}), claiming(to("r 2 u")))
			return b
		}},
	}
}

// two is a book with two open children, of which the first is held under c0 and
// the second, in a window of two, under c1.
func two(window int) *book {
	b := begun()
	b.play(settling("r 0 t", opening(2, window)), claiming(to("r c[0] 0 c0")))
	if window > 1 {
		b.play(claiming(to("r c[1] 0 c1")))
	}
	return b
}

func plantedJoins() []planted {
	return []planted{
		{4, "a join comes twice", "twice", func() *book {
			b := two(2)
			b.play(settling("r c[0] 0 c0", ended("succeeded")).gives(joinedTo("r 1 u", "succeeded*2")))
			b.play(settling("r c[1] 0 c1", ended("succeeded")).gives(joinedTo("r 1 v", "succeeded*2")))
			return b
		}},
		{4, "a join comes before a child has ended", "before the child 1", func() *book {
			b := two(2)
			b.play(settling("r c[0] 0 c0", ended("succeeded")).gives(joinedTo("r 1 u", "succeeded*2")))
			return b
		}},
		{4, "a child is left out that never began", "without the child 1", func() *book {
			b := two(1)
			b.play(settling("r c[0] 0 c0", ended("succeeded")).gives(joinedTo("r 1 u", "succeeded")))
			return b
		}},
		{4, "a child is left out that was under way", "which was under way", func() *book {
			b := two(2)
			b.play(settling("r c[1] 0 c1", ended("failed")), settling("r c[0] 0 c0", ended("succeeded")).gives(joinedTo("r 1 u", "succeeded")))
			return b
		}},
		{4, "the join says another outcome", "the join says", func() *book {
			b := two(2)
			b.play(settling("r c[1] 0 c1", ended("failed")), settling("r c[0] 0 c0", ended("succeeded")).gives(joinedTo("r 1 u", "succeeded*2")))
			return b
		}},
		{4, "the strand goes on without its join", "has not come", func() *book {
			b := two(2)
			b.play(claiming(to("r 1 u")))
			return b
		}},
		{4, "an empty list does not join", "has not come", func() *book {
			b := begun()
			b.play(settling("r 0 t", opening(0, 0)), claiming(to("r 1 u")))
			return b
		}},
		{4, "a join comes of nothing", "nothing was opened", func() *book {
			b := begun()
			b.play(settling("r 0 t", &Then{Kind: "yield"}), claiming(joinedTo("r 1 u", "")))
			return b
		}},
		{4, "all have ended and nobody joins", "the join has not come", func() *book {
			b := two(2)
			b.play(settling("r c[0] 0 c0", ended("succeeded")), settling("r c[1] 0 c1", ended("succeeded")))
			ended := &engine.Ended{Outcome: "succeeded"}
			b.final = []engine.RunRecord{record(
				"r", "running", engine.StrandRecord{State: "joining"},
				engine.StrandRecord{Path: "c[0]", State: "ended", Ended: ended}, engine.StrandRecord{Path: "c[1]", State: "ended", Ended: ended},
			)}
			return b
		}},
		{0, "more children live than the window holds", "live at once", func() *book {
			b := two(1)
			b.play(claiming(to("r c[1] 0 c1")))
			return b
		}},
	}
}

func plantedEffects() []planted {
	return []planted{
		{2, "an effect is sent after its result", "after its result", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).intent("e", "writes"), settling("r 1 t", nil).result("e", "done"))
			b.saw("e")
			return b
		}},
		{2, "an effect that is done is begun again", "begun again", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).intent("e", "writes"), settling("r 1 t", nil).result("e", "done"), settling("r 2 t", nil).intent("e", "writes"))
			return b
		}},
		{5, "an effect without an intent", "no intent was recorded", func() *book {
			b := begun()
			b.saw("e")
			return b
		}},
		{5, "an effect whose intent was refused", "no intent was recorded", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).intent("e", "writes").with(func(_ *Ask, o *Answer) { o.Refused = "frozen" }))
			b.saw("e")
			return b
		}},
		{5, "an effect before its intent", "before its intent", func() *book {
			b := begun()
			b.saw("e")
			b.play(settling("r 0 t", nil).intent("e", "writes"))
			return b
		}},
		{5, "a result without an intent", "no intent was recorded before", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).result("e", "done"))
			return b
		}},
		{6, "a second destroys", "2 times", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).intent("e", "destroys"))
			b.saw("e")
			b.saw("e")
			return b
		}},
		{6, "an unknown effect is begun again", "nobody has said", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).intent("e", "destroys"), settling("r 1 t", nil).result("e", "unknown"), settling("r 2 t", nil).intent("e", "destroys"))
			return b
		}},
		{6, "what happened is recorded as not done", "recorded as not_done", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).intent("e", "destroys"))
			b.saw("e")
			b.play(settling("r 1 t", nil).result("e", "not_done"))
			return b
		}},
	}
}

// replaced is a run whose wait ends at once after another took its key.
func replaced(wide bool) *book {
	with := func(a *Ask, _ *Answer) { a.Begin[0].Key, a.Begin[0].Wide, a.Begin[0].Replace = "k", wide, true }
	b := &book{}
	b.play(beginning("r", "").with(with), claiming(to("r 0 t")), beginning("s", "").with(with).as("another"))
	b.play(settling("r 0 t", waiting(time.Hour)), claiming(to("r 1 u")))
	return b
}

func plantedTimers() []planted {
	return []planted{
		{7, "a wait ends before its time", "before its time", func() *book {
			b := begun()
			b.play(settling("r 0 t", waiting(time.Hour)))
			b.pass(59 * time.Minute)
			b.play(claiming(to("r 1 u")))
			return b
		}},
		{7, "a wait for a signal ends without one", "without one", func() *book {
			b := begun()
			b.play(signalling("r", 0, 1))
			b.play(settling("r 0 t", &Then{Kind: "wait", Ever: true}).wrote(1, 2), claiming(to("r 1 u")))
			return b
		}},
		{7, "a run was replaced long before it waited, and goes on too soon", "before its time", func() *book {
			return replaced(false)
		}},
		{7, "a wait for the thaw ends in the freeze", "before its time", func() *book {
			b := begun()
			then := waiting(time.Hour)
			then.Thaw = true
			b.play(freezing("freeze", "f"), settling("r 0 t", then), claiming(to("r 1 u")).with(func(_ *Ask, o *Answer) { o.Frozen = true }))
			return b
		}},
		{7, "a run begins before its time", "before its time", func() *book {
			b := &book{}
			b.play(beginning("r", "").with(func(a *Ask, _ *Answer) { a.Begin[0].After = int64(time.Hour) }), claiming(to("r 0 t")))
			return b
		}},
		{7, "a timer is late although workers ask for work", "its time was over", func() *book {
			b := begun()
			b.play(settling("r 0 t", waiting(time.Minute)))
			b.pass(10 * time.Minute)
			b.play(claiming(), claiming(to("r 1 u")))
			return b
		}},
		{7, "a timer is overdue at the end", "its time is over", func() *book {
			b := begun()
			b.play(settling("r 0 t", waiting(time.Minute)))
			b.pass(10 * time.Minute)
			b.play(claiming())
			b.final = []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "waiting", On: "time", Due: time.Unix(0, start+int64(time.Minute))})}
			return b
		}},
		{7, "two hold one name under one token", "under the token", func() *book {
			b := &book{}
			hold := func(holder string) pair {
				return calling("hold", "").with(func(a *Ask, o *Answer) { a.Document, o.Count = &Document{Key: "feeder", Holder: holder}, 7 })
			}
			b.play(hold("a"), hold("b"))
			return b
		}},
	}
}

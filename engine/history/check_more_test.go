package history

import (
	"testing"
	"time"

	"stanch/engine"
)

func decision(by, hash string) Said {
	return Said{Kind: "approval.decision", Question: "q", Hash: hash, By: by, Status: "approve"}
}

func plantedWords() []planted {
	return []planted{
		{8, "two signals see the same position", "both saw", func() *book {
			b := begun()
			b.play(signalling("r", 0, 1), signalling("r", 0, 2).as("another"))
			return b
		}},
		{8, "two signals at once see the same position", "both saw", func() *book {
			b := begun()
			b.overlap(signalling("r", 3, 4), signalling("r", 3, 5).as("another"))
			return b
		}},
		{8, "a decision did not see what came before", "became fact 3", func() *book {
			b := begun()
			b.play(signalling("r", 1, 3))
			return b
		}},
		{8, "a decision is written over by a settle", "written twice", func() *book {
			b := begun()
			b.play(signalling("r", engine.AnyVersion, 1), settling("r 0 t", nil).wrote(1, 1))
			return b
		}},
		{8, "one person decides twice", "one person", func() *book {
			b := begun()
			b.play(signalling("r", 0, 1).said(decision("ann", "h")), signalling("r", 1, 2).as("another").said(decision("ann", "h")))
			return b
		}},
		{8, "another question is decided than was asked", "another hash", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).wrote(1, 1).said(Said{Kind: "approval.asked", Question: "q", Hash: "h"}))
			b.play(signalling("r", 1, 2).said(decision("ann", "g")))
			return b
		}},
		{8, "who started the run decides", "who started", func() *book {
			b := &book{}
			b.play(beginning("r", "").said(Said{Kind: "run.begin", By: "ann"}), signalling("r", 0, 1).said(decision("ann", "h")))
			return b
		}},
		{8, "an acknowledged decision is gone at the end", "was acknowledged", func() *book {
			b := begun()
			b.play(signalling("r", 0, 1))
			b.final = []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "leased"})}
			return b
		}},
		{0, "two holders' facts have one number", "written twice", func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).wrote(2, 2), settling("r 1 t", nil).wrote(1, 2))
			return b
		}},
		{0, "a document is written over that had changed", "written over twice", func() *book {
			b := &book{}
			put := calling("put", "").with(func(a *Ask, o *Answer) { a.Document, o.Count = &Document{Key: "k", Version: 4}, 5 })
			b.play(put, put)
			return b
		}},
	}
}

func plantedGuards() []planted {
	window := func(d time.Duration) func(*Ask, *Answer) {
		return func(a *Ask, _ *Answer) { a.Take[0].Window = int64(d) }
	}
	return []planted{
		{9, "a cap is exceeded", "2 targets", func() *book {
			b := &book{}
			b.play(taking("e", 1, "x"), taking("f", 1, "y"))
			return b
		}},
		{9, "a cap is exceeded by two at once", "2 targets", func() *book {
			b := &book{}
			b.overlap(taking("e", 1, "x"), taking("f", 1, "y"))
			return b
		}},
		{9, "a cap is exceeded by an intent", "2 targets", func() *book {
			b := begun()
			b.play(taking("e", 1, "x"), settling("r 0 t", nil).intent("f", "writes").with(func(a *Ask, _ *Answer) {
				a.Take = []Take{{Name: "c", Limit: 1, Effect: "f", Targets: []string{"y"}}}
			}))
			return b
		}},
		{9, "a cap is exceeded within its window", "3 targets", func() *book {
			b := &book{}
			b.play(claiming(), taking("e", 2, "x").with(window(time.Hour)))
			b.pass(50 * time.Minute)
			b.play(taking("f", 2, "y").with(window(time.Hour)), taking("g", 2, "z").with(window(time.Hour)), claiming(to("r 0 t")))
			return b
		}},
		{9, "an intent in a freeze", "in a freeze", func() *book {
			b := begun()
			b.play(freezing("freeze", "f"), settling("r 0 t", nil).intent("e", "writes"))
			return b
		}},
		{9, "an intent in a freeze that began after a thaw", "in a freeze", func() *book {
			b := begun()
			b.play(freezing("freeze", "f"), freezing("thaw", "g"), freezing("freeze", "h"), settling("r 0 t", nil).intent("e", "writes"), freezing("thaw", "i"))
			return b
		}},
		{9, "a claim does not tell of the freeze", "does not tell", func() *book {
			b := begun()
			b.play(freezing("freeze", "f"), claiming())
			return b
		}},
	}
}

func plantedEnds() []planted {
	at := func(b *book, strands ...engine.StrandRecord) *book {
		b.final = []engine.RunRecord{record("r", "running", strands...)}
		return b
	}
	return []planted{
		{10, "a run waits for nothing", "has a name", func() *book {
			return at(begun(), engine.StrandRecord{State: "waiting"})
		}},
		{10, "a live run has no live strand", "has not ended", func() *book {
			return at(begun(), engine.StrandRecord{State: "ended"})
		}},
		{10, "a due strand is left lying", "it is due", func() *book {
			b := begun()
			b.pass(5 * time.Minute)
			b.play(claiming())
			return at(b, engine.StrandRecord{State: "due", Due: time.Unix(0, start)})
		}},
		{10, "a run is queued for a key that is free", "that no run holds", func() *book {
			b := &book{}
			b.play(beginning("r", "").with(func(a *Ask, _ *Answer) { a.Begin[0].Key = "k" }))
			b.final = []engine.RunRecord{record("r", "queued", engine.StrandRecord{State: "waiting", On: "its concurrency key"})}
			return b
		}},
		{10, "an intent after the cancel", "after the run got", func() *book {
			b := begun()
			b.play(cancelling("r"), settling("r 0 t", nil).intent("e", "writes"))
			return b
		}},
		{10, "children after the cancel", "a child began", func() *book {
			b := begun()
			b.play(cancelling("r"), settling("r 0 t", opening(2, 2)), claiming(to("r c[0] 0 c0")))
			return b
		}},
		{10, "the next child after the cancel", "a child began", func() *book {
			b := two(1)
			b.play(cancelling("r"), settling("r c[0] 0 c0", ended("cancelled")).gives(to("r c[1] 0 c1")))
			return b
		}},
		{0, "two runs of one key are under way", "same concurrency key", func() *book {
			b := &book{}
			key := func(a *Ask, _ *Answer) { a.Begin[0].Key = "k" }
			b.play(beginning("r", "").with(key), beginning("s", "").with(key), claiming(to("r 0 t")), claiming(to("s 0 u")))
			return b
		}},
	}
}

// What is not certain is read in favour of the law.
func TestGoodHistoriesAreClean(t *testing.T) {
	for name, write := range goodHistories() {
		t.Run(name, func(t *testing.T) { clean(t, write()) })
	}
}

func goodHistories() map[string]func() *book {
	return map[string]func() *book{
		"a lost worker is taken over and comes back": func() *book {
			b := begun()
			b.pass(2 * time.Minute)
			b.play(claiming(to("r 0 u")).by("b"), settling("r 0 t", nil).ends(Fail), renewing("r 0 t").with(func(_ *Ask, o *Answer) { o.Lost = []string{"t"} }))
			b.play(settling("r 0 u", ended("succeeded")).by("b"))
			b.final = []engine.RunRecord{record("r", "succeeded", engine.StrandRecord{State: "ended"})}
			return b
		},
		"a settle whose answer is lost is repeated": func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).wrote(1, 1).ends(Info), settling("r 0 t", nil).wrote(1, 1), settling("r 0 t", nil).wrote(1, 1), settling("r 1 t", nil).wrote(1, 2))
			return b
		},
		"a settle is lost for ever and the successor does it again": func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).ends(none))
			b.pass(2 * time.Minute)
			b.play(claiming(to("r 0 u")).by("b"), settling("r 0 u", nil).by("b"))
			return b
		},
		"a settle that nobody heard of was done": func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).ends(none))
			b.pass(2 * time.Minute)
			b.play(claiming(to("r 1 u")).by("b"), settling("r 1 u", nil).by("b"))
			return b
		},
		"a settle races with the takeover": func() *book {
			b := begun()
			b.pass(2 * time.Minute)
			b.overlap(settling("r 0 t", nil), claiming(to("r 1 u")).by("b"))
			return b
		},
		"a worker of a closed store loses its leases at once": func() *book {
			b := begun()
			b.play(calling("close", ""), claiming(to("r 0 u")).by("b"))
			return b
		},
		"a killed worker loses its leases when the store is opened anew": func() *book {
			b := begun()
			b.play(claiming(to("r 0 u")).by("b"), settling("r 0 u", nil).by("b"))
			return b
		},
		"a claim that nobody heard of leased what is claimed late": func() *book {
			b := begun()
			b.pass(2 * time.Minute)
			b.play(claiming().by("b").ends(none))
			b.pass(2 * time.Minute)
			b.play(claiming().by("c"), claiming(to("r 0 u")).by("c"))
			return b
		},
		"a claim that did not hear all of the store leaves a lost strand lying": func() *book {
			b := begun()
			b.pass(3 * time.Minute)
			b.play(claiming().by("b").with(func(_ *Ask, o *Answer) { o.Partly = true }))
			b.pass(time.Minute)
			b.play(claiming(to("r 0 u")).by("b"))
			return b
		},
		"a begin is repeated, and others come too late": func() *book {
			b := &book{final: []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "due"})}}
			late := beginning("r", "d").as("another").with(func(_ *Ask, o *Answer) { o.New = false })
			b.play(beginning("r", "d").ends(Info), beginning("r", "d"), beginning("r", "d"), late, beginning("s", "e").ends(Info))
			return b
		},
		"joins": func() *book {
			b := two(1)
			b.play(settling("r c[0] 0 c0", ended("succeeded")).gives(to("r c[1] 0 c1")))
			b.play(settling("r c[1] 0 c1", ended("failed")).ends(Info), settling("r c[1] 0 c1", ended("failed")).gives(joinedTo("r 1 u", "succeeded failed")))
			b.pass(2 * time.Minute)
			b.play(claiming(joinedTo("r 1 v", "succeeded failed")).by("b"), settling("r 1 v", opening(0, 0)).by("b"), claiming(joinedTo("r 2 w", "")).by("b"))
			return b
		},
		"a join of which a child's end was never heard": func() *book {
			b := two(2)
			b.play(settling("r c[0] 0 c0", ended("succeeded")), settling("r c[1] 0 c1", ended("succeeded")).ends(none))
			b.pass(2 * time.Minute)
			b.play(claiming(joinedTo("r 1 v", "succeeded*2")).by("b"))
			return b
		},
		"a failure keeps the rest from beginning": func() *book {
			b := begun()
			then := opening(3, 1)
			then.Failfast = true
			b.play(settling("r 0 t", then), claiming(to("r c[0] 0 c0")), settling("r c[0] 0 c0", ended("failed")).gives(joinedTo("r 1 u", "failed")))
			return b
		},
		"a cancel keeps the rest from beginning": func() *book {
			b := two(1)
			b.overlap(cancelling("r").ends(Info), settling("r c[0] 0 c0", ended("cancelled")).gives(joinedTo("r 1 u", "cancelled")))
			return b
		},
		"a run is told later that another took its wide key": func() *book { return replaced(true) },
		"what tidies up acts under the cancel": func() *book {
			b := begun()
			b.play(cancelling("r"), settling("r 0 t", nil).intent("e", "writes").with(func(a *Ask, _ *Answer) { a.Mark = "cancel" }))
			return b
		},
		"an effect is repeated after a look": func() *book {
			b := &book{}
			b.witness = []Witness{}
			b.play(beginning("r", "d"), claiming(to("r 0 t")))
			b.play(settling("r 0 t", nil).intent("e", "destroys").ends(Info), settling("r 0 t", nil).intent("e", "destroys"))
			b.play(settling("r 1 t", waiting(time.Minute)))
			b.pass(time.Minute)
			b.play(claiming(to("r 2 u")), settling("r 2 u", nil).intent("e", "destroys"))
			b.saw("e")
			b.play(settling("r 3 u", nil).result("e", "done"))
			return b
		},
		"a person says what became of an unknown effect": func() *book {
			b := begun()
			b.play(settling("r 0 t", nil).intent("e", "destroys"), settling("r 1 t", nil).result("e", "unknown"))
			b.play(signalling("r", 0, 1).said(Said{Kind: "effect.resolve", Effect: "e", Status: "not_done"}))
			b.play(settling("r 2 t", nil).intent("e", "destroys"))
			return b
		},
		"waits end by time, by signals, by a cancel and by a thaw": func() *book {
			b := begun()
			thaw := waiting(time.Hour)
			thaw.Thaw = true
			b.play(settling("r 0 t", waiting(time.Hour)))
			b.pass(time.Hour)
			b.play(claiming(to("r 1 u")), settling("r 1 u", &Then{Kind: "wait", Ever: true}), signalling("r", 0, 1), claiming(to("r 2 v")))
			b.play(freezing("freeze", "f"), settling("r 2 v", thaw), freezing("thaw", "g").ends(Info), claiming(to("r 3 w")))
			b.overlap(settling("r 3 w", waiting(time.Hour)), cancelling("r"))
			b.play(claiming(to("r 4 x")))
			return b
		},
		"a claim of several partitions, of which one is slow": func() *book {
			b := &book{}
			b.play(beginning("r", "d"))
			b.slowly(claiming(to("r 0 u")), 50*time.Second) // its lease began at once
			b.pass(20 * time.Second)
			b.play(claiming(to("r 0 v")).by("b"), renewing("r 0 x"))
			return b
		},
		"a claim that asked nobody tells how it was before a freeze": func() *book {
			b := begun()
			before := b.time()
			b.play(freezing("freeze", "f"), claiming())
			b.lines[len(b.lines)-1].AtStore = before
			return b
		},
		"a freeze that may have been lifted": func() *book {
			b := begun()
			b.play(freezing("freeze", "f"), freezing("thaw", "g").ends(none), settling("r 0 t", nil).intent("e", "writes"))
			return b
		},
		"a freeze that nobody heard of, and one that comes at the same time": func() *book {
			b := begun()
			b.play(freezing("freeze", "f").ends(none), settling("r 0 t", nil).intent("e", "writes"))
			b.overlap(freezing("freeze", "g"), settling("r 1 t", nil).intent("g", "writes"))
			return b
		},
		"a cap that is given back, runs out and is taken again": func() *book {
			b := &book{}
			hour := func(a *Ask, _ *Answer) { a.Take[0].Window = int64(time.Hour) }
			b.play(claiming(), taking("e", 1, "x"), taking("e", 1, "x"), taking("f", 1, "x"), taking("g", 1, "y").with(func(_ *Ask, o *Answer) { o.Granted = false }))
			b.play(givingBack("e").ends(Info), givingBack("f"), taking("h", 1, "z").with(hour), claiming())
			b.pass(2 * time.Hour)
			b.play(claiming(), taking("i", 1, "y"))
			return b
		},
		"a decision is repeated": func() *book {
			b := &book{}
			b.play(beginning("r", "").said(Said{Kind: "run.begin", By: "eve"}))
			b.play(signalling("r", 0, 1).said(decision("ann", "h")).ends(Info), signalling("r", 0, 1).said(decision("ann", "h")))
			b.play(signalling("r", 0, 2).as("other").said(decision("bob", "h")).ends(Fail), signalling("r", 1, 2).as("again").said(decision("bob", "h")))
			return b
		},
		"one key, one run after the other": func() *book {
			b := &book{}
			key := func(a *Ask, _ *Answer) { a.Begin[0].Key = "k" }
			b.play(beginning("r", "").with(key), beginning("s", "").with(key), beginning("q", "").with(key), claiming(to("r 0 t")))
			b.overlap(settling("r 0 t", ended("succeeded")), claiming(to("s 0 u")))
			b.final = []engine.RunRecord{
				record("r", "succeeded", engine.StrandRecord{State: "ended"}),
				record("s", "running", engine.StrandRecord{State: "waiting", On: "approval"}),
				record("q", "queued", engine.StrandRecord{State: "waiting", On: "its concurrency key"}),
			}
			return b
		},
	}
}

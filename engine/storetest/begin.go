package storetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"stanch/engine"
)

func beginLaws() []law {
	return []law{
		{name: "BeginIsKept", promise: "an accepted event is never lost: its run is there with all it was begun with", judge: beginIsKept},
		{name: "BeginOncePerDedupe", promise: "an event starts a playbook at most once per dedupe key", judge: beginOncePerDedupe},
		{name: "BeginConcurrently", promise: "of many concurrent Begins with one dedupe key exactly one starts a run", judge: beginConcurrently},
		{name: "BeginRepeated", promise: "a repeated request answers the same run and starts no second", judge: beginRepeated},
		{name: "BeginRefusesNonsense", promise: "what cannot be begun is refused by name and changes nothing", judge: beginRefuses},
		{name: "LanesAreDrawnFairly", promise: "lanes are drawn 8:4:2:1: the last is never starved, nor does it starve the first", judge: lanesAreFair},
		{name: "LaneIsFirstInFirstOut", promise: "within a lane the strand that has been due longest is claimed first", judge: laneOrder},
		{name: "RunUnknown", promise: "a run that is not there is ErrNotFound", judge: func(e *env) {
			_, err := e.s.Run(e.Context(), "r00aaaaaaaaaaaaaaaaaaaa")
			e.is(err, engine.ErrNotFound)
		}},
	}
}

func beginIsKept(e *env) {
	before := e.clock.Now()
	run := e.begin(func(b *engine.Begin) { b.Head, b.Audit = []byte("event\x00\xff"), [][]byte{[]byte("began")} })
	if len(run) != 23 || run[0] != 'r' || strings.ToLower(run) != run {
		e.Errorf("run id %q: it must be r, two hex digits of the partition, 20 lower characters", run)
	}
	r := e.record(run)
	e.same("head", r.RunHead, engine.RunHead{ID: run, Playbook: "contain", Subject: "defender/1", Edition: "sha", Mode: "live", Head: []byte("event\x00\xff"), BegunAt: r.BegunAt})
	if r.BegunAt.Before(before) || r.Status != "running" || !r.EndedAt.IsZero() || r.Cancel != "" {
		e.Errorf("the record says %+v", r)
	}
	h := e.one()
	e.same("head as the holder gets it", h.st.Head, r.RunHead)
	if h.st.Lease.Strand != "" || h.st.Token == "" || h.st.Lost != 0 || len(h.st.Facts)+len(h.st.Above)+len(h.st.Children) != 0 {
		e.Errorf("the root is claimed as %+v", h.st)
	}
	records, _ := e.stream("", 100)
	if n := len(records); n == 0 || string(records[n-1].Body) != "began" {
		e.Errorf("the audit record is not in the stream: %+v", records)
	}
}

func beginOncePerDedupe(e *env) {
	key := func(b *engine.Begin) { b.Dedupe = "revision 3" }
	run := e.begin(key)
	e.unchanged(func() {
		again, err := e.s.Begin(e.Context(), e.newBegin(key))
		e.ok(err)
		if again.New || again.Run != run {
			e.Fatalf("the second Begin answers %+v, it must name run %s as not new", again, run)
		}
	})
	e.begin(key, func(b *engine.Begin) { b.Playbook = "notify" })
	e.begin(key, func(b *engine.Begin) { b.Subject = "defender/2" })
	e.begin()
	e.begin() // without a key nothing is repeated
	for _, h := range e.claim(10) {
		h.end("succeeded")
	}
	again, err := e.s.Begin(e.Context(), e.newBegin(key))
	e.ok(err)
	if again.New || again.Run != run {
		e.Fatalf("after its end the run is begun again: %+v", again)
	}
}

func beginConcurrently(e *env) {
	var wg sync.WaitGroup
	answers := make([]engine.Begun, 16)
	for i := range answers {
		b := e.newBegin(func(b *engine.Begin) { b.Dedupe = "one" })
		wg.Go(func() {
			var err error
			if answers[i], err = e.s.Begin(e.Context(), b); err != nil {
				e.Error(err)
			}
		})
	}
	wg.Wait()
	fresh := 0
	for _, a := range answers {
		if a.New {
			fresh++
		}
		if a.Run != answers[0].Run {
			e.Errorf("two runs: %s and %s", a.Run, answers[0].Run)
		}
	}
	if fresh != 1 {
		e.Errorf("%d Begins were new, it must be one", fresh)
	}
	e.one()
	e.none()
}

func beginRepeated(e *env) {
	twice(e, e.s.Begin, e.newBegin(func(b *engine.Begin) { b.Audit = [][]byte{[]byte("once")} }))
	twice(e, e.s.Begin, e.newBegin(func(b *engine.Begin) { b.Dedupe = "d" }))
	in := e.newBegin(func(b *engine.Begin) { b.Dedupe = "d" })
	if got := twice(e, e.s.Begin, in); got.New {
		e.Errorf("a second Begin of one event is new: %+v", got)
	}
	in = e.newBegin(func(b *engine.Begin) { b.Key = "k" })
	twice(e, e.s.Begin, in)
	in = e.newBegin(func(b *engine.Begin) { b.Key, b.WhenBusy = "k", "queue" })
	twice(e, e.s.Begin, in)
	in = e.newBegin(func(b *engine.Begin) { b.Key, b.WhenBusy = "k", "replace" })
	twice(e, e.s.Begin, in)
	in = e.newBegin(func(b *engine.Begin) { b.After = time.Hour })
	twice(e, e.s.Begin, in)
}

func beginRefuses(e *env) {
	for name, change := range map[string]func(*engine.Begin){
		"no request":  func(b *engine.Begin) { b.Request = "" },
		"no playbook": func(b *engine.Begin) { b.Playbook = "" },
		"lane 4":      func(b *engine.Begin) { b.Lane = 4 },
		"lane -1":     func(b *engine.Begin) { b.Lane = -1 },
		"when busy":   func(b *engine.Begin) { b.WhenBusy = "later" },
		"after -1":    func(b *engine.Begin) { b.After = -1 },
		"after, key":  func(b *engine.Begin) { b.After, b.Key = time.Hour, "k" },
	} {
		e.unchanged(func() {
			if _, err := e.s.Begin(e.Context(), e.newBegin(change)); err == nil {
				e.Errorf("%s: it is begun", name)
			}
		})
	}
}

func lanesAreFair(e *env) {
	const each = 60
	for i := range 4 * each {
		e.begin(func(b *engine.Begin) { b.Lane, b.Playbook = i%4, fmt.Sprint(i%4) })
	}
	drawn := map[string]int{}
	for range each / 4 { // in pieces, as a worker asks
		for _, h := range e.claim(4) {
			drawn[h.st.Head.Playbook]++
		}
	}
	for lane, want := range map[string]int{"0": 32, "1": 16, "2": 8, "3": 4} {
		if got := drawn[lane]; got != want {
			e.Errorf("of %d strands %d come from lane %s, it must be %d (all: %v)", each, got, lane, want, drawn)
		}
	}
	if got := len(e.claim(1000)); got != 3*each {
		e.Errorf("%d strands are left, it must be %d", got, 3*each)
	}
}

func laneOrder(e *env) {
	var want []string
	for range 5 {
		want = append(want, e.begin())
		e.clock.Advance(time.Millisecond)
	}
	var got []string
	for _, h := range append(e.claim(2), e.claim(10)...) {
		got = append(got, h.Run)
	}
	e.same("order of claims", got, want)
}

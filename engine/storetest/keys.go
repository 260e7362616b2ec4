package storetest

import (
	"fmt"
	"strings"
	"time"

	"stanch/engine"
)

func keyLaws() []law {
	return []law{
		{name: "KeyQueues", promise: "runs of one key go one after another, in the order they began", judge: keyQueues},
		{name: "KeySkips", promise: "with skip a run whose key is held does not begin", judge: keySkips},
		{name: "KeyQueueIsBounded", promise: "at most 100 runs wait for one key", judge: keyQueueBounded},
		{name: "KeyIsReleasedByEveryEnd", promise: "whatever a run ends as, its key goes on in the same act", judge: keyIsReleased},
		{name: "KeyReplaces", promise: "with replace the holder is cancelled, and only the newest waits for its end", judge: keyReplaces},
		{name: "KeyReplacesInTheQueueOnly", promise: "who replaces begins at once where the key is free, and is one of the queue where it is not", judge: keyReplacesQueue},
		{name: "KeyIsItsSubjects", promise: "a key that is not wide keeps nobody waiting who is about another subject", judge: keyIsItsSubjects},
		{name: "WideKeyQueues", promise: "runs of one wide key go one after another whatever they are about, in the order they began", judge: wideKeyQueues},
		{name: "WideKeyReplaces", promise: "with replace the holder of a wide key is cancelled, and only the newest waits, whatever they are about", judge: wideKeyReplaces},
		{name: "WideKeySkips", promise: "with skip a run whose wide key is held does not begin", judge: wideKeySkips},
		{name: "SignalToAQueuedRun", promise: "a signal to a queued run is kept and does not start it", judge: signalToQueued},
	}
}

func withKey(key string) func(*engine.Begin) { return func(b *engine.Begin) { b.Key = key } }

func keyQueues(e *env) {
	runs := []string{e.begin(withKey("k")), e.begin(withKey("k")), e.begin(withKey("k"))}
	other := e.begin(withKey("other"))
	e.same("status of the second", e.record(runs[1]).Status, "queued")
	st := e.strand(runs[1], "")
	if st.State != "waiting" || st.On == "" {
		e.Errorf("the root of a queued run is %+v", st)
	}
	held := e.claim(10)
	e.same("begun", len(held), 2)
	for _, h := range held {
		if h.Run == other {
			h.end("succeeded")
			continue
		}
		e.same("first", h.Run, runs[0])
		h.openMany("x", 2, 1)
		h = e.one()
		h = h.end("succeeded").end("succeeded")
		e.none() // held until the run has ended
		h.end("failed")
	}
	for _, run := range runs[1:] {
		h := e.one()
		e.same("next", h.Run, run)
		e.same("status", e.record(run).Status, "running")
		h.end("succeeded")
	}
	e.none()
	e.started(withKey("k")).end("succeeded")
}

func keySkips(e *env) { e.skips(withKey("k"), withKey("k")) }

// skips fails unless a run with skip begins only once the holder of its key has
// ended.
func (e *env) skips(holder, other func(*engine.Begin)) {
	e.Helper()
	h := e.started(holder)
	skip := e.newBegin(other, func(b *engine.Begin) { b.WhenBusy = "skip" })
	e.unchanged(func() {
		b, err := e.s.Begin(e.Context(), skip)
		e.ok(err)
		if !b.Busy || b.New || b.Run != "" {
			e.Errorf("Begin answers %+v, the key is held", b)
		}
	})
	h.end("succeeded")
	b, err := e.s.Begin(e.Context(), skip)
	e.ok(err)
	if b.Busy || !b.New {
		e.Errorf("Begin answers %+v, the key is free", b)
	}
}

func keyQueueBounded(e *env) {
	for range 101 {
		e.begin(withKey("k"))
	}
	e.unchanged(func() {
		b, err := e.s.Begin(e.Context(), e.newBegin(withKey("k")))
		e.ok(err)
		if !b.Busy {
			e.Errorf("Begin answers %+v, 100 runs are waiting", b)
		}
	})
	e.one().end("succeeded")
	e.begin(withKey("k"))
}

func keyIsReleased(e *env) {
	outcomes := []string{"succeeded", "failed", "rejected", "cancelled"}
	for range outcomes {
		e.begin(withKey("k"))
	}
	for i, outcome := range outcomes {
		h := e.one()
		if i == 2 {
			e.cancel(h.Run, engine.Terminated)
		}
		in := h.say(engine.Then{End: &engine.End{Outcome: outcome}})
		twice(e, e.s.Settle, in)
	}
	e.none()
}

func signalToQueued(e *env) {
	h := e.started(withKey("k"))
	run := e.begin(withKey("k"))
	e.signal(run, "", "word")
	e.none()
	h.end("succeeded")
	h = e.one()
	e.same("facts", bodies(h.st.Facts), []string{"word"})
}

func keyReplaces(e *env) {
	replace := func(b *engine.Begin) { b.Key, b.WhenBusy = "k", "replace" }
	h := e.started(replace)
	e.same("status of the first", e.record(h.Run).Cancel, engine.NotCancelled)
	h.wait(engine.Wait{Ever: true})
	older := e.begin(replace)
	e.same("the holder", e.record(h.Run).Cancel, engine.Cancelled)
	newest := e.begin(replace)
	r := e.record(older)
	if r.Status != "cancelled" || r.EndedAt.IsZero() || r.Strands[0].State != "ended" {
		e.Errorf("the older of those that wait is %+v", r)
	}
	e.same("the newest", e.record(newest).Status, "queued")
	h = e.one() // the holder: it was woken
	e.same("its mark", h.st.Cancel, engine.Cancelled)
	h.settle(h.under(engine.Then{Wait: &engine.Wait{For: time.Hour}})) // it tidies up
	e.none()
	e.clock.Advance(2 * time.Hour)
	e.one().end("cancelled")
	h = e.one()
	e.same("next", h.Run, newest)
	e.same("it was queued", h.st.Head.Queued, true)
	h.end("succeeded")
	e.none()
}

func keyReplacesQueue(e *env) {
	h := e.started(withKey("k"))
	var queued []string
	for range 100 {
		queued = append(queued, e.begin(withKey("k")))
	}
	newest := e.begin(withKey("k"), func(b *engine.Begin) { b.WhenBusy = "replace" })
	for _, run := range queued {
		e.same("queued before", e.record(run).Status, "cancelled")
	}
	h.end("cancelled")
	e.same("next", e.one().Run, newest)
}

// about answers what makes a run about a subject of its own, with a wide key.
func about(subject string) func(*engine.Begin) {
	return func(b *engine.Begin) { b.Subject, b.Key, b.Wide = subject, "k", true }
}

// subjects are many enough to lie apart, however a store lays them out.
func subjects() []string { return strings.Fields("a b c d e f g h i j k l m n o p") }

func keyIsItsSubjects(e *env) {
	e.begin(withKey("k"))
	for _, s := range subjects() {
		run := e.begin(withKey("k"), func(b *engine.Begin) { b.Subject = s })
		e.same("status of "+s, e.record(run).Status, "running")
	}
	run := e.begin(about("a")) // nor does a wide key meet one that is not
	e.same("status with a wide key", e.record(run).Status, "running")
}

func wideKeyQueues(e *env) {
	var runs []string
	for _, s := range subjects() {
		runs = append(runs, e.begin(about(s)))
	}
	for i, run := range runs {
		for k, other := range runs[i+1:] {
			e.same(fmt.Sprint("status of run ", i+1+k), e.record(other).Status, "queued")
		}
		h := e.one()
		e.same("next", h.Run, run)
		e.same("it was queued", h.st.Head.Queued, i > 0)
		e.none()
		in := h.say(engine.Then{End: &engine.End{Outcome: "succeeded"}})
		twice(e, e.s.Settle, in)
	}
	e.none()
	e.started(about("z")).end("succeeded")
}

func wideKeyReplaces(e *env) {
	replace := func(b *engine.Begin) { b.WhenBusy = "replace" }
	h := e.started(about("a"))
	h.wait(engine.Wait{Ever: true})
	var older []string
	for _, s := range subjects() {
		older = append(older, e.begin(about(s)))
	}
	newest := e.begin(about("z"), replace)
	for _, run := range older {
		e.same("status of the older", e.record(run).Status, "cancelled")
	}
	e.same("the holder", e.record(h.Run).Cancel, engine.Cancelled)
	e.same("the newest", e.record(newest).Status, "queued")
	h = e.one()
	h.end("cancelled")
	e.same("next", e.one().Run, newest)
}

func wideKeySkips(e *env) { e.skips(about("a"), about("b")) }

package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/engine/sqlitestore"
)

func TestNobodyLooksBeforeTheRequestIsOverAndTheWorldHasSettled(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.faults["x"] = []fault{{applied: true, err: &thingError{code: "timeout", unsure: true}}}
	var looked time.Time
	rehearse(t, w, engine.Options{}, func(b *bench) {
		begun := time.Now()
		w.reading = func(string) error {
			if time.Since(begun) > time.Second && looked.IsZero() {
				looked = time.Now()
			}
			return nil
		}
		b.run(putX, 0)
		// 30 s for the request, half a second of margin, 1 s of settling.
		if after := looked.Sub(begun); after < 31500*time.Millisecond || after > time.Minute {
			t.Errorf("somebody looked after %s", after)
		}
	})
}

func TestAFreezeBetweenIntentAndRequestHoldsTheEffect(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		frozen := false
		w.sending = func(string) {
			if frozen {
				return
			}
			frozen = true
			// Somebody else's act: this engine has not heard of it.
			if _, err := b.store.Freeze(context.Background(), engine.Freeze{Request: "f", Change: "freeze", By: "tess"}); err != nil {
				t.Error(err)
			}
			<-time.After(2 * time.Second) // the worker's copy is older than a second now
		}
		w.incident = "defender/1"
		id := b.start(putX, 0)
		<-time.After(5 * time.Minute)
		if w.changes()["x"] != 0 {
			t.Fatal("an effect was sent in a freeze")
		}
		b.announced(false)
		if r := b.until(id, "waiting"); step(t, r, "put").Effects[0].Status != actions.Planned {
			t.Errorf("the effect is %s", step(t, r, "put").Effects[0].Status)
		}
		if _, err := b.engine.Freeze(b.t.Context(), false, "tess", "over"); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "succeeded" || w.changes()["x"] != 1 {
			t.Errorf("the run is %s (%v), x changed %d times", r.Status, r.Error, w.changes()["x"])
		}
	})
}

// announced fails the test unless it is told, or not, that an effect is about to
// write into an incident.
func (b *bench) announced(want bool) {
	b.t.Helper()
	docs, err := b.store.Each(b.t.Context(), engine.DocOwning, "", 10)
	if err != nil || len(docs) > 0 != want {
		b.t.Errorf("announced are %+v (%v)", docs, err)
	}
}

func TestAFreezeAndAThawAtTheSameInstant(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		freeze := func(on bool) {
			if _, err := b.engine.Freeze(b.t.Context(), on, "tess", "drill"); err != nil {
				t.Error(err)
			}
		}
		freeze(true)
		id := b.start(putX, 0)
		synctest.Wait()
		freeze(false)
		freeze(true)
		synctest.Wait()
		freeze(false)
		if r := b.await(id); r.Status != "succeeded" {
			t.Errorf("the run is %s", r.Status)
		}
	})
}

func TestWhatMayBeRepeatedAndNeverShowsIsUnknown(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.blind = true
	for range 3 {
		w.faults["x"] = append(w.faults["x"], fault{err: &thingError{code: "timeout", unsure: true}})
	}
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.start("steps:\n  - id: put\n    uses: things.same\n    with: {thing: x, value: b}\n", 0)
		<-time.After(time.Hour)
		r := b.until(id, "waiting")
		if s := step(t, r, "put"); s.Status != "unknown" || s.Effects[0].Status != actions.Unknown {
			t.Fatalf("the step is %s, its effect %s", s.Status, s.Effects[0].Status)
		}
		if err := b.engine.Resolve(b.t.Context(), id, "put", true, "dana"); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "succeeded" {
			t.Errorf("the run is %s", r.Status)
		}
	})
}

func TestAttemptsAreCountedForEachEffect(t *testing.T) {
	unavailable := fault{err: &thingError{code: "unavailable"}}
	throttled := fault{err: &thingError{code: "throttled", after: time.Minute}}
	for name, c := range map[string]struct {
		first, second []fault
		status        string
	}{
		"two failures each":       {[]fault{unavailable, unavailable}, []fault{unavailable, unavailable}, "succeeded"},
		"three of one":            {[]fault{unavailable, unavailable, unavailable}, nil, "failed"},
		"throttling uses up none": {[]fault{throttled, unavailable, throttled, throttled, unavailable, throttled}, nil, "succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x1": "a", "x2": "a"})
			w.faults["x1"], w.faults["x2"] = c.first, c.second
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run(`
steps:
  - id: put
    uses: things.both
    with: {thing: x, value: b}
    retry: {attempts: 3}
`, 0)
				if r.Status != c.status {
					t.Errorf("the run is %s: %v", r.Status, r.Error)
				}
			})
		})
	}
}

func TestABackOffIsNeverLongerThanItsCap(t *testing.T) {
	for range 10 {
		w := newWorld(map[string]string{})
		var at []time.Time
		w.reading = func(string) error {
			at = append(at, time.Now())
			return &thingError{code: "unavailable"}
		}
		rehearse(t, w, engine.Options{}, func(b *bench) {
			b.run("steps:\n  - uses: things.get\n    with: {thing: x}\n    retry: {attempts: 4, initial: 10s, cap: 10s}\n", 0)
		})
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d > 10*time.Second+10*time.Millisecond {
				t.Fatalf("waited %s", d)
			}
		}
		if len(at) != 4 {
			t.Fatalf("%d attempts", len(at))
		}
	}
}

// stubborn is a store whose settles fail while it is told so.
type stubborn struct {
	engine.Store
	full atomic.Bool
}

func (s *stubborn) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	if s.full.Load() {
		return engine.Settled{}, engine.ErrFull
	}
	return s.Store.Settle(ctx, in)
}

func (s *stubborn) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	if s.full.Load() {
		return engine.Claimed{}, engine.ErrFull
	}
	return s.Store.Claim(ctx, c)
}

func (s *stubborn) Renew(ctx context.Context, l []engine.Lease, d time.Duration) (engine.Renewed, error) {
	if s.full.Load() {
		return engine.Renewed{}, engine.ErrFull
	}
	return s.Store.Renew(ctx, l, d)
}

func TestAResultIsKeptWhileTheDiskIsFull(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		full := &stubborn{Store: store}
		b := &bench{t: t, w: w, store: store, engine: engine.New(full, store, w.catalog(), engine.Options{})}
		w.sending = func(string) { full.full.Store(true) }
		b.work()
		id := b.start(putX, 0)
		<-time.After(10 * time.Minute)
		reads := w.reads
		full.full.Store(false)
		r := b.await(id)
		if r.Status != "succeeded" || w.changes()["x"] != 1 {
			t.Errorf("the run is %s (%v), x changed %d times", r.Status, r.Error, w.changes()["x"])
		}
		if w.reads != reads {
			t.Error("the result was lost and read back")
		}
		b.end()
	})
}

func TestAWorkerThatEndsHandsOverBetweenSteps(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.reading = func(string) error { <-time.After(time.Second); return nil }
	rehearse(t, w, engine.Options{}, func(b *bench) {
		text := "steps:\n"
		for range 15 {
			text += "  - uses: things.get\n    with: {thing: x}\n"
		}
		id := b.start(text, 0)
		<-time.After(2500 * time.Millisecond)
		begun := time.Now()
		b.end()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the end took %s", took)
		}
		b.engine = engine.New(b.store, b.store, w.catalog(), engine.Options{})
		b.work()
		begun = time.Now()
		if r := b.await(id); r.Status != "succeeded" {
			t.Errorf("the run is %s", r.Status)
		}
		if took := time.Since(begun); took > 13*time.Second {
			t.Errorf("the rest took %s: it was not handed over", took)
		}
	})
}

func TestAnEffectUnderWayIsFinishedBeforeTheWorkerEnds(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.faults["x"] = []fault{{slow: 10 * time.Second}}
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.start(putX, 0)
		<-time.After(time.Second)
		b.end()
		r, err := b.engine.Run(b.t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if e := step(t, r, "put").Effects[0]; e.Status != actions.Done {
			t.Errorf("the effect is %s", e.Status)
		}
		b.work()
		b.await(id)
	})
}

func TestAStrandWhoseWorkersAreLostThreeTimesFailsByName(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		b.end()
		id := b.start("steps:\n  - id: put\n    uses: things.put\n    with: {thing: x, value: b}\non_failure:\n  - approve: {ask: Well, approvers: [dana@c.example]}\n  - uses: things.put\n    with: {thing: note, value: \"${{ error.message }}\"}\n", 0)
		for range 3 {
			c, err := b.store.Claim(b.t.Context(), engine.Claim{Worker: "doomed", Max: 1, Last: time.Second})
			if err != nil || len(c.Strands) != 1 {
				t.Fatalf("claimed %v (%v)", c.Strands, err)
			}
			<-time.After(2 * time.Second)
		}
		b.work()
		b.until(id, "waiting") // on_failure runs, and goes on after its wait
		list, err := b.engine.Approvals(b.t.Context(), false)
		if err != nil || len(list) != 1 {
			t.Fatalf("approvals are %v (%v)", list, err)
		}
		if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: list[0].ID, By: "dana@c.example", Approve: true}); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "failed" || w.values["x"] != "a" || w.values["note"] == "" {
			t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
		}
	})
}

// forgetful is a registry that cannot be read while it is told so.
type forgetful struct {
	engine.Documents
	down atomic.Bool
}

func (f *forgetful) Get(ctx context.Context, kind, key string) (engine.Document, error) {
	if f.down.Load() {
		return engine.Document{}, errors.New("i/o error")
	}
	return f.Documents.Get(ctx, kind, key)
}

func TestAJoinIsNotLostWhereTheEditionCannotBeRead(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		w.reading = func(string) error { <-time.After(10 * time.Second); return nil }
		id := b.start("steps:\n  - id: all\n    for_each: evidence.files\n    steps:\n      - uses: things.get\n        with: {thing: \"${{ item }}\"}\noutputs: {n: steps.all.succeeded}\n", 1)
		<-time.After(time.Second)
		// The child ends and its join fires: the parent is handed to a worker that
		// is killed, and the next one cannot read the edition at first.
		b.end()
		docs := &forgetful{Documents: b.store}
		docs.down.Store(true)
		b.engine = engine.New(b.store, docs, w.catalog(), engine.Options{})
		b.work()
		<-time.After(3 * time.Minute)
		docs.down.Store(false)
		r := b.await(id)
		if r.Status != "succeeded" || outputs(t, r) != `{"n":1}` {
			t.Errorf("the run is %s (%v) with %s", r.Status, r.Error, outputs(t, r))
		}
	})
}

func TestAnActionThatPanicsFailsItsStep(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.reading = func(thing string) error {
		if thing == "boom" {
			panic("boom")
		}
		return nil
	}
	rehearse(t, w, engine.Options{}, func(b *bench) {
		r := b.run("steps:\n  - id: a\n    uses: things.get\n    with: {thing: boom}\n    on_error: continue\n  - uses: things.get\n    with: {thing: x}\n", 0)
		if r.Status != "succeeded" || step(t, r, "a").Status != "failed" {
			t.Errorf("the run is %s (%v); steps %v", r.Status, r.Error, paths(r))
		}
	})
}

func TestAReadThatEndsOnItsOwnIsNoLostLease(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.reading = func(string) error { return context.Canceled }
	rehearse(t, w, engine.Options{}, func(b *bench) {
		if r := b.run("steps:\n  - uses: things.get\n    with: {thing: x}\n", 0); r.Status != "failed" {
			t.Errorf("the run is %s", r.Status)
		}
	})
}

func TestNothingBeginsBeforeTheResultBeforeItIsDurable(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "z": "a", "probe": "p"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		var id string
		var seen []actions.Status
		look := func(thing string) {
			if thing != "probe" && thing != "z" || id == "" {
				return
			}
			r, err := b.engine.Run(b.t.Context(), id)
			if err != nil {
				t.Error(err)
				return
			}
			seen = append(seen, step(t, r, "put").Effects[0].Status)
		}
		w.reading = func(thing string) error { look(thing); return nil }
		w.sending = look
		w.faults["x"] = []fault{{slow: time.Second}}
		id = b.start(putX+"  - uses: things.put\n    with: {thing: z, value: b}\n  - uses: things.get\n    with: {thing: probe}\n", 0)
		b.await(id)
		if len(seen) != 3 || seen[0] != actions.Done || seen[1] != actions.Done || seen[2] != actions.Done {
			t.Errorf("the steps behind saw %v", seen)
		}
	})
}

func TestWhatMayHaveHappenedBeforeIsNotCalledNotDone(t *testing.T) {
	lost := fault{applied: true, err: &thingError{code: "timeout", unsure: true}}
	for name, c := range map[string]struct {
		faults []fault
		answer actions.Status
	}{
		"the repetition is forbidden": {[]fault{lost, {err: &thingError{code: "forbidden"}}}, actions.Unknown},
		"the repetition is cut, too":  {[]fault{lost, lost, lost}, actions.Unknown},
		"the repetition is answered":  {[]fault{lost}, actions.Done},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			w.goBlind("x", c.faults...)
			rehearse(t, w, engine.Options{}, func(b *bench) {
				id := b.start("steps:\n  - id: put\n    uses: things.same\n    with: {thing: x, value: b}\n", 0)
				<-time.After(time.Hour)
				r, err := b.engine.Run(b.t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				if e := step(t, r, "put").Effects[0]; e.Status != c.answer {
					t.Errorf("the effect is %s, want %s", e.Status, c.answer)
				}
				if !r.Ended() {
					if err := b.engine.Resolve(b.t.Context(), id, "put", false, "dana"); err != nil {
						t.Fatal(err)
					}
					b.await(id)
				}
			})
		})
	}
}

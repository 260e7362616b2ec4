package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// interrupted is a run that is cancelled after so many seconds, and retried, and
// what that comes to.
type interrupted struct {
	ending
	retried bool
	stuck   []string // steps of a run that did not end, and what it waits for
	anew    []string // things that were changed again although what did it had succeeded
}

// interrupt runs a playbook, cancels it, and goes on with it by retries until one
// is not cancelled. With mend, what was done is changed behind everybody's back.
func interrupt(t *testing.T, c scenario, faults map[string][]fault, seconds []int, mend bool) (out interrupted) {
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		w := newWorld(map[string]string{"there": "a"})
		for thing, list := range faults {
			w.faults[thing] = slices.Clone(list)
		}
		o := officers
		o.Workers = 3
		b := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), o)}
		book := loadBook(t, callable(b.engine.World(), c.calls), c.book)
		begun, err := b.engine.Start(t.Context(), engine.Start{Book: book, Event: event(2), Mode: engine.ModeLive, By: "trigger:incident"})
		if err != nil {
			t.Fatal(err)
		}
		b.work()
		defer b.end()
		run := b.goesOn(begun.Run, append(slices.Clone(seconds), 0)[0])
		for i := 1; run.Status == "cancelled"; i++ {
			done := doneIn(run)
			before := w.changes()
			for thing := range done {
				if mend {
					w.set(thing, "mended")
				}
			}
			next := 0
			if i < len(seconds) {
				next = seconds[i]
			}
			run, out.retried = b.goesOn(b.retry(run.ID, ""), next), true
			for thing := range done {
				if w.changes()[thing] != before[thing] {
					out.anew = append(out.anew, thing)
				}
			}
		}
		if !run.Ended() {
			out.stuck = append(paths(run), run.WaitsFor...)
		}
		out.status, out.outputs, out.values, out.changes, out.twice = run.Status, outputs(t, run), w.values, w.changes(), w.twice()
	})
	return out
}

// doneIn answers what was changed by steps that succeeded and do not tidy up.
func doneIn(r engine.Run) map[string]bool {
	done := map[string]bool{}
	for _, s := range r.Steps {
		tidies := slices.ContainsFunc(strings.Split(s.Path, "/"), func(part string) bool {
			return part == "on_error" || part == "finally" || part == "on_failure"
		})
		for _, e := range s.Effects {
			if s.Status == "succeeded" && !tidies && e.Status == "done" {
				done[e.Target.ID] = true
			}
		}
	}
	return done
}

// goesOn answers what is asked with yes until the run has ended; it is cancelled
// after so many seconds, unless that is 0.
func (b *bench) goesOn(id string, seconds int) engine.Run {
	b.t.Helper()
	began := time.Now()
	cancelled := seconds == 0
	for range 5_000 {
		record, err := b.store.Run(b.t.Context(), id) // which costs less than to describe it
		if err != nil {
			b.t.Fatal(err)
		}
		if !record.EndedAt.IsZero() {
			r, err := b.engine.Run(b.t.Context(), id)
			if err != nil {
				b.t.Fatal(err)
			}
			return r
		}
		if !cancelled && time.Since(began) >= time.Duration(seconds)*time.Second {
			if err := b.engine.Cancel(b.t.Context(), id, "tess", "enough"); err != nil {
				b.t.Fatal(err)
			}
			cancelled = true
		}
		list, err := b.engine.Approvals(b.t.Context(), false)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, q := range list {
			// A cancel may have come between.
			_, _ = b.engine.Decide(b.t.Context(), engine.Decision{Approval: q.ID, By: "dana@c.example", Approve: true})
		}
		pause := time.Second
		if cancelled {
			pause = 10 * time.Second
		}
		<-time.After(pause) // virtual
	}
	r, err := b.engine.Run(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return r // and it has not ended
}

// TestACancelAndARetryChangeNoEnd runs random playbooks, once undisturbed and
// once cancelled and retried: the end is the same, and what had succeeded is not
// done again.
func TestACancelAndARetryChangeNoEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &writer{rt: rt, calls: map[string]string{}}
		text := "steps:\n  " + indented(w.list(3)+"\n- wait: 40s\n"+w.list(2)+"\n- wait: 40s", 2) + "\noutputs: {n: len(evidence.files)}\n"
		faults := map[string][]fault{}
		for _, thing := range w.things {
			faults[thing] = rapid.SampledFrom([][]fault{
				nil, {{slow: 20 * time.Second}}, {{applied: true, err: &thingError{code: "timeout", unsure: true}}}, {{err: &thingError{code: "throttled", after: time.Minute}}},
			}).Draw(rt, "faults")
		}
		c := scenario{book: text, calls: w.calls}
		seconds := rapid.SliceOfN(rapid.IntRange(1, 100), 1, 2).Draw(rt, "seconds")
		mend := rapid.Bool().Draw(rt, "mend")
		got := interrupt(t, c, faults, seconds, mend)
		if len(got.twice) > 0 || len(got.anew) > 0 || len(got.stuck) > 0 {
			rt.Fatalf("twice %v, anew %v, stuck %q\n%s\n%v", got.twice, got.anew, got.stuck, text, w.calls)
		}
		if mend {
			return
		}
		if want := interrupt(t, c, faults, nil, false); got.status != want.status || got.outputs != want.outputs || !maps.Equal(got.values, want.values) {
			rt.Fatalf("the end is %s %s %v\nwant %s %s %v\n%s\n%v", got.status, got.outputs, got.values, want.status, want.outputs, want.values, text, w.calls)
		}
	})
}

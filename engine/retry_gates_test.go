package engine_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/engine"
)

// approve answers what is asked with yes, until a run has ended, and answers the
// paths of what was asked.
func (b *bench) approve(id string) (engine.Run, []string) {
	b.t.Helper()
	var asked []string
	for range 10_000 {
		r, err := b.engine.Run(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if r.Ended() {
			return r, asked
		}
		list, err := b.engine.Approvals(b.t.Context(), false)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, a := range list {
			if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: a.ID, By: "dana@c.example", Approve: true}); err != nil {
				b.t.Fatal(err)
			}
			asked = append(asked, a.Step)
		}
		<-time.After(time.Second) // virtual
	}
	b.t.Fatal("the run does not end")
	return engine.Run{}, nil
}

// TestARetryAsksAgain asks anew at a gate whose steps are not all kept with it,
// in an item of which all was well it does not.
func TestARetryAsksAgain(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "b"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(`
steps:
  - id: gate
    approve: {ask: All of them, targets: evidence.files, approvers: [officers], covers: [one, last]}
  - id: one
    for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: x}
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 2
    steps:
      - id: ask
        approve: {ask: This one, targets: "[file]", approvers: [officers], covers: [drop]}
      - id: drop
        uses: things.drop
        with: {thing: "${{ file }}"}
      - if: file.id == "f1"
        uses: things.get
        with: {thing: missing}
    on_error: continue
  - if: steps.each.failed > 0
    fail: Not all
  - id: last
    for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: end}
`, 2)
		old, asked := b.approve(id)
		if want := []string{"gate", "each[0]/ask", "each[1]/ask"}; old.Status != "failed" || len(asked) != 3 {
			t.Fatalf("the first run is %s, asked %v, want %v", old.Status, asked, want)
		}
		for thing, value := range map[string]string{"missing": "m", "f0": "mended", "f1": "mended"} {
			w.set(thing, value)
		}
		r, asked := b.approve(b.retry(id, ""))
		slices.Sort(asked)
		if want := []string{"each[1]/ask", "gate"}; r.Status != "succeeded" || !slices.Equal(asked, want) {
			t.Errorf("the retry is %s: %v, asked %v, want %v; steps %v", r.Status, r.Error, asked, want, paths(r))
		}
		if got := w.changes(); got["f0"] != 3 || got["f1"] != 3 || w.get("f0") != "end" || w.get("f1") != "end" {
			t.Errorf("changes %v, the world %v", got, w.values)
		}
	})
}

// TestWhoStartedARunApprovesNoRetryOfIt keeps four eyes over a chain of retries.
func TestWhoStartedARunApprovesNoRetryOfIt(t *testing.T) {
	w := newWorld(map[string]string{})
	rehearse(t, w, officers, func(b *bench) {
		book := b.load("steps:\n  - uses: things.get\n    with: {thing: missing}\n  - id: gate\n    approve: {ask: Well, approvers: [officers]}\n")
		begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: event(0), Mode: engine.ModeLive, By: "operator:dana@c.example"})
		if err != nil {
			b.t.Fatal(err)
		}
		b.await(begun.Run)
		second := b.retry(begun.Run, "")
		b.await(second)
		w.set("missing", "m")
		third := b.retry(second, "")
		b.until(third, "waiting")
		list, err := b.engine.Approvals(b.t.Context(), false)
		if err != nil || len(list) != 1 {
			b.t.Fatalf("%v, %v", list, err)
		}
		_, err = b.engine.Decide(b.t.Context(), engine.Decision{Approval: list[0].ID, By: "dana@c.example", Approve: true})
		if !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), "who starts a run does not approve it") {
			t.Errorf("dana may approve: %v", err)
		}
		if err := b.engine.Cancel(b.t.Context(), third, "tess", "enough"); err != nil {
			b.t.Fatal(err)
		}
		b.await(third)
	})
}

// TestRetriesHaveOneCap counts what runs that retry each other use as one.
func TestRetriesHaveOneCap(t *testing.T) {
	w := newWorld(map[string]string{})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(`
guardrails: {max_targets: {files: 2}}
steps:
  - uses: things.put
    with: {thing: a, value: x}
  - uses: things.get
    with: {thing: missing}
  - uses: things.put
    with: {thing: b, value: x}
  - uses: things.put
    with: {thing: c, value: x}
`, 0)
		b.await(id)
		w.set("missing", "m")
		again := b.retry(id, "")
		r := b.until(again, "waiting")
		if s := step(t, r, "3"); s.Status != "waiting" || w.changes()["b"] != 1 || w.changes()["c"] != 0 {
			t.Errorf("step 3 is %s, changes %v", s.Status, w.changes())
		}
		if r, asked := b.approve(again); r.Status != "succeeded" || !slices.Equal(asked, []string{"3"}) {
			t.Errorf("the retry is %s, asked %v", r.Status, asked)
		}
	})
}

// TestWhatWasTakenBackIsDoneAnew keeps nothing that an undo took back, before
// the retry or while it waited for its turn.
func TestWhatWasTakenBackIsDoneAnew(t *testing.T) {
	for name, first := range map[string]bool{"before": true, "meanwhile": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"a": "0", "b": "0"})
			var sent atomic.Int32
			began := make(chan struct{})
			w.sending = func(string) {
				if sent.Add(1) == 3 && !first {
					<-began // the undo is under way when the retry begins
				}
			}
			rehearse(t, w, engine.Options{}, func(b *bench) {
				id := b.start(`
steps:
  - uses: things.put
    with: {thing: a, value: x}
  - steps:
      - uses: things.put
        with: {thing: b, value: x}
  - uses: things.get
    with: {thing: missing}
`, 0)
				b.await(id)
				w.set("missing", "m")
				w.set("b", "somebody's")
				undo, err := b.engine.Undo(b.t.Context(), id, "", "operator:tess")
				if err != nil {
					b.t.Fatal(err)
				}
				if first {
					b.await(undo.Run)
				}
				again := b.retry(id, "")
				close(began)
				r := b.await(again)
				if s := step(t, r, "0"); r.Status != "succeeded" || s.KeptFrom != "" || len(s.Effects) != 1 || s.Effects[0].Status != "done" {
					t.Errorf("the retry is %s: %v; step 0 %+v", r.Status, r.Error, s)
				}
				if s := step(t, r, "1"); s.KeptFrom != id {
					t.Errorf("step 1, which nobody took back: %+v", s)
				}
				if got := w.changes(); got["a"] != 3 || got["b"] != 1 {
					t.Errorf("changes %v", got)
				}
			})
		})
	}
}

// TestARollbackTakesBackWhatWasKept undoes all of a block, whichever run did it.
func TestARollbackTakesBackWhatWasKept(t *testing.T) {
	w := newWorld(map[string]string{"a": "0", "b": "0"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.start(`
steps:
  - id: guarded
    steps:
      - uses: things.put
        with: {thing: a, value: x}
      - wait: 1h
      - uses: things.put
        with: {thing: b, value: x}
      - fail: Bad
    on_error: rollback
`, 0)
		b.until(id, "waiting")
		if err := b.engine.Cancel(b.t.Context(), id, "tess", "enough"); err != nil {
			b.t.Fatal(err)
		}
		b.await(id)
		r := b.await(b.retry(id, ""))
		if s := step(t, r, "guarded/0"); r.Status != "failed" || s.KeptFrom != id {
			t.Errorf("the retry is %s; its first step %+v", r.Status, s)
		}
		if w.get("a") != "0" || w.get("b") != "0" || w.changes()["a"] != 2 || w.changes()["b"] != 2 {
			t.Errorf("the world is %v, changes %v", w.values, w.changes())
		}
	})
}

// TestAnUnknownEffectIsResolvedBeforeARetry waits for a person.
func TestAnUnknownEffectIsResolvedBeforeARetry(t *testing.T) {
	w := newWorld(map[string]string{"a": "0"})
	w.goBlind("a", fault{applied: true, err: &thingError{code: "timeout", unsure: true}})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.start("steps:\n  - id: put\n    uses: things.put\n    with: {thing: a, value: x}\n  - uses: things.get\n    with: {thing: missing}\n", 0)
		for range 10_000 {
			if r, err := b.engine.Run(b.t.Context(), id); err == nil && slices.ContainsFunc(r.Steps, func(s engine.Step) bool { return s.Status == "unknown" }) {
				break
			}
			<-time.After(time.Second) // virtual
		}
		_, err := b.engine.Retry(b.t.Context(), engine.Retry{Run: id})
		if want := "stanch runs resolve " + id + " put --done"; !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err := b.engine.Resolve(b.t.Context(), id, "put", true, "tess"); err != nil {
			b.t.Fatal(err)
		}
		b.await(id)
		w.set("missing", "m")
		if r := b.await(b.retry(id, "")); r.Status != "succeeded" || step(t, r, "put").KeptFrom != id {
			t.Errorf("the retry is %s; steps %v", r.Status, paths(r))
		}
	})
}

// TestBranchesThatACancelKeptFromBeginningAreRun cancels a run in the act that
// opens its branches.
func TestBranchesThatACancelKeptFromBeginningAreRun(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		ids := make(chan string, 1)
		w.reading = func(thing string) error {
			select {
			case id := <-ids:
				return b.engine.Cancel(b.t.Context(), id, "tess", "enough")
			default:
				return nil
			}
		}
		id := b.start("steps:\n  - wait: 1s\n  - uses: things.get\n    with: {thing: x}\n  - parallel:\n      - uses: things.put\n        with: {thing: left, value: b}\n      - uses: things.put\n        with: {thing: right, value: b}\n", 0)
		ids <- id
		if r := b.await(id); r.Status != "cancelled" || len(w.changes()) > 0 {
			t.Fatalf("the run is %s, changes %v; steps %v", r.Status, w.changes(), paths(r))
		}
		r := b.await(b.retry(id, ""))
		if got := w.changes(); r.Status != "succeeded" || got["left"] != 1 || got["right"] != 1 {
			t.Errorf("the retry is %s, changes %v; steps %v", r.Status, got, paths(r))
		}
	})
}

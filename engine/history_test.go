package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// histories are playbooks whose runs are recorded and cut.
func histories() map[string]string {
	return map[string]string{
		"everything": everything,
		"gated":      gated,
		"around":     around,
		"cap":        "guardrails: {max_targets: {files: 1}}\n" + putAll,
		"blocks": `
steps:
  - steps:
      - id: in
        if: len(evidence.files) > 1
        steps:
          - uses: things.both
            with: {thing: x, value: b}
            retry: {attempts: 4}
        else:
          - fail: No
      - uses: things.get
        with: {thing: nothing}
    on_error: continue
  - parallel:
      - id: gate
        approve: {ask: Well, targets: evidence.files, approvers: [officers], covers: [each]}
      - id: left
        uses: things.get
        with: {thing: x1}
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - if: steps.left.length > 5
        stop: Long
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
outputs: {n: steps.each.succeeded}
`,
	}
}

// record runs a playbook by hand, one strand after the other, with faults, and
// calls back after every move.
func record(t *testing.T, book string, moved func(strand, live, rebuilt string)) (e *engine.Engine, r engine.RunRecord, closeStore func() error) {
	store, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(map[string]string{"f0": "a", "f1": "b", "f2": "c", "x1": "a", "x2": "a"})
	w.faults["f0"] = []fault{{applied: true, err: &thingError{code: "timeout", unsure: true}}}
	w.faults["f1"] = []fault{{err: &thingError{code: "timeout", unsure: true}}, {err: &thingError{code: "throttled", after: time.Minute}}}
	w.faults["x2"] = []fault{{err: &thingError{code: "unavailable"}}}
	e = engine.New(store, store, w.catalog(), officers)
	begun, err := e.Start(t.Context(), engine.Start{Book: loadBook(t, callable(e.World(), map[string]string{"other": other}), book), Event: event(3), Mode: engine.ModeLive, By: "trigger:incident"})
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		worked, err := e.WorkAlone(t.Context(), moved)
		if err != nil {
			t.Fatal(err)
		}
		if r, err = store.Run(t.Context(), begun.Run); err != nil {
			t.Fatal(err)
		}
		if !r.EndedAt.IsZero() {
			return e, r, store.Close
		}
		if worked {
			continue
		}
		list, err := e.Approvals(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range list {
			if _, err := e.Decide(context.Background(), engine.Decision{Approval: q.ID, By: "dana@c.example", Approve: true}); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Second) // virtual
	}
	t.Fatal("the run did not end")
	return nil, r, nil
}

// TestWhoTakesOverKnowsWhatTheWorkerKnew compares, after every move, the state
// that the worker holds with the one that its successor would build.
func TestWhoTakesOverKnowsWhatTheWorkerKnew(t *testing.T) {
	for name, book := range histories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				moves := 0
				_, _, done := record(t, book, func(strand, live, rebuilt string) {
					if moves++; live != rebuilt {
						t.Fatalf("strand %q: the worker knows\n%s\nand who takes over\n%s", strand, live, rebuilt)
					}
				})
				if moves == 0 {
					t.Error("nothing was compared")
				}
				if err := done(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAHistoryCutAnywhereGivesTheSameState cuts recorded histories after every
// fact.
func TestAHistoryCutAnywhereGivesTheSameState(t *testing.T) {
	for name, book := range histories() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e, r, done := record(t, book, func(string, string, string) {})
				wrong, err := e.Cut(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				for _, w := range wrong {
					t.Error(w)
				}
				if err := done(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

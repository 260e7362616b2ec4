package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// rolledBackCases are steps with `on_error: rollback` that fail; before, x is a
// and f0, f1, f2 are a.
var rolledBackCases = map[string]string{
	"a block": `
  - id: guarded
    steps:
      - uses: things.put
        with: {thing: x, value: b}
      - uses: things.put
        with: {thing: x, value: c}
      - fail: Bad
    on_error: rollback
`,
	"else of a block": `
  - id: guarded
    if: len(evidence.files) > 5
    steps:
      - fail: Worse
    else:
      - uses: things.put
        with: {thing: x, value: b}
      - fail: Bad
    on_error: rollback
`,
	"a loop": `
  - id: guarded
    for_each: evidence.files
    as: file
    max_parallel: 2
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
      - if: file.id == "f2"
        fail: Bad
    on_error: rollback
`,
	"branches": `
  - id: guarded
    parallel:
      - uses: things.put
        with: {thing: f0, value: b}
      - uses: things.put
        with: {thing: f1, value: b}
      - steps:
          - uses: things.put
            with: {thing: x, value: b}
          - fail: Bad
    on_error: rollback
`,
	"a repeat": `
  - set: {n: 0}
  - id: guarded
    repeat:
      steps:
        - set: {n: vars.n + 1}
        - uses: things.put
          with: {thing: x, value: "turn ${{ vars.n }}"}
        - if: vars.n == 3
          fail: Bad
      times: 5
    on_error: rollback
`,
	"a loop in a block in a loop": `
  - id: outer
    for_each: evidence.files
    as: file
    max_parallel: 1
    steps:
      - id: guarded
        steps:
          - for_each: evidence.files
            as: other
            max_parallel: 2
            steps:
              - uses: things.put
                with: {thing: "${{ other }}", value: "${{ file.id }}"}
          - fail: Bad
        on_error: rollback
`,
	"what was caught inside": `
  - id: guarded
    steps:
      - steps:
          - uses: things.put
            with: {thing: x, value: b}
          - fail: Caught
        on_error: continue
      - uses: things.put
        with: {thing: f0, value: b}
      - fail: Bad
    on_error: rollback
`,
	"twice, one in the other": `
  - id: guarded
    steps:
      - uses: things.put
        with: {thing: f0, value: b}
      - steps:
          - uses: things.put
            with: {thing: x, value: b}
          - fail: Bad
        on_error: rollback
    on_error: rollback
`,
	"its time is over": `
  - id: guarded
    timeout: 1h
    steps:
      - uses: things.put
        with: {thing: x, value: b}
      - wait: 2h
    on_error: rollback
`,
}

func start4() map[string]string {
	return map[string]string{"x": "a", "f0": "a", "f1": "a", "f2": "a", "z": "a"}
}

func TestRollbackTakesBackWhatAStepHasDone(t *testing.T) {
	for name, book := range rolledBackCases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(start4())
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run("steps:\n  - uses: things.put\n    with: {thing: z, value: kept}\n"+strings.TrimPrefix(book, "\n")+"on_failure:\n  - uses: things.put\n    with: {thing: note, value: \"${{ error.message }}\"}\n", 3)
				want := start4()
				want["z"] = "kept"
				want["note"] = "Bad"
				if name == "its time is over" {
					want["note"] = "the time of guarded is over"
				}
				if r.Status != "failed" || !maps.Equal(w.values, want) {
					t.Errorf("the run is %s (%v), the world %v; steps %v", r.Status, r.Error, w.values, paths(r))
				}
				for _, s := range r.Steps {
					for _, e := range s.Effects {
						inside := strings.Contains(s.Path, "guarded") && !strings.Contains(s.Path, "/rollback[0]/")
						if undone := e.Status == actions.Undone; undone != inside {
							t.Errorf("the effect at %s is %s", s.Path, e.Status)
						}
					}
				}
				if items := undoItems(b, r.ID); slices.Contains(items, "x would_undo") || !slices.Contains(items, "z would_undo") {
					t.Errorf("an undo of the run would do %v", items)
				}
			})
		})
	}
}

func TestRollbackGoesBackwardsAndTellsWhatIsLeft(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "f0": "a", "f1": "a", "f2": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.start(`
steps:
  - id: guarded
    steps:
      - uses: things.put
        with: {thing: f0, value: b}
      - uses: things.put
        with: {thing: f1, value: b}
      - uses: things.drop
        with: {thing: f2}
      - uses: things.put
        with: {thing: x, value: b}
      - wait: 1h
      - fail: Bad
    on_error: rollback
    finally:
      - uses: things.put
        with: {thing: last, value: "${{ error?.message ?? 'none' }}"}
`, 0)
		<-time.After(time.Minute)
		w.set("f1", "somebody's")
		w.mu.Lock()
		w.faults["f0"] = []fault{{err: &thingError{code: "forbidden"}}}
		w.mu.Unlock()
		r := b.await(id)
		if r.Status != "failed" || !strings.HasPrefix(r.Error.Message, "Bad; rollback: partial: 1 of 4 effects were taken back") {
			t.Fatalf("the run is %s: %v", r.Status, r.Error)
		}
		for _, left := range []string{"things.put on f1 (changed since", "things.drop on f2 (no inverse", "things.put on f0 (things: forbidden)"} {
			if !strings.Contains(r.Error.Message, left) {
				t.Errorf("%q is not in %q", left, r.Error.Message)
			}
		}
		if s := step(t, r, "guarded"); s.Status != "failed" || s.Why != "rollback: partial" {
			t.Errorf("the step is %s: %s", s.Status, s.Why)
		}
		if w.values["x"] != "a" || w.values["f1"] != "somebody's" || !strings.HasPrefix(w.values["last"], "Bad; rollback: partial") {
			t.Errorf("the world is %v", w.values)
		}
		var order []string
		for _, s := range r.Steps {
			if strings.HasPrefix(s.Path, "guarded/rollback[0]/") {
				order = append(order, s.Uses)
			}
		}
		if !slices.Equal(order, []string{"things.put", "things.drop", "things.put", "things.put"}) {
			t.Errorf("the order is %v", order)
		}
	})
}

func TestRollbackWaits(t *testing.T) {
	book := "steps:" + rolledBackCases["a block"]
	t.Run("for the end of a freeze", func(t *testing.T) {
		w := newWorld(start4())
		rehearse(t, w, engine.Options{}, func(b *bench) {
			id := b.start(strings.Replace(book, "- fail: Bad", "- wait: 1h\n      - fail: Bad", 1), 0)
			<-time.After(time.Minute)
			if _, err := b.engine.Freeze(b.t.Context(), true, "dana", ""); err != nil {
				t.Fatal(err)
			}
			<-time.After(5 * time.Hour)
			if w.get("x") != "c" {
				t.Fatal("taken back during the freeze")
			}
			if _, err := b.engine.Freeze(b.t.Context(), false, "dana", ""); err != nil {
				t.Fatal(err)
			}
			if r := b.await(id); r.Status != "failed" || w.get("x") != "a" {
				t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
			}
		})
	})
	for _, yes := range []bool{true, false} {
		t.Run(fmt.Sprint("for an approval where access is widened: ", yes), func(t *testing.T) {
			w := newWorld(start4())
			o := officers
			o.UndoAsks = true
			rehearse(t, w, o, func(b *bench) {
				id := b.start(book, 0)
				<-time.After(time.Minute)
				q := b.waiting()
				if q.Run != id || len(q.Targets) != 2 || w.get("x") != "c" {
					t.Fatalf("the question is %+v", q)
				}
				b.decide(q.ID, "dana@c.example", yes)
				want := map[bool]string{true: "a", false: "c"}[yes]
				r := b.await(id)
				if r.Status != "failed" || w.get("x") != want || strings.Contains(r.Error.Message, "0 of 2") == yes {
					t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
				}
			})
		})
	}
	t.Run("and a cancel ends it", func(t *testing.T) {
		w := newWorld(start4())
		o := officers
		o.UndoAsks = true
		rehearse(t, w, o, func(b *bench) {
			id := b.start(book, 0)
			<-time.After(time.Minute)
			b.cancel(id)
			if r := b.await(id); r.Status != "cancelled" || w.get("x") != "c" {
				t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
			}
		})
	})
}

func TestARollbackOfNothing(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
		r := b.run("steps:\n  - id: guarded\n    steps:\n      - fail: Bad\n    on_error: rollback\n", 0)
		if r.Status != "failed" || r.Error.Message != "Bad" || step(t, r, "guarded/rollback").Why != "nothing to undo" {
			t.Errorf("the run is %s (%v); steps %v", r.Status, r.Error, paths(r))
		}
	})
}

// TestARollbackSurvivesTheWorker kills the worker at every act of runs that are
// rolled back, before and after the store took it.
func TestARollbackSurvivesTheWorker(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 2
	}
	for _, name := range []string{"a loop", "twice, one in the other"} {
		for _, applied := range []bool{false, true} {
			for k := 1; ; k += stride {
				died := false
				t.Run(fmt.Sprintf("%s/applied=%v/%d", name, applied, k), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						store, err := sqlitestore.OpenMemory(time.Now)
						if err != nil {
							t.Fatal(err)
						}
						defer store.Close()
						w := newWorld(start4())
						m := &mortal{Store: store, left: k, applied: applied, dead: make(chan struct{})}
						first := &bench{t: t, w: w, store: store, engine: engine.New(m, store, w.catalog(), engine.Options{})}
						id := first.start("steps:"+rolledBackCases[name], 3)
						first.work()
						<-time.After(time.Minute)
						select {
						case <-m.dead:
							died = true
						default:
						}
						first.stop()
						<-first.done
						second := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), engine.Options{})}
						second.work()
						r := second.await(id)
						second.end()
						if r.Status != "failed" || r.Error.Message != "Bad" || !maps.Equal(w.values, start4()) || len(w.twice()) > 0 {
							t.Errorf("the run is %s (%v), the world %v, twice %v; steps %v", r.Status, r.Error, w.values, w.twice(), paths(r))
						}
					})
				})
				if !died || t.Failed() {
					break
				}
			}
		}
	}
}

package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/engine/sqlitestore"
)

const isolate = `
steps:
  - id: isolate
    uses: things.put
    with: {thing: x, value: b}
    for: 4h
  - uses: things.put
    with: {thing: z, value: after}
`

func TestAnEffectThatLastsIsTakenBackInTime(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{Groups: map[string][]string{"officers": {"dana@c.example"}}, UndoAsks: true}, func(b *bench) {
		begun := time.Now()
		r := b.run(isolate, 0)
		e := step(t, r, "isolate").Effects[0]
		if r.Status != "succeeded" || w.get("x") != "b" || e.Until == nil || e.Until.Before(begun.Add(4*time.Hour)) || e.UndoBy == "" {
			t.Fatalf("the run is %s (%v), its effect %+v", r.Status, r.Error, e)
		}
		undo, err := b.engine.Run(b.t.Context(), e.UndoBy)
		if err != nil || undo.Status != "queued" || undo.Undoes != r.ID || undo.BeginsAt == nil {
			t.Fatalf("the undo is %+v (%v)", undo, err)
		}
		<-time.After(4*time.Hour - time.Minute)
		if w.get("x") != "b" {
			t.Fatal("taken back too early")
		}
		<-time.After(2 * time.Minute)
		if undo = b.await(e.UndoBy); undo.Status != "succeeded" || w.get("x") != "a" || w.get("z") != "after" {
			t.Errorf("the undo is %s (%v), the world %v", undo.Status, undo.Error, w.values)
		}
		if r, _ = b.engine.Run(b.t.Context(), r.ID); step(t, r, "isolate").Effects[0].Status != actions.Undone {
			t.Errorf("the effect is shown as %s", step(t, r, "isolate").Effects[0].Status)
		}
	})
}

func TestAnEffectThatLastsIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(*bench, engine.Run)
		want string
		undo string
	}{
		"where its undo is cancelled": {func(b *bench, r engine.Run) {
			if err := b.engine.Cancel(b.t.Context(), step(b.t, r, "isolate").Effects[0].UndoBy, "dana", "still needed"); err != nil {
				b.t.Fatal(err)
			}
		}, "b", "cancelled"},
		"where somebody has changed it": {func(b *bench, _ engine.Run) { b.w.set("x", "c") }, "c", "succeeded"},
		"where it was undone before":    {func(b *bench, r engine.Run) { b.undo(r.ID); b.w.set("x", "b") }, "b", "succeeded"},
		"as long as effects are frozen": {func(b *bench, _ engine.Run) {
			if _, err := b.engine.Freeze(b.t.Context(), true, "dana", "drill"); err != nil {
				b.t.Fatal(err)
			}
		}, "b", "waiting"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run(isolate, 0)
				c.do(b, r)
				<-time.After(5 * time.Hour)
				undo, err := b.engine.Run(b.t.Context(), step(t, r, "isolate").Effects[0].UndoBy)
				if err != nil || undo.Status != c.undo || w.get("x") != c.want {
					t.Errorf("the undo is %s (%v), the world %v", undo.Status, err, w.values)
				}
			})
		})
	}
}

func TestAnEffectThatLastsIsTakenBackHoweverItsRunEnds(t *testing.T) {
	for name, c := range map[string]struct {
		book, status string
		do           func(*bench, string)
	}{
		"failed":    {isolate + "  - fail: Bad\n", "failed", nil},
		"cancelled": {isolate + "  - wait: {event: never, key: k}\n", "cancelled", func(b *bench, id string) { b.cancel(id) }},
		"a person said that it happened": {isolate, "succeeded", func(b *bench, id string) {
			<-time.After(time.Hour)
			if err := b.engine.Resolve(b.t.Context(), id, "isolate", true, "dana"); err != nil {
				b.t.Fatal(err)
			}
		}},
		"cancelled while it was in doubt": {isolate, "cancelled", func(b *bench, id string) {
			b.cancel(id)
			<-time.After(time.Hour)
			if err := b.engine.Resolve(b.t.Context(), id, "isolate", true, "dana"); err != nil {
				b.t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			if name[0] == 'a' || len(name) > 12 {
				w.goBlind("x", fault{applied: true, err: &thingError{code: "timeout", unsure: true}})
			}
			rehearse(t, w, engine.Options{}, func(b *bench) {
				id := b.start(c.book, 0)
				<-time.After(time.Minute)
				if c.do != nil {
					c.do(b, id)
				}
				r := b.await(id)
				if r.Status != c.status || w.get("x") != "b" {
					t.Fatalf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
				}
				w.mu.Lock()
				w.blind = false
				w.mu.Unlock()
				<-time.After(4 * time.Hour)
				if w.get("x") != "a" {
					t.Errorf("it was not taken back; the effect is %+v", step(t, r, "isolate").Effects[0])
				}
			})
		})
	}
}

func (b *bench) cancel(id string) {
	b.t.Helper()
	if err := b.engine.Cancel(b.t.Context(), id, "tess", ""); err != nil {
		b.t.Fatal(err)
	}
}

func TestABadForFailsBeforeTheEffect(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		r := b.run(`
params: {hours: {type: integer, default: 0}}
steps:
  - uses: things.put
    with: {thing: x, value: b}
    for: "${{ duration('1h') * params.hours }}"
`, 0)
		if r.Status != "failed" || w.get("x") != "a" {
			t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
		}
	})
}

// TestAnEffectThatLastsSurvivesTheWorker kills the worker at every act.
func TestAnEffectThatLastsSurvivesTheWorker(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 3 // five hours each, in which a worker looks every few seconds
	}
	for _, applied := range []bool{false, true} {
		for k := 1; k <= 7; k += stride {
			t.Run(fmt.Sprintf("applied=%v/%d", applied, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store, err := sqlitestore.OpenMemory(time.Now)
					if err != nil {
						t.Fatal(err)
					}
					defer store.Close()
					w := newWorld(map[string]string{"x": "a"})
					m := &mortal{Store: store, left: k, applied: applied, dead: make(chan struct{})}
					first := &bench{t: t, w: w, store: store, engine: engine.New(m, store, w.catalog(), engine.Options{})}
					id := first.start(isolate, 0)
					first.work()
					<-time.After(time.Minute)
					first.stop()
					<-first.done
					second := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), engine.Options{})}
					second.work()
					r := second.await(id)
					undo := step(t, r, "isolate").Effects[0].UndoBy
					<-time.After(5 * time.Hour)
					second.end()
					if runs := begun(t, store); len(runs) != 2 || runs[1] != undo {
						t.Errorf("the runs are %v, the undo is %q", runs, undo)
					}
					if r.Status != "succeeded" || w.get("x") != "a" || w.changes()["x"] != 2 {
						t.Errorf("the run is %s (%v), the world %v, changed %v", r.Status, r.Error, w.values, w.changes())
					}
				})
			})
		}
	}
}

// begun answers all runs of a store, the oldest first.
func begun(t *testing.T, store engine.Store) []string {
	t.Helper()
	var runs []string
	for cursor := ""; ; {
		page, err := store.Follow(context.Background(), cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Kind == "run" && !slices.Contains(runs, r.Run) {
				runs = append(runs, r.Run)
			}
		}
		if cursor = page.Cursor; !page.More {
			return runs
		}
	}
}

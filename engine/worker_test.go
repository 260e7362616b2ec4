package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// TestALateResultOfAnOldHolderChangesNothing cuts a worker off from the store
// while its request is under way, so that another takes its strand over.
func TestALateResultOfAnOldHolderChangesNothing(t *testing.T) {
	for name, applied := range map[string]bool{"the request happened": true, "it did not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, err := sqlitestore.OpenMemory(time.Now)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				w := newWorld(map[string]string{"x": "a"})
				f := fault{slow: 25 * time.Second}
				if !applied {
					f.err = &thingError{code: "forbidden"}
				}
				w.faults["x"] = []fault{f}
				cut := &stubborn{Store: store}
				w.sending = func(string) { cut.full.Store(true) }
				old := &bench{t: t, w: w, store: store, engine: engine.New(cut, store, w.catalog(), engine.Options{})}
				old.work()
				id := old.start("steps:\n  - id: put\n    uses: things.drop\n    with: {thing: x}\n", 0)
				<-time.After(20 * time.Second)
				young := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), engine.Options{})}
				w.mu.Lock()
				w.sending = nil
				w.mu.Unlock()
				young.work()
				<-time.After(6 * time.Second)
				cut.full.Store(false) // the old one is heard again, with its result
				r := young.await(id)
				if e := step(t, r, "put").Effects[0]; r.Status != "succeeded" || e.Status != actions.Done || w.changes()["x"] != 1 {
					t.Errorf("the run is %s (%v), the effect %s, x changed %d times", r.Status, r.Error, e.Status, w.changes()["x"])
				}
				old.end()
				young.end()
			})
		})
	}
}

func TestARunThatWaitsForItsKeyCanBeCancelled(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), officers, func(b *bench) {
		first := b.start("steps:\n  - approve: {ask: Well, approvers: [officers]}\n", 0)
		b.until(first, "waiting")
		book := b.load("steps:\n  - approve: {ask: Well, approvers: [officers]}\n")
		ev := event(0)
		ev.ID = "e2"
		begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: ev, Mode: engine.ModeLive, By: "trigger:incident"})
		if err != nil {
			t.Fatal(err)
		}
		b.until(begun.Run, "queued")
		if err := b.engine.Cancel(b.t.Context(), begun.Run, "tess", "enough"); err != nil {
			t.Fatal(err)
		}
		if r := b.await(begun.Run); r.Status != "cancelled" {
			t.Errorf("the run is %s", r.Status)
		}
		b.decide(b.waiting().ID, "dana@c.example", true)
		if r := b.await(first); r.Status != "succeeded" {
			t.Errorf("the first run is %s", r.Status)
		}
	})
}

func TestATimeThatIsNoneIsRefusedAtTheStart(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
		book := b.load("params:\n  time: {type: duration, default: 1h}\ntimeout: \"${{ params.time }}\"\nsteps:\n  - set: {v: 1}\n")
		params, err := book.BindParams(map[string]string{"time": "0s"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: event(0), Params: params, Mode: engine.ModeLive, By: "operator:tess"})
		if err == nil || !strings.Contains(err.Error(), "timeout") {
			t.Errorf("a run without an end was begun: %v", err)
		}
	})
}

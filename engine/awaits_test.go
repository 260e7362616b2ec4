package engine_test

import (
	"slices"
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine"
)

const askX = "steps:\n  - id: put\n    uses: things.ask\n    with: {thing: x, value: b}\n"

// Whose word is waited for is told, the waiting holds no worker, and the effect
// is done when the word has come.
func TestAWordIsAwaited(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.takes = 50 * time.Minute
	rehearse(t, w, engine.Options{Workers: 1}, func(b *bench) {
		begun := time.Now()
		id := b.start(askX, 0)
		<-time.After(5 * time.Second)
		if r := b.until(id, "waiting"); !slices.Equal(r.WaitsFor, []string{"the word of ann"}) {
			t.Errorf("it waits for %q", r.WaitsFor)
		}
		<-time.After(5 * time.Minute)
		r := b.until(id, "waiting")
		if e := step(t, r, "put").Effects[0]; !slices.Equal(r.WaitsFor, []string{"the word of ann, or of bob"}) || e.Status != actions.Open || e.Why == "" {
			t.Errorf("it waits for %q; the effect is %s: %s", r.WaitsFor, e.Status, e.Why)
		}
		if other := b.run("steps:\n  - uses: things.get\n    with: {thing: x}\n", 0); other.Status != "succeeded" {
			t.Errorf("another run on the only worker is %s", other.Status)
		}
		r = b.await(id)
		if took := time.Since(begun); r.Status != "succeeded" || took < w.takes || took > w.takes+2*time.Minute {
			t.Errorf("the run is %s after %s", r.Status, took)
		}
		if e := step(t, r, "put").Effects[0]; e.Status != actions.Done || w.changes()["x"] != 1 {
			t.Errorf("the effect is %s, x was changed %d times", e.Status, w.changes()["x"])
		}
	})
}

// A run that has to end does not wait for the word: what was asked has been
// asked.
func TestWhoHasToEndAwaitsNoWord(t *testing.T) {
	for name, c := range map[string]struct {
		book   string
		stop   func(*bench, string) error
		status string
		after  time.Duration
	}{
		"cancelled": {askX, func(b *bench, id string) error { return b.engine.Cancel(b.t.Context(), id, "tess", "enough") }, "cancelled", 10 * time.Minute},
		"terminated": {askX, func(b *bench, id string) error {
			return b.engine.Terminate(b.t.Context(), id, "tess", "enough")
		}, "cancelled", 10 * time.Minute},
		"the run's time is over": {"timeout: 10m\n" + askX, nil, "failed", 10 * time.Minute},
		"that of a block is over": {
			"steps:\n  - id: around\n    timeout: 10m\n    steps:\n      - id: put\n        uses: things.ask\n        with: {thing: x, value: b}\n", nil, "failed", 10 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			w.takes = 50 * time.Minute
			rehearse(t, w, engine.Options{}, func(b *bench) {
				begun := time.Now()
				id := b.start(c.book, 0)
				if c.stop != nil {
					<-time.After(c.after)
					if err := c.stop(b, id); err != nil {
						t.Fatal(err)
					}
				}
				r := b.await(id)
				if took := time.Since(begun); r.Status != c.status || took > c.after+30*time.Second {
					t.Errorf("the run is %s after %s: %v", r.Status, took, r.Error)
				}
				for _, s := range r.Steps {
					for _, e := range s.Effects {
						if e.Status != actions.Done {
							t.Errorf("the effect is %s: %s", e.Status, e.Why)
						}
					}
				}
				if results := b.audited("effect.result"); len(results) != 1 || results[0].Status != "done" {
					t.Errorf("audited: %+v", results)
				}
			})
		})
	}
}

// Who cannot look any more has asked all the same: it is not asked again, and a
// person says how to go on.
func TestNobodyIsAskedTwiceWhereNobodyCanLook(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.takes = time.Minute
	rehearse(t, w, engine.Options{}, func(b *bench) {
		begun := time.Now()
		w.reading = func(string) error {
			if time.Since(begun) > 15*time.Second {
				return &thingError{code: "forbidden"}
			}
			return nil
		}
		id := b.start(askX, 0)
		<-time.After(time.Hour)
		r := b.until(id, "waiting")
		if e := step(t, r, "put").Effects[0]; e.Status != actions.Unknown || w.changes()["x"] != 1 {
			t.Fatalf("the effect is %s, x was changed %d times", e.Status, w.changes()["x"])
		}
		if err := b.engine.Resolve(b.t.Context(), id, "put", true, "dana"); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "succeeded" {
			t.Errorf("the run is %s: %v", r.Status, r.Error)
		}
	})
}

package engine_test

import (
	"testing"
	"time"

	"stanch/engine"
)

// An inverse is held against the world when it is sent, not when it was
// prepared: a freeze may have lain between.
func TestAnInverseThatWaitedIsHeldAgainstTheWorldAgain(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(*bench, engine.Run)
		status    string
	}{
		"somebody has changed it": {func(b *bench, _ engine.Run) { b.w.set("x", "c") }, "changed_since"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run(isolate, 0)
				if _, err := b.engine.Freeze(b.t.Context(), true, "dana", "drill"); err != nil {
					t.Fatal(err)
				}
				<-time.After(5 * time.Hour)
				c.meanwhile(b, r)
				now := w.get("x")
				if _, err := b.engine.Freeze(b.t.Context(), false, "dana", "over"); err != nil {
					t.Fatal(err)
				}
				undo := b.await(step(t, r, "isolate").Effects[0].UndoBy)
				if undo.Status != "succeeded" || w.get("x") != now {
					t.Errorf("the undo is %s (%v), x %q, was %q", undo.Status, undo.Error, w.get("x"), now)
				}
			})
		})
	}
}

// Two who take one effect back at once take it back once.
func TestTwoUndosOfOneEffectTakeItBackOnce(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		r := b.run(isolate, 0)
		if _, err := b.engine.Freeze(b.t.Context(), true, "dana", "drill"); err != nil {
			t.Fatal(err)
		}
		<-time.After(5 * time.Hour) // its own undo is prepared, and held
		begun, err := b.engine.Undo(b.t.Context(), r.ID, "isolate", "operator:tess")
		if err != nil {
			t.Fatal(err)
		}
		b.until(begun.Run, "waiting")
		if _, err := b.engine.Freeze(b.t.Context(), false, "dana", "over"); err != nil {
			t.Fatal(err)
		}
		one, two := b.await(begun.Run), b.await(step(t, r, "isolate").Effects[0].UndoBy)
		if one.Status != "succeeded" || two.Status != "succeeded" || w.get("x") != "a" || w.changes()["x"] != 2 {
			t.Errorf("the undos are %s (%v) and %s (%v); x is %q, changed %d times", one.Status, one.Error, two.Status, two.Error, w.get("x"), w.changes()["x"])
		}
	})
}

func TestAWaitBeyondAllClocks(t *testing.T) {
	for _, text := range []string{"wait: 100000d", "wait: 106000d", "wait: {until: \"${{ date('9999-12-31T00:00:00Z') }}\"}", "wait: {until: \"${{ date('2500-01-01T00:00:00Z') }}\"}", "wait: {event: e, key: k, timeout: 106000d}", "repeat: {times: 2, every: 106000d, steps: [{set: {n: 1}}]}"} {
		w := newWorld(map[string]string{})
		rehearse(t, w, engine.Options{}, func(b *bench) {
			id := b.start("steps:\n  - "+text+"\n", 0)
			<-time.After(time.Hour)
			r, err := b.engine.Run(b.t.Context(), id)
			if err != nil || r.Status != "waiting" {
				t.Errorf("%s: the run is %s (%v) %v %v", text, r.Status, err, r.Error, r.WaitsFor)
				return
			}
			b.cancel(id)
			if r := b.await(id); r.Status != "cancelled" {
				t.Errorf("%s: %s", text, r.Status)
			}
		})
	}
}

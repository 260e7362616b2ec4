package engine_test

import (
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine"
)

// Work that was accepted may go on for as long as its action says, which is
// more than a read may lag behind; then a person is asked.
func TestAcceptedWorkMayTakeItsOwnTime(t *testing.T) {
	const text = "steps:\n  - id: put\n    uses: things.slow\n    with: {thing: x, value: b}\n"
	for _, lost := range []bool{false, true} { // the answer that it was accepted
		for takes, wantStatus := range map[time.Duration]string{59 * time.Minute: "succeeded", 2 * time.Hour: "unknown"} {
			w := newWorld(map[string]string{"x": "a"})
			w.takes = takes
			if lost {
				w.faults["x"] = []fault{{applied: true, err: &thingError{code: "timeout", unsure: true}}}
			}
			rehearse(t, w, engine.Options{}, func(b *bench) {
				id, began := b.start(text, 0), time.Now()
				if wantStatus == "succeeded" {
					r := b.await(id)
					if took := time.Since(began); r.Status != wantStatus || took < takes || took > takes+2*time.Minute {
						t.Errorf("work of %s (answer lost: %v): the run is %s after %s", takes, lost, r.Status, took)
					}
					return
				}
				<-time.After(90 * time.Minute)
				s := step(t, b.until(id, "waiting"), "put")
				if s.Status != wantStatus || s.Effects[0].Status != actions.Unknown {
					t.Errorf("work of %s (answer lost: %v): the step is %s", takes, lost, s.Status)
				}
				if err := b.engine.Resolve(b.t.Context(), id, "put", true, "dana"); err != nil {
					t.Error(err)
				}
				b.await(id)
			})
			if n := w.changes()["x"]; n != 1 {
				t.Errorf("work of %s (answer lost: %v): x was changed %d times", takes, lost, n)
			}
		}
	}
}

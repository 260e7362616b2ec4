package engine_test

import (
	"testing"
	"time"

	"stanch/engine"
)

// A run in shadow is in nobody's way: it neither keeps a live run of the playbook
// from beginning, nor ends one, nor lets one wait; and none keeps it waiting.
func TestAShadowIsInNobodysWay(t *testing.T) {
	for _, when := range []string{"queue", "skip", "replace"} {
		t.Run(when, func(t *testing.T) {
			w := newWorld(map[string]string{})
			rehearse(t, w, engine.Options{}, func(b *bench) {
				book := b.load(busy(when))
				live := b.offer(book, "live")
				<-time.After(time.Minute)
				ev := event(0)
				ev.ID = "shadow"
				shadow, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: ev, Mode: engine.ModeShadow, By: "operator:alice"})
				if err != nil || shadow.Busy {
					t.Fatalf("Start answers %+v, %v", shadow, err)
				}
				if r := b.await(shadow.Run); r.Status != "succeeded" {
					t.Errorf("the run in shadow is %s (%s)", r.Status, r.Reason)
				}
				if r := b.await(live.Run); r.Status != "succeeded" || w.get("live") != "done" {
					t.Errorf("the live run is %s (%s), the world %v", r.Status, r.Reason, w.values)
				}
				if w.get("shadow") != "" {
					t.Error("the run in shadow has acted")
				}
			})
		})
	}
}

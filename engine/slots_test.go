package engine_test

import (
	"sync"
	"testing"
	"time"

	"stanch/engine"
)

// Of a connector with a limit no more calls are under way; who waits keeps its
// lease for as long as it takes.
func TestCallsOfAConnectorAreLimited(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	var mu sync.Mutex
	now, most, calls := 0, 0, 0
	w.reading = func(string) error {
		mu.Lock()
		now, calls = now+1, calls+1
		most = max(most, now)
		mu.Unlock()
		<-time.After(20 * time.Second) // virtual; longer than a lease
		mu.Lock()
		now--
		mu.Unlock()
		return nil
	}
	rehearse(t, w, engine.Options{Limits: map[string]int{"things": 2}}, func(b *bench) {
		begun := time.Now()
		id := b.start("steps:\n  - for_each: 1..8\n    max_parallel: 8\n    steps:\n      - uses: things.get\n        with: {thing: x}\n", 0)
		r := b.await(id)
		if r.Status != "succeeded" || most != 2 || calls != 8 {
			t.Errorf("the run is %s (%v): %d calls, %d at once", r.Status, r.Error, calls, most)
		}
		if took := time.Since(begun); took < 80*time.Second {
			t.Errorf("8 calls of 20 s, two at once, took %s", took)
		}
	})
}

// A limit of one does not keep a step waiting for itself.
func TestEffectsUnderALimitOfOne(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "z": "a"})
	rehearse(t, w, engine.Options{Limits: map[string]int{"things": 1}}, func(b *bench) {
		id := b.start("steps:\n  - parallel:\n      - steps: [{uses: things.put, with: {thing: x, value: b}}]\n      - steps: [{uses: things.put, with: {thing: z, value: b}}]\n", 0)
		if r := b.await(id); r.Status != "succeeded" || w.changes()["x"] != 1 || w.changes()["z"] != 1 {
			t.Errorf("the run is %s (%v), changes %v", r.Status, r.Error, w.changes())
		}
	})
}

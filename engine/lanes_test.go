package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// deaf is a store whose Wait hears of nothing, and which counts what it is asked.
type deaf struct {
	engine.Store
	mu     sync.Mutex
	claims int
}

func (d *deaf) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	d.mu.Lock()
	d.claims++
	d.mu.Unlock()
	return d.Store.Claim(ctx, c)
}

func (d *deaf) Wait(ctx context.Context, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}

// asked answers how many claims there were.
func (d *deaf) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.claims
}

// drawn is what goes on at once, as reads that take their time.
type drawn struct {
	mu    sync.Mutex
	now   map[string]int
	most  map[string]int
	begun map[string][]time.Time
}

// slowly makes every read take a time that is longer than a lease.
func slowly(w *world) *drawn {
	d := &drawn{now: map[string]int{}, most: map[string]int{}, begun: map[string][]time.Time{}}
	w.reading = func(thing string) error {
		d.mu.Lock()
		d.now[thing]++
		d.most[thing] = max(d.most[thing], d.now[thing])
		d.begun[thing] = append(d.begun[thing], time.Now())
		d.mu.Unlock()
		<-time.After(20 * time.Second) // virtual
		d.mu.Lock()
		d.now[thing]--
		d.mu.Unlock()
		return nil
	}
	return d
}

// startIn begins a run about an incident of its own in a lane.
func (b *bench) startIn(lane int, id, steps string) string {
	b.t.Helper()
	ev := event(0)
	ev.ID, ev.Incident = id, bytes.Replace(ev.Incident, []byte("defender/7"), []byte("defender/"+id), 1)
	begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: b.load(steps), Event: ev, Mode: engine.ModeLive, By: "operator:tess", Lane: lane})
	if err != nil {
		b.t.Fatal(err)
	}
	return begun.Run
}

func reads(thing string) string {
	return "steps:\n  - uses: things.get\n    with: {thing: " + thing + "}\n"
}

// A lane with a limit leaves goroutines to the others, and goes on as soon as one
// of its own has ended, whatever the store tells.
func TestALaneIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer memory.Close()
		w := newWorld(map[string]string{"hunted": "a", "hot": "a"})
		d, store := slowly(w), &deaf{Store: memory}
		b := &bench{t: t, w: w, store: memory, engine: engine.New(store, memory, w.catalog(), engine.Options{Workers: 4, Lanes: [engine.Lanes]int{3: 2}})}
		var runs []string
		for i := range 6 {
			runs = append(runs, b.startIn(3, fmt.Sprint("hunt", i), reads("hunted")))
		}
		runs = append(runs, b.startIn(0, "hot", reads("hot")))
		begun := time.Now()
		b.work()
		defer b.end()
		<-time.After(19 * time.Second) // virtual: nothing has ended yet
		if n := store.asked(); n > 5 {
			t.Errorf("a full lane is asked for %d times in 19 s", n)
		}
		for _, id := range runs {
			if r := b.await(id); r.Status != "succeeded" {
				t.Errorf("a run is %s: %v", r.Status, r.Error)
			}
		}
		if d.most["hunted"] != 2 || len(d.begun["hot"]) != 1 || d.begun["hot"][0].Sub(begun) > time.Second {
			t.Errorf("%d of the lane at once; the other begins after %v", d.most["hunted"], d.begun["hot"])
		}
		for i, at := range d.begun["hunted"] {
			if late := at.Sub(begun) - time.Duration(i/2)*20*time.Second; late > time.Second {
				t.Errorf("run %d of the lane begins %s late", i, late)
			}
		}
	})
}

// Children count, whether they are claimed or handed over.
func TestChildrenCountInTheirLane(t *testing.T) {
	w := newWorld(map[string]string{"hunted": "a", "hot": "a"})
	d := slowly(w)
	rehearse(t, w, engine.Options{Workers: 8, Lanes: [engine.Lanes]int{3: 3}}, func(b *bench) {
		begun := time.Now()
		id := b.startIn(3, "hunt", "steps:\n  - for_each: 1..9\n    max_parallel: 6\n    steps:\n      - uses: things.get\n        with: {thing: hunted}\n")
		b.until(id, "running")
		hot := b.startIn(0, "hot", reads("hot"))
		if r := b.await(id); r.Status != "succeeded" || d.most["hunted"] != 3 || len(d.begun["hunted"]) != 9 {
			t.Errorf("the run is %s (%v): %d reads, %d at once", r.Status, r.Error, len(d.begun["hunted"]), d.most["hunted"])
		}
		if took := time.Since(begun); took < time.Minute || took > 62*time.Second {
			t.Errorf("9 reads of 20 s, three at once, took %s", took)
		}
		if r := b.await(hot); r.Status != "succeeded" || d.begun["hot"][0].Sub(begun) > time.Second {
			t.Errorf("the other run is %s, begun at %v", r.Status, d.begun["hot"])
		}
	})
}

// A limit above the number of goroutines, or on every lane, holds nothing up.
func TestLimitsOnEveryLane(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	d := slowly(w)
	rehearse(t, w, engine.Options{Workers: 16, Lanes: [engine.Lanes]int{1, 1, 1, 100}}, func(b *bench) {
		var runs []string
		for i := range 16 {
			runs = append(runs, b.startIn(i%4, fmt.Sprint("r", i), reads("x")))
		}
		begun := time.Now()
		for _, id := range runs {
			if r := b.await(id); r.Status != "succeeded" {
				t.Errorf("a run is %s: %v", r.Status, r.Error)
			}
		}
		if took := time.Since(begun); d.most["x"] != 7 || took > 81*time.Second {
			t.Errorf("%d at once, in %s", d.most["x"], took)
		}
	})
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// mortal is a store as a worker sees it that dies at its n-th act: the act is
// applied or not, and from then on nothing answers.
type mortal struct {
	engine.Store
	mu      sync.Mutex
	left    int
	applied bool
	dead    chan struct{}
}

var errDead = errors.New("the worker is dead")

func (m *mortal) act() (last, dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	if m.left == 0 {
		close(m.dead)
	}
	return m.left == 0, m.left < 0
}

func (m *mortal) Settle(ctx context.Context, s engine.Settlement) (engine.Settled, error) {
	last, dead := m.act()
	if dead || last && !m.applied {
		return engine.Settled{}, errDead
	}
	settled, err := m.Store.Settle(ctx, s)
	if last {
		return engine.Settled{}, errDead
	}
	return settled, err
}

func (m *mortal) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	m.mu.Lock()
	dead := m.left <= 0
	m.mu.Unlock()
	if dead {
		return engine.Claimed{}, errDead
	}
	return m.Store.Claim(ctx, c)
}

func (m *mortal) Renew(ctx context.Context, l []engine.Lease, d time.Duration) (engine.Renewed, error) {
	m.mu.Lock()
	dead := m.left <= 0
	m.mu.Unlock()
	if dead {
		return engine.Renewed{}, errDead
	}
	return m.Store.Renew(ctx, l, d)
}

const everything = `
guardrails: {max_targets: {files: 10}}
steps:
  - id: seen
    for_each: evidence.files
    as: file
    max_parallel: 2
    steps:
      - id: got
        uses: things.get
        with: {thing: "${{ file }}"}
    collect: {v: steps.got.value}
  - set: {n: len(steps.seen.items)}
  - parallel:
      - uses: things.put
        with: {thing: left, value: "n is ${{ vars.n }}"}
      - steps:
          - set: {right: vars.n * 2}
          - uses: things.put
            with: {thing: right, value: "n is ${{ vars.right }}"}
  - if: vars.right == 6
    steps:
      - for_each: evidence.files
        as: file
        max_parallel: 2
        steps:
          - uses: things.put
            with: {thing: "${{ file }}", value: marked}
          - uses: things.drop
            with: {thing: "${{ file }}"}
    else:
      - fail: Wrong
  - id: lost
    uses: things.get
    with: {thing: nothing}
    on_error: continue
  - if: steps.lost == nil
    fail: Over
on_failure:
  - uses: things.put
    with: {thing: note, value: "failed at ${{ run.failed_step }}"}
`

// TestACrashAtEveryActLosesNothingAndRepeatsNothing kills the worker at every
// act of a run, before and after the store took it, and lets another go on.
func TestACrashAtEveryActLosesNothingAndRepeatsNothing(t *testing.T) {
	values := map[string]string{"f0": "a", "f1": "b", "f2": "c"}
	end := map[string]string{"f0": "gone", "f1": "gone", "f2": "gone", "left": "n is 3", "right": "n is 6", "note": "failed at 5"}
	stride := 1
	if testing.Short() {
		stride = 6
	}
	for _, applied := range []bool{false, true} {
		for k := 1; ; k += stride {
			reached := false
			t.Run(fmt.Sprintf("applied=%v/%d", applied, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(maps.Clone(values))
					reached = crashAt(t, w, k, applied)
					if !maps.Equal(w.values, end) {
						t.Errorf("the world is %v, want %v", w.values, end)
					}
					for thing, n := range w.changes() {
						want := 1
						if strings.HasPrefix(thing, "f") {
							want = 2 // marked, then dropped
						}
						if n != want {
							t.Errorf("%s was changed %d times, want %d", thing, n, want)
						}
					}
					if twice := w.twice(); len(twice) > 0 {
						t.Errorf("effects that happened twice: %v", twice)
					}
				})
			})
			if !reached || t.Failed() {
				break
			}
		}
	}
}

// crashAt runs the playbook with a worker that dies at act k and another that
// goes on. It answers false if the run ended before.
func crashAt(t *testing.T, w *world, k int, applied bool) bool {
	store, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := &mortal{Store: store, left: k, applied: applied, dead: make(chan struct{})}
	first := engine.New(m, store, w.catalog(), engine.Options{Workers: 4})
	book := loadBook(t, first.World(), everything)
	begun, err := first.Start(t.Context(), engine.Start{Book: book, Event: event(3), Mode: engine.ModeLive, By: "trigger:incident"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- first.Work(ctx) }()
	died := true
	ended := make(chan struct{})
	watching, stopWatching := context.WithCancel(t.Context())
	go func() {
		defer close(ended)
		_, _ = first.Await(watching, begun.Run, nil)
	}()
	select {
	case <-m.dead:
	case <-ended:
		died = false
	}
	stopWatching()
	<-ended
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	second := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), engine.Options{Workers: 4})}
	second.work()
	r := second.await(begun.Run)
	second.end()
	if r.Status != "failed" || r.Error == nil || r.Error.Message != "Over" {
		t.Errorf("the run is %s: %v; steps %v", r.Status, r.Error, paths(r))
	}
	for _, s := range r.Steps {
		for _, e := range s.Effects {
			if e.Status != "done" {
				t.Errorf("effect at %s is %s", s.Path, e.Status)
			}
		}
	}
	return died
}

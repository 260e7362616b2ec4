package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// around lets time pass, goes round, calls and tidies up: each thing is changed
// once.
const around = `
steps:
  - set: {n: 0}
  - id: guarded
    timeout: 1h
    steps:
      - wait: 10s
      - id: turns
        repeat:
          times: 3
          every: 2s
          steps:
            - set: {n: vars.n + 1}
            - uses: things.put
              with: {thing: "turn${{ vars.n }}", value: x}
          until: vars.n == 2
      - uses: things.get
        with: {thing: nothing}
    on_error:
      steps:
        - uses: things.put
          with: {thing: rescue, value: "${{ error.code }} after ${{ vars.n }}"}
    finally:
      - uses: things.put
        with: {thing: tidy, value: x}
  - id: sub
    call: other
    with: {name: "${{ 'n' + string(vars.n) }}"}
    on_error: continue
    finally:
      - for_each: evidence.files
        as: file
        steps:
          - uses: things.put
            with: {thing: "${{ file }}", value: tidied}
  - id: late
    timeout: 20s
    steps:
      - wait: 1h
        finally:
          - uses: things.put
            with: {thing: late, value: x}
  - uses: things.put
    with: {thing: never, value: x}
on_failure:
  - uses: things.put
    with: {thing: note, value: "${{ error.code }} at ${{ run.failed_step }}"}
finally:
  - uses: things.put
    with: {thing: final, value: "${{ error?.code ?? 'none' }}"}
`

// other is what around calls.
const other = `
params: {name: {type: string}}
steps:
  - uses: things.put
    with: {thing: "${{ params.name }}", value: called}
  - fail: Bad
on_failure:
  - uses: things.put
    with: {thing: "${{ params.name }}-failed", value: "${{ error.message }}"}
finally:
  - uses: things.put
    with: {thing: "${{ params.name }}-final", value: x}
`

func scenarios() map[string]scenario {
	return map[string]scenario{
		"everything": {
			book:   everything,
			values: map[string]string{"f0": "a", "f1": "b", "f2": "c"},
			end:    map[string]string{"f0": "gone", "f1": "gone", "f2": "gone", "left": "n is 3", "right": "n is 6", "note": "failed at 5"},
			code:   "failed",
		},
		"around": {
			book: around, calls: map[string]string{"other": other},
			end: map[string]string{
				"turn1": "x", "turn2": "x", "rescue": "not_found after 2", "tidy": "x", "n2": "called", "n2-failed": "Bad", "n2-final": "x",
				"f0": "tidied", "f1": "tidied", "f2": "tidied", "late": "x", "note": "timeout at late/0", "final": "timeout",
			},
			code: "timeout",
		},
	}
}

// scenario is a run with three files that fails, and what it leaves.
type scenario struct {
	book, code  string
	calls       map[string]string
	values, end map[string]string
}

// TestACrashAtEveryActLosesNothingAndRepeatsNothing kills the worker at every
// act of a run, before and after the store took it, and lets another go on.
func TestACrashAtEveryActLosesNothingAndRepeatsNothing(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 6
	}
	for name, c := range scenarios() {
		for _, applied := range []bool{false, true} {
			for k := 1; ; k += stride {
				reached := false
				t.Run(fmt.Sprintf("%s/applied=%v/%d", name, applied, k), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(maps.Clone(c.values))
						if w.values == nil {
							w.values = map[string]string{}
						}
						reached = crashAt(t, w, c, crash{k, applied})
						c.holds(t, w)
					})
				})
				if !reached || t.Failed() {
					break
				}
			}
		}
	}
}

// holds compares the world with what the scenario leaves.
func (c scenario) holds(t *testing.T, w *world) {
	t.Helper()
	if !maps.Equal(w.values, c.end) {
		t.Errorf("the world is %v, want %v", w.values, c.end)
	}
	for thing, n := range w.changes() {
		want := 1
		if w.values[thing] == "gone" {
			want = 2 // marked, then dropped
		}
		if n != want {
			t.Errorf("%s was changed %d times, want %d", thing, n, want)
		}
	}
	if twice := w.twice(); len(twice) > 0 {
		t.Errorf("effects that happened twice: %v", twice)
	}
}

// crash is the act at which a worker dies, and whether the store took it.
type crash struct {
	act     int
	applied bool
}

// crashAt runs the playbook with a worker that dies at an act and another that
// goes on. It answers false if the run ended before.
func crashAt(t *testing.T, w *world, c scenario, at crash) bool {
	store, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := &mortal{Store: store, left: at.act, applied: at.applied, dead: make(chan struct{})}
	first := engine.New(m, store, w.catalog(), engine.Options{Workers: 4})
	book := loadBook(t, callable(first.World(), c.calls), c.book)
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
		for watching.Err() == nil {
			if r, err := store.Run(watching, begun.Run); err == nil && !r.EndedAt.IsZero() {
				return
			}
			select {
			case <-watching.Done():
			case <-time.After(time.Second): // virtual
			}
		}
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
	if r.Status != "failed" || r.Error == nil || r.Error.Code != c.code {
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

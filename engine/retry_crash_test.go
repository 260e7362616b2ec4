package engine_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// TestACrashInARetryRepeatsNothing kills the worker at every act of a retry,
// before and after the store took it, and lets another go on.
func TestACrashInARetryRepeatsNothing(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 5
	}
	for name, c := range retryCases() {
		for _, applied := range []bool{false, true} {
			for k := 1; ; k += stride {
				reached := false
				t.Run(fmt.Sprintf("%s/applied=%v/%d", name, applied, k), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { reached = c.crashes(t, crash{k, applied}) })
				})
				if !reached || t.Failed() {
					break
				}
			}
		}
	}
}

// failed runs the playbook of the case to its bad end on a store of its own, and
// mends the world.
func (c retryCase) failed(t *testing.T) (w *world, b *bench, old string) {
	store, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	w = newWorld(map[string]string{})
	maps.Copy(w.values, c.values)
	b = &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), engine.Options{}), calls: c.calls}
	b.work()
	old = b.start(c.book, c.files)
	b.await(old)
	b.end()
	for thing, value := range c.mend {
		w.set(thing, value)
	}
	return w, b, old
}

// crashes retries with a worker that dies at an act and another that goes on. It
// answers false if the retry ended before.
func (c retryCase) crashes(t *testing.T, at crash) bool {
	w, b, old := c.failed(t)
	defer func() {
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	}()
	m := &mortal{Store: b.store, left: at.act, applied: at.applied, dead: make(chan struct{})}
	first := engine.New(m, b.store, w.catalog(), engine.Options{Workers: 3})
	begun, err := first.Retry(t.Context(), engine.Retry{Run: old, From: c.from, By: "operator:rita"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- first.Work(ctx) }()
	died := false
	for waited := 0; !died && waited < 1000; waited++ {
		select {
		case <-m.dead:
			died = true
		case <-time.After(time.Second): // virtual
			if r, err := b.store.Run(t.Context(), begun.Run); err == nil && !r.EndedAt.IsZero() {
				waited = 1000
			}
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.work()
	c.judge(t, w, b.await(begun.Run), old)
	b.end()
	if twice := w.twice(); len(twice) > 0 {
		t.Errorf("effects that happened twice: %v", twice)
	}
	return died
}

// TestWhoTakesARetryOverKnowsWhatTheWorkerKnew compares, after every move of a
// retry, the state that the worker holds with the one that its successor would
// build, and cuts what was recorded after every fact.
func TestWhoTakesARetryOverKnowsWhatTheWorkerKnew(t *testing.T) {
	for name, c := range retryCases() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b, old := c.failed(t)
				defer func() {
					if err := b.store.Close(); err != nil {
						t.Error(err)
					}
				}()
				e := engine.New(b.store, b.store, w.catalog(), engine.Options{})
				begun, err := e.Retry(t.Context(), engine.Retry{Run: old, From: c.from, By: "operator:rita"})
				if err != nil {
					t.Fatal(err)
				}
				for range 10_000 {
					worked, err := e.WorkAlone(t.Context(), func(strand, live, rebuilt string) {
						if live != rebuilt {
							t.Fatalf("strand %q: the worker knows\n%s\nand who takes over\n%s", strand, live, rebuilt)
						}
					})
					if err != nil {
						t.Fatal(err)
					}
					r, err := b.store.Run(t.Context(), begun.Run)
					if err != nil {
						t.Fatal(err)
					}
					if !r.EndedAt.IsZero() {
						wrong, err := e.Cut(t.Context(), r)
						if err != nil || len(wrong) > 0 {
							t.Errorf("%v: %v", err, wrong)
						}
						return
					}
					if !worked {
						<-time.After(time.Second) // virtual
					}
				}
				t.Error("the retry does not end")
			})
		})
	}
}

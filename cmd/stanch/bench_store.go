package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"stanch/engine"
)

// watchedStore tells when runs end, and counts acts.
type watchedStore struct {
	benchKeeper
	acts  atomic.Int64
	steps atomic.Int64
	// told, if it is set, hears of every run that has ended, instead of who waits.
	told  func()
	mu    sync.Mutex
	ended map[string]chan struct{}
}

// Settle tells the end of a run once it is durable.
func (w *watchedStore) Settle(ctx context.Context, s engine.Settlement) (engine.Settled, error) {
	w.acts.Add(1)
	settled, err := w.benchKeeper.Settle(ctx, s)
	if err == nil && s.Then.End != nil && s.Lease.Strand == "" {
		if w.told != nil {
			w.told()
		} else {
			close(w.end(s.Lease.Run))
		}
	}
	return settled, err
}

// end answers what is closed at the end of a run. Who comes second, the end or
// the one who awaits it, forgets it.
func (w *watchedStore) end(run string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := w.ended[run]
	if ch != nil {
		delete(w.ended, run)
		return ch
	}
	ch = make(chan struct{})
	w.ended[run] = ch
	return ch
}

// Claim is counted.
func (w *watchedStore) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	w.acts.Add(1)
	return w.benchKeeper.Claim(ctx, c)
}

// group runs functions and answers their first error.
type group struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	first error
}

func newGroup() *group { return &group{} }

func (g *group) do(f func() error) {
	g.wg.Go(func() {
		if err := f(); err != nil {
			g.mu.Lock()
			g.first = errors.Join(g.first, err)
			g.mu.Unlock()
		}
	})
}

func (g *group) wait() error {
	g.wg.Wait()
	return g.first
}

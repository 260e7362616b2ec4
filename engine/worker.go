package engine

import (
	"context"
	"sync"
	"time"

	retry "github.com/sethvargo/go-retry"
)

// waker is a store that can say when something may have become due, so that
// nobody has to ask in vain.
type waker interface {
	Wait(ctx context.Context, until time.Time) error
}

// Work executes strands until ctx ends; then it finishes what is under way, at
// most for the grace time, and gives the rest back. It is the only loop: one
// poller claims for all goroutines.
func (e *Engine) Work(ctx context.Context) error {
	work := make(chan Strand)
	free := make(chan struct{}, e.o.Workers)
	for range e.o.Workers {
		free <- struct{}{}
	}
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	var wg sync.WaitGroup
	for range e.o.Workers {
		wg.Go(func() {
			for s := range work {
				e.serve(ctx, hard, s)
				e.lanes.ends(s.Lane)
				free <- struct{}{}
			}
		})
	}
	renewing, stopRenewing := context.WithCancel(hard)
	var renewal sync.WaitGroup
	renewal.Go(func() { e.renew(renewing) })
	renewal.Go(func() { e.sweep(renewing) })
	err := e.poll(ctx, work, free)
	close(work)
	grace := time.AfterFunc(e.o.Grace, kill)
	wg.Wait()
	grace.Stop()
	stopRenewing()
	renewal.Wait()
	return err
}

// poll claims for all goroutines.
func (e *Engine) poll(ctx context.Context, work chan<- Strand, free chan struct{}) error {
	name := newID()
	backoff := pause()
	for {
		n := takeFree(ctx, free)
		if n == 0 {
			return nil
		}
		claimed, err := e.claim(ctx, Claim{Worker: name, Max: n, Room: e.lanes.room(), Last: e.o.Lease})
		if err != nil {
			giveFree(free, n)
			if ctx.Err() == nil {
				e.silent(err)
			}
			d, _ := backoff.Next()
			if !sleep(ctx, d) {
				return nil
			}
			continue
		}
		e.answers()
		e.claimable(claimed.Damage)
		backoff = pause()
		for _, s := range claimed.Strands {
			e.lanes.begins(s.Lane)
			work <- s
		}
		giveFree(free, n-len(claimed.Strands))
		if len(claimed.Strands) == 0 {
			e.idle(ctx, claimed)
		}
	}
}

// takeFree waits for one idle goroutine and takes all that are.
func takeFree(ctx context.Context, free chan struct{}) int {
	select {
	case <-ctx.Done():
		return 0
	case <-free:
	}
	if ctx.Err() != nil {
		return 0
	}
	n := 1
	for {
		select {
		case <-free:
			n++
		default:
			return n
		}
	}
}

func giveFree(free chan<- struct{}, n int) {
	for range n {
		free <- struct{}{}
	}
}

// pause is how long to wait for a store that does not answer, again and again;
// of many who wait each waits otherwise.
func pause() retry.Backoff {
	return retry.WithJitterPercent(20, retry.WithCappedDuration(4*time.Second, retry.NewExponential(50*time.Millisecond)))
}

// claim asks for work. Leases that could not be renewed for a while, because
// the store did not answer or this process stood still, are renewed first: a
// claim takes over what has run out, and must not take it from ourselves.
func (e *Engine) claim(ctx context.Context, c Claim) (Claimed, error) {
	e.mu.Lock()
	overdue := len(e.held) > 0 && time.Since(e.renewed) > e.o.Lease/2
	e.mu.Unlock()
	if overdue {
		if err := e.renewHeld(ctx); err != nil {
			return Claimed{}, err
		}
	}
	claimed, err := e.store.Claim(ctx, c)
	if err == nil {
		e.setFrozen(claimed.Frozen, claimed.At)
	}
	return claimed, err
}

// idle waits until something may be due, or a lane that was full has room.
func (e *Engine) idle(ctx context.Context, c Claimed) {
	ctx, stop := e.lanes.untilFreed(ctx)
	defer stop()
	wait := 10 * time.Second
	if !c.NextDue.IsZero() {
		wait = min(wait, max(0, c.NextDue.Sub(c.At)))
	}
	if w, ok := e.store.(waker); ok {
		if w.Wait(ctx, time.Now().Add(wait)) == nil || ctx.Err() != nil {
			return
		}
	}
	sleep(ctx, min(wait, 500*time.Millisecond))
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// renew makes held leases last, until ctx ends.
func (e *Engine) renew(ctx context.Context) {
	for sleep(ctx, e.o.Lease/3) {
		// An error is not told here: the poller says it, and settles find out.
		_ = e.renewHeld(ctx)
	}
}

// renewHeld makes held leases last once more. It stops the work under those
// that are lost, and hands on cancels and the freeze.
func (e *Engine) renewHeld(ctx context.Context) error {
	e.mu.Lock()
	leases := make([]Lease, 0, len(e.held))
	for _, g := range e.held {
		leases = append(leases, g.lease)
	}
	e.mu.Unlock()
	begun := time.Now()
	if len(leases) == 0 {
		return nil
	}
	r, err := e.store.Renew(ctx, leases, e.o.Lease)
	if err != nil {
		return err
	}
	e.setFrozen(r.Frozen, r.At)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.renewed = begun
	for _, lost := range r.Lost {
		if g := e.held[lost.Token]; g != nil {
			g.stop()
		}
	}
	for _, g := range e.held {
		if mark := r.Cancel[g.lease.Run]; mark != NotCancelled {
			g.cancel = mark
		}
	}
	return nil
}

// grip is a lease that is held: it is renewed until it is let go of.
type grip struct {
	lease  Lease
	stop   context.CancelFunc // of the work under it
	cancel Cancel             // the mark of its run, as renewing told it
}

// hold begins to renew a lease. The context ends when it is lost.
func (e *Engine) hold(ctx context.Context, l Lease) (context.Context, *grip) {
	work, stop := context.WithCancel(ctx)
	g := &grip{lease: l, stop: stop}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.held) == 0 {
		e.renewed = time.Now()
	}
	e.held[l.Token] = g
	return work, g
}

func (e *Engine) letGo(g *grip) {
	g.stop()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.held, g.lease.Token)
}

// marked answers the mark that renewing has told.
func (e *Engine) marked(g *grip) Cancel {
	e.mu.Lock()
	defer e.mu.Unlock()
	return g.cancel
}

// setFrozen keeps what the store said of the freeze at a time of its own. An
// older word does not replace a newer one.
func (e *Engine) setFrozen(on bool, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !at.Before(e.frozenAt) {
		e.frozen, e.frozenAt = on, at
	}
}

func (e *Engine) isFrozen() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.frozen
}

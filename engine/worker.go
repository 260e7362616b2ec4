package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
				free <- struct{}{}
			}
		})
	}
	renewing, stopRenewing := context.WithCancel(hard)
	var renewal sync.WaitGroup
	renewal.Go(func() { e.renew(renewing) })
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
	pause := retry.WithCappedDuration(5*time.Second, retry.NewExponential(50*time.Millisecond))
	backoff := pause
	down := false
	for {
		n := takeFree(ctx, free)
		if n == 0 {
			return nil
		}
		claimed, err := e.store.Claim(ctx, Claim{Worker: name, Max: n, Last: e.o.Lease})
		if err != nil {
			giveFree(free, n)
			if ctx.Err() != nil {
				return nil
			}
			if !down {
				e.log.Error("the store does not answer; waiting", "error", err)
			}
			down = true
			d, _ := backoff.Next()
			if !sleep(ctx, d) {
				return nil
			}
			continue
		}
		if down {
			e.log.Info("the store answers again")
			down, backoff = false, retry.WithCappedDuration(5*time.Second, retry.NewExponential(50*time.Millisecond))
		}
		e.setFrozen(claimed.Frozen)
		for _, s := range claimed.Strands {
			work <- s
		}
		giveFree(free, n-len(claimed.Strands))
		if len(claimed.Strands) == 0 {
			if err := e.idle(ctx, claimed); err != nil {
				return nil
			}
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

// idle waits until something may be due.
func (e *Engine) idle(ctx context.Context, c Claimed) error {
	wait := 10 * time.Second
	if !c.NextDue.IsZero() {
		wait = min(wait, max(0, c.NextDue.Sub(c.At)))
	}
	if w, ok := e.store.(waker); ok {
		return w.Wait(ctx, time.Now().Add(wait))
	}
	if !sleep(ctx, min(wait, 500*time.Millisecond)) {
		return ctx.Err()
	}
	return nil
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

// renew makes held leases last, and tells steps whose lease is lost to stop.
func (e *Engine) renew(ctx context.Context) {
	for sleep(ctx, e.o.Lease/3) {
		e.mu.Lock()
		leases := slices.Collect(maps.Keys(e.held))
		e.mu.Unlock()
		if len(leases) == 0 {
			continue
		}
		r, err := e.store.Renew(ctx, leases, e.o.Lease)
		if err != nil {
			continue // the poller says it; settles find out
		}
		e.setFrozen(r.Frozen)
		e.mu.Lock()
		for _, lost := range r.Lost {
			if stop := e.held[lost]; stop != nil {
				stop()
			}
		}
		e.mu.Unlock()
	}
}

func (e *Engine) setFrozen(on bool) {
	e.mu.Lock()
	e.frozen = on
	e.mu.Unlock()
}

func (e *Engine) isFrozen() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.frozen
}

// holding is a strand under lease, with what is still to be settled.
type holding struct {
	e     *Engine
	st    *state
	lease Lease
	since time.Time
	acts  int

	facts [][]byte
	audit [][]byte
	put   []Document
	dirty bool // facts hold the result of work: settle before the next

	at    time.Time // of the last act, the store's
	atOwn time.Time // and ours
}

// storeNow is the store's time as far as it can be told here: never later.
func (h *holding) storeNow() time.Time { return h.at.Add(time.Since(h.atOwn)) }

// serve executes a claimed strand and what its settles hand over.
func (e *Engine) serve(ctx, hard context.Context, s Strand) {
	for next := &s; next != nil; {
		h, err := e.take(hard, *next)
		if err != nil {
			e.log.Error("strand cannot be taken", "run", next.Run, "strand", next.Strand, "error", err)
			e.setAside(hard, *next, err)
			return
		}
		next, err = h.drive(ctx, hard)
		switch {
		case errors.Is(err, ErrLeaseLost):
			e.log.Warn("lease lost", "run", h.lease.Run, "strand", h.lease.Strand)
			return
		case err != nil && hard.Err() == nil:
			e.log.Error("strand stopped", "run", h.lease.Run, "strand", h.lease.Strand, "error", err)
			e.setAside(hard, Strand{Lease: h.lease}, err)
			return
		case err != nil:
			return
		}
	}
}

// setAside lets a strand that this version cannot execute wait, by name.
func (e *Engine) setAside(ctx context.Context, s Strand, cause error) {
	_, err := e.store.Settle(ctx, Settlement{Request: newID(), Lease: s.Lease, Seen: s.seen(), Then: Then{Wait: &Wait{For: time.Minute, On: "a worker that can: " + cause.Error()}}})
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		e.log.Error("strand cannot be set aside", "run", s.Run, "strand", s.Strand, "error", err)
	}
}

func (s Strand) seen() int64 {
	if len(s.Facts) == 0 {
		return 0
	}
	return s.Facts[len(s.Facts)-1].N
}

// take builds the state of a claimed strand.
func (e *Engine) take(ctx context.Context, s Strand) (*holding, error) {
	run, err := e.context(ctx, s.Head)
	if err != nil {
		return nil, err
	}
	var above *state
	for _, a := range s.Above {
		st, err := newState(run, a.Strand, above, a.Item)
		if err != nil {
			return nil, err
		}
		if err := st.applyAll(a.Facts); err != nil {
			return nil, err
		}
		above = st
	}
	st, err := newState(run, s.Strand, above, s.Item)
	if err != nil {
		return nil, err
	}
	if err := st.applyAll(s.Facts); err != nil {
		return nil, err
	}
	st.children, st.cancel, st.now = s.Children, s.Cancel, s.At
	h := &holding{e: e, st: st, lease: s.Lease, since: time.Now(), at: s.At, atOwn: time.Now()}
	if s.Lost >= 3 && !st.lost {
		f := fact{Kind: kLost}
		h.add(f)
		if err := st.take(f, st.now); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (st *state) applyAll(facts []Fact) error {
	for _, f := range facts {
		if err := st.apply(f); err != nil {
			return err
		}
		st.now = later(st.now, f.At)
	}
	return nil
}

func (h *holding) add(facts ...fact) {
	for _, f := range facts {
		h.facts = append(h.facts, f.encode())
	}
}

// record takes in facts that came of work.
func (h *holding) record(facts ...fact) error {
	h.add(facts...)
	h.dirty = true
	for _, f := range facts {
		if err := h.st.take(f, h.storeNow()); err != nil {
			return err
		}
	}
	return nil
}

// drive executes the strand until it lets go of it.
func (h *holding) drive(ctx, hard context.Context) (*Strand, error) {
	defer h.e.hold(h.lease, nil)
	for {
		if ctx.Err() != nil && !h.dirty {
			_, _, err := h.settle(hard, Then{Yield: true})
			return nil, err
		}
		mv, err := h.st.next()
		if err != nil {
			return nil, err
		}
		h.add(mv.facts...)
		if mv.then != nil {
			h.closing(*mv.then)
			holds, next, err := h.settle(hard, *mv.then)
			if err != nil || !holds {
				return next, err
			}
			continue
		}
		if h.dirty && mv.task.kind != tSend {
			then := Then{}
			if h.acts >= 100 && time.Since(h.since) > 2*time.Second {
				then = Then{Yield: true} // let others have their turn
			}
			holds, next, err := h.settle(hard, then)
			if err != nil || !holds {
				return next, err
			}
			if h.st.cancel != NotCancelled {
				continue
			}
		}
		if err := h.perform(hard, mv.task); err != nil {
			return nil, err
		}
	}
}

// settle writes what has come up and what becomes of the strand. It goes on
// trying, under the same request id, for as long as the store does not answer:
// a result is never dropped.
func (h *holding) settle(ctx context.Context, then Then) (holds bool, next *Strand, err error) {
	s := h.settlement(then)
	settled, err := h.try(ctx, s)
	if err != nil {
		return false, nil, err
	}
	return h.settled(settled, then)
}

func (h *holding) settlement(then Then) Settlement {
	return Settlement{Request: newID(), Lease: h.lease, Seen: h.st.seen, Facts: h.facts, Audit: h.audit, Put: h.put, Then: then}
}

func (h *holding) try(ctx context.Context, s Settlement) (Settled, error) {
	backoff := retry.WithCappedDuration(5*time.Second, retry.NewExponential(20*time.Millisecond))
	for {
		settled, err := h.e.store.Settle(ctx, s)
		if err == nil || errors.Is(err, ErrLeaseLost) || ctx.Err() != nil {
			return settled, err
		}
		h.e.log.Warn("settle failed; trying again", "run", h.lease.Run, "strand", h.lease.Strand, "error", err)
		d, _ := backoff.Next()
		if !sleep(ctx, d) {
			return Settled{}, fmt.Errorf("settle: %w", err)
		}
	}
}

// settled takes in the store's answer.
func (h *holding) settled(s Settled, then Then) (holds bool, next *Strand, err error) {
	h.facts, h.audit, h.put, h.dirty = nil, nil, nil, false
	h.acts++
	h.at, h.atOwn = s.At, time.Now()
	h.st.now, h.st.cancel = s.At, s.Cancel
	h.lease.Seq++
	lets := then.Yield || then.Wait != nil || then.Open != nil || then.End != nil
	if lets && !s.Holds {
		return false, s.Next, nil
	}
	for _, f := range s.Signals {
		if err := h.st.apply(f); err != nil {
			return true, nil, err
		}
	}
	h.st.seen = max(h.st.seen, s.Seen)
	h.e.hold(h.lease, nil)
	return true, nil, nil
}

// hold remembers how to stop the work under a lease; nil forgets it.
func (e *Engine) hold(l Lease, stop context.CancelFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if stop == nil {
		delete(e.held, l)
		return
	}
	e.held[l] = stop
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"stanch/engine"
)

// perClaim is how many strands of one partition a Claim leases at once.
const perClaim = 64

// due is what this process knows of when a partition has something to do.
type due struct {
	mu      sync.Mutex
	hinted  bool               // something may be due
	rests   time.Time          // until when it is left alone
	next    time.Time          // of a timer or lease end, by our clock; zero: none
	looked  time.Time          // when it was last claimed from
	expired time.Time          // when it was last looked after what expires
	over    [engine.Lanes]bool // a claim has left something there for want of room in the lane
	ended   bool               // runs have ended since they were last packed
	packed  time.Time          // when that was
}

// packable reports whether there may be ended runs to pack.
func (d *due) packable() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.ended && time.Since(d.packed) < sweepEvery {
		return false
	}
	d.ended, d.packed = false, time.Now()
	return true
}

// ends notes that a run has ended.
func (d *due) ends() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
}

// sweepEvery is how often a partition is claimed from by who looks after it,
// helpEvery by all others, expireEvery how often it is looked after what expires.
const (
	sweepEvery  = 5 * time.Second
	helpEvery   = 60 * time.Second
	expireEvery = time.Minute
)

func (d *due) hint() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hinted = true
}

// ready reports whether a partition is to be claimed from, and whether that
// cannot wait: a time has come, or nobody has looked for long.
func (d *due) ready(now time.Time, own bool) (ready, must bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.rests) {
		return false, false
	}
	every := helpEvery
	if own {
		every = sweepEvery
	}
	must = d.looked.IsZero() || now.Sub(d.looked) >= every || now.Before(d.looked) || own && !d.next.IsZero() && !d.next.After(now)
	return must || d.hinted, must
}

// begins notes that the partition is claimed from now, and reports whether what
// expires is to be looked after.
func (d *due) begins(now time.Time, every time.Duration) (sweep bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hinted, d.looked, d.rests = false, now, time.Time{}
	if now.Sub(d.expired) < every && !now.Before(d.expired) {
		return false
	}
	d.expired = now
	return true
}

// rest leaves the partition alone for a while; then it is asked again.
func (d *due) rest(until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hinted, d.rests = true, until
}

// fails notes that the partition was not heard, though it may have been swept.
func (d *due) fails(swept bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hinted = true; swept {
		d.expired = time.Time{}
	}
}

// by notes that something falls due at a time, at the latest.
func (d *due) by(when time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next.IsZero() || when.Before(d.next) {
		d.next = when
	}
}

// is notes what a claim has answered: what falls due next, whether more is due,
// and the lanes in which more is due than there was room for.
func (d *due) is(next time.Time, more bool, over string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next, d.hinted = next, d.hinted || more
	for lane := range d.over {
		d.over[lane] = strings.Contains(over, strconv.Itoa(lane))
	}
}

// fills answers a lane in which something was left, of those that have room now.
func (d *due) fills(r *room) (lane int, does bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for lane, over := range d.over {
		if over && r.in(lane) {
			return lane, true
		}
	}
	return 0, false
}

// when answers when the partition is to be claimed from next.
func (d *due) when(own bool) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.rests.IsZero():
		return d.rests
	case d.hinted:
		return d.looked
	case own && !d.next.IsZero():
		return d.next
	}
	return time.Time{}
}

// Claim leases due strands: see engine.Store. It asks the partitions that this
// worker looks after, and those of which it has heard that something is due, or
// in which it left something for want of room in a lane that has room now. Only a
// store that is open for work answers it.
func (s *Store) Claim(ctx context.Context, c engine.Claim) (claimed engine.Claimed, err error) {
	if !s.o.Work {
		return claimed, errors.New("claim: the store is not open for work")
	}
	if err := c.Check(); err != nil {
		return claimed, fmt.Errorf("claim: %w", err)
	}
	left := roomOf(&c)
	for tried := map[*part]bool{}; left.all > 0; {
		ready := s.worker.ready(ctx, s, tried, left)
		if len(ready) == 0 {
			break
		}
		n := len(claimed.Strands)
		silent, err := s.claimFrom(ctx, ready, c.Last, left, &claimed)
		for _, st := range claimed.Strands[n:] {
			left.take(st.Lane)
		}
		if err != nil && len(claimed.Strands) == 0 {
			return engine.Claimed{}, fmt.Errorf("claim: %w", err)
		}
		if claimed.Silent = silent; silent != nil || err != nil {
			break // what was leased is worked on; an error comes again
		}
	}
	if claimed.Silent == nil {
		claimed.Silent = s.silent(ctx)
	}
	if claimed.At.IsZero() {
		claimed.At, claimed.Frozen = s.worker.lastTold() // nothing was asked: this is how it was then
	}
	left.all = max(left.all, 1) // Max has left out what there was room for
	for _, p := range s.parts {
		if _, more := p.due.fills(&left); more {
			p.due.hint()
		}
	}
	claimed.NextDue, claimed.Damage = s.whenDue(ctx, claimed.At), s.damage()
	return claimed, nil
}

// whenDue is when something falls due in what this worker looks after, by the
// store's time at.
func (s *Store) whenDue(ctx context.Context, at time.Time) time.Time {
	var next time.Time
	for _, p := range s.parts {
		if s.leftOut(ctx, p) != nil {
			continue // its answer wakes who waits
		}
		if w := p.due.when(s.worker.owns(p)); !w.IsZero() && (next.IsZero() || w.Before(next)) {
			next = w
		}
	}
	if next.IsZero() {
		return next
	}
	return at.Add(max(0, next.Sub(s.clock())))
}

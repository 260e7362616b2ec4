package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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
func (d *due) begins(now time.Time) (sweep bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hinted, d.looked, d.rests = false, now, time.Time{}
	if now.Sub(d.expired) < expireEvery && !now.Before(d.expired) {
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
		ready := s.worker.ready(s, tried, left)
		if len(ready) == 0 {
			break
		}
		n := len(claimed.Strands)
		err := s.claimFrom(ctx, ready, c.Last, left, &claimed)
		for _, st := range claimed.Strands[n:] {
			left.take(st.Lane)
		}
		if err != nil {
			if len(claimed.Strands) > 0 {
				break // what was leased is worked on; the error comes again
			}
			return engine.Claimed{}, fmt.Errorf("claim: %w", err)
		}
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
	claimed.NextDue, claimed.Damage = s.whenDue(claimed.At), s.damage()
	return claimed, nil
}

// whenDue is when something falls due in what this worker looks after, by the
// store's time at.
func (s *Store) whenDue(at time.Time) time.Time {
	var next time.Time
	for _, p := range s.parts {
		if w := p.due.when(s.worker.owns(p)); !w.IsZero() && (next.IsZero() || w.Before(next)) {
			next = w
		}
	}
	if next.IsZero() {
		return next
	}
	return at.Add(max(0, next.Sub(s.clock())))
}

// claimFrom claims from partitions at once, of each its share.
func (s *Store) claimFrom(ctx context.Context, ready []*part, last time.Duration, left room, claimed *engine.Claimed) error {
	type answer struct {
		p *part
		l *list
		e error
	}
	answers := make(chan answer, len(ready))
	for i, p := range ready {
		share := left.share(len(ready) - i) // what is none fires timers all the same
		go func() {
			high := p.high.Load()
			l, err := s.claimPart(ctx, p, last, share)
			if err == nil {
				s.saw(p, high, l.int(1))
			}
			answers <- answer{p, l, err}
		}()
	}
	var errs []error
	told := map[string]bool{} // of a server that is away every partition says the same
	for range ready {
		a := <-answers
		if a.e == nil {
			a.p.ails.works(a.l.texts(8))
			a.e = s.takeIn(ctx, a.p, a.l, claimed)
		}
		if errors.Is(a.e, engine.ErrDamaged) {
			a.p.ails.fails(a.e)
			a.p.due.rest(s.clock().Add(restsFor))
		} else if a.e != nil {
			a.p.due.hint()
			if !told[a.e.Error()] {
				told[a.e.Error()] = true
				errs = append(errs, a.e)
			}
		}
	}
	return errors.Join(errs...)
}

// claimPart claims from one partition.
func (s *Store) claimPart(ctx context.Context, p *part, last time.Duration, share room) (*list, error) {
	sweep, reap := "", ""
	if p.due.begins(s.clock()) {
		sweep = "1"
	}
	if s.steady(ctx, p, last) {
		reap = "1"
	}
	args := []any{share.all, micros(last), rand.Text(), reap, sweep, micros(answersKept), s.worker.name, "", share.arg()}
	var reply any
	err := s.patiently(ctx, func() (err error) {
		reply, err = s.once(ctx, &call{part: p, script: s.scripts["claim"], args: args, done: make(chan struct{}, 1)})
		args = slices.Clone(args)
		args[7] = "1" // what was leased and not heard of is asked for again
		return err
	})
	return listOf(reply), err
}

// takeIn takes in what a partition has answered.
func (s *Store) takeIn(ctx context.Context, p *part, l *list, claimed *engine.Claimed) error {
	now := l.int(0)
	if t := at(now); t.After(claimed.At) {
		claimed.At = t
	}
	frozen := l.text(2) == "1"
	claimed.Frozen = claimed.Frozen || frozen
	s.worker.told(at(now), frozen)
	next := s.nextDue(now, l.int(4))
	if lease := s.nextDue(now, l.int(5)); !lease.IsZero() && (next.IsZero() || lease.Before(next)) {
		next = lease
	}
	p.due.is(next, l.text(3) == "1", l.text(9))
	strands := l.list(6)
	for i := range strands.values {
		st, err := s.strand(ctx, strands.at(i))
		if err != nil {
			return errors.Join(err, s.giveUp(ctx, p, strands.values[i:]))
		}
		claimed.Strands = append(claimed.Strands, *st)
	}
	err := s.deliverAll(ctx, p, l.list(7))
	if errors.Is(err, engine.ErrDamaged) {
		err = nil // it is of the partition to which they go, and they stay in the outbox
	}
	return errors.Join(l.err(), err)
}

// Renew makes leases last from now: see engine.Store.
func (s *Store) Renew(ctx context.Context, leases []engine.Lease, last time.Duration) (renewed engine.Renewed, err error) {
	if last <= 0 {
		return renewed, fmt.Errorf("renew: last is %s, a lease must last", last)
	}
	renewed = engine.Renewed{Cancel: map[string]engine.Cancel{}}
	if renewed.At, renewed.Frozen, err = s.renewAll(ctx, leases, last, &renewed); err != nil {
		return engine.Renewed{}, fmt.Errorf("renew %d leases: %w", len(leases), err)
	}
	return renewed, nil
}

// perRenew is how many leases one act renews.
const perRenew = 200

func (s *Store) renewAll(ctx context.Context, leases []engine.Lease, last time.Duration, renewed *engine.Renewed) (now time.Time, frozen bool, err error) {
	lost := make([]bool, len(leases))
	groups := map[*part][]int{}
	for i, l := range leases {
		p := s.partOfRun(l.Run)
		if p == nil || l.Token == "" {
			lost[i] = true
			continue
		}
		groups[p] = append(groups[p], i)
	}
	if len(groups) == 0 {
		f, at, err := s.frozen(ctx)
		if err != nil {
			return now, false, err
		}
		now, frozen = at, f.On
	}
	for p, some := range groups {
		p.due.by(s.clock().Add(last))
		for len(some) > 0 {
			n := min(perRenew, len(some))
			args := []any{micros(last)}
			for _, i := range some[:n] {
				args = append(args, leases[i].Run, leases[i].Strand, leases[i].Token)
			}
			high := p.high.Load()
			l, err := s.do(ctx, p, "renew", args...)
			if errors.Is(err, engine.ErrDamaged) {
				break // whether these are held nobody can tell: that their work cannot be settled says so
			}
			if err != nil {
				return now, false, err
			}
			s.saw(p, high, l.int(1))
			if t := at(l.int(0)); t.After(now) {
				now = t
			}
			frozen = frozen || l.text(2) == "1"
			s.worker.told(at(l.int(0)), l.text(2) == "1")
			marks := l.list(3)
			for k, i := range some[:n] {
				mark, held := marks.at(k).(string)
				lost[i] = !held
				if mark != "" {
					renewed.Cancel[leases[i].Run] = engine.Cancel(mark)
				}
			}
			if l.err() != nil || marks.bad {
				return now, false, errDamaged
			}
			some = some[n:]
		}
	}
	for i, is := range lost {
		if is {
			renewed.Lost = append(renewed.Lost, leases[i])
		}
	}
	return now, frozen, nil
}

package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"stanch/engine"
)

// asking is one partition that a claim asks.
type asking struct {
	p     *part
	way   *pipe // to its server, nil if that is not known
	state atomic.Int32
}

const (
	askWaits = iota // somebody waits for the answer
	askHeard
	askLeft // nobody does
)

// answer is what a partition has answered.
type answer struct {
	*asking
	l *list
	e error
}

// claimFrom claims from partitions at once, of each its share. It answers in
// silent why some of them were not heard, if others were.
func (s *Store) claimFrom(ctx context.Context, ready []*part, last time.Duration, left room, claimed *engine.Claimed) (silent, err error) {
	for begun := time.Now(); ; {
		heard, late, err := s.claimOnce(ctx, ready, last, left, claimed)
		ready = slices.DeleteFunc(ready, func(p *part) bool { return s.leftOut(ctx, p) != nil })
		switch {
		case err != nil:
			return late, err
		case heard || late == nil || len(ready) == 0:
			return late, nil
		case time.Since(begun) > s.o.Patience || ctx.Err() != nil:
			return nil, errors.Join(late, ctx.Err())
		}
	}
}

// claimOnce asks each partition. A server that answers nothing is not waited for
// when another one has answered.
func (s *Store) claimOnce(ctx context.Context, ready []*part, last time.Duration, left room, claimed *engine.Claimed) (heard bool, late, err error) {
	most := len(claimed.Strands) + left.all
	answers, open := s.askAll(ctx, ready, last, left)
	spoke, told := map[*pipe]bool{}, map[string]bool{} // of a full server every partition says the same
	var enough <-chan time.Time
	for len(open) > 0 {
		select {
		case a := <-answers:
			delete(open, a.asking)
			if a.e == nil {
				heard, spoke[a.way] = true, true
				a.e = s.takeIn(ctx, a.p, a.l, most, claimed)
			}
			switch {
			case a.e == nil:
			case errors.Is(a.e, engine.ErrDamaged):
				a.p.ails.fails(a.e)
				a.p.due.rest(s.clock().Add(restsFor))
			case passes(a.e):
				late = first(late, a.e)
				a.p.due.hint()
			default:
				if a.p.due.hint(); !told[a.e.Error()] {
					told[a.e.Error()], err = true, errors.Join(err, a.e)
				}
			}
			if heard && enough == nil {
				enough = time.After(longestTrip)
			}
		case <-enough:
			for a := range open {
				if !spoke[a.way] && s.leave(a) {
					delete(open, a)
					late = first(late, errLate)
				}
			}
		}
	}
	return heard, late, err
}

// first answers the first of two errors: one is enough to tell of an outage.
func first(known, err error) error {
	if known != nil {
		return known
	}
	return err
}

// leave waits no longer for a partition, unless it has just answered.
func (s *Store) leave(a *asking) bool {
	a.p.asked.set(true)
	if !a.state.CompareAndSwap(askWaits, askLeft) {
		a.p.asked.set(false)
		return false
	}
	if a.way != nil {
		s.doubt(a.way)
	}
	return true
}

// askAll asks partitions for strands, so many in all.
func (s *Store) askAll(ctx context.Context, ready []*part, last time.Duration, left room) (<-chan answer, map[*asking]bool) {
	answers, open := make(chan answer, len(ready)), map[*asking]bool{}
	for i, p := range ready {
		share := left.share(len(ready) - i) // what is none fires timers all the same
		a := &asking{p: p, way: s.way(ctx, p)}
		open[a] = true
		go func() {
			token, l, err := s.claimPart(ctx, p, last, share)
			if err != nil {
				p.asked.unheard(token)
			}
			if a.state.CompareAndSwap(askWaits, askHeard) {
				answers <- answer{a, l, err}
				return
			}
			p.asked.unheard(token)
			p.asked.set(false)
			s.worker.hint(p)
		}()
	}
	return answers, open
}

// claimPart claims from one partition. What was leased by a claim whose answer
// was not heard is asked for again.
func (s *Store) claimPart(ctx context.Context, p *part, last time.Duration, share room) (token string, l *list, err error) {
	var sweep any = ""
	reap, again := "", ""
	swept := p.due.begins(s.clock(), s.o.expireEvery)
	if swept {
		sweep = micros(s.o.expireEvery)
	}
	if s.steady(ctx, p, last) {
		reap = "1"
	}
	if token = p.asked.again(); token != "" {
		again = "1"
	} else {
		token = rand.Text()
	}
	high := p.high.Load()
	var reply any
	err = s.retried(ctx, func() (err error) {
		reply, err = s.once(ctx, s.claimCall(p, share, last, token, reap, sweep, again))
		again = "1"
		return err
	}, func() bool { return s.isSilent(ctx, p) })
	if err != nil {
		p.due.fails(swept)
		return token, nil, err
	}
	l = listOf(reply)
	s.saw(p, high, l.int(1))
	return token, l, nil
}

// claimCall is one claim on its way: see claim.lua.
func (s *Store) claimCall(p *part, share room, last time.Duration, token, reap string, sweep any, again string) *call {
	args := []any{share.all, micros(last), token, reap, sweep, micros(answersKept), s.worker.name, again, share.arg()}
	return &call{part: p, script: s.scripts["claim"], args: args, done: make(chan struct{}, 1)}
}

// takeIn takes in what a partition has answered, no more strands than were asked
// for. What it has for others is delivered where that can be done at once.
func (s *Store) takeIn(ctx context.Context, p *part, l *list, most int, claimed *engine.Claimed) error {
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
	p.ails.works(l.texts(8))
	p.due.is(next, l.text(3) == "1", l.text(9))
	strands := l.list(6)
	for i := range strands.values {
		if len(claimed.Strands) == most { // an earlier claim had asked for more
			return errors.Join(s.giveUp(ctx, p, strands.values[i:]), l.err(), s.deliverAll(hastily(ctx), p, l.list(7)))
		}
		st, err := s.strand(ctx, strands.at(i))
		if err != nil {
			return errors.Join(err, s.giveUp(ctx, p, strands.values[i:]))
		}
		claimed.Strands = append(claimed.Strands, *st)
	}
	return errors.Join(l.err(), s.deliverAll(hastily(ctx), p, l.list(7)))
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stanch/engine"
)

// Renew makes leases last from now: see engine.Store.
func (s *Store) Renew(ctx context.Context, leases []engine.Lease, last time.Duration) (renewed engine.Renewed, err error) {
	if last <= 0 {
		return renewed, fmt.Errorf("renew: last is %s, a lease must last", last)
	}
	if renewed, err = s.renewAll(ctx, leases, last); err != nil {
		return engine.Renewed{}, fmt.Errorf("renew %d leases: %w", len(leases), err)
	}
	return renewed, nil
}

// perRenew is how many leases one act renews.
const perRenew = 200

// renewal is what a partition has said of the leases that lie there.
type renewal struct {
	p      *part
	at     time.Time
	frozen bool
	lost   []int // of the leases
	cancel map[string]engine.Cancel
	err    error
}

func (s *Store) renewAll(ctx context.Context, leases []engine.Lease, last time.Duration) (engine.Renewed, error) {
	renewed := engine.Renewed{Cancel: map[string]engine.Cancel{}}
	groups, lost := map[*part][]int{}, make([]bool, len(leases))
	for i, l := range leases {
		p := s.partOfRun(l.Run)
		if p == nil || l.Token == "" {
			lost[i] = true
			continue
		}
		groups[p] = append(groups[p], i)
	}
	if err := s.renewGroups(ctx, groups, leases, last, &renewed, lost); err != nil {
		return renewed, err
	}
	for i, is := range lost {
		if is {
			renewed.Lost = append(renewed.Lost, leases[i])
		}
	}
	return renewed, nil
}

// renewGroups renews leases, some in each partition, and says which are lost.
func (s *Store) renewGroups(ctx context.Context, groups map[*part][]int, leases []engine.Lease, last time.Duration, renewed *engine.Renewed, lost []bool) error {
	if len(groups) == 0 {
		f, at, err := s.frozen(ctx)
		renewed.Frozen, renewed.At = f.On, at
		return err
	}
	answers, open := make(chan renewal, len(groups)), map[*part]bool{}
	for p, some := range groups {
		p.due.by(s.clock().Add(last))
		if silent := s.silence(ctx, p); silent != nil {
			renewed.Silent = silent
			continue
		}
		open[p] = true
		go func() { answers <- s.renewPart(ctx, p, leases, some, last) }()
	}
	err := s.renewHeard(ctx, answers, open, min(longestTrip, last/4), renewed, lost)
	if renewed.At.IsZero() {
		renewed.At, renewed.Frozen = s.worker.lastTold() // nobody was heard
	}
	return err
}

// renewHeard takes in what partitions answer. When one has, the others are waited
// for so long; theirs are what is left in open.
func (s *Store) renewHeard(ctx context.Context, answers <-chan renewal, open map[*part]bool, patience time.Duration, renewed *engine.Renewed, lost []bool) error {
	var enough <-chan time.Time
	var failed error
	for len(open) > 0 {
		select {
		case a := <-answers:
			delete(open, a.p)
			if a.err != nil {
				failed = errors.Join(failed, a.err) // what does not pass must not be missed
				continue
			}
			if enough == nil && s.o.Cluster {
				enough = time.After(patience)
			}
			if a.at.After(renewed.At) {
				renewed.At = a.at
			}
			renewed.Frozen = renewed.Frozen || a.frozen
			for _, i := range a.lost {
				lost[i] = true
			}
			for run, mark := range a.cancel {
				renewed.Cancel[run] = mark
			}
		case <-enough:
			renewed.Silent = errLate
			clear(open)
		}
	}
	if failed != nil && passes(failed) && (enough != nil || s.silent(ctx) != nil) {
		renewed.Silent, failed = failed, nil
	}
	return failed
}

// renewPart renews the leases that lie in one partition: some of all.
func (s *Store) renewPart(ctx context.Context, p *part, leases []engine.Lease, some []int, last time.Duration) renewal {
	r := renewal{p: p, cancel: map[string]engine.Cancel{}}
	for next := range slices.Chunk(some, perRenew) {
		r.err = s.renewSome(ctx, leases, next, last, &r)
		if errors.Is(r.err, engine.ErrDamaged) {
			r.err = nil // whether these are held nobody can tell: that their work cannot be settled says so
		}
		if r.err != nil {
			break
		}
	}
	return r
}

func (s *Store) renewSome(ctx context.Context, leases []engine.Lease, some []int, last time.Duration, r *renewal) error {
	args := []any{micros(last)}
	for _, i := range some {
		args = append(args, leases[i].Run, leases[i].Strand, leases[i].Token)
	}
	high := r.p.high.Load()
	var reply any
	err := s.retried(ctx, func() (err error) {
		reply, err = s.once(ctx, &call{part: r.p, script: s.scripts["renew"], args: args, done: make(chan struct{}, 1)})
		return err
	}, func() bool { return s.isSilent(ctx, r.p) })
	if err != nil {
		return err
	}
	l := listOf(reply)
	s.saw(r.p, high, l.int(1))
	if t := at(l.int(0)); t.After(r.at) {
		r.at = t
	}
	frozen := l.text(2) == "1"
	r.frozen = r.frozen || frozen
	s.worker.told(at(l.int(0)), frozen)
	marks := l.list(3)
	for k, i := range some {
		mark, held := marks.at(k).(string)
		if !held {
			r.lost = append(r.lost, i)
		}
		if mark != "" {
			r.cancel[leases[i].Run] = engine.Cancel(mark)
		}
	}
	if l.err() != nil || marks.bad {
		return errDamaged
	}
	return nil
}

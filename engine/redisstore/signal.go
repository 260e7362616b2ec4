package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

// Signal tells a run or a strand something: see engine.Store. A cancelled run
// that still waits for its key ends at once: nothing of it has begun. With both
// Cancel and Body, the body becomes a fact of the strand too.
func (s *Store) Signal(ctx context.Context, in engine.Signal) (signalled engine.Signalled, err error) {
	if err = in.Check(); err == nil {
		signalled, err = s.signal(ctx, &in)
	}
	if err != nil {
		return engine.Signalled{}, fmt.Errorf("signal to run %s: %w", in.Run, err)
	}
	return signalled, nil
}

func (s *Store) signal(ctx context.Context, in *engine.Signal) (engine.Signalled, error) {
	p := s.partOfRun(in.Run)
	if p == nil {
		return engine.Signalled{}, engine.ErrNotFound
	}
	word, seen := "", ""
	if in.Cancel == engine.NotCancelled || len(in.Body) > 0 {
		word = "1"
	}
	if in.Seen != engine.AnyVersion {
		seen = fmt.Sprint(in.Seen)
	}
	args := []any{in.Run, in.Strand, in.Request, word, in.Body, seen, string(in.Cancel), micros(answersKept)}
	reply, err := s.ask(ctx, p, "signal", true, append(args, counted(in.Audit)...))
	if err != nil {
		return engine.Signalled{}, err
	}
	l := listOf(reply)
	switch l.text(0) {
	case "ok":
		if err := s.deliverAll(ctx, p, l.list(3)); err != nil {
			return engine.Signalled{}, err
		}
		s.worker.hint(p)
		return engine.Signalled{At: at(l.int(1)), N: l.int(2)}, l.err()
	case "conflict":
		return engine.Signalled{}, fmt.Errorf("strand %q has %s facts, not %d: %w", in.Strand, l.text(1), in.Seen, engine.ErrConflict)
	}
	fault := engine.ErrNotFound
	if l.text(0) == "ended" {
		fault = engine.ErrEnded
	}
	if l.text(1) == "strand" {
		return engine.Signalled{}, fmt.Errorf("strand %q: %w", in.Strand, fault)
	}
	return engine.Signalled{}, errors.Join(l.err(), fault)
}

// Freeze stops effects or lets them go on: see engine.Store. The freeze stands
// in every partition; it is acknowledged when it stands in all.
func (s *Store) Freeze(ctx context.Context, in engine.Freeze) (state engine.Frozen, err error) {
	switch {
	case in.Change == "":
		state, _, err = s.frozen(ctx)
	case in.Change != "freeze" && in.Change != "thaw":
		err = fmt.Errorf("Change is %q, it must be freeze or thaw", in.Change)
	case in.Request == "":
		err = errors.New("Request is empty")
	default:
		state, err = s.setFreeze(ctx, &in)
	}
	if err != nil {
		return engine.Frozen{}, fmt.Errorf("freeze: %w", err)
	}
	return state, nil
}

// everywhere does something with all partitions at once and answers the answers
// in their order. Those that cannot be reached are named.
func (s *Store) everywhere(f func(p *part) (*list, error)) ([]*list, error) {
	answers, errs := make([]*list, len(s.parts)), make([]error, len(s.parts))
	done := make(chan struct{})
	for i, p := range s.parts {
		go func() {
			answers[i], errs[i] = f(p)
			if errs[i] != nil {
				errs[i] = fmt.Errorf("partition %02x: %w", i, errs[i])
			}
			done <- struct{}{}
		}()
	}
	for range s.parts {
		<-done
	}
	return answers, errors.Join(errs...)
}

// frozen asks for the freeze, and the time.
func (s *Store) frozen(ctx context.Context) (state engine.Frozen, now time.Time, err error) {
	all, err := s.everywhere(func(p *part) (*list, error) { return s.do(ctx, p, "frozen") })
	if err != nil {
		return state, now, err
	}
	for _, l := range all {
		f := frozenOf(l)
		switch {
		case l == all[0], f.On && !state.On:
			state = f // half a freeze is one
		case f.On == state.On && f.At.After(state.At):
			state.At = f.At
		}
		if t := at(l.int(4)); t.After(now) {
			now = t
		}
		err = errors.Join(err, l.err())
	}
	return state, now, err
}

func frozenOf(l *list) engine.Frozen {
	return engine.Frozen{On: l.text(0) == "1", By: l.text(1), Reason: l.text(2), At: at(l.int(3))}
}

// setFreeze changes the freeze everywhere. The record is written once.
func (s *Store) setFreeze(ctx context.Context, in *engine.Freeze) (engine.Frozen, error) {
	change := "0"
	if in.Change == "freeze" {
		change = "1"
	}
	all, err := s.everywhere(func(p *part) (*list, error) {
		args := []any{in.Request, change, in.By, in.Reason, 0}
		if p.index == 0 {
			args = append(args[:4], counted(in.Audit)...)
		}
		reply, err := s.ask(ctx, p, "freeze", true, args)
		if err == nil {
			s.worker.hint(p)
		}
		return listOf(reply), err
	})
	if err != nil {
		return engine.Frozen{}, fmt.Errorf("it does not stand everywhere, repeat it: %w", err)
	}
	state := frozenOf(all[0])
	for _, l := range all {
		if f := frozenOf(l); f.At.After(state.At) { // until then it did not stand everywhere
			state.At = f.At
		}
		err = errors.Join(err, l.err())
	}
	return state, err
}

// nextDue is a time at which something falls due, by our own clock.
func (s *Store) nextDue(now, due int64) time.Time {
	if due == 0 {
		return time.Time{}
	}
	return s.clock().Add(time.Duration(due-now) * time.Microsecond)
}

// clock is our own clock.
func (s *Store) clock() time.Time {
	if s.o.Now != nil {
		return s.o.Now()
	}
	return time.Now()
}

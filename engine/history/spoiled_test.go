package history_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/engine"
)

func TestRandomActsAreClean(t *testing.T) {
	for seed := range uint64(15) {
		for _, v := range perform(t, seed, nil) {
			t.Errorf("seed %d: law %d, %s %q: %s (lines %v)", seed, v.Law, v.Run, v.Strand, v.Message, v.Lines)
		}
		if t.Failed() {
			return
		}
	}
}

// A store that misbehaves is found out by one of a few histories.
func TestSpoiledStoresAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		law   int
		spoil func(both) both
	}{
		"a begun run is forgotten":              {1, func(s both) both { return &forgetful{both: s} }},
		"a settle is acknowledged and not done": {2, func(s both) both { return &lying{both: s} }},
		"the token is not checked":              {3, func(s both) both { return &trusting{both: s, held: map[[2]string]engine.Lease{}} }},
		"a lease is given out twice":            {3, func(s both) both { return &generous{both: s} }},
		"a join comes twice":                    {4, func(s both) both { return &doubling{both: s} }},
		"a child is skipped":                    {4, func(s both) both { return skipping{s} }},
		"a join comes too early":                {4, func(s both) both { return &hasty{both: s} }},
		"a timer fires early":                   {7, func(s both) both { return impatient{s} }},
		"what a signal saw is not compared":     {8, func(s both) both { return deaf{s} }},
		"a cap is exceeded":                     {9, func(s both) both { return lavish{s} }},
		"an intent goes through a freeze":       {9, func(s both) both { return thawed{s} }},
		"a cancel does not stop an intent":      {10, func(s both) both { return unstoppable{s} }},
		"a run changes its edition":             {11, func(s both) both { return &fickle{both: s} }},
		"a lost worker's strand is kept back":   {12, func(s both) both { return &keeping{both: s} }},
	} {
		t.Run(name, func(t *testing.T) {
			const seeds = 20
			var found []string
			for seed := range uint64(seeds) {
				for _, v := range perform(t, seed, c.spoil) {
					if v.Law == c.law {
						return
					}
					found = append(found, fmt.Sprintf("law %d: %s", v.Law, v.Message))
				}
			}
			t.Fatalf("law %d is broken, and %d histories do not show it; they show: %s", c.law, seeds, strings.Join(found[:min(len(found), 5)], "; "))
		})
	}
}

type forgetful struct {
	both
	mu sync.Mutex
	n  int
}

func (s *forgetful) Begin(ctx context.Context, b engine.Begin) (engine.Begun, error) {
	s.mu.Lock()
	s.n++
	forget := s.n%5 == 0
	s.mu.Unlock()
	if forget {
		return engine.Begun{Run: "forgotten" + b.Request, New: true, At: time.Unix(1, 0)}, nil
	}
	return s.both.Begin(ctx, b)
}

type lying struct {
	both
	mu sync.Mutex
	n  int
}

func (s *lying) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	s.mu.Lock()
	s.n++
	lie := s.n%7 == 0 && in.Then.Yield
	s.mu.Unlock()
	if lie {
		r, err := s.Renew(ctx, nil, lease)
		return engine.Settled{At: r.At, Seen: in.Seen + int64(len(in.Facts))}, err
	}
	return s.both.Settle(ctx, in)
}

// trusting takes the word of whoever held a strand for whoever holds it.
type trusting struct {
	both
	mu   sync.Mutex
	held map[[2]string]engine.Lease
}

func (s *trusting) note(st *engine.Strand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st != nil {
		s.held[[2]string{st.Run, st.Lease.Strand}] = st.Lease
	}
}

func (s *trusting) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	claimed, err := s.both.Claim(ctx, c)
	for i := range claimed.Strands {
		s.note(&claimed.Strands[i])
	}
	return claimed, err
}

func (s *trusting) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	settled, err := s.both.Settle(ctx, in)
	if err != nil {
		s.mu.Lock()
		now := s.held[[2]string{in.Lease.Run, in.Lease.Strand}]
		s.mu.Unlock()
		if now.Seq != in.Lease.Seq {
			return settled, err
		}
		in.Lease = now
		settled, err = s.both.Settle(ctx, in)
	}
	s.note(settled.Next)
	return settled, err
}

type generous struct {
	both
	mu   sync.Mutex
	last *engine.Strand
}

func (s *generous) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	claimed, err := s.both.Claim(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(claimed.Strands) == 0 && s.last != nil {
		again := *s.last
		again.Token += "again"
		claimed.Strands = []engine.Strand{again}
	}
	s.last = nil
	if n := len(claimed.Strands); n > 0 {
		s.last = &claimed.Strands[n-1]
	}
	return claimed, err
}

type doubling struct {
	both
	mu     sync.Mutex
	joined *engine.Strand
}

func (s *doubling) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	settled, err := s.both.Settle(ctx, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil || in.Then.End == nil:
	case settled.Next != nil && settled.Next.Children != nil:
		s.joined = settled.Next
	case settled.Next == nil && s.joined != nil:
		again := *s.joined
		again.Token += "again"
		settled.Next, s.joined = &again, nil
	}
	return settled, err
}

type skipping struct{ both }

func (s skipping) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	if o := in.Then.Open; o != nil && o.Count > 1 {
		fewer := *o
		fewer.Count--
		in.Then.Open = &fewer
	}
	return s.both.Settle(ctx, in)
}

// hasty gives out a strand that joins as soon as it has opened its children.
type hasty struct {
	both
	mu     sync.Mutex
	opened *engine.Strand
}

func (s *hasty) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	settled, err := s.both.Settle(ctx, in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := in.Then.Open; err == nil && o != nil && o.Count > 0 {
		st := &engine.Strand{Lease: in.Lease, At: settled.At}
		st.Token, st.Seq = in.Request, in.Lease.Seq+1
		for i := range o.Count {
			st.Children = append(st.Children, engine.Ended{Index: i, Outcome: "succeeded"})
		}
		s.opened = st
	}
	return settled, err
}

func (s *hasty) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	claimed, err := s.both.Claim(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened != nil {
		claimed.Strands = append(claimed.Strands, *s.opened)
		s.opened = nil
	}
	return claimed, err
}

type impatient struct{ both }

func (s impatient) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	if w := in.Then.Wait; w != nil {
		in.Then = engine.Then{Yield: true}
	}
	return s.both.Settle(ctx, in)
}

type deaf struct{ both }

func (s deaf) Signal(ctx context.Context, in engine.Signal) (engine.Signalled, error) {
	in.Seen = engine.AnyVersion
	return s.both.Signal(ctx, in)
}

type lavish struct{ both }

func (s lavish) Take(ctx context.Context, in engine.Take) (engine.Taken, error) {
	in.Limit++
	return s.both.Take(ctx, in)
}

func (s lavish) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	for i := range in.Take {
		in.Take = append([]engine.Take{}, in.Take...)
		in.Take[i].Limit++
	}
	return s.both.Settle(ctx, in)
}

type thawed struct{ both }

func (s thawed) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	in.Intent = false
	return s.both.Settle(ctx, in)
}

type unstoppable struct{ both }

func (s unstoppable) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	in.Under = engine.Cancelled
	return s.both.Settle(ctx, in)
}

type fickle struct {
	both
	mu sync.Mutex
	n  int
}

func (s *fickle) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	claimed, err := s.both.Claim(ctx, c)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range claimed.Strands {
		if s.n++; s.n%9 == 0 {
			claimed.Strands[i].Head.Edition = "newer"
		}
	}
	return claimed, err
}

// keeping keeps back what a lost worker held.
type keeping struct{ both }

func (s *keeping) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	claimed, err := s.both.Claim(ctx, c)
	var fresh []engine.Strand
	for _, st := range claimed.Strands {
		if st.Lost == 0 {
			fresh = append(fresh, st)
		}
	}
	claimed.Strands = fresh
	return claimed, err
}

package redisstore

import (
	"context"
	"errors"
	"sync"

	"stanch/engine"
)

// holds are the leases that this process holds: to be given back when it ends,
// and what is known under them.
type holds struct {
	mu  sync.Mutex
	all map[string]*heldRoot // by token
}

// heldRoot is a lease; of a root, also what was said under it and before: whoever
// knows all of that can pack the run as it ends.
type heldRoot struct {
	lease  engine.Lease
	head   engine.RunHead
	dedupe string
	facts  []engine.Fact
}

func (h *holds) add(st *engine.Strand, dedupe string) {
	held := &heldRoot{lease: st.Lease}
	if st.Strand == "" {
		held.head, held.dedupe = st.Head, dedupe
		held.facts = append(make([]engine.Fact, 0, len(st.Facts)+16), st.Facts...)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[string]*heldRoot{}
	}
	h.all[st.Token] = held
}

// get answers what is known under a lease. Only its holder may use it.
func (h *holds) get(token string) *heldRoot {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.all[token]
}

func (h *holds) drop(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, token)
}

// settled takes in what was said under a lease.
func (h *holds) settled(in *engine.Settlement, a *engine.Settled) {
	if !a.Holds {
		h.drop(in.Lease.Token)
		return
	}
	held := h.get(in.Lease.Token)
	if held == nil || in.Lease.Strand != "" {
		return
	}
	for _, f := range a.Signals {
		held.learn(f)
	}
	first := a.Seen - int64(len(in.Facts)) + 1
	for i, body := range in.Facts {
		held.learn(engine.Fact{N: first + int64(i), At: a.At, Body: body})
	}
}

// learn takes in the next fact: one that is known is told again to who asks from
// further back, and behind a gap nothing is known.
func (h *heldRoot) learn(f engine.Fact) {
	if f.N == int64(len(h.facts))+1 {
		h.facts = append(h.facts, f)
	}
}

// knowsAll answers what is known under a lease, if it is all there is.
func (h *holds) knowsAll(in *engine.Settlement) *heldRoot {
	if held := h.get(in.Lease.Token); held != nil && in.Lease.Strand == "" && int64(len(held.facts)) == in.Seen {
		return held
	}
	return nil
}

// giveBack makes the strands due that this process holds.
func (s *Store) giveBack() error {
	s.holds.mu.Lock()
	groups := map[*part][]any{}
	for _, held := range s.holds.all {
		if p := s.partOfRun(held.lease.Run); p != nil {
			groups[p] = append(groups[p], held.lease.Run, held.lease.Strand, held.lease.Token)
		}
	}
	s.holds.mu.Unlock()
	var errs []error
	for p, args := range groups {
		if err := s.silence(context.Background(), p); err != nil {
			errs = append(errs, err)
			continue
		}
		for len(args) > 0 {
			n := min(3*perRenew, len(args))
			_, err := s.do(context.Background(), p, "giveback", args[:n]...)
			errs, args = append(errs, err), args[n:]
		}
	}
	return errors.Join(errs...)
}

// giveUp makes strands due again that were leased and could not be read in full.
func (s *Store) giveUp(ctx context.Context, p *part, strands []any) error {
	var args []any
	for _, reply := range strands {
		l := listOf(reply)
		args = append(args, l.text(0), l.text(1), l.text(2))
		s.holds.drop(l.text(2))
	}
	_, err := s.do(ctx, p, "giveback", args...)
	return err
}

package redisstore

import (
	"context"
	"errors"
	"sync"

	"stanch/engine"
)

// holds are the leases that this process holds, to be given back when it ends.
type holds struct {
	mu  sync.Mutex
	all map[string]engine.Lease // by token
}

func (h *holds) add(l engine.Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[string]engine.Lease{}
	}
	h.all[l.Token] = l
}

func (h *holds) drop(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, token)
}

// giveBack makes the strands due that this process holds.
func (s *Store) giveBack() error {
	s.holds.mu.Lock()
	groups := map[*part][]any{}
	for _, l := range s.holds.all {
		if p := s.partOfRun(l.Run); p != nil {
			groups[p] = append(groups[p], l.Run, l.Strand, l.Token)
		}
	}
	s.holds.mu.Unlock()
	var errs []error
	for p, args := range groups {
		for len(args) > 0 {
			n := min(3*perRenew, len(args))
			_, err := s.do(context.Background(), p, "giveback", args[:n]...)
			errs, args = append(errs, err), args[n:]
		}
	}
	return errors.Join(errs...)
}

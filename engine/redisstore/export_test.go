package redisstore

import (
	"context"
	"errors"
)

// Sweep takes over what lost workers held, without leasing it.
func (s *Store) Sweep(ctx context.Context) error {
	var errs []error
	for _, p := range s.parts {
		for range 20 {
			_, err := s.do(ctx, p, "claim", 0, 0, "none", "1", "", 0, "sweep", "")
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Abandon ends the use of Redis as a kill of the process would.
func (s *Store) Abandon() error {
	s.worker.stop()
	s.holds.all = nil
	return s.Close()
}

// Pack packs all runs that have ended.
func (s *Store) Pack(ctx context.Context) error {
	_, err := s.everywhere(func(p *part) (*list, error) { return nil, s.packEnded(ctx, p) })
	return err
}

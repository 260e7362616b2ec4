package redisstore

import (
	"context"
	"errors"
)

// PackAll packs all runs that have ended and whose answers nobody needs.
func (s *Store) PackAll(ctx context.Context) error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, s.packEnded(ctx, p))
	}
	return errors.Join(errs...)
}

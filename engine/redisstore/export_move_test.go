package redisstore

import (
	"context"
	"errors"

	"stanch/engine"
)

// PartitionOf answers the partition of a subject.
func (s *Store) PartitionOf(subject string) int { return s.partOf(subject).index }

// Digest is what is kept of a dedupe key.
func Digest(b *engine.Begin) string { return digest(b) }

// TargetID is what is kept of a target.
func TargetID(target string) string { return targetID(target) }

// PackAll packs all runs that have ended and whose answers nobody needs.
func (s *Store) PackAll(ctx context.Context) error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, s.packEnded(ctx, p))
	}
	return errors.Join(errs...)
}

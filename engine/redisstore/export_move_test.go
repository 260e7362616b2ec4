package redisstore

import "stanch/engine"

// PartitionOf answers the partition of a subject.
func (s *Store) PartitionOf(subject string) int { return s.partOf(subject).index }

// Digest is what is kept of a dedupe key.
func Digest(b *engine.Begin) string { return digest(b) }

// TargetID is what is kept of a target.
func TargetID(target string) string { return targetID(target) }

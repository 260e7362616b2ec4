package redisstore

import (
	"context"
	_ "embed" // the script of a new epoch
	"errors"
	"fmt"
	"time"
)

//go:embed restored.lua
var restoredScript string

// Restored is what AfterRestore has done.
type Restored struct {
	Partitions int   `json:"partitions"` // that have a new epoch
	Leases     int64 `json:"leases"`     // that were given back
	Epoch      int64 `json:"epoch"`
}

// ErrWorkers says that workers are at work where nobody may be.
var ErrWorkers = errors.New("workers are at work on the store: end them first")

// AfterRestore tells a store that it was brought back from a backup. Every
// partition gets a new epoch: whoever has followed the stream begins anew, and
// workers that knew more than the backup notice. What was held is given back, so
// that the next worker goes on with it at once; an effect that had begun is
// looked at before it is sent again. Nothing else changes. It answers ErrWorkers
// while somebody works on the store; it takes some four seconds to see that.
func AfterRestore(ctx context.Context, o Options) (done Restored, err error) {
	o.Work, o.ReadOnly = false, false
	s, err := Open(ctx, o)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.nobody(ctx); err != nil {
		return done, err
	}
	sha, err := s.client.ScriptLoad(ctx, restoredScript).Result()
	if err != nil {
		return done, fmt.Errorf("store %s: %w", s, err)
	}
	for _, p := range s.parts {
		done.Epoch = max(done.Epoch, nextEpoch(p.epoch.Load()))
	}
	for _, p := range s.parts {
		n, err := s.renewed(ctx, p, sha, done.Epoch)
		if err != nil {
			return done, fmt.Errorf("store %s: partition %02x: %w", s, p.index, err)
		}
		done.Partitions, done.Leases = done.Partitions+1, done.Leases+n
	}
	return done, nil
}

// renewed gives one partition its new epoch, after what was held.
func (s *Store) renewed(ctx context.Context, p *part, sha string, epoch int64) (leases int64, err error) {
	for {
		reply, err := s.client.EvalSha(ctx, sha, []string{p.key}, p.version(), versionOf(epoch)).Slice()
		l := &list{values: reply}
		switch {
		case err != nil:
			return leases, err
		case l.int(0) == 0:
			return leases, fmt.Errorf("its version is %s now: somebody else does the same", l.text(1))
		}
		leases += l.int(1)
		if l.int(2) == 0 {
			return leases, l.err()
		}
	}
}

// nobody answers ErrWorkers if a worker lives.
func (s *Store) nobody(ctx context.Context) error {
	before, err := s.client.HGetAll(ctx, s.workersKey()).Result()
	if err != nil || len(before) == 0 {
		return err
	}
	t := time.NewTimer(beatEvery + 500*time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	after, err := s.client.HGetAll(ctx, s.workersKey()).Result()
	if n := rising(before, after); err == nil && n > 0 {
		return fmt.Errorf("%w: %d are alive", ErrWorkers, n)
	}
	return err
}

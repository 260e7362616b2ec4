package redisstore

import (
	"context"
	"fmt"
	"time"
)

// Workers answers how many workers live: those whose counters rise while it
// looks, for a little more than a beat, or less where nobody has said that they
// live.
func (s *Store) Workers(ctx context.Context) (int, error) {
	n, err := s.workersAlive(ctx)
	if err != nil {
		return 0, fmt.Errorf("workers of the store: %w", err)
	}
	return n, nil
}

func (s *Store) workersAlive(ctx context.Context) (int, error) {
	first, err := s.client.HGetAll(ctx, s.workersKey()).Result()
	if err != nil || len(first) == 0 {
		return 0, err
	}
	tick := time.NewTimer(beatEvery + beatEvery/2)
	defer tick.Stop()
	select {
	case <-tick.C:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	second, err := s.client.HGetAll(ctx, s.workersKey()).Result()
	alive := 0
	for name, count := range second {
		if first[name] != count {
			alive++
		}
	}
	return alive, err
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

// Ended runs stay for as long as they may be undone. Then they go to the archive,
// if there is one, and out of memory.

// retireEvery is how often a worker looks for runs whose time is over, perRetire
// how many changes it looks at in one act.
const (
	retireEvery = 10 * time.Minute
	perRetire   = 200
)

// retires moves runs to the archive, until ctx ends.
func (s *Store) retires(ctx context.Context) {
	tick := time.NewTicker(retireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, p := range s.parts {
			if s.worker.owns(p) {
				_, _ = s.retire(ctx, p) // what could not be moved is there the next time
			}
		}
	}
}

// Retire moves all ended runs whose time is over to the archive, and answers how
// many. Workers do so by themselves.
func (s *Store) Retire(ctx context.Context) (moved int, err error) {
	if s.o.Archive == nil {
		return 0, errors.New("retire: there is no archive")
	}
	for _, p := range s.parts {
		n, err := s.retire(ctx, p)
		moved += n
		if err != nil {
			return moved, fmt.Errorf("retire runs of partition %02x: %w", p.index, err)
		}
	}
	return moved, nil
}

func (s *Store) retire(ctx context.Context, p *part) (moved int, err error) {
	for cursor := "0"; cursor != ""; {
		l, err := s.do(ctx, p, "old", cursor, perRetire, micros(s.o.Keep))
		if err != nil {
			return moved, err
		}
		cursor = l.text(0)
		runs := l.texts(1)
		if err := l.err(); err != nil {
			return moved, err
		}
		n, err := s.moveOut(ctx, p, runs)
		moved += n
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// moveOut archives runs, then forgets them: who ends in between archives them
// once more.
func (s *Store) moveOut(ctx context.Context, p *part, runs []string) (moved int, err error) {
	records := make([]engine.RunRecord, 0, len(runs))
	dedupes := make([]string, 0, len(runs))
	for _, run := range runs {
		l, err := s.do(ctx, p, "read", run, "run", 0, 0, "")
		if err != nil {
			return 0, err
		}
		packed, ok := l.at(1).(string)
		if !ok {
			continue // another worker was faster
		}
		record, dedupe, err := unpackAll(packed)
		if err != nil {
			return 0, fmt.Errorf("run %s: %w", run, err)
		}
		records, dedupes = append(records, record), append(dedupes, dedupe)
	}
	if len(records) == 0 {
		return 0, nil
	}
	if err := s.o.Archive(ctx, records); err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	for i := range records {
		if _, err := s.do(ctx, p, "forget", records[i].ID, dedupes[i]); err != nil {
			return moved, err
		}
		moved++
	}
	return moved, nil
}

package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Limit measures what the machine and SQLite allow: calls a second that write
// two small rows each, committed together as the store commits its acts, while
// inFlight callers wait for their answers. It makes the file at path, which must
// not exist, and removes it. What Settle reaches on the same machine is to be
// read against it.
func Limit(ctx context.Context, path string, inFlight int, d time.Duration) (callsPerSecond float64, err error) {
	if _, err := os.Stat(path); err == nil {
		return 0, fmt.Errorf("limit: %s exists: name a path where nothing is lost", path)
	}
	defer func() {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			if e := os.Remove(path + suffix); e != nil && !errors.Is(e, os.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}()
	s, err := Open(path, Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.act(ctx, func(t *tx) error {
		return t.script("CREATE TABLE a (id INTEGER PRIMARY KEY, body BLOB); CREATE TABLE b (id INTEGER PRIMARY KEY, n INTEGER, body BLOB)")
	}); err != nil {
		return 0, err
	}
	return s.hammer(ctx, inFlight, d)
}

// hammer counts the calls of inFlight callers in a time.
func (s *Store) hammer(ctx context.Context, inFlight int, d time.Duration) (float64, error) {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	body := make([]byte, 190)
	var calls atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, inFlight)
	begun := time.Now()
	for i := range inFlight {
		wg.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				errs[i] = s.act(context.WithoutCancel(ctx), func(t *tx) error {
					if _, err := t.exec("INSERT INTO a(body) VALUES (?)", body); err != nil {
						return err
					}
					_, err := t.exec("INSERT INTO b VALUES (?, 1, ?) ON CONFLICT(id) DO UPDATE SET n = n + 1, body = excluded.body", int64(i), body[:40])
					return err
				})
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	return float64(calls.Load()) / time.Since(begun).Seconds(), errors.Join(errs...)
}

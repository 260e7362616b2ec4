package sqlitestore

import (
	"context"
	"os"
	"sync"
	"time"
)

// waits wakes those who wait for something to become due.
type waits struct {
	mu      sync.Mutex
	changed chan struct{} // closed, and another one made, at each wake
	wakes   uint64
	claimed uint64 // wakes when the last Claim looked
	closed  bool
	stop    context.CancelFunc
	looking sync.WaitGroup
}

// longestWait bounds a Wait on a file: a hint that was lost costs no more.
const longestWait = 30 * time.Second

// Wait returns when something may have become due since the last Claim: by an
// act of this process, by another process's, or because the time until (zero:
// none) has come. It may return for nothing. What the last Claim had no room for
// in its lanes does not end it: who claims knows when there is. It answers ctx's
// error, or an error once the store is closed.
func (s *Store) Wait(ctx context.Context, until time.Time) error {
	w := &s.waits
	w.mu.Lock()
	changed, missed, closed := w.changed, w.wakes != w.claimed, w.closed
	w.mu.Unlock()
	if closed {
		return errClosed
	}
	if missed {
		return ctx.Err()
	}
	timer := time.NewTimer(s.longest(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
		return nil
	case <-timer.C:
		return nil
	}
}

// longest answers how long to wait for a time at most.
func (s *Store) longest(until time.Time) time.Duration {
	const forever = 1<<63 - 1
	longest := time.Duration(forever)
	if s.path != "" {
		longest = longestWait
	}
	if until.IsZero() {
		return longest
	}
	return min(max(0, until.Sub(s.options.Now())), longest)
}

// wake lets everybody go who waits.
func (s *Store) wake() {
	w := &s.waits
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakes++
	close(w.changed)
	w.changed = make(chan struct{})
}

// looked notes that a Claim has seen all that was due.
func (w *waits) looked(all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claimed = w.wakes
	if !all {
		w.claimed--
	}
}

// look watches for commits of other processes.
func (w *waits) look(s *Store) {
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.looking.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if !s.touched() {
				continue
			}
			s.lookDue.Store(true)
			s.queue.nudge()
		}
	})
}

// touched reports whether anybody may have written lately. Every commit writes
// the log beside the file, so asking the file system costs less than asking
// SQLite. Its clock is coarse: what was written a moment ago may be written
// again under the same date.
func (s *Store) touched() bool {
	info, err := os.Stat(s.path + "-wal")
	return err != nil || time.Since(info.ModTime()) < 4*lookEvery
}

func (w *waits) end() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.changed)
		w.changed = make(chan struct{})
	}
	w.mu.Unlock()
	if w.stop != nil {
		w.stop()
		w.looking.Wait()
	}
}

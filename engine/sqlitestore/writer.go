package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// maxTogether is how many acts one transaction takes at most.
const maxTogether = 1024

var errClosed = errors.New("the store is closed")

// act is one act in the queue of the writer.
type act struct {
	do    func(*tx) error
	state atomic.Int32
	err   error
	done  chan struct{}
}

const (
	actQueued  = 0
	actTaken   = 1
	actDropped = 2 // its caller has gone before it began: it does not happen
)

// queue holds the acts that wait for the writer.
type queue struct {
	mu     sync.Mutex
	acts   []*act
	closed bool
	filled chan struct{}
}

func (q *queue) put(a *act) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.acts = append(q.acts, a)
	if len(q.acts) == 1 {
		select {
		case q.filled <- struct{}{}:
		default:
		}
	}
	return true
}

// nudge wakes the writer for something else than an act.
func (q *queue) nudge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// grab takes all that is queued; spare becomes the queue's next list.
func (q *queue) grab(spare []*act) (acts []*act, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	acts, q.acts = q.acts, spare[:0]
	return acts, q.closed
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.filled)
	}
}

// tx is the transaction that acts run in.
type tx struct {
	*conn
	s      *Store
	now    int64
	woke   bool // something may have become due
	freeze *frozen
}

// act queues f and waits until it is committed. f runs on the writer's
// goroutine, perhaps more than once: it sets its results, it does not add to
// them. When ctx ends first, either the act has not happened or its answer is
// waited for.
func (s *Store) act(ctx context.Context, f func(*tx) error) error {
	if s.options.ReadOnly {
		return errors.New("the store is open for reading only")
	}
	a := s.acts.Get().(*act)
	a.do, a.err = f, nil
	a.state.Store(actQueued)
	if !s.queue.put(a) {
		return errClosed
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		if a.state.CompareAndSwap(actQueued, actDropped) {
			return ctx.Err() // the writer still holds it: it does not go back to the pool
		}
		<-a.done
	}
	err := a.err
	a.do = nil
	s.acts.Put(a)
	return err
}

// write is the writer's goroutine.
func (s *Store) write() {
	defer close(s.written)
	var spare []*act
	for {
		acts, closed := s.queue.grab(spare)
		if len(acts) == 0 {
			spare = acts // the two lists have changed places
			if closed {
				return
			}
			<-s.queue.filled
			if s.lookDue.Swap(false) {
				_ = s.look() // an error here is everybody's: the next act tells it
			}
			continue
		}
		spare = s.together(acts)
	}
}

// together executes acts, and those that are queued meanwhile, in one
// transaction. It answers a list for reuse.
func (s *Store) together(acts []*act) []*act {
	if err := s.start(); err != nil {
		for _, a := range acts {
			if a.state.CompareAndSwap(actQueued, actTaken) {
				a.finish(err)
			}
		}
		return acts
	}
	t := &tx{conn: s.w, s: s}
	ran := s.ran[:0]
	defer func() { clear(ran); s.ran = ran[:0] }()
	for {
		for i, a := range acts {
			if !a.state.CompareAndSwap(actQueued, actTaken) {
				continue
			}
			ran = append(ran, a)
			if a.err = t.run(a); a.err != nil && t.spoilt(a.err) {
				s.rollback()
				s.alone(ran)
				for _, rest := range acts[i+1:] {
					if rest.state.CompareAndSwap(actQueued, actTaken) {
						s.alone([]*act{rest})
					}
				}
				return acts
			}
		}
		clear(acts)
		if len(ran) >= maxTogether {
			break
		}
		runtime.Gosched()
		if acts, _ = s.queue.grab(acts); len(acts) == 0 {
			break
		}
	}
	if err := s.commit(); err != nil {
		s.rollback()
		for _, a := range ran {
			a.finish(err)
		}
		return acts
	}
	if t.woke {
		s.wake()
	}
	for _, a := range ran {
		a.finish(a.err)
	}
	return acts
}

// alone executes acts in a transaction each, after one of them has spoilt the
// common one.
func (s *Store) alone(acts []*act) {
	for _, a := range acts {
		err := s.start()
		if err == nil {
			t := &tx{conn: s.w, s: s}
			if err = t.run(a); err != nil && t.spoilt(err) {
				s.rollback()
			} else if e := s.commit(); e != nil {
				s.rollback()
				err = e
			} else if t.woke {
				s.wake()
			}
		}
		a.finish(err)
	}
}

func (a *act) finish(err error) {
	a.err = err
	a.done <- struct{}{}
}

// run executes one act at the store's time.
func (t *tx) run(a *act) error {
	t.now = t.s.clock()
	t.wrote = 0
	return a.do(t)
}

// spoilt tells whether an act that failed may have left something behind. An
// act that refuses has written nothing.
func (t *tx) spoilt(err error) bool {
	return sqlError(err) || t.wrote > 0
}

func sqlError(err error) bool {
	_, ok := errors.AsType[*sqlite.Error](err)
	return ok
}

func (s *Store) start() error {
	if s.broken != nil {
		return s.broken
	}
	if _, err := s.w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if s.path == "" {
		return nil
	}
	if err := s.look(); err != nil {
		s.rollback()
		return err
	}
	return nil
}

// look finds out whether another process has written. It is the writer's
// alone, as the connection is.
func (s *Store) look() error {
	r, err := s.w.one("PRAGMA data_version")
	if err != nil {
		return err
	}
	if v := r.int(0); v != s.others {
		s.others = v
		s.known.forget()
		s.wake()
	}
	return nil
}

func (s *Store) commit() error {
	_, err := s.w.exec("COMMIT")
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code() == sqlite3.SQLITE_IOERR_FSYNC {
		// After a sync that failed nobody knows what is on the disk, and the
		// next sync would succeed without writing it.
		s.broken = fmt.Errorf("the disk did not confirm a write (%w): check it, then start again", err)
		return s.broken
	}
	return err
}

// rollback undoes the transaction. SQLite may have done so itself; then there
// is nothing to undo and its error says nothing.
func (s *Store) rollback() {
	_, _ = s.w.exec("ROLLBACK")
	s.known.forget()
}

// clock answers the store's time. It does not go back, unless the clock of the
// machine was set back by more than a minute: then timers would stand still for
// as long.
func (s *Store) clock() int64 {
	now := s.options.Now().UnixNano()
	if now < s.last && s.last-now <= int64(time.Minute) {
		return s.last
	}
	s.last = now
	return now
}

func at(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

package sqlitestore

import (
	"context"
	"errors"
	"sync"
)

// maxReaders is how many connections a store keeps for reading.
const maxReaders = 4

// readers are connections that only read. In memory there is none: what is
// read there is read by the writer's goroutine.
type readers struct {
	dial   func() (*conn, error)
	mu     sync.Mutex
	free   []*conn
	closed bool
}

func (r *readers) get() (*conn, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, errClosed
	}
	if n := len(r.free); n > 0 {
		c := r.free[n-1]
		r.free = r.free[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	return r.dial()
}

func (r *readers) put(c *conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.free) >= maxReaders {
		return c.close()
	}
	r.free = append(r.free, c)
	return nil
}

func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for _, c := range r.free {
		errs = append(errs, c.close())
	}
	r.free = nil
	return errors.Join(errs...)
}

// read runs f on one state of the store.
func (s *Store) read(ctx context.Context, f func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.path == "" {
		return s.act(ctx, func(t *tx) error { return f(t.conn) })
	}
	c, err := s.readers.get()
	if err != nil {
		return err
	}
	if _, err = c.exec("BEGIN"); err == nil {
		err = f(c)
		_, e := c.exec("COMMIT")
		err = errors.Join(err, e)
	}
	if err != nil {
		return errors.Join(err, s.readers.discard(c, err))
	}
	return s.readers.put(c)
}

// discard puts a connection back after an error that is the answer's, and
// closes it after one of SQLite.
func (r *readers) discard(c *conn, err error) error {
	if sqlError(err) {
		return c.close()
	}
	return r.put(c)
}

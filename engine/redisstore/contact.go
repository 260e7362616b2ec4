package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// contact is what is known of a server by the last calls to it: for how long this
// process has been in steady contact with it, and whether it is silent. Only who
// was in steady contact takes over what lost workers held there: after a pause of
// the server, or a jump of its clock, all leases seem to be over, and those who
// live need a moment to renew theirs.
type contact struct {
	mu      sync.Mutex
	since   time.Time
	silent  error // why the last call did not get what it asked for; nil: it did
	probing bool
}

// longestTrip is how long a round trip takes at most in steady contact, and for
// how long a server is waited for while another one answers.
const longestTrip = 2 * time.Second

// note takes in how calls went that were sent together, and reports whether a
// server that was silent answers again.
func (c *contact) note(begun, ended time.Time, calls []*call) (again bool) {
	failed := ended.Sub(begun) > longestTrip
	var silent error
	wrote := false // one that lets only read does not count
	for _, call := range calls {
		failed = failed || call.err != nil && isNet(call.err)
		if unserved(call.err) {
			silent = call.err
		} else {
			wrote = wrote || call.script.writes
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case failed:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = ended
	}
	if silent != nil && !wrote {
		c.silent = silent
	}
	again = c.silent != nil && wrote
	if again {
		c.silent = nil
	}
	return again
}

// unserved reports whether an error says that a server does not answer, or does
// nothing of what it is asked.
func unserved(err error) bool {
	switch {
	case err == nil:
		return false
	case !isReply(err):
		return isNet(err)
	}
	switch wordOf(err) {
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "BUSY":
		return true
	}
	return false
}

// doubt notes that a server lets wait for its answer.
func (c *contact) doubt(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silent == nil {
		c.silent = err
	}
}

// why answers why a server is silent, nil if it is not.
func (c *contact) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

// probes notes that a server is probed, or is no more, and reports whether it was
// before.
func (c *contact) probes(on bool) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, c.probing = c.probing, on
	return was
}

func (c *contact) steady(lease time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.since.IsZero() && time.Since(c.since) >= lease/2
}

// steady reports whether leases of such a length may be taken over in a partition.
func (s *Store) steady(ctx context.Context, p *part, lease time.Duration) bool {
	if s.o.Now != nil {
		return true
	}
	way, err := s.pipe(ctx, p, false)
	return err == nil && way.contact.steady(lease)
}

// isNet reports whether an error is of the connection, not of Redis.
func isNet(err error) bool {
	if isReply(err) {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	text := err.Error()
	for _, part := range []string{"EOF", "connection", "pool", "broken pipe", "sentinel", "cluster"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return errors.Is(err, redis.ErrClosed)
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

var (
	// errForeign says that another program's data is where ours should be.
	errForeign = errors.New("this is not a store of stanch")
	// errGone says that a store that was there is not any more.
	errGone = errors.New("the store has lost its keys: somebody has emptied Redis, or it lost its data")
	// errUnproved says that no replica has confirmed an act that has happened.
	errUnproved = errors.New("no replica has confirmed it in time")
	// errReadOnly refuses acts of a store that is open for reading.
	errReadOnly = errors.New("the store is open for reading only")
)

// partOf answers the partition of a name.
func (s *Store) partOf(name string) *part {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return s.parts[int(h.Sum32()%uint32(len(s.parts)))]
}

// partOfRun answers the partition of a run, which its id carries, or nil.
func (s *Store) partOfRun(run string) *part {
	var i int
	if len(run) != runLength || run[0] != 'r' {
		return nil
	}
	if n, err := fmt.Sscanf(run[1:3], "%02x", &i); n != 1 || err != nil || i >= len(s.parts) {
		return nil
	}
	return s.parts[i]
}

const runLength = 23

// do makes one act in a partition. While Redis cannot be asked it tries again:
// every act may be made twice.
func (s *Store) do(ctx context.Context, p *part, name string, args ...any) (*list, error) {
	reply, err := s.ask(ctx, p, name, false, args)
	return listOf(reply), err
}

// ask is do with the reply as it is; proved waits for replicas.
func (s *Store) ask(ctx context.Context, p *part, name string, proved bool, args []any) (reply any, err error) {
	reply, _, err = s.askHeard(ctx, p, name, proved, args)
	return reply, err
}

// askHeard is ask, which tells also whether it was sent before and the answer was
// not heard.
func (s *Store) askHeard(ctx context.Context, p *part, name string, proved bool, args []any) (reply any, unheard bool, err error) {
	sc := s.scripts[name]
	if sc.writes && s.o.ReadOnly {
		return nil, false, errReadOnly
	}
	if isHasty(ctx) {
		if err := s.silence(ctx, p); err != nil {
			return nil, false, err
		}
	}
	err = s.patiently(ctx, func() error {
		unheard = unheard || err != nil
		reply, err = s.once(ctx, &call{part: p, script: sc, args: args, proved: proved && s.o.Replicas > 0, done: make(chan struct{}, 1)})
		return err
	})
	return reply, unheard, err
}

// once sends a call and waits for its answer. When ctx ends first, either the
// call is not sent or its answer is waited for.
func (s *Store) once(ctx context.Context, c *call) (any, error) {
	p, err := s.pipe(ctx, c.part, c.proved)
	if err != nil {
		return nil, err
	}
	if err := p.put(c); err != nil {
		return nil, err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.state.CompareAndSwap(callQueued, callDropped) {
			return nil, ctx.Err()
		}
		<-c.done
	}
	return c.reply, s.told(ctx, c)
}

// pipe answers the way to the server that has a partition. What waits for
// replicas has one of its own, so that nothing else waits with it. A client that
// forgets a node of a cluster and finds it again has another connection to it.
func (s *Store) pipe(ctx context.Context, p *part, proved bool) (*pipe, error) {
	client, addr, err := s.node(ctx, p)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if proved {
		addr += " proved"
	}
	old := s.pipes[addr]
	if old != nil && old.client == client {
		return old, nil
	}
	if old != nil {
		go old.close()
	}
	s.pipes[addr] = newPipe(s, client, addr)
	return s.pipes[addr], nil
}

// node answers the server of a partition, by the address that tells it apart.
func (s *Store) node(ctx context.Context, p *part) (*redis.Client, string, error) {
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		client, err := c.MasterForKey(ctx, p.key)
		if err != nil {
			return nil, "", err
		}
		return client, client.Options().Addr, nil
	case *redis.Client:
		return c, "", nil
	}
	return nil, "", fmt.Errorf("a client of the kind %T", s.client)
}

// told gives errors of Redis their meaning.
func (s *Store) told(ctx context.Context, c *call) error {
	err := c.err
	if err == nil {
		return nil
	}
	text := err.Error()
	if !isReply(err) {
		return err
	}
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "STANCHREFUSED":
		return errors.New(rest)
	case "STANCH":
		if rest == "gone" {
			return s.gone(ctx, c.part)
		}
		version, _, err := splitVersion(rest)
		if err != nil {
			return err
		}
		if version > schema {
			return fmt.Errorf("%w: its schema is %d, this version knows %d", engine.ErrNewer, version, schema)
		}
		if err := s.newEpoch(ctx, c.part); err != nil {
			return err
		}
		return errEpoch
	case "MOVED", "ASK":
		if cluster, ok := s.client.(*redis.ClusterClient); ok {
			cluster.ReloadState(ctx)
		}
	case "WRONGTYPE":
		return s.wrongType(ctx, c)
	}
	return meaning(err)
}

// meaning says what an error of Redis asks of who looks after it.
func meaning(err error) error {
	switch wordOf(err) {
	case "OOM":
		return fmt.Errorf("%w: Redis has reached its maxmemory: give it more, nothing needs to be restarted", engine.ErrFull)
	case "MISCONF":
		if strings.Contains(err.Error(), "RDB") {
			return fmt.Errorf("%w: Redis could not write its last snapshot and takes nothing more: free some space on its disk, then tell it BGSAVE; nothing needs to be restarted", engine.ErrFull)
		}
		return fmt.Errorf("%w: Redis cannot write to its disk: free some space, nothing needs to be restarted", engine.ErrFull)
	case "LOADING":
		return fmt.Errorf("the server is still reading what it has kept, nothing needs to be done: %w", err)
	case "READONLY":
		return fmt.Errorf("the server is a replica now and takes nothing: if that is no failover, make it a primary again (REPLICAOF NO ONE), or name the primary: %w", err)
	case "NOPERM":
		return fmt.Errorf("the user of Redis may not do what a store needs: %w; `stanch doctor` prints the rights it needs", err)
	}
	return err
}

// errEpoch says that the partition has a new epoch: ask again.
var errEpoch = errors.New("the partition has a new epoch")

func isReply(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// passes reports whether an error of Redis passes by itself.
func passes(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errClosed) {
		return false
	}
	if errors.Is(err, errEpoch) || errors.Is(err, errUnproved) || errors.Is(err, errReplaced) || errors.Is(err, errLate) {
		return true
	}
	for _, final := range []error{engine.ErrFull, engine.ErrNewer, engine.ErrNotFound, errGone, errForeign, errUnfit, errReadOnly, engine.ErrDamaged} {
		if errors.Is(err, final) {
			return false
		}
	}
	if !isReply(err) {
		return isNet(err)
	}
	switch wordOf(err) {
	case "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOREPLICAS", "BUSY", "NOSCRIPT", "UNBLOCKED":
		return true
	}
	return false
}

// hasty marks, in a context, what can be done later: see hastily.
type hasty struct{}

// hastily is a context in which nothing is tried again: what is not done now is
// done later, by somebody else.
func hastily(ctx context.Context) context.Context { return context.WithValue(ctx, hasty{}, true) }

func isHasty(ctx context.Context) bool { return ctx.Value(hasty{}) != nil }

// patiently tries again while Redis cannot be asked, with growing pauses that
// differ from caller to caller.
func (s *Store) patiently(ctx context.Context, f func() error) error {
	return s.retried(ctx, f, func() bool { return isHasty(ctx) })
}

// retried is patiently until enough says that it is enough.
func (s *Store) retried(ctx context.Context, f func() error, enough func() bool) error {
	begun := time.Now()
	pause := 5 * time.Millisecond
	for {
		err := f()
		if isReply(err) && pause < 50*time.Millisecond && !errors.Is(err, errEpoch) {
			pause = 50 * time.Millisecond // it has answered, and will not be another one at once
		}
		if !passes(err) || time.Since(begun) > s.o.Patience || enough() && !errors.Is(err, errEpoch) {
			return err
		}
		t := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // it spreads those who try again; nobody gains by guessing it
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return errors.Join(err, ctx.Err())
		}
		pause = min(2*pause, 500*time.Millisecond)
	}
}

package redisstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// The pipe takes the calls of all goroutines to one server and writes those
// that have come up meanwhile together: one round trip serves many strands.

const (
	maxTogether = 256 // calls in one write
	flushers    = 2   // writes under way at once
)

var (
	errClosed = errors.New("the store is closed")
	// errReplaced says that a server is reached in another way by now.
	errReplaced = errors.New("the way to the server was replaced")
)

// call is one script with its arguments on its way.
type call struct {
	part   *part
	script *script
	args   []any
	proved bool // a replica has to have it

	state atomic.Int32
	reply any
	err   error
	high  int64 // number of the partition before it was sent
	done  chan struct{}
}

const (
	callQueued  = 0
	callTaken   = 1
	callDropped = 2 // its caller has gone before it was sent
)

// pipe is the way to one server.
type pipe struct {
	s      *Store
	client *redis.Client
	addr   string

	contact contact

	mu     sync.Mutex
	calls  []*call
	closed bool
	filled chan struct{}
	wg     sync.WaitGroup
}

func newPipe(s *Store, client *redis.Client, addr string) *pipe {
	p := &pipe{s: s, client: client, addr: addr, filled: make(chan struct{}, 1)}
	for range flushers {
		p.wg.Go(p.flush)
	}
	return p
}

func (p *pipe) put(c *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errReplaced // of a store that is closed no other is made
	}
	p.calls = append(p.calls, c)
	p.nudge()
	return nil
}

func (p *pipe) nudge() {
	select {
	case p.filled <- struct{}{}:
	default:
	}
}

// grab takes the calls that are queued, into some.
func (p *pipe) grab(some []*call) (calls []*call, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.calls), maxTogether)
	calls = append(some[:0], p.calls[:n]...)
	rest := copy(p.calls, p.calls[n:])
	clear(p.calls[rest:])
	p.calls = p.calls[:rest]
	if rest > 0 {
		p.nudge()
	}
	return calls, p.closed
}

func (p *pipe) close() {
	p.mu.Lock()
	p.closed = true
	close(p.filled)
	p.filled = make(chan struct{}, 1)
	p.mu.Unlock()
	p.wg.Wait()
}

// flush is the goroutine of one write after the other.
func (p *pipe) flush() {
	var calls []*call
	for {
		var closed bool
		calls, closed = p.grab(calls)
		if len(calls) == 0 {
			if closed {
				return
			}
			p.mu.Lock()
			filled := p.filled
			closed = p.closed
			p.mu.Unlock()
			if !closed {
				<-filled
			}
			continue
		}
		p.send(calls)
	}
}

// send sends calls together and answers each.
func (p *pipe) send(calls []*call) {
	live := calls[:0]
	for _, c := range calls {
		if c.state.CompareAndSwap(callQueued, callTaken) {
			live = append(live, c)
		}
	}
	if len(live) == 0 {
		return
	}
	begun := time.Now()
	p.exec(live, false)
	var again []*call
	for _, c := range live {
		if redis.HasErrorPrefix(c.err, "NOSCRIPT") {
			again = append(again, c)
		}
	}
	if len(again) > 0 {
		p.exec(again, true)
	}
	if p.contact.note(begun, time.Now(), live) {
		p.s.answersAgain()
	} else if why := p.why(); why != nil {
		p.s.worker.doubts()
		p.refuse(why)
	}
	for _, c := range live {
		c.done <- struct{}{}
	}
}

// refuse answers, in a cluster, what is still to be sent to a server that is
// silent: by now another may have what it is about.
func (p *pipe) refuse(why error) {
	if !p.s.o.Cluster {
		return
	}
	p.mu.Lock()
	calls := p.calls
	p.calls = nil
	p.mu.Unlock()
	for _, c := range calls {
		if c.state.CompareAndSwap(callQueued, callTaken) {
			c.err = why
			c.done <- struct{}{}
		}
	}
}

// exec makes one round trip. Where the server does not know the scripts, they
// are sent with it.
func (p *pipe) exec(calls []*call, load bool) {
	ctx := context.Background()
	pl := p.client.Pipeline()
	if load {
		sent := map[*script]bool{}
		for _, c := range calls {
			if !sent[c.script] {
				sent[c.script] = true
				pl.ScriptLoad(ctx, c.script.text)
			}
		}
	}
	cmds := make([]*redis.Cmd, len(calls))
	proved := false
	for i, c := range calls {
		c.high = c.part.high.Load()
		args := make([]any, 0, len(c.args)+6)
		args = append(args, "evalsha", c.script.sha, 1, c.part.key, c.part.version(), p.s.now())
		cmds[i] = redis.NewCmd(ctx, append(args, c.args...)...)
		_ = pl.Process(ctx, cmds[i])
		proved = proved || c.proved
	}
	var wait *redis.Cmd
	if proved {
		wait = pl.Do(ctx, "wait", p.s.o.Replicas, p.s.o.ProveWithin.Milliseconds())
	}
	_, _ = pl.Exec(ctx) // the first error of all: each has its own
	for i, c := range calls {
		c.reply, c.err = cmds[i].Result()
		if errors.Is(c.err, redis.Nil) {
			c.reply, c.err = nil, nil
		}
		if c.err == nil && c.proved {
			if n, err := wait.Int(); err != nil || n < p.s.o.Replicas {
				c.err = errUnproved
			}
		}
	}
}

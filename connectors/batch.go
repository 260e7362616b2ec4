package connectors

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Batching lets requests that would have to wait go together, in one request of
// the API's own form for that. Below Alone requests under way nothing waits and
// each goes alone. Each keeps its own id, bounds, gate and outcome: a batch is
// no transaction. None is made to depend on another, for what depends on an
// effect begins only when the effect's result is kept.
//
// Source: learn.microsoft.com/graph/json-batching.
type Batching struct {
	Path  string // of batches below the API's base, such as "$batch"
	Most  int    // requests of one batch
	Alone int    // requests, batches among them, that are under way before others wait; 0: one batch after another, and nothing goes alone
	// Lane names what serves only so many requests at once, a mailbox; most 0:
	// nothing of the kind. Its requests wait for each other even where they could
	// go alone. Nil: there are none.
	Lane func(path string) (name string, most int)
}

// hasty is the least time that a request must have left to share its fate with
// others: a batch ends when the first of its changes must.
const hasty = 10 * time.Second

// batches are the requests of one client under way and those that wait.
type batches struct {
	o      Batching
	client *Client

	mu      sync.Mutex
	under   int            // under way; a batch counts as one
	lanes   map[string]int // requests under way in each lane
	waiting []*rider
	off     bool // the API takes no batches
}

func newBatches(c *Client, o *Batching) *batches {
	if o == nil || o.Most < 1 {
		return nil
	}
	return &batches{o: *o, client: c, lanes: map[string]int{}}
}

// rider is a request that waits for its turn or goes in a batch.
type rider struct {
	x    *call
	req  *policy.Request
	lane string
	most int
	turn chan turn // holds one

	mu   sync.Mutex
	gone bool // nobody waits for its answer any more
}

// turn is what a rider is told: go alone, or what became of it in a batch.
type turn struct {
	alone, held bool // held: with a place of its own
	res         *http.Response
	err         error
}

// takes reports whether a request may go in a batch: what is copied, goes to
// another place or is answered by a redirect may not.
func (b *batches) takes(r Request) bool {
	return b != nil && !r.bare && r.copy == nil && !r.moved
}

// send sends one request, alone or with others.
func (c *Client) send(x *call, req *policy.Request) (*http.Response, error) {
	switch {
	case x.request.bare:
		return c.bare.Do(req)
	case c.batches.takes(x.request) && c.batches.relative(req.Raw().URL.String()) != "":
		return c.batches.do(x, req)
	}
	return c.pipeline.Do(req)
}

// do sends a request when its turn has come.
func (b *batches) do(x *call, req *policy.Request) (*http.Response, error) {
	r := &rider{x: x, req: req, turn: make(chan turn, 1)}
	if b.o.Lane != nil {
		r.lane, r.most = b.o.Lane(b.relative(req.Raw().URL.String()))
	}
	if b.board(r) {
		defer b.leave(r)
		return b.client.pipeline.Do(req)
	}
	select {
	case t := <-r.turn:
		return b.take(r, t)
	case <-x.ctx.Done():
	}
	b.quit(r)
	select {
	case t := <-r.turn: // at the same moment
		return b.take(r, t)
	default:
		return nil, x.ctx.Err()
	}
}

func (b *batches) take(r *rider, t turn) (*http.Response, error) {
	if t.held {
		defer b.leave(r)
	}
	if t.alone {
		return b.client.pipeline.Do(r.req)
	}
	return t.res, t.err
}

// board answers whether a request goes at once; else it waits.
func (b *batches) board(r *rider) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if (b.under < b.o.Alone || r.hasty()) && b.room(r) {
		b.under++
		b.lanes[r.lane]++
		return true
	}
	b.waiting = append(b.waiting, r)
	b.start()
	return false
}

func (b *batches) room(r *rider) bool { return r.most == 0 || b.lanes[r.lane] < r.most }

// hasty reports whether so little time is left that the request goes alone.
func (r *rider) hasty() bool {
	least := min(hasty, r.x.client.options.Timeout/2)
	end, is := r.x.ctx.Deadline()
	return is && time.Until(end) < least
}

// leave gives up the place of a batch, or of one request, to those that wait.
func (b *batches) leave(riders ...*rider) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.under--
	for _, r := range riders {
		if b.lanes[r.lane]--; b.lanes[r.lane] == 0 {
			delete(b.lanes, r.lane)
		}
	}
	b.start()
}

// start sends those that wait while there are places.
func (b *batches) start() {
	for b.under < max(b.o.Alone, 1) {
		group := b.next()
		if len(group) == 0 {
			return
		}
		b.under++
		if len(group) == 1 && (b.o.Alone > 0 || b.off || group[0].hasty()) {
			group[0].turn <- turn{alone: true, held: true}
			continue
		}
		go b.ride(group)
	}
}

// next takes those out of the queue that go together now: the longest waiting
// ones whose lanes have room.
func (b *batches) next() []*rider {
	most := b.o.Most
	if b.off {
		most = 1
	}
	var group []*rider
	rest := b.waiting[:0]
	for _, r := range b.waiting {
		fits := len(group) < most && b.room(r) && (len(group) == 0 || !r.hasty())
		if !fits {
			rest = append(rest, r)
			continue
		}
		if r.hasty() {
			most = 1
		}
		b.lanes[r.lane]++
		group = append(group, r)
	}
	clear(b.waiting[len(rest):])
	b.waiting = rest
	return group
}

// quit takes a request back whose time is over: of one that has not left nothing
// leaves from here on.
func (b *batches) quit(r *rider) {
	b.mu.Lock()
	if at := slices.Index(b.waiting, r); at >= 0 {
		b.waiting = slices.Delete(b.waiting, at, at+1)
	}
	b.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = true
}

var (
	errOut    = errors.New("a request of the batch must not be sent")
	errMissed = errors.New("the batch was answered, but not this request of it")
)

// pass asks whether a request of a batch may leave now.
func (r *rider) pass() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.gone:
		return cmp.Or(r.x.ctx.Err(), errShut)
	case r.x.gate == nil:
		return r.x.ctx.Err()
	}
	r.x.gate.open()
	return r.x.gate.pass()
}

// back tells the gate of a request that no byte of it has left.
func (r *rider) back() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.x.gate != nil {
		r.x.gate.open()
		r.x.gate.shut()
	}
}

// ask asks all gates of a batch, and answers those that are closed. The batch
// goes only if there are none.
func ask(group []*rider) map[*rider]error {
	closed := map[*rider]error{}
	for _, r := range group {
		if err := r.pass(); err != nil {
			closed[r] = err
		}
	}
	if len(closed) > 0 {
		for _, r := range group {
			r.back()
		}
	}
	return closed
}

// ride sends a batch: without those whose gate is closed when its first byte is
// about to leave.
func (b *batches) ride(group []*rider) {
	defer b.leave(group...)
	for left := group; len(left) > 0; {
		closed := b.send(left)
		for r, err := range closed {
			r.turn <- turn{err: err}
		}
		left = slices.DeleteFunc(slices.Clone(left), func(r *rider) bool { _, is := closed[r]; return is })
		if len(closed) == 0 {
			return
		}
	}
}

// send sends a batch once and tells each of its requests what became of it,
// unless gates were closed: then no byte has left.
func (b *batches) send(group []*rider) (closed map[*rider]error) {
	ctx, cancel := b.bounded(group)
	defer cancel()
	var out map[*rider]error
	g := &gate{ctx: ctx, closed: true, change: &Change{Frozen: func() error {
		if out = ask(group); len(out) > 0 {
			return errOut
		}
		return nil
	}}}
	res, err := b.post(context.WithValue(ctx, gateKey{}, g), group)
	if g.refusal() != nil {
		if err == nil {
			_ = res.Body.Close()
		}
		return out
	}
	b.tell(group, res, err)
	return nil
}

// bounded ends a batch when the first of its changes must have ended, and when
// nobody waits for it any more.
func (b *batches) bounded(group []*rider) (context.Context, context.CancelFunc) {
	end := time.Now().Add(b.client.options.Timeout)
	for _, r := range group {
		if by, is := r.x.ctx.Deadline(); is && r.x.gate != nil && by.Before(end) {
			end = by
		}
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(group[0].x.ctx), end)
	var left atomic.Int64
	left.Store(int64(len(group)))
	var stops []func() bool
	for _, r := range group {
		stops = append(stops, context.AfterFunc(r.x.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		}))
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}

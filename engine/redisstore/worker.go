package redisstore

import (
	"context"
	"errors"
	"hash/fnv"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// worker is this process among those that work on the store. Each looks after
// the partitions that fall to it; who is alive is told by counters that each
// raises, and judged by one's own clock: no two clocks are compared.
type worker struct {
	mu      sync.Mutex
	name    string
	alive   map[string]seenWorker
	owners  map[*part]bool
	alone   bool // nobody else is known
	turn    int
	wakes   chan struct{}
	cancel  context.CancelFunc
	running sync.WaitGroup

	frozenAs bool
	toldAt   time.Time // the store's, when it last told
}

// seenWorker is what is known of a worker.
type seenWorker struct {
	count string
	since time.Time // when the counter last rose
}

// How often a worker says that it lives, after which time of silence another
// takes its partitions over, and after which it is forgotten.
const (
	beatEvery   = 3 * time.Second
	deadAfter   = 8 * time.Second
	forgetAfter = 10 * time.Minute
)

// beatEvery and deadAfter are shorter where leases are.
func (s *Store) beatEvery() time.Duration { return min(beatEvery, s.o.Lease/5) }
func (s *Store) deadAfter() time.Duration { return min(deadAfter, s.o.Lease/2) }

func (s *Store) workersKey() string { return s.prefix + "{w}:workers" }

// start begins to work: it says that this worker lives, and hears of what
// becomes due.
func (w *worker) start(s *Store) {
	ctx, cancel := context.WithCancel(context.Background())
	w.mu.Lock()
	w.name, w.cancel, w.alive, w.alone = newRequest(), cancel, map[string]seenWorker{}, true
	w.wakes = make(chan struct{}, 1)
	w.mu.Unlock()
	if s.o.Now != nil {
		return // the time stands still: nobody else works on this store
	}
	w.beat(ctx, s)
	w.running.Go(func() { w.beats(ctx, s) })
	w.running.Go(func() { w.listen(ctx, s) })
	w.running.Go(func() { s.packs(ctx) })
	w.running.Go(func() { s.verifies(ctx) })
	if s.o.Archive != nil {
		w.running.Go(func() { s.retires(ctx) })
	}
	if s.o.Remember != "" {
		w.running.Go(func() { s.remembers(ctx) })
	}
}

func (w *worker) stop() {
	w.mu.Lock()
	cancel := w.cancel
	w.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	w.running.Wait()
}

// beats says, until ctx ends, that this worker lives.
func (w *worker) beats(ctx context.Context, s *Store) {
	tick := time.NewTicker(s.beatEvery())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			// A worker that leaves says so; should that not be heard, its counter
			// does not rise any more.
			last, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = s.client.HDel(last, s.workersKey(), w.name).Err()
			cancel()
			return
		case <-tick.C:
			w.beat(ctx, s)
		}
	}
}

// beat raises our counter and looks at those of the others.
func (w *worker) beat(ctx context.Context, s *Store) {
	var all *redis.MapStringStringCmd
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HIncrBy(ctx, s.workersKey(), w.name, 1)
		all = p.HGetAll(ctx, s.workersKey())
		return nil
	})
	if err != nil {
		return // the next beat may be heard; the work finds out by itself
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	names := []string{w.name}
	for name, count := range all.Val() {
		seen, known := w.alive[name]
		if !known || seen.count != count {
			seen = seenWorker{count, now}
			w.alive[name] = seen
		}
		switch silent := now.Sub(seen.since); {
		case name == w.name:
		case silent < s.deadAfter():
			names = append(names, name)
		case silent > forgetAfter:
			_ = s.client.HDel(ctx, s.workersKey(), name).Err()
			delete(w.alive, name)
		}
	}
	w.share(s, names)
}

// share gives each partition to the living worker for which it falls highest.
func (w *worker) share(s *Store, names []string) {
	w.alone = len(names) == 1
	owners := map[*part]bool{}
	for _, p := range s.parts {
		var best string
		var most uint64
		for _, name := range names {
			h := fnv.New64a()
			_, _ = h.Write([]byte(name + strconv.Itoa(p.index)))
			if v := mix(h.Sum64()); best == "" || v > most {
				best, most = name, v
			}
		}
		if owners[p] = best == w.name; owners[p] && !w.owners[p] {
			p.due.hint() // it is ours from now on: look at once
		}
	}
	w.owners = owners
}

// mix spreads what differs in the last bytes only.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

func (w *worker) owns(p *part) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.alone || w.owners[p]
}

// ready answers the partitions to be claimed from, each once, in turns: those
// that cannot wait, and of the others no more than there is room for.
func (w *worker) ready(s *Store, tried map[*part]bool, left room) []*part {
	now := s.clock()
	w.mu.Lock()
	turn := w.turn
	w.turn += max(1, min(left.all, len(s.parts)-1))
	w.mu.Unlock()
	var ready []*part
	for i := range s.parts {
		p := s.parts[(i+turn)%len(s.parts)]
		is, must := p.due.ready(now, w.owns(p))
		switch lane, fills := p.due.fills(&left); {
		case is && (!tried[p] || p.due.isHinted()) && (must || left.all > 0):
			left.all--
		case fills:
			left.take(lane)
		default:
			continue
		}
		tried[p] = true
		ready = append(ready, p)
	}
	return ready
}

func (d *due) isHinted() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hinted
}

// hint notes that something may be due in a partition, and wakes who waits.
func (w *worker) hint(p *part) {
	if p == nil {
		return
	}
	p.due.hint()
	w.mu.Lock()
	wakes := w.wakes
	w.mu.Unlock()
	select {
	case wakes <- struct{}{}:
	default:
	}
}

// listen hears, until ctx ends, of what becomes due by others. What is not heard
// is found by the next sweep.
func (w *worker) listen(ctx context.Context, s *Store) {
	sub := s.client.Subscribe(ctx, s.prefix+"wake")
	defer func() { _ = sub.Close() }()
	heard := sub.Channel(redis.WithChannelSize(1000))
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-heard:
			if !ok {
				return
			}
			if i, err := strconv.ParseUint(strings.TrimSpace(m.Payload), 16, 8); err == nil && int(i) < len(s.parts) {
				w.hint(s.parts[i])
			}
		}
	}
}

// Wait returns when something may have become due since the last Claim, or the
// time until (zero: none) has come. It may return for nothing.
func (s *Store) Wait(ctx context.Context, until time.Time) error {
	now := time.Now()
	for _, p := range s.parts {
		if is, _ := p.due.ready(now, s.worker.owns(p)); is {
			return ctx.Err()
		}
	}
	longest := sweepEvery
	if !until.IsZero() {
		longest = min(max(0, until.Sub(now)), longest)
	}
	t := time.NewTimer(longest)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.worker.wakes:
	case <-t.C:
	}
	return nil
}

// told notes what the store has said of its time and of the freeze.
func (w *worker) told(at time.Time, frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !at.Before(w.toldAt) {
		w.toldAt, w.frozenAs = at, frozen
	}
}

// lastTold answers the store's time when it last told it, and whether it was
// frozen then.
func (w *worker) lastTold() (at time.Time, frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.toldAt, w.frozenAs
}

// contact is for how long this process has been in steady contact with a server.
// Only who was takes over what lost workers held there: after a pause of the
// server, or a jump of its clock, all leases seem to be over, and those who live
// need a moment to renew theirs.
type contact struct {
	mu    sync.Mutex
	since time.Time
}

// longestTrip is how long a round trip takes at most in steady contact.
const longestTrip = 2 * time.Second

func (c *contact) note(begun, ended time.Time, calls []*call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	failed := ended.Sub(begun) > longestTrip
	for _, call := range calls {
		failed = failed || call.err != nil && isNet(call.err)
	}
	switch {
	case failed:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = ended
	}
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

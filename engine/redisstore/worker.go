package redisstore

import (
	"context"
	"hash/fnv"
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
	doubted chan struct{} // some server is silent
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
	w.wakes, w.doubted = make(chan struct{}, 1), make(chan struct{}, 1)
	w.mu.Unlock()
	w.running.Go(func() { s.probes(ctx) })
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
func (w *worker) ready(ctx context.Context, s *Store, tried map[*part]bool, left room) []*part {
	now := s.clock()
	w.mu.Lock()
	turn := w.turn
	w.turn += max(1, min(left.all, len(s.parts)-1))
	w.mu.Unlock()
	var ready []*part
	for i := range s.parts {
		p := s.parts[(i+turn)%len(s.parts)]
		is, must := p.due.ready(now, w.owns(p))
		if s.leftOut(ctx, p) != nil {
			continue
		}
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
		if is, _ := p.due.ready(now, s.worker.owns(p)); is && s.leftOut(ctx, p) == nil {
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

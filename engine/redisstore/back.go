package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
)

// A failover, a restore or a disk that lost its tail can make Redis forget what
// it has acknowledged. Every act raises the number of its partition, so whoever
// remembers a higher one than Redis now tells knows that it went back. Then a
// new epoch begins: all other workers hear of it with their next act, followers
// begin anew, and effects are frozen there until a person has looked: what was
// begun may be begun again only if somebody says so.

// Rollback tells that a partition has gone back.
type Rollback struct {
	Partition int
	From      int64 // the highest number that was seen, 0 where another worker has seen it
	To        int64 // the number it has now
	// Of reports whether a run is of the partition.
	Of func(run string) bool
}

func (r Rollback) String() string {
	if r.From == 0 {
		return fmt.Sprintf("partition %02x of the store has gone back, as another worker has seen", r.Partition)
	}
	if r.To >= r.From {
		return fmt.Sprintf("partition %02x of the store has gone back, and on from there: Redis has forgotten what it had acknowledged", r.Partition)
	}
	return fmt.Sprintf("partition %02x of the store has gone back from %d to %d: Redis has forgotten what it had acknowledged", r.Partition, r.From, r.To)
}

// saw takes in the number that a partition has answered, to a call that was made
// when it was at least high.
func (s *Store) saw(p *part, high, number int64) {
	if number < high {
		s.wentBack(p, high, number)
		return
	}
	for {
		known := p.high.Load()
		if number <= known || p.high.CompareAndSwap(known, number) {
			return
		}
	}
}

// acks are the last positions that this process was told are settled. After the
// server has become another one, or has started again, they have to be there:
// numbers alone would not tell if others had acted meanwhile.
type acks struct {
	mu   sync.Mutex
	ring [64]ack
	next int
}

type ack struct {
	run, strand string
	position    int64
}

func (a *acks) add(run, strand string, position int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ring[a.next%len(a.ring)] = ack{run, strand, position}
	a.next++
}

// args are the acks as verify.lua takes them.
func (a *acks) args() []any {
	a.mu.Lock()
	defer a.mu.Unlock()
	var args []any
	for _, k := range a.ring {
		if k.run != "" {
			args = append(args, k.run, k.strand, k.position)
		}
	}
	return args
}

// forget drops what was acknowledged before the partition went back.
func (a *acks) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ring, a.next = [64]ack{}, 0
}

// server tells whether a connection leads to the server that the last one did.
type server struct {
	mu      sync.Mutex
	runs    map[string]bool // run ids of servers that were met
	changed chan struct{}
}

// met is called with every new connection.
func (s *Store) met(ctx context.Context, conn *redis.Conn) error {
	info, err := conn.Info(ctx, "server").Result()
	if err != nil {
		return nil // a server that does not tell is not asked: `stanch doctor` says so
	}
	id := infoField(info, "run_id")
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.runs[id] {
		return nil
	}
	first := len(s.server.runs) == 0
	s.server.runs[id] = true
	if !first {
		select {
		case s.server.changed <- struct{}{}:
		default:
		}
	}
	return nil
}

// verifies looks, until ctx ends, whether a server that was not met before has
// what was acknowledged.
func (s *Store) verifies(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.server.changed:
		}
		for _, p := range s.parts {
			for ctx.Err() == nil {
				if err := s.verify(ctx, p); err == nil || errors.Is(err, engine.ErrDamaged) {
					break
				}
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
	}
}

// verify looks whether a partition has what was acknowledged to this process.
func (s *Store) verify(ctx context.Context, p *part) error {
	args := p.acks.args()
	high := p.high.Load()
	l, err := s.do(ctx, p, "verify", args...)
	if err != nil {
		return err
	}
	if missing, number := l.int(0), l.int(1); missing > 0 || number < high {
		s.wentBack(p, high, number)
	}
	return l.err()
}

// wentBack begins a new epoch, once for all workers.
func (s *Store) wentBack(p *part, from, to int64) {
	p.backMu.Lock()
	defer p.backMu.Unlock()
	if p.high.Load() < from {
		return // it is known
	}
	r := s.rollback(p, from, to)
	ctx, cancel := context.WithTimeout(context.Background(), s.o.Patience)
	defer cancel()
	epoch := nextEpoch(p.epoch.Load())
	_, err := s.once(ctx, &call{part: p, script: s.scripts["back"], args: []any{versionOf(epoch), r.String()}, done: make(chan struct{}, 1)})
	if err != nil { // another worker was faster: then newEpoch has told; else the next answer tells again
		return
	}
	p.epoch.Store(epoch)
	p.high.Store(to)
	p.acks.forget()
	s.known.forget()
	if s.o.WentBack != nil {
		s.o.WentBack(r)
	}
}

func (s *Store) rollback(p *part, from, to int64) Rollback {
	return Rollback{Partition: p.index, From: from, To: to, Of: func(run string) bool { return s.partOfRun(run) == p }}
}

// newEpoch takes in that a partition has an epoch that this process did not know:
// somebody has seen it go back.
func (s *Store) newEpoch(ctx context.Context, p *part) error {
	before := p.epoch.Load()
	if err := s.readEpoch(ctx, p); err != nil {
		return err
	}
	if p.epoch.Load() == before {
		return nil
	}
	p.high.Store(0)
	p.acks.forget()
	s.known.forget()
	if s.o.WentBack != nil {
		s.o.WentBack(s.rollback(p, 0, 0))
	}
	return nil
}

// seen is what the file of Options.Remember holds.
type seen struct {
	Store string           `json:"store"`
	High  map[string]int64 `json:"high"` // version of a partition's keys, a space, its number → highest number
}

func (p *part) rememberedAs() string { return fmt.Sprintf("%s %02x", p.version(), p.index) }

// remember reads how far the partitions were when this worker ended last. A file
// that cannot be read is none: it is written anew.
func (s *Store) remember() {
	if s.o.Remember == "" {
		return
	}
	raw, err := os.ReadFile(s.o.Remember)
	var f seen
	if err != nil || json.Unmarshal(raw, &f) != nil || f.Store != s.String()+" "+s.o.Prefix {
		return
	}
	for _, p := range s.parts {
		p.high.Store(f.High[p.rememberedAs()])
	}
}

// rememberEvery is how often the file is written.
const rememberEvery = time.Second

// remembers writes, until ctx ends, how far the partitions are.
func (s *Store) remembers(ctx context.Context) {
	tick := time.NewTicker(rememberEvery)
	defer tick.Stop()
	last := ""
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-tick.C:
		}
		f := seen{Store: s.String() + " " + s.o.Prefix, High: map[string]int64{}}
		for _, p := range s.parts {
			f.High[p.rememberedAs()] = p.high.Load()
		}
		raw, err := json.Marshal(f)
		if err != nil || string(raw) == last {
			continue
		}
		if replace(s.o.Remember, raw) == nil {
			last = string(raw)
		}
	}
}

// replace writes a file as a whole.
func replace(path string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

package redisstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A server of a cluster that does not answer holds nobody up who waits for others
// as well: its partitions are left out of claims and renewals, and what is to be
// delivered there waits. It is probed meanwhile, and as soon as it does what it
// is asked, or another server has its partitions, they are claimed from again.
// Where no server answers, what is known of each counts for nothing: all are
// asked, for as long as Options.Patience says.

// errLate says that a server has let wait for its answer.
var errLate = errors.New("no answer for " + longestTrip.String())

// silence answers why the server of a partition is not waited for, or nil: then
// it answers, or none does.
func (s *Store) silence(ctx context.Context, p *part) error {
	if _, cluster := s.client.(*redis.ClusterClient); !cluster || !s.o.Work {
		return nil
	}
	silent := s.way(ctx, p).why()
	for i := 0; silent != nil && i < len(s.parts); i++ {
		if s.way(ctx, s.parts[i]).why() == nil {
			return silent
		}
	}
	return nil
}

// isSilent reports whether the server of a partition is not waited for.
func (s *Store) isSilent(ctx context.Context, p *part) bool { return s.silence(ctx, p) != nil }

// way is the pipe to the server of a partition, nil if nobody knows it now.
func (s *Store) way(ctx context.Context, p *part) *pipe {
	if way, err := s.pipe(ctx, p, false); err == nil {
		return way
	}
	return nil
}

// why answers why a server is silent. Of one that is not known whoever asks it
// finds out.
func (p *pipe) why() error {
	if p == nil {
		return nil
	}
	return p.contact.why()
}

// leftOut answers why a partition is not asked for work now, or nil.
func (s *Store) leftOut(ctx context.Context, p *part) error {
	if p.asked.isOpen() {
		return errLate
	}
	return s.silence(ctx, p)
}

// silent answers why some partition is not asked for work now, or nil.
func (s *Store) silent(ctx context.Context) error {
	for _, p := range s.parts {
		if err := s.leftOut(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// asked is what became of the last claim from a partition.
type asked struct {
	mu    sync.Mutex
	open  bool   // nobody waits for its answer any more, and it has not come
	token string // of a claim whose answer nobody has heard: it is asked for again
}

func (a *asked) isOpen() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

func (a *asked) set(open bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = open
}

// unheard notes a claim whose answer was not heard.
func (a *asked) unheard(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.token = token
}

// again answers the claim whose answer was not heard, if there is one, once.
func (a *asked) again() (token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, a.token = a.token, ""
	return token
}

// doubt lets the server of a partition be probed that lets wait for its answer.
func (s *Store) doubt(way *pipe) {
	way.contact.doubt(errLate)
	s.worker.doubts()
}

// doubts wakes who probes.
func (w *worker) doubts() {
	w.mu.Lock()
	doubted := w.doubted
	w.mu.Unlock()
	select {
	case doubted <- struct{}{}:
	default:
	}
}

// answersAgain lets claims go on when a server answers again.
func (s *Store) answersAgain() {
	for _, p := range s.parts {
		s.worker.hint(p)
	}
}

// probes probes, until ctx ends, each server that is silent.
func (s *Store) probes(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.worker.doubted:
		}
		for _, p := range s.parts {
			way := s.way(ctx, p)
			if way.why() == nil || way.contact.probes(true) {
				continue
			}
			s.worker.running.Go(func() { s.knock(ctx, p, way) })
		}
	}
}

// probeEvery is how often a silent server is asked again.
const probeEvery = 200 * time.Millisecond

// knock asks a silent server for nothing, one time after the other, until it
// answers or has the partition no more.
func (s *Store) knock(ctx context.Context, p *part, way *pipe) {
	defer func() {
		way.contact.probes(false)
		s.worker.doubts() // it may have become silent again
	}()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var c *call
	for way.why() != nil {
		if c == nil {
			c = s.claimCall(p, room{whole: true}, time.Second, newRequest(), "", "", "")
			if way.put(c) != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			c.state.CompareAndSwap(callQueued, callDropped)
			return
		case <-c.done:
			c = nil
			<-tick.C
		case <-tick.C:
		}
		if cluster, is := s.client.(*redis.ClusterClient); is {
			cluster.ReloadState(ctx)
		}
		if now := s.way(ctx, p); now != nil && now != way {
			s.answersAgain()
			return
		}
	}
}

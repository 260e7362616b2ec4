package redisstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// TestRunsThatReplaceEachOtherAllEnd begins runs together that want the same key
// and replace each other: whoever comes last gets it, and none waits for ever.
func TestRunsThatReplaceEachOtherAllEnd(t *testing.T) {
	server := single(t)
	s := open(t, redisstore.Options{Addrs: []string{server.Addr()}, Work: true})
	defer s.Close()
	var begin []*redisstore.Store // on wires of different lengths, so that their acts come in any order
	for _, late := range []time.Duration{0, time.Millisecond, 4 * time.Millisecond} {
		wire := redistest.NewProxy(t, server.Addr())
		wire.Delay(late)
		o := open(t, redisstore.Options{Addrs: []string{wire.Addr()}})
		defer o.Close()
		begin = append(begin, o)
	}
	var mu sync.Mutex
	live := map[string]bool{}
	var all sync.WaitGroup
	for round := range 75 {
		for i := range 3 {
			all.Go(func() {
				id := fmt.Sprint(round, "-", i)
				// One before the slow one asks, one at any moment after that.
				after := []int{10 + round%25, 1, 0}[i]
				<-time.After(time.Duration(after) * time.Millisecond)
				b, err := begin[i].Begin(t.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Edition: "e", Mode: "live", Key: "k", Wide: true, WhenBusy: "replace"})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				live[b.Run] = true
				mu.Unlock()
			})
		}
		<-time.After(50 * time.Millisecond)
		endDue(t, s)
	}
	all.Wait()
	redistest.Until(t, "every run has ended", func() bool {
		endDue(t, s)
		for run := range live {
			r, err := s.Run(t.Context(), run)
			if err != nil {
				t.Fatal(err)
			}
			if !r.EndedAt.IsZero() {
				delete(live, run)
			}
		}
		return len(live) == 0
	})
}

// TestAKeyThatWasNotGivenBackIsFreed puts a run that has ended back in front of a
// wide key, as a failover does that forgets the end: who comes next goes on.
func TestAKeyThatWasNotGivenBackIsFreed(t *testing.T) {
	for name, holder := range map[string]string{"a run that has ended": "", "a run that is forgotten": "r00forgottenforgottenfo"} {
		t.Run(name, func(t *testing.T) { keyIsFreed(t, holder) })
	}
}

func keyIsFreed(t *testing.T, holder string) {
	server := single(t)
	s := open(t, redisstore.Options{Addrs: []string{server.Addr()}, Work: true, Partitions: 1})
	defer s.Close()
	begin := func(id string) engine.Begun {
		b, err := s.Begin(t.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Edition: "e", Mode: "live", Key: "k", Wide: true})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := begin("first")
	endDue(t, s)
	if holder == "" {
		holder = first.Run
	}
	if _, err := server.Do("RPUSH", "stanch:1:{00}:k:k", holder); err != nil {
		t.Fatal(err)
	}
	second := begin("second")
	redistest.Until(t, "the second run ends", func() bool {
		endDue(t, s)
		r, err := s.Run(t.Context(), second.Run)
		return err == nil && !r.EndedAt.IsZero()
	})
}

// endDue ends what is due.
func endDue(t *testing.T, s *redisstore.Store) {
	t.Helper()
	c, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 100, Last: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range c.Strands {
		in := engine.Settlement{Request: st.Token, Lease: st.Lease, Then: engine.Then{End: &engine.End{Outcome: "cancelled"}}}
		if _, err := s.Settle(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

package redisstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// TestARepeatProvesNothingByItself lets a replica stand still: a word that no
// replica has is not acknowledged, not even when it is said again on another
// connection, which has written nothing.
func TestARepeatProvesNothingByItself(t *testing.T) {
	primary := redistest.Start(t, redistest.Options{AppendOnly: true})
	replica := redistest.Start(t, redistest.Options{AppendOnly: true, ReplicaOf: primary})
	s := open(t, redisstore.Options{Addrs: []string{primary.Addr()}, Replicas: 1, ProveWithin: 50 * time.Millisecond, Patience: 300 * time.Millisecond})
	defer s.Close()
	begun, err := s.Begin(t.Context(), engine.Begin{Request: "b", Playbook: "p", Subject: "s", Edition: "e", Mode: "live"})
	if err != nil {
		t.Fatal(err)
	}
	word := engine.Signal{Request: "w", Run: begun.Run, Body: []byte("yes"), Seen: engine.AnyVersion}
	replica.Pause()
	for i := range 3 {
		if _, err := s.Signal(t.Context(), word); err == nil {
			t.Fatalf("attempt %d: a word is acknowledged that no replica has", i)
		}
		if _, err := primary.Do("CLIENT", "KILL", "TYPE", "normal"); err != nil {
			t.Fatal(err)
		}
	}
	replica.Resume()
	redistest.Until(t, "the word is acknowledged", func() bool {
		_, err := s.Signal(t.Context(), word)
		return err == nil
	})
}

// TestANodeThatWasForgottenIsFoundAgain closes the client of a node, as the
// client of a cluster does with a node that was away for a minute.
func TestANodeThatWasForgottenIsFoundAgain(t *testing.T) {
	c := redistest.StartCluster(t, 1, 0)
	s := open(t, redisstore.Options{Addrs: c.Addrs(), Cluster: true, Patience: time.Second})
	defer s.Close()
	for i := range 2 {
		if _, err := s.Begin(t.Context(), engine.Begin{Request: string(rune('a' + i)), Playbook: "p", Subject: "s", Edition: "e", Mode: "live"}); err != nil {
			t.Fatal(err)
		}
		s.ForgetNodes()
	}
}

// split starts a cluster of which two nodes go on when the third is killed.
func split(t *testing.T) *redistest.Cluster {
	t.Helper()
	c := redistest.StartCluster(t, 3, 0)
	for i := range 3 {
		if _, err := c.Node(i).Do("CONFIG", "SET", "cluster-require-full-coverage", "no"); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestADeadNodeHoldsNoEndUp ends runs whose wide key lies on a node that is dead:
// the key can wait, the end of the run does not.
func TestADeadNodeHoldsNoEndUp(t *testing.T) {
	c := split(t)
	s := open(t, redisstore.Options{Addrs: c.Addrs(), Cluster: true, Work: true, Patience: 200 * time.Millisecond})
	defer s.Close()
	for i := range 24 {
		id := string(rune('A' + i))
		if _, err := s.Begin(t.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Edition: "e", Mode: "live", Key: id, Wide: true}); err != nil {
			t.Fatal(err)
		}
	}
	held := map[string]engine.Strand{}
	redistest.Until(t, "all is claimed", func() bool {
		got, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 24, Last: time.Minute})
		for _, st := range got.Strands {
			held[st.Run] = st
		}
		return err == nil && len(held) == 24
	})
	c.Node(2).Kill()
	redistest.Until(t, "the others know it", func() bool {
		info, err := c.Node(0).Do("CLUSTER", "NODES")
		return err == nil && strings.Contains(fmt.Sprint(info), "fail ")
	})
	ended := 0
	for run, st := range held {
		if _, err := s.Run(t.Context(), run); err != nil {
			continue // it lies there itself
		}
		in := engine.Settlement{Request: run, Lease: st.Lease, Then: engine.Then{End: &engine.End{Outcome: "succeeded"}}}
		if _, err := s.Settle(t.Context(), in); err != nil {
			t.Errorf("run %s does not end: %v", run, err)
		}
		ended++
	}
	if ended < 8 {
		t.Errorf("only %d runs lie on nodes that live", ended)
	}
}

// TestADeadNodeHoldsNoTakeoverUp kills one master of a cluster whose others go on:
// what a lost worker held there is taken over all the same.
func TestADeadNodeHoldsNoTakeoverUp(t *testing.T) {
	c := split(t)
	o := redisstore.Options{Addrs: c.Addrs(), Cluster: true, Work: true, Patience: 300 * time.Millisecond}
	lost, s := open(t, o), open(t, o)
	defer s.Close()
	for i := range 50 {
		id := string(rune('A' + i))
		if _, err := s.Begin(t.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Edition: "e", Mode: "live"}); err != nil {
			t.Fatal(err)
		}
	}
	held := map[string]bool{}
	redistest.Until(t, "all is claimed", func() bool {
		got, err := lost.Claim(t.Context(), engine.Claim{Worker: "lost", Max: 50, Last: time.Second})
		for _, st := range got.Strands {
			held[st.Run] = true
		}
		return err == nil && len(held) == 50
	})
	if err := lost.Abandon(); err != nil {
		t.Fatal(err)
	}
	c.Node(2).Kill()
	taken := map[string]bool{}
	redistest.Until(t, "what the lost worker held is taken over, but on the dead node", func() bool {
		got, _ := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 50, Last: time.Second})
		for _, st := range got.Strands {
			taken[st.Run] = true
		}
		return len(taken) > 20
	})
}

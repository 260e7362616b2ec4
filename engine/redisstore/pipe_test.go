package redisstore_test

import (
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
	if _, err := s.Signal(t.Context(), word); err != nil {
		t.Error(err)
	}
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

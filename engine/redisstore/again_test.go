package redisstore_test

import (
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// TestAnswersThatAreNotHeard swallows the answer of each act in turn: it is asked
// for again and is the same, and nothing has happened twice.
func TestAnswersThatAreNotHeard(t *testing.T) {
	server := redistest.Start(t, redistest.Options{AppendOnly: true})
	proxy := redistest.NewProxy(t, server.Addr())
	s := open(t, redisstore.Options{Addrs: []string{proxy.Addr()}, Work: true, Patience: 20 * time.Second})
	defer s.Close()
	swallow := func() { proxy.Swallow(1, "EVALSHA") }

	swallow()
	begun, err := s.Begin(t.Context(), engine.Begin{Request: "begin", Playbook: "p", Subject: "s", Dedupe: "d", Edition: "e", Mode: "live"})
	if err != nil || !begun.New {
		t.Fatalf("begin: %+v, %v", begun, err)
	}
	var st engine.Strand
	redistest.Until(t, "the run is claimed", func() bool {
		swallow()
		c, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 10, Last: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Strands) == 1 {
			st = c.Strands[0]
		}
		return len(c.Strands) == 1
	})
	if st.Lost != 0 {
		t.Errorf("a claim whose answer was not heard counts as a loss: %d", st.Lost)
	}
	in := engine.Settlement{Lease: st.Lease, Facts: [][]byte{[]byte("fact")}, Audit: [][]byte{[]byte("audit")}}
	for i, then := range []engine.Then{{}, {Open: &engine.Open{Path: "x", Count: 1, Window: 1, Items: [][]byte{[]byte("item")}}}} {
		in.Request, in.Then = []string{"first", "second"}[i], then
		swallow()
		a, err := s.Settle(t.Context(), in)
		if err != nil || a.Seen != int64(i)+1 {
			t.Fatalf("settle %d: %+v, %v", i, a, err)
		}
		in.Lease.Seq, in.Seen = in.Lease.Seq+1, a.Seen
	}
	swallow()
	if _, err := s.Signal(t.Context(), engine.Signal{Request: "signal", Run: st.Run, Body: []byte("word"), Seen: engine.AnyVersion}); err != nil {
		t.Fatal(err)
	}
	swallow()
	v, err := s.Put(t.Context(), engine.Document{Kind: "k", Key: "1", Body: []byte("b")})
	if err != nil {
		t.Fatal(err)
	}
	swallow()
	if err := s.Delete(t.Context(), "k", "1", v); err != nil {
		t.Fatal(err)
	}
	swallow()
	if err := s.Note(t.Context(), []byte("noted")); err != nil {
		t.Fatal(err)
	}
	swallow()
	if taken, err := s.Take(t.Context(), engine.Take{Request: "take", Name: "cap", Limit: 1, Effect: "e", Targets: []string{"t"}}); err != nil || !taken.Granted || taken.Count != 1 {
		t.Errorf("take: %+v, %v", taken, err)
	}
	r, err := s.Run(t.Context(), st.Run)
	if err != nil || len(r.Strands) != 2 || len(r.Strands[0].Facts) != 3 {
		t.Errorf("the run: %+v, %v", r, err)
	}
	page, err := s.Follow(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	audit := 0
	for _, rec := range page.Records {
		if rec.Kind == "audit" {
			audit++
		}
	}
	if audit != 3 {
		t.Errorf("%d audit records, it must be 3", audit)
	}
}

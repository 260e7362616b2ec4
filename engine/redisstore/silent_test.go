package redisstore_test

import (
	"fmt"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// ward is a cluster of which a node falls silent, and a worker of it.
type ward struct {
	t      *testing.T
	s      *redisstore.Store
	silent string // address of the node, as the store knows it
	serial int
	begun  map[string]bool // runs that nobody was given yet
	leases []engine.Lease
}

func newWard(t *testing.T, addrs []string, silent string) *ward {
	t.Helper()
	w := &ward{t: t, silent: silent, begun: map[string]bool{}}
	w.s = open(t, redisstore.Options{Addrs: addrs, Cluster: true, Work: true})
	t.Cleanup(func() { _ = w.s.Close() })
	return w
}

// begin begins so many runs on the silent node, or on the others.
func (w *ward) begin(n int, silent bool) {
	w.t.Helper()
	for n > 0 {
		w.serial++
		id := fmt.Sprint("s", w.serial)
		if (w.s.Server(w.t.Context(), id) == w.silent) != silent {
			continue
		}
		b, err := w.s.Begin(w.t.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Edition: "e", Mode: "live"})
		if err != nil {
			w.t.Fatal(err)
		}
		w.begun[b.Run] = true
		n--
	}
}

// claim claims once: no run is given out twice, and none counts as lost.
func (w *ward) claim() (engine.Claimed, time.Duration) {
	w.t.Helper()
	begun := time.Now()
	c, err := w.s.Claim(w.t.Context(), engine.Claim{Worker: "w", Max: 100, Last: time.Minute})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, st := range c.Strands {
		if !w.begun[st.Run] || st.Lost > 0 {
			w.t.Errorf("run %s is given out again, it was lost %d times", st.Run, st.Lost)
		}
		delete(w.begun, st.Run)
		w.leases = append(w.leases, st.Lease)
	}
	return c, time.Since(begun)
}

// all claims until nothing is left.
func (w *ward) all(what string) {
	w.t.Helper()
	redistest.Until(w.t, what, func() bool {
		w.claim()
		return len(w.begun) == 0
	})
}

// goesOn claims on the nodes that answer while one is silent.
func (w *ward) goesOn() {
	w.t.Helper()
	left := len(w.begun)
	w.begin(10, false)
	redistest.Until(w.t, "the others go on", func() bool {
		c, took := w.claim()
		if c.Silent == nil {
			w.t.Error("nothing says that some of the store does not answer")
		}
		if took > 500*time.Millisecond {
			w.t.Errorf("a claim took %s", took)
		}
		return len(w.begun) == left
	})
}

// heard waits until the whole store is heard again.
func (w *ward) heard() {
	w.t.Helper()
	redistest.Until(w.t, "all of the store answers", func() bool {
		c, _ := w.claim()
		return c.Silent == nil
	})
}

// TestASilentNodeHoldsNoClaimUp stops one node of three where it stands.
func TestASilentNodeHoldsNoClaimUp(t *testing.T) {
	t.Parallel()
	c := split(t)
	w := newWard(t, c.Addrs(), c.Node(2).Addr())
	w.begin(20, true)
	w.begin(20, false)
	w.all("all is claimed")
	w.begin(20, true)
	c.Node(2).Pause()
	w.begin(10, false)
	if got, took := w.claim(); got.Silent == nil || took > 4*time.Second {
		t.Errorf("the first claim took %s and was told %v", took, got.Silent)
	}
	for range 10 {
		w.goesOn()
	}
	w.renewed(func(r engine.Renewed, took time.Duration) {
		if r.Silent == nil || took > 500*time.Millisecond || len(r.Lost) > 0 {
			t.Errorf("renewing took %s: %+v", took, r)
		}
	})
	c.Node(2).Resume()
	w.all("what lies on the node that answers again is claimed")
	w.heard()
	w.renewed(func(r engine.Renewed, took time.Duration) {
		if r.Silent != nil || len(r.Lost) > 0 {
			t.Errorf("renewing took %s: %+v", took, r)
		}
	})
}

func (w *ward) renewed(check func(engine.Renewed, time.Duration)) {
	w.t.Helper()
	begun := time.Now()
	r, err := w.s.Renew(w.t.Context(), w.leases, time.Minute)
	if err != nil {
		w.t.Fatal(err)
	}
	check(r, time.Since(begun))
}

// TestWhatASilentNodeLeasedIsHeardLater holds the answers of a node back, which
// does what it is asked: the leases are asked for again.
func TestWhatASilentNodeLeasedIsHeardLater(t *testing.T) {
	t.Parallel()
	c := split(t)
	proxies := c.Front()
	var addrs []string
	for _, p := range proxies {
		addrs = append(addrs, p.Addr())
	}
	for name, mend := range map[string]func(){
		"late":       func() { proxies[2].Pass() },
		"not at all": func() { proxies[2].CutAll(); proxies[2].Pass() },
	} {
		t.Run(name, func(t *testing.T) {
			c.FlushAll()
			w := newWard(t, addrs, proxies[2].Addr())
			w.begin(10, false)
			w.all("the others are claimed")
			w.begin(20, true)
			w.begin(5, false)
			proxies[2].Hold(redistest.ToClient, true)
			if got, took := w.claim(); got.Silent == nil || took > 4*time.Second {
				t.Errorf("the first claim took %s and was told %v", took, got.Silent)
			}
			w.goesOn()
			mend()
			w.all("what was leased is heard of")
			w.heard()
		})
	}
}

// TestAReplicaIsClaimedFrom stops a master that has a replica.
func TestAReplicaIsClaimedFrom(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3, 1)
	w := newWard(t, c.Addrs(), c.Node(0).Addr())
	w.begin(20, true)
	w.begin(20, false)
	redistest.Until(t, "the replica has it", func() bool {
		return c.Node(0).Info("replication")["master_repl_offset"] == c.Node(3).Info("replication")["slave_repl_offset"]
	})
	c.Node(0).Pause()
	w.all("all is claimed, at last from the replica")
	w.heard()
	c.Node(0).Resume()
}

// TestAClaimWaitsWhereNobodyAnswers cuts all nodes off: then a claim is patient.
func TestAClaimWaitsWhereNobodyAnswers(t *testing.T) {
	t.Parallel()
	c := split(t)
	proxies := c.Front()
	var addrs []string
	for _, p := range proxies {
		addrs = append(addrs, p.Addr())
	}
	s := open(t, redisstore.Options{Addrs: addrs, Cluster: true, Work: true, Patience: time.Second})
	for _, p := range proxies {
		p.Refuse(true)
		p.CutAll()
	}
	redistest.Until(t, "the claim fails", func() bool {
		got, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 1, Last: time.Minute})
		return err != nil && got.Silent == nil
	})
	s.Hint()
	begun := time.Now()
	if got, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 1, Last: time.Minute}); err == nil || time.Since(begun) < 900*time.Millisecond {
		t.Errorf("after %s: %+v, %v", time.Since(begun), got, err)
	}
	for _, p := range proxies {
		p.Pass()
	}
	redistest.Until(t, "it goes on", func() bool {
		got, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 1, Last: time.Minute})
		return err == nil && got.Silent == nil
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

package sqlitestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// A full disk is told as such, loses nothing, and needs no restart.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	ballast := filepath.Join(dir, "ballast")
	mounted := mount(t, dir)
	if mounted {
		if err := os.WriteFile(ballast, make([]byte, 300<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := sqlitestore.Open(filepath.Join(dir, "stanch.db"), sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !mounted { // who may not mount gets SQLite's own limit, which fails the same way
		if err := s.LimitPages(200); err != nil {
			t.Fatal(err)
		}
	}
	run, acknowledged := fill(t, s)
	if mounted {
		err = os.Remove(ballast)
	} else {
		err = s.LimitPages(10_000)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour})
	if err != nil || len(c.Strands) != 1 || len(c.Strands[0].Facts) != acknowledged {
		t.Fatalf("after the disk has room again: %v, %+v, %d facts were acknowledged", err, len(c.Strands), acknowledged)
	}
	if _, err := s.Settle(t.Context(), engine.Settlement{Request: "end", Lease: c.Strands[0].Lease, Then: engine.Then{End: &engine.End{Outcome: "succeeded"}}}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Run(t.Context(), run); err != nil || r.Status != "succeeded" {
		t.Errorf("the run is %s, %v", r.Status, err)
	}
}

// fill settles until the disk is full, and lets go of the strand.
func fill(t *testing.T, s *sqlitestore.Store) (run string, acknowledged int) {
	b, err := s.Begin(t.Context(), engine.Begin{Request: "1", Playbook: "p"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	in := engine.Settlement{Lease: c.Strands[0].Lease, Facts: [][]byte{make([]byte, 20<<10)}}
	for {
		in.Request = strconv.Itoa(acknowledged)
		a, err := s.Settle(t.Context(), in)
		if err != nil {
			if !errors.Is(err, engine.ErrFull) {
				t.Fatalf("the error of a full disk is %v", err)
			}
			break
		}
		acknowledged++
		in.Lease.Seq, in.Seen = in.Lease.Seq+1, a.Seen
		if acknowledged > 1000 {
			t.Fatal("the disk is never full")
		}
	}
	if r, err := s.Run(t.Context(), b.Run); err != nil || len(r.Strands[0].Facts) != acknowledged {
		t.Errorf("while the disk is full, reading answers %v and %d facts of %d", err, len(r.Strands[0].Facts), acknowledged)
	}
	return b.Run, acknowledged
}

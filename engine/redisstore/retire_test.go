package redisstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/storetest"
)

// TestRunsGoToTheArchive moves ended runs out after their time, and only those.
func TestRunsGoToTheArchive(t *testing.T) {
	clock := storetest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	var archived []string
	full := errors.New("the archive is full")
	var fails error
	s := open(t, redisstore.Options{
		Addrs: []string{single(t).Addr()}, Work: true, Now: clock.Now, Keep: 48 * time.Hour,
		Archive: func(_ context.Context, runs []engine.RunRecord) error {
			for _, r := range runs {
				if r.EndedAt.IsZero() || len(r.Strands) != 1 || len(r.Strands[0].Facts) != 1 {
					t.Errorf("archived: %+v", r)
				}
				archived = append(archived, r.ID)
			}
			return fails
		},
	})
	defer s.Close()
	begin := func(subject string) engine.Begun {
		b, err := s.Begin(t.Context(), engine.Begin{Request: subject + clock.Now().String(), Playbook: "p", Subject: subject, Dedupe: "d", Edition: "e", Mode: "live"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	end := func() {
		c, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 10, Last: 100 * time.Hour})
		if err != nil || len(c.Strands) != 1 {
			t.Fatalf("claim: %d strands, %v", len(c.Strands), err)
		}
		if _, err := s.Settle(t.Context(), engine.Settlement{Request: c.Strands[0].Run, Lease: c.Strands[0].Lease, Facts: [][]byte{[]byte("f")}, Then: engine.Then{End: &engine.End{Outcome: "succeeded"}}}); err != nil {
			t.Fatal(err)
		}
	}
	old := begin("a")
	end()
	page, err := s.Follow(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(47 * time.Hour)
	young := begin("b")
	end()
	live := begin("c")
	retire := func(want int, wantErr error) {
		t.Helper()
		if n, err := s.Retire(t.Context()); n != want || !errors.Is(err, wantErr) {
			t.Errorf("%d runs are moved, it must be %d: %v", n, want, err)
		}
	}
	retire(0, nil)
	clock.Advance(2 * time.Hour)
	fails = full
	retire(0, full)
	if _, err := s.Run(t.Context(), old.Run); err != nil {
		t.Errorf("a run that could not be archived: %v", err)
	}
	fails = nil
	retire(1, nil)
	retire(0, nil)
	if !slices.Equal(archived, []string{old.Run, old.Run}) { // once for nothing
		t.Errorf("archived: %s", strings.Join(archived, " "))
	}
	if _, err := s.Run(t.Context(), old.Run); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("a run that has gone: %v", err)
	}
	for _, b := range []engine.Begun{young, live} {
		if _, err := s.Run(t.Context(), b.Run); err != nil {
			t.Error(err)
		}
	}
	page, err = s.Follow(t.Context(), page.Cursor, 100)
	if err != nil || !slices.ContainsFunc(page.Records, func(r engine.Record) bool { return r.Kind == "run" && r.Run == old.Run && r.Deleted }) {
		t.Errorf("who follows is not told: %+v, %v", page.Records, err)
	}
	if again := begin("a"); !again.New {
		t.Errorf("the dedupe key of a run that has gone: %+v", again)
	}
}

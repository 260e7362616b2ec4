package redisstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// backs collects what a store tells of having gone back.
type backs struct {
	mu  sync.Mutex
	all []redisstore.Rollback
}

func (b *backs) add(r redisstore.Rollback) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, r)
}

func (b *backs) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.all)
}

// worked begins a run and settles it so many times.
func worked(t *testing.T, s *redisstore.Store, subject string, settles int) engine.Settlement {
	t.Helper()
	begun, err := s.Begin(t.Context(), engine.Begin{Request: "begin " + subject, Playbook: "p", Subject: subject, Edition: "e", Mode: "live"})
	if err != nil {
		t.Fatal(err)
	}
	in := engine.Settlement{}
	redistest.Until(t, "the run is claimed", func() bool {
		c, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 10, Last: time.Minute})
		for _, st := range c.Strands {
			if st.Run == begun.Run {
				in.Lease = st.Lease
			}
		}
		return err == nil && in.Lease.Run != ""
	})
	settleMore(t, s, &in, settles)
	return in
}

func settleMore(t *testing.T, s *redisstore.Store, in *engine.Settlement, settles int) {
	t.Helper()
	for range settles {
		in.Request, in.Facts = fmt.Sprint(in.Lease.Run, in.Lease.Seq), [][]byte{[]byte("fact")}
		a, err := s.Settle(t.Context(), *in)
		if err != nil {
			t.Fatal(err)
		}
		in.Lease.Seq, in.Seen = in.Lease.Seq+1, a.Seen
	}
}

// TestRestoredStoreIsNoticed takes Redis back to an older state of its data: the
// worker notices, effects are frozen there, and a thaw lets them go on.
func TestRestoredStoreIsNoticed(t *testing.T) {
	for name, others := range map[string]int{"nobody acted since": 0, "others have acted since": 50} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: "always"})
			var told backs
			s := open(t, redisstore.Options{Addrs: []string{server.Addr()}, Work: true, Patience: 20 * time.Second, WentBack: told.add})
			defer s.Close()
			in := worked(t, s, "subject", 3)
			copied := server.CopyData()
			settleMore(t, s, &in, 5)
			server.Stop()
			server.RestoreData(copied)
			server.Restart()
			if others > 0 {
				other := open(t, redisstore.Options{Addrs: []string{server.Addr()}, Work: true})
				for i := range others { // the numbers rise above what the worker knew
					if err := other.Note(t.Context(), []byte(fmt.Sprint(i))); err != nil {
						t.Fatal(err)
					}
					if _, err := other.Begin(t.Context(), engine.Begin{Request: fmt.Sprint(i), Playbook: "q", Subject: "subject", Edition: "e", Mode: "live"}); err != nil {
						t.Fatal(err)
					}
				}
				defer other.Close()
			}
			redistest.Until(t, "the worker notices", func() bool {
				_, err := s.Freeze(t.Context(), engine.Freeze{})
				return err == nil && told.count() > 0
			})
			r := told.all[0]
			if !r.Of(in.Lease.Run) || !strings.Contains(r.String(), "gone back") {
				t.Errorf("told: %s", r)
			}
			f, err := s.Freeze(t.Context(), engine.Freeze{})
			if err != nil || !f.On || f.By != "stanch" || !strings.Contains(f.Reason, "gone back") {
				t.Errorf("the freeze is %+v, %v", f, err)
			}
			_, err = s.Settle(t.Context(), in)
			if !errors.Is(err, engine.ErrLeaseLost) {
				t.Errorf("a position that Redis has forgotten is settled: %v", err)
			}
			if _, err := s.Freeze(t.Context(), engine.Freeze{Request: "thaw", Change: "thaw", By: "ann"}); err != nil {
				t.Fatal(err)
			}
			worked(t, s, "subject2", 3)
			if told.count() != 1 {
				t.Errorf("told %d times", told.count())
			}
		})
	}
}

// TestRememberedAcrossRestarts takes Redis back while no worker lives.
func TestRememberedAcrossRestarts(t *testing.T) {
	server := redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: "always"})
	var told backs
	o := redisstore.Options{Addrs: []string{server.Addr()}, Work: true, WentBack: told.add, Remember: filepath.Join(t.TempDir(), "seen.json")}
	s := open(t, o)
	copied := server.CopyData()
	worked(t, s, "subject", 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	server.RestoreData(copied)
	server.Restart()
	s = open(t, o)
	defer s.Close()
	redistest.Until(t, "the worker notices", func() bool {
		_, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 10, Last: time.Minute})
		return err == nil && told.count() > 0
	})
}

// TestRestartIsNoRollback restarts a server that has lost nothing.
func TestRestartIsNoRollback(t *testing.T) {
	server := redistest.Start(t, redistest.Options{AppendOnly: true, Fsync: "always"})
	var told backs
	s := open(t, redisstore.Options{Addrs: []string{server.Addr()}, Work: true, Patience: 20 * time.Second, WentBack: told.add})
	defer s.Close()
	for i := range 3 {
		in := worked(t, s, fmt.Sprint("subject", i), 5)
		server.Kill()
		server.Restart()
		settleMore(t, s, &in, 5)
	}
	if told.count() > 0 {
		t.Errorf("a restart is told as %s", told.all[0])
	}
}

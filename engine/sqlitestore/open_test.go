package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// made makes a file with one run and answers its path.
func made(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stanch.db")
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), engine.Begin{Request: "1", Playbook: "p"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// What cannot be opened says why, and what to do.
func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string) string
		want  error
		says  string
	}{
		"a newer version's file": {func(t *testing.T, path string) string {
			alter(t, path, "PRAGMA user_version = 99")
			return path
		}, engine.ErrNewer, "99"},
		"another program's file": {func(t *testing.T, path string) string {
			alter(t, path, "PRAGMA application_id = 7")
			return path
		}, nil, "another program"},
		"another program's new file": {func(t *testing.T, path string) string {
			alter(t, path, "PRAGMA user_version = 0")
			return path
		}, nil, "another program"},
		"no database": {func(t *testing.T, path string) string {
			write(t, path, []byte(strings.Repeat("this is a text, not a database. ", 100)))
			return path
		}, nil, "not a database"},
		"a damaged database": {func(t *testing.T, path string) string {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 4096; i < len(b); i++ {
				b[i] ^= 0x5a
			}
			write(t, path, b)
			return path
		}, nil, "damaged"},
		"a directory":         {func(t *testing.T, path string) string { return filepath.Dir(path) }, nil, "directory"},
		"a file as directory": {func(t *testing.T, path string) string { return path + "/stanch.db" }, nil, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.spoil(t, made(t))
			s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
			if err == nil {
				s.Close()
				t.Fatal("it is opened")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.says) || (c.want != nil && !errors.Is(err, c.want)) {
				t.Errorf("the error must name the path and say %q: %v", c.says, err)
			}
			if _, err := sqlitestore.Open(path, sqlitestore.Options{Work: true}); errors.Is(err, engine.ErrWorkerBusy) {
				t.Error("the lock is still held after an Open that failed")
			}
		})
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func alter(t *testing.T, path, q string) {
	t.Helper()
	s, err := sqlitestore.Open(path, sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Exec(q), s.Close()); err != nil {
		t.Fatal(err)
	}
}

// The file is its owner's alone, with all that lies beside it.
func TestFileModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b ? % #")
	path := filepath.Join(dir, "stanch.db")
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(dir): 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, it must be %o", name, got, want)
		}
	}
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "10000", "trusted_schema": "0", "foreign_keys": "0"} {
		if got, err := s.Query("PRAGMA " + pragma); err != nil || got != want {
			t.Errorf("PRAGMA %s is %s (%v), it must be %s", pragma, got, err, want)
		}
	}
}

// A file that others could read is closed to them.
func TestFileModeIsTightened(t *testing.T) {
	path := made(t)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := sqlitestore.Open(path, sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Who only reads changes nothing, also while a worker works.
func TestReadOnly(t *testing.T) {
	path := made(t)
	for _, working := range []bool{false, true} {
		if working {
			w, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
		}
		s, err := sqlitestore.Open(path, sqlitestore.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Follow(t.Context(), "", 10)
		if err != nil || len(p.Records) != 1 {
			t.Errorf("Follow answers %+v, %v", p, err)
		}
		if _, err := s.Run(t.Context(), p.Records[0].Run); err != nil {
			t.Error(err)
		}
		for what, act := range map[string]func() error{
			"begin": func() error { _, err := s.Begin(t.Context(), engine.Begin{Request: "2", Playbook: "p"}); return err },
			"put":   func() error { _, err := s.Put(t.Context(), engine.Document{Kind: "k"}); return err },
			"note":  func() error { return s.Note(t.Context(), nil) },
			"freeze": func() error {
				_, err := s.Freeze(t.Context(), engine.Freeze{Request: "f", Change: "freeze"})
				return err
			},
		} {
			if err := act(); err == nil || !strings.Contains(err.Error(), "reading only") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := sqlitestore.Open(filepath.Join(t.TempDir(), "none.db"), sqlitestore.Options{ReadOnly: true}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := sqlitestore.Open(path, sqlitestore.Options{ReadOnly: true, Work: true}); err == nil {
		t.Error("a worker that only reads is opened")
	}
}

// After Close every act is refused, and a second Close is as the first.
func TestClosed(t *testing.T) {
	s, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Begin(t.Context(), engine.Begin{Request: "1", Playbook: "p"}); err == nil {
		t.Error("Begin after Close")
	}
	if _, err := s.Get(t.Context(), "k", "1"); err == nil || errors.Is(err, engine.ErrNotFound) {
		t.Errorf("Get after Close: %v", err)
	}
	if err := s.Wait(t.Context(), time.Time{}); err == nil {
		t.Error("Wait after Close")
	}
}

// An act whose caller has gone before it began has not happened.
func TestCancelledAct(t *testing.T) {
	s, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	happened, gone := make([]bool, 200), 0
	for i := range happened {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if i%2 == 0 {
			wg.Go(cancel)
		}
		wg.Go(func() {
			_, err := s.Put(ctx, engine.Document{Kind: "k", Key: fmt.Sprint(i), Version: 0})
			happened[i] = err == nil
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, did := range happened {
		if i%2 == 1 && !did {
			t.Errorf("act %d was not given up and has not happened", i)
		}
		_, err := s.Get(t.Context(), "k", fmt.Sprint(i))
		if is := err == nil; is != did {
			t.Errorf("act %d: answered %v, happened %v", i, did, is)
		}
		if !did {
			gone++
		}
	}
	t.Logf("%d of %d were given up", gone, len(happened))
}

// Wait returns for what falls due: by an act, by time, and not before.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		claim := func() engine.Claimed {
			t.Helper()
			c, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		wait := func(until time.Time) time.Duration {
			t.Helper()
			begun := time.Now()
			if err := s.Wait(t.Context(), until); err != nil {
				t.Fatal(err)
			}
			return time.Since(begun)
		}
		c := claim()
		time.AfterFunc(3*time.Hour, func() {
			if _, err := s.Begin(t.Context(), engine.Begin{Request: "1", Playbook: "p"}); err != nil {
				t.Error(err)
			}
		})
		if d := wait(c.NextDue); d != 3*time.Hour {
			t.Errorf("Wait returned after %s, a run began after 3h", d)
		}
		if d := wait(time.Time{}); d != 0 {
			t.Errorf("something is due since the last Claim, and Wait takes %s", d)
		}
		st := claim().Strands[0]
		if _, err := s.Settle(t.Context(), engine.Settlement{Request: "s", Lease: st.Lease, Then: engine.Then{Wait: &engine.Wait{For: 48 * time.Hour}}}); err != nil {
			t.Fatal(err)
		}
		if c = claim(); len(c.Strands) != 0 {
			t.Fatalf("%+v is due", c.Strands)
		}
		if d := wait(c.NextDue); d != 48*time.Hour {
			t.Errorf("Wait returned after %s, the timer is due after 48h", d)
		}
		if c = claim(); len(c.Strands) != 1 {
			t.Error("the timer does not fire")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Wait(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait answers %v", err)
		}
		time.AfterFunc(time.Second, func() { s.Close() })
		wait(time.Time{})
		synctest.Wait()
	})
}

// A clock that is set back by hours does not stop the timers for hours.
func TestClockSetBack(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s, err := sqlitestore.OpenMemory(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Begin(t.Context(), engine.Begin{Request: "1", Playbook: "p"}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-5 * time.Hour)
	c, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour})
	if err != nil || len(c.Strands) != 1 {
		t.Fatal(len(c.Strands), err)
	}
	if _, err := s.Settle(t.Context(), engine.Settlement{Request: "s", Lease: c.Strands[0].Lease, Then: engine.Then{Wait: &engine.Wait{For: time.Minute}}}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Minute)
	if c, err = s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour}); err != nil || len(c.Strands) != 1 {
		t.Errorf("two minutes later the timer of one minute has not fired: %v", err)
	}
}

package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// Of acts that are committed together, one that fails takes nothing with it and
// leaves nothing behind.
func TestFailedActAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx := t.Context()
		gate := make(chan struct{})
		go s.Act(ctx, func(func(string) error) error { <-gate; return nil })
		synctest.Wait() // the writer stands at the gate: all that follows is one batch
		broken := errors.New("broken")
		answers := make(chan error, 10)
		for i := range 4 {
			go func() {
				_, err := s.Put(ctx, engine.Document{Kind: "k", Key: fmt.Sprint(i), Version: 0})
				answers <- err
			}()
			synctest.Wait()
			switch i {
			case 1:
				go func() {
					err := s.Act(ctx, func(exec func(string) error) error {
						return errors.Join(exec("INSERT INTO meta VALUES ('half', 1)"), broken)
					})
					if !errors.Is(err, broken) {
						t.Errorf("the act that fails answers %v", err)
					}
					answers <- nil
				}()
			case 2:
				go func() {
					if err := s.Act(ctx, func(exec func(string) error) error { return exec("INSERT INTO freeze VALUES (1, 0, '', '', 0)") }); err == nil {
						t.Error("an act that SQLite refuses answers no error")
					}
					answers <- nil
				}()
			}
			synctest.Wait()
		}
		gone, cancel := context.WithCancel(ctx)
		go func() {
			_, err := s.Put(gone, engine.Document{Kind: "k", Key: "gone"})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("an act that was given up answers %v", err)
			}
			answers <- nil
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		for range 7 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		docs, err := s.Each(ctx, "k", "", 10)
		if err != nil || len(docs) != 4 {
			t.Errorf("%d documents of four, %v", len(docs), err)
		}
		if got, err := s.Query("SELECT count(*) FROM meta WHERE name = 'half'"); err != nil || got != "0" {
			t.Errorf("%s rows of the failed act are left, %v", got, err)
		}
	})
}

// While another process writes for a moment, an act waits for it.
func TestActWaitsForAnotherWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stanch.db")
	a, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := sqlitestore.Open(path, sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	holds, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	go func() {
		done <- a.Act(t.Context(), func(exec func(string) error) error {
			close(holds)
			<-release
			return exec("INSERT INTO meta VALUES ('a', 1)")
		})
	}()
	<-holds
	go func() { done <- b.Note(t.Context(), []byte("waits")) }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Note(ctx, []byte("gives up")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an act that waits too long for its caller answers %v", err)
	}
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got, err := a.Query("SELECT group_concat(body) FROM audit"); err != nil || got != "waits" {
		t.Errorf("noted: %s, %v", got, err)
	}
}

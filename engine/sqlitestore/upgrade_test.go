package sqlitestore_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// A migration is there as a whole or not at all, and this version then refuses
// the file.
func TestMigrations(t *testing.T) {
	path := made(t)
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Upgrade("CREATE TABLE extra (id INTEGER); INSERT INTO nowhere VALUES (1)"); err == nil {
		t.Error("a migration that fails is no error")
	}
	got, err := s.Query("SELECT user_version || ' ' || (SELECT count(*) FROM sqlite_master WHERE name = 'extra') FROM pragma_user_version")
	if err != nil || got != "4 0" {
		t.Errorf("after a migration that failed: %s, %v", got, err)
	}
	if err := s.Upgrade("CREATE TABLE extra (id INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Query("SELECT user_version FROM pragma_user_version"); err != nil || got != "5" {
		t.Errorf("the version is %s, %v", got, err)
	}
	if c, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour}); err != nil || len(c.Strands) != 1 {
		t.Errorf("the run from before: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitestore.Open(path, sqlitestore.Options{}); !errors.Is(err, engine.ErrNewer) {
		t.Errorf("the error is %v", err)
	}
}

// Many may open a file that is not there yet, at the same time.
func TestOpenedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stanch.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			s, err := sqlitestore.Open(path, sqlitestore.Options{Work: i == 0})
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Note(t.Context(), []byte("opened")), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if p, err := s.Follow(t.Context(), "", 100); err != nil || len(p.Records) != 8 {
		t.Errorf("%d records, %v", len(p.Records), err)
	}
}

// What a killed process left can be read without being written.
func TestReadOnlyAfterKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stanch.db")
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Note(t.Context(), []byte("noted")); err != nil {
		t.Fatal(err)
	}
	r, err := sqlitestore.Open(copyFiles(t, path), sqlitestore.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if p, err := r.Follow(t.Context(), "", 10); err != nil || len(p.Records) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/engine"
)

// dump is everything that a store holds.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	var b strings.Builder
	err := s.act(t.Context(), func(tx *tx) error {
		b.Reset()
		var tables []string
		if err := tx.each(func(r row) error { tables = append(tables, r.text(0)); return nil },
			"SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"); err != nil {
			return err
		}
		for _, table := range tables {
			var rows []string
			if err := tx.each(func(r row) error { rows = append(rows, fmt.Sprint(r)); return nil }, "SELECT * FROM "+table); err != nil {
				return err
			}
			slices.Sort(rows)
			fmt.Fprintln(&b, table, rows)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A store that was emptied is as one just opened, whatever was in it.
func TestEmptyIsAsNew(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := OpenMemory(func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fresh := dump(t, s)
	ctx := context.Background()
	begun, err := s.Begin(ctx, engine.Begin{Request: "r1", Playbook: "p", Subject: "s", Dedupe: "d", Edition: "e", Mode: "live", Head: []byte("{}"), Key: "k", WhenBusy: "queue"})
	if err != nil || !begun.New {
		t.Fatal(begun, err)
	}
	if _, err := s.Put(ctx, engine.Document{Kind: "a", Key: "b", Body: []byte("c")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Freeze(ctx, engine.Freeze{Request: "r2", Change: "freeze", By: "x", Reason: "y"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Take(ctx, engine.Take{Request: "r3", Name: "n", Limit: 1, Effect: "e", Targets: []string{"t"}}); err != nil {
		t.Fatal(err)
	}
	if dump(t, s) == fresh {
		t.Fatal("nothing was written: the test tells nothing")
	}
	if err := s.Empty(ctx); err != nil {
		t.Fatal(err)
	}
	if now := dump(t, s); now != fresh {
		t.Errorf("after Empty:\n%s\nnew:\n%s", now, fresh)
	}
	again, err := s.Begin(ctx, engine.Begin{Request: "r1", Playbook: "p", Subject: "s", Dedupe: "d", Edition: "e", Mode: "live", Head: []byte("{}"), Key: "k", WhenBusy: "queue"})
	if err != nil || !again.New {
		t.Errorf("the same event begins no run after Empty: %+v %v", again, err)
	}
}

func TestOnlyMemoryIsEmptied(t *testing.T) {
	s, err := Open(t.TempDir()+"/s.db", Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Empty(t.Context()); err == nil {
		t.Error("a file was emptied")
	}
}

package sqlitestore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// Deletions are forgotten after a month; who follows from before is told.
func TestDeletionsAreForgotten(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s, err := sqlitestore.OpenMemory(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 3 {
		if _, err := s.Put(t.Context(), engine.Document{Kind: "k", Key: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	old, err := s.Follow(t.Context(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Delete(t.Context(), "k", "0", engine.AnyVersion), s.Delete(t.Context(), "k", "1", engine.AnyVersion)); err != nil {
		t.Fatal(err)
	}
	now = now.Add(31 * 24 * time.Hour)
	if _, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Follow(t.Context(), old.Cursor, 10); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a cursor from before what is forgotten is answered with %v", err)
	}
	p, err := s.Follow(t.Context(), "", 10)
	if err != nil || len(p.Records) != 2 || p.Records[0].Document.Key != "2" || p.Records[0].Deleted {
		t.Errorf("from the beginning: %+v, %v", p.Records, err)
	}
	v, err := s.Put(t.Context(), engine.Document{Kind: "k", Key: "3"})
	if err != nil || v <= p.Records[1].Seq {
		t.Errorf("number %d comes after %d: %v", v, p.Records[1].Seq, err)
	}
}

// Requests are forgotten after an hour, not before.
func TestRequestsAreForgotten(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	s, err := sqlitestore.OpenMemory(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, want := range []string{"1", "2"} {
		if _, err := s.Begin(t.Context(), engine.Begin{Request: want, Playbook: "p"}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(59 * time.Minute)
		if _, err := s.Claim(t.Context(), engine.Claim{Max: 1, Last: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Query("SELECT group_concat(request) FROM requests"); err != nil || got != "2" {
		t.Errorf("kept requests: %s (%v), it must be the second", got, err)
	}
}

// SHA-256 of number, time and body, computed by another program.
const (
	sumOf1a = "2f5f88a2de9c29a3d8edc1ffc9caf046cb3ce3e2691941884af477cba254ddb6"
	sumOf2b = "e20bf44e6464c9c03d1519ab43052916d55d07c5174fca88cbe50f525de7bfdd"
)

// The audit table holds what was noted, numbered, each with its hash.
func TestAuditTable(t *testing.T) {
	s, err := sqlitestore.OpenMemory(func() time.Time { return time.Unix(1, 2) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, body := range []string{"a", "b"} {
		if err := s.Note(t.Context(), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Query("SELECT group_concat(number || ' ' || at || ' ' || hex(body) || ' ' || lower(hex(sha256)), ', ') FROM audit")
	const want = "1 1000000002 61 " + sumOf1a + ", 2 1000000002 62 " + sumOf2b
	if err != nil || got != want {
		t.Errorf("the table holds %s (%v), it must be %s", got, err, want)
	}
}

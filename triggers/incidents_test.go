package triggers_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/triggers"
)

// Stored incidents are visited by when they were opened; one that cannot be read
// is named, and the others go on.
func TestEachIncident(t *testing.T) {
	store, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	begun := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	put := func(id, body string) {
		t.Helper()
		if _, err := store.Put(t.Context(), engine.Document{Kind: "incident", Key: id, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	const many = 450 // more than are read at once
	for i := range many {
		id := fmt.Sprintf("defender/%04d", i)
		put(id, fmt.Sprintf(`{"incident":{"id":%q,"created_at":%q}}`, id, begun.Add(time.Duration(i)*time.Hour).Format(time.RFC3339)))
	}
	put("defender/0300-broken", `{"incident":7}`)
	put("defender/undated", `{"incident":{"id":"defender/undated"}}`)
	visited := func(o triggers.Opened) (ids, unread []string) {
		t.Helper()
		err := triggers.EachIncident(t.Context(), store, o, func(id string, why error) { unread = append(unread, id) }, func(in incident.Incident) error {
			ids = append(ids, in.ID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids, unread
	}
	if ids, unread := visited(triggers.Opened{}); len(ids) != many+1 || !slices.IsSorted(ids) || !slices.Equal(unread, []string{"defender/0300-broken"}) {
		t.Errorf("%d incidents, unread %v", len(ids), unread)
	}
	from := begun.Add(10 * time.Hour)
	if ids, _ := visited(triggers.Opened{From: from, Until: from.Add(2 * time.Hour)}); !slices.Equal(ids, []string{"defender/0010", "defender/0011"}) {
		t.Errorf("within two hours: %v", ids)
	}
	enough := errors.New("enough")
	n := 0
	err = triggers.EachIncident(t.Context(), store, triggers.Opened{}, nil, func(incident.Incident) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Errorf("%d visited, %v", n, err)
	}
}

package view_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/engine/view"
)

// Whatever way a filter is answered, it selects what it says: every filter over
// incidents of which more and fewer have something, page by page.
func TestFiltersSelectWhatTheySay(t *testing.T) {
	s, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := make([]incident.Incident, 2600)
	text := func(s string) *string { return &s }
	for i := range all {
		in := incident.Incident{
			ID: fmt.Sprintf("defender/%d", i), Source: "defender", Title: "DLP policy matched", Severity: "high", Status: "active",
			CreatedAt: time.Date(2026, 1, 1, 0, 0, i/3, 0, time.UTC), Policies: []string{"Common"}, ServiceSources: []incident.ServiceSource{"dataLossPrevention"},
		}
		if rand.IntN(12) == 0 {
			in.Status, in.Policies, in.AssignedTo = "resolved", []string{"Rare", "Common"}, text("Omar@contoso.example")
		}
		if rand.IntN(20) == 0 {
			in.Severity, in.Title = "low", `He said "Grüße, 100% of it"`
			in.Evidence.Users = []incident.User{{UPN: text("sam.ortiz@contoso.example")}}
		}
		all[i] = in
		if _, err := s.Put(t.Context(), engine.Document{Kind: "incident", Key: in.ID, Body: encode(t, map[string]any{"incident": in, "digest": "d"})}); err != nil {
			t.Fatal(err)
		}
	}
	v, err := view.Open(t.Context(), filepath.Join(t.TempDir(), "view.db"), s)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Catch(t.Context()); err != nil {
		t.Fatal(err)
	}
	pick := func(of ...string) string { return of[rand.IntN(len(of))] }
	for range 150 {
		f := view.IncidentFilter{
			Policy: pick("", "common", "Rare", "none"), Status: pick("", "", "active", "RESOLVED"), Severity: pick("", "", "high", "low"),
			Assignee: pick("", "", "omar@contoso.example"), User: pick("", "", "sam.ortiz"), Text: pick("", "", "matched dlp", "grüße,", `"gr 10`, "of", "nowhere"),
			Limit: 1 + rand.IntN(900),
		}
		if rand.IntN(3) == 0 {
			f.Since = all[rand.IntN(len(all))].CreatedAt
		}
		want := []string{}
		for _, in := range all {
			if selects(f, in) {
				want = append(want, in.ID)
			}
		}
		if got := pages(t, v, f); !slices.Equal(got, sortedQueue(all, want)) {
			t.Fatalf("%+v selects %d incidents, want %d", f, len(got), len(want))
		}
	}
}

// selects says by itself what a filter means.
func selects(f view.IncidentFilter, in incident.Incident) bool {
	is := func(want string, have ...string) bool {
		return want == "" || slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(h, want) })
	}
	assignee, user := "", ""
	if in.AssignedTo != nil {
		assignee = *in.AssignedTo
	}
	if len(in.Evidence.Users) > 0 {
		user, _, _ = strings.Cut(*in.Evidence.Users[0].UPN, "@")
	}
	for word := range strings.FieldsSeq(f.Text) {
		if !strings.Contains(strings.ToLower(words(in)), word) {
			return false
		}
	}
	return is(f.Policy, in.Policies...) && is(f.Status, string(in.Status)) && is(f.Severity, string(in.Severity)) &&
		is(f.Assignee, assignee) && is(f.User, user) && !in.CreatedAt.Before(f.Since)
}

func words(in incident.Incident) string {
	all := append([]string{in.ID, in.Title}, in.Policies...)
	if in.AssignedTo != nil {
		all = append(all, *in.AssignedTo)
	}
	for _, u := range in.Evidence.Users {
		all = append(all, *u.UPN)
	}
	return strings.Join(all, "\n")
}

// pages answers all ids that a filter selects.
func pages(t *testing.T, v *view.View, f view.IncidentFilter) []string {
	t.Helper()
	ids := []string{}
	for {
		page, next, err := v.Incidents(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range page {
			ids = append(ids, in.ID)
		}
		if f.Cursor = next; next == "" {
			return ids
		}
	}
}

// sortedQueue puts ids in the order of the queue: the newest first.
func sortedQueue(all []incident.Incident, ids []string) []string {
	at := map[string]time.Time{}
	for _, in := range all {
		at[in.ID] = in.CreatedAt
	}
	slices.SortFunc(ids, func(a, b string) int {
		if c := at[b].Compare(at[a]); c != 0 {
			return c
		}
		return strings.Compare(b, a)
	})
	return ids
}

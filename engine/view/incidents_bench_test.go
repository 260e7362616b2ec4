package view_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/engine/view"
)

// BenchmarkIncidents asks for the first page of a queue of 100,000 incidents by
// each filter, one that selects many and one that selects few. The promise is 50 ms.
func BenchmarkIncidents(b *testing.B) {
	s, err := sqlitestore.Open(filepath.Join(b.TempDir(), "stanch.db"), sqlitestore.Options{Work: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fillQueue(b, s, 100_000)
	v, err := view.Open(b.Context(), filepath.Join(b.TempDir(), "view.db"), s)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	if err := v.Catch(b.Context()); err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]view.IncidentFilter{
		"all":               {},
		"status":            {Status: "active"},
		"status, few":       {Status: "awaitingAction"},
		"policy":            {Policy: "Policy 1"},
		"policy, few":       {Policy: "Rare policy"},
		"user":              {User: "user77"},
		"source and status": {Source: "dataLossPrevention", Status: "resolved"},
		"severity, few":     {Severity: "high", Status: "awaitingAction", Policy: "Policy 1"},
		"assignee, few":     {Assignee: "omar@contoso.example"},
		"text":              {Text: "payroll november"},
		"text, few":         {Text: "file 99999 xlsx"},
		"text, none":        {Text: "nothingofthekind"},
		"since":             {Since: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), Text: "zz"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := v.Incidents(b.Context(), f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fillQueue puts incidents into a store as the feed does.
func fillQueue(b *testing.B, docs engine.Documents, n int) {
	b.Helper()
	statuses, severities := []incident.Status{"active", "inProgress", "resolved"}, []incident.Severity{"low", "medium", "high"}
	put := func(i int) error {
		upn, file, title := fmt.Sprintf("user%d@contoso.example", i%5000), fmt.Sprintf("Payroll November file %d.xlsx", i), "DLP policy matched for document in SharePoint"
		in := incident.Incident{
			ID: fmt.Sprintf("defender/%d", i), Source: "defender", Title: title, Severity: severities[i%3], Status: statuses[i%3],
			CreatedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * 3 * time.Minute),
			Policies:  []string{fmt.Sprintf("Policy %d", i%40)}, ServiceSources: []incident.ServiceSource{"dataLossPrevention"},
			Alerts:   []incident.Alert{{ID: fmt.Sprint("a", i), Title: title}},
			Evidence: incident.Evidence{Users: []incident.User{{ID: upn, UPN: &upn}}, Files: []incident.File{{ID: file, Name: &file}}},
		}
		if i%9999 == 0 {
			in.Status, in.Policies = "awaitingAction", []string{"Rare policy"}
			omar := "omar@contoso.example"
			in.AssignedTo = &omar
		}
		_, err := docs.Put(context.Background(), engine.Document{Kind: "incident", Key: in.ID, Body: encode(b, map[string]any{"incident": in, "digest": "d"})})
		return err
	}
	const at = 64 // at once, so that they are committed together
	done := make(chan error, at)
	for k := range at {
		go func() {
			var err error
			for i := k; i < n && err == nil; i += at {
				err = put(i)
			}
			done <- err
		}()
	}
	for range at {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

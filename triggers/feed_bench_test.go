package triggers

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

const (
	benchIncidents = 10_000
	benchBooks     = 200
)

// BenchmarkBackfill takes 10,000 incidents that are new and asks 200 playbooks
// about each, on a store in a file. What the API takes to answer them is not in
// it. Every tenth incident begins a run.
func BenchmarkBackfill(b *testing.B) {
	f := benchFeed(b)
	list, err := f.defender().list(b.Context(), time.Now().Add(-time.Hour), time.Time{}, false, 0)
	if err != nil || len(list) != benchIncidents {
		b.Fatalf("%d incidents: %v", len(list), err)
	}
	for b.Loop() {
		b.StopTimer()
		f.fresh(b)
		r := &reading{feed: &f.Feed, source: f.defender(), polled: &Polled{}, ask: map[string]bool{}}
		if r.now, err = r.clock(b.Context(), classGraph); err != nil {
			b.Fatal(err)
		}
		if err := r.loadMark(b.Context()); err != nil {
			b.Fatal(err)
		}
		r.known = map[string]string{}
		b.StartTimer()
		if err := r.takeAll(b.Context(), list); err != nil {
			b.Fatal(err)
		}
		if p := r.polled; p.New != benchIncidents || p.Started != benchIncidents/10 {
			b.Fatalf("taken: %+v", *p)
		}
	}
	b.ReportMetric(float64(benchIncidents)*float64(b.N)/b.Elapsed().Seconds(), "incidents/s")
}

type benched struct {
	Feed
	catalog *actions.Catalog
}

// fresh gives the feed an empty store.
func (f *benched) fresh(b *testing.B) {
	store, err := sqlitestore.Open(filepath.Join(b.TempDir(), "stanch.db"), sqlitestore.Options{Work: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	f.Store, f.Docs, f.Engine = store, store, engine.New(store, store, f.catalog, engine.Options{})
}

func benchFeed(b *testing.B) *benched {
	b.Helper()
	server := practicetest.Start(b, practice.Options{})
	for i := range benchIncidents {
		if _, err := server.Tenant.Inject([]byte(benchIncident(i))); err != nil {
			b.Fatal(err)
		}
	}
	app := practice.FullApp()
	cloud := connectors.PracticeCloud(server.URL, server.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		b.Fatal(err)
	}
	f := &benched{Feed: Feed{Holder: "bench", Since: time.Now().Add(-time.Hour), Quota: 1e6}}
	if f.Graph, err = graph.New(cloud, cred, nil); err != nil {
		b.Fatal(err)
	}
	if f.catalog, err = actions.Collect(); err != nil {
		b.Fatal(err)
	}
	f.fill()
	f.fresh(b)
	for i := range benchBooks {
		book, findings := playbooks.LoadAndCheck(fmt.Sprintf("book%d.yaml", i), []byte(benchBook(i)), f.Engine.World())
		if playbooks.HasErrors(findings) {
			b.Fatal(findings[0].Text())
		}
		f.Books = append(f.Books, book)
	}
	return f
}

// benchIncident is one of a severity and size of which every tenth is wanted by
// one playbook.
func benchIncident(i int) string {
	severity := "low"
	if i%10 == 0 {
		severity = "high"
	}
	return fmt.Sprintf(`{"displayName":"DLP policy (Payroll %d) matched for document (pay.xlsx) in OneDrive","severity":%q,"alerts":[{
		"title":"DLP policy (Payroll %d) matched for document (pay.xlsx) in OneDrive","serviceSource":"dataLossPrevention","detectionSource":"microsoftDataLossPrevention",
		"severity":%q,"category":"Exfiltration","evidence":[
		{"@odata.type":"#microsoft.graph.security.userEvidence","verdict":"suspicious","userAccount":{"accountName":"u%d","userPrincipalName":"u%d@contoso.example"}},
		{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"pay.xlsx","filePath":"https://contoso.sharepoint.com/sites/hr/%d","fileSize":%d}}]}]}`,
		i%50, severity, i%50, severity, i%500, i%500, i, 1000+i%benchBooks)
}

func benchBook(i int) string {
	return fmt.Sprintf(`playbook: book-%d
title: Look at severe incidents of one size
status: stable
on:
  incident:
    events: [created, updated]
    if: '"dataLossPrevention" in incident.service_sources and incident.severity in ["high", "medium"] and any(evidence.files, (.size ?? 0) == %d)'
steps:
  - set: {n: "${{ len(evidence.files) }}"}
`, i, 1000+i)
}

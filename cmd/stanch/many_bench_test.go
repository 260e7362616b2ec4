package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/practice"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

const manyBook = `playbook: many
title: Many
status: stable
on: {incident: {events: [created]}}
guardrails: {max_targets: {files: 1000}}
steps:
  - for_each: evidence.files
    batch: 250
    as: files
    max_parallel: 4
    steps:
      - for_each: files
        as: file
        max_parallel: 250
        steps:
          - id: access
            uses: files.list_permissions
            with: {file: "${{ file }}"}
          - uses: files.unshare
            with: {file: "${{ file }}", permissions: "${{ map(filter(steps.access.permissions, .scope == 'anonymous'), .id) }}"}
          - uses: files.set_sensitivity_label
            with: {file: "${{ file }}", label: Confidential}
`

// manyFiles is a company with so many files that anybody can read, and the
// incident that names them.
func manyFiles(b *testing.B, n int) (company []byte, event playbooks.Event) {
	b.Helper()
	c := practice.Company{
		TenantID: practice.ContosoTenantID, Name: "Contoso", Domain: practice.ContosoDomain, SharePoint: "contoso.sharepoint.com",
		Labels: []practice.Label{{Name: "General"}, {Name: "Confidential"}},
		Users:  []practice.User{{UPN: "ann@" + practice.ContosoDomain, Name: "Ann"}},
		Sites:  []practice.Site{{Path: "/sites/many", Title: "Many"}},
		Apps:   []practice.App{practice.FullApp()},
	}
	in := incident.Incident{ID: "defender/1", Source: "defender", Title: "Many", Severity: "high"}
	for i := range n {
		name := fmt.Sprintf("%04d.xlsx", i)
		c.Sites[0].Files = append(c.Sites[0].Files, practice.File{
			Path: name, Size: 1, Owner: "ann@" + practice.ContosoDomain, Label: "General",
			Created: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC), Modified: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC),
			Shares: []practice.Share{{Link: "anonymous", Role: "read"}},
		})
		url := "https://contoso.sharepoint.com/sites/many/Shared Documents/" + name
		in.Evidence.Files = append(in.Evidence.Files, incident.File{ID: url, URL: &url, Name: &name})
	}
	company, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := json.Marshal(in)
	if err != nil {
		b.Fatal(err)
	}
	return company, playbooks.Event{ID: "e", Trigger: "incident", Kind: "created", At: time.Now(), Incident: raw}
}

// many is a tenant with many files, and an engine that works on it.
type many struct {
	tenant *manyTenant
	minute int64 // units of SharePoint that the first minute used
}

func (m *many) engine(b *testing.B, o engine.Options) *engine.Engine {
	b.Helper()
	store, err := sqlitestore.Open(b.TempDir()+"/stanch.db", sqlitestore.Options{Work: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	cloud := connectors.PracticeCloud(m.tenant.URL, m.tenant.CA)
	app := practice.FullApp()
	credential, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		b.Fatal(err)
	}
	// One that works has signed in.
	token := policy.TokenRequestOptions{Scopes: []string{cloud.Graph.Scope}, EnableCAE: true}
	if _, err := credential.GetToken(b.Context(), token); err != nil {
		b.Fatal(err)
	}
	var c clients
	if c.graph, err = graph.New(cloud, credential, nil); err != nil {
		b.Fatal(err)
	}
	if c.defender, err = defender.New(cloud, credential, nil); err != nil {
		b.Fatal(err)
	}
	catalog, err := catalogOf(c, []string{practice.ContosoDomain})
	if err != nil {
		b.Fatal(err)
	}
	return engine.New(store, store, catalog, o)
}

// contain runs the playbook and answers how long it took until the last call.
func (m *many) contain(b *testing.B, e *engine.Engine, event playbooks.Event) time.Duration {
	b.Helper()
	book, findings := playbooks.LoadAndCheck("many.yaml", []byte(manyBook), e.World())
	if playbooks.HasErrors(findings) {
		b.Fatal(findings[0].Text())
	}
	begun := time.Now()
	run, err := e.Start(b.Context(), engine.Start{Book: book, Event: event, Mode: engine.ModeLive, By: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := begun
	for {
		<-tick.C
		now := m.tenant.counts(b)
		if time.Since(begun) < time.Minute {
			m.minute = now.SharePoint
		}
		if now.Calls > 0 {
			last = now.Last
		}
		if time.Since(last) < time.Second {
			continue // to describe a thousand strands is work, too
		}
		r, err := e.Run(b.Context(), run.Run)
		switch {
		case err != nil:
			b.Fatal(err)
		case r.Ended() && r.Status != "succeeded":
			b.Fatalf("the run is %s: %v", r.Status, r.Error)
		case r.Ended():
			return last.Sub(begun)
		}
	}
}

// peakMB is the most memory that this process had.
func peakMB(b *testing.B) float64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // no /proc here
	}
	_, after, _ := strings.Cut(string(raw), "VmHWM:")
	kb, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}

// forgetPeak lets the peak begin anew, without what the making of the tenant took.
func forgetPeak() {
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // where there is a /proc
}

// BenchmarkAThousandFiles takes the public link off a thousand files and labels
// them, through an API that answers after 50 ms and takes 200 calls at once: more
// strands than that keep it busy while others think. The promise is 1.2 of the
// time that this allows, with the second until the last label is looked at.
func BenchmarkAThousandFiles(b *testing.B) {
	const (
		latency, at = 50 * time.Millisecond, 200
		look        = time.Second // at a label, after it was accepted
	)
	roomyHeap() // as workers have it
	company, event := manyFiles(b, 1000)
	for b.Loop() {
		m := &many{tenant: startMany(b, manyOptions{Company: company, Latency: latency, AtOnce: at})}
		forgetPeak()
		e := m.engine(b, engine.Options{Workers: 500})
		stop := working(b, e)
		took := m.contain(b, e, event)
		stop()
		c := m.tenant.counts(b)
		ideal := time.Duration(c.Calls)*latency/at + look
		b.ReportMetric(took.Seconds(), "s")
		b.ReportMetric(float64(c.Calls), "calls")
		b.ReportMetric(float64(c.Requests), "requests")
		b.ReportMetric(float64(took)/float64(ideal), "of-the-time-allowed")
		b.ReportMetric(peakMB(b), "MB")
	}
}

// BenchmarkAThrottledTenant does the same to fewer files where the API refuses
// what is too much: nearly all that it allows is used, and hardly a call refused.
func BenchmarkAThrottledTenant(b *testing.B) {
	const scale = 8 // 700 files need more than SharePoint allows in a minute
	company, event := manyFiles(b, 700)
	for b.Loop() {
		m := &many{tenant: startMany(b, manyOptions{Company: company, Latency: 5 * time.Millisecond, Throttle: scale})}
		budgets := budgets(&config.Config{})
		for _, budget := range budgets {
			for i := range budget.Windows {
				budget.Windows[i].Units *= scale
			}
		}
		e := m.engine(b, engine.Options{Workers: 64, Budgets: budgets})
		stop := working(b, e)
		took := m.contain(b, e, event)
		stop()
		b.ReportMetric(took.Seconds(), "s")
		c := m.tenant.counts(b)
		b.ReportMetric(float64(c.Calls), "calls")
		b.ReportMetric(100*float64(c.Refused)/float64(c.Calls), "%refused")
		b.ReportMetric(100*float64(m.minute)/float64(budgets[connectors.ClassSharePoint].Windows[0].Units), "%used-of-the-first-minute")
	}
}

// working lets an engine work until stop is called.
func working(b *testing.B, e *engine.Engine) (stop func()) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- e.Work(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

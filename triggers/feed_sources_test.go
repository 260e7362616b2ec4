package triggers_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/practice"
	"stanch/connectors/sentinel"
	"stanch/engine"
	"stanch/triggers"
)

// counting starts for everything that happens to an incident, and does nothing.
const counting = `playbook: counting
title: Count what happens
status: stable
on:
  incident: {events: [created, updated], changes: [alerts, evidence, severity, status, title, assigned_to, comments, redirected_to]}
steps:
  - set: {n: "${{ len(event.changes) }}"}
`

// everything is what starts counting.
const everything = "{events: [created, updated], changes: [alerts, evidence, severity, status, title, assigned_to, comments, redirected_to]}"

const ownName = "5e000000-0000-4000-8000-000000000001"

func (d *desk) openInSentinel() string {
	d.t.Helper()
	_, err := d.azure.PutIncident(d.t.Context(), connectors.Change{ID: "test-open"}, ownName, "new", sentinel.Properties{Title: "own", Severity: "High", Status: "New"})
	if err != nil {
		d.t.Fatal(err)
	}
	return "sentinel/contoso-sentinel/" + ownName
}

// twinOf is the name under which Sentinel has an incident of Defender.
func (d *desk) twinOf(number string) sentinel.Incident {
	d.t.Helper()
	for page, err := range d.azure.Incidents(d.t.Context(), sentinel.Query{}) {
		if err != nil {
			d.t.Fatal(err)
		}
		for _, in := range page.Incidents {
			if in.Defender() == number {
				return in
			}
		}
	}
	d.t.Fatalf("Sentinel does not have %s", number)
	return sentinel.Incident{}
}

func TestAnIncidentOfBothSourcesIsOne(t *testing.T) {
	d := newDesk(t, counting)
	d.feed.Sentinel = d.azure
	own := d.openInSentinel()
	if p := d.poll(); p.New != 4 || p.Started != 4 {
		t.Fatalf("three of both and one of Sentinel: %+v", p)
	}
	twin := d.twinOf("40211")
	p := twin.Properties
	p.Severity = "Low"
	if _, err := d.azure.PutIncident(t.Context(), connectors.Change{ID: "test-low"}, twin.Name, twin.ETag, p); err != nil {
		t.Fatal(err)
	}
	if p := d.poll(); p.Changed != 1 || p.Started != 1 {
		t.Errorf("changed on Sentinel's side: %+v", p)
	}
	id := "sentinel/contoso-sentinel/" + twin.Name
	if in, err := triggers.Incident(t.Context(), d.store, id); err != nil || in.ID != "defender/40211" || in.Severity != "low" {
		t.Errorf("by its name in Sentinel it is %s of severity %s (%v)", in.ID, in.Severity, err)
	}
	if in, err := triggers.Incident(t.Context(), d.store, own); err != nil || in.ID != own || in.Title != "own" {
		t.Errorf("Sentinel's own is %s (%v)", in.ID, err)
	}
}

// What Defender's list does not answer is read there when Sentinel tells of it.
func TestSentinelTellsWhatDefendersListDoesNot(t *testing.T) {
	d := newDesk(t, counting)
	d.feed.Sentinel = d.azure
	d.faults(`[{"method":"GET","path":"/v1.0/security/incidents","status":503}]`)
	p, err := d.feed.PollOnce(t.Context())
	if err == nil || p.New != 3 || p.Started != 3 {
		t.Errorf("while Defender's list fails: %+v (%v)", p, err)
	}
	d.faults(`[]`)
	if p := d.poll(); p.New+p.Changed+p.Started != 0 {
		t.Errorf("when it answers again: %+v", p)
	}
}

// An incident that Defender does not have waits, and is Sentinel's own when it
// has waited long enough; Defender's later word of it is no second incident.
func TestAnIncidentMissingInDefenderWaits(t *testing.T) {
	now := time.Now()
	d := newDesk(t, counting)
	d.store = d.at(&now)
	d.feed.Sentinel = d.azure
	missing := `[{"method":"GET","path":"/v1.0/security/incidents/40213","status":404},{"method":"GET","path":"/v1.0/security/incidents","status":503}]`
	d.faults(missing)
	p, err := d.feed.PollOnce(t.Context())
	if err == nil || p.New != 2 || p.Aside != 1 {
		t.Fatalf("the first poll: %+v (%v)", p, err)
	}
	sources, err := triggers.Sources(t.Context(), d.store, now)
	if err != nil || len(sources) != 1 || len(sources[0].Aside) != 1 || !strings.Contains(sources[0].Aside[0].Reason, "Defender XDR does not answer it yet") {
		t.Errorf("it tells %+v (%v)", sources, err)
	}
	now = now.Add(20 * time.Minute)
	if p, _ = d.feed.PollOnce(t.Context()); p.New != 1 || p.Started != 1 {
		t.Errorf("when it has waited: %+v", p)
	}
	d.faults(`[]`)
	now = now.Add(20 * time.Minute)
	if p := d.poll(); p.New != 0 || p.Started != 0 {
		t.Errorf("when Defender has it: %+v", p)
	}
	id, err := triggers.KeptAs(t.Context(), d.store, "40213")
	if err != nil || id != "sentinel/contoso-sentinel/"+d.twinOf("40213").Name {
		t.Errorf("it is kept as %s (%v)", id, err)
	}
}

// at gives the feed a store with a clock of the test's.
func (d *desk) at(now *time.Time) (s *memory) {
	d.t.Helper()
	s = openMemory(d.t, func() time.Time { return *now })
	d.feed.Store, d.feed.Docs = s, s
	d.feed.Engine = engine.New(s, s, d.catalog, engine.Options{})
	d.feed.Since = now.Add(-30 * 24 * time.Hour)
	return s
}

func TestTheAlertsOfAMergedIncidentGoOnWithTheOther(t *testing.T) {
	d := newDesk(t, counting)
	d.feed.Since = time.Now().Add(-time.Hour) // the three incidents of the company are older
	old := "defender/40211"
	gone := d.inject(`{"displayName":"a","severity":"high","alerts":[{"id":"al1","title":"x","serviceSource":"dataLossPrevention"}]}`)
	if p := d.poll(); p.New != 1 {
		t.Fatalf("%+v", p)
	}
	if err := d.server.Tenant.Merge(strings.TrimPrefix(gone, "defender/"), "40211"); err != nil {
		t.Fatal(err)
	}
	d.amend("40211", `{"lastUpdateDateTime":"2026-11-20T09:00:00Z"}`) // so that no list answers it
	d.poll()
	if v := d.verdict(gone, "counting"); v.Outcome != triggers.OutcomeBegun {
		t.Errorf("for the one that is merged: %+v", v)
	}
	records, err := triggers.Records(t.Context(), d.store, gone)
	if err != nil || !slices.Contains(records[0].Changes, "redirected_to") || !slices.Contains(records[0].Changes, "alerts") {
		t.Errorf("it is recorded as %+v (%v)", records, err)
	}
	in, err := triggers.Incident(t.Context(), d.store, old)
	if err != nil || len(in.Alerts) < 2 {
		t.Fatalf("the one that goes on was not read: %v (%v)", in.ID, err)
	}
	if v := d.verdict(old, "counting"); v.Outcome != triggers.OutcomeOlder {
		t.Errorf("for the one that was there before the feed: %+v", v)
	}
}

func TestAlertsThatComeLaterAreAnUpdate(t *testing.T) {
	d := newDesk(t, strings.Replace(counting, everything, "{events: [updated], changes: [alerts], if: 'any(event.new_alerts, # == \"al2\")'}", 1))
	id := d.inject(`{"displayName":"a","severity":"high","alerts":[{"id":"al1","title":"x","serviceSource":"dataLossPrevention"}]}`)
	d.poll()
	d.amend(strings.TrimPrefix(id, "defender/"), `{"alerts":[{"id":"al2","title":"y","serviceSource":"microsoftDefenderForEndpoint"},{"id":"al3","title":"z","serviceSource":"microsoftDefenderForOffice365"}]}`)
	if p := d.poll(); p.Changed != 1 || p.Started != 1 {
		t.Fatalf("%+v", p)
	}
	runs := d.runs(id)
	if len(runs) != 1 || !slices.Equal(runs[0].Event.NewAlerts, []string{"al2", "al3"}) || !slices.Contains(runs[0].Event.Changes, "service_sources") {
		t.Errorf("the runs are %+v", runs)
	}
}

// An alert changes and its incident does not say so.
func TestAnAlertThatChangesInSilenceIsSeen(t *testing.T) {
	d := newDesk(t, counting)
	d.feed.Since = time.Now().Add(-time.Hour)
	id := d.inject(`{"displayName":"a","alerts":[{"id":"al1","title":"x"}]}`)
	d.poll()
	d.said("PATCH", "/v1.0/security/alerts_v2/al1", `{"status":"inProgress"}`)
	if p := d.poll(); p.Changed != 1 || p.Started != 1 {
		t.Fatalf("%+v", p)
	}
	if in, err := triggers.Incident(t.Context(), d.store, id); err != nil || in.Alerts[0].Status != "inProgress" {
		t.Errorf("the alert is known as %+v (%v)", in.Alerts, err)
	}
	d.faults(`[{"method":"GET","path":"/v1.0/security/alerts_v2","status":403}]`)
	d.inject(`{"displayName":"b"}`)
	if p := d.poll(); p.New != 1 || p.Started != 1 {
		t.Errorf("where alerts may not be read: %+v", p)
	}
}

func TestAnAlertStartsAPlaybookOnceWhereverItMoves(t *testing.T) {
	d := newDesk(t, strings.NewReplacer("incident: "+everything, "alert: {if: 'alert.severity == \"high\" and len(evidence.files) == 0'}",
		"event.changes", "evidence.files").Replace(counting))
	d.feed.Since = time.Now().Add(-time.Hour)
	body := `{"displayName":"a","severity":"low","alerts":[{"id":%q,"title":"x","severity":"high"},{"title":"y","severity":"low"}]}`
	one, two := d.inject(fmt.Sprintf(body, "al1")), d.inject(fmt.Sprintf(body, "al2"))
	if p := d.poll(); p.New != 2 || p.Started != 2 {
		t.Fatalf("two incidents with a severe alert each: %+v", p)
	}
	if runs := d.runs(one); len(runs) != 1 || runs[0].StartedBy != "trigger:alert" || len(runs[0].Event.Alert) == 0 {
		t.Errorf("the runs are %+v", runs)
	}
	if err := d.server.Tenant.Merge(strings.TrimPrefix(one, "defender/"), strings.TrimPrefix(two, "defender/")); err != nil {
		t.Fatal(err)
	}
	if p := d.poll(); p.Changed != 2 || p.Started != 0 {
		t.Errorf("after the merge: %+v", p)
	}
	if v := d.verdict(two, "counting"); v.Outcome != triggers.OutcomeBefore && v.Outcome != triggers.OutcomeNot {
		t.Errorf("it was decided %+v", v)
	}
}

// The feed draws on its own quota and on what all of Stanch share; a refusal is
// told to both.
func TestTheFeedDrawsOnTheBudgets(t *testing.T) {
	d := newDesk(t, counting)
	shared := engine.Budget{Name: "contoso/graph.security", Windows: []engine.Window{{Units: 5, Per: time.Hour}}}
	d.feed.Shared = map[string]engine.Budget{"graph.security": shared}
	d.poll()
	d.poll()
	ask := func(units int64) engine.Drawn {
		t.Helper()
		drawn, err := d.store.Draw(t.Context(), engine.Draw{Budget: shared.Name, Request: "an action", Units: units, Windows: shared.Windows})
		if err != nil {
			t.Fatal(err)
		}
		return drawn
	}
	if drawn := ask(2); drawn.Go {
		t.Error("two polls have used nothing of the budget that they share")
	}
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if _, err := d.feed.PollOnce(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a poll for which nothing is left: %v", err)
	}
}

func TestARefusalIsToldToAll(t *testing.T) {
	d := newDesk(t, counting)
	shared := engine.Budget{Name: "contoso/graph.security", Windows: []engine.Window{{Units: 100, Per: time.Minute}}}
	d.feed.Shared = map[string]engine.Budget{"graph.security": shared}
	d.faults(`[{"method":"GET","path":"/v1.0/security/incidents","times":1,"status":429,"headers":{"Retry-After":"40"}}]`)
	if _, err := d.feed.PollOnce(t.Context()); err == nil {
		t.Fatal("a throttled poll has not failed")
	}
	drawn, err := d.store.Draw(t.Context(), engine.Draw{Budget: shared.Name, Request: "an action", Units: 1, Windows: shared.Windows})
	if err != nil || drawn.Go || drawn.Wait < 30*time.Second {
		t.Errorf("an action may go on: %+v (%v)", drawn, err)
	}
}

// What an incident of Sentinel leads to may be asked of Graph: a refusal there
// lets the budgets of Graph rest, not those of Azure.
func TestARefusalIsTheSourcesThatWasAsked(t *testing.T) {
	d := newDesk(t, counting)
	d.feed.Sentinel = d.azure
	rests := func(class string) bool {
		t.Helper()
		drawn, err := d.store.Draw(t.Context(), engine.Draw{Budget: "contoso/" + class, Request: "an action " + rand.Text(), Units: 1, Windows: d.feed.Shared[class].Windows})
		if err != nil {
			t.Fatal(err)
		}
		return !drawn.Go
	}
	d.feed.Shared = map[string]engine.Budget{}
	for _, class := range []string{"graph.security", "azure"} {
		d.feed.Shared[class] = engine.Budget{Name: "contoso/" + class, Windows: []engine.Window{{Units: 1000, Per: time.Minute}}}
	}
	d.poll()
	// In Sentinel's reading an incident that was set aside is asked of Graph.
	doc, err := d.store.Get(t.Context(), "watermark", "feed/sentinel/"+practice.ContosoWorkspace)
	if err != nil {
		t.Fatal(err)
	}
	var mark map[string]any
	if err := json.Unmarshal(doc.Body, &mark); err != nil {
		t.Fatal(err)
	}
	mark["aside"] = map[string]any{"defender/40211": map[string]any{"reason": "x", "next": "2026-01-01T00:00:00Z"}}
	if doc.Body, err = json.Marshal(mark); err != nil {
		t.Fatal(err)
	}
	doc.Expires = 0
	if _, err := d.store.Put(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	d.faults(`[{"method":"GET","path":"/v1.0/security/incidents/40211","times":1,"status":429,"headers":{"Retry-After":"40"}}]`)
	_, err = d.feed.PollOnce(t.Context())
	if e, is := errors.AsType[*connectors.Error](err); !is || e.Code != connectors.Throttled {
		t.Fatalf("a refused request is told as %v", err)
	}
	if !rests("graph.security") {
		t.Error("the budget of Graph, which has refused, does not rest")
	}
	if rests("azure") {
		t.Error("the budget of Azure, which was not asked, rests")
	}
}

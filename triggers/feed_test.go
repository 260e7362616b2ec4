package triggers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/incidents"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/connectors/sentinel"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
	"stanch/triggers"
)

// desk is a feed of a practice tenant, whose three incidents are from the 20th
// of November 2026, and a playbook that tags what concerns it.
type desk struct {
	t       *testing.T
	server  *practicetest.Server
	store   *sqlitestore.Store
	engine  *engine.Engine
	azure   *sentinel.Client
	catalog *actions.Catalog
	feed    *triggers.Feed
}

const tagging = `playbook: tagging
title: Tag severe incidents
status: stable
on:
  incident: {events: [created, updated], if: incident.severity == "high"}
steps:
  - uses: incidents.tag
    with: {incident: "${{ incident.id }}", add: [seen]}
outputs:
  changes: event.changes
`

func newDesk(t *testing.T, book string) *desk {
	t.Helper()
	server := practicetest.Start(t, practice.Options{})
	app := practice.FullApp()
	cloud := connectors.PracticeCloud(server.URL, server.CAPEM)
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.New(cloud, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	azure, err := sentinel.New(cloud, cred, sentinel.Workspace{
		Subscription: practice.ContosoSubscription, ResourceGroup: practice.ContosoResourceGroup, Name: practice.ContosoWorkspace,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := actions.Collect(incidents.Shelf{Graph: g, Sentinel: azure})
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(store, store, catalog, engine.Options{})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Work(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, store.Close()); err != nil {
			t.Error(err)
		}
	})
	d := &desk{t: t, server: server, store: store, engine: e, azure: azure, catalog: catalog}
	d.feed = &triggers.Feed{
		Graph: g, Engine: e, Store: store, Docs: store, Holder: "one", Since: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		Books: []*playbooks.Playbook{d.book(book)},
	}
	return d
}

// memory is a store in memory.
type memory = sqlitestore.Store

func openMemory(t *testing.T, now func() time.Time) *memory {
	t.Helper()
	s, err := sqlitestore.OpenMemory(now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (d *desk) book(text string) *playbooks.Playbook {
	d.t.Helper()
	book, findings := playbooks.LoadAndCheck("book.yaml", []byte(text), d.engine.World())
	if playbooks.HasErrors(findings) {
		d.t.Fatal(findings[0].Text())
	}
	return book
}

func (d *desk) poll() triggers.Polled {
	d.t.Helper()
	p, err := d.feed.PollOnce(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

// runs answers the runs of an incident once they have ended, the oldest first.
func (d *desk) runs(id string) []engine.Run {
	d.t.Helper()
	var found []engine.Run
	cursor := ""
	for {
		page, err := d.store.Follow(d.t.Context(), cursor, 1000)
		if err != nil {
			d.t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Kind != "run" || r.Head.Subject != id {
				continue
			}
			run, err := d.engine.Await(d.t.Context(), r.Head.ID, nil)
			if err != nil {
				d.t.Fatal(err)
			}
			found = append(found, run)
		}
		if cursor = page.Cursor; !page.More {
			return found
		}
	}
}

// faults sets what goes wrong with the tenant.
func (d *desk) faults(body string) {
	d.t.Helper()
	resp, err := d.server.Client().Post(d.server.URL+"/practice/faults", "application/json", strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	resp.Body.Close()
}

// said does a call that no client of ours has.
func (d *desk) said(method, path, body string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.server.URL+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+d.server.Token(d.t, practice.FullApp(), "https://graph.microsoft.com"))
	resp, err := d.server.Client().Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		d.t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
}

// inject puts a new incident into the tenant and answers our id of it.
func (d *desk) inject(body string) string {
	d.t.Helper()
	id, err := d.server.Tenant.Inject([]byte(body))
	if err != nil {
		d.t.Fatal(err)
	}
	return incident.NewID(incident.Defender, id)
}

// verdict answers what was decided for a playbook over the newest revision.
func (d *desk) verdict(id, playbook string) triggers.Verdict {
	d.t.Helper()
	records, err := triggers.Records(d.t.Context(), d.store, id)
	if err != nil || len(records) == 0 {
		d.t.Fatalf("nothing was decided over %s: %v", id, err)
	}
	for _, v := range records[0].Verdicts {
		if v.Playbook == playbook {
			return v
		}
	}
	d.t.Fatalf("%s was not asked about %s: %+v", playbook, id, records[0])
	return triggers.Verdict{}
}

func (d *desk) amend(id, body string) {
	d.t.Helper()
	if err := d.server.Tenant.Amend(id, []byte(body)); err != nil {
		d.t.Fatal(err)
	}
}

func TestAnIncidentStartsAPlaybookOnce(t *testing.T) {
	d := newDesk(t, tagging)
	if p := d.poll(); p.New != 3 || p.Started != 2 || p.Changed != 0 {
		t.Fatalf("the first poll: %+v, want 3 new incidents and runs for the 2 severe ones", p)
	}
	runs := d.runs("defender/40211")
	if len(runs) != 1 || runs[0].Status != "succeeded" || runs[0].StartedBy != "trigger:incident" || runs[0].Event.Kind != "created" {
		t.Fatalf("the runs are %+v", runs)
	}
	// What the run itself wrote, the tag, is no news.
	if p := d.poll(); p.New+p.Changed+p.Started != 0 {
		t.Errorf("the second poll: %+v", p)
	}
	in, err := triggers.Incident(t.Context(), d.store, "40211")
	if err != nil || !slices.Contains(in.Tags, "seen") {
		t.Errorf("the stored incident has tags %v (%v): its newest state is not kept", in.Tags, err)
	}
}

func TestAnUpdateIsADifference(t *testing.T) {
	d := newDesk(t, tagging)
	d.poll()
	d.runs("defender/40213")
	d.amend("40213", `{"severity":"high"}`)
	if p := d.poll(); p.Changed != 1 || p.Started != 1 {
		t.Fatalf("after the severity was raised: %+v", p)
	}
	runs := d.runs("defender/40213")
	if len(runs) != 1 || runs[0].Event.Kind != "updated" || !slices.Contains(runs[0].Event.Changes, "severity") {
		t.Fatalf("the runs are %+v", runs)
	}
	// A change that the playbook does not listen to starts nothing.
	d.amend("40213", `{"assignedTo":"somebody@contoso.example"}`)
	if p := d.poll(); p.Changed != 1 || p.Started != 0 {
		t.Errorf("after it was assigned: %+v", p)
	}
}

func TestACrashBetweenBeginAndKeepStartsNothingTwice(t *testing.T) {
	d := newDesk(t, tagging)
	d.poll()
	d.runs("defender/40211")
	for _, doc := range [][2]string{{"incident", "defender/40211"}, {"watermark", "feed/defender"}} {
		if err := d.store.Delete(t.Context(), doc[0], doc[1], engine.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	if p := d.poll(); p.New != 1 || p.Started != 0 {
		t.Errorf("read again: %+v", p)
	}
	if runs := d.runs("defender/40211"); len(runs) != 1 {
		t.Errorf("%d runs", len(runs))
	}
}

func TestOneFeederAtATime(t *testing.T) {
	d := newDesk(t, tagging)
	d.poll()
	second := *d.feed
	second.Holder = "two"
	if p, err := second.PollOnce(t.Context()); err != nil || p.Holder || p.Seen != 0 {
		t.Errorf("the second node: %+v (%v)", p, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := d.feed.Run(ctx); err != nil { // ends at once and gives the feed back
		t.Fatal(err)
	}
	if p, err := second.PollOnce(t.Context()); err != nil || !p.Holder {
		t.Errorf("after the first has gone: %+v (%v)", p, err)
	}
}

func TestAFailedReadMovesNothing(t *testing.T) {
	d := newDesk(t, tagging)
	d.faults(`[{"method":"GET","path":"/v1.0/security/incidents","times":1,"status":429,"headers":{"Retry-After":"1"}}]`)
	_, err := d.feed.PollOnce(t.Context())
	waits, ok := errors.AsType[interface {
		error
		RetryAfter() (time.Duration, bool)
	}](err)
	if !ok {
		t.Fatalf("a throttled poll says %v", err)
	}
	if after, _ := waits.RetryAfter(); after != time.Second {
		t.Errorf("it says to wait %s", after)
	}
	if p := d.poll(); p.New != 3 {
		t.Errorf("the next poll: %+v", p)
	}
}

func TestADraftIsNotStarted(t *testing.T) {
	d := newDesk(t, tagging[:len("playbook: tagging\ntitle: Tag severe incidents\nstatus: ")]+"draft"+tagging[len("playbook: tagging\ntitle: Tag severe incidents\nstatus: stable"):])
	if _, err := d.store.Freeze(t.Context(), engine.Freeze{Request: "r", Change: "freeze", By: "operator:ann", Reason: "drill"}); err != nil {
		t.Fatal(err)
	}
	if p := d.poll(); p.New != 3 || p.Started != 0 {
		t.Errorf("%+v", p)
	}
	if v := d.verdict("defender/40211", "tagging"); v.Outcome != triggers.OutcomeDraft {
		t.Errorf("it was decided %+v", v)
	}
	if records, err := triggers.Records(t.Context(), d.store, "40211"); err != nil || !records[0].Frozen {
		t.Errorf("that the store was frozen is not told: %+v (%v)", records, err)
	}
}

func TestTheRecordSaysWhatWasFalse(t *testing.T) {
	d := newDesk(t, tagging)
	d.feed.Quota = 1e6
	d.poll()
	want := triggers.Verdict{Playbook: "tagging", Outcome: triggers.OutcomeNot, Because: `on.incident.if: incident.severity == "high" is false (incident.severity is "medium")`}
	if v := d.verdict("defender/40213", "tagging"); v != want {
		t.Errorf("it was decided %+v, want %+v", v, want)
	}
	// Of many revisions the newest are told.
	for i := range 25 {
		d.amend("40213", fmt.Sprintf(`{"displayName":"title %d"}`, i))
		d.poll()
	}
	records, err := triggers.Records(t.Context(), d.store, "40213")
	if err != nil || len(records) != 20 || records[0].Revision != 26 || records[19].Revision != 7 || !slices.Equal(records[0].Changes, []string{"title"}) {
		t.Errorf("%d records are told (%v)", len(records), err)
	}
}

func TestAnUnreadableIncidentIsSetAsideAndTheOthersGoOn(t *testing.T) {
	d := newDesk(t, tagging)
	d.faults(`[{"method":"GET","path":"/v1.0/security/incidents","times":2,"status":200,"headers":{"Content-Type":"application/json"},"body":` + poisoned + `}]`)
	if p := d.poll(); p.Poisoned != 1 || p.New != 4 { // three are told by their alerts
		t.Errorf("%+v", p)
	}
	if p := d.poll(); p.Poisoned != 0 || p.New != 0 {
		t.Errorf("told again: %+v", p)
	}
	doc, err := d.store.Get(t.Context(), "poisoned", "defender/7")
	var why triggers.Poisoned
	if err != nil || json.Unmarshal(doc.Body, &why) != nil || why.Reason == "" {
		t.Errorf("set aside as %s (%v)", doc.Body, err)
	}
}

// poisoned is a page with an incident whose severity is a list, and a good one.
const poisoned = `{"value":[` +
	`{"id":"7","displayName":"x","severity":[1],"status":"active","createdDateTime":"2026-11-20T07:00:00Z","lastUpdateDateTime":"2026-11-20T07:00:00Z","alerts":[]},` +
	`{"id":"8","displayName":"y","severity":"low","status":"active","createdDateTime":"2026-11-20T07:00:00Z","lastUpdateDateTime":"2026-11-20T07:00:00Z","alerts":[]}]}`

func TestAnIncidentThatWasNeverSeenIsNotFound(t *testing.T) {
	d := newDesk(t, tagging)
	if _, err := triggers.Incident(t.Context(), d.store, incident.NewID(incident.Defender, "1")); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an unknown incident: %v", err)
	}
}

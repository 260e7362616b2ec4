package triggers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/incident"
	"stanch/connectors/practice"
	"stanch/engine"
	"stanch/playbooks"
	"stanch/triggers"
)

// detailBooks: one listens to what is created, one to details, and one to
// everything else.
const detailBooks = `
alerted: {alert: {events: [created, detailed], if: 'any(alert.sensitive_types, .count != nil) and alert.policy.rule != nil or alert.title == "plain"'}}
fresh: {alert: {if: 'len(alert.sensitive_types) == 0'}}
opened: {incident: {events: [created]}}
detailed: {incident: {events: [updated], changes: [details], if: 'any(incident.alerts, any(.sensitive_types, .count != nil and .confidence != nil))'}}
other: {incident: {events: [updated], changes: [alerts, evidence, severity, title, status]}}
`

// office is a month in which one alert of data loss prevention is raised.
func office(t *testing.T) *month {
	t.Helper()
	m := newMonth(t, 1)
	for _, n := range m.nodes {
		n.feed.Books = nil
		for line := range strings.Lines(strings.TrimSpace(detailBooks)) {
			id, on, _ := strings.Cut(strings.TrimSpace(line), ": ")
			book, findings := playbooks.LoadAndCheck(id+".yaml",
				fmt.Appendf(nil, "playbook: %s\ntitle: t\nstatus: stable\non: %s\nsteps:\n  - set: {x: 1}\n", id, on), n.feed.Engine.World())
			if playbooks.HasErrors(findings) {
				t.Fatal(findings[0].Text())
			}
			n.feed.Books = append(n.feed.Books, book)
		}
	}
	return m
}

// dlpAlert is an alert about a file, over whose policy its user went.
func (m *month) dlpAlert(id, file string, ended time.Duration) string {
	from := m.tenantNow()
	stamp := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	return fmt.Sprintf(`{"id":%q,"serviceSource":"dataLossPrevention","title":"DLP policy (Pay) matched for document (%s) in SharePoint",
		"description":"overrode the policy: the auditor waits","createdDateTime":%q,"firstActivityDateTime":%q,"lastActivityDateTime":%q,"evidence":[
		{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":%q,"filePath":"https://contoso.sharepoint.com/sites/sales/Shared%%20Documents"}},
		{"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"userPrincipalName":"sam.ortiz@contoso.example"}}]}`,
		id, file, stamp(from), stamp(from), stamp(from.Add(ended)), file)
}

func (m *month) raise(alerts ...string) string {
	m.t.Helper()
	id, err := m.server.Tenant.Inject(fmt.Appendf(nil, `{"displayName":"pay","severity":"high","alerts":[%s]}`, strings.Join(alerts, ",")))
	m.ok(err)
	return incident.NewID(incident.Defender, id)
}

// polled lets a node poll without trouble.
func (m *month) polled(n *feeder) triggers.Polled {
	m.t.Helper()
	p, err := n.poll()
	m.ok(err)
	return p
}

func (m *month) stored(id string) incident.Incident {
	m.t.Helper()
	in, err := triggers.Incident(m.t.Context(), m.store, id)
	m.ok(err)
	return in
}

// begun counts the runs that were begun, by playbook.
func (m *month) begun() map[string]int {
	m.t.Helper()
	count := map[string]int{}
	for cursor := ""; ; {
		page, err := m.store.Follow(m.t.Context(), cursor, 1000)
		m.ok(err)
		for _, r := range page.Records {
			if r.Kind == "run" {
				count[r.Head.Playbook]++
			}
		}
		if cursor = page.Cursor; !page.More {
			return count
		}
	}
}

// auditLog is how far the feed has come with the log.
func (m *month) auditLog() triggers.Source {
	m.t.Helper()
	all, err := triggers.Sources(m.t.Context(), m.store, m.storeNow())
	m.ok(err)
	for _, s := range all {
		if s.Name == "audit_log" {
			return s
		}
	}
	m.t.Fatalf("the log is not among the sources: %+v", all)
	return triggers.Source{}
}

// said does a call of the activity feed that no client of ours makes here.
func (m *month) said(method, path string) {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, m.server.URL+path, nil)
	m.ok(err)
	r.Header.Set("Authorization", "Bearer "+m.server.Token(m.t, practice.FullApp(), "https://manage.office.com"))
	resp, err := m.server.Client().Do(r)
	m.ok(err)
	m.ok(resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		m.t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
}

// documents are all documents of a kind.
func (m *month) documents(kind string) []engine.Document {
	m.t.Helper()
	docs, err := m.store.Each(m.t.Context(), kind, "", 1000)
	m.ok(err)
	return docs
}

func TestDetailsFillTheAlertWhenTheLogHasThem(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	id := m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
	if p := m.polled(n); p.New != 1 || p.Started != 2 || p.Detailed != 0 {
		t.Fatalf("taken as it is: %+v", p)
	}
	if a := m.stored(id).Alerts[0]; a.Details != nil || a.Policy.Rule != nil || len(a.SensitiveTypes) != 0 {
		t.Fatalf("before the log has it: %+v", a)
	}
	m.pass(16 * time.Minute) // the tenant has the events after 20
	if p := m.polled(n); p.Detailed != 0 || p.Changed != 0 {
		t.Errorf("the first look finds nothing: %+v", p)
	}
	m.pass(50 * time.Minute)
	if p := m.polled(n); p.Detailed != 1 || p.Started != 2 || p.Changed != 0 {
		t.Errorf("the second look: %+v", p)
	}
	in := m.stored(id)
	a := in.Alerts[0]
	if a.Policy.Name == nil || *a.Policy.Name != "Pay" || a.Policy.Rule == nil || a.Policy.ID == nil || len(a.SensitiveTypes) == 0 ||
		a.SensitiveTypes[0].Count == nil || a.SensitiveTypes[0].Confidence == nil || a.UserActivity == nil || *a.UserActivity != "DlpRuleUndo" || len(a.Activities) != 2 {
		t.Errorf("the alert is %+v", a)
	}
	if len(a.Overrides) != 1 || a.Overrides[0].Justification != "the auditor waits" || a.Overrides[0].User != "sam.ortiz@contoso.example" {
		t.Errorf("its overrides are %+v", a.Overrides)
	}
	if d := a.Details; d == nil || d.From != incident.AuditLog || d.FoundBy != "object" || d.Events != 2 || !d.Complete || !slices.Contains(d.Fields, "policy.rule") || slices.Contains(d.Fields, "policy.name") {
		t.Errorf("its details are from %+v", d)
	}
	records, err := triggers.Records(t.Context(), m.store, id)
	m.ok(err)
	if len(records) != 2 || records[0].Kind != "updated" || !slices.Equal(records[0].Changes, []string{"details"}) {
		t.Errorf("it is recorded as %+v", records)
	}

	// What the wire says later, which lacks them, neither takes them away nor is
	// news for more than it is.
	m.ok(m.server.Tenant.Amend(native(id), []byte(`{}`)))
	if p := m.polled(n); p.Changed != 0 || p.Started != 0 {
		t.Errorf("touched: %+v", p)
	}
	m.ok(m.server.Tenant.Amend(native(id), []byte(`{"severity":"low"}`)))
	if p := m.polled(n); p.Changed != 1 || p.Started != 1 {
		t.Errorf("changed: %+v", p)
	}
	if records, err = triggers.Records(t.Context(), m.store, id); err != nil || !slices.Equal(records[0].Changes, []string{"severity"}) {
		t.Errorf("the change is recorded as %+v (%v)", records[0], err)
	}
	if now := m.stored(id); now.Alerts[0].Details == nil || len(now.Alerts[0].SensitiveTypes) == 0 || now.Severity != "low" {
		t.Errorf("after it the alert is %+v", now.Alerts[0])
	}
	// The later looks find nothing new, and then it is looked for no more.
	for _, d := range []time.Duration{6 * time.Hour, 20 * time.Hour} {
		m.pass(d)
		if p := m.polled(n); p.Detailed+p.Changed+p.Started != 0 {
			t.Errorf("a later look: %+v", p)
		}
	}
	if docs := append(m.documents("sought"), m.documents("sought_events")...); len(docs) != 0 {
		t.Errorf("it is still looked for: %s %s", docs[0].Key, docs[0].Body)
	}
	want := map[string]int{"opened": 1, "detailed": 1, "other": 1, "alerted": 1, "fresh": 1}
	if got := m.begun(); !maps.Equal(got, want) {
		t.Errorf("begun were %v", got)
	}
}

// An alert starts a playbook that listens to details, too, once: when it is new, if
// that is enough for it.
func TestAnAlertWithDetailsStartsAPlaybookOnce(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	m.raise(strings.Replace(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute), "DLP policy (Pay) matched for document (pay.xlsx) in SharePoint", "plain", 1))
	m.polled(n)
	if got := m.begun(); got["alerted"] != 1 {
		t.Fatalf("begun were %v", got)
	}
	m.pass(time.Hour)
	if p := m.polled(n); p.Detailed != 1 {
		t.Fatalf("%+v", p)
	}
	if got := m.begun(); got["alerted"] != 1 || got["fresh"] != 1 || got["detailed"] != 1 {
		t.Errorf("begun were %v", got)
	}
}

// A crash at any act of a poll, and another node that goes on: details are filled
// once and begin a run once.
func TestDetailsComeOnceWhereverANodeCrashes(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 4
	}
	for _, how := range []string{"before", "after", "away"} {
		for at := 1; ; at += step {
			m := office(t)
			one, two := m.nodes[0], m.nodes[1]
			m.polled(one)
			var fired bool
			changed := 0
			crash := func(n, other *feeder) {
				n.acts, n.at, n.how, n.fired = 0, at, how, false
				n.away = func() { // it comes back when another has taken over and found a change
					if in, _ := m.store.Each(t.Context(), "incident", "", 1); len(in) > 0 {
						changed++
						m.ok(m.server.Tenant.Amend(native(in[0].Key), fmt.Appendf(nil, `{"displayName":"changed %d"}`, changed)))
					}
					m.pass(3 * time.Minute)
					feed := other.feed
					feed.Activity = nil // it does not come to the details
					_, err := feed.PollOnce(t.Context())
					m.ok(err)
				}
				if _, err := n.poll(); n.fired && how != "away" && !errors.Is(err, errCrash) {
					t.Errorf("%s act %d ended the poll with %v", how, at, err)
				}
				fired = fired || n.fired
				n.at = 0
				m.pass(3 * time.Minute) // the lease of the one that has crashed ends
			}
			id := m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
			crash(one, two)
			m.polled(two)
			m.pass(time.Hour)
			crash(two, one)
			m.polled(one)
			m.polled(one)
			if m.stored(id).Alerts[0].Details == nil {
				t.Errorf("%s act %d: it waits for the next look", how, at)
			}
			for range 2 {
				m.pass(12 * time.Hour)
				m.polled(one)
			}
			want := map[string]int{"opened": 1, "detailed": 1, "alerted": 1, "fresh": 1}
			if changed > 0 {
				want["other"] = changed
			}
			if got := m.begun(); !maps.Equal(got, want) {
				t.Errorf("%s act %d: begun were %v", how, at, got)
			}
			records, err := triggers.Records(t.Context(), m.store, id)
			m.ok(err)
			if a := m.stored(id).Alerts[0]; a.Details == nil || len(a.SensitiveTypes) == 0 || len(records) != 2+changed || !slices.ContainsFunc(records, func(r triggers.Record) bool { return slices.Equal(r.Changes, []string{"details"}) }) {
				t.Errorf("%s act %d: the alert is %+v, decided was %+v", how, at, a, records)
			}
			if docs := m.documents("sought"); len(docs) != 0 {
				t.Errorf("%s act %d: it is still looked for", how, at)
			}
			if !fired {
				if at < 8 {
					t.Errorf("only %d acts: the test shows nothing", at-1)
				}
				break
			}
		}
	}
}

// The log does not answer: incidents are taken as ever, it is told, and what was
// missed is found when it answers again.
func TestALogThatDoesNotAnswerHoldsNothingUp(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
	m.polled(n)
	m.pass(time.Hour)
	m.faults(`[{"method":"GET","path":"/api/v1.0/*/activity/feed/**","status":503}]`)
	second := m.raise(m.dlpAlert("dl-two", "two.xlsx", time.Minute))
	p, err := n.poll()
	if err == nil || !strings.Contains(err.Error(), "details of alerts") || p.New != 1 || p.Started != 2 {
		t.Errorf("while the log does not answer: %+v (%v)", p, err)
	}
	if told := m.auditLog(); told.Waiting != 2 || told.Failing == "" || told.Since.IsZero() || told.Lag < 40*60 {
		t.Errorf("it tells %+v", told)
	}
	m.faults(`[]`)
	m.pass(time.Hour)
	if p := m.polled(n); p.Detailed != 2 || p.Started != 4 {
		t.Errorf("when it answers again: %+v", p)
	}
	if a := m.stored(second).Alerts[0]; a.Details == nil {
		t.Errorf("the second alert is %+v", a)
	}
	if told := m.auditLog(); told.Failing != "" || told.Lag != 0 || told.Waiting != 2 {
		t.Errorf("afterwards it tells %+v", told)
	}
}

// Without the subscription it is told how to begin.
func TestALogThatIsNotSubscribedToIsTold(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
	m.polled(n)
	m.said("POST", "/api/v1.0/"+practice.ContosoTenantID+"/activity/feed/subscriptions/stop?contentType=DLP.All")
	m.pass(time.Hour)
	if _, err := n.poll(); err == nil || !strings.Contains(err.Error(), "run hunting.start_dlp_feed once") {
		t.Errorf("it says %v", err)
	}
}

// Many alerts are found in one reading of the log, and each content is asked for
// once.
func TestTheLogIsReadOnceForAll(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	ids := []string{}
	for i := range 30 {
		ids = append(ids, m.raise(m.dlpAlert(fmt.Sprintf("dl-%d", i), fmt.Sprintf("file %d.xlsx", i), time.Minute)))
	}
	m.polled(n)
	m.pass(time.Hour)
	asked := m.requests("/activity/feed/")
	if p := m.polled(n); p.Detailed != 30 {
		t.Errorf("found: %+v", p)
	}
	lists, contents := 0, 0
	for _, path := range m.requests("/activity/feed/")[len(asked):] {
		if strings.Contains(path, "/subscriptions/content") {
			lists++
		} else {
			contents++
		}
	}
	if lists > 3 || contents > 30 { // a page has 20
		t.Errorf("%d lists and %d contents were asked for", lists, contents)
	}
	for _, id := range ids {
		if a := m.stored(id).Alerts[0]; a.Details == nil || a.Details.Events != 2 {
			t.Errorf("%s: %+v", id, a.Details)
		}
	}
}

// A log with more than a round reads is read over several, forward.
func TestALongLogIsReadOverSeveralRounds(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	id := m.raise(m.dlpAlert("dl-first", "first.xlsx", time.Minute))
	m.polled(n)
	n.feed.ReadsAtOnce(2) // ten in a round
	for i := range 14 {   // each alert is a content of its own
		m.pass(6 * time.Minute)
		m.raise(m.dlpAlert(fmt.Sprintf("dl-%d", i), fmt.Sprintf("f%d.xlsx", i), time.Minute))
	}
	last := m.raise(m.dlpAlert("dl-last", "last.xlsx", time.Minute))
	m.pass(time.Hour)
	rounds := 0
	for done := false; !done; done = m.stored(last).Alerts[0].Details != nil && m.stored(id).Alerts[0].Details != nil {
		m.pass(time.Minute)
		m.polled(n)
		if rounds++; rounds > 10 {
			t.Fatal("it does not come to an end")
		}
	}
	if rounds < 2 {
		t.Error("one round was enough: the test shows nothing")
	}
}

// An alert goes on: what comes later is found by a later look, and looking begins
// again with activity that is newer.
func TestDetailsGrowWithTheAlert(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	id := m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
	m.polled(n)
	m.pass(2 * time.Hour)
	m.polled(n)
	if a := m.stored(id).Alerts[0]; a.Details == nil || a.Details.Events != 2 {
		t.Fatalf("first: %+v", a.Details)
	}
	m.ok(m.server.Tenant.Amend(native(id), []byte(`{"alerts":[`+m.dlpAlert("dl-more", "pay.xlsx", time.Minute)+`]}`)))
	if p := m.polled(n); p.Changed != 1 {
		t.Fatalf("another alert: %+v", p)
	}
	if a := m.stored(id).Alerts; len(a) != 2 || a[0].Details == nil || a[1].Details != nil {
		t.Errorf("with another alert: %+v", a)
	}
	m.pass(2 * time.Hour)
	if p := m.polled(n); p.Detailed != 1 {
		t.Errorf("the look for it: %+v", p)
	}
	for _, a := range m.stored(id).Alerts {
		if a.Details == nil || len(a.Overrides) == 0 {
			t.Errorf("%s: %+v", a.ID, a.Details)
		}
	}
}

// What a policy matched is in no document, run or record of the store.
func TestWhatAPolicyMatchedIsNowhere(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	for i := range 8 {
		m.raise(m.dlpAlert(fmt.Sprintf("dl-%d", i), fmt.Sprintf("file %d.xlsx", i), time.Minute))
	}
	m.polled(n)
	m.pass(time.Hour)
	if p := m.polled(n); p.Detailed != 8 {
		t.Fatalf("%+v", p)
	}
	kept := 0
	for cursor := ""; ; {
		page, err := m.store.Follow(t.Context(), cursor, 1000)
		m.ok(err)
		for _, r := range page.Records {
			raw, err := json.Marshal(r)
			m.ok(err)
			text := string(raw) + string(r.Body)
			if r.Document != nil {
				text += string(r.Document.Body)
			}
			for _, value := range []string{"4111 1111", "5018 0000", "SE45 5000", "078-05-1120", "19811228", "E-004711", "please keep it", "DetectedValues"} {
				if strings.Contains(text, value) {
					t.Errorf("a %s holds %q, which a policy matched: %s", r.Kind, value, text)
				}
			}
			kept++
		}
		if cursor = page.Cursor; !page.More {
			break
		}
	}
	if kept < 30 || len(m.documents("sought_events")) != 8 {
		t.Errorf("%d records were looked at: the test shows nothing", kept)
	}
}

// A log that hangs is looked at beside the polls: they go on.
func TestALogThatHangsHoldsNoPollUp(t *testing.T) {
	d := newDesk(t, counting)
	cloud := connectors.PracticeCloud(d.server.URL, d.server.CAPEM)
	app := practice.FullApp()
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	if d.feed.Activity, err = activity.New(cloud, cred, nil); err != nil {
		t.Fatal(err)
	}
	hangs := &hanging{Documents: d.store, asked: make(chan struct{})}
	d.feed.Docs, d.feed.Poll, d.feed.Quota = hangs, 50*time.Millisecond, 1e6
	d.faults(`[{"method":"GET","path":"/api/v1.0/*/activity/feed/**","delay":"1m"}]`)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.feed.Run(ctx) }()
	at := time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339)
	d.inject(fmt.Sprintf(`{"displayName":"a","alerts":[{"serviceSource":"dataLossPrevention","title":"x","createdDateTime":%q}]}`, at))
	<-hangs.asked // the look has begun, and does not come to its end
	for i := range 3 {
		id := d.inject(fmt.Sprintf(`{"displayName":"b%d"}`, i))
		d.until("the polls go on", func() bool { return d.known(id) })
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// hanging tells when the events of an incident that is looked for are asked for.
type hanging struct {
	engine.Documents
	asked chan struct{}
	once  sync.Once
}

func (h *hanging) Get(ctx context.Context, kind, key string) (engine.Document, error) {
	if kind == "sought_events" {
		h.once.Do(func() { close(h.asked) })
	}
	return h.Documents.Get(ctx, kind, key)
}

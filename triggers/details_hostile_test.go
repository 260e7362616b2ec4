package triggers_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"stanch/connectors/activity"
	"stanch/connectors/practice"
	"stanch/engine"
)

// One content that is broken, too long, elsewhere or not handed out holds up the
// details of its own alert alone.
func TestABadContentHoldsNoOtherUp(t *testing.T) {
	for name, fault := range map[string]string{
		"broken":     `"status":200,"body":"[{"`,
		"no list":    `"status":200,"body":{"a":1}`,
		"too long":   fmt.Sprintf(`"status":200,"zeros":%d`, 33<<20),
		"never":      `"status":500`,
		"impossible": `"status":400`,
	} {
		t.Run(name, func(t *testing.T) {
			m := office(t)
			n := m.nodes[0]
			m.polled(n)
			bad := m.raise(m.dlpAlert("dl-bad", "bad.xlsx", time.Minute))
			m.pass(10 * time.Minute)
			good := m.raise(m.dlpAlert("dl-good", "good.xlsx", time.Minute))
			m.polled(n)
			m.pass(time.Hour)
			list, err := m.log.Contents(t.Context(), activity.DLP, m.tenantNow().Add(-3*time.Hour), m.tenantNow())
			m.ok(err)
			if len(list) < 2 {
				t.Fatalf("%d contents", len(list))
			}
			m.faults(fmt.Sprintf(`[{"method":"GET","path":"/api/v1.0/*/activity/feed/audit/%s",%s}]`, list[0].ID, fault))
			for range 3 {
				_, _ = n.poll() // that it fails is told below
			}
			if d := m.stored(good).Alerts[0].Details; d == nil || d.Events != 2 || d.Complete != (name == "never" || name == "impossible") {
				t.Fatalf("the good one is %+v; %+v", d, m.auditLog())
			}
			if d := m.stored(bad).Alerts[0].Details; d != nil {
				t.Errorf("the bad one is %+v", d)
			}
			m.faults(`[]`)
			m.pass(6 * time.Hour)
			m.polled(n)
			if d := m.stored(bad).Alerts[0].Details; (name == "never" || name == "impossible") && d == nil {
				t.Error("when it is handed out, it is not found")
			}
		})
	}
}

// One content that is never handed out, and is all that there is, holds the log up
// for days, not for ever.
func TestWhatIsNeverHandedOutIsGivenUp(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	bad := m.raise(m.dlpAlert("dl-bad", "bad.xlsx", time.Minute))
	m.polled(n)
	m.faults(`[{"method":"GET","path":"/api/v1.0/*/activity/feed/audit/*","status":500}]`)
	m.pass(time.Hour)
	for range 3 {
		if _, err := n.poll(); err == nil {
			t.Fatal("nobody tells that the log does not hand it out")
		}
		m.pass(20 * time.Hour)
	}
	m.pass(30 * time.Hour)
	m.polled(n)
	if d := m.stored(bad).Alerts[0].Details; d != nil {
		t.Errorf("it has details: %+v", d)
	}
	m.polled(n)
}

// An entry of the list that leads elsewhere, lacks what it must have, or is dated
// in the future, holds up no other and hides nothing that comes later.
func TestABadEntryOfTheListHoldsNoOtherUp(t *testing.T) {
	for name, entry := range map[string]string{
		"elsewhere":      `{"contentId":"a$1","contentUri":"https://evil.example/api/v1.0/x","contentCreated":"2026-12-01T06:30:00Z"}`,
		"without an id":  `{"contentUri":"https://evil.example/x"}`,
		"empty":          `{}`,
		"no entry":       `[7]`,
		"in the future":  `{"contentId":"a$2","contentUri":"ROOTa$2","contentCreated":"9999-01-01T00:00:00Z"}`,
		"without a date": `{"contentId":"a$3","contentUri":"ROOTa$3"}`,
	} {
		t.Run(name, func(t *testing.T) {
			m := office(t)
			n := m.nodes[0]
			m.polled(n)
			id := m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
			m.polled(n)
			root := m.server.URL + "/api/v1.0/" + practice.ContosoTenantID + "/activity/feed/audit/"
			entry := strings.ReplaceAll(entry, "ROOT", root)
			listed := func(entries string) {
				m.faults(`[{"method":"GET","path":"/api/v1.0/*/activity/feed/subscriptions/content","status":200,"body":[` + entries + `]}]`)
			}
			listed(entry)
			m.pass(16 * time.Minute) // before the content is there
			m.polled(n)
			m.pass(20 * time.Minute)
			m.faults(`[]`)
			good, err := m.log.Contents(t.Context(), activity.DLP, m.tenantNow().Add(-3*time.Hour), m.tenantNow())
			m.ok(err)
			if len(good) != 1 {
				t.Fatalf("%d contents", len(good))
			}
			listed(fmt.Sprintf(`%s,{"contentId":%q,"contentUri":%q,"contentCreated":%q}`, entry, good[0].ID, root+good[0].ID, good[0].Created.Format(time.RFC3339)))
			m.pass(time.Hour)
			m.polled(n)
			if d := m.stored(id).Alerts[0].Details; d == nil {
				t.Fatalf("nothing is found: %+v", m.auditLog())
			}
			listed(entry)
			m.pass(3 * time.Hour)
			m.polled(n)
			next := m.raise(m.dlpAlert("dl-next", "next.xlsx", time.Minute))
			m.polled(n)
			m.faults(`[]`)
			m.pass(2 * time.Hour)
			m.polled(n)
			if d := m.stored(next).Alerts[0].Details; d == nil {
				t.Errorf("nothing more is found: %+v", m.auditLog())
			}
		})
	}
}

// goesOn lets the list of incidents show an alert with activity now.
func (m *month) goesOn(id, alert string) {
	m.t.Helper()
	now := m.tenantNow().UTC().Format(time.RFC3339)
	alert = regexp.MustCompile(`"lastActivityDateTime":"[^"]*"`).ReplaceAllString(alert, `"lastActivityDateTime":"`+now+`"`)
	m.faults(fmt.Sprintf(`[{"method":"GET","path":"/v1.0/security/incidents","status":200,"body":{"value":[{"id":%q,"displayName":"pay","severity":"high","status":"active",
		"createdDateTime":"2026-12-01T06:00:00Z","lastUpdateDateTime":%q,"alerts":[%s]}]}}]`, native(id), now, alert))
}

// An alert that goes on and on is looked for while it does.
func TestAnAlertThatGoesOnIsLookedFor(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	alert := m.dlpAlert("dl-pay", "pay.xlsx", time.Minute)
	id := m.raise(alert)
	m.polled(n)
	found := 0
	for range 20 {
		m.pass(10 * time.Minute)
		m.goesOn(id, alert)
		found += m.polled(n).Detailed
	}
	if d := m.stored(id).Alerts[0].Details; d == nil || found != 1 {
		t.Errorf("found %d times: %+v", found, m.stored(id).Alerts[0])
	}
	lists := m.requests("/subscriptions/content")
	if len(lists) > 30 {
		t.Errorf("the log was listed %d times in 200 minutes", len(lists))
	}
}

// Details of alerts that have begun a run count as no begin: an alert that comes
// later begins one, and no loop is suspected.
func TestDetailsOfWhatHasBegunAreNoLoop(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	n.feed.Loops = 8
	m.polled(n)
	plain := func(i int) string {
		file := fmt.Sprintf("pay %d.xlsx", i)
		return strings.Replace(m.dlpAlert(fmt.Sprintf("dl-%d", i), file, time.Minute), "DLP policy (Pay) matched for document ("+file+") in SharePoint", "plain", 1)
	}
	var alerts []string
	for i := range 6 {
		alerts = append(alerts, plain(i))
	}
	id := m.raise(alerts...)
	m.polled(n)
	m.pass(40 * time.Minute)
	if p := m.polled(n); p.Detailed != 1 || p.Held != 0 {
		t.Errorf("with details: %+v", p)
	}
	m.ok(m.server.Tenant.Amend(native(id), []byte(`{"alerts":[`+plain(7)+`]}`)))
	if p := m.polled(n); p.Changed != 1 || p.Held != 0 {
		t.Errorf("another alert: %+v", p)
	}
	if got := m.begun(); got["alerted"] != 7 || got["fresh"] != 7 {
		t.Errorf("begun were %v", got)
	}
}

// overtaking is a store in which another keeps an incident just before we do.
type overtaking struct {
	engine.Documents
	left int
}

func (o *overtaking) Put(ctx context.Context, d engine.Document) (int64, error) {
	if d.Kind == "incident" && d.Version > 0 && o.left > 0 {
		o.left--
		was, err := o.Get(ctx, d.Kind, d.Key)
		if err == nil {
			_, err = o.Documents.Put(ctx, engine.Document{Kind: d.Kind, Key: d.Key, Body: was.Body, Version: was.Version})
		}
		if err != nil {
			return 0, err
		}
	}
	return o.Documents.Put(ctx, d)
}

// A change that is overtaken, by a filling or by another node, is taken all the
// same, in this poll or as one that was set aside.
func TestAChangeThatIsOvertakenIsTaken(t *testing.T) {
	for _, times := range []int{1, 2} {
		m := office(t)
		n := m.nodes[0]
		m.polled(n)
		id := m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
		m.polled(n)
		n.feed.Docs = &overtaking{n, times}
		m.ok(m.server.Tenant.Amend(native(id), []byte(`{"displayName":"changed"}`)))
		p := m.polled(n)
		if times > 1 {
			if p.Aside != 1 {
				t.Errorf("overtaken %d times: %+v", times, p)
			}
			m.faults(`[{"method":"GET","path":"/v1.0/security/incidents","status":200,"body":{"value":[]}}]`) // it is on no list any more
			m.pass(5 * time.Minute)
			m.polled(n)
		}
		if in := m.stored(id); in.Title != "changed" {
			t.Errorf("overtaken %d times, it is %q", times, in.Title)
		}
		if got := m.begun(); got["other"] != 1 {
			t.Errorf("begun were %v", got)
		}
	}
}

// Events that are long are kept up to a bound, the newest of them, and what they
// tell is called incomplete.
func TestLongEventsAreKeptWithinBounds(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	id := m.raise(m.dlpAlert("dl-pay", "pay.xlsx", time.Minute))
	m.polled(n)
	m.pass(time.Hour)
	conditions := strings.Repeat(`{"SensitiveInformationTypeName":"`+strings.Repeat("n", 4000)+`"},`, 60)
	var events []string
	for i := range 14 {
		events = append(events, fmt.Sprintf(`{"Id":"long-%d","CreationTime":%q,"Operation":"DlpRuleMatch","IncidentId":"dl-pay","PolicyDetails":[{"PolicyName":"Pay","Rules":[{"RuleName":"r","ConditionsMatched":{"SensitiveInformation":[%s{}]}}]}]}`,
			i, m.tenantNow().UTC().Add(time.Duration(i)*time.Second).Format(time.RFC3339), conditions))
	}
	m.faults(`[{"method":"GET","path":"/api/v1.0/*/activity/feed/audit/*","status":200,"body":[` + strings.Join(events, ",") + `]}]`)
	m.polled(n)
	d := m.stored(id).Alerts[0].Details
	if d == nil || d.Events == 0 || d.Events >= 14 || d.Complete {
		t.Errorf("it is %+v", d)
	}
	for _, doc := range m.documents("sought_events") {
		if len(doc.Body) > 2<<20 {
			t.Errorf("%d bytes are kept", len(doc.Body))
		}
	}
}

// An alert that goes on for days does not have the whole log read again and again.
func TestAnAlertThatGoesOnReadsTheLogForward(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	alert := m.dlpAlert("dl-pay", "pay.xlsx", time.Minute)
	id := m.raise(alert)
	m.polled(n)
	for day := range 5 {
		m.pass(24 * time.Hour)
		m.goesOn(id, alert)
		m.polled(n)
		m.pass(30 * time.Minute)
		before := len(m.requests("/subscriptions/content"))
		m.polled(n)
		if lists := len(m.requests("/subscriptions/content")) - before; lists > 3 {
			t.Errorf("day %d: the log is listed %d times", day, lists)
		}
	}
}

// damaged is a store of which some parts cannot be read.
type damaged struct {
	engine.Documents
	kind, key string
}

func (d *damaged) Get(ctx context.Context, kind, key string) (engine.Document, error) {
	if kind == d.kind && key == d.key {
		return engine.Document{}, engine.Damage{What: "partition 7"}
	}
	return d.Documents.Get(ctx, kind, key)
}

// A part of the store is damaged: only what lies there is not filled, and it is told.
func TestADamagedPartHoldsNoDetailsOfOthersUp(t *testing.T) {
	for _, kind := range []string{"incident", "sought_events"} {
		m := office(t)
		n := m.nodes[0]
		m.polled(n)
		bad := m.raise(m.dlpAlert("dl-bad", "bad.xlsx", time.Minute))
		good := m.raise(m.dlpAlert("dl-good", "good.xlsx", time.Minute))
		m.polled(n)
		m.pass(time.Hour)
		n.feed.Docs = &damaged{n, kind, bad}
		_, err := n.poll()
		if err == nil || !strings.Contains(err.Error(), bad) || m.auditLog().Failing == "" {
			t.Errorf("%s: it tells %v", kind, err)
		}
		if m.stored(good).Alerts[0].Details == nil {
			t.Errorf("%s: the other is not filled", kind)
		}
		n.feed.Docs = n
		m.polled(n)
		if m.stored(bad).Alerts[0].Details == nil {
			t.Errorf("%s: it is not filled when it is repaired", kind)
		}
	}
}

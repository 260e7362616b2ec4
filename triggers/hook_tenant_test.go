package triggers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick, end := time.NewTicker(10*time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it does not come about: %s", what)
		}
	}
}

const changing = `playbook: changing
title: A user has changed
status: stable
on:
  webhook: {path: users, auth: graph, body: {subscriptionId: string, changeType: string, resource: string, clientState: "string?"}}
steps:
  - set: {resource: event.body.resource}
outputs:
  resource: event.body.resource
  state: event.body.clientState ?? "none"
`

const clientState = "a-client-state-of-32-characters-"

type tenantBench struct {
	*hookBench
	tenant *practicetest.Server
	graph  *graph.Client
	api    *connectors.Client
}

// newGraphBench is a hook for the notifications of a practice tenant.
func newGraphBench(t *testing.T, change func(*triggers.HookOptions)) *tenantBench {
	t.Helper()
	x := &tenantBench{tenant: practicetest.Start(t, practice.Options{})}
	cloud := connectors.PracticeCloud(x.tenant.URL, x.tenant.CAPEM)
	app := practice.FullApp()
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	if x.graph, err = graph.New(cloud, cred, nil); err != nil {
		t.Fatal(err)
	}
	if x.api, err = connectors.New(cloud, cloud.Graph, cred, nil); err != nil {
		t.Fatal(err)
	}
	x.hookBench = newHookBench(t, filepath.Join(t.TempDir(), "s.db"), true, func(playbooks.World) []triggers.Hook { return nil })
	o := triggers.HookOptions{
		Hooks:  []triggers.Hook{{Path: "users", Book: hookBook(t, x.engine.World(), changing), Auth: triggers.HookGraph, Secret: clientState}},
		Engine: x.engine, Docs: x.store, Tenant: practice.ContosoTenantID,
	}
	if change != nil {
		change(&o)
	}
	x.serve(o)
	return x
}

// subscribes asks the tenant to tell our hook of users, as the operator does.
func (x *tenantBench) subscribes(path, state string) (id string, err error) {
	var out struct{ ID string }
	_, err = x.api.Send(x.t.Context(), connectors.Change{ID: "11111111-2222-3333-4444-555555555555"}, connectors.Request{
		Op: "subscribe", Method: http.MethodPost, Path: connectors.To("subscriptions"),
		Body: map[string]string{
			"changeType": "updated", "notificationUrl": x.server.URL + path, "lifecycleNotificationUrl": x.server.URL + path, "resource": "users",
			"clientState": state, "expirationDateTime": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339),
		},
	}, &out)
	return out.ID, err
}

func (x *tenantBench) changesUser(enabled bool) string {
	x.t.Helper()
	user, err := x.graph.User(x.t.Context(), "petra.novak@contoso.example")
	if err == nil {
		err = x.graph.SetAccountEnabled(x.t.Context(), connectors.Change{ID: fmt.Sprintf("11111111-2222-3333-4444-%012d", time.Now().UnixNano()%1e12)}, user.ID, enabled)
	}
	if err != nil {
		x.t.Fatal(err)
	}
	return user.ID
}

// The practice tenant speaks Graph's protocol: it asks whether the address is
// ours, tells of a change, and of what becomes of the subscription.
func TestGraphTellsOfAChange(t *testing.T) {
	x := newGraphBench(t, nil)
	id, err := x.subscribes("/hooks/users", clientState)
	if err != nil {
		t.Fatal(err)
	}
	user := x.changesUser(false)
	eventually(t, "a run", func() bool { return len(allRuns(t, x.store)) > 0 })
	run, err := x.engine.Await(t.Context(), allRuns(t, x.store)[0], nil)
	raw, _ := json.Marshal(run.Outputs)
	if err != nil || run.Status != "succeeded" || string(raw) != `{"resource":"Users/`+user+`","state":"none"}` {
		t.Fatalf("%s %s (%v)", run.Status, raw, err)
	}
	if strings.Contains(string(run.Event.Body), clientState) || strings.Contains(x.log.String(), clientState) {
		t.Error("the clientState is kept")
	}
	for _, kind := range []string{"reauthorizationRequired", "missed", "subscriptionRemoved"} { // 126
		if err := x.tenant.Tenant.Lifecycle(id, kind); err != nil {
			t.Fatal(err)
		}
		eventually(t, kind, func() bool { return strings.Contains(x.log.String(), "event="+kind) })
	}
	if !strings.Contains(x.log.String(), id) {
		t.Error("the log does not name the subscription")
	}
	if n := len(allRuns(t, x.store)); n != 1 {
		t.Errorf("%d runs", n)
	}
}

func TestGraphDoesNotSubscribeToWhatIsNoHook(t *testing.T) {
	x := newGraphBench(t, nil)
	if _, err := x.subscribes("/hooks/nothing", clientState); err == nil {
		t.Error("an address that is no hook is taken for one")
	}
}

func TestBad123TheHandshakeEchoesATextAndNothingElse(t *testing.T) {
	x := newGraphBench(t, nil)
	ask := func(token string) heard {
		return x.post("/hooks/users?validationToken="+url.QueryEscape(token), http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, nil)
	}
	const token = "Validation: Testing client application reachability for subscription Request-Id: 1+2=3 %41&x"
	h := ask(token)
	if h.status != 200 || h.body != token || h.head.Get("Content-Type") != "text/plain; charset=utf-8" || h.head.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%+v", h)
	}
	for _, bad := range []string{"", "<script>alert(1)</script>", "a\r\nSet-Cookie: x=y", "a\x00", "\u202e", strings.Repeat("x", 4097), strings.Repeat("x", 60_000)} {
		if h := ask(bad); h.status != http.StatusBadRequest || strings.Contains(h.body, "alert") {
			t.Errorf("%.20q: %+v", bad, h)
		}
	}
	if h := x.post("/hooks/users?validationToken=a&validationToken=b", http.Header{}, nil); h.status != http.StatusBadRequest {
		t.Errorf("two tokens: %+v", h)
	}
	if h, err := x.try(http.MethodPost, "/hooks/users?validationToken="+strings.Repeat("x", 1<<20), http.Header{}, nil); err == nil && h.status < 400 {
		t.Errorf("1 MB: %+v", h)
	}
	if h := x.ask(http.MethodGet, "/hooks/users?validationToken=a", http.Header{}, nil); h.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %+v", h)
	}
}

// notice is a notification of Graph with some fields changed; nil takes one
// away.
func notice(change map[string]any) string {
	n := map[string]any{
		"id": "n1", "subscriptionId": "0fc0d6db-0073-42e5-a186-853da75fb308", "clientState": clientState, "tenantId": practice.ContosoTenantID,
		"changeType": "updated", "resource": "Users/1", "subscriptionExpirationDateTime": "2026-12-01T00:00:00Z",
	}
	for k, v := range change {
		if n[k] = v; v == nil {
			delete(n, k)
		}
	}
	raw, _ := json.Marshal(n)
	return string(raw)
}

func (x *tenantBench) notified(all ...string) heard {
	return x.post("/hooks/users", http.Header{"Content-Type": {"application/json"}}, strings.NewReader(`{"value":[`+strings.Join(all, ",")+`]}`))
}

// What is not ours is answered as what is, and begins nothing.
func TestBad124To125ForgedNotificationsAreLeftOut(t *testing.T) {
	x := newGraphBench(t, func(o *triggers.HookOptions) {
		o.Hooks[0].Subscriptions = []string{"0FC0D6DB-0073-42e5-a186-853da75fb308"}
	})
	type fields map[string]any
	for name, change := range map[string]fields{
		"another clientState":  {"clientState": clientState + "x"},
		"no clientState":       {"clientState": nil},
		"null clientState":     {"clientState": json.RawMessage("null")},
		"another tenant":       {"tenantId": "11111111-2222-3333-4444-555555555555"},
		"no tenant":            {"tenantId": nil},
		"another subscription": {"subscriptionId": "11111111-2222-3333-4444-555555555555"},
		"encrypted":            {"encryptedContent": map[string]any{"data": "x"}},
		"not as declared":      {"changeType": 7},
		"a wrong lifecycle":    {"lifecycleEvent": "forged", "clientState": "x"},
	} {
		if h := x.notified(notice(change)); h.status != http.StatusAccepted {
			t.Errorf("%s: %+v", name, h)
		}
	}
	for _, odd := range []string{"7", "null", `"x"`, "[]", "{}", `{"clientState":{}}`} {
		if h := x.notified(odd); h.status != http.StatusAccepted {
			t.Errorf("%s: %+v", odd, h)
		}
	}
	if n := len(allRuns(t, x.store)); n != 0 {
		t.Fatalf("%d runs", n)
	}
	for _, why := range []string{"clientState", "another tenant", "another subscription", "encrypted content", "its body is not as declared", "it is no notification"} {
		if !strings.Contains(x.log.String(), why) {
			t.Errorf("the log does not say: %s", why)
		}
	}
	// Among those, what is ours is taken, once, however often it is sent.
	for range 3 {
		if h := x.notified(notice(fields{"clientState": "x"}), notice(nil), notice(fields{"id": "n2"})); h.status != http.StatusAccepted {
			t.Errorf("%+v", h)
		}
	}
	if n := len(allRuns(t, x.store)); n != 2 {
		t.Errorf("%d runs", n)
	}
	for name, body := range map[string]string{"no list": `{}`, "empty": `{"value":[]}`, "no object": `[]`, "1,001": `{"value":[` + strings.Repeat("1,", 1000) + `1]}`} {
		if h := x.post("/hooks/users", http.Header{"Content-Type": {"application/json"}}, strings.NewReader(body)); h.status != http.StatusBadRequest {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// sentinelBench is a hook for a practice tenant's Sentinel, whose incidents are
// offered to a playbook that tags. The feed has read once.
type sentinelBench struct {
	*desk
	*hookBench
}

func practiceWorkspace() sentinel.Workspace {
	return sentinel.Workspace{Subscription: practice.ContosoSubscription, ResourceGroup: practice.ContosoResourceGroup, Name: practice.ContosoWorkspace}
}

func newSentinelBench(t *testing.T) *sentinelBench {
	t.Helper()
	d := newDesk(t, tagging)
	d.feed.Sentinel = d.azure
	d.poll()
	x := &sentinelBench{desk: d, hookBench: &hookBench{t: t, engine: d.engine, log: &lines{}}}
	x.serve(triggers.HookOptions{
		Hooks:  []triggers.Hook{{Path: "sentinel", Auth: triggers.HookToken, Secret: hookSecret}},
		Engine: d.engine, Docs: d.store, Workspace: practiceWorkspace(), Incidents: triggers.NewTold(d.feed, d.azure),
	})
	return x
}

func (x *sentinelBench) follows() {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- x.hooks.Run(ctx) }()
	x.hookBench.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			x.hookBench.t.Error(err)
		}
	})
}

func (x *sentinelBench) called(body string) heard {
	return x.post("/hooks/sentinel", http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + string(hookSecret)}}, strings.NewReader(body))
}

// one is a new incident that both have: our id by either name, and the body of
// Sentinel's.
func (x *sentinelBench) one() (defender, sentinel string, raw json.RawMessage) {
	t := x.hookBench.t
	t.Helper()
	number, err := x.desk.server.Tenant.Inject([]byte(`{"displayName":"a new one","severity":"high","alerts":[{"title":"a","severity":"high","serviceSource":"dataLossPrevention"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	in := x.twinOf(number)
	return "defender/" + number, incident.NewID(incident.Sentinel, practice.ContosoWorkspace+"/"+in.Name), in.Raw
}

// notes answers what hooks were told and is not followed yet.
func (x *sentinelBench) notes() []string {
	x.hookBench.t.Helper()
	docs, err := x.store().Each(context.Background(), "told", "", 100)
	if err != nil {
		x.hookBench.t.Fatal(err)
	}
	var keys []string
	for _, d := range docs {
		keys = append(keys, d.Key)
	}
	return keys
}

func (x *sentinelBench) store() engine.Documents { return x.desk.store }

// Sentinel's automation rule calls a playbook there, which calls us: with the
// body of the incident trigger, or with the incident alone. The incident is read,
// not believed; one that Defender has is Defender's.
func TestSentinelTellsOfAnIncident(t *testing.T) {
	for name, shape := range map[string]string{
		"incident trigger": fmt.Sprintf(`{"eventUniqueId":"e1","objectSchemaType":"Incident","objectEventType":"Create","workspaceId":"x","workspaceInfo":{"SubscriptionId":%q,"ResourceGroupName":%q,"WorkspaceName":%q},"resourceId":"y","object":INCIDENT}`,
			practice.ContosoSubscription, strings.ToUpper(practice.ContosoResourceGroup), practice.ContosoWorkspace),
		"the incident alone": `INCIDENT`,
	} {
		t.Run(name, func(t *testing.T) {
			x := newSentinelBench(t)
			id, told, raw := x.one()
			body := strings.ReplaceAll(shape, "INCIDENT", strings.ReplaceAll(string(raw), `"severity":"High"`, `"severity":"Low"`))
			for range 2 { // both tell of one incident: one note
				if h := x.called(body); h.status != http.StatusAccepted || h.said().Delivery != told {
					t.Fatalf("%+v", h)
				}
			}
			if got := x.notes(); !slices.Equal(got, []string{told}) {
				t.Fatalf("noted %v", got)
			}
			x.follows() // as after a restart: what was answered with 202 is there
			eventually(t, "the note is followed", func() bool { return len(x.notes()) == 0 })
			runs := x.runs(id)
			if len(runs) != 1 || runs[0].StartedBy != "trigger:incident" || runs[0].Event.Kind != "created" {
				t.Fatalf("%+v", runs)
			}
			var in incident.Incident
			if err := json.Unmarshal(runs[0].Event.Incident, &in); err != nil || in.Severity != "high" || len(in.Alerts) != 1 {
				t.Errorf("the incident was not read afresh: %+v (%v)", in, err)
			}
			x.called(body)
			eventually(t, "the second note is followed", func() bool { return len(x.notes()) == 0 })
			if p := x.poll(); p.New+p.Changed+p.Started != 0 {
				t.Errorf("the feed takes it again: %+v", p)
			}
			if runs := x.runs(id); len(runs) != 1 {
				t.Errorf("%d runs", len(runs))
			}
		})
	}
}

// An incident of Sentinel alone is Sentinel's, whether the feed reads Sentinel or
// not.
func TestSentinelTellsOfItsOwnIncident(t *testing.T) {
	for _, feeds := range []bool{true, false} {
		d := newDesk(t, tagging)
		if feeds {
			d.feed.Sentinel = d.azure
		}
		told := triggers.NewTold(d.feed, d.azure)
		id := d.openInSentinel()
		err := told.TakeIn(t.Context(), id)
		if feeds && (err == nil || !strings.Contains(err.Error(), "has not begun yet")) {
			t.Errorf("before the feed knows what is old: %v", err)
		}
		if feeds {
			d.poll()
			err = told.TakeIn(t.Context(), id)
		}
		if runs := d.runs(id); err != nil || len(runs) != 1 {
			t.Errorf("feeds %v: %d runs (%v)", feeds, len(runs), err)
		}
	}
}

// The older trigger of Sentinel tells of an alert: its incident is looked for.
func TestSentinelTellsOfAnAlert(t *testing.T) {
	x := newSentinelBench(t)
	id, told, _ := x.one()
	alerts, err := x.azure.Alerts(t.Context(), told[strings.LastIndexByte(told, '/')+1:])
	if err != nil || len(alerts) != 1 {
		t.Fatalf("%d alerts (%v)", len(alerts), err)
	}
	var a struct {
		Properties struct{ SystemAlertID string }
	}
	if err := json.Unmarshal(alerts[0], &a); err != nil || a.Properties.SystemAlertID == "" {
		t.Fatalf("%s (%v)", alerts[0], err)
	}
	body := fmt.Sprintf(`{"ProductName":"Microsoft Data Loss Prevention","SystemAlertId":%q,"AlertDisplayName":"x","WorkspaceSubscriptionId":%q,"WorkspaceResourceGroup":%q,"WorkspaceId":"2b1c","Entities":"[]","ExtendedProperties":{}}`,
		a.Properties.SystemAlertID, practice.ContosoSubscription, practice.ContosoResourceGroup)
	if h := x.called(body); h.status != http.StatusAccepted || h.said().Delivery != "alert/"+strings.ToLower(a.Properties.SystemAlertID) {
		t.Fatalf("%+v", h)
	}
	x.follows()
	eventually(t, "the note is followed", func() bool { return len(x.notes()) == 0 })
	if runs := x.runs(id); len(runs) != 1 {
		t.Errorf("%d runs", len(runs))
	}
	if other, err := triggers.NewTold(x.feed, x.azure).OfAlert(t.Context(), "no-such-alert"); other != "" || err != nil {
		t.Errorf("an alert that is nowhere: %q (%v)", other, err)
	}
}

func TestBad128WhatIsOfAnotherWorkspaceIsRefused(t *testing.T) {
	x := newSentinelBench(t)
	_, _, raw := x.one()
	elsewhere := func(old, now string) string { return strings.ReplaceAll(string(raw), old, now) }
	for name, body := range map[string]string{
		"subscription":         `{"object":` + elsewhere(practice.ContosoSubscription, "11111111-2222-3333-4444-555555555555") + `}`,
		"resource group":       `{"object":` + elsewhere(practice.ContosoResourceGroup, "theirs") + `}`,
		"workspace":            `{"object":` + elsewhere(practice.ContosoWorkspace, "theirs") + `}`,
		"workspaceInfo":        `{"object":` + string(raw) + `,"workspaceInfo":{"WorkspaceName":"theirs"}}`,
		"alert's subscription": `{"SystemAlertId":"a","WorkspaceSubscriptionId":"11111111-2222-3333-4444-555555555555"}`,
		"alert's group":        `{"SystemAlertId":"a","WorkspaceResourceGroup":"theirs"}`,
	} {
		if h := x.called(body); h.status != http.StatusForbidden {
			t.Errorf("%s: %+v", name, h)
		}
	}
	for name, body := range map[string]string{
		"nothing":            `{}`,
		"a list":             `[]`,
		"a number":           `{"object":7}`,
		"no id":              `{"object":{"name":"e42eb458-da2f-4dd7-84af-843627fa528f"}}`,
		"another path":       `{"object":{"id":"/subscriptions/x/incidents/1"}}`,
		"id and name differ": `{"object":` + strings.Replace(string(raw), `"name":"`, `"name":"0`, 1) + `}`,
		"a path in an alert": `{"SystemAlertId":"../../x"}`,
		"dots in the name":   `{"id":"/subscriptions/` + practice.ContosoSubscription + `/resourceGroups/` + practice.ContosoResourceGroup + `/providers/Microsoft.OperationalInsights/workspaces/` + practice.ContosoWorkspace + `/providers/Microsoft.SecurityInsights/incidents/.."}`,
	} {
		if h := x.called(body); h.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %+v", name, h)
		}
	}
	if got := x.notes(); len(got) != 0 {
		t.Errorf("noted %v", got)
	}
}

// What Sentinel tells of and does not answer is tried again until it answers.
func TestWhatCannotBeReadIsTriedAgain(t *testing.T) {
	x := newSentinelBench(t)
	id, _, raw := x.one()
	x.faults(`[{"method":"GET","path":"/subscriptions/*","times":2,"status":503}]`)
	if h := x.called(string(raw)); h.status != http.StatusAccepted {
		t.Fatalf("%+v", h)
	}
	x.follows()
	eventually(t, "the note is followed", func() bool { return len(x.notes()) == 0 })
	if runs := x.runs(id); len(runs) != 1 {
		t.Errorf("%d runs", len(runs))
	}
}

// gone reads no incident, because it is not there.
type gone struct{ asked *int }

func (g gone) TakeIn(context.Context, string) error {
	*g.asked++
	return &connectors.Error{Op: "get incident", Code: connectors.NotFound}
}

func (g gone) OfAlert(context.Context, string) (string, error) { return "", nil }

// What does not come about within a quarter of an hour is given up, with a word.
func TestWhatIsNotThereIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		log, asked := &lines{}, 0
		hooks, err := triggers.NewHooks(triggers.HookOptions{
			Hooks: []triggers.Hook{{Path: "sentinel", Auth: triggers.HookToken, Secret: hookSecret}},
			Docs:  store, Workspace: practiceWorkspace(), Incidents: gone{&asked}, Log: slog.New(slog.NewTextHandler(log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		id := "/subscriptions/" + practice.ContosoSubscription + "/resourceGroups/" + practice.ContosoResourceGroup +
			"/providers/Microsoft.OperationalInsights/workspaces/" + practice.ContosoWorkspace + "/providers/Microsoft.SecurityInsights/Incidents/X1"
		for _, body := range []string{`{"id":"` + id + `"}`, `{"SystemAlertId":"a1"}`} {
			req := httptest.NewRequest(http.MethodPost, "/hooks/sentinel", strings.NewReader(body))
			req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + string(hookSecret)}}
			answer := httptest.NewRecorder()
			if hooks.ServeHTTP(answer, req); answer.Code != http.StatusAccepted {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
		}
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Minute)
		defer stop()
		if err := hooks.Run(ctx); err != nil {
			t.Fatal(err)
		}
		left, err := store.Each(t.Context(), "told", "", 10)
		if err != nil || len(left) != 0 {
			t.Errorf("%d notes are left (%v)", len(left), err)
		}
		if asked < 8 || asked > 20 {
			t.Errorf("it was asked for %d times", asked)
		}
		if n := strings.Count(log.String(), "is given up"); n != 2 {
			t.Errorf("%d are given up:\n%s", n, log)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

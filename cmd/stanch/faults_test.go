package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/practice"
	"stanch/engine"
)

// use is how an action is used under every fault: on a target where there is
// something to do.
type use struct {
	method, path string // of its request: the changing one, else the read
	with         func(*lab) map[string]any
	skip         int // changes that with itself makes to the tenant
}

const (
	faultHost    = "https://contoso.sharepoint.com"
	faultPayroll = faultHost + "/sites/payroll/Shared Documents/2026/Payroll November 2026.xlsx"
	faultDrawing = faultHost + "/sites/engineering/Shared Documents/Designs/Turbine Mk4/Rotor drawing 01.pdf"
	faultDevice  = "wks-sortiz.contoso.example"
	faultUser    = "sam.ortiz@contoso.example"
)

// uses are all actions of this build. One without a use fails the test.
func uses() map[string]use {
	incident := func(more map[string]any) func(*lab) map[string]any {
		return func(l *lab) map[string]any {
			var body struct{ Value []struct{ ID string } }
			l.get("/v1.0/security/incidents", &body)
			with := map[string]any{"incident": "defender/" + body.Value[0].ID}
			for k, v := range more {
				with[k] = v
			}
			return with
		}
	}
	const patched = "/v1.0/security/incidents/*"
	return map[string]use{
		"files.get":              {http.MethodGet, "/v1.0/drives/*/items/*", onPayroll, 0},
		"files.list_permissions": {http.MethodGet, "/v1.0/drives/*/items/*/permissions", onPayroll, 0},
		"files.unshare": {http.MethodDelete, "/v1.0/drives/*/items/*/permissions/*", func(l *lab) map[string]any {
			return map[string]any{"file": itemOf(l, faultPayroll), "permissions": outsiders(l, faultPayroll)}
		}, 0},
		"files.share": {http.MethodPost, "/v1.0/drives/*/items/*/invite", func(l *lab) map[string]any {
			return map[string]any{"file": itemOf(l, faultDrawing), "role": "read", "recipients": []string{faultUser, "kim.abercrombie@fabrikam.example"}}
		}, 0},
		"files.set_sensitivity_label": {http.MethodPost, "/v1.0/drives/*/items/*/assignSensitivityLabel", func(l *lab) map[string]any {
			return map[string]any{"file": itemOf(l, faultPayroll), "label": "Confidential"}
		}, 0},
		"files.delete":     {http.MethodDelete, "/v1.0/drives/*/items/*", onPayroll, 0},
		"files.quarantine": {http.MethodPatch, "/v1.0/drives/*/items/*", onPayroll, 0},
		"files.find": {http.MethodGet, "/v1.0/drives/*/root/*", func(*lab) map[string]any {
			return map[string]any{"name": "payroll november", "site": faultHost + "/sites/payroll"}
		}, 0},
		"files.restore": {http.MethodPost, "/sites/*/_api/web/*/*", func(l *lab) map[string]any {
			drive, item, _ := strings.Cut(itemOf(l, faultPayroll), "/")
			l.call(http.MethodDelete, "/v1.0/drives/"+drive+"/items/"+item, "", nil)
			return map[string]any{"file": faultPayroll}
		}, 1},
		"files.remove_sensitivity_label": {http.MethodPost, "/v1.0/drives/*/items/*/assignSensitivityLabel", func(l *lab) map[string]any {
			return map[string]any{"file": itemOf(l, faultPayroll), "justification": "under fault"}
		}, 0},
		"files.set_retention_label": {http.MethodPatch, retentionLabel, func(l *lab) map[string]any {
			return map[string]any{"file": itemOf(l, faultPayroll), "label": "Keep 7 years"}
		}, 0},
		"files.remove_retention_label": {http.MethodDelete, retentionLabel, retained(`{"name":"Keep 7 years"}`), 1},
		"files.unlock_record":          {http.MethodPatch, retentionLabel, retained(`{"name":"Board record"}`), 1},
		"files.lock_record":            {http.MethodPatch, retentionLabel, retained(`{"name":"Board record"}`, `{"retentionSettings":{"isRecordLocked":false}}`), 2},
		"hunting.query": {http.MethodPost, "/v1.0/security/runHuntingQuery", func(*lab) map[string]any {
			return map[string]any{"query": "AlertInfo | where AlertId == alert", "let": map[string]any{"alert": "dl53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf"}}
		}, 0},
		"hunting.query_logs": {http.MethodPost, "/v1/workspaces/*/query", func(*lab) map[string]any {
			return map[string]any{"workspace": practice.LogWorkspaceID(practice.ContosoTenantID), "query": "SecurityAlert | take n", "let": map[string]any{"n": 1}}
		}, 0},
		"hunting.alert_activity": {http.MethodPost, "/v1.0/security/runHuntingQuery", func(l *lab) map[string]any {
			return map[string]any{"alert": freshAlert(l)}
		}, 0},
		"hunting.start_dlp_feed": {http.MethodPost, feedSubscriptions + "start", func(l *lab) map[string]any {
			l.call(http.MethodPost, feedSubscriptions+"stop?contentType=DLP.All", "", nil)
			return map[string]any{}
		}, 1},
		"hunting.stop_dlp_feed": {http.MethodPost, feedSubscriptions + "stop", func(*lab) map[string]any { return map[string]any{} }, 0},
		"incidents.dlp_details": {http.MethodGet, feedSubscriptions + "content", func(l *lab) map[string]any {
			id, _ := freshIncident(l)
			return map[string]any{"incident": "defender/" + id}
		}, 0},
		"files.download":   {http.MethodGet, "/_layouts/**", onPayroll, 0},
		"incidents.get":    {http.MethodGet, patched, incident(nil), 0},
		"incidents.update": {http.MethodPatch, patched, incident(map[string]any{"status": "inProgress"}), 0},
		"incidents.assign": {http.MethodPatch, patched, incident(map[string]any{"to": "dana.officer@contoso.example"}), 0},
		"incidents.tag":    {http.MethodPatch, patched, incident(map[string]any{"add": []string{"under-fault"}}), 0},
		"incidents.list":   {http.MethodGet, "/v1.0/security/incidents", func(*lab) map[string]any { return map[string]any{"status": "active"} }, 0},
		"incidents.untag": {http.MethodPatch, patched, func(l *lab) map[string]any {
			with := incident(map[string]any{"remove": []string{"stale"}})(l)
			l.call(http.MethodPatch, "/v1.0/security/incidents/"+strings.TrimPrefix(with["incident"].(string), "defender/"), `{"customTags":["stale","kept"]}`, nil)
			return with
		}, 1},
		"incidents.reopen": {http.MethodPatch, patched, func(l *lab) map[string]any {
			with := incident(nil)(l)
			l.call(http.MethodPatch, "/v1.0/security/incidents/"+strings.TrimPrefix(with["incident"].(string), "defender/"), `{"status":"resolved"}`, nil)
			return with
		}, 1},
		"incidents.comment": {http.MethodPost, "/v1.0/security/incidents/*/comments", incident(map[string]any{"text": "Seen."}), 0},
		"incidents.resolve": {http.MethodPatch, patched, incident(map[string]any{"classification": "truePositive", "determination": "confirmedActivity"}), 0},
		"devices.isolate": {http.MethodPost, "/api/machines/*/isolate", func(*lab) map[string]any {
			return map[string]any{"device": faultDevice, "comment": "under fault"}
		}, 0},
		"devices.release": {http.MethodPost, "/api/machines/*/unisolate", func(l *lab) map[string]any {
			var machine struct{ ID string }
			l.get("/api/machines/"+faultDevice, &machine)
			l.call(http.MethodPost, "/api/machines/"+machine.ID+"/isolate", `{"Comment":"before","IsolationType":"Full"}`, nil)
			l.store.ahead.Add(int64(time.Minute))
			return map[string]any{"device": faultDevice}
		}, 1},
		"devices.get":           {http.MethodGet, "/api/machines", onDevice(nil), 0},
		"devices.tag":           {http.MethodPost, "/api/machines/*/tags", onDevice(map[string]any{"add": []string{"under-fault", "dlp"}}), 0},
		"devices.restrict_apps": {http.MethodPost, "/api/machines/*/restrictCodeExecution", onDevice(nil), 0},
		"devices.unrestrict_apps": {http.MethodPost, "/api/machines/*/unrestrictCodeExecution", func(l *lab) map[string]any {
			var machine struct{ ID string }
			l.get("/api/machines/"+faultDevice, &machine)
			l.call(http.MethodPost, "/api/machines/"+machine.ID+"/restrictCodeExecution", `{"Comment":"before"}`, nil)
			l.store.ahead.Add(int64(time.Minute))
			return map[string]any{"device": faultDevice}
		}, 1},
		"devices.scan":            {http.MethodPost, "/api/machines/*/runAntiVirusScan", onDevice(map[string]any{"type": "full"}), 0},
		"devices.collect_package": {http.MethodPost, "/api/machines/*/collectInvestigationPackage", onDevice(nil), 0},
		"users.get":               {http.MethodGet, "/v1.0/users/*", onUser(faultUser), 0},
		"users.manager":           {http.MethodGet, "/v1.0/users/*/manager", onUser(faultUser), 0},
		"users.groups":            {http.MethodGet, "/v1.0/users/*/transitiveMemberOf/*", onUser(faultUser), 0},
		"users.disable":           {http.MethodPatch, "/v1.0/users/*", onUser(faultUser), 0},
		"users.enable":            {http.MethodPatch, "/v1.0/users/*", onUser("former.employee@contoso.example"), 0},
		"users.confirm_compromised": {
			http.MethodPost, "/v1.0/identityProtection/riskyUsers/confirmCompromised", onUser(faultUser), 0,
		},
		"users.dismiss_risk": {http.MethodPost, "/v1.0/identityProtection/riskyUsers/dismiss", onUser("ivan.petrov@contoso.example"), 0},
		"users.revoke_sessions": {http.MethodPost, "/v1.0/users/*/revokeSignInSessions", func(*lab) map[string]any {
			return map[string]any{"user": faultUser}
		}, 0},
		"http.get":    {http.MethodGet, "/desk/tickets/*", onTicket, 1},
		"http.delete": {http.MethodDelete, "/desk/tickets/*", onTicket, 1},
		"http.request": {http.MethodPut, "/desk/tickets/*", func(*lab) map[string]any {
			return map[string]any{
				"service": "desk", "url": "/tickets/under-fault", "method": "PUT", "body": map[string]any{"state": "open"},
				"check": map[string]any{"service": "desk", "url": "/tickets/under-fault"},
			}
		}, 0},
		"mail.get":      {http.MethodGet, "/v1.0/users/*/messages", onMail(nil), 0},
		"mail.download": {http.MethodGet, "/v1.0/users/*/messages/*/$value", onMail(nil), 0},
		"mail.move":     {http.MethodPost, "/v1.0/users/*/messages/*/move", onMail(map[string]any{"folder": "archive"}), 0},
		"mail.delete":   {http.MethodPost, "/v1.0/users/*/messages/*/move", onMail(nil), 0},
		"mail.send": {http.MethodPost, "/v1.0/users/*/sendMail", func(*lab) map[string]any {
			return map[string]any{"from": "dana.officer@contoso.example", "to": []string{faultUser}, "subject": "Seen", "text": "Seen."}
		}, 0},
		"notify.email": {http.MethodPost, "/v1.0/users/*/sendMail", func(*lab) map[string]any { return map[string]any{"channel": "email", "text": "Seen."} }, 0},
		"notify.ask_owner": {http.MethodPost, "/v1.0/users/*/sendMail", func(*lab) map[string]any {
			return map[string]any{"channel": "email", "owner": faultUser, "file": faultPayroll, "remind": "5m0s", "escalate": "10m0s", "timeout": "20m0s"}
		}, 0},
		"notify.teams": {"POST", "/workflows/**", func(*lab) map[string]any { return map[string]any{"channel": "teams", "text": "Seen."} }, 0},
		"notify.slack": {"POST", "/services/**", func(*lab) map[string]any { return map[string]any{"channel": "slack", "text": "Seen."} }, 0},
		"notify.webhook": {"POST", "/webhooks/**", func(*lab) map[string]any {
			return map[string]any{"channel": "webhook", "event": "seen", "data": 1}
		}, 0},
	}
}

const feedSubscriptions = "/api/v1.0/" + practice.ContosoTenantID + "/activity/feed/subscriptions/"

const retentionLabel = "/v1.0/drives/*/items/*/retentionLabel"

// retained are the params of a file whose retention label somebody has changed
// so.
func retained(bodies ...string) func(*lab) map[string]any {
	return func(l *lab) map[string]any {
		drive, item, _ := strings.Cut(itemOf(l, faultPayroll), "/")
		for _, body := range bodies {
			l.call(http.MethodPatch, "/v1.0/drives/"+drive+"/items/"+item+"/retentionLabel", body, nil)
		}
		return onPayroll(l)
	}
}

// blind are the actions of which nobody can look whether they happened: a second
// message only annoys, so that a lost answer has it sent again.
// What is downloaded is kept by a name that only its content has.
func blind(a actions.Action) bool { return posts(a) || downloads(a) }

// posts are the actions that post to an address of the operator's.
func posts(a actions.Action) bool {
	return slices.Contains([]string{"notify.slack", "notify.teams", "notify.webhook"}, a.Name)
}

// downloads are the actions whose request only reads in the tenant.
func downloads(a actions.Action) bool { return strings.HasSuffix(a.Name, ".download") }

// onMail names a mail that somebody of the company has sent.
func onMail(more map[string]any) func(*lab) map[string]any {
	return func(*lab) map[string]any {
		m := practice.Contoso(0).Mail[0]
		with := map[string]any{"message": m.InternetID, "mailbox": m.Mailbox}
		maps.Copy(with, more)
		return with
	}
}

// onTicket is a ticket that is there.
func onTicket(l *lab) map[string]any {
	l.call(http.MethodPut, "/desk/tickets/under-fault", `{"state":"open"}`, nil)
	return map[string]any{"service": "desk", "url": "/tickets/under-fault"}
}

func onUser(user string) func(*lab) map[string]any {
	return func(*lab) map[string]any { return map[string]any{"user": user} }
}

func onDevice(more map[string]any) func(*lab) map[string]any {
	return func(*lab) map[string]any {
		with := map[string]any{"device": faultDevice}
		maps.Copy(with, more)
		return with
	}
}

// freshAlert is the id of an alert of now, of which logs that keep 30 days know.
func freshAlert(l *lab) string {
	_, alert := freshIncident(l)
	return alert
}

// freshIncident is an incident of now and its alert.
func freshIncident(l *lab) (id, alert string) {
	raw, err := l.ask(http.MethodPost, "/practice/incidents", `{"displayName":"fresh","alerts":[{"serviceSource":"dataLossPrevention",
		"title":"DLP policy (Fresh) matched for document (a.docx) in SharePoint"}]}`, "")
	if err != nil {
		l.t.Fatal(err)
	}
	var made struct{ ID string }
	if err := json.Unmarshal(raw, &made); err != nil {
		l.t.Fatal(err)
	}
	var body struct{ Alerts []struct{ ID string } }
	l.get("/v1.0/security/incidents/"+made.ID+"?$expand=alerts", &body)
	return made.ID, body.Alerts[0].ID
}

func onPayroll(l *lab) map[string]any { return map[string]any{"file": itemOf(l, faultPayroll)} }

// itemOf names a file of a site by its ids.
func itemOf(l *lab, file string) string {
	site, path, _ := strings.Cut(strings.TrimPrefix(file, faultHost), "/Shared Documents/")
	var body struct {
		ID              string
		ParentReference struct{ DriveID string }
	}
	l.get("/v1.0/sites/contoso.sharepoint.com:"+site+":/drive/root:/"+(&url.URL{Path: path}).EscapedPath(), &body)
	return body.ParentReference.DriveID + "/" + body.ID
}

// outsiders are permissions of the file itself: the anonymous link and those of
// one partner.
func outsiders(l *lab, file string) []string {
	drive, item, _ := strings.Cut(itemOf(l, file), "/")
	var body struct {
		Value []struct {
			ID            string
			InheritedFrom any
			Link          *struct{ Scope string }
			GrantedToV2   *struct{ User, SiteUser *struct{ Email string } }
		}
	}
	l.get("/v1.0/drives/"+drive+"/items/"+item+"/permissions", &body)
	var ids []string
	for _, p := range body.Value {
		anonymous := p.Link != nil && p.Link.Scope == "anonymous"
		partner := p.GrantedToV2 != nil && p.GrantedToV2.User != nil && strings.HasSuffix(p.GrantedToV2.User.Email, "@fabrikam.example")
		if p.InheritedFrom == nil && (anonymous || partner) {
			ids = append(ids, p.ID)
		}
	}
	if len(ids) < 2 {
		l.t.Fatalf("%s has %d permissions to take away, want 2 or more", file, len(ids))
	}
	return ids
}

// weatherFault is one entry of POST /practice/faults.
type weatherFault struct {
	Method     string            `json:"method,omitempty"`
	Path       string            `json:"path"`
	Times      int               `json:"times,omitempty"`
	Status     int               `json:"status,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       any               `json:"body,omitempty"`
	Zeros      int               `json:"zeros,omitempty"`
	Cut        string            `json:"cut,omitempty"`
	StaleReads int               `json:"stale_reads,omitempty"`
}

// weather is something that goes wrong, and what every action promises then.
type weather struct {
	faults []weatherFault // without a path: the action's own request
	// later is set in their place once the run waits for the first time.
	later []weatherFault
	judge func(*testing.T, outcomeOf)
}

// outcomeOf is what there is to judge.
type outcomeOf struct {
	lab    *lab
	action actions.Action
	use    use
	run    engine.Run
	// sent are the changing requests that the tenant saw, by effect. One that
	// is cut before the tenant saw it is not among them.
	sent map[string][]sending
}

const asked = 90 * time.Second // what Retry-After says

func on(f ...weatherFault) []weatherFault { return f }

func weathers() map[string]weather {
	all := faults()
	if testing.Short() { // under the race detector, which looks for other things
		maps.DeleteFunc(all, func(name string, _ weather) bool {
			return !slices.Contains([]string{"fair", "throttled", "cut after applied", "cut after applied, then 503 on the looks"}, name)
		})
		return all
	}
	maps.Copy(all, answers())
	return all
}

func faults() map[string]weather {
	return map[string]weather{
		"fair": {judge: sentOnce},
		"throttled": {
			faults: on(weatherFault{Status: 429, Times: 2, Headers: map[string]string{"Retry-After": "90"}}), judge: waitedAsAsked,
		},
		"503 twice":              {faults: on(weatherFault{Status: 503, Times: 2}), judge: allDone},
		"503 on the first looks": {faults: on(weatherFault{Method: http.MethodGet, Path: "/**", Status: 503, Times: 2}), judge: sentOnce},
		"cut before applied":     {faults: on(weatherFault{Cut: "before", Times: 1}), judge: sentOnce},
		"cut after applied":      {faults: on(weatherFault{Cut: "after", Times: 1}), judge: sentOnce},
		"cut in the answer":      {faults: on(weatherFault{Cut: "middle", Times: 1}), judge: sentOnce},
		"cut after applied, then stale reads": {
			faults: on(weatherFault{Cut: "after", Times: 1, StaleReads: 1}), judge: repeatedAsDeclared,
		},
		"cut after applied, then 503 on the looks": {
			faults: on(weatherFault{Cut: "after", Times: 1}),
			later:  on(weatherFault{Method: http.MethodGet, Path: "/**", Status: 503, Times: 2}), judge: sentOnce,
		},
		"cut after applied, and nobody may look": {
			faults: on(weatherFault{Cut: "after", Times: 1}),
			later:  on(weatherFault{Method: http.MethodGet, Path: "/**", Status: 403}), judge: unknownOrRepeated,
		},
		"forbidden": {faults: on(weatherFault{Status: 403}), judge: notDone},
	}
}

// TestEveryActionUnderEveryFault drives each action of this build through the
// engine against a tenant on which something goes wrong.
func TestEveryActionUnderEveryFault(t *testing.T) {
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	table := uses()
	for name := range table {
		if _, ok := catalog.Lookup(name); !ok {
			t.Errorf("%s is not an action of this build", name)
		}
	}
	for action := range catalog.All() {
		u, ok := table[action.Name]
		if !ok {
			t.Errorf("%s is used under no fault: add it to uses", action.Name)
			continue
		}
		for name, w := range weathers() {
			if downloads(action) && name == "cut after applied, and nobody may look" {
				continue // to look is what it does
			}
			t.Run(action.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				under(t, action, u, w, nil)
			})
		}
	}
}

// TestEveryActionUnderEveryFaultInABatch does the same to the actions of Graph
// where each of its requests goes in a batch: the faults strike within.
func TestEveryActionUnderEveryFaultInABatch(t *testing.T) {
	catalog, err := catalogOf(clients{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	together := &connectors.Options{Batching: &connectors.Batching{Path: "$batch", Most: 20}}
	n := 0
	for action := range catalog.All() {
		u := uses()[action.Name]
		if !strings.HasPrefix(u.path, "/v1.0/") || downloads(action) || strings.HasPrefix(action.Name, "hunting.") {
			continue
		}
		n++
		for name, w := range faults() {
			t.Run(action.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				under(t, action, u, w, together)
			})
		}
	}
	if n < 30 {
		t.Errorf("only %d actions of Graph", n)
	}
}

// under runs one action under one fault and judges.
func under(t *testing.T, action actions.Action, u use, w weather, o *connectors.Options) {
	l := openLab(t, practice.FullApp(), o)
	with := u.with(l)
	for i, f := range w.faults {
		if f.Path == "" {
			w.faults[i].Method, w.faults[i].Path = u.method, u.path
		}
	}
	l.breaks(w.faults)
	if w.later != nil {
		var once sync.Once
		l.store.waiting = func(time.Duration) { once.Do(func() { l.breaks(w.later) }) }
	}
	id := l.begin(action.Name, with)
	v := outcomeOf{lab: l, action: action, use: u, sent: map[string][]sending{}}
	v.run = l.await(id, func(r engine.Run) bool {
		return r.Ended() || slices.ContainsFunc(r.Steps, func(s engine.Step) bool { return s.Status == "unknown" })
	})
	for _, s := range l.sent.all() {
		if s.method != http.MethodGet {
			v.sent[s.id] = append(v.sent[s.id], s)
		}
	}
	w.judge(t, v)
	if (l.batches.Load() > 0) != (o != nil) {
		t.Errorf("%d batches", l.batches.Load())
	}
	l.settledIntents()
}

func (v outcomeOf) reads() bool { return v.action.Class == actions.Reads }

func (v outcomeOf) mayRepeat() bool { return v.action.Repeat != actions.RepeatNever }

// allDone: the run has succeeded, each effect happened, once.
func allDone(t *testing.T, v outcomeOf) {
	t.Helper()
	if v.run.Status != "succeeded" {
		t.Fatalf("the run is %s: %v; effects: %s", v.run.Status, v.run.Error, statuses(v.run))
	}
	if got := statuses(v.run); strings.Trim(got, "done ") != "" || v.reads() != (got == "") {
		t.Errorf("effects: %q, want all done", got)
	}
	v.lab.audited(v.run, v.use.skip, false)
}

// sentOnce: and nothing was sent twice that the tenant had taken.
func sentOnce(t *testing.T, v outcomeOf) {
	t.Helper()
	if blind(v.action) {
		repeatedAsDeclared(t, v)
		return
	}
	allDone(t, v)
	for _, e := range effects(v.run) {
		if n := len(v.sent[e.ID]); n != 1 {
			t.Errorf("%s on %s was sent %d times, want once", e.Action, e.Target.Name, n)
		}
	}
}

// waitedAsAsked: no request came again before the time that the tenant named.
func waitedAsAsked(t *testing.T, v outcomeOf) {
	t.Helper()
	allDone(t, v)
	all, throttled := v.lab.sent.all(), 0
	for i, s := range all {
		if !s.faulty {
			continue
		}
		throttled++
		for _, next := range all[i+1:] {
			if next.method == s.method && next.path == s.path {
				if waited := next.at.Sub(s.at); waited < asked {
					t.Errorf("%s came again after %s, the tenant asked for %s", s.path, waited, asked)
				}
				break
			}
		}
	}
	if throttled != 2 {
		t.Errorf("throttled %d times, want 2", throttled)
	}
}

// repeatedAsDeclared: what looks as if it had not happened is sent again only
// by actions that declare so.
func repeatedAsDeclared(t *testing.T, v outcomeOf) {
	t.Helper()
	if v.run.Status != "succeeded" {
		t.Fatalf("the run is %s: %v; effects: %s", v.run.Status, v.run.Error, statuses(v.run))
	}
	v.lab.audited(v.run, v.use.skip, v.mayRepeat())
	for _, e := range effects(v.run) {
		if n := len(v.sent[e.ID]); n != 1 && !v.mayRepeat() {
			t.Errorf("%s on %s was sent %d times, and declares repeat: %s", e.Action, e.Target.Name, n, v.action.Repeat)
		}
		if e.Status != actions.Done {
			t.Errorf("%s on %s is %s, want done: it was ours, undo must find it", e.Action, e.Target.Name, e.Status)
		}
	}
}

// notDone: nothing happened, and the error names the permission.
func notDone(t *testing.T, v outcomeOf) {
	t.Helper()
	if v.run.Status != "failed" || v.run.Error == nil || v.run.Error.Code != "forbidden" {
		t.Fatalf("the run is %s: %+v, want failed: forbidden", v.run.Status, v.run.Error)
	}
	if len(v.action.Permissions) > 0 && !slices.ContainsFunc(v.action.Permissions, func(p actions.Permission) bool { return strings.Contains(v.run.Error.Message, p.Name) }) {
		t.Errorf("the error names none of %v: %s", v.action.Permissions, v.run.Error.Message)
	}
	for i, e := range effects(v.run) {
		if i == 0 && e.Status != actions.NotDone || i > 0 && e.Status != actions.Planned && e.Status != actions.NotDone {
			t.Errorf("effect %d is %s, want not_done", i, e.Status)
		}
	}
	v.lab.audited(v.run, v.use.skip, false)
}

// unknownOrRepeated: what nobody can tell waits for a person, and is sent again
// before only by actions that declare so.
func unknownOrRepeated(t *testing.T, v outcomeOf) {
	t.Helper()
	v.lab.audited(v.run, v.use.skip, v.mayRepeat())
	if v.run.Ended() {
		if !v.reads() && !v.mayRepeat() {
			t.Errorf("the run is %s, effects: %s; want one that waits as unknown", v.run.Status, statuses(v.run))
		}
		return
	}
	v.lab.settledIntents()
	v.lab.breaks(nil)
	if err := v.lab.engine.Resolve(t.Context(), v.run.ID, "it", true, "operator:alice"); err != nil {
		t.Fatal(err)
	}
	v.run = v.lab.await(v.run.ID, engine.Run.Ended)
	if got := statuses(v.run); v.run.Status != "succeeded" || strings.Trim(got, "done ") != "" {
		t.Errorf("resolved as done, the run is %s: %v; effects: %s", v.run.Status, v.run.Error, got)
	}
	v.lab.audited(v.run, v.use.skip, v.mayRepeat())
	for _, e := range effects(v.run) {
		if n := len(v.sent[e.ID]); n > 1 && !v.mayRepeat() {
			t.Errorf("%s on %s was sent %d times, want once", e.Action, e.Target.Name, n)
		}
	}
}

// TestCancelLeavesNoEffectInDoubt cancels a run between a request of which
// nobody could tell and its repetition: a person has to say what became of it.
func TestCancelLeavesNoEffectInDoubt(t *testing.T) {
	l := openLab(t, practice.FullApp(), nil)
	u := uses()["incidents.comment"]
	with := u.with(l)
	l.breaks([]weatherFault{{Method: u.method, Path: u.path, Cut: "after", Times: 1}, {Method: u.method, Path: u.path, Status: 503}})
	waits := 0
	l.store.waiting = func(time.Duration) {
		switch waits++; waits {
		case 1: // before the look
			l.breaks([]weatherFault{{Path: "/**", Status: 403}})
		case 2: // before it is sent again
			if err := l.engine.Cancel(t.Context(), *l.store.run.Load(), "operator:alice", "enough"); err != nil {
				t.Error(err)
			}
		}
	}
	id := l.begin("incidents.comment", with)
	run := l.await(id, func(r engine.Run) bool { return r.Ended() || statuses(r) == "unknown" })
	if run.Ended() || len(run.WaitsFor) == 0 || !strings.Contains(run.WaitsFor[0], "a person") {
		t.Fatalf("the run is %s and waits for %v; effects: %s", run.Status, run.WaitsFor, statuses(run))
	}
	if err := l.engine.Resolve(t.Context(), id, "it", true, "operator:alice"); err != nil {
		t.Fatal(err)
	}
	if run = l.await(id, engine.Run.Ended); run.Status != "cancelled" || statuses(run) != "done" {
		t.Errorf("the run is %s, effects: %s; want cancelled, done", run.Status, statuses(run))
	}
	l.audited(run, 0, false)
}

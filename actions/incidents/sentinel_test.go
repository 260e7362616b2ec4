package incidents_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"stanch/actions"
	"stanch/actions/incidents"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

const (
	insights = "/subscriptions/" + practice.ContosoSubscription + "/resourceGroups/" + practice.ContosoResourceGroup +
		"/providers/Microsoft.OperationalInsights/workspaces/" + practice.ContosoWorkspace + "/providers/Microsoft.SecurityInsights/incidents"
	version      = "?api-version=2024-09-01"
	oneIncident  = "/subscriptions/**/incidents/*"
	oneComment   = "/subscriptions/**/incidents/*/comments/*"
	dana         = "dana.officer@contoso.example"
	sentinelBase = "sentinel/" + practice.ContosoWorkspace + "/"
)

type azureIncident struct {
	Name, ETag string
	Properties map[string]any
}

// there is the incident that first names as Sentinel has it.
func there(x *shelftest.Tenant) azureIncident {
	var body struct{ Value []azureIncident }
	number := strings.TrimPrefix(first(x), "defender/")
	raw := x.Call("GET", insights+version+"&$filter=properties/providerIncidentId%20eq%20'"+number+"'", "")
	if err := json.Unmarshal(raw, &body); err != nil || len(body.Value) != 1 {
		panic(fmt.Sprintf("Sentinel has %d such incidents: %v", len(body.Value), err))
	}
	return body.Value[0]
}

func sentinelID(x *shelftest.Tenant) string { return sentinelBase + there(x).Name }

// write changes properties of the incident in Sentinel as somebody else would;
// nil takes one away.
func write(x *shelftest.Tenant, change map[string]any) {
	in := there(x)
	for k, v := range change {
		if in.Properties[k] = v; v == nil {
			delete(in.Properties, k)
		}
	}
	raw, err := json.Marshal(map[string]any{"etag": in.ETag, "properties": in.Properties})
	if err != nil {
		panic(err)
	}
	x.Call("PUT", insights+"/"+in.Name+version, string(raw))
}

// onSentinel are params about the incident in Sentinel, after change was
// written there.
func onSentinel(more, change map[string]any) func(*shelftest.Tenant) any {
	return func(x *shelftest.Tenant) any {
		if change != nil {
			write(x, change)
		}
		p := map[string]any{"incident": sentinelID(x)}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
}

func labels(names ...string) []map[string]string {
	out := []map[string]string{}
	for _, n := range names {
		out = append(out, map[string]string{"labelName": n})
	}
	return out
}

func TestEveryActionOnSentinel(t *testing.T) {
	closed := map[string]any{"status": "Closed", "classification": "FalsePositive", "classificationReason": "IncorrectAlertLogic"}
	for name, c := range map[string]shelftest.Case{
		"status":   {Action: "incidents.update", Params: onSentinel(map[string]any{"status": "inProgress", "severity": "low"}, nil)},
		"closed":   {Action: "incidents.update", Params: onSentinel(map[string]any{"status": "resolved"}, nil)},
		"verdict":  {Action: "incidents.update", Params: onSentinel(map[string]any{"classification": "truePositive"}, closed), Begun: 1},
		"assign":   {Action: "incidents.assign", Params: onSentinel(map[string]any{"to": dana}, nil)},
		"reassign": {Action: "incidents.assign", Params: onSentinel(map[string]any{"to": dana}, map[string]any{"owner": map[string]string{"userPrincipalName": "omar.officer@contoso.example"}}), Begun: 1},
		"tag":      {Action: "incidents.tag", Params: onSentinel(map[string]any{"add": []string{"a", "ours", "ours"}}, map[string]any{"labels": labels("a")}), Begun: 1},
		"untag":    {Action: "incidents.untag", Params: onSentinel(map[string]any{"remove": []string{"b", "never"}}, map[string]any{"labels": labels("a", "b")}), Begun: 1},
		"comment":  {Action: "incidents.comment", Path: oneComment, Params: onSentinel(map[string]any{"text": "Seen <b>by</b> [us](javascript:x)"}, nil), Always: true},
		"resolve":  {Action: "incidents.resolve", Params: onSentinel(map[string]any{"classification": "falsePositive", "determination": "incorrectAlertLogic"}, nil)},
		"reopen":   {Action: "incidents.reopen", Params: onSentinel(nil, closed), Begun: 1},
	} {
		c.Shelves, c.Method = shelf, http.MethodPut
		if c.Path == "" {
			c.Path = oneIncident
		}
		t.Run(name, c.Check)
	}
}

func TestUntagAndReopenOnDefender(t *testing.T) {
	before := func(body string, more map[string]any) func(*shelftest.Tenant) any {
		return func(x *shelftest.Tenant) any {
			patch(x, body)
			return with(more)(x)
		}
	}
	for _, c := range []shelftest.Case{
		{Action: "incidents.untag", Params: before(`{"customTags":["a","b"]}`, map[string]any{"remove": []string{"b"}})},
		{Action: "incidents.reopen", Params: before(`{"status":"resolved","classification":"truePositive"}`, map[string]any{"status": "inProgress"})},
	} {
		c.Shelves, c.Method, c.Path, c.Begun = shelf, http.MethodPatch, "/v1.0/security/incidents/*", 1
		t.Run(c.Action, c.Check)
	}
}

// What is written in Sentinel is in Defender's words there.
func TestWhatIsDoneInSentinelShowsInDefender(t *testing.T) {
	d := open(t)
	r := d.Must("incidents.resolve", onSentinel(map[string]any{"classification": "informationalExpectedActivity", "comment": "Planned <i>test</i>."}, nil)(d.Tenant))
	id, twin := sentinelID(d.Tenant), first(d.Tenant) // the feed of Defender sees it, too
	want := id + ` status="resolved" ` + twin + ` status="resolved" ` +
		id + ` classification="informationalExpectedActivity" ` + twin + ` classification="informationalExpectedActivity" ` +
		id + ` determination="suspiciousButExpected" ` + twin + ` determination="unknown"`
	if got := own(r.Effects[1]); got != want {
		t.Errorf("own %s,\nwant %s", got, want)
	}
	text := ` comments=["Planned \u0026lt;i\u0026gt;test\u0026lt;/i\u0026gt;."]`
	if got, want := own(r.Effects[0]), id+text+" "+twin+text; got != want {
		t.Errorf("own %s,\nwant %s", got, want)
	}
	raw, err := d.Read("incidents.get", map[string]any{"incident": first(d.Tenant)})
	if err != nil {
		t.Fatal(err)
	}
	got := shelftest.Into[struct {
		Status, Classification string
		Comments               []struct{ Text string }
	}](t, raw)
	if got.Status != "resolved" || got.Classification != "informationalExpectedActivity" || len(got.Comments) != 1 || !strings.Contains(got.Comments[0].Text, "&lt;i&gt;") {
		t.Errorf("%+v", got)
	}
}

func TestGetFromSentinelIsTheSameIncident(t *testing.T) {
	d := open(t)
	say(d.Tenant, "hello")
	type model struct {
		ID, Source, Status, Title string
		Policies                  []string
		Alerts                    []struct{ Title string }
		Comments                  []struct{ Text string }
		Evidence                  struct {
			Files []struct{ URL, Path string }
			Users []struct{ UPN string }
		}
	}
	read := func(id string) model {
		raw, err := d.Read("incidents.get", map[string]any{"incident": id})
		if err != nil {
			t.Fatal(err)
		}
		out := shelftest.Into[model](t, raw)
		files := out.Evidence.Files // by ids, of which those of devices differ
		slices.SortFunc(files, func(a, b struct{ URL, Path string }) int { return strings.Compare(a.URL+a.Path, b.URL+b.Path) })
		return out
	}
	a, b := read(first(d.Tenant)), read(sentinelID(d.Tenant))
	if b.ID != sentinelID(d.Tenant) || b.Source != "sentinel" {
		t.Errorf("%s from %s", b.ID, b.Source)
	}
	b.ID, b.Source = a.ID, a.Source
	if got, want := fmt.Sprintf("%+v", b), fmt.Sprintf("%+v", a); got != want {
		t.Errorf("from Sentinel\n%s\nfrom Defender\n%s", got, want)
	}
}

// between runs do once, right after our app has read the incident for a write.
func between(t *testing.T, times int32, do func(*shelftest.Tenant)) (*shelftest.Desk, *atomic.Bool) {
	t.Helper()
	var armed atomic.Bool
	var left atomic.Int32
	left.Store(times)
	var x *shelftest.Tenant
	x = shelftest.Start(t, practice.Options{Observe: func(e practice.Exchange) {
		if e.Status < 300 && !e.Faulty {
			if err := practicetest.CheckRequest(e); err != nil {
				t.Error(err)
			}
		}
		ours := strings.HasSuffix(e.Route, "/incidents/{incident}") && e.Request.Method == http.MethodGet
		if ours && armed.Load() && left.Add(-1) >= 0 {
			do(x)
		}
	}})
	return x.Open(shelf(x.Full)...), &armed
}

// perform does the one effect of a plan. Others write at the same time, so that
// the audit holds more than ours.
func perform(t *testing.T, r shelftest.Run) shelftest.Run {
	e := &r.Effects[0]
	out, err := r.Action.Do(t.Context(), actions.Call{Sending: actions.Sending{ID: e.ID}}, *e)
	switch r.Err = err; {
	case err != nil:
		e.Status = actions.NotDone
	case out.AlreadySo:
		e.Status = actions.AlreadySo
	default:
		e.Status = actions.Done
	}
	if out.After != nil {
		e.After = out.After
	}
	return r
}

// Somebody writes other fields between our read and our write: both stand.
func TestAConflictIsMergedWhereNobodyTouchedOurFields(t *testing.T) {
	d, armed := between(t, 3, func(x *shelftest.Tenant) { say(x, "me, too") })
	r := d.Plan("incidents.update", onSentinel(map[string]any{"status": "inProgress"}, nil)(d.Tenant))
	patch(d.Tenant, `{"assignedTo":"omar.officer@contoso.example","customTags":["theirs"]}`)
	armed.Store(true)
	act := perform(t, r)
	if act.Err != nil || act.Statuses() != "done" {
		t.Fatalf("%v, statuses %q", act.Err, act.Statuses())
	}
	p := there(d.Tenant).Properties
	if p["status"] != "Active" || fmt.Sprint(p["labels"]) != "[map[labelName:theirs labelType:User]]" || p["owner"].(map[string]any)["userPrincipalName"] != "omar.officer@contoso.example" {
		t.Errorf("incident: %v", p)
	}
}

func TestAConflictAboutOurFieldsIsTold(t *testing.T) {
	d, armed := between(t, 1, func(x *shelftest.Tenant) { patch(x, `{"status":"resolved","classification":"falsePositive"}`) })
	r := d.Plan("incidents.update", onSentinel(map[string]any{"status": "inProgress"}, nil)(d.Tenant))
	armed.Store(true)
	act := perform(t, r)
	if shelftest.Code(act.Err) != "conflict" || shelftest.Unsure(act.Err) || !strings.Contains(act.Err.Error(), "status was active when it was looked at and is resolved now") {
		t.Errorf("error %v", act.Err)
	}
	if p := there(d.Tenant).Properties; p["status"] != "Closed" {
		t.Errorf("status %v", p["status"])
	}
}

func TestAConflictWithTheSameWishIsAlreadySo(t *testing.T) {
	d, armed := between(t, 1, func(x *shelftest.Tenant) { patch(x, `{"status":"inProgress"}`) })
	r := d.Plan("incidents.update", onSentinel(map[string]any{"status": "inProgress"}, nil)(d.Tenant))
	armed.Store(true)
	if act := perform(t, r); act.Err != nil || act.Statuses() != string(actions.AlreadySo) {
		t.Errorf("%v, statuses %q", act.Err, act.Statuses())
	}
}

func TestTagsOfOthersSurviveAConflict(t *testing.T) {
	d, armed := between(t, 1, func(x *shelftest.Tenant) { patch(x, `{"customTags":["theirs"]}`) })
	r := d.Plan("incidents.tag", onSentinel(map[string]any{"add": []string{"ours"}}, nil)(d.Tenant))
	armed.Store(true)
	if act := perform(t, r); act.Err != nil || string(act.Effects[0].After) != `{"tags":["theirs","ours"]}` {
		t.Errorf("%v, after %s", act.Err, act.Effects[0].After)
	}
}

func TestAnIncidentThatIsNeverStillIsGivenUp(t *testing.T) {
	n := 0
	d, armed := between(t, 100, func(x *shelftest.Tenant) { n++; say(x, fmt.Sprint(n)) })
	r := d.Plan("incidents.update", onSentinel(map[string]any{"status": "inProgress"}, nil)(d.Tenant))
	armed.Store(true)
	act := perform(t, r)
	armed.Store(false)
	if wait, ok := shelftest.RetryAfter(act.Err); shelftest.Code(act.Err) != "conflict" || !ok || wait == 0 || n != 5 {
		t.Errorf("error %v after %d tries", act.Err, n)
	}
	if p := there(d.Tenant).Properties; p["status"] != "New" {
		t.Errorf("status %v", p["status"])
	}
}

// A stale read does no harm: the write over it is refused, and read again.
func TestAStaleReadIsNotWrittenOver(t *testing.T) {
	d := open(t)
	r := d.Plan("incidents.tag", onSentinel(map[string]any{"add": []string{"ours"}}, nil)(d.Tenant))
	patch(d.Tenant, `{"customTags":["theirs"]}`)
	d.Tenant.Break(shelftest.Fault{Method: "GET", Path: oneIncident, Times: 1, StaleReads: 1})
	if act := d.Perform(r); act.Err != nil || string(act.Effects[0].After) != `{"tags":["theirs","ours"]}` {
		t.Errorf("%v, after %s", act.Err, act.Effects[0].After)
	}
}

func TestTagsThatSentinelSetsStay(t *testing.T) {
	d := open(t)
	d.Tenant.Inject(`{"displayName":"x","systemTags":["auto"],"customTags":["a"]}`)
	r := d.Must("incidents.untag", onSentinel(map[string]any{"remove": []string{"a", "auto"}}, nil)(d.Tenant))
	if out := shelftest.Into[struct{ Tags, Removed []string }](t, r.Output); len(out.Tags) != 0 || !slices.Equal(out.Removed, []string{"a"}) {
		t.Errorf("output %s", r.Output)
	}
	if p := there(d.Tenant).Properties; fmt.Sprint(p["labels"]) != "[map[labelName:auto labelType:AutoAssigned]]" {
		t.Errorf("labels %v", p["labels"])
	}
}

func TestReopenTakesTheVerdictAwayAndUndoGivesItBack(t *testing.T) {
	d := open(t)
	write(d.Tenant, map[string]any{"status": "Closed", "classification": "FalsePositive", "classificationReason": "IncorrectAlertLogic", "classificationComment": "tuned"})
	r := d.Must("incidents.reopen", onSentinel(map[string]any{"comment": "not so"}, nil)(d.Tenant))
	if p := there(d.Tenant).Properties; p["status"] != "New" || p["classification"] != nil || p["classificationReason"] != nil {
		t.Errorf("reopened: %v", p)
	}
	if !strings.Contains(string(r.Output), `"commented":true`) {
		t.Errorf("output %s", r.Output)
	}
	d.Undo(r)
	if p := there(d.Tenant).Properties; p["status"] != "Closed" || p["classificationReason"] != "IncorrectAlertLogic" || p["classificationComment"] != "tuned" {
		t.Errorf("undone: %v", p)
	}
	open := d.Must("incidents.reopen", with(nil)(d.Tenant))
	if len(open.Effects) != 1 { // on Defender it is resolved now
		t.Errorf("effects %+v", open.Effects)
	}
	if again := d.Must("incidents.reopen", with(nil)(d.Tenant)); len(again.Effects) != 0 {
		t.Errorf("reopened twice: %+v", again.Effects)
	}
}

func TestSentinelRefusesWhatItDoesNotHave(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		action string
		params map[string]any
		want   string
	}{
		{"incidents.update", map[string]any{"classification": "truePositive"}, "only of an incident that is closed"},
		{"incidents.update", map[string]any{"severity": "unknown"}, "expected one of"},
		{"incidents.resolve", map[string]any{"classification": "truePositive", "determination": "inaccurateData"}, "does not go with"},
		{"incidents.resolve", map[string]any{"classification": "truePositive", "determination": "compromisedUser"}, "expected one of"},
		{"incidents.assign", map[string]any{"to": "the night shift"}, "user principal name"},
		{"incidents.untag", map[string]any{"remove": []string{}}, "remove is empty"},
		{"incidents.untag", map[string]any{"remove": []string{"a", ""}}, "remove[1] is empty"},
		{"incidents.reopen", map[string]any{"status": "resolved"}, "expected one of"},
	} {
		r := d.Do(c.action, onSentinel(c.params, nil)(d.Tenant))
		if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%s %v: %v; want invalid: %s", c.action, c.params, r.Err, c.want)
		}
	}
	r := d.Do("incidents.assign", onSentinel(map[string]any{"to": "nobody@contoso.example"}, nil)(d.Tenant))
	if shelftest.Code(r.Err) != "invalid" || r.Statuses() != "not_done" {
		t.Errorf("assigned to nobody: %v, %s", r.Err, r.Statuses())
	}
	if r := d.Do("incidents.comment", map[string]any{"incident": sentinelBase + "00000000-0000-0000-0000-000000000001", "text": "x"}); shelftest.Code(r.Err) != "not_found" {
		t.Errorf("gone: %v", r.Err)
	}
	without := d.Tenant.Open(incidents.Shelf{Graph: d.Tenant.Full.Graph})
	for action, p := range map[string]map[string]any{"incidents.get": {"incident": sentinelID(d.Tenant)}, "incidents.list": {"source": "sentinel"}} {
		if _, err := without.Read(action, p); shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "no workspace of Sentinel is configured") {
			t.Errorf("%s without a workspace: %v", action, err)
		}
	}
}

func TestALongCommentIsCutForSentinel(t *testing.T) {
	d := open(t)
	r := d.Must("incidents.comment", onSentinel(map[string]any{"text": strings.Repeat("ä<", 20_000)}, nil)(d.Tenant))
	var own []string
	if err := json.Unmarshal(r.Effects[0].Own[0].Value, &own); err != nil {
		t.Fatal(err)
	}
	if n := len([]rune(own[0])); n > 30_000 || n < 29_980 || !strings.HasSuffix(own[0], " … (cut)") || strings.Contains(own[0], "<") {
		t.Errorf("%d characters, ends with %q", n, own[0][len(own[0])-20:])
	}
}

func TestList(t *testing.T) {
	d := open(t)
	d.Tenant.Inject(`{"displayName":"quiet","severity":"low","status":"inProgress","customTags":["a"],"assignedTo":"` + dana + `"}`)
	type out struct {
		Incidents []struct{ ID, Title, Status string }
		More      bool
	}
	for _, c := range []struct {
		params map[string]any
		titles int
		more   bool
	}{
		{map[string]any{}, 4, false},
		{map[string]any{"limit": 2}, 2, true},
		{map[string]any{"limit": 4}, 4, false},
		{map[string]any{"status": "inprogress"}, 1, false},
		{map[string]any{"severity": "low", "tag": "a", "assigned_to": dana}, 1, false},
		{map[string]any{"tag": "none"}, 0, false},
		{map[string]any{"service_source": "dataLossPrevention"}, 3, false},
		{map[string]any{"changed_since": "2100-01-01T00:00:00Z"}, 0, false},
		{map[string]any{"changed_since": "2020-01-01T00:00:00Z", "status": "inProgress"}, 1, false},
	} {
		for _, source := range []string{"defender", "sentinel"} {
			c.params["source"] = source
			raw, err := d.Read("incidents.list", c.params)
			if err != nil {
				t.Errorf("%v: %v", c.params, err)
				continue
			}
			got := shelftest.Into[out](t, raw)
			if len(got.Incidents) != c.titles || got.More != c.more {
				t.Errorf("%v: %s", c.params, raw)
			}
			for _, in := range got.Incidents {
				if !strings.HasPrefix(in.ID, source+"/") {
					t.Errorf("%v: %s", c.params, in.ID)
				}
			}
		}
	}
	raw, err := d.Read("incidents.list", map[string]any{"policy": "payroll data shared outside"})
	if got := shelftest.Into[out](t, raw); err != nil || len(got.Incidents) != 1 {
		t.Errorf("by policy: %v, %s", err, raw)
	}
	for want, p := range map[string]map[string]any{
		"limit is 501":               {"limit": 501},
		"limit is -1":                {"limit": -1},
		"expected one of":            {"status": "open"},
		"does not tell which policy": {"source": "sentinel", "policy": "x"},
		"source is":                  {"source": "jira"},
	} {
		if _, err := d.Read("incidents.list", p); shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v; want invalid: %s", p, err, want)
		}
	}
	// Text of a playbook stays text in the filter.
	if raw, err := d.Read("incidents.list", map[string]any{"assigned_to": "x' or status eq 'active"}); err != nil || len(shelftest.Into[out](t, raw).Incidents) != 0 {
		t.Errorf("%v, %s", err, raw)
	}
}

// To read is counted by the API that has the incident, too.
func TestReadsAreCountedByTheirAPI(t *testing.T) {
	d := open(t)
	for _, id := range []string{first(d.Tenant), sentinelID(d.Tenant)} {
		source, _, _ := strings.Cut(id, "/")
		d.ReadCosts(t, "incidents.get", map[string]any{"incident": id})
		d.ReadCosts(t, "incidents.list", map[string]any{"source": source})
	}
}

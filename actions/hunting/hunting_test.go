package hunting_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"stanch/actions/hunting"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const (
	payroll   = "dl53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf"
	downloads = "dl911bc169-4934-4699-b933-9641099176f0"
)

// tenant is one whose clock stands three days after the incidents.
func tenant(t *testing.T) *shelftest.Tenant {
	return shelftest.Start(t, practice.Options{Now: func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }})
}

func open(x *shelftest.Tenant, c shelftest.Clients) *shelftest.Desk {
	return x.Open(hunting.Shelf{Graph: c.Graph, Logs: c.Logs})
}

func desk(t *testing.T) *shelftest.Desk {
	x := tenant(t)
	return open(x, x.Full)
}

type answer struct {
	Columns   []struct{ Name, Type string }
	Rows      []map[string]any
	Count     int
	Truncated bool
}

func read(t *testing.T, d *shelftest.Desk, action string, params any) answer {
	t.Helper()
	raw, err := d.Read(action, params)
	if err != nil {
		t.Fatal(err)
	}
	return shelftest.Into[answer](t, raw)
}

func workspace() string { return practice.LogWorkspaceID(practice.ContosoTenantID) }

// The query of Microsoft's page (testdata/portal.kql), with the alert's id
// filled in and nothing else changed, through both services.
func TestThePortalsQueryFindsThePlantedActivities(t *testing.T) {
	text, err := os.ReadFile("testdata/portal.kql")
	if err != nil {
		t.Fatal(err)
	}
	d := desk(t)
	for alert, want := range map[string]int{payroll: 1, downloads: 60} {
		query := strings.Replace(string(text), `== ""`, `== "`+alert[2:]+`"`, 1)
		for action, params := range map[string]map[string]any{
			"hunting.query": {"query": query}, "hunting.query_logs": {"query": query, "workspace": workspace()},
		} {
			got := read(t, d, action, params)
			if got.Count != want || len(got.Rows) != want || got.Truncated {
				t.Fatalf("%s: %d rows, want %d", action, got.Count, want)
			}
			if raw := got.Rows[0]["RawEventData"]; raw.(map[string]any)["AlertId"] != alert[2:] {
				t.Errorf("%s: RawEventData is %v", action, raw)
			}
		}
		found := activities(t, d, map[string]any{"alert": alert})
		if len(found.Activities) != want {
			t.Errorf("hunting.alert_activity finds %d, the portal's query %d", len(found.Activities), want)
		}
	}
}

type activity struct {
	At                                                      time.Time
	Action, Operation, User, Name, Object, Policy, Rule, IP string
	Application, Country                                    string
}

type found struct {
	Alert struct {
		ID, Title, Type string
		StartsAt        time.Time `json:"starts_at"`
		EndsAt          time.Time `json:"ends_at"`
	}
	Activities []activity
	Truncated  bool
}

func activities(t *testing.T, d *shelftest.Desk, params any) found {
	t.Helper()
	raw, err := d.Read("hunting.alert_activity", params)
	if err != nil {
		t.Fatal(err)
	}
	return shelftest.Into[found](t, raw)
}

func TestAlertActivityTellsWhoDidWhat(t *testing.T) {
	d := desk(t)
	got := activities(t, d, map[string]any{"alert": payroll})
	if got.Alert.ID != payroll[2:] || !strings.Contains(got.Alert.Title, "Payroll data shared outside") || got.Alert.StartsAt.Format(time.TimeOnly) != "07:38:51" || got.Truncated {
		t.Errorf("%+v", got)
	}
	a := got.Activities[0]
	want := activity{
		At: a.At, Action: "AlertEntityGenerated", Operation: "SharingSet", User: "petra.novak@contoso.example", Name: "Petra Novak",
		Object: "https://contoso.sharepoint.com/sites/payroll/Shared Documents/2026/Payroll November 2026.xlsx", Policy: "Payroll data shared outside",
		Rule: "Payroll data shared outside: high volume", IP: "203.0.113.24", Application: "Microsoft 365", Country: "SE",
	}
	if a != want || a.At.Before(got.Alert.StartsAt) || a.At.After(got.Alert.EndsAt) {
		t.Errorf("%+v\nwant %+v", a, want)
	}
	// By the record of the alert, by Sentinel's id, in the workspace.
	for _, params := range []map[string]any{
		{"alert": map[string]any{"id": payroll, "provider_id": payroll[2:]}}, {"alert": payroll[2:]}, {"alert": strings.ToUpper(payroll)}, {"alert": payroll, "workspace": workspace()},
	} {
		if again := activities(t, d, params); len(again.Activities) != 1 || again.Activities[0] != a {
			t.Errorf("%v: %+v", params, again)
		}
	}
	few := activities(t, d, map[string]any{"alert": downloads, "max_rows": 7})
	if len(few.Activities) != 7 || !few.Truncated || few.Activities[6].At.Before(few.Activities[0].At) {
		t.Errorf("%d activities, truncated %v", len(few.Activities), few.Truncated)
	}
}

func TestAnAlertThatIsNotInTheLogsIsNotFound(t *testing.T) {
	d := desk(t)
	for id, code := range map[string]string{
		"dl00000000-0000-0000-0000-000000000000": "not_found", `x" or true //`: "not_found", "": "invalid", strings.Repeat("x", 300): "invalid",
	} {
		if _, err := d.Read("hunting.alert_activity", map[string]any{"alert": id}); shelftest.Code(err) != code {
			t.Errorf("%.20q: %v; want %s", id, err, code)
		}
	}
	d.Tenant.Advance(40 * 24 * time.Hour)
	if _, err := d.Read("hunting.alert_activity", map[string]any{"alert": payroll}); shelftest.Code(err) != "not_found" || !strings.Contains(err.Error(), "last 30 days") {
		t.Errorf("after 40 days: %v", err)
	}
}

func TestATenantWithoutSentinelIsToldWhatToDo(t *testing.T) {
	d := desk(t)
	d.Tenant.Break(shelftest.Fault{Method: "POST", Path: "/v1.0/security/runHuntingQuery", Status: 400, Body: map[string]any{"error": map[string]any{
		"code": "BadRequest", "message": "'where' operator: Failed to resolve table or column expression named 'SecurityAlert'. Fix semantic errors in your query.",
	}}})
	if _, err := d.Read("hunting.alert_activity", map[string]any{"alert": payroll}); shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "name its workspace") {
		t.Error(err)
	}
}

// An alert of one moment has its activity too.
func TestAnAlertOfOneMoment(t *testing.T) {
	d := desk(t)
	d.Tenant.Inject(`{"displayName":"one moment","createdDateTime":"2026-11-22T10:00:00Z","lastUpdateDateTime":"2026-11-22T10:00:00Z","alerts":[{"id":"dl00000000-0000-4000-8000-000000000001","providerAlertId":"00000000-0000-4000-8000-000000000001",
		"serviceSource":"dataLossPrevention","title":"DLP policy (One) matched for document (a.docx) in SharePoint","firstActivityDateTime":"2026-11-22T09:59:00Z","lastActivityDateTime":"2026-11-22T09:59:00Z",
		"evidence":[{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"a.docx","filePath":"https://contoso.sharepoint.com/sites/sales/Shared Documents"}},
		{"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"userPrincipalName":"sam.ortiz@contoso.example"}}]}]}`)
	got := activities(t, d, map[string]any{"alert": "dl00000000-0000-4000-8000-000000000001"})
	if len(got.Activities) != 1 || got.Activities[0].User != "sam.ortiz@contoso.example" {
		t.Errorf("%+v", got)
	}
}

func TestBoundValuesStayValues(t *testing.T) {
	d := desk(t)
	for _, name := range []string{`x" | take 100; //`, "a\nb", `\`, "'; print 1 //", "\u2028", strings.Repeat(`"\`, 1000)} {
		got := read(t, d, "hunting.query", map[string]any{"query": "print name, n = list[1], l = big", "let": map[string]any{
			"name": name, "list": []any{"a", name}, "big": json.Number("9007199254740993"),
		}})
		if got.Count != 1 || got.Rows[0]["print_0"] != name || got.Rows[0]["n"] != name {
			t.Errorf("%.30q: %v", name, got.Rows)
		}
	}
	raw, err := d.Read("hunting.query", `{"query":"print l = big, t = since + 1h, s = gettype(window)","let":{"big":9007199254740993,"since":"2026-11-20T07:00:00Z","window":"2d"},"types":{"since":"datetime","window":"timespan"}}`)
	if err != nil || !strings.Contains(string(raw), `{"l":9007199254740993,"s":"timespan","t":"2026-11-20T08:00:00Z"}`) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestColumnsAreTyped(t *testing.T) {
	d := desk(t)
	const query = `IdentityInfo | where AccountUpn == upn | project AccountUpn, IsAccountEnabled, CreatedDateTime, n = 1, r = 0.5, bag = dynamic({"k":[1]}), span = 90m, none = toint("x")`
	for action, params := range map[string]map[string]any{
		"hunting.query": {}, "hunting.query_logs": {"workspace": workspace()},
	} {
		params["query"], params["let"] = query, map[string]any{"upn": "sam.ortiz@contoso.example"}
		got := read(t, d, action, params)
		var types []string
		for _, c := range got.Columns {
			types = append(types, c.Name+":"+c.Type)
		}
		if want := "AccountUpn:string IsAccountEnabled:bool CreatedDateTime:datetime n:long r:real bag:dynamic span:timespan none:int"; strings.Join(types, " ") != want {
			t.Errorf("%s: columns %v, want %s", action, types, want)
		}
		raw, _ := json.Marshal(got.Rows)
		if want := `[{"AccountUpn":"sam.ortiz@contoso.example","CreatedDateTime":"2024-01-08T09:00:00Z","IsAccountEnabled":true,"bag":{"k":[1]},"n":1,"none":null,"r":0.5,"span":"01:30:00"}]`; string(raw) != want {
			t.Errorf("%s: rows %s\nwant %s", action, raw, want)
		}
	}
}

func TestRowsAreCappedAndTold(t *testing.T) {
	d := desk(t)
	got := read(t, d, "hunting.query", map[string]any{"query": "range n from 1 to 700 step 1"})
	if got.Count != 500 || !got.Truncated {
		t.Errorf("%d rows, truncated %v", got.Count, got.Truncated)
	}
	if got = read(t, d, "hunting.query", map[string]any{"query": "range n from 1 to 700 step 1", "max_rows": 700}); got.Count != 700 || got.Truncated {
		t.Errorf("%d rows, truncated %v", got.Count, got.Truncated)
	}
	d.Tenant.Break(shelftest.Fault{Method: "POST", Path: "/v1/workspaces/*/query", Status: 200, Body: map[string]any{
		"tables": []any{map[string]any{"name": "PrimaryResult", "columns": []any{map[string]any{"name": "n", "type": "long"}}, "rows": []any{[]any{1}}}},
		"error":  map[string]any{"code": "PartialError", "message": "There were some errors when processing your query."},
	}})
	_, err := d.Read("hunting.query_logs", map[string]any{"workspace": workspace(), "query": "print 1"})
	if shelftest.Code(err) != "limit" || !strings.Contains(err.Error(), "not all rows came") {
		t.Errorf("a partial result: %v; want limit", err)
	}
}

func TestWrongQueriesSayWhere(t *testing.T) {
	d := desk(t)
	for _, c := range []struct {
		action, params, code string
		says                 []string
	}{
		{"hunting.query", `{"query":""}`, "invalid", []string{"query is empty"}},
		{"hunting.query", `{"query":"T","max_rows":10001}`, "invalid", []string{"max_rows is 10001; expected 1 to 10000"}},
		{"hunting.query", `{"query":"print 1","let":{"upn":"x"}}`, "invalid", []string{"let.upn: the query does not use it"}},
		{"hunting.query", `{"query":"print x","let":{"x":"soon"},"types":{"x":"datetime"}}`, "invalid", []string{"let.x: it is no datetime", "2026-11-20T07:38:51Z"}},
		{"hunting.query", `{"query":"CloudAppEvents | wher x","let":{"x":1}}`, "invalid", []string{"could not be parsed at 'wher' on line [2,17]", "begins on line 2"}},
		{"hunting.query", `{"query":"t | take 1","let":{"t":"CloudAppEvents"}}`, "invalid", []string{"'t' is a value; expected a table"}},
		{"hunting.query", `{"query":"print 1","timespan":"a month"}`, "invalid", []string{"ISO 8601"}},
		{"hunting.query_logs", `{"workspace":"contoso","query":"print 1"}`, "invalid", []string{`workspace "contoso" is no workspace id`}},
		{"hunting.query_logs", `{"workspace":"` + workspace() + `","query":"CloudAppEvents\n| where Usr == 1"}`, "invalid", []string{"SEM0100", "named 'Usr'"}},
		{"hunting.query_logs", `{"workspace":"53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf","query":"print 1"}`, "not_found", []string{"WorkspaceNotFoundError"}},
		{"hunting.query", `{"query":"range x from 1 to 100000000 step 1"}`, "invalid", []string{"allowed limits"}},
	} {
		_, err := d.Read(c.action, c.params)
		if shelftest.Code(err) != c.code {
			t.Errorf("%s: %v; want %s", c.params, err, c.code)
			continue
		}
		for _, s := range c.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v; want it to say %s", c.params, err, s)
			}
		}
	}
}

func TestWhoMayNotHuntIsTold(t *testing.T) {
	x := tenant(t)
	d := open(x, x.Reader)
	if got := read(t, d, "hunting.query", map[string]any{"query": "print 1"}); got.Count != 1 {
		t.Error("a reader may hunt")
	}
	x.Break(shelftest.Fault{Method: "POST", Path: "/v1.0/security/runHuntingQuery", Status: 403, Body: map[string]any{"error": map[string]any{"code": "Forbidden", "message": "Missing application roles."}}},
		shelftest.Fault{Method: "POST", Path: "/v1/workspaces/*/query", Status: 403, Body: map[string]any{"error": map[string]any{"code": "InsufficientAccessError", "message": "no"}}})
	for action, want := range map[string]string{"hunting.query": "needs the application permission ThreatHunting.Read.All", "hunting.query_logs": "Log Analytics Reader; it is a role of Azure"} {
		_, err := d.Read(action, map[string]any{"query": "print 1", "workspace": workspace()})
		if action == "hunting.query" {
			_, err = d.Read(action, map[string]any{"query": "print 1"})
		}
		if shelftest.Code(err) != "forbidden" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", action, err, want)
		}
	}
}

// A query is counted by the API that is asked.
func TestQueriesAreCountedByTheirAPI(t *testing.T) {
	d := desk(t)
	d.ReadCosts(t, "hunting.query", map[string]any{"query": "CloudAppEvents | take 1"})
	d.ReadCosts(t, "hunting.query_logs", map[string]any{"query": "CloudAppEvents | take 1", "workspace": workspace()})
	d.ReadCosts(t, "hunting.alert_activity", map[string]any{"alert": payroll})
	d.ReadCosts(t, "hunting.alert_activity", map[string]any{"alert": payroll, "workspace": workspace()})
}

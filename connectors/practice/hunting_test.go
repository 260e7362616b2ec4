package practice_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// portalQuery is the query of Microsoft's page "Investigate data loss incidents
// with Microsoft 365 Defender" (2022-05-23), as published.
const portalQuery = `let Alert = SecurityAlert
| where TimeGenerated > ago(30d)
| where SystemAlertId == ""; // insert the systemAlertID here
CloudAppEvents
| extend correlationId1 = parse_json(tostring(RawEventData.Data)).cid
| extend correlationId = tostring(correlationId1)
| join kind=inner Alert on $left.correlationId == $right.AlertType
| where RawEventData.CreationTime > StartTime and RawEventData.CreationTime < EndTime
`

// The alerts of the built-in incidents.
const (
	payrollAlert  = "53f12236-e5ec-43b3-9d9e-1bae9f3ff8bf"
	downloadAlert = "911bc169-4934-4699-b933-9641099176f0"
)

func asked(query string) string {
	raw, _ := json.Marshal(map[string]string{"Query": query})
	return string(raw)
}

func hunt(c *client, query string) []any {
	c.t.Helper()
	return c.do(200, "POST", "/v1.0/security/runHuntingQuery", asked(query)).body["results"].([]any)
}

func portal(alert string) string {
	return strings.Replace(portalQuery, `SystemAlertId == ""`, `SystemAlertId == "`+alert+`"`, 1)
}

// logsOf are the calls of an app to Log Analytics.
func logsOf(t *testing.T, s *practicetest.Server, app practice.App, query string) (int, map[string]any) {
	t.Helper()
	return postLogs(t, s, s.Token(t, app, practicetest.Logs), practice.LogWorkspaceID(practice.ContosoTenantID), `{"query":`+quoted(query)+`}`)
}

func quoted(s string) string { b, _ := json.Marshal(s); return string(b) }

func postLogs(t *testing.T, s *practicetest.Server, token, workspace, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/workspaces/"+workspace+"/query", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil && err.Error() != "EOF" {
		t.Fatal(err)
	}
	return res.StatusCode, out
}

func TestTheQueryOfThePortalFindsThePlantedActivities(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	for alert, want := range map[string]int{payrollAlert: 1, downloadAlert: 60, "not-an-alert": 0} {
		rows := hunt(c, portal(alert))
		if len(rows) != want {
			t.Errorf("alert %s: %d rows, want %d", alert, len(rows), want)
		}
		for _, r := range rows {
			row := r.(map[string]any)
			if row["SystemAlertId"] != alert || row["ActionType"] != "AlertEntityGenerated" || row["CompromisedEntity"] != row["AccountId"] {
				t.Errorf("row %v", row)
			}
		}
	}
	status, body := logsOf(t, c.s, practice.FullApp(), portal(downloadAlert))
	table := body["tables"].([]any)[0].(map[string]any)
	if status != 200 || len(table["rows"].([]any)) != 60 || table["name"] != "PrimaryResult" {
		t.Errorf("Log Analytics: %d, %d rows", status, len(table["rows"].([]any)))
	}
}

// What looks alike stands beside: the same policy at another time, another
// policy at the same time.
func TestThePortalsQueryNeedsBothOfItsConditions(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	without := strings.Replace(portal(payrollAlert), "| where RawEventData", "// | where RawEventData", 1)
	if n := len(hunt(c, without)); n < 3 {
		t.Errorf("without the times: %d rows, want those of another day too", n)
	}
	wrong := strings.Replace(portal(payrollAlert), "kind=inner Alert on $left.correlationId == $right.AlertType", "kind=inner (Alert | extend k = 1) on $left.k == $right.k", 1)
	wrong = strings.Replace(wrong, "| extend correlationId =", "| where ActionType == 'AlertEntityGenerated' | extend k = 1, correlationId =", 1)
	if n := len(hunt(c, wrong)); n != 2 {
		t.Errorf("without the policy: %d rows, want 2", n)
	}
}

func TestHuntedTablesAreTheSameForTheSameSeed(t *testing.T) {
	clock := newClock()
	one, two := full(t, practice.Options{Now: clock.Now, Seed: 3}), full(t, practice.Options{Now: clock.Now, Seed: 3})
	other := full(t, practice.Options{Now: clock.Now, Seed: 4})
	const query = `union withsource=T (CloudAppEvents | project Timestamp, what = strcat(AccountId, ActionType, ObjectName)),
		(DeviceFileEvents | project Timestamp, what = strcat(DeviceName, FileName, SHA256)) | summarize n = count(), all = hash_sha256(tostring(make_list(what))) by T`
	a, b, c := fmt.Sprint(hunt(one, query)), fmt.Sprint(hunt(two, query)), fmt.Sprint(hunt(other, query))
	if a != b {
		t.Errorf("the same seed: %s and %s", a, b)
	}
	if a == c {
		t.Error("another seed has the same tables")
	}
}

func TestEveryTableHasRowsAndKeepsToItsDays(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	for _, name := range []string{"CloudAppEvents", "AlertInfo", "AlertEvidence", "DeviceFileEvents", "DeviceProcessEvents", "DeviceInfo", "IdentityInfo", "SecurityAlert", "SecurityIncident"} {
		time := "Timestamp"
		if strings.HasPrefix(name, "Security") {
			time = "TimeGenerated"
		}
		row := hunt(c, name+" | summarize n = count(), first = min("+time+"), last = max("+time+")")[0].(map[string]any)
		if row["n"].(float64) < 1 || row["first"].(string) < "2026-10-24T09:00:00" || row["last"].(string) > "2026-11-23T09:00:00.1" {
			t.Errorf("%s: %v", name, row)
		}
	}
	// Mail is older than what is kept by Defender; nothing else has it.
	if n := len(hunt(c, "EmailEvents")); n > 6 {
		t.Errorf("%d rows of mail", n)
	}
	long := c.do(200, "POST", "/v1.0/security/runHuntingQuery", `{"Query":"CloudAppEvents | summarize min(Timestamp)","Timespan":"P2D"}`)
	if first := long.body["results"].([]any)[0].(map[string]any)["min_Timestamp"].(string); first < "2026-11-21T09:00:00" {
		t.Errorf("with a timespan of two days the first row is of %s", first)
	}
}

// What an app changes is found as soon as it is done.
func TestChangesOfAppsAreInTheLogs(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	item := c.file(payrollURL)
	c.do(204, "DELETE", item+"/permissions/"+c.permission(item, scoped("anonymous"))["id"].(string), "")
	rows := hunt(c, `CloudAppEvents | where AccountType == "Application" | project Timestamp, ActionType, AccountDisplayName, ObjectName`)
	if want := "[map[AccountDisplayName:practice-full ActionType:SharingRevoked ObjectName:" + payrollURL + " Timestamp:2026-11-23T09:00:00.0000000Z]]"; fmt.Sprint(rows) != want {
		t.Errorf("rows %v\nwant %s", rows, want)
	}
}

func TestTimespansInEveryForm(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	days := func(first, last string) string { return "map[First:" + first + " Last:" + last + "]" }
	const query = "AlertInfo | summarize First = tostring(startofday(min(Timestamp))), Last = tostring(startofday(max(Timestamp))) | project First = substring(First, 0, 10), Last = substring(Last, 0, 10)"
	for span, want := range map[string]string{
		"P30D": days("2026-11-19", "2026-11-20"), "P3DT1H": days("2026-11-20", "2026-11-20"), "PT1H": days("", ""), "P1M": days("2026-11-19", "2026-11-20"), "P1W": days("2026-11-19", "2026-11-20"),
		"2026-11-20T00:00:00Z":                      days("2026-11-20", "2026-11-20"),
		"2026-11-19T00:00:00Z/2026-11-20T00:00:00Z": days("2026-11-19", "2026-11-19"),
		"P1D/2026-11-20T00:00:00Z":                  days("2026-11-19", "2026-11-19"),
		"2026-11-20/P1D":                            days("2026-11-20", "2026-11-20"),
		"2020-01-01/P1D":                            days("", ""),
	} {
		r := c.do(200, "POST", "/v1.0/security/runHuntingQuery", `{"Query":`+quoted(query)+`,"Timespan":"`+span+`"}`)
		if got := fmt.Sprint(r.body["results"].([]any)[0]); got != want {
			t.Errorf("%s: %s, want %s", span, got, want)
		}
	}
	for _, span := range []string{"P", "PT", "P30", "30D", "/", "P1D/P1D", "x/P1D", "2026-13-01", "P99999999D"} {
		c.do(400, "POST", "/v1.0/security/runHuntingQuery", `{"Query":"print 1","Timespan":"`+span+`"}`)
	}
}

func TestHuntingCallsFailAsDocumented(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	for body, want := range map[string]string{
		`{}`:                              "non-empty property 'Query'",
		`[]`:                              "non-empty property 'Query'",
		asked("CloudAppEvents | wher x"):  "Query could not be parsed at 'wher' on line [1,17]: there is no operator of this name here. Fix syntax errors in your query.",
		asked("CloudAppEvents | where X"): "'where' operator: Failed to resolve column or scalar expression named 'X'. Fix semantic errors in your query.",
		`{"Query":"CloudAppEvents","Timespan":"30 days"}`: "expected an ISO 8601 timespan",
	} {
		r := c.do(400, "POST", "/v1.0/security/runHuntingQuery", body)
		if got := at(r.body, "error", "message"); !strings.Contains(fmt.Sprint(got), want) {
			t.Errorf("%s: %v; want %s", body, got, want)
		}
	}
	status, got := logsOf(t, c.s, practice.FullApp(), "CloudAppEvents\n| wher x")
	inner := at(got, "error", "innererror", "innererror")
	if status != 400 || at(got, "error", "code") != "BadArgumentError" || fmt.Sprint(inner) != "map[code:SYN0002 line:2 message:Query could not be parsed at 'wher' on line [2,2]: there is no operator of this name here pos:2 token:wher]" {
		t.Errorf("%d %v", status, got)
	}
	if status, got = logsOf(t, c.s, practice.AnalystApp(), "CloudAppEvents"); status != 403 || at(got, "error", "code") != "InsufficientAccessError" {
		t.Errorf("without the role: %d %v", status, got)
	}
	workspace := practice.LogWorkspaceID(practice.ContosoTenantID)
	if status, got = postLogs(t, c.s, c.s.Token(t, practice.FullApp(), practicetest.Graph), workspace, `{"query":"x"}`); status != 403 || at(got, "error", "code") != "InvalidAuthenticationTokenAudience" {
		t.Errorf("with Graph's token: %d %v", status, got)
	}
	if status, got = postLogs(t, c.s, c.s.Token(t, practice.FullApp(), practicetest.Logs), workspace, ""); status != 200 || got != nil {
		t.Errorf("without body: %d %v", status, got)
	}
	if status, got = postLogs(t, c.s, c.s.Token(t, practice.FullApp(), practicetest.Logs), payrollAlert, `{"query":"x"}`); status != 404 || at(got, "error", "innererror", "code") != "WorkspaceNotFoundError" {
		t.Errorf("another workspace: %d %v", status, got)
	}
}

func TestLogAnalyticsCutsWhatIsTooLargeAndSaysSo(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	const long = "let s = replace_string(replace_string('aaaaaaaaaa', 'a', '0123456789012345678901234567890123456789'), '0', '" // 400 characters, 40 of them 0
	status, got := logsOf(t, c.s, practice.FullApp(), long+strings.Repeat("x", 25_000)+"'); range n from 1 to 80 step 1 | extend s = strcat(s, n)")
	rows := got["tables"].([]any)[0].(map[string]any)["rows"].([]any)
	if status != 200 || len(rows) != 63 || at(got, "error", "code") != "PartialError" {
		t.Errorf("%d, %d rows, error %v", status, len(rows), got["error"])
	}
	if n := len(hunt(c, "range x from 1 to 100001 step 1")); n != 100_000 {
		t.Errorf("Graph: %d rows", n)
	}
}

func TestHuntingHasTwoQuotas(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now, Throttle: 1})
	for range 45 {
		c.do(200, "POST", "/v1.0/security/runHuntingQuery", asked("print 1"))
	}
	r := c.do(429, "POST", "/v1.0/security/runHuntingQuery", asked("print 1"))
	if r.header.Get("Retry-After") != "60" || !strings.Contains(fmt.Sprint(at(r.body, "error", "message")), "at most 45 in a minute") {
		t.Errorf("%v %v", r.header, r.body)
	}
	clock.Advance(time.Minute)
	small := full(t, practice.Options{Now: clock.Now, Throttle: 0.1, TokenLife: time.Hour})
	for range 3 {
		small.do(200, "POST", "/v1.0/security/runHuntingQuery", asked("range x from 1 to 700000 step 1 | count"))
	}
	clock.Advance(2 * time.Minute)
	r = small.do(429, "POST", "/v1.0/security/runHuntingQuery", asked("print 1"))
	if r.header.Get("Retry-After") != "" || !strings.Contains(fmt.Sprint(at(r.body, "error", "message")), "You can run queries again at 2026-11-23T09:15:00Z") {
		t.Errorf("%v %v", r.header, r.body)
	}
	clock.Advance(13 * time.Minute)
	small.do(200, "POST", "/v1.0/security/runHuntingQuery", asked("print 1"))
}

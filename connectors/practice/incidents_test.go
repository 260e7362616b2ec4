package practice_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func TestIncidentsAreNewestFirstAndPaged(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	for range 118 {
		clock.Advance(time.Second)
		c.plain(201, "POST", "/practice/incidents", `{"displayName":"made up","severity":"low","alerts":[{"title":"one"}]}`)
	}
	seen, last, pages := map[any]bool{}, "9999", 0
	for next := "/v1.0/security/incidents?$expand=alerts&$count=true"; next != ""; pages++ {
		r := c.do(200, "GET", next, "")
		if r.body["@odata.count"] != 121.0 {
			t.Errorf("@odata.count is %v", r.body["@odata.count"])
		}
		for _, i := range r.list() {
			if made := i["createdDateTime"].(string); made > last {
				t.Errorf("%s comes after %s", made, last)
			} else {
				last = made
			}
			if len(i["alerts"].([]any)) == 0 || seen[i["id"]] {
				t.Errorf("incident %v without alerts or twice", i["id"])
			}
			seen[i["id"]] = true
		}
		next, _ = r.body["@odata.nextLink"].(string)
		if next != "" && (!strings.HasPrefix(next, c.s.URL+"/v1.0/security/incidents?") || !strings.Contains(next, "$skiptoken=")) {
			t.Fatalf("nextLink %s", next)
		}
	}
	if len(seen) != 121 || pages != 3 {
		t.Errorf("%d incidents in %d pages, want 121 in 3", len(seen), pages)
	}
	if got := c.do(200, "GET", "/v1.0/security/incidents?$top=5&$skip=119", ""); len(got.list()) != 2 {
		t.Errorf("top and skip answer %d", len(got.list()))
	}
}

func TestAMergeMovesTheAlerts(t *testing.T) {
	c := full(t, practice.Options{})
	c.plain(201, "POST", "/practice/incidents", `{"id":"7","displayName":"a","alerts":[{"id":"al7","title":"x"}]}`)
	c.plain(400, "POST", "/practice/incidents/7/merge", `{"into":"7"}`)
	c.plain(400, "POST", "/practice/incidents/7/merge", `{"into":"nobody"}`)
	c.plain(200, "POST", "/practice/incidents/7/merge", `{"into":"40211"}`)
	from := c.do(200, "GET", "/v1.0/security/incidents/7?$expand=alerts", "").body
	if from["status"] != "redirected" || from["redirectIncidentId"] != "40211" || len(from["alerts"].([]any)) != 0 {
		t.Errorf("the merged incident is %v", from)
	}
	into := c.do(200, "GET", "/v1.0/security/incidents/40211?$expand=alerts", "").body["alerts"].([]any)
	last := into[len(into)-1].(map[string]any)
	if last["id"] != "al7" || last["incidentId"] != "40211" {
		t.Errorf("the alert is %v", last)
	}
	c.plain(400, "POST", "/practice/incidents/7/merge", `{"into":"40213"}`)
}

func TestFiltersAreThoseOfTheDocs(t *testing.T) {
	c := full(t, practice.Options{})
	count := func(path, filter string) int {
		return len(c.do(200, "GET", path+"?$filter="+url.QueryEscape(filter), "").list())
	}
	for filter, want := range map[string]int{
		"severity eq 'high'": 2, "severity ne 'high'": 1, "severity in ('high','medium')": 3, "status eq 'active'": 3,
		"status eq 'Active' and not (severity eq 'high')": 1, "lastUpdateDateTime ge 2026-11-20T00:00:00Z": 2,
		"createdDateTime lt 2026-11-20T07:42:13.4166667Z": 1, "assignedTo eq null": 3, "assignedTo eq 'o''brien'": 0,
		"(severity eq 'high' or severity eq 'medium') and classification eq 'unknown'": 3,
	} {
		if got := count("/v1.0/security/incidents", filter); got != want {
			t.Errorf("%s: %d incidents, want %d", filter, got, want)
		}
	}
	if got := count("/v1.0/security/alerts_v2", "serviceSource eq 'dataLossPrevention'"); got != 6 {
		t.Errorf("%d DLP alerts, want 6", got)
	}
	for _, bad := range []string{
		"customTags eq 'x'", "displayName eq 'x'", "incidentId eq '1'", "severity eq high", "severity eq 'huge'", "severity", "severity eq",
		"severity like 'high'", "createdDateTime ge 'yesterday'", "createdDateTime ge yesterday", "severity eq 'high' and", "(severity eq 'high'",
		"severity eq 'high' severity eq 'low'", "'severity' eq 'high'", "severity eq 'high", "severity gt null", strings.Repeat("(", 100),
		"contains(severity,'h')", strings.Repeat("not ", 100) + "severity eq 'high'",
	} {
		got := c.do(400, "GET", "/v1.0/security/incidents?$filter="+url.QueryEscape(bad), "")
		if !strings.Contains(got.message(), "filter clause") {
			t.Errorf("%s: %s", bad, got.raw)
		}
	}
	if got := c.do(400, "GET", "/v1.0/security/alerts_v2?$filter=serviceSource+eq+'microsoftDataLossPrevention'", ""); !strings.Contains(got.message(), "enumeration") {
		t.Errorf("a value of detectionSource: %s", got.raw)
	}
}

func TestOptionsThatADocsPageLacksAreRefused(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	for _, p := range []string{
		"/v1.0/security/incidents?$orderby=createdDateTime", "/v1.0/security/incidents?$select=id", "/v1.0/security/incidents?$expand=comments",
		"/v1.0/security/incidents?$top=51", "/v1.0/security/incidents?$top=-1", "/v1.0/security/incidents?$top=x", "/v1.0/security/incidents?$skiptoken=x",
		"/v1.0/security/incidents?$top=1&$top=2", "/v1.0/security/alerts_v2?$expand=evidence", "/v1.0/security/alerts_v2?$orderby=title",
		item + "?$expand=permissions", item + "/permissions?$filter=x", item + "/permissions?$top=1", item + "/children?$filter=name",
		item + "/children?$orderby=eTag", "/v1.0/users?$select=nonsense", "/v1.0/users?$filter=city+eq+'x'", "/v1.0/security/nonsense",
		"/api/machines?$select=id", "/api/machines?$filter=city+eq+'x'", "/api/machines?$top=10001",
	} {
		c.do(400, "GET", p, "")
	}
	c.do(405, "DELETE", "/v1.0/security/incidents/40211", "")
	c.do(404, "GET", "/api/nonsense", "")
	c.do(404, "GET", "/nonsense", "")
}

func TestAnIncidentIsChangedAsDocumented(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	const path = "/v1.0/security/incidents/40211"
	before := c.state()
	got := c.do(200, "PATCH", path, `{"status":"resolved","classification":"truePositive","determination":"confirmedActivity","customTags":["b","a","b"],"assignedTo":"dana"}`)
	for key, want := range map[string]any{
		"status": "resolved", "classification": "truePositive", "determination": "confirmedActivity", "assignedTo": "dana",
		"lastModifiedBy": "API-practice-full", "lastUpdateDateTime": "2026-11-23T09:00:00Z",
	} {
		if got.body[key] != want {
			t.Errorf("%s is %v, want %v", key, got.body[key], want)
		}
	}
	if tags := got.body["customTags"].([]any); !slices.Equal(tags, []any{"b", "a"}) {
		t.Errorf("tags %v", tags)
	}
	c.do(200, "PATCH", path, `{"status":"active","classification":"unknown","determination":"unknown","customTags":[],"assignedTo":null}`)
	if c.state() != before {
		t.Error("the values of before leave another state")
	}
	for _, bad := range []string{
		`{"severity":"low"}`, `{"displayName":"x"}`, `{"status":"closed"}`, `{"status":7}`, `{"determination":"compromisedUser"}`, `{}`, `[]`,
		`{"customTags":"a"}`, `{"customTags":[1]}`, `{"customTags":[""]}`, `{"assignedTo":1}`, `{"status":"redirected"}`, ``, `{"status":"resolved","x":1}`,
	} {
		c.do(400, "PATCH", path, bad)
	}
	if c.state() != before {
		t.Error("a refused change was applied in part")
	}
	c.do(404, "PATCH", "/v1.0/security/incidents/1", `{"status":"active"}`)
}

// The docs' samples send PascalCase, which the CSDL does not have.
func TestEnumsAreTakenInAnyCase(t *testing.T) {
	c := newClient(t, practicetest.Start(t, practice.Options{Observe: func(practice.Exchange) {}}), practice.FullApp())
	got := c.do(200, "PATCH", "/v1.0/security/incidents/40211", `{"status":"Resolved","classification":"TruePositive"}`)
	if got.body["status"] != "resolved" || got.body["classification"] != "truePositive" {
		t.Errorf("%s", got.raw)
	}
}

func TestCommentsAreAddedToTheWholeList(t *testing.T) {
	c := full(t, practice.Options{})
	const path = "/v1.0/security/incidents/40211/comments"
	c.do(200, "POST", path, `{"comment":"one"}`)
	got := c.do(200, "POST", path, `{"comment":"<img src=x> two"}`).list()
	if len(got) != 2 || got[1]["comment"] != "<img src=x> two" || got[0]["createdByDisplayName"] != "API-practice-full" {
		t.Errorf("%v", got)
	}
	c.do(400, "POST", path, `{"comment":" "}`)
	c.do(400, "POST", path, `{"comment":"`+strings.Repeat("x", 30_001)+`"}`)
	c.do(400, "POST", path, `{"text":"x"}`)
}

func TestEnumMembersBehindTheFutureValueNeedThePreferHeader(t *testing.T) {
	c := full(t, practice.Options{})
	c.plain(201, "POST", "/practice/incidents", `{"id":"7","status":"awaitingAction","alerts":[{"id":"a7","serviceSource":"microsoftSentinel","detectionSource":"scheduledAlerts","evidence":[{"@odata.type":"#microsoft.graph.security.urlEvidence","url":"x","remediationStatus":"active"}]}]}`)
	for _, x := range []struct {
		prefer, status, source, remediation string
	}{
		{"", "unknownFutureValue", "unknownFutureValue", "unknownFutureValue"},
		{"include-unknown-enum-members", "awaitingAction", "microsoftSentinel", "active"},
	} {
		got := c.do(200, "GET", "/v1.0/security/incidents/7?$expand=alerts", "", "Prefer", x.prefer)
		if got.body["status"] != x.status || got.at("alerts", 0, "serviceSource") != x.source || got.at("alerts", 0, "evidence", 0, "remediationStatus") != x.remediation {
			t.Errorf("Prefer %q: %s", x.prefer, got.raw)
		}
	}
}

func TestInjectedIncidents(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	got := string(c.plain(201, "POST", "/practice/incidents", `{"displayName":"x","alerts":[{"title":"t","evidence":[]}]}`))
	id := strings.Split(got, `"`)[3]
	r := c.do(200, "GET", "/v1.0/security/incidents/"+id+"?$expand=alerts", "")
	if r.body["createdDateTime"] != "2026-11-23T09:00:00Z" || r.body["lastUpdateDateTime"] != "2026-11-23T09:00:00Z" || r.at("alerts", 0, "incidentId") != id {
		t.Errorf("%s", r.raw)
	}
	c.do(200, "GET", "/v1.0/security/alerts_v2/"+r.at("alerts", 0, "id").(string), "")

	// A body as the API sent it, of an incident that is here: a new incident.
	again := c.do(200, "GET", "/v1.0/security/incidents/40211?$expand=alerts", "")
	copied := strings.Split(string(c.plain(201, "POST", "/practice/incidents", string(again.raw))), `"`)[3]
	fresh := c.do(200, "GET", "/v1.0/security/incidents/"+copied+"?$expand=alerts", "")
	if copied == "40211" || fresh.at("alerts", 0, "id") == again.at("alerts", 0, "id") || fresh.body["createdDateTime"] != "2026-11-23T09:00:00Z" {
		t.Errorf("copy %s: %s", copied, fresh.raw)
	}
	if fresh.at("alerts", 0, "title") != again.at("alerts", 0, "title") {
		t.Error("the copy has another title")
	}

	// Its own times are kept.
	c.plain(201, "POST", "/practice/incidents", `{"id":"8","createdDateTime":"2026-01-01T00:00:00Z","lastUpdateDateTime":"2026-01-02T00:00:00Z"}`)
	if r := c.do(200, "GET", "/v1.0/security/incidents/8", ""); r.body["lastUpdateDateTime"] != "2026-01-02T00:00:00Z" {
		t.Errorf("%s", r.raw)
	}
	c.plain(201, "POST", "/practice/incidents", `{"id":"9","alerts":[{"id":"a9","evidence":[{"@odata.type":"#microsoft.graph.security.cloudApplicationEvidence","appId":9007199254740993}]}]}`)
	if r := c.do(200, "GET", "/v1.0/security/alerts_v2/a9", ""); !strings.Contains(string(r.raw), `"appId":9007199254740993`) {
		t.Errorf("a large number changed: %s", r.raw)
	}
	for _, bad := range []string{``, `[]`, `null`, `{`, `{}{}`, `{"id":7}`, `{"alerts":{}}`, `{"alerts":[1]}`, `{"createdDateTime":"yesterday"}`, `{"createdDateTime":7}`} {
		c.plain(400, "POST", "/practice/incidents", bad)
	}
}

func TestDefenderAmendsAnIncident(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	c.plain(200, "PATCH", "/practice/incidents/40213", `{"severity":"high","alerts":[{"title":"one more","severity":"high","evidence":[]}]}`)
	r := c.do(200, "GET", "/v1.0/security/incidents/40213?$expand=alerts", "")
	if r.body["severity"] != "high" || r.body["lastUpdateDateTime"] != "2026-11-23T09:00:00Z" || len(r.body["alerts"].([]any)) != 4 || r.at("alerts", 3, "title") != "one more" {
		t.Errorf("%s", r.raw)
	}
	for _, bad := range []string{``, `null`, `{"alerts":7}`, `{"alerts":[7]}`, `{"lastUpdateDateTime":"x"}`} {
		c.plain(400, "PATCH", "/practice/incidents/40213", bad)
	}
	c.plain(400, "PATCH", "/practice/incidents/none", `{}`)
	if len(c.audit()) != 0 {
		t.Error("it is in the audit")
	}
}

// Somebody else at work is told apart by name.
func TestTheAnalystIsSomebodyElse(t *testing.T) {
	s := start(t, practice.Options{})
	c := newClient(t, s, practice.AnalystApp())
	got := c.do(200, "PATCH", "/v1.0/security/incidents/40211", `{"assignedTo":"ines.castellano@contoso.example"}`)
	if got.body["lastModifiedBy"] != "API-practice-analyst" || c.audit()[0].By != "practice-analyst" {
		t.Errorf("%s", got.raw)
	}
}

func TestAlertsAreChangedAsDocumented(t *testing.T) {
	c := full(t, practice.Options{})
	alert := "/v1.0/security/alerts_v2/" + c.do(200, "GET", "/v1.0/security/alerts_v2?$top=1", "").list()[0]["id"].(string)
	before := c.state()
	if got := c.do(200, "PATCH", alert, `{"status":"resolved","assignedTo":"x"}`); got.body["resolvedDateTime"] == nil {
		t.Errorf("%s", got.raw)
	}
	if got := c.do(200, "PATCH", alert, `{"status":"new","assignedTo":null}`); got.body["resolvedDateTime"] != nil {
		t.Errorf("%s", got.raw)
	}
	if c.state() != before {
		t.Error("the values of before leave another state")
	}
	c.do(400, "PATCH", alert, `{"title":"x"}`)
	c.do(400, "PATCH", alert, `{"customTags":["x"]}`)
	c.do(404, "GET", "/v1.0/security/alerts_v2/none", "")
	c.do(404, "POST", "/v1.0/security/alerts_v2/none/comments", `{"comment":"x"}`)
}

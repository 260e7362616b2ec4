package practice_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

const feedRoot = "/api/v1.0/" + practice.ContosoTenantID + "/activity/feed/"

// fed serves a tenant whose clock stands three days after its incidents.
func fed(t *testing.T) (*client, *clock) {
	t.Helper()
	clock := newClock()
	return full(t, practice.Options{Now: clock.Now, TokenLife: 240 * time.Hour}), clock
}

// array is an answer that is a list.
func (r response) array(t *testing.T) []map[string]any {
	t.Helper()
	var out []map[string]any
	if err := json.Unmarshal(r.raw, &out); err != nil {
		t.Fatalf("%s: %v", r.raw, err)
	}
	return out
}

func windowOf(from, to string) string { return "&startTime=" + from + "&endTime=" + to }

// [office-365-management-activity-api-reference.md]
func TestFeedSubscriptionsBeginAndEnd(t *testing.T) {
	c, clock := fed(t)
	list := feedRoot + "subscriptions/content?contentType=DLP.All" + windowOf("2026-11-22T09:00:00", "2026-11-23T09:00:00")
	if got := c.do(200, "GET", feedRoot+"subscriptions/list", "").array(t); len(got) != 1 || got[0]["contentType"] != "DLP.All" || got[0]["status"] != "enabled" || got[0]["webhook"] != nil {
		t.Errorf("%v", got)
	}
	if got := c.do(400, "POST", feedRoot+"subscriptions/start?contentType=DLP.All", ""); got.code() != "AF20024" {
		t.Errorf("%s", got.raw)
	}
	if got := c.do(200, "POST", feedRoot+"subscriptions/stop?contentType=DLP.All", ""); len(got.raw) != 0 {
		t.Errorf("%s", got.raw)
	}
	for _, x := range [][2]string{{"POST", feedRoot + "subscriptions/stop?contentType=DLP.All"}, {"GET", list}, {"GET", feedRoot + "audit/a$b"}} {
		if got := c.do(400, x[0], x[1], ""); got.code() != "AF20022" {
			t.Errorf("%v: %s", x, got.raw)
		}
	}
	if got := c.do(200, "POST", feedRoot+"subscriptions/start?contentType=dlp.all", "").body; got["contentType"] != "DLP.All" || got["status"] != "enabled" {
		t.Errorf("%v", got)
	}
	// What was before is gone; what comes is there once its time has come.
	c.plain(201, "POST", "/practice/incidents", feedIncident("2026-11-23T09:01:00Z", "x", ""))
	after := feedRoot + "subscriptions/content?contentType=DLP.All"
	if got := c.do(200, "GET", after, "").array(t); len(got) != 0 {
		t.Errorf("%v", got)
	}
	clock.Advance(30 * time.Minute)
	if got := c.do(200, "GET", after, "").array(t); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if ops := operations(c.audit()); ops != "feed.stop feed.start" {
		t.Errorf("audit: %s", ops)
	}
}

func operations(all []practice.Change) string {
	var out []string
	for _, x := range all {
		out = append(out, x.Operation)
	}
	return strings.Join(out, " ")
}

func feedIncident(at, file, more string) string {
	return `{"displayName":"n","createdDateTime":"` + at + `","lastUpdateDateTime":"` + at + `","alerts":[{"serviceSource":"dataLossPrevention","title":"DLP policy (P) matched for document (` + file + `) in SharePoint",` + more + `
		"firstActivityDateTime":"` + at + `","lastActivityDateTime":"` + at + `","evidence":[{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"` + file + `","filePath":"https://contoso.sharepoint.com/sites/sales/Shared Documents"}},
		{"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"userPrincipalName":"sam.ortiz@contoso.example"}}]}]}`
}

func TestFeedErrorsAreThoseOfThePage(t *testing.T) {
	c, clock := fed(t)
	const content = feedRoot + "subscriptions/content?contentType=DLP.All"
	for path, code := range map[string]string{
		feedRoot + "subscriptions/content":                                                         "AF20001",
		feedRoot + "subscriptions/content?contentType=All":                                         "AF20020",
		content + "&startTime=2026-11-22":                                                          "AF20055",
		content + windowOf("2026-11-21", "2026-11-22T00:01"):                                       "AF20055",
		content + windowOf("2026-11-22", "2026-11-22"):                                             "AF20055",
		content + windowOf("2026-11-16T08:59:59", "2026-11-17"):                                    "AF20055",
		content + windowOf("yesterday", "today"):                                                   "AF20002",
		content + windowOf("2026-11-22", "2026-11-23") + "&nextPage=x":                             "AF20031",
		feedRoot + "audit/ab":                                                                      "AF20052",
		"/api/v1.0/contoso/activity/feed/subscriptions/list":                                       "AF20013",
		"/api/v1.0/9a3b7c51-5e0d-4c58-8f0e-5d2f1c7b6a11/activity/feed/resources/dlpSensitiveTypes": "AF20010",
	} {
		if got := c.do(400, "GET", path, ""); got.code() != code || got.at("error", "innerError") != nil {
			t.Errorf("%s: %s; want %s", path, got.raw, code)
		}
	}
	if got := c.do(404, "GET", feedRoot+"audit/20261120000000000$x", ""); got.code() != "AF20050" {
		t.Errorf("%s", got.raw)
	}
	if got := c.do(400, "POST", feedRoot+"subscriptions/start?contentType=Audit.General", `{"webhook":{"address":"https://hook.example"}}`); got.code() != "AF20021" {
		t.Errorf("%s", got.raw)
	}
	c.do(405, "DELETE", feedRoot+"subscriptions/list", "")
	c.do(404, "GET", feedRoot+"subscriptions/nothing", "")
	one := c.do(200, "GET", content+windowOf("2026-11-20", "2026-11-21"), "").array(t)[0]
	clock.Advance(6 * 24 * time.Hour)
	if got := c.do(400, "GET", one["contentUri"].(string), ""); got.code() != "AF20051" {
		t.Errorf("%s", got.raw)
	}
}

// Tokens of another API and apps without the permissions are refused.
func TestFeedIsClosedToOthers(t *testing.T) {
	s := start(t, practice.Options{})
	c := newClient(t, s, practice.FullApp())
	graph := s.Token(t, practice.FullApp(), practicetest.Graph)
	if got := c.do(401, "GET", feedRoot+"subscriptions/list", "", "Authorization", "Bearer "+graph); !strings.Contains(got.message(), "audience") {
		t.Errorf("%s", got.raw)
	}
	activity := s.Token(t, practice.FullApp(), practicetest.Activity)
	c.do(401, "GET", "/v1.0/security/incidents", "", "Authorization", "Bearer "+activity)
	c.do(401, "GET", "/api/machines", "", "Authorization", "Bearer "+activity)

	company := practice.Contoso(0)
	half := practice.App{ID: "00000000-0000-0000-0000-0000000000ab", Name: "half", Secret: "half", Roles: []string{"ActivityFeed.Read"}}
	company.Apps = append(company.Apps, half)
	raw, err := json.Marshal(company)
	if err != nil {
		t.Fatal(err)
	}
	for app, paths := range map[string][]string{
		"half":   {"POST " + feedRoot + "subscriptions/start?contentType=DLP.All", "GET " + feedRoot + "audit/a$b"},
		"reader": {"GET " + feedRoot + "subscriptions/list"},
	} {
		who := map[string]practice.App{"half": half, "reader": practice.ReaderApp()}[app]
		c := newClient(t, start(t, practice.Options{Company: raw}), who)
		for _, x := range paths {
			method, path, _ := strings.Cut(x, " ")
			if got := c.do(403, method, path, ""); got.code() != "AF10001" || !strings.Contains(got.message(), "did not include the expected permission ActivityFeed.Read") {
				t.Errorf("%s %s: %s", app, x, got.raw)
			}
		}
		if app == "half" {
			c.do(200, "POST", feedRoot+"subscriptions/start?contentType=Audit.General", "")
			c.do(200, "GET", feedRoot+"subscriptions/content?contentType=Audit.General", "")
		}
	}
}

// The events of the schema: what was matched, of files, mail and devices, and
// why somebody overrode the policy.
func TestFeedEvents(t *testing.T) {
	c, _ := fed(t)
	c.plain(201, "POST", "/practice/incidents", feedIncident("2026-11-22T10:00:00Z", "pay.xlsx", `"description":"The user overrode the policy: the auditor waits for it",`))
	c.plain(201, "POST", "/practice/incidents", `{"displayName":"m","createdDateTime":"2026-11-22T10:00:00Z","lastUpdateDateTime":"2026-11-22T10:00:00Z","alerts":[{"serviceSource":"dataLossPrevention","title":"DLP policy (Mail) matched for email with subject (Hi)",
		"description":"The user overrode the policy: agreed","firstActivityDateTime":"2026-11-22T10:00:00Z","lastActivityDateTime":"2026-11-22T10:00:00Z","evidence":[{"@odata.type":"#microsoft.graph.security.analyzedMessageEvidence","internetMessageId":"<m1@contoso.example>","subject":"Hi","recipientEmailAddress":"kim@fabrikam.example","p2Sender":{"emailAddress":"sam.ortiz@contoso.example"}}]}]}`)
	machine := c.do(200, "GET", "/api/machines"+query("$filter", "computerDnsName eq 'wks-sortiz.contoso.example'"), "").list()[0]["id"].(string)
	c.plain(201, "POST", "/practice/incidents", strings.Replace(strings.Replace(feedIncident("2026-11-22T10:00:00Z", "plan.pdf", ""), "https://contoso.sharepoint.com/sites/sales/Shared Documents", `E:\\out`, 1), `"fileDetails"`, `"mdeDeviceId":"`+machine+`","fileDetails"`, 1))
	events := map[string][]map[string]any{}
	for _, x := range c.do(200, "GET", feedRoot+"subscriptions/content?contentType=DLP.All"+windowOf("2026-11-22T09:00", "2026-11-23T09:00"), "").array(t) {
		for _, e := range c.do(200, "GET", x["contentUri"].(string), "").array(t) {
			key := e["Workload"].(string) + " " + e["Operation"].(string)
			events[key] = append(events[key], e)
			if e["SensitiveInfoDetectionIsIncluded"] != true || e["UserKey"] != "DlpAgent" || e["OrganizationId"] != practice.ContosoTenantID || strings.HasSuffix(e["CreationTime"].(string), "Z") {
				t.Errorf("%v", e)
			}
		}
	}
	file, undo, mail := events["SharePoint DlpRuleMatch"], events["SharePoint DlpRuleUndo"], events["Exchange DlpRuleMatch"]
	if len(file) != 1 || len(undo) != 1 || len(mail) != 1 {
		t.Fatalf("%d files, %d undone, %d mails", len(file), len(undo), len(mail))
	}
	const types = "SensitiveInformation"
	one := at(file[0], "PolicyDetails", 0, "Rules", 0, "ConditionsMatched", types, 0)
	if at(one, "SensitiveType") == nil || at(one, "UniqueCount") == nil || at(one, "SensitiveInformationDetections", "DetectedValues", 0, "Value") == nil || at(file[0], "ExceptionInfo") != nil {
		t.Errorf("%v", file[0])
	}
	if at(undo[0], "ExceptionInfo", "Justification") != "the auditor waits for it" || at(undo[0], "PolicyDetails", 0, "Rules", 0, "OverriddenActions", 0) != "GenerateAlert" || undo[0]["Id"] == file[0]["Id"] {
		t.Errorf("%v", undo[0])
	}
	if at(mail[0], "ExceptionInfo", "Reason") != "Override" || at(mail[0], "ExchangeMetaData", "To", 0) != "kim@fabrikam.example" || at(mail[0], "ExchangeMetaData", "MessageID") != "<m1@contoso.example>" {
		t.Errorf("%v", mail[0])
	}

	// On a device the types stand elsewhere than the schema says.
	device := events["Endpoint DlpRuleMatch"]
	if len(device) != 1 || at(device[0], "EndpointMetaData", "SensitiveInfoTypeData", 0, "SensitiveInfoTypeName") == nil ||
		at(device[0], "EndpointMetaData", "DeviceName") != "wks-sortiz.contoso.example" || at(device[0], "PolicyDetails", 0, "Rules", 0, "ConditionsMatched", types) != nil {
		t.Errorf("%v", device)
	}
	// The hunted log has the same match without what was matched.
	hunted := string(c.do(200, "POST", "/v1.0/security/runHuntingQuery", `{"Query":"CloudAppEvents | where ActionType == 'DlpRuleMatch' | project RawEventData"}`).raw)
	if !strings.Contains(hunted, at(one, "SensitiveType").(string)) || strings.Contains(hunted, "DetectedValues") {
		t.Error("the hunted log differs from the feed")
	}
}

func TestFaultsOfTheFeed(t *testing.T) {
	c, _ := fed(t)
	c.faults(`[{"path":"` + feedRoot + `subscriptions/list","times":1,"status":429},{"path":"` + feedRoot + `subscriptions/list","times":1,"status":503}]`)
	for _, want := range []string{"AF429", "AF50000"} {
		got, err := c.try(http.MethodGet, feedRoot+"subscriptions/list", "")
		if err != nil || got.code() != want || got.header.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("%s: %v, %s", want, err, got.raw)
		}
	}
}

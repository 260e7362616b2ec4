package practice_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

const (
	insights = "/subscriptions/" + practice.ContosoSubscription + "/resourceGroups/" + practice.ContosoResourceGroup +
		"/providers/Microsoft.OperationalInsights/workspaces/" + practice.ContosoWorkspace + "/providers/Microsoft.SecurityInsights/"
	version = "?api-version=2024-09-01"
)

// sentinelOf answers the incident of a Graph id as Sentinel shows it, and its
// path.
func sentinelOf(c *client, id string) (map[string]any, string) {
	c.t.Helper()
	list := c.do(200, "GET", insights+"incidents"+version+"&$filter=properties/providerIncidentId%20eq%20'"+id+"'", "").list()
	if len(list) != 1 {
		c.t.Fatalf("%d incidents of Sentinel for %s", len(list), id)
	}
	return list[0], insights + "incidents/" + list[0]["name"].(string)
}

// put is the body of a full update: what was read with some properties changed;
// nil takes one away.
func put(in map[string]any, change map[string]any) string {
	p := map[string]any{}
	for _, key := range []string{
		"title", "description", "severity", "status", "classification", "classificationReason", "classificationComment", "labels",
		"owner", "firstActivityTimeUtc", "lastActivityTimeUtc",
	} {
		if v := at(in, "properties", key); v != nil {
			p[key] = v
		}
	}
	for key, v := range change {
		if p[key] = v; v == nil {
			delete(p, key)
		}
	}
	raw, _ := json.Marshal(map[string]any{"etag": in["etag"], "properties": p})
	return string(raw)
}

func sentinelCalls(c *client) []exchange {
	in, one := sentinelOf(c, "40213")
	note, link := one+"/comments/1c1b1a19-0000-4000-8000-000000000001"+version, one+"/relations/related-1"+version
	return []exchange{
		{200, "GET", insights + "incidents" + version + "&$top=2&$orderby=properties/createdTimeUtc%20desc", ""},
		{200, "GET", one + version, ""},
		{200, "PUT", one + version, put(in, map[string]any{"status": "Closed", "classification": "TruePositive", "classificationReason": "SuspiciousActivity"})},
		{201, "PUT", insights + "incidents/1c1b1a19-0000-4000-8000-0000000000aa" + version, `{"properties":{"title":"by hand","severity":"Low","status":"New"}}`},
		{200, "POST", one + "/alerts" + version, ""},
		{200, "POST", one + "/entities" + version, ""},
		{200, "POST", one + "/bookmarks" + version, ""},
		{201, "PUT", note, `{"properties":{"message":"seen"}}`},
		{200, "PUT", note, `{"properties":{"message":"seen twice"}}`},
		{200, "GET", note, ""},
		{200, "GET", one + "/comments" + version, ""},
		{200, "DELETE", note, ""},
		{204, "DELETE", note, ""},
		{201, "PUT", link, `{"properties":{"relatedResourceId":"` + insights + `bookmarks/2216d0e1"}}`},
		{200, "GET", link, ""},
		{200, "GET", one + "/relations" + version, ""},
		{200, "DELETE", link, ""},
		{204, "DELETE", link, ""},
		{200, "GET", insights + "automationRules" + version, ""},
		{200, "GET", insights + "automationRules/3b1de2f2-97d4-4a37-8f5c-0e6a2b8c1d02" + version, ""},
	}
}

// What the description of Sentinel has and this tenant does not serve is said
// here.
func TestWhatOfSentinelIsNotServedIsKnown(t *testing.T) {
	all, err := practicetest.AzureOperations()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, r := range practice.Routes() {
		served[r.Method+" "+shape("/"+r.Pattern)] = true
	}
	var missing []string
	for _, op := range all {
		method, path, _ := strings.Cut(op, " ")
		if !served[method+" "+shape(path)] {
			_, below, _ := strings.Cut(path, "SecurityInsights/")
			missing = append(missing, method+" "+below)
		}
	}
	want := []string{
		"DELETE automationRules/{automationRuleId}", "DELETE incidents/{incidentId}", "DELETE incidents/{incidentId}/tasks/{incidentTaskId}",
		"GET incidents/{incidentId}/tasks", "GET incidents/{incidentId}/tasks/{incidentTaskId}",
		"POST entities/{entityIdentifier}/runPlaybook", "POST incidents/{incidentIdentifier}/runPlaybook",
		"PUT automationRules/{automationRuleId}", "PUT incidents/{incidentId}/tasks/{incidentTaskId}",
	}
	if slices.Sort(missing); !slices.Equal(missing, want) {
		t.Errorf("not served:\n%q\nwant:\n%q", missing, want)
	}
}

// The description is held against what is sent: an answer and a request that
// break it are found, inside automation rules, too.
func TestWhatBreaksTheDescriptionOfSentinelIsFound(t *testing.T) {
	route := map[string]string{
		"rule":     strings.TrimPrefix(insights, "/") + "automationRules/{rule}",
		"incident": strings.TrimPrefix(insights, "/") + "incidents/{incident}",
	}
	for name, x := range map[string]struct{ route, method, query, request, answer string }{
		"unknown property":   {"incident", "GET", version, "", `{"name":"x","properties":{"title":"x","severity":"High","status":"New","color":"red"}}`},
		"unknown member":     {"incident", "GET", version, "", `{"name":"x","properties":{"title":"x","severity":"Huge","status":"New"}}`},
		"missing property":   {"incident", "GET", version, "", `{"name":"x","properties":{"severity":"High","status":"New"}}`},
		"in a rule's action": {"rule", "GET", version, "", `{"properties":{"displayName":"x","order":1,"triggeringLogic":{"isEnabled":true,"triggersOn":"Incidents","triggersWhen":"Created"},"actions":[{"order":1,"actionType":"RunPlaybook","actionConfiguration":{"logicAppsResourceId":"x"}}]}}`},
		"no version":         {"incident", "GET", "", "", `{"properties":{"title":"x","severity":"High","status":"New"}}`},
		"unknown option":     {"incident", "GET", version + "&$expand=alerts", "", `{"properties":{"title":"x","severity":"High","status":"New"}}`},
		"wrong request":      {"incident", "PUT", version, `{"properties":{"title":"x","severity":"High","status":"Open"}}`, `{"properties":{"title":"x","severity":"High","status":"New"}}`},
	} {
		r, err := http.NewRequest(x.method, "https://x"+insights+"incidents/x"+x.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		route := strings.NewReplacer(practice.ContosoSubscription, "{sub}", practice.ContosoResourceGroup, "{group}", practice.ContosoWorkspace, "{workspace}").Replace(route[x.route])
		e := practice.Exchange{Request: r, RequestBody: []byte(x.request), Route: route, Status: 200, Body: []byte(x.answer)}
		if practicetest.CheckRequest(e) == nil && practicetest.CheckResponse(e) == nil {
			t.Errorf("%s is not found", name)
		}
	}
}

// shape is a path without the names of its parameters.
func shape(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
		}
	}
	return strings.Join(parts, "/")
}

func TestAnIncidentIsTheSameOnBothSides(t *testing.T) {
	c := full(t, practice.Options{})
	graph := "/v1.0/security/incidents/40211"
	in, one := sentinelOf(c, "40211")
	if at(in, "properties", "status") != "New" || at(in, "properties", "severity") != "High" || at(in, "properties", "providerName") != "Microsoft XDR" {
		t.Errorf("incident: %v", in)
	}

	c.do(200, "PATCH", graph, `{"status":"resolved","classification":"falsePositive","determination":"notMalicious","assignedTo":"dana.officer@contoso.example","customTags":["a"]}`)
	c.do(200, "POST", graph+"/comments", `{"comment":"from there"}`)
	in = c.do(200, "GET", one+version, "").body
	for path, want := range map[string]string{
		"status": "Closed", "classification": "FalsePositive", "classificationReason": "InaccurateData",
		"owner": "dana.officer@contoso.example", "labels": "[map[labelName:a labelType:User]]",
	} {
		got := fmt.Sprint(at(in, "properties", path))
		if path == "owner" {
			got = fmt.Sprint(at(in, "properties", "owner", "userPrincipalName"))
		}
		if got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if got := c.do(200, "GET", one+"/comments"+version, "").at("value", 0, "properties", "message"); got != "from there" {
		t.Errorf("comment %v", got)
	}

	body := put(in, map[string]any{
		"status": "Active", "classification": nil, "classificationReason": nil, "severity": "Low", "title": "renamed",
		"labels": []map[string]string{{"labelName": "a"}, {"labelName": "b"}}, "owner": nil,
	})
	c.do(200, "PUT", one+version, body, "x-ms-client-request-id", "ours")
	c.do(201, "PUT", one+"/comments/1c1b1a19-0000-4000-8000-000000000001"+version, `{"properties":{"message":"from here"}}`)
	there := c.do(200, "GET", graph, "")
	for key, want := range map[string]string{
		"status": "inProgress", "classification": "unknown", "determination": "unknown", "severity": "low", "displayName": "renamed",
		"assignedTo": "<nil>", "customTags": "[a b]",
	} {
		if got := fmt.Sprint(there.body[key]); got != want {
			t.Errorf("there %s is %s, want %s", key, got, want)
		}
	}
	if got := there.at("comments", 1, "comment"); got != "from here" {
		t.Errorf("there the comment is %v", got)
	}
	last := c.audit()[2]
	if last.RequestID != "ours" || last.Operation != "sentinel.incident.update" || last.Target != "/security/incidents/40211" || last.Status != 200 {
		t.Errorf("audit: %+v", last)
	}
}

// Only an update with the etag of what is there now is taken.
func TestAnUpdateOverAnotherIsAConflict(t *testing.T) {
	c := full(t, practice.Options{})
	in, one := sentinelOf(c, "40211")
	body := put(in, map[string]any{"status": "Active"})
	c.do(200, "PATCH", "/v1.0/security/incidents/40211", `{"customTags":["theirs"]}`)
	got := c.do(409, "PUT", one+version, body)
	if got.code() != "Conflict" || !strings.Contains(got.message(), "Newer version of resource") {
		t.Errorf("answer %s", got.raw)
	}
	c.do(409, "PUT", one+version, strings.Replace(body, `"etag"`, `"other"`, 1)) // none at all
	if got := c.do(412, "PUT", one+version, body, "If-Match", in["etag"].(string)); got.code() != "PreconditionFailed" {
		t.Errorf("answer %s", got.raw)
	}
	for _, change := range []func(){
		func() {
			c.do(201, "PUT", one+"/comments/1c1b1a19-0000-4000-8000-000000000001"+version, `{"properties":{"message":"x"}}`)
		},
		func() { c.plain(200, "PATCH", "/practice/incidents/40211", `{"severity":"low"}`) },
		func() {
			now, _ := sentinelOf(c, "40211")
			c.do(200, "PUT", one+version, put(now, map[string]any{"title": "x"}))
		},
	} {
		before, _ := sentinelOf(c, "40211")
		change()
		if after, _ := sentinelOf(c, "40211"); after["etag"] == before["etag"] {
			t.Error("the etag has not changed")
		}
	}
	in, _ = sentinelOf(c, "40211")
	c.do(200, "PUT", one+version, put(in, nil), "If-Match", in["etag"].(string))
	if n := len(c.audit()); n != 4 {
		t.Errorf("%d changes, want 4", n)
	}
}

func TestSentinelRefuses(t *testing.T) {
	c := full(t, practice.Options{})
	in, one := sentinelOf(c, "40211")
	elsewhere := strings.NewReplacer(practice.ContosoSubscription, "00000000-0000-0000-0000-000000000001").Replace
	for _, x := range []struct {
		status             int
		method, path, body string
		code, text         string
	}{
		{400, "GET", insights + "incidents", "", "MissingApiVersionParameter", "required"},
		{400, "GET", insights + "incidents?api-version=2019-01-01-preview", "", "InvalidApiVersionParameter", "2024-09-01"},
		{404, "GET", elsewhere(insights) + "incidents" + version, "", "SubscriptionNotFound", "could not be found"},
		{404, "GET", strings.Replace(insights, practice.ContosoResourceGroup, "other", 1) + "incidents" + version, "", "ResourceGroupNotFound", "other"},
		{404, "GET", strings.Replace(insights, practice.ContosoWorkspace, "other", 1) + "incidents" + version, "", "ResourceNotFound", "other"},
		{404, "GET", insights + "incidents/00000000-0000-0000-0000-000000000001" + version, "", "NotFound", "not found"},
		{404, "GET", insights + "watchlists" + version, "", "InvalidResourceType", "watchlists"},
		{405, "PATCH", one + version, "{}", "MethodNotAllowed", "PATCH"},
		{400, "GET", insights + "incidents" + version + "&$filter=properties/labels%20eq%20'x'", "", "BadRequest", "can't be filtered by"},
		{400, "GET", insights + "incidents" + version + "&$orderby=properties/owner", "", "BadRequest", "$orderby"},
		{400, "GET", insights + "incidents" + version + "&$top=1001", "", "BadRequest", "1000"},
		{400, "GET", insights + "incidents" + version + "&$expand=alerts", "", "BadRequest", "$expand"},
		{400, "PUT", one + version, `{`, "BadRequest", "JSON"},
		{400, "PUT", one + version, put(in, map[string]any{"title": nil}), "BadRequest", "title"},
		{400, "PUT", one + version, put(in, map[string]any{"status": "Open"}), "BadRequest", "status"},
		{400, "PUT", one + version, put(in, map[string]any{"status": "Closed"}), "BadRequest", "classification"},
		{400, "PUT", one + version, put(in, map[string]any{"status": "Closed", "classification": "TruePositive", "classificationReason": "InaccurateData"}), "BadRequest", "reason"},
		{400, "PUT", one + version, put(in, map[string]any{"owner": map[string]string{"userPrincipalName": "nobody@contoso.example"}}), "BadRequest", "nobody@contoso.example"},
		{400, "PUT", one + "/comments/x" + version, `{"properties":{"message":" "}}`, "BadRequest", "30000"},
		{404, "GET", one + "/comments/x" + version, "", "NotFound", "comment"},
		{404, "GET", insights + "automationRules/x" + version, "", "NotFound", "rule"},
		{400, "PUT", one + "/relations/x" + version, `{"properties":{"relatedResourceId":"/subscriptions/x"}}`, "BadRequest", "related"},
	} {
		got := c.do(x.status, x.method, x.path, x.body)
		if got.code() != x.code || !strings.Contains(got.message(), x.text) || got.at("error", "innerError") != nil {
			t.Errorf("%s %s: %s; want %s: %s", x.method, x.path, got.raw, x.code, x.text)
		}
	}
	if len(c.audit()) > 0 {
		t.Error("a refused call changed something")
	}
}

func TestAzureTakesItsOwnTokensOnly(t *testing.T) {
	c := full(t, practice.Options{})
	for auth, code := range map[string]string{
		"": "AuthenticationFailed", "Bearer x.y.z": "InvalidAuthenticationToken",
		"Bearer " + c.token("/v1.0/"): "InvalidAuthenticationTokenAudience",
	} {
		got := c.do(401, "GET", insights+"incidents"+version, "", "Authorization", auth)
		if got.code() != code || got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s", code, got.raw)
		}
	}
	c.do(401, "GET", "/v1.0/security/incidents", "", "Authorization", "Bearer "+c.token(insights))
	for _, host := range []string{"management.usgovcloudapi.net", "management.chinacloudapi.cn"} {
		token := c.s.Token(t, practice.FullApp(), "https://"+host)
		c.do(200, "GET", insights+"incidents"+version, "", "Authorization", "Bearer "+token)
	}
}

func TestSentinelListsInPages(t *testing.T) {
	c := full(t, practice.Options{})
	for range 5 {
		c.plain(201, "POST", "/practice/incidents", `{"displayName":"one more","severity":"low"}`)
	}
	var names []string
	next := c.s.URL + insights + "incidents" + version + "&$top=3&$orderby=properties/incidentNumber%20asc"
	pages := 0
	for ; next != ""; pages++ {
		page := c.do(200, "GET", next, "")
		for _, in := range page.list() {
			names = append(names, fmt.Sprint(at(in, "properties", "incidentNumber")))
		}
		next, _ = page.body["nextLink"].(string)
	}
	if pages != 3 || strings.Join(names, " ") != "1 2 3 4 5 6 7 8" {
		t.Errorf("%d pages of %v", pages, names)
	}
	filter := "(properties/severity eq 'Low' and properties/status ne 'Closed') and properties/createdTimeUtc ge 2020-01-01T00:00:00Z"
	got := c.do(200, "GET", insights+"incidents"+query("api-version", "2024-09-01", "$filter", filter), "")
	if n := len(got.list()); n != 5 {
		t.Errorf("%d of low severity, want 5", n)
	}
}

func TestSentinelShowsEvidenceAsEntities(t *testing.T) {
	c := full(t, practice.Options{})
	_, one := sentinelOf(c, "40211")
	alert := c.do(200, "POST", one+"/alerts"+version, "").at("value", 0).(map[string]any)
	if alert["kind"] != "SecurityAlert" || at(alert, "properties", "productName") != "Microsoft Data Loss Prevention" || at(alert, "properties", "tactics", 0) != "Exfiltration" {
		t.Errorf("alert: %v", alert)
	}
	got := c.do(200, "POST", one+"/entities"+version, "")
	counted := map[string]float64{}
	for _, v := range got.body["metaData"].([]any) {
		counted[at(v, "entityKind").(string)] = at(v, "count").(float64)
	}
	found := map[string]float64{}
	for _, v := range got.body["entities"].([]any) {
		found[at(v, "kind").(string)]++
		if at(v, "kind") == "Account" && at(v, "properties", "upnSuffix") == "" {
			t.Errorf("account %v", v)
		}
	}
	if fmt.Sprint(counted) != fmt.Sprint(found) || found["Account"] == 0 || found["File"] == 0 {
		t.Errorf("counted %v, found %v", counted, found)
	}
}

func TestAzureThrottlesByBucket(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Throttle: 0.04, Now: clock.Now}) // reads 10, 1 more each second
	path := insights + "incidents" + version
	for n := range 10 {
		got := c.do(200, "GET", path, "")
		if left := got.header.Get("x-ms-ratelimit-remaining-subscription-reads"); left != fmt.Sprint(9-n) {
			t.Errorf("left %s, want %d", left, 9-n)
		}
	}
	got := c.do(429, "GET", path, "")
	if got.code() != "SubscriptionRequestsThrottled" || got.header.Get("Retry-After") != "1" {
		t.Errorf("%v %s", got.header, got.raw)
	}
	c.do(404, "POST", insights+"incidents/x/alerts"+version, "") // writes have a bucket of their own
	clock.Advance(2 * time.Second)
	c.do(200, "GET", path, "")
	c.do(200, "GET", path, "")
	c.do(429, "GET", path, "")
}

func TestAzureNamesItsRequests(t *testing.T) {
	c := full(t, practice.Options{})
	got := c.do(200, "GET", insights+"incidents"+version, "", "x-ms-client-request-id", "ours", "x-ms-return-client-request-id", "true")
	if got.header.Get("x-ms-request-id") == "" || got.header.Get("x-ms-client-request-id") != "ours" || got.header.Get("request-id") != "" {
		t.Errorf("headers: %v", got.header)
	}
	if kind := got.header.Get("Content-Type"); kind != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %s", kind)
	}
}

func TestACompanyWithoutSentinelHasNone(t *testing.T) {
	company := practice.Contoso(0)
	company.Sentinel = nil
	raw, err := json.Marshal(company)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, start(t, practice.Options{Company: raw}), practice.FullApp())
	if got := c.do(http.StatusNotFound, "GET", insights+"incidents"+version, ""); got.code() != "SubscriptionNotFound" {
		t.Errorf("answer %s", got.raw)
	}
	company.Sentinel = &practice.Workspace{Name: "w"}
	raw, _ = json.Marshal(company)
	if _, err := practice.New(practice.Options{Company: raw}); err == nil || !strings.Contains(err.Error(), "sentinel.") {
		t.Errorf("error %v", err)
	}
}

func TestReadingSentinelChangesNoState(t *testing.T) {
	c := full(t, practice.Options{})
	c.do(200, "POST", "/v1.0/security/incidents/40211/comments", `{"comment":"x"}`)
	before := c.state()
	in, one := sentinelOf(c, "40211")
	c.do(200, "GET", one+"/comments"+version, "")
	if c.state() != before {
		t.Error("reading changed the state")
	}
	c.do(200, "PUT", one+version, put(in, map[string]any{"status": "Closed", "classification": "FalsePositive", "classificationReason": "IncorrectAlertLogic", "classificationComment": "tuned"}))
	in, _ = sentinelOf(c, "40211")
	if at(in, "properties", "classificationReason") != "IncorrectAlertLogic" || at(in, "properties", "classificationComment") != "tuned" {
		t.Errorf("incident: %v", in)
	}
	if c.state() == before {
		t.Error("the state tells nothing")
	}
	c.do(200, "PUT", one+version, put(in, map[string]any{"status": "New", "classification": nil, "classificationReason": nil, "classificationComment": nil}))
	if c.state() != before {
		t.Error("the state is another than before")
	}
	if err := c.s.Tenant.Reset(); err != nil {
		t.Fatal(err)
	}
	if now, _ := sentinelOf(c, "40211"); at(now, "properties", "additionalData", "commentsCount") != 0.0 {
		t.Errorf("after the reset: %v", now)
	}
}

package practice_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// exchange is one call of a route, with paths of the built-in company.
type exchange struct {
	status             int
	method, path, body string
}

// everyRoute calls each route once, in an order that
// leaves what later calls need.
func everyRoute(c *client, hook *receiver) []exchange {
	return slices.Concat(noticeCalls(c, hook), securityCalls(c), fileCalls(c), peopleCalls(c), machineCalls(c), sentinelCalls(c))
}

func fileCalls(c *client) []exchange {
	item := c.file(payrollURL)
	drive := item[:strings.Index(item, "/items/")]
	design := c.file("https://contoso.sharepoint.com/sites/engineering/Shared Documents/Designs/Turbine Mk4/Rotor drawing 01.pdf")
	second := c.file("https://contoso.sharepoint.com/sites/engineering/Shared Documents/Designs/Turbine Mk4/Stator drawing 02.pdf")
	link := item + "/permissions/" + c.permission(item, scoped("anonymous"))["id"].(string)
	grant := item + "/permissions/" + c.permission(item, grantedTo("lee.gu@fabrikam.example"))["id"].(string)
	label := c.do(200, "GET", "/v1.0/security/dataSecurityAndGovernance/sensitivityLabels", "").list()[2]["id"].(string)
	site := "/v1.0/sites/contoso.sharepoint.com:/sites/payroll"
	return []exchange{
		{200, "GET", "/v1.0/shares/" + shareToken(payrollURL) + "/driveItem?$select=id,name,webUrl,parentReference,sharepointIds,eTag,size,file", ""},
		{302, "GET", item + "/content", ""},
		{200, "GET", site, ""},
		{200, "GET", site + ":/drives", ""},
		{200, "GET", drive, ""},
		{200, "GET", "/v1.0/users/sam.ortiz@contoso.example/drive", ""},
		{200, "GET", item + "?$expand=retentionLabel", ""},
		{200, "GET", drive + "/root:/2026/Payroll%20November%202026.xlsx", ""},
		{200, "GET", drive + "/root/children?$top=2&$orderby=name%20desc", ""},
		{200, "GET", drive + "/root:/2026:/children", ""},
		{200, "GET", item + "/permissions", ""},
		{200, "GET", grant, ""},
		{200, "PATCH", grant, `{"roles":["write"]}`},
		{204, "DELETE", link, ""},
		{201, "POST", item + "/createLink", `{"type":"edit","scope":"anonymous"}`},
		{200, "POST", item + "/createLink", `{"type":"edit","scope":"anonymous"}`},
		{200, "POST", item + "/invite", `{"recipients":[{"email":"new@wingtip.example"}],"roles":["read"],"requireSignIn":true,"sendInvitation":false}`},
		{202, "POST", item + "/assignSensitivityLabel", `{"sensitivityLabelId":"` + label + `","assignmentMethod":"standard"}`},
		{200, "POST", item + "/extractSensitivityLabels", ""},
		{201, "PATCH", item + "/retentionLabel", `{"name":"Keep 7 years"}`},
		{200, "PATCH", item + "/retentionLabel", `{"name":"Working papers"}`},
		{200, "GET", item + "/retentionLabel", ""},
		{204, "DELETE", item + "/retentionLabel", ""},
		{200, "GET", "/v1.0/security/dataSecurityAndGovernance/sensitivityLabels/" + label, ""},
		{200, "GET", "/v1.0/users/sam.ortiz@contoso.example/security/dataSecurityAndGovernance/sensitivityLabels", ""},
		{200, "GET", strings.Split(design, "/items/")[0] + "/root/search(q='drawing')?$top=5", ""},
		{200, "PATCH", design, `{"name":"renamed.pdf"}`},
		{400, "POST", design + "/restore", "{}"},
		{204, "DELETE", design, ""},
		{204, "POST", second + "/permanentDelete", ""},
	}
}

func securityCalls(c *client) []exchange {
	alert := "/v1.0/security/alerts_v2/" + c.do(200, "GET", "/v1.0/security/alerts_v2", "").list()[0]["id"].(string)
	return []exchange{
		{200, "GET", "/v1.0/security/incidents?$expand=alerts&$count=true&$top=2", ""},
		{200, "GET", "/v1.0/security/incidents/40211?$expand=alerts", ""},
		{200, "PATCH", "/v1.0/security/incidents/40211", `{"status":"inProgress","customTags":["a"],"assignedTo":"x@contoso.example","classification":"truePositive","determination":"confirmedActivity"}`},
		{200, "POST", "/v1.0/security/incidents/40211/comments", `{"@odata.type":"microsoft.graph.security.alertComment","comment":"hello"}`},
		{200, "GET", alert, ""},
		{200, "PATCH", alert, `{"status":"resolved","classification":"falsePositive"}`},
		{200, "POST", alert + "/comments", `{"comment":"hello"}`},
		{200, "GET", "/v1.0/security/alerts_v2?$filter=serviceSource+eq+'dataLossPrevention'", ""},
		{200, "POST", "/v1.0/security/runHuntingQuery", `{"Query":"AlertInfo | take 2","Timespan":"P7D"}`},
	}
}

func peopleCalls(c *client) []exchange {
	group := "/v1.0/groups/" + c.do(200, "GET", "/v1.0/groups", "").list()[0]["id"].(string)
	user, box, message := "/v1.0/users/sam.ortiz@contoso.example", "", ""
	id := c.do(200, "GET", user, "").body["id"].(string)
	for _, u := range c.do(200, "GET", "/v1.0/users?$top=999", "").list() {
		box = "/v1.0/users/" + u["id"].(string)
		if m := c.do(200, "GET", box+"/messages", "").list(); len(m) > 1 {
			message = box + "/messages/" + m[0]["id"].(string)
			break
		}
	}
	return []exchange{
		{200, "GET", user + "?$select=id,accountEnabled,employeeLeaveDateTime,userPrincipalName", ""},
		{204, "PATCH", user, `{"accountEnabled":false}`},
		{200, "GET", user + "/manager", ""},
		{200, "POST", user + "/revokeSignInSessions", ""},
		{200, "GET", group, ""},
		{200, "GET", group + "/members", ""},
		{400, "GET", user + "/transitiveMemberOf/microsoft.graph.group", ""},
		{200, "GET", "/v1.0/organization", ""},
		{200, "GET", "/v1.0/identityProtection/riskyUsers?$filter=riskState+eq+'atRisk'&$count=true", ""},
		{200, "GET", "/v1.0/identityProtection/riskyUsers/" + c.do(200, "GET", "/v1.0/identityProtection/riskyUsers", "").list()[0]["id"].(string), ""},
		{204, "POST", "/v1.0/identityProtection/riskyUsers/confirmCompromised", `{"userIds":["` + id + `"]}`},
		{204, "POST", "/v1.0/identityProtection/riskyUsers/dismiss", `{"userIds":["` + id + `"]}`},
		{200, "GET", message, ""},
		{200, "GET", message + "?$select=uniqueBody,internetMessageHeaders,conversationId,sender", ""},
		{200, "GET", box + "/messages?$select=uniqueBody,internetMessageHeaders&$filter=contains(subject,'a')", ""},
		{200, "GET", message + "/$value", ""},
		{201, "POST", message + "/move", `{"destinationId":"deleteditems"}`},
		{200, "GET", box + "/mailFolders?$top=3", ""},
		{200, "GET", box + "/mailFolders/deleteditems", ""},
		{200, "GET", box + "/mailFolders/sentitems/messages?$select=id,subject", ""},
		{201, "POST", box + "/mailFolders", `{"displayName":"Held","isHidden":true}`},
		{202, "POST", box + "/sendMail", `{"message":{"subject":"a","body":{"contentType":"HTML","content":"<p>b</p>"},"toRecipients":[{"emailAddress":{"address":"dana.officer@contoso.example"}}]},"saveToSentItems":true}`},
		{204, "DELETE", box + "/messages/" + c.do(200, "GET", box+"/messages", "").list()[1]["id"].(string), ""},
	}
}

func machineCalls(c *client) []exchange {
	machine := "/api/machines/" + c.do(200, "GET", "/api/machines"+query("$filter", "computerDnsName eq 'wks-sortiz.contoso.example'"), "").list()[0]["id"].(string)
	comment := `{"Comment":"because"}`
	isolated := c.do(201, "POST", machine+"/isolate", `{"Comment":"x","IsolationType":"Full"}`).body["id"].(string)
	return []exchange{
		{200, "GET", "/api/machines?$top=3", ""},
		{200, "GET", machine, ""},
		{200, "POST", machine + "/tags", `{"Value":"seen","Action":"Add"}`},
		{400, "POST", machine + "/unisolate", comment},
		{201, "POST", machine + "/restrictCodeExecution", comment},
		{400, "POST", machine + "/unrestrictCodeExecution", comment},
		{201, "POST", machine + "/runAntiVirusScan", `{"Comment":"x","ScanType":"Quick"}`},
		{201, "POST", machine + "/collectInvestigationPackage", comment},
		{200, "GET", "/api/machineactions?$filter=" + "type+eq+'Isolate'", ""},
		{200, "GET", "/api/machineactions/" + isolated, ""},
		{200, "POST", "/api/machineactions/" + isolated + "/cancel", comment},
	}
}

// Every route is called, and every answer and accepted request fits the
// description of Graph.
func TestEveryRouteSpeaksTheDescribedProtocol(t *testing.T) {
	called := map[string]bool{}
	clock, hook := newClock(), newReceiver(t)
	s := practicetest.Start(t, practice.Options{Now: clock.Now, Notify: hook.Client(), Observe: func(x practice.Exchange) {
		called[x.Request.Method+" "+x.Route] = true
		if err := practicetest.CheckResponse(x); err != nil {
			t.Errorf("%v\n%s", err, x.Body)
		}
		if x.Status < 300 {
			if err := practicetest.CheckRequest(x); err != nil {
				t.Error(err)
			}
		}
	}})
	c := newClient(t, s, practice.FullApp())
	for _, x := range everyRoute(c, hook) {
		c.do(x.status, x.method, x.path, x.body)
	}
	for _, r := range practice.Routes() {
		if !called[r.Method+" "+r.Pattern] {
			t.Errorf("%s %s was not called", r.Method, r.Pattern)
		}
	}
}

// The roles that open a call are those of Microsoft's permissions reference.
func TestRolesAreThoseOfThePermissionsReference(t *testing.T) {
	raw, err := os.ReadFile("practicetest/testdata/graph-permissions.json")
	if err != nil {
		t.Fatal(err)
	}
	var reference struct{ Paths map[string][]string }
	if err := json.Unmarshal(raw, &reference); err != nil {
		t.Fatal(err)
	}
	unlisted := []string{}
	for _, r := range practice.Routes() {
		if r.Defender || r.Azure {
			continue
		}
		var roles []string
		for path, all := range reference.Paths {
			if sameReference(path, r.Method+" /"+r.Pattern) {
				roles = append(roles, all...)
			}
		}
		if roles == nil {
			unlisted = append(unlisted, r.Method+" "+r.Pattern)
			continue
		}
		for _, role := range r.Roles {
			// The reference lists Mail.ReadWrite for the list of messages only.
			if !slices.Contains(roles, role) && role != "Mail.ReadWrite" {
				t.Errorf("%s %s is open to %s, which the reference does not list: %v", r.Method, r.Pattern, role, roles)
			}
		}
	}
	slices.Sort(unlisted)
	if got := strings.Join(unlisted, "\n"); got != unlistedRoutes {
		t.Errorf("routes that the reference copy lacks:\n%s\nwant:\n%s", got, unlistedRoutes)
	}
}

// Their roles are from the pages of the calls.
const unlistedRoutes = `DELETE subscriptions/{subscription}
GET drives/{drive}
GET drives/{drive}/items/{item}/retentionLabel
GET drives/{drive}/items/{item}/search(q='{q}')
GET groups
GET groups/{group}
GET groups/{group}/members
GET organization
GET subscriptions
GET subscriptions/{subscription}
GET users
GET users/{user}/mailFolders
GET users/{user}/mailFolders/{folder}
GET users/{user}/mailFolders/{folder}/messages
GET users/{user}/manager
GET users/{user}/messages/{message}/$value
GET users/{user}/transitiveMemberOf/microsoft.graph.group
PATCH drives/{drive}/items/{item}/retentionLabel
PATCH subscriptions/{subscription}
POST drives/{drive}/items/{item}/permanentDelete
POST drives/{drive}/items/{item}/restore
POST subscriptions
POST subscriptions/{subscription}/reauthorize
POST users/{user}/mailFolders
POST users/{user}/sendMail`

func sameReference(a, b string) bool {
	left, right := strings.Split(strings.ToLower(a), "/"), strings.Split(strings.ToLower(b), "/")
	return slices.EqualFunc(left, right, func(l, r string) bool {
		return l == r || strings.HasPrefix(l, "{") && strings.HasPrefix(r, "{")
	})
}

// bare answers a client of the built-in company whose app has no role at all.
func bare(t *testing.T) *client {
	t.Helper()
	company := practice.Contoso(0)
	app := practice.App{ID: "00000000-0000-0000-0000-0000000000aa", Name: "bare", Secret: "bare"}
	company.Apps = append(company.Apps, app)
	raw, err := json.Marshal(company)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, start(t, practice.Options{Company: raw}), app)
}

// No call goes through without one of its roles, and the refusal names them.
func TestEveryRouteWithoutItsRoleIsForbidden(t *testing.T) {
	c := bare(t)
	before := c.state()
	for _, r := range practice.Routes() {
		path := "/v1.0/"
		if r.Defender {
			path = "/api/"
		} else if r.Azure {
			path = "/"
		}
		for part := range strings.SplitSeq(r.Pattern, "/") {
			if strings.HasPrefix(part, "{") {
				part = "x"
			}
			path += part + "/"
		}
		got := c.do(403, r.Method, strings.TrimSuffix(path, "/"), "")
		if r.Azure { // which names the operation in place of the roles
			if got.code() != "AuthorizationFailed" || !strings.Contains(got.message(), "Microsoft.SecurityInsights/") {
				t.Errorf("%s %s: %s", r.Method, r.Pattern, got.raw)
			}
			continue
		}
		for _, role := range r.Roles {
			if !strings.Contains(got.message(), role) {
				t.Errorf("%s %s: the refusal does not name %s: %s", r.Method, r.Pattern, role, got.raw)
			}
		}
	}
	if c.state() != before {
		t.Error("a refused call changed the company")
	}
}

// The reader reads, and writes nothing.
func TestReaderOnlyReads(t *testing.T) {
	c := newClient(t, start(t, practice.Options{}), practice.ReaderApp())
	site := "/v1.0/sites/contoso.sharepoint.com:/sites/payroll:/drive/root:/2026/Payroll%20November%202026.xlsx"
	c.do(200, "GET", site, "")
	c.do(200, "GET", site+":/permissions", "")
	c.do(200, "GET", "/v1.0/security/incidents", "")
	c.do(200, "GET", "/api/machines", "")
	if got := c.do(403, "GET", "/v1.0/shares/"+shareToken(payrollURL)+"/driveItem", ""); got.code() != "accessDenied" {
		t.Errorf("code %q", got.code())
	}
	if got := c.do(403, "PATCH", "/v1.0/security/incidents/40211", `{"status":"resolved"}`); got.code() != "Forbidden" {
		t.Errorf("code %q", got.code())
	}
	if got := c.do(403, "POST", "/v1.0/users/x/revokeSignInSessions", ""); got.code() != "Authorization_RequestDenied" {
		t.Errorf("code %q", got.code())
	}
	if got := c.do(403, "POST", "/api/machines/x/isolate", ""); got.code() != "Forbidden" || got.at("error", "target") == nil {
		t.Errorf("Defender's error is %s", got.raw)
	}
	if len(c.audit()) > 0 {
		t.Error("the reader changed something")
	}
}

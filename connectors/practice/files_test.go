package practice_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func TestUnshareAndShareAgainLeavesTheStateAsItWas(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	before := c.state()
	link := c.permission(item, scoped("anonymous"))
	grant := c.permission(item, grantedTo("lee.gu@fabrikam.example"))
	people := c.permission(item, scoped("users"))
	for _, p := range []map[string]any{link, grant, people} {
		c.do(204, "DELETE", item+"/permissions/"+p["id"].(string), "")
		c.do(404, "DELETE", item+"/permissions/"+p["id"].(string), "")
	}
	if c.state() == before {
		t.Fatal("three permissions went and the state is the same")
	}
	again := c.do(201, "POST", item+"/createLink", `{"type":"edit","scope":"anonymous"}`)
	if again.body["id"] == link["id"] || again.at("link", "webUrl") == at(link, "link", "webUrl") {
		t.Error("a deleted link came back with its old id or URL")
	}
	c.do(200, "POST", item+"/invite", `{"recipients":[{"email":"lee.gu@fabrikam.example"}],"roles":["read"],"requireSignIn":true}`)
	c.do(201, "POST", item+"/createLink", `{"type":"view","scope":"users","recipients":[{"email":"ann.beebe@adatum.example"},{"email":"scott.cooper@adatum.example"}]}`)
	if after := c.state(); after != before {
		t.Errorf("the state differs:\n%s", difference(before, after))
	}
	operations := []string{}
	for _, e := range c.audit() {
		operations = append(operations, e.Operation)
	}
	want := "permission.delete permission.delete permission.delete permission.createLink permission.invite permission.createLink"
	if got := strings.Join(operations, " "); got != want {
		t.Errorf("audit %s, want %s", got, want)
	}
}

// difference is the first lines that differ.
func difference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return strings.Join(left[max(0, i-2):min(i+4, len(left))], "\n") + "\n---\n" + strings.Join(right[max(0, i-2):min(i+4, len(right))], "\n")
		}
	}
	return "one is longer"
}

func TestPermissionsThatCannotBeDeleted(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	inherited, owners := 0, 0
	for _, p := range c.do(200, "GET", item+"/permissions", "").list() {
		id := p["id"].(string)
		switch {
		case p["inheritedFrom"] != nil:
			inherited++
			if got := c.do(400, "DELETE", item+"/permissions/"+id, ""); got.code() != "invalidRequest" {
				t.Errorf("an inherited permission: %s", got.raw)
			}
		case at(p, "roles", 0) == "owner":
			owners++
			c.do(403, "DELETE", item+"/permissions/"+id, "")
		}
	}
	if inherited != 4 || owners != 1 {
		t.Errorf("%d inherited and %d owner permissions, want 4 and 1", inherited, owners)
	}
	if len(c.audit()) != 0 {
		t.Error("a refused change is in the audit")
	}
}

func TestInvitingTwiceMeetsTheSamePermission(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	n := len(c.do(200, "GET", item+"/permissions", "").list())
	first := c.do(200, "POST", item+"/invite", `{"recipients":[{"email":"x@wingtip.example"},{"objectId":"`+c.userID("sam.ortiz@contoso.example")+`"}],"roles":["read"],"requireSignIn":true}`)
	second := c.do(200, "POST", item+"/invite", `{"recipients":[{"email":"x@wingtip.example"}],"roles":["write"],"requireSignIn":true}`)
	if first.list()[0]["id"] != second.list()[0]["id"] || second.at("value", 0, "roles", 0) != "write" {
		t.Errorf("got %s then %s", first.raw, second.raw)
	}
	if got := len(c.do(200, "GET", item+"/permissions", "").list()); got != n+2 {
		t.Errorf("%d permissions, want %d", got, n+2)
	}
}

func (c *client) userID(upn string) string {
	return c.do(200, "GET", "/v1.0/users/"+upn, "").body["id"].(string)
}

func TestBadSharingRequestsAreRefused(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	before := c.state()
	for _, x := range []struct{ path, body string }{
		{"/createLink", `{"type":"own","scope":"anonymous"}`},
		{"/createLink", `{"type":"view","scope":"everyone"}`},
		{"/createLink", `{"type":"view","scope":"anonymous","password":"x"}`},
		{"/createLink", `{"type":"view","scope":"anonymous","expirationDateTime":"2020-01-01T00:00:00Z"}`},
		{"/createLink", `{"type":"view","scope":"anonymous","recipients":[{"email":"a@b.example"}]}`},
		{"/createLink", `{`},
		{"/createLink", ``},
		{"/invite", `{"recipients":[],"roles":["read"],"requireSignIn":true}`},
		{"/invite", `{"recipients":[{"email":"nobody"}],"roles":["read"],"requireSignIn":true}`},
		{"/invite", `{"recipients":[{"email":"a@b.example"}],"roles":["owner"],"requireSignIn":true}`},
		{"/invite", `{"recipients":[{"email":"a@b.example"}],"roles":["read"]}`},
	} {
		c.do(400, "POST", item+x.path, x.body)
	}
	if c.state() != before || len(c.audit()) != 0 {
		t.Error("a refused request changed the company")
	}
}

func TestInheritanceIsBrokenOnRequest(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	c.do(200, "POST", item+"/invite", `{"recipients":[{"email":"dana.officer@contoso.example"}],"roles":["write"],"requireSignIn":true,"retainInheritedPermissions":false}`)
	for _, p := range c.do(200, "GET", item+"/permissions", "").list() {
		if p["inheritedFrom"] != nil {
			t.Fatalf("still inherits %v", p)
		}
	}
}

func TestItemsAreAddressedInEveryDocumentedWay(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	id := item[strings.LastIndex(item, "/")+1:]
	drive := item[:strings.Index(item, "/items/")]
	folder := c.do(200, "GET", drive+"/root:/2026", "").body["id"].(string)
	link := at(c.permission(item, scoped("anonymous")), "link", "webUrl").(string)
	const path = "2026/Payroll%20November%202026.xlsx"
	for _, p := range []string{
		item, drive + "/root:/" + path, drive + "/root:/" + path + ":", drive + "/items/root:/" + path,
		drive + "/items/" + folder + ":/Payroll%20November%202026.xlsx", drive + "/root:/2026/PAYROLL%20NOVEMBER%202026.XLSX",
		"/v1.0/sites/contoso.sharepoint.com:/sites/payroll:/drive/root:/" + path,
		"/v1.0/sites/" + c.do(200, "GET", "/v1.0/sites/contoso.sharepoint.com:/sites/payroll", "").body["id"].(string) + "/drive/items/" + id,
		"/beta" + item[len("/v1.0"):],
		"/v1.0/shares/" + shareToken(link) + "/driveItem",
		"/v1.0/shares/" + shareToken(strings.ReplaceAll(payrollURL, " ", "%20")) + "/driveItem",
	} {
		if got := c.do(200, "GET", p, "").body["id"]; got != id {
			t.Errorf("%s is %v, want %s", p, got, id)
		}
	}
	for _, p := range []string{drive + "/root:/2027/x.xlsx", "/v1.0/drives/none/items/" + id, drive + "/items/none", "/v1.0/shares/" + shareToken("https://contoso.sharepoint.com/sites/none/x") + "/driveItem"} {
		if got := c.do(404, "GET", p, ""); got.code() != "itemNotFound" {
			t.Errorf("%s: %s", p, got.raw)
		}
	}
	c.do(400, "GET", "/v1.0/shares/https:nope/driveItem", "")
	c.do(400, "GET", "/v1.0/shares/u!%25%25/driveItem", "")
}

func TestETagsGuardWrites(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	first := c.do(200, "GET", item, "").body["eTag"].(string)
	c.do(304, "GET", item, "", "If-None-Match", first)
	c.do(200, "PATCH", item, `{"name":"Payroll.xlsx"}`, "If-Match", first)
	if got := c.do(412, "DELETE", item, "", "If-Match", first); got.code() != "resourceModified" {
		t.Errorf("code %s", got.code())
	}
	list := c.do(200, "GET", item+"/permissions", "")
	c.do(304, "GET", item+"/permissions", "", "If-None-Match", list.header.Get("ETag"))
	link := c.permission(item, scoped("anonymous"))["id"].(string)
	c.do(412, "DELETE", item+"/permissions/"+link, "", "If-Match", first)
	c.do(204, "DELETE", item+"/permissions/"+link, "", "If-Match", c.do(200, "GET", item, "").body["eTag"].(string))
	c.do(200, "GET", item+"/permissions", "", "If-None-Match", list.header.Get("ETag"))
	c.do(204, "DELETE", item, "", "If-Match", "*")
	c.do(404, "GET", item, "")
	c.do(404, "DELETE", item, "")
}

func TestMoveAndRename(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	drive := item[:strings.Index(item, "/items/")]
	c.do(200, "PATCH", item, `{"parentReference":{"path":"/drive/root:/Templates"},"name":"moved.xlsx"}`)
	if got := c.do(200, "GET", drive+"/root:/Templates/moved.xlsx", ""); !strings.HasSuffix(item, got.body["id"].(string)) {
		t.Errorf("moved to %s", got.raw)
	}
	c.do(409, "PATCH", item, `{"name":"Read me 004.docx"}`)
	c.do(400, "PATCH", item, `{"name":"a/b"}`)
	c.do(404, "PATCH", item, `{"parentReference":{"id":"none"}}`)
	folder := drive + "/items/" + c.do(200, "GET", drive+"/root:/Archive", "").body["id"].(string)
	c.do(400, "PATCH", folder, `{"parentReference":{"path":"/drive/root:/Archive/2025"}}`)
	c.do(403, "DELETE", drive+"/root", "")
}

func TestLabelsAreAssignedLaterAndWatchedWithoutAToken(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now, LabelTime: time.Minute})
	item := c.file(payrollURL)
	labels := c.do(200, "GET", "/v1.0/security/dataSecurityAndGovernance/sensitivityLabels", "").list()
	general, confidential := labels[1]["id"].(string), labels[2]["id"].(string)
	now := func() any {
		return c.do(200, "POST", item+"/extractSensitivityLabels", "").at("value", "labels", 0, "sensitivityLabelId")
	}
	before := c.state()
	accepted := c.do(202, "POST", item+"/assignSensitivityLabel", `{"sensitivityLabelId":"`+confidential+`"}`)
	monitor := accepted.header.Get("Location")
	if len(accepted.raw) > 0 || !strings.HasPrefix(monitor, c.s.URL+"/_api/v2.0/monitor/") || !strings.Contains(monitor, "?tempAuth=") {
		t.Fatalf("body %q, monitor %s", accepted.raw, monitor)
	}
	watch := func() any { return c.do(202, "GET", monitor, "", "Authorization", "").body["status"] }
	if now() != general || watch() != "inProgress" || c.state() != before {
		t.Error("the label is there at once")
	}
	clock.Advance(time.Minute)
	if now() != confidential || watch() != "completed" || c.state() == before {
		t.Errorf("after its time: label %v, monitor %v", now(), watch())
	}
	c.do(404, "GET", strings.Split(monitor, "?")[0], "", "Authorization", "")
	if got := c.do(400, "POST", item+"/assignSensitivityLabel", `{"sensitivityLabelId":"`+general+`"}`); !strings.Contains(got.message(), "justificationText") {
		t.Errorf("a downgrade without justification: %s", got.raw)
	}
	c.do(202, "POST", item+"/assignSensitivityLabel", `{"sensitivityLabelId":"`+general+`","assignmentMethod":"privileged","justificationText":"undo"}`)
	clock.Advance(time.Minute)
	if c.state() != before {
		t.Error("the old label leaves another state")
	}
	c.do(400, "POST", item+"/assignSensitivityLabel", `{"sensitivityLabelId":"none"}`)
	c.do(400, "POST", item+"/assignSensitivityLabel", `{}`)
	if a := c.audit(); len(a) != 2 || a[0].Operation != "label.assign" || a[0].Before != "General" || a[0].After != "Confidential" || a[0].Status != 202 {
		t.Errorf("audit %+v", a)
	}
}

func TestALabelOnTheWrongKindOfFileFailsInTheMonitorOnly(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	drive := strings.Split(c.file(payrollURL), "/items/")[0]
	c.do(200, "PATCH", c.file(payrollURL), `{"name":"payroll.csv"}`)
	item := drive + "/root:/2026/payroll.csv:"
	label := c.do(200, "GET", "/v1.0/security/dataSecurityAndGovernance/sensitivityLabels", "").list()[3]["id"].(string)
	monitor := c.do(202, "POST", item+"/assignSensitivityLabel", `{"sensitivityLabelId":"`+label+`"}`).header.Get("Location")
	clock.Advance(time.Minute)
	if got := c.do(202, "GET", monitor, ""); got.body["status"] != "failed" || got.at("error", "code") != "notSupported" {
		t.Errorf("monitor says %s", got.raw)
	}
	if n := len(c.audit()); n != 1 {
		t.Errorf("%d changes in the audit; the label is none", n)
	}
}

func TestDeletedFilesAreInTheRecycleBinUnlessForGood(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	c.do(204, "DELETE", item, "")
	if !strings.Contains(c.state(), `"/2026/Payroll November 2026.xlsx"
   ],`) {
		t.Error("a deleted file is not in the recycle bin of its site")
	}
	if got := c.do(400, "POST", item+"/restore", "{}"); got.code() != "notSupported" {
		t.Errorf("%s", got.raw)
	}
	drawing := c.file("https://contoso.sharepoint.com/sites/engineering/Shared Documents/Designs/Turbine Mk4/Rotor drawing 01.pdf")
	c.do(204, "POST", drawing+"/permanentDelete", "")
	if strings.Contains(c.state(), "Rotor drawing 01.pdf\"") {
		t.Error("a file deleted for good is still in the state")
	}
	c.do(404, "GET", drawing, "")
}

func TestRetentionLabelsHoldFiles(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	c.do(404, "GET", item+"/retentionLabel", "")
	c.do(400, "PATCH", item+"/retentionLabel", `{"name":"none"}`)
	c.do(201, "PATCH", item+"/retentionLabel", `{"name":"Keep 7 years"}`)
	if got := c.do(423, "DELETE", item, ""); got.code() != "resourceLocked" {
		t.Errorf("%s", got.raw)
	}
	c.do(400, "PATCH", item+"/retentionLabel", `{"retentionSettings":{"isRecordLocked":true}}`)
	c.do(204, "DELETE", item+"/retentionLabel", "")
}

func TestRecordsAreLocked(t *testing.T) {
	c := full(t, practice.Options{})
	analyst := newClient(t, c.s, practice.AnalystApp())
	item := c.file(payrollURL)
	label := item + "/retentionLabel"
	set := analyst.do(201, "PATCH", label, `{"name":"Board record"}`)
	if settings := set.body["retentionSettings"].(map[string]any); settings["isRecordLocked"] != true || settings["isContentUpdateAllowed"] != false {
		t.Errorf("a record is not locked: %s", set.raw)
	}
	const labelled = `{"sensitivityLabelId":"0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d03","assignmentMethod":"privileged"}`
	analyst.do(423, "POST", item+"/assignSensitivityLabel", labelled)
	analyst.do(423, "DELETE", item, "")
	analyst.do(403, "DELETE", label, "")
	analyst.do(403, "PATCH", label, `{"name":"Keep 7 years"}`)
	analyst.do(200, "PATCH", label, `{"retentionSettings":{"isRecordLocked":false}}`)
	analyst.do(202, "POST", item+"/assignSensitivityLabel", labelled)
	c.do(423, "DELETE", item, "")
	c.do(403, "DELETE", label, "") // of an unlocked record, nobody
	c.do(200, "PATCH", label, `{"retentionSettings":{"isRecordLocked":true}}`)
	c.do(200, "PATCH", label, `{"name":"Keep 7 years"}`)
	c.do(204, "DELETE", label, "")
}

func TestTheRecycleBinGivesBackWhatWasDeleted(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	before := c.state()
	c.do(204, "DELETE", item, "")
	token := c.s.Token(t, practice.FullApp(), "https://contoso.sharepoint.com")
	ask := func(status int, method, path, token string) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, c.s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, _ := io.ReadAll(res.Body)
		var body map[string]any
		if err := json.Unmarshal(raw, &body); err != nil || res.StatusCode != status {
			t.Fatalf("%s %s: %s, want %d: %s", method, path, res.Status, status, raw)
		}
		return body
	}
	const bin = "/sites/payroll/_api/web/RecycleBin"
	named := bin + query("$filter", "LeafName eq 'Payroll November 2026.xlsx'")
	list := ask(200, "GET", named, token)["value"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["DirName"] != "sites/payroll/Shared Documents/2026" {
		t.Fatalf("bin: %v", list)
	}
	if e := ask(401, "GET", named, c.s.Token(t, practice.FullApp(), practicetest.Graph))["odata.error"].(map[string]any); e["message"].(map[string]any)["value"] == "" {
		t.Errorf("error: %v", e)
	}
	ask(403, "GET", named, c.s.Token(t, practice.ReaderApp(), "https://contoso.sharepoint.com"))
	ask(404, "POST", bin+"('00000000-0000-0000-0000-000000000000')/restore()", token)
	ask(400, "GET", bin+query("$filter", "Size gt 3"), token)
	entry := list[0].(map[string]any)["Id"].(string)
	ask(200, "POST", bin+"('"+entry+"')/restore()", token)
	if c.state() != before {
		t.Error("the state is another than before")
	}
	ask(404, "POST", bin+"('"+entry+"')/restore()", token)
	if last := c.s.Tenant.Changes(); last[len(last)-1].Operation != "item.restore" {
		t.Errorf("audit: %+v", last)
	}
}

func TestSearchFindsNamesInALibrary(t *testing.T) {
	c := full(t, practice.Options{})
	drive, _, _ := strings.Cut(c.file(payrollURL), "/items/")
	found := c.do(200, "GET", drive+"/root/search(q='november%20PAYROLL')", "").list()
	if len(found) != 1 || found[0]["name"] != "Payroll November 2026.xlsx" {
		t.Errorf("found: %v", found)
	}
	if none := c.do(200, "GET", drive+"/root/search(q='o''neill')", "").list(); len(none) != 0 {
		t.Errorf("found: %v", none)
	}
	c.do(400, "GET", drive+"/root/search(q='')", "")
}

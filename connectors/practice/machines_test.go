package practice_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
)

const laptop = "wks-sortiz.contoso.example"

func (c *client) machine(name string) string {
	c.t.Helper()
	list := c.do(200, "GET", "/api/machines?$filter="+url.QueryEscape("computerDnsName eq '"+name+"'"), "").list()
	if len(list) != 1 {
		c.t.Fatalf("%d machines named %s", len(list), name)
	}
	return "/api/machines/" + list[0]["id"].(string)
}

func TestIsolationTakesItsTimeAndIsUndone(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now, MachineActionTime: 30 * time.Second})
	m := c.machine(laptop)
	before := c.state()
	a := c.do(201, "POST", m+"/isolate", `{"Comment":"DLP","IsolationType":"Full"}`)
	action := "/api/machineactions/" + a.body["id"].(string)
	if a.body["status"] != "Pending" || a.body["type"] != "Isolate" || a.body["scope"] != "Full" || a.body["requestor"] != "practice-full" {
		t.Errorf("%s", a.raw)
	}
	for _, x := range []struct {
		after  time.Duration
		status string
	}{{5 * time.Second, "Pending"}, {5 * time.Second, "InProgress"}, {19 * time.Second, "InProgress"}, {time.Second, "Succeeded"}} {
		for _, again := range []string{"/isolate", "/unisolate"} {
			body := `{"Comment":"DLP"}`
			if again == "/isolate" {
				body = `{"Comment":"DLP","IsolationType":"Full"}`
			}
			if got := c.do(400, "POST", m+again, body); !strings.Contains(strings.ToLower(got.message()), "already in progress") {
				t.Errorf("%s", got.raw)
			}
		}
		clock.Advance(x.after)
		if got := c.do(200, "GET", action, "").body["status"]; got != x.status {
			t.Errorf("status %v, want %s", got, x.status)
		}
	}
	if s := c.state(); s == before || !strings.Contains(s, `"isolation": "Full"`) {
		t.Error("the state does not show the isolation")
	}
	c.do(201, "POST", m+"/unisolate", `{"Comment":"undo"}`)
	clock.Advance(time.Minute)
	if c.state() != before {
		t.Error("release leaves another state")
	}
	pending := c.do(200, "GET", "/api/machineactions?$filter="+url.QueryEscape("type eq 'Isolate' and status eq 'Pending'"), "").list()
	done := c.do(200, "GET", "/api/machineactions?$filter="+url.QueryEscape("status eq 'Succeeded'"), "").list()
	if len(pending) != 0 || len(done) != 2 || done[0]["type"] != "Unisolate" {
		t.Errorf("pending %v, done %v", pending, done)
	}
}

func TestDefenderRefusesBadBodiesAndMachines(t *testing.T) {
	c := full(t, practice.Options{})
	m := c.machine(laptop)
	for _, x := range []struct{ path, body, code string }{
		{m + "/isolate", `{"comment":"x","isolationType":"Full"}`, "InvalidRequestBody"},
		{m + "/isolate", `{"Comment":"x"}`, "MissingRequiredParameter"},
		{m + "/isolate", `{"IsolationType":"Full"}`, "MissingRequiredParameter"},
		{m + "/isolate", `{"Comment":"x","IsolationType":"full"}`, "InvalidInput"},
		{m + "/isolate", ``, "InvalidRequestBody"},
		{m + "/isolate", `[`, "InvalidRequestBody"},
		{m + "/runAntiVirusScan", `{"Comment":"x","ScanType":"Deep"}`, "InvalidInput"},
		{m + "/tags", `{"Value":"x","Action":"Set"}`, "InvalidInput"},
		{m + "/tags", `{"Action":"Add"}`, "MissingRequiredParameter"},
		{c.machine("byod-tablet.contoso.example") + "/isolate", `{"Comment":"x","IsolationType":"Full"}`, "InvalidInput"},
	} {
		if got := c.do(400, "POST", x.path, x.body); got.code() != x.code {
			t.Errorf("%s %s: %s, want %s", x.path, x.body, got.raw, x.code)
		}
	}
	for _, filter := range []string{"rbacGroupId eq 1 and riskScore ne 'High'", "aadDeviceId eq " + c.do(200, "GET", m, "").body["aadDeviceId"].(string)} {
		if got := c.do(200, "GET", "/api/machines?$filter="+url.QueryEscape(filter), "").list(); len(got) == 0 {
			t.Errorf("%s finds nothing", filter)
		}
	}
	if got := c.do(404, "GET", "/api/machines/0000", ""); got.code() != "ResourceNotFound" {
		t.Errorf("%s", got.raw)
	}
	c.do(404, "POST", "/api/machines/0000/isolate", `{"Comment":"x","IsolationType":"Full"}`)
	c.do(404, "GET", "/api/machineactions/none", "")
	if n := len(c.audit()); n != 0 {
		t.Errorf("%d changes", n)
	}
}

func TestCodeRestrictionAndTags(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	m := c.machine(laptop)
	before := c.state()
	c.do(201, "POST", m+"/restrictCodeExecution", `{"Comment":"x"}`)
	c.do(200, "POST", m+"/tags", `{"Value":"dlp","Action":"Add"}`)
	clock.Advance(time.Minute)
	if got := c.do(200, "GET", "/api/machines?$filter="+url.QueryEscape("machineTags eq 'dlp'"), "").list(); len(got) != 1 {
		t.Errorf("%v", got)
	}
	c.do(201, "POST", m+"/unrestrictCodeExecution", `{"Comment":"x"}`)
	c.do(200, "POST", m+"/tags", `{"Value":"dlp","Action":"Remove"}`)
	clock.Advance(time.Minute)
	if after := c.state(); after != before {
		t.Errorf("%s", difference(before, after))
	}
}

func TestAPendingActionCanBeCancelled(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now, MachineActionTime: time.Minute})
	m := c.machine(laptop)
	before := c.state()
	id := c.do(201, "POST", m+"/isolate", `{"Comment":"x","IsolationType":"Selective"}`).body["id"].(string)
	if got := c.do(200, "POST", "/api/machineactions/"+id+"/cancel", `{"Comment":"no"}`); got.body["status"] != "Cancelled" {
		t.Errorf("%s", got.raw)
	}
	clock.Advance(2 * time.Minute)
	if c.state() != before {
		t.Error("a cancelled action did something")
	}
	c.do(400, "POST", "/api/machineactions/"+id+"/cancel", `{"Comment":"no"}`)
}

func TestUsersAreFoundStoppedAndLetInAgain(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	before := c.state()
	const sam = "/v1.0/users/sam.ortiz@contoso.example"
	c.do(204, "PATCH", sam, `{"accountEnabled":false}`)
	if got := c.do(200, "GET", sam+"?$select=accountEnabled", ""); got.body["accountEnabled"] != false || got.body["displayName"] != nil {
		t.Errorf("%s", got.raw)
	}
	c.do(204, "PATCH", sam, `{"accountEnabled":true}`)
	if c.state() != before {
		t.Error("an enabled account leaves another state")
	}
	if got := c.do(200, "POST", sam+"/revokeSignInSessions", ""); got.body["value"] != true {
		t.Errorf("%s", got.raw)
	}
	if !strings.Contains(c.state(), `"sessions_valid_from": "2026-11-23T09:00:00Z"`) {
		t.Error("the state does not show that sessions were revoked")
	}
	if got := c.do(200, "GET", sam+"/manager", "").body["userPrincipalName"]; got != "amara.diallo@contoso.example" {
		t.Errorf("manager %v", got)
	}
	if got := c.do(404, "GET", "/v1.0/users/amara.diallo@contoso.example/manager", ""); got.code() != "Request_ResourceNotFound" {
		t.Errorf("%s", got.raw)
	}
	c.do(200, "GET", "/v1.0/users/kim.abercrombie_fabrikam.example%23EXT%23@contoso.example", "")
	c.do(404, "GET", "/v1.0/users/nobody", "")
	c.do(403, "PATCH", sam, `{"jobTitle":"x"}`)
	c.do(400, "PATCH", sam, `{"accountEnabled":null}`)
	c.do(400, "PATCH", sam, `{}`)
	if got := c.do(200, "GET", "/v1.0/users?$filter="+url.QueryEscape("accountEnabled eq false"), "").list(); len(got) != 1 || got[0]["displayName"] != "Former Employee" {
		t.Errorf("%v", got)
	}
	officers := c.do(200, "GET", "/v1.0/groups?$filter="+url.QueryEscape("displayName eq 'dlp-officers'"), "").list()
	members := c.do(200, "GET", "/v1.0/groups/"+officers[0]["id"].(string)+"/members", "").list()
	if len(members) != 2 || members[0]["userPrincipalName"] != "dana.officer@contoso.example" || members[1]["userPrincipalName"] != "omar.officer@contoso.example" {
		t.Errorf("%v", members)
	}
}

func TestMachineActionsEndAsTheDeviceSays(t *testing.T) {
	clock := newClock()
	c := company(t, practice.FullApp(), practice.Options{Now: clock.Now, MachineActionTime: time.Minute, TokenLife: 24 * time.Hour}, func(x *practice.Company) {
		for i := range x.Devices {
			if x.Devices[i].Name == "wks-lhoffmann.contoso.example" {
				x.Devices[i].Health = "Inactive"
			}
		}
		x.Devices = append(x.Devices, practice.Device{Name: "mac-01.contoso.example", OS: "macOS", LastSeen: clock.Now()})
	})
	before := c.state()
	control := func(id, status string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, c.s.PlainURL+"/practice/machineactions/"+id, strings.NewReader(`{"status":"`+status+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	status := func(id string) any { return c.do(200, "GET", "/api/machineactions/"+id, "").body["status"] }

	scan := c.do(201, "POST", c.machine(laptop)+"/runAntiVirusScan", `{"Comment":"x","ScanType":"Quick"}`).body["id"].(string)
	if code := control(scan, "Vanished"); code != 400 {
		t.Errorf("a status that is none: %d", code)
	}
	if code := control(scan, "Failed"); code != 200 || status(scan) != "Failed" || control(scan, "Succeeded") != 400 {
		t.Errorf("%d, status %v", code, status(scan))
	}
	off := c.machine("wks-lhoffmann.contoso.example")
	pending := c.do(201, "POST", off+"/isolate", `{"Comment":"x","IsolationType":"Full"}`).body["id"].(string)
	clock.Advance(19 * time.Minute)
	if status(pending) != "Pending" {
		t.Errorf("a device that is off: %v", status(pending))
	}
	clock.Advance(time.Minute)
	if status(pending) != "TimeOut" || c.state() != before {
		t.Errorf("a device that stays off: %v", status(pending))
	}
	c.do(201, "POST", off+"/isolate", `{"Comment":"again","IsolationType":"Full"}`)
	if got := c.do(400, "POST", c.machine("mac-01.contoso.example")+"/restrictCodeExecution", `{"Comment":"x"}`); got.code() != "OsPlatformNotSupported" {
		t.Errorf("%s", got.raw)
	}
	c.do(201, "POST", c.machine(laptop)+"/runAntiVirusScan", `{"Comment":"x","ScanType":"Full"}`)
	c.do(201, "POST", c.machine(laptop)+"/collectInvestigationPackage", `{"Comment":"x"}`)
	for _, busy := range []string{"/runAntiVirusScan", "/collectInvestigationPackage"} {
		body := `{"Comment":"x"}`
		if busy == "/runAntiVirusScan" {
			body = `{"Comment":"x","ScanType":"Quick"}`
		}
		if got := c.do(400, "POST", c.machine(laptop)+busy, body); !strings.Contains(got.message(), "already in progress") {
			t.Errorf("%s", got.raw)
		}
	}
	clock.Advance(time.Minute)
	if s := c.state(); !strings.Contains(s, `"packages": 1`) || !strings.Contains(s, `"Full"`) {
		t.Error("the state does not show scan and package")
	}
}

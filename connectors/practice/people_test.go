package practice_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
)

// company serves Contoso with changes.
func company(t *testing.T, app practice.App, o practice.Options, change func(*practice.Company)) *client {
	t.Helper()
	c := practice.Contoso(0)
	change(&c)
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	o.Company = raw
	return newClient(t, start(t, o), app)
}

func (c *client) id(upn string) string {
	c.t.Helper()
	return c.do(200, "GET", "/v1.0/users/"+url.PathEscape(upn), "").body["id"].(string)
}

const memberships = "/transitiveMemberOf/microsoft.graph.group?$count=true&$select=id,displayName"

func TestGroupsOfAUserAreThoseOfGroupsToo(t *testing.T) {
	c := full(t, practice.Options{})
	names := func(r response) string {
		var out []string
		for _, g := range r.list() {
			out = append(out, g["displayName"].(string))
		}
		return strings.Join(out, " ")
	}
	priya := "/v1.0/users/priya.raman@contoso.example"
	first := c.do(200, "GET", priya+memberships+"&$top=2", "", "ConsistencyLevel", "eventual")
	next := first.body["@odata.nextLink"].(string)
	second := c.do(200, "GET", next, "", "ConsistencyLevel", "eventual")
	if got := names(first) + " | " + names(second); got != "finance-all internal-audit | payroll-readers restricted-data" || first.body["@odata.count"] != 4.0 {
		t.Errorf("groups %s, count %v", got, first.body["@odata.count"])
	}
	for _, header := range []string{"", "session"} {
		if got := c.do(400, "GET", priya+memberships, "", "ConsistencyLevel", header); got.code() != "Request_UnsupportedQuery" {
			t.Errorf("header %q: %s", header, got.raw)
		}
	}
	c.do(404, "GET", "/v1.0/users/nobody@contoso.example"+memberships, "", "ConsistencyLevel", "eventual")
}

func TestWhoMayNotReadGroupsIsToldThatThereAreSome(t *testing.T) {
	app := practice.App{ID: "00000000-0000-0000-0000-0000000000ab", Name: "narrow", Secret: "x", Roles: []string{"User.Read.All"}}
	c := company(t, app, practice.Options{}, func(x *practice.Company) { x.Apps = append(x.Apps, app) })
	got := c.do(200, "GET", "/v1.0/users/priya.raman@contoso.example"+memberships, "", "ConsistencyLevel", "eventual").list()
	if len(got) != 4 || got[0]["id"] == nil || got[0]["displayName"] != nil {
		t.Errorf("%v", got)
	}
	if got := c.do(403, "GET", "/v1.0/users/tim.leaver@contoso.example?$select=employeeLeaveDateTime", ""); got.code() != "Authorization_RequestDenied" {
		t.Errorf("%s", got.raw)
	}
	c.do(200, "GET", "/v1.0/users/tim.leaver@contoso.example?$select=id,mail", "")
}

func TestHoldersOfDirectoryRolesAreProtected(t *testing.T) {
	const admin = "/v1.0/users/jonas.weber@contoso.example"
	c := full(t, practice.Options{})
	if got := c.do(403, "PATCH", admin, `{"accountEnabled":false}`); got.code() != "Authorization_RequestDenied" || !strings.Contains(got.message(), "Insufficient privileges") {
		t.Errorf("%s", got.raw)
	}
	if len(c.audit()) > 0 {
		t.Error("the refused change was done")
	}
	c = company(t, practice.FullApp(), practice.Options{}, func(x *practice.Company) {
		x.Apps[0].DirectoryRoles = []string{"Privileged Authentication Administrator"}
	})
	c.do(204, "PATCH", admin, `{"accountEnabled":false}`)
}

func TestRiskIsJudgedByAdministrators(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	const risky = "/v1.0/identityProtection/riskyUsers"
	sam, ivan := c.id("sam.ortiz@contoso.example"), c.id("ivan.petrov@contoso.example")
	if got := c.do(404, "GET", risky+"/"+sam, ""); got.code() != "ResourceNotFound" {
		t.Errorf("%s", got.raw)
	}
	if got := c.do(200, "GET", risky+"/"+ivan, "").body; got["riskState"] != "atRisk" || got["riskLevel"] != "medium" {
		t.Errorf("%v", got)
	}
	c.do(204, "POST", risky+"/confirmCompromised", `{"userIds":["`+sam+`","`+ivan+`"]}`)
	got := c.do(200, "GET", risky+"/"+sam, "").body
	if got["riskState"] != "confirmedCompromised" || got["riskLevel"] != "high" || got["riskDetail"] != "adminConfirmedUserCompromised" || got["riskLastUpdatedDateTime"] != "2026-11-23T09:00:00Z" {
		t.Errorf("%v", got)
	}
	if list := c.do(200, "GET", risky+"?$filter="+url.QueryEscape("riskState eq 'confirmedCompromised' and riskLevel eq 'high'"), "").list(); len(list) != 2 {
		t.Errorf("%v", list)
	}
	c.do(204, "POST", risky+"/dismiss", `{"userIds":["`+sam+`"]}`)
	if got := c.do(200, "GET", risky+"/"+sam, "").body; got["riskState"] != "dismissed" || got["riskLevel"] != "none" {
		t.Errorf("%v", got)
	}
	audit := c.audit()
	if len(audit) != 3 || audit[0].Operation != "riskyUser.confirmCompromised" || audit[1].Target != "/identityProtection/riskyUsers/"+ivan || audit[2].Operation != "riskyUser.dismiss" {
		t.Errorf("%+v", audit)
	}
	c.do(400, "POST", risky+"/dismiss", `{"userIds":[]}`)
	c.do(404, "POST", risky+"/dismiss", `{"userIds":["sam.ortiz@contoso.example"]}`)
}

// Identity Protection lets one call per second pass and does not say when to
// come again.
func TestIdentityProtectionIsThrottledPerTenant(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now, Throttle: 1})
	const risky = "/v1.0/identityProtection/riskyUsers"
	c.do(200, "GET", risky, "")
	got := c.do(429, "GET", risky, "")
	if got.code() != "TooManyRequests" || got.header.Get("Retry-After") != "" {
		t.Errorf("%s, Retry-After %q", got.raw, got.header.Get("Retry-After"))
	}
	clock.Advance(time.Second)
	c.do(200, "GET", risky, "")
	newClient(t, c.s, practice.ReaderApp()).do(429, "GET", risky, "") // another app, the same tenant
	c.do(200, "GET", "/v1.0/users/sam.ortiz@contoso.example", "")     // another API

	clock = newClock()
	c = full(t, practice.Options{Now: clock.Now, Throttle: 0.1})
	c.do(200, "GET", risky, "")
	clock.Advance(9 * time.Second)
	c.do(429, "GET", risky, "")
	clock.Advance(time.Second)
	c.do(200, "GET", risky, "")
}

func TestACompanyWithWrongPeopleIsRefused(t *testing.T) {
	for want, change := range map[string]func(*practice.Company){
		`groups[0].groups[0] "no-such" is no group`: func(c *practice.Company) { c.Groups[0].Groups = []string{"no-such"} },
		`users[3].risk has state "bad"`:             func(c *practice.Company) { c.Users[3].Risk = &practice.Risk{State: "bad", Level: "none"} },
	} {
		c := practice.Contoso(0)
		change(&c)
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := practice.New(practice.Options{Company: raw}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

package users_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stanch/actions/shelftest"
	"stanch/actions/users"
	"stanch/connectors/practice"
)

type one struct {
	ID, UPN, Name, Title, Department string
	Guest, Enabled                   bool
}

func TestGetTellsWhoAUserIsAndWhenTheyLeave(t *testing.T) {
	d := open(t)
	type out struct {
		User              one
		Leaving, Left     bool
		LeaveDate         *time.Time `json:"leave_date"`
		SessionsValidFrom *time.Time `json:"sessions_valid_from"`
		Synced            bool
	}
	get := func(params map[string]any) out {
		t.Helper()
		raw, err := d.Read("users.get", params)
		if err != nil {
			t.Fatal(err)
		}
		return shelftest.Into[out](t, raw)
	}
	o := get(map[string]any{"user": "tim.leaver@contoso.example"})
	if !o.Leaving || o.Left || o.LeaveDate == nil || !o.LeaveDate.Equal(time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)) || o.SessionsValidFrom == nil {
		t.Errorf("%+v", o)
	}
	if o.User.UPN != "tim.leaver@contoso.example" || o.User.Department != "Sales" || o.User.Guest || !o.User.Enabled {
		t.Errorf("%+v", o.User)
	}
	if o = get(map[string]any{"user": "tim.leaver@contoso.example", "without_leave_date": true}); o.LeaveDate != nil || o.Leaving {
		t.Errorf("not asked for, and told: %+v", o)
	}
	if o = get(map[string]any{"user": former}); o.Leaving || o.LeaveDate != nil || o.User.Enabled {
		t.Errorf("%+v", o)
	}
	if o = get(map[string]any{"user": map[string]any{"id": "x", "upn": guest}}); !o.User.Guest || o.User.Name != "Kim Abercrombie" {
		t.Errorf("%+v", o)
	}
	d.Tenant.Advance(400 * 24 * time.Hour)
	x := company(t, func(c *practice.Company) { user(c, sam).LeaveDate = "2026-01-31T00:00:00Z" })
	raw, err := x.Read("users.get", map[string]any{"user": sam})
	if err != nil || !strings.Contains(string(raw), `"leaving":true,"left":true`) {
		t.Errorf("who has left: %s, %v", raw, err)
	}
}

func TestGetWithoutTheRoleForTheLeaveDateNamesIt(t *testing.T) {
	app := practice.App{ID: "00000000-0000-0000-0000-0000000000ab", Name: "narrow", Secret: "x", Roles: []string{"User.Read.All"}}
	d := company(t, func(c *practice.Company) { c.Apps[0].Roles = app.Roles })
	_, err := d.Read("users.get", map[string]any{"user": sam})
	if shelftest.Code(err) != "forbidden" || !strings.Contains(err.Error(), "User-LifeCycleInfo.Read.All") {
		t.Errorf("%v", err)
	}
	if _, err = d.Read("users.get", map[string]any{"user": sam, "without_leave_date": true}); err != nil {
		t.Error(err)
	}
	if _, err = d.Read("users.groups", map[string]any{"user": sam}); shelftest.Code(err) != "forbidden" || !strings.Contains(err.Error(), "GroupMember.Read.All") {
		t.Errorf("groups without names: %v", err)
	}
}

func TestManagersStandInAChain(t *testing.T) {
	d := company(t, func(c *practice.Company) {
		user(c, "bianca.costa@contoso.example").Disabled = true
		user(c, "amara.diallo@contoso.example").Manager = "amara.diallo@contoso.example" // as a chief of her own
		user(c, "paul.dubois@contoso.example").Manager = "anna.kowalska@contoso.example" // each other's
	})
	for _, c := range []struct {
		user, chain, active string
		levels              int
		ended               bool
	}{
		{"tim.leaver", "bianca.costa", "", 0, false},
		{"tim.leaver", "bianca.costa amara.diallo", "amara.diallo", 2, false},
		{"tim.leaver", "bianca.costa amara.diallo", "amara.diallo", 20, true},
		{"anna.kowalska", "paul.dubois", "paul.dubois", 5, true},
		{"breakglass", "", "", 3, true},
		{"amara.diallo", "", "", 1, true},
	} {
		params := map[string]any{"user": c.user + "@contoso.example"}
		if c.levels > 0 {
			params["levels"] = c.levels
		}
		raw, err := d.Read("users.manager", params)
		if err != nil {
			t.Fatal(err)
		}
		out := shelftest.Into[struct {
			User            one
			Manager, Active *one
			Chain           []one
			Ended           bool
		}](t, raw)
		var chain []string
		for _, m := range out.Chain {
			chain = append(chain, strings.TrimSuffix(m.UPN, "@contoso.example"))
		}
		active := ""
		if out.Active != nil {
			active = strings.TrimSuffix(out.Active.UPN, "@contoso.example")
		}
		if strings.Join(chain, " ") != c.chain || active != c.active || out.Ended != c.ended || out.Chain == nil || (out.Manager == nil) != (c.chain == "") {
			t.Errorf("%s, %d levels: %s", c.user, c.levels, raw)
		}
	}
	for _, levels := range []int{-1, 21} {
		if _, err := d.Read("users.manager", map[string]any{"user": sam, "levels": levels}); shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "levels is") {
			t.Errorf("%d levels: %v", levels, err)
		}
	}
	if _, err := d.Read("users.manager", map[string]any{"user": "nobody@contoso.example"}); shelftest.Code(err) != "not_found" {
		t.Errorf("%v", err)
	}
}

func TestGroupsOfAUserArePagedAndBounded(t *testing.T) {
	d := company(t, func(c *practice.Company) {
		for i := range 1200 { // more than a page
			c.Groups = append(c.Groups, practice.Group{Name: fmt.Sprintf("z-%04d", i), Members: []string{sam}})
		}
	})
	raw, err := d.Read("users.groups", map[string]any{"user": sam, "limit": 5000})
	if err != nil {
		t.Fatal(err)
	}
	out := shelftest.Into[struct {
		User   one
		Names  []string
		Groups []struct {
			ID, Name     string
			Security     bool
			Microsoft365 bool
		}
	}](t, raw)
	if len(out.Names) != 1201 || len(out.Groups) != 1201 || out.Names[0] != "engineering-all" || out.Names[1200] != "z-1199" || !out.Groups[0].Security || out.Groups[0].ID == "" {
		t.Errorf("%d names, first %q", len(out.Names), out.Names[0])
	}
	_, err = d.Read("users.groups", map[string]any{"user": sam})
	if shelftest.Code(err) != "limit" || !strings.Contains(err.Error(), "more than 1000 groups") {
		t.Errorf("%v; want limit", err)
	}
	for _, limit := range []int{-5, 10_001} {
		if _, err := d.Read("users.groups", map[string]any{"user": sam, "limit": limit}); shelftest.Code(err) != "invalid" || !strings.Contains(err.Error(), "limit is") {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
	raw, err = d.Read("users.groups", map[string]any{"user": "priya.raman@contoso.example"})
	if err != nil || !strings.Contains(string(raw), `"names":["finance-all","internal-audit","payroll-readers","restricted-data"]`) {
		t.Errorf("groups in groups: %s, %v", raw, err)
	}
	if raw, err = d.Read("users.groups", map[string]any{"user": guest}); err != nil || !strings.Contains(string(raw), `"groups":[],"names":[]`) {
		t.Errorf("who is in no group: %s, %v", raw, err)
	}
}

// A user is found by name or id, and is as evidence has them.
func TestAUserIsLookedUpAsEvidenceHasThem(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	s := users.Shelf{Graph: x.Full.Graph}
	u, err := s.Look(t.Context(), "Sam.Ortiz@contoso.example")
	if err != nil || u.ID != sam || *u.UPN != sam || *u.Domain != practice.ContosoDomain || u.Alerts == nil || u.EntraID == nil {
		t.Fatalf("%+v, %v", u, err)
	}
	for _, name := range []string{*u.EntraID, "entra:" + *u.EntraID} {
		if again, err := s.Look(t.Context(), name); err != nil || again.ID != sam {
			t.Errorf("%s: %+v, %v", name, again, err)
		}
	}
	for name, want := range map[string]string{"nobody@contoso.example": "not_found", "sam": "invalid", "": "invalid"} {
		if u, err := s.Look(t.Context(), name); err == nil || shelftest.Code(err) != want {
			t.Errorf("%q: %+v, %v; want %s", name, u, err, want)
		}
	}
}

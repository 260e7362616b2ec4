package users_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const (
	former = "former.employee@contoso.example"
	admin  = "jonas.weber@contoso.example"
	eva    = "eva.jansen@contoso.example"
	ivan   = "ivan.petrov@contoso.example"
)

func on(user string) func(*shelftest.Tenant) any {
	return func(*shelftest.Tenant) any { return map[string]any{"user": user} }
}

// company opens a desk of Contoso with changes.
func company(t *testing.T, change func(*practice.Company)) *shelftest.Desk {
	t.Helper()
	c := practice.Contoso(0)
	change(&c)
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	x := shelftest.Start(t, practice.Options{Company: raw})
	return x.Open(shelf(x.Full)...)
}

func user(c *practice.Company, upn string) *practice.User {
	for i := range c.Users {
		if c.Users[i].UPN == upn {
			return &c.Users[i]
		}
	}
	panic(upn)
}

func TestDisable(t *testing.T) {
	shelftest.Case{Action: "users.disable", Shelves: shelf, Method: "PATCH", Path: "/v1.0/users/*", Params: on(sam)}.Check(t)
}

func TestEnable(t *testing.T) {
	shelftest.Case{Action: "users.enable", Shelves: shelf, Method: "PATCH", Path: "/v1.0/users/*", Params: on(former)}.Check(t)
}

func TestDisableAndEnableAreEachOthersInverse(t *testing.T) {
	d := open(t)
	r := d.Must("users.disable", map[string]any{"user": sam})
	if inverses, back := d.Undo(r); !inverses[0].Widens || back.Effects[0].Action != "users.enable" {
		t.Errorf("inverse of disable: %+v", inverses[0])
	}
	r = d.Must("users.enable", map[string]any{"user": former})
	if inverses, back := d.Undo(r); inverses[0].Widens || back.Effects[0].Action != "users.disable" {
		t.Errorf("inverse of enable: %+v", inverses[0])
	}
	r = d.Must("users.disable", map[string]any{"user": sam})
	d.Tenant.Call("PATCH", "/v1.0/users/"+sam, `{"accountEnabled":true}`)
	if inverses, _ := d.Undo(r); !inverses[0].Changed || inverses[0].Effect != nil || !strings.Contains(inverses[0].Why, "may sign in") {
		t.Errorf("inverse after somebody has enabled: %+v; want changed", inverses[0])
	}
}

func TestAnAdministratorIsProtectedAndTheErrorSaysWhy(t *testing.T) {
	for action, of := range map[string]string{"users.disable": admin, "users.enable": former} {
		d := company(t, func(c *practice.Company) { user(c, former).Roles = []string{"Helpdesk Administrator"} })
		r := d.Do(action, map[string]any{"user": of})
		if shelftest.Code(r.Err) != "forbidden" || shelftest.Unsure(r.Err) || r.Statuses() != string(actions.NotDone) {
			t.Fatalf("%s: %v, %s; want forbidden, not done", action, r.Err, r.Statuses())
		}
		for _, said := range []string{"User.EnableDisableAccount.All", "administrator's role", "Privileged Authentication Administrator"} {
			if !strings.Contains(r.Err.Error(), said) {
				t.Errorf("%s: the error does not say %q: %v", action, said, r.Err)
			}
		}
		if out := shelftest.Into[struct{ Enabled, Changed bool }](t, r.Output); out.Changed || out.Enabled != (action == "users.disable") {
			t.Errorf("%s: output %s", action, r.Output)
		}
	}
	mighty := company(t, func(c *practice.Company) { c.Apps[0].DirectoryRoles = []string{"Global Administrator"} })
	mighty.Must("users.disable", map[string]any{"user": admin})
}

func TestAnAccountFromAnActiveDirectoryIsToldSo(t *testing.T) {
	d := company(t, func(c *practice.Company) { user(c, sam).Synced = true })
	r := d.Must("users.disable", map[string]any{"user": sam})
	if out := shelftest.Into[struct{ Synced, Changed bool }](t, r.Output); !out.Synced || !out.Changed {
		t.Errorf("output %s", r.Output)
	}
}

func TestConfirmCompromised(t *testing.T) {
	// Eva's risk was dismissed before, which is what undo can give back.
	shelftest.Case{
		Action: "users.confirm_compromised", Shelves: shelf, Method: "POST", Path: "/v1.0/identityProtection/riskyUsers/confirmCompromised", Params: on(eva),
	}.Check(t)
}

func TestDismissRisk(t *testing.T) {
	shelftest.Case{
		Action: "users.dismiss_risk", Shelves: shelf, Method: "POST", Path: "/v1.0/identityProtection/riskyUsers/dismiss", Params: on(ivan),
	}.Check(t)
}

func TestUndoOfConfirmedSaysWhatItCannotGiveBack(t *testing.T) {
	d := open(t)
	r := d.Must("users.confirm_compromised", map[string]any{"user": sam})
	if lost := r.Effects[0].Lost; len(lost) != 1 || lost[0].Field != "risk_state" || !strings.Contains(lost[0].Why, "can only make it dismissed") {
		t.Errorf("lost: %+v", lost)
	}
	inverses, back := d.Undo(r)
	if !inverses[0].Widens || len(back.Effects) != 1 || !strings.Contains(d.State("users.confirm_compromised", map[string]any{"user": sam}), `"risk_state":"dismissed"`) {
		t.Errorf("inverse: %+v", inverses[0])
	}

	r = d.Must("users.confirm_compromised", map[string]any{"user": ivan})
	if out := shelftest.Into[struct {
		Before string
		Level  string `json:"level_before"`
	}](t, r.Output); out.Before != "atRisk" || out.Level != "medium" {
		t.Errorf("output %s", r.Output)
	}
	if inverses, _ = d.Undo(r); inverses[0].Effect != nil || inverses[0].Changed || !strings.Contains(inverses[0].Why, "at risk before (level medium)") {
		t.Errorf("inverse of one who was at risk before: %+v; want none, and why", inverses[0])
	}

	r = d.Must("users.confirm_compromised", map[string]any{"user": eva})
	d.Tenant.Call("POST", "/v1.0/identityProtection/riskyUsers/dismiss", `{"userIds":["`+objectID(d.Tenant, eva)+`"]}`)
	if inverses, _ = d.Undo(r); !inverses[0].Changed {
		t.Errorf("inverse after somebody has dismissed: %+v; want changed", inverses[0])
	}
}

func TestRiskIsNotJudgedOfGuestsNorDismissedOfNobody(t *testing.T) {
	d := open(t)
	id := objectID(d.Tenant, url.PathEscape(guest))
	for _, action := range []string{"users.confirm_compromised", "users.dismiss_risk"} {
		if r := d.Do(action, map[string]any{"user": id}); shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "is a guest") {
			t.Errorf("%s: %v", action, r.Err)
		}
		if r := d.Do(action, map[string]any{"user": "nobody@contoso.example"}); shelftest.Code(r.Err) != "not_found" {
			t.Errorf("%s: %v", action, r.Err)
		}
	}
	r := d.Must("users.dismiss_risk", map[string]any{"user": sam})
	if len(r.Effects) != 0 || !strings.Contains(string(r.Output), `"risk_state":"none"`) {
		t.Errorf("who has no risk: %+v, %s; want nothing to do", r.Effects, r.Output)
	}
}

func TestARiskWithoutALicenceIsExplained(t *testing.T) {
	d := open(t)
	d.Tenant.Break(shelftest.Fault{Method: "GET", Path: "/v1.0/identityProtection/**", Status: 403})
	r := d.Do("users.confirm_compromised", map[string]any{"user": sam})
	if shelftest.Code(r.Err) != "forbidden" || !strings.Contains(r.Err.Error(), "Entra ID P2") || !strings.Contains(r.Err.Error(), "IdentityRiskyUser.Read.All") {
		t.Errorf("%v", r.Err)
	}
}

// Identity Protection throttles without saying for how long.
func TestAThrottledRiskNamesNoWait(t *testing.T) {
	x := shelftest.Start(t, practice.Options{Throttle: 0.01}) // one call in 100 seconds
	d := x.Open(shelf(x.Full)...)
	r := d.Plan("users.confirm_compromised", map[string]any{"user": sam})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	r = d.Perform(r)
	if wait, told := shelftest.RetryAfter(r.Err); shelftest.Code(r.Err) != "throttled" || told || shelftest.Unsure(r.Err) {
		t.Errorf("%v, wait %s; want throttled without a time", r.Err, wait)
	}
	x.Advance(100 * time.Second)
	d.Must("users.dismiss_risk", map[string]any{"user": "priya.raman@contoso.example"})
}

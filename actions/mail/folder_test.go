package mail_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/shelftest"
)

const held = "Held by DLP"

func intoHeld(how string) any {
	return params(map[string]any{"folder": held, "create": how})(nil)
}

type mailFolder struct {
	ID          string
	DisplayName string
	IsHidden    bool
	TotalItems  int `json:"totalItemCount"`
}

// named are the folders of the mailbox that have the name.
func named(t *testing.T, x *shelftest.Tenant) []mailFolder {
	t.Helper()
	query := "?includeHiddenFolders=true&$filter=" + url.QueryEscape("displayName eq '"+held+"'")
	var body struct{ Value []mailFolder }
	if err := json.Unmarshal(x.Call("GET", "/v1.0/users/"+first().Mailbox+"/mailFolders"+query, ""), &body); err != nil {
		t.Fatal(err)
	}
	return body.Value
}

func TestAFolderIsMadeForAMailAndStaysAfterUndo(t *testing.T) {
	for how, hidden := range map[string]bool{"hidden": true, "shown": false} {
		d := open(t)
		before := d.Tenant.State()
		plan := d.Plan("mail.move", intoHeld(how))
		if plan.Err != nil || len(plan.Effects) != 2 || plan.Effects[0].Target.Name != "folder "+held+" of "+first().Mailbox || len(named(t, d.Tenant)) != 0 {
			t.Fatalf("planned %+v, %v; want the folder and the mail, and nothing made yet", plan.Effects, plan.Err)
		}
		r := d.Perform(plan)
		if r.Err != nil || r.Statuses() != "done done" || !strings.Contains(string(r.Output), `"moved":1,"created":true`) {
			t.Fatalf("%s: %v, statuses %s, output %s", how, r.Err, r.Statuses(), r.Output)
		}
		if got := named(t, d.Tenant); len(got) != 1 || got[0].IsHidden != hidden || got[0].TotalItems != 1 {
			t.Errorf("%s: the folders are %+v; want one with the mail", how, got)
		}
		again := d.Must("mail.move", intoHeld(how))
		if len(again.Effects) != 0 || !strings.Contains(string(again.Output), `"moved":0,"created":false`) {
			t.Errorf("again: effects %+v, output %s", again.Effects, again.Output)
		}
		inverses, back := d.Undo(r)
		if len(back.Effects) != 1 || d.Tenant.State() != before {
			t.Errorf("undone by %+v; want the mail back where it was", back.Effects)
		}
		kept := inverses[len(inverses)-1] // of what was done first
		if kept.Effect != nil || kept.Changed || !strings.Contains(kept.Why, "the folder stays") || len(named(t, d.Tenant)) != 1 {
			t.Errorf("inverse of the folder: %+v; want none, and why", kept)
		}
	}
}

// However the connection breaks, there is one folder and the mail lies in it.
func TestAFolderIsMadeOnceWhateverBreaks(t *testing.T) {
	for name, f := range map[string]shelftest.Fault{"before": {Cut: "before"}, "after": {Cut: "after"}, "in the middle": {Cut: "middle"}, "503": {Status: 503}} {
		d := open(t)
		f.Method, f.Path, f.Times = http.MethodPost, "/v1.0/users/*/mailFolders", 1
		plan := d.Plan("mail.move", intoHeld("hidden"))
		d.Tenant.Break(f)
		r := d.Perform(plan)
		if got := named(t, d.Tenant); r.Err != nil || r.Statuses() != "done done" || len(got) != 1 || got[0].TotalItems != 1 {
			t.Errorf("%s: %v, statuses %s, folders %+v", name, r.Err, r.Statuses(), got)
		}
	}
}

func TestAFolderThatSomebodyMadeMeanwhileIsUsed(t *testing.T) {
	d := open(t)
	plan := d.Plan("mail.move", intoHeld("hidden"))
	d.Tenant.Call("POST", "/v1.0/users/"+first().Mailbox+"/mailFolders", `{"displayName":"`+held+`"}`)
	r := d.Perform(plan)
	if got := named(t, d.Tenant); r.Err != nil || r.Statuses() != "already_so done" || len(got) != 1 || got[0].TotalItems != 1 {
		t.Fatalf("%v, statuses %s, folders %+v", r.Err, r.Statuses(), got)
	}
	if string(r.Effects[0].After) != `{"folder":"`+held+`","stands":true}` || !strings.Contains(string(r.Output), `"created":false`) {
		t.Errorf("after %s, output %s; want that it is not hidden, and not ours", r.Effects[0].After, r.Output)
	}
}

// Exchange may not show yet what was made: the mail waits for it and is not given
// up.
func TestAMailWaitsForTheFolderThatIsNotShownYet(t *testing.T) {
	d := open(t)
	plan := d.Plan("mail.move", intoHeld("hidden"))
	move := plan
	move.Effects = plan.Effects[1:]
	if r := d.Perform(move); shelftest.Code(r.Err) != "unavailable" || shelftest.Unsure(r.Err) || len(d.Tenant.Changes()) != 0 {
		t.Errorf("error %v; want unavailable, and sure that nothing was sent", r.Err)
	}
	if found, err := plan.Action.Check(t.Context(), actions.Call{}, plan.Effects[1]); err != nil || found.Answer != actions.DidNot {
		t.Errorf("check: %+v, %v; want that it did not happen", found, err)
	}
}

func TestCreateIsHiddenOrShown(t *testing.T) {
	d := open(t)
	if r := d.Plan("mail.move", intoHeld("true")); shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "create is \"true\"; expected hidden or shown") {
		t.Errorf("error %v", r.Err)
	}
	if r := d.Plan("mail.move", params(map[string]any{"folder": held})(nil)); shelftest.Code(r.Err) != "not_found" || !strings.Contains(r.Err.Error(), "give create: hidden") {
		t.Errorf("error %v", r.Err)
	}
}

func TestMakingAFolderIsThrottledAndForbiddenAsMovingIs(t *testing.T) {
	d := open(t)
	plan := d.Plan("mail.move", intoHeld("hidden"))
	if r := d.Tenant.Open(shelf(d.Tenant.Reader)...).Perform(plan); shelftest.Code(r.Err) != "forbidden" || !strings.Contains(r.Err.Error(), "Mail.ReadWrite") {
		t.Errorf("error %v; want forbidden with the permission", r.Err)
	}
	d.Tenant.Break(shelftest.Fault{Method: http.MethodPost, Path: "/v1.0/users/*/mailFolders", Status: 429, Headers: map[string]string{"Retry-After": "17"}})
	r := d.Perform(plan)
	if wait, told := shelftest.RetryAfter(r.Err); shelftest.Code(r.Err) != "throttled" || !told || wait.Seconds() != 17 || r.Sent != 1 {
		t.Errorf("error %v after %d requests; want throttled, once", r.Err, r.Sent)
	}
}

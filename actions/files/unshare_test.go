package files_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func TestUnshare(t *testing.T) {
	shelftest.Case{
		Action: "files.unshare", Shelves: shelf, Method: "DELETE", Path: "/v1.0/drives/*/items/*/permissions/*",
		Params: func(x *shelftest.Tenant) any {
			return map[string]any{"file": id(x, payroll), "permissions": append(permissions(x, payroll, `"anonymous"`), permissions(x, payroll, "@fabrikam.example")...)}
		},
	}.Check(t)
}

func TestUnshareTakesAwayAllThatReachesOutsideAndUndoBringsItBack(t *testing.T) {
	d := open(t)
	before := d.Tenant.State()
	ids := list(t, d, payroll).ids(outside)
	if len(ids) != 13 {
		t.Fatalf("%d permissions reach outside, want 13", len(ids))
	}
	r := d.Must("files.unshare", map[string]any{"file": payroll, "permissions": ids})
	if len(r.Effects) != 13 || r.Effects[0].Target.Kind != "permission" {
		t.Fatalf("effects: %+v", r.Effects)
	}
	links := 0
	for _, e := range r.Effects {
		if len(e.Lost) > 0 {
			links++
		}
		if strings.Contains(string(e.Before)+string(e.Request), "sharepoint.com/:") {
			t.Errorf("the receipt holds the address of a link: %s", e.Before)
		}
	}
	if links != 5 {
		t.Errorf("%d effects name what is lost, want the 5 links", links)
	}
	if left := list(t, d, payroll).ids(outside); len(left) != 0 {
		t.Errorf("still outside: %v", left)
	}
	inverses, _ := d.Undo(r)
	for _, i := range inverses {
		if i.Effect == nil || i.Effect.Action != "files.share" || !i.Widens {
			t.Errorf("inverse: %+v; want files.share, which widens", i)
		}
	}
	if d.Tenant.State() != before {
		t.Error("the state is another than before")
	}
}

func TestUnshareNamesThePermissionAsAPersonWould(t *testing.T) {
	d := open(t)
	r := d.Plan("files.unshare", map[string]any{"file": payroll, "permissions": permissions(d.Tenant, payroll, `"anonymous"`)})
	if r.Err != nil || len(r.Effects) != 1 {
		t.Fatal(r.Err, r.Effects)
	}
	if got, want := r.Effects[0].Target.Name, "anonymous edit link on Payroll November 2026.xlsx"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
}

func TestUnshareRefuses(t *testing.T) {
	d := open(t)
	l, above := list(t, d, payroll), list(t, d, report)
	for _, c := range []struct {
		name, file, code, want string
		ids                    []string
	}{
		{"an empty selection", payroll, "invalid", "permissions is empty", []string{}},
		{"an empty id", payroll, "invalid", "permissions[0] is empty", []string{""}},
		{"the owner", payroll, "refused", "the owner's", l.ids(func(p permission) bool { return p.Owner && !p.Inherited })},
		{"what stands above", report, "invalid", above.File.DriveID + "/", above.ids(func(p permission) bool { return p.Inherited && p.Scope == "external" })},
		{"one of them inherited", report, "invalid", "inherited from", above.ids(func(p permission) bool { return p.Scope == "external" })},
	} {
		r := d.Do("files.unshare", map[string]any{"file": c.file, "permissions": c.ids})
		if shelftest.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), c.want) || len(r.Effects) != 0 {
			t.Errorf("%s: %v; want %s: %s", c.name, r.Err, c.code, c.want)
		}
	}
}

func TestUnshareTellsWhatIsGoneAlready(t *testing.T) {
	d := open(t)
	ids := append(permissions(d.Tenant, payroll, `"anonymous"`), permissions(d.Tenant, payroll, "@northwind.example")[:1]...)
	params := map[string]any{"file": payroll, "permissions": append(ids, ids[0], "nosuch")}
	r := d.Plan("files.unshare", params)
	drive, item := target(d.Tenant, payroll)
	d.Tenant.Call("DELETE", "/v1.0/drives/"+drive+"/items/"+item+"/permissions/"+ids[0], "") // somebody is faster
	r = d.Perform(r)
	if r.Err != nil || r.Statuses() != "already_so done" {
		t.Fatalf("%v, statuses %q", r.Err, r.Statuses())
	}
	out := shelftest.Into[struct {
		Removed     []string
		AlreadyGone []string `json:"already_gone"`
	}](t, r.Output)
	if len(out.Removed) != 1 || out.Removed[0] != ids[1] || strings.Join(out.AlreadyGone, " ") != "nosuch "+ids[0] {
		t.Errorf("output: %+v", out)
	}
}

func TestUnshareOfADeletedFileIsNotFound(t *testing.T) {
	d := open(t)
	r := d.Plan("files.unshare", map[string]any{"file": payroll, "permissions": permissions(d.Tenant, payroll, `"anonymous"`)})
	drive, item := target(d.Tenant, payroll)
	d.Tenant.Call("DELETE", "/v1.0/drives/"+drive+"/items/"+item, "")
	if r = d.Perform(r); shelftest.Code(r.Err) != "not_found" || r.Statuses() != string(actions.NotDone) {
		t.Errorf("%v, statuses %q", r.Err, r.Statuses())
	}
}

func TestUndoOfUnshareLeavesAloneWhatSomebodyChanged(t *testing.T) {
	d := open(t)
	r := d.Must("files.unshare", map[string]any{"file": payroll, "permissions": permissions(d.Tenant, payroll, "kim.abercrombie@fabrikam.example")})
	drive, item := target(d.Tenant, payroll)
	d.Tenant.Call("POST", "/v1.0/drives/"+drive+"/items/"+item+"/invite",
		`{"recipients":[{"email":"kim.abercrombie@fabrikam.example"}],"roles":["write"],"requireSignIn":true}`)
	changes := len(d.Tenant.Changes())
	inverses, _ := d.Undo(r)
	if len(inverses) != 1 || !inverses[0].Changed || !strings.Contains(string(inverses[0].Present), "write") {
		t.Errorf("inverse: %+v; want changed", inverses)
	}
	if len(d.Tenant.Changes()) != changes {
		t.Error("undo changed it all the same")
	}
}

func TestStateOfSharingIsStableAndTellsChanges(t *testing.T) {
	d := open(t)
	params := map[string]any{"file": payroll}
	first := d.State("files.unshare", params)
	if d.State("files.unshare", params) != first {
		t.Error("two reads differ though nothing changed")
	}
	d.Must("files.unshare", map[string]any{"file": payroll, "permissions": permissions(d.Tenant, payroll, `"anonymous"`)})
	if d.State("files.unshare", params) == first {
		t.Error("a removed link is not to be seen")
	}
}

func TestUnshareWithStaleReadsIsDoneOnce(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	d := x.Open(shelf(x.Full)...)
	r := d.Plan("files.unshare", map[string]any{"file": id(x, payroll), "permissions": permissions(x, payroll, `"anonymous"`)})
	x.Break(shelftest.Fault{Method: "DELETE", Path: "/v1.0/drives/*/items/*/permissions/*", Times: 1, Cut: "after"},
		shelftest.Fault{Method: "GET", Path: "/v1.0/drives/*/items/*/permissions", Times: 1, StaleReads: 1})
	r = d.Perform(r)
	if r.Err != nil || len(x.Changes()) != 1 {
		t.Errorf("%v; %d changes, want 1", r.Err, len(x.Changes()))
	}
}

func TestWhatWouldHaveEndedByItselfIsNotGivenBack(t *testing.T) {
	d := open(t)
	d.Must("files.share", map[string]any{"file": drawing, "role": "read", "recipients": []string{"kim.abercrombie@fabrikam.example"}, "expires_at": d.Tenant.Now().Add(time.Hour)})
	r := d.Must("files.unshare", map[string]any{"file": drawing, "permissions": permissions(d.Tenant, drawing, "kim.abercrombie")})
	if inverses, _ := d.Undo(r); inverses[0].Effect == nil {
		t.Errorf("inverse: %+v; want one within the hour", inverses[0])
	}
	r = d.Must("files.unshare", map[string]any{"file": drawing, "permissions": permissions(d.Tenant, drawing, "kim.abercrombie")})
	d.Tenant.Advance(2 * time.Hour)
	if inverses, _ := d.Undo(r); inverses[0].Effect != nil || !strings.Contains(inverses[0].Why, "ended by itself") {
		t.Errorf("inverse: %+v; want none after it", inverses[0])
	}
}

func TestAWholeLibraryIsNotUnshared(t *testing.T) {
	d := open(t)
	drive, _ := target(d.Tenant, payroll)
	var root struct{ ID string }
	if err := json.Unmarshal(d.Tenant.Call("GET", "/v1.0/drives/"+drive+"/items/root", ""), &root); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string]map[string]any{
		"files.unshare": {"permissions": []string{"x"}}, "files.share": {"role": "read", "link": "organization"},
	} {
		more["file"] = drive + "/" + root.ID
		if r := d.Do(name, more); shelftest.Code(r.Err) != "refused" || !strings.Contains(r.Err.Error(), "whole library") {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}

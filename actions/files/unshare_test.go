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

// grouped makes the file's own permissions one of a person, one of a group of
// the directory, one of a group of the site, and one of its owner.
func grouped(d *shelftest.Desk) {
	d.Tenant.Break(shelftest.Fault{
		Method: "GET", Path: "/v1.0/drives/*/items/*/permissions", Status: 200, Headers: map[string]string{"Content-Type": "application/json"},
		Body: json.RawMessage(`{"value":[
			{"id":"person","roles":["read"],"grantedToV2":{"user":{"id":"u1","displayName":"Kim","email":"kim@contoso.example"},"siteUser":{"id":"9","loginName":"i:0#.f|membership|kim@contoso.example"}}},
			{"id":"group","roles":["read"],"grantedToV2":{"group":{"id":"0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d03","displayName":"Finance"}}},
			{"id":"members","roles":["write"],"grantedToV2":{"siteGroup":{"id":"5","displayName":"Payroll Members","loginName":"Payroll Members"}}},
			{"id":"visitors","roles":["read"],"grantedToV2":{"sharePointGroup":{"id":"6","title":"Payroll Visitors"}}},
			{"id":"flow","roles":["read"],"grantedToV2":{"application":{"id":"a1","displayName":"Flow"}}},
			{"id":"link","roles":["read"],"link":{"type":"view","scope":"users"},"grantedToIdentitiesV2":[{"siteGroup":{"id":"5","displayName":"x"}}]},
			{"id":"owner","roles":["sp.owner"],"grantedToV2":{"user":{"id":"u2","email":"petra@contoso.example"}}}
		]}`),
	})
}

func TestTheWaysOfAccessAreToldApart(t *testing.T) {
	d := open(t)
	ways := map[string]string{}
	for _, p := range list(t, d, payroll).Permissions {
		ways[p.Via+" "+strings.Join(p.Roles, "")] = p.Scope
	}
	for _, want := range []string{"link write", "user read", "user owner", "group read", "site_group write"} {
		if ways[want] == "" {
			t.Errorf("no permission by %s among %v", want, ways)
		}
	}
	grouped(d)
	got := map[string]string{}
	for _, p := range list(t, d, payroll).Permissions {
		got[p.ID] = p.Via
	}
	for id, want := range map[string]string{
		"person": "user", "group": "group", "members": "site_group", "visitors": "site_group", "flow": "application", "link": "link", "owner": "user",
	} {
		if got[id] != want {
			t.Errorf("%s is by %s, want %s", id, got[id], want)
		}
	}
}

func TestUnshareTakesAGroupOfTheSiteAwayOnlyWhenToldTo(t *testing.T) {
	d := open(t)
	file := id(d.Tenant, payroll)
	grouped(d)
	for _, group := range []string{"members", "visitors"} {
		params := map[string]any{"file": file, "permissions": []string{"person", group}}
		if r := d.Plan("files.unshare", params); shelftest.Code(r.Err) != "refused" || !strings.Contains(r.Err.Error(), "site_groups: true") {
			t.Errorf("%s: %v; want refused", group, r.Err)
		}
		params["site_groups"] = true
		r := d.Plan("files.unshare", params)
		if r.Err != nil || len(r.Effects) != 2 || len(r.Effects[1].Lost) != 1 || r.Effects[1].Lost[0].Field != "permission" {
			t.Errorf("%s: %v; effects %+v; want both, the group's with what is lost", group, r.Err, r.Effects)
		}
	}
	if r := d.Plan("files.unshare", map[string]any{"file": file, "permissions": []string{"owner"}, "site_groups": true}); shelftest.Code(r.Err) != "refused" || !strings.Contains(r.Err.Error(), "the owner's") {
		t.Errorf("owner: %v; want refused", r.Err)
	}
}

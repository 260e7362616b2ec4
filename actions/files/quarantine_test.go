package files_test

import (
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/files"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func TestQuarantine(t *testing.T) {
	shelftest.Case{
		Action: "files.quarantine", Shelves: shelf, Method: "PATCH", Path: "/v1.0/drives/*/items/*",
		Params: func(x *shelftest.Tenant) any { return map[string]any{"file": id(x, payroll)} },
	}.Check(t)
}

const quarantine = host + "/sites/payroll/Shared Documents/Quarantine"

func TestInQuarantineOnlyTheOwnerAndTheFoldersPeopleHaveTheFile(t *testing.T) {
	d := open(t)
	r := d.Must("files.quarantine", map[string]any{"file": payroll})
	out := shelftest.Into[struct {
		Folder  string
		Moved   bool
		Removed []string
	}](t, r.Output)
	if out.Folder != "/Quarantine" || !out.Moved || len(out.Removed) != len(r.Effects)-1 {
		t.Errorf("output: %s", r.Output)
	}
	for _, p := range list(t, d, quarantine+"/Payroll November 2026.xlsx").Permissions {
		if !p.Owner && !p.Inherited || p.Scope != "internal" {
			t.Errorf("still open by %+v", p)
		}
	}
	type place struct {
		Name, Path string
		Open       []struct{ Roles []string }
	}
	before, after := shelftest.Into[place](t, r.Effects[0].Before), shelftest.Into[place](t, r.Effects[0].After)
	if !strings.HasSuffix(before.Path, "/root:/2026") || len(before.Open) != 4 || !strings.HasSuffix(after.Path, "/root:/Quarantine") || len(after.Open) != 2 {
		t.Errorf("receipt: %+v → %+v; want who had it by the folder before and has it after", before, after)
	}
}

func TestQuarantineGivesAnotherNameWhereItsOwnIsTaken(t *testing.T) {
	d := open(t)
	x := d.Tenant
	drive, item := target(x, host+"/sites/payroll/Shared Documents/Reports/Read me 001.docx")
	_, folder := target(x, quarantine)
	x.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"name":"Payroll November 2026.xlsx","parentReference":{"id":"`+folder+`"}}`)
	before := x.State()
	r := d.Must("files.quarantine", map[string]any{"file": payroll})
	if name := shelftest.Into[struct{ Name string }](t, r.Effects[0].After).Name; name == "Payroll November 2026.xlsx" || !strings.HasPrefix(name, "Payroll November 2026 ") || !strings.HasSuffix(name, ".xlsx") {
		t.Errorf("name in quarantine: %q", name)
	}
	if d.Undo(r); x.State() != before {
		t.Error("the state is another than before")
	}
}

func TestUndoOfQuarantineLooksFirst(t *testing.T) {
	for name, c := range map[string]struct {
		then    func(x *shelftest.Tenant, drive, item string)
		changed bool
		want    string
	}{
		"its name is taken": {func(x *shelftest.Tenant, drive, _ string) {
			_, other := target(x, host+"/sites/payroll/Shared Documents/Reports/Read me 001.docx")
			_, folder := target(x, host+"/sites/payroll/Shared Documents/2026")
			x.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+other, `{"name":"Payroll November 2026.xlsx","parentReference":{"id":"`+folder+`"}}`)
		}, false, "another file is called"},
		"its folder is gone": {func(x *shelftest.Tenant, drive, _ string) {
			_, folder := target(x, host+"/sites/payroll/Shared Documents/2026")
			x.Call("DELETE", "/v1.0/drives/"+drive+"/items/"+folder, "")
		}, false, "the folder that it came from is gone"},
		"somebody moved it on": {func(x *shelftest.Tenant, drive, item string) {
			_, folder := target(x, host+"/sites/payroll/Shared Documents/Reports")
			x.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"parentReference":{"id":"`+folder+`"}}`)
		}, true, "Reports"},
		"somebody deleted it": {func(x *shelftest.Tenant, drive, item string) {
			x.Call("DELETE", "/v1.0/drives/"+drive+"/items/"+item, "")
		}, true, "gone"},
	} {
		d := open(t)
		drive, item := target(d.Tenant, payroll)
		r := d.Must("files.quarantine", map[string]any{"file": payroll})
		r.Effects = r.Effects[:1] // the move
		c.then(d.Tenant, drive, item)
		changes := len(d.Tenant.Changes())
		inverses, _ := d.Undo(r)
		if inverses[0].Effect != nil || inverses[0].Changed != c.changed || !strings.Contains(inverses[0].Why, c.want) || len(d.Tenant.Changes()) != changes {
			t.Errorf("%s: %+v; want none: %s", name, inverses[0], c.want)
		}
	}
}

func TestQuarantineWantsALockedFolder(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	to := func(folder string) *shelftest.Desk {
		return x.Open(files.Shelf{Graph: x.Full.Graph, OwnDomains: []string{practice.ContosoDomain}, QuarantineTo: folder})
	}
	drive, folder := target(x, quarantine)
	refused := func(name, where, file, want string) {
		t.Helper()
		before := x.State()
		if r := to(where).Do("files.quarantine", map[string]any{"file": file}); shelftest.Code(r.Err) != "refused" || !strings.Contains(r.Err.Error(), want) || x.State() != before {
			t.Errorf("%s: %v; want refused: %s", name, r.Err, want)
		}
	}
	refused("no such folder", "Nowhere", payroll, "has no folder Nowhere")
	refused("a file", "2026/Payroll November 2026.xlsx", drawing, "has no folder")
	refused("a file", "2026/Payroll November 2026.xlsx", payroll, "is no folder")
	refused("a folder that inherits", "/Archive/", payroll, "it inherits the")
	if r := to("").Do("files.quarantine", map[string]any{"file": quarantine}); shelftest.Code(r.Err) != "invalid" {
		t.Errorf("a folder: %v", r.Err)
	}
	x.Call("POST", "/v1.0/drives/"+drive+"/items/"+folder+"/createLink", `{"type":"view","scope":"organization"}`)
	refused("a link", "", payroll, "there is the organization-wide view link")
}

func TestAFileInQuarantineStaysThere(t *testing.T) {
	d := open(t)
	d.Must("files.quarantine", map[string]any{"file": payroll})
	drive, item := target(d.Tenant, quarantine+"/Payroll November 2026.xlsx")
	d.Tenant.Call("POST", "/v1.0/drives/"+drive+"/items/"+item+"/createLink", `{"type":"view","scope":"anonymous"}`)
	r := d.Must("files.quarantine", map[string]any{"file": drive + "/" + item})
	if len(r.Effects) != 1 || r.Effects[0].Action != "files.unshare" || !strings.Contains(string(r.Output), `"moved":false`) {
		t.Errorf("effects %+v, output %s; want the new link removed only", r.Effects, r.Output)
	}
}

func TestQuarantineLeavesAloneAFileThatChangedSincePlanned(t *testing.T) {
	d := open(t)
	r := d.Plan("files.quarantine", map[string]any{"file": payroll})
	drive, item := target(d.Tenant, payroll)
	d.Tenant.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"name":"Payroll final.xlsx"}`)
	if r = d.Perform(r); shelftest.Code(r.Err) != "conflict" || r.Effects[0].Status != actions.NotDone {
		t.Errorf("%v, statuses %q; want conflict", r.Err, r.Statuses())
	}
}

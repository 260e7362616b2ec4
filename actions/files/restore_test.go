package files_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/files"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

// bury deletes a file as somebody else would.
func bury(x *shelftest.Tenant, file string) {
	drive, item := target(x, file)
	x.Call("DELETE", "/v1.0/drives/"+drive+"/items/"+item, "")
}

func TestRestore(t *testing.T) {
	shelftest.Case{
		Action: "files.restore", Shelves: shelf, Method: "POST", Path: "/sites/*/_api/web/*/*", Begun: 1,
		Params: func(x *shelftest.Tenant) any {
			bury(x, payroll)
			return map[string]any{"file": payroll}
		},
	}.Check(t)
}

func TestWhatDeleteAnsweredIsRestored(t *testing.T) {
	d := open(t)
	before := d.Tenant.State()
	gone := shelftest.Into[struct{ File map[string]any }](t, d.Must("files.delete", map[string]any{"file": payroll}).Output)
	r := d.Must("files.restore", map[string]any{"file": gone.File})
	out := shelftest.Into[struct {
		File     map[string]any
		Restored bool
	}](t, r.Output)
	if !out.Restored || d.Tenant.State() != before || out.File["item_id"] != gone.File["item_id"] {
		t.Errorf("output %s; want the same file, and the state of before", r.Output)
	}
	if again := d.Must("files.restore", map[string]any{"file": gone.File}); len(again.Effects) != 0 {
		t.Errorf("restored twice: %+v", again.Effects)
	}
}

// again puts another file at the place of the payroll workbook.
func again(x *shelftest.Tenant, with string) {
	drive, item := target(x, with)
	_, folder := target(x, host+"/sites/payroll/Shared Documents/2026")
	x.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"name":"Payroll November 2026.xlsx","parentReference":{"id":"`+folder+`"}}`)
}

const other = host + "/sites/payroll/Shared Documents/Reports/Read me 001.docx"

func TestRestoreRefuses(t *testing.T) {
	d := open(t)
	refused := func(name string, file any, entry, code, want string) {
		t.Helper()
		r := d.Do("files.restore", map[string]any{"file": file, "entry": entry})
		if shelftest.Code(r.Err) != code || !strings.Contains(r.Err.Error(), want) || len(r.Effects) != 0 {
			t.Errorf("%s: %v; want %s: %s", name, r.Err, code, want)
		}
	}
	refused("ids", "b!drive/01ITEM", "", "invalid", "names no place")
	refused("a page", host+"/sites/payroll/_layouts/15/Doc.aspx?sourcedoc=x", "", "invalid", "address of a page")
	refused("a site", "https://contoso.sharepoint.com/x", "", "invalid", "names no file in a library")
	refused("never there", host+"/sites/payroll/Shared Documents/2026/never.xlsx", "", "not_found", "has no file never.xlsx")
	bury(d.Tenant, payroll)
	refused("another folder", host+"/sites/payroll/Shared Documents/2025/Payroll November 2026.xlsx", "", "not_found", "from /sites/payroll/Shared Documents/2025")
	refused("another entry", payroll, "nosuch", "invalid", "has no entry nosuch")
	again(d.Tenant, other)
	refused("its name is taken", payroll, "", "conflict", "another file lies at")
	bury(d.Tenant, payroll)
	refused("two of them", payroll, "", "conflict", "2 files called Payroll November 2026.xlsx")
	two, err := d.Tenant.Full.SharePoint.Recycled(t.Context(), host+"/sites/payroll", "Payroll November 2026.xlsx")
	if err != nil || len(two) != 2 {
		t.Fatal(two, err)
	}
	r := d.Must("files.restore", map[string]any{"file": payroll, "entry": two[1].ID})
	if size := shelftest.Into[struct{ Size int64 }](t, r.Effects[0].After).Size; size != two[1].Size {
		t.Errorf("restored a file of %d bytes, want %d", size, two[1].Size)
	}
}

func TestARecordFromAPageIsFoundByItsPath(t *testing.T) {
	d := open(t)
	bury(d.Tenant, payroll)
	d.Must("files.restore", map[string]any{"file": map[string]any{
		"id": "x", "url": host + "/sites/payroll/_layouts/15/Doc.aspx?sourcedoc=x", "site": "/sites/payroll", "path": "/Shared Documents/2026/Payroll November 2026.xlsx",
	}})
}

// twins is a tenant in which the other file has the size of the workbook.
func twins(t *testing.T) practice.Options {
	t.Helper()
	company := practice.Contoso(0)
	sizes := map[string]*int64{}
	for i := range company.Sites[0].Files {
		sizes[company.Sites[0].Files[i].Path] = &company.Sites[0].Files[i].Size
	}
	*sizes["Reports/Read me 001.docx"] = *sizes["2026/Payroll November 2026.xlsx"]
	raw, err := json.Marshal(company)
	if err != nil {
		t.Fatal(err)
	}
	return practice.Options{Company: raw}
}

func TestUndoOfDeleteRestoresOnlyWhatItIsCertainOf(t *testing.T) {
	for name, c := range map[string]struct {
		before, then func(x *shelftest.Tenant)
		want         string // why not; "": it is restored
	}{
		"the only one": {},
		"another of its name was deleted before": {before: func(x *shelftest.Tenant) {
			drive, item := target(x, payroll)
			x.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"name":"set aside.xlsx"}`)
			again(x, other)
			bury(x, payroll)
			x.Advance(time.Minute)
			x.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"name":"Payroll November 2026.xlsx"}`)
		}},
		"another of its name was deleted since": {then: func(x *shelftest.Tenant) {
			again(x, other)
			bury(x, payroll)
		}, want: "several such files"},
		"another has its name": {then: func(x *shelftest.Tenant) { again(x, other) }, want: "another file has its name"},
	} {
		x := shelftest.Start(t, twins(t))
		d := x.Open(shelf(x.Full)...)
		if c.before != nil {
			c.before(x)
		}
		r := d.Must("files.delete", map[string]any{"file": payroll})
		if c.then != nil {
			c.then(x)
		}
		inverses, _ := d.Undo(r)
		if (inverses[0].Effect != nil) != (c.want == "") || !strings.Contains(inverses[0].Why, c.want) {
			t.Errorf("%s: %+v; want %q", name, inverses[0], c.want)
		}
	}
}

func TestUndoOfDeleteKnowsTheFileAgain(t *testing.T) {
	d := open(t)
	r := d.Must("files.delete", map[string]any{"file": payroll})
	back := d.Must("files.restore", map[string]any{"file": payroll})
	if inverses, _ := d.Undo(r); !inverses[0].Changed || inverses[0].Effect != nil {
		t.Errorf("inverse: %+v; want changed: it is there again", inverses[0])
	}
	d.Undo(back)
	if inverses, _ := d.Undo(r); inverses[0].Effect == nil {
		t.Errorf("inverse: %+v; want one: it is the same file", inverses[0])
	}
}

func TestWithoutSharePointTheBinIsAPersons(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	d := x.Open(files.Shelf{Graph: x.Full.Graph, OwnDomains: []string{practice.ContosoDomain}})
	r := d.Must("files.delete", map[string]any{"file": payroll})
	if inverses, _ := d.Undo(r); inverses[0].Effect != nil || !strings.Contains(inverses[0].Why, "an owner of the site") {
		t.Errorf("inverse: %+v; want none, and who can", inverses[0])
	}
	if r := d.Do("files.restore", map[string]any{"file": payroll}); shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "no connection to SharePoint") {
		t.Errorf("error: %v", r.Err)
	}
}

func TestAnAppThatSharePointRefusesSaysWhoCanRestore(t *testing.T) {
	d := open(t)
	r := d.Must("files.delete", map[string]any{"file": payroll})
	bin := shelftest.Fault{
		Method: "GET", Path: "/sites/*/_api/web/RecycleBin", Times: 2, Status: 401, // the token is renewed once
		Headers: map[string]string{"Content-Type": "application/json"}, Body: json.RawMessage(`{"error_description":"Unsupported app only token."}`),
	}
	d.Tenant.Break(bin)
	inverses, _ := d.Undo(r)
	if i := inverses[0]; i.Effect != nil || i.Changed || !strings.Contains(i.Why, "an owner of the site") || !strings.Contains(i.Why, "sign in with a certificate") {
		t.Errorf("inverse: %+v; want none, and who can", i)
	}
	d.Tenant.Break(bin)
	if r := d.Do("files.restore", map[string]any{"file": payroll}); shelftest.Code(r.Err) != "unauthorized" || !strings.Contains(r.Err.Error(), "certificate") {
		t.Errorf("restore: %v; want unauthorized, and what to do", r.Err)
	}
}

func TestAnEntryThatSomebodyRestoredIsAlreadySo(t *testing.T) {
	d := open(t)
	bury(d.Tenant, payroll)
	first, second := d.Plan("files.restore", map[string]any{"file": payroll}), d.Plan("files.restore", map[string]any{"file": payroll})
	d.Perform(first)
	if second = d.Perform(second); second.Err != nil || second.Statuses() != string(actions.AlreadySo) || !strings.Contains(string(second.Output), `"restored":false`) {
		t.Errorf("%v, statuses %q, output %s", second.Err, second.Statuses(), second.Output)
	}
}

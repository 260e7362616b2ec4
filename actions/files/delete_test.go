package files_test

import (
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/shelftest"
)

func TestDelete(t *testing.T) {
	c := shelftest.Case{
		Action: "files.delete", Shelves: shelf, Method: "DELETE", Path: "/v1.0/drives/*/items/*",
		Params: func(x *shelftest.Tenant) any { return map[string]any{"file": id(x, payroll)} },
		Gone:   true,
	}
	c.Check(t)
}

func TestDeleteOfWhatSomebodyDeletedIsAlreadySo(t *testing.T) {
	d := open(t)
	r := d.Plan("files.delete", map[string]any{"file": payroll})
	drive, item := target(d.Tenant, payroll)
	d.Tenant.Call("DELETE", "/v1.0/drives/"+drive+"/items/"+item, "")
	r = d.Perform(r)
	if r.Err != nil || r.Statuses() != string(actions.AlreadySo) || !strings.Contains(string(r.Output), `"deleted":false`) {
		t.Errorf("%v, statuses %q, output %s", r.Err, r.Statuses(), r.Output)
	}
}

func TestDeleteLeavesAloneAFileThatChangedSincePlanned(t *testing.T) {
	d := open(t)
	r := d.Plan("files.delete", map[string]any{"file": payroll})
	drive, item := target(d.Tenant, payroll)
	d.Tenant.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"name":"Payroll final.xlsx"}`)
	if r = d.Perform(r); shelftest.Code(r.Err) != "conflict" || r.Statuses() != string(actions.NotDone) {
		t.Errorf("%v, statuses %q; want conflict", r.Err, r.Statuses())
	}
}

func TestDeleteRefusesFolders(t *testing.T) {
	d := open(t)
	r := d.Do("files.delete", map[string]any{"file": host + "/sites/payroll/Shared Documents/2026"})
	if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "is a folder") {
		t.Errorf("error: %v", r.Err)
	}
}

func TestDeleteIsNeverRepeatedWhenNobodyCanTell(t *testing.T) {
	d := open(t)
	r := d.Plan("files.delete", map[string]any{"file": payroll})
	d.Tenant.Break(
		shelftest.Fault{Method: "DELETE", Path: "/v1.0/drives/*/items/*", Times: 1, Cut: "after"},
		shelftest.Fault{Method: "GET", Path: "/v1.0/drives/*/items/*", Status: 404})
	r = d.Perform(r)
	if r.Err == nil || r.Statuses() != string(actions.Unknown) || r.Sent != 1 {
		t.Errorf("%v, statuses %q, sent %d; want unknown, sent once", r.Err, r.Statuses(), r.Sent)
	}
}

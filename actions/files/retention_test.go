package files_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/files"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const retentionPath = "/v1.0/drives/*/items/*/retentionLabel"

// setRetention sets a retention label as somebody else would.
func setRetention(x *shelftest.Tenant, file, body string) {
	drive, item := target(x, file)
	x.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item+"/retentionLabel", body)
}

const (
	kept     = `{"name":"Keep 7 years"}`
	recorded = `{"name":"Board record"}`
	unlocked = `{"retentionSettings":{"isRecordLocked":false}}`
)

func TestSetRetentionLabel(t *testing.T) {
	shelftest.Case{
		Action: "files.set_retention_label", Shelves: shelf, Method: "PATCH", Path: retentionPath,
		Params: func(x *shelftest.Tenant) any { return map[string]any{"file": id(x, payroll), "label": "keep 7 years"} },
	}.Check(t)
}

func TestRemoveRetentionLabel(t *testing.T) {
	shelftest.Case{
		Action: "files.remove_retention_label", Shelves: shelf, Method: "DELETE", Path: retentionPath, Begun: 1,
		Params: func(x *shelftest.Tenant) any {
			setRetention(x, payroll, kept)
			return map[string]any{"file": id(x, payroll)}
		},
	}.Check(t)
}

func TestUnlockRecord(t *testing.T) {
	shelftest.Case{
		Action: "files.unlock_record", Shelves: shelf, Method: "PATCH", Path: retentionPath, Begun: 1,
		Params: func(x *shelftest.Tenant) any {
			setRetention(x, payroll, recorded)
			return map[string]any{"file": id(x, payroll)}
		},
	}.Check(t)
}

func TestLockRecord(t *testing.T) {
	shelftest.Case{
		Action: "files.lock_record", Shelves: shelf, Method: "PATCH", Path: retentionPath, Begun: 2,
		Params: func(x *shelftest.Tenant) any {
			setRetention(x, payroll, recorded)
			setRetention(x, payroll, unlocked)
			return map[string]any{"file": id(x, payroll)}
		},
	}.Check(t)
}

func TestARetentionLabelTellsWhatItDoesAndUndoBringsTheOneBeforeBack(t *testing.T) {
	d := open(t)
	setRetention(d.Tenant, payroll, kept)
	before := d.Tenant.State()
	r := d.Must("files.set_retention_label", map[string]any{"file": payroll, "label": "Board record"})
	out := shelftest.Into[struct {
		Label, Before struct {
			Name, Behavior string
			Locked         bool
		}
		Set bool
	}](t, r.Output)
	if !out.Set || out.Label.Behavior != "retainAsRecord" || !out.Label.Locked || out.Before.Name != "Keep 7 years" || out.Before.Behavior != "retain" {
		t.Errorf("output: %+v", out)
	}
	if len(r.Effects[0].Lost) != 1 || r.Effects[0].Lost[0].Field != "label.applied_at" {
		t.Errorf("lost: %+v", r.Effects[0].Lost)
	}
	inverses, _ := d.Undo(r)
	if !inverses[0].Widens || d.Tenant.State() != before {
		t.Errorf("inverse %+v; want one that widens, back to the state before", inverses[0])
	}
}

func TestUndoOfARetentionLabelLeavesAloneWhatSomebodySet(t *testing.T) {
	d := open(t)
	r := d.Must("files.set_retention_label", map[string]any{"file": payroll, "label": "Keep 7 years"})
	setRetention(d.Tenant, payroll, `{"name":"Working papers"}`)
	if inverses, _ := d.Undo(r); !inverses[0].Changed || !strings.Contains(inverses[0].Why, "Working papers") {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestWhatHoldsALabelIsTold(t *testing.T) {
	d := open(t)
	x := d.Tenant
	setRetention(x, drawing, recorded)
	setRetention(x, drawing, unlocked)
	setRetention(x, report, kept)
	for name, c := range map[string]struct {
		action, file, code, want string
		more                     map[string]any
	}{
		"no such label":              {"files.set_retention_label", payroll, "invalid", "an app cannot list them", map[string]any{"label": "Nonsense"}},
		"an empty label":             {"files.set_retention_label", payroll, "invalid", "label is empty", map[string]any{"label": " "}},
		"a folder":                   {"files.set_retention_label", host + "/sites/payroll/Shared Documents/2026", "invalid", "is a folder", map[string]any{"label": "Keep 7 years"}},
		"label of unlocked record":   {"files.set_retention_label", drawing, "refused", "files.lock_record", map[string]any{"label": "Keep 7 years"}},
		"removal of unlocked record": {"files.remove_retention_label", drawing, "refused", "files.lock_record", nil},
		"lock of no record":          {"files.unlock_record", report, "invalid", "its retention label is Keep 7 years", nil},
		"lock without label":         {"files.lock_record", payroll, "invalid", "its retention label is none", nil},
		"delete of a kept file":      {"files.delete", report, "refused", "Keep 7 years keeps", nil},
		"delete of a record":         {"files.delete", drawing, "refused", "files.quarantine", nil},
	} {
		params := map[string]any{"file": c.file}
		for k, v := range c.more {
			params[k] = v
		}
		before := x.State()
		if r := d.Do(c.action, params); shelftest.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), c.want) || x.State() != before {
			t.Errorf("%s: %v; want %s: %s, and nothing changed", name, r.Err, c.code, c.want)
		}
	}
}

func TestALockedRecordRefusesASensitivityLabelForGood(t *testing.T) {
	d := open(t)
	setRetention(d.Tenant, payroll, recorded)
	params := map[string]any{"file": payroll, "label": "Confidential"}
	r := d.Do("files.set_sensitivity_label", params)
	if shelftest.Code(r.Err) != "refused" || !strings.Contains(r.Err.Error(), "files.unlock_record") || r.Statuses() != string(actions.NotDone) {
		t.Fatalf("%v, statuses %q; want refused with the way out", r.Err, r.Statuses())
	}
	d.Must("files.unlock_record", map[string]any{"file": payroll})
	d.Must("files.set_sensitivity_label", params)
	d.Must("files.lock_record", map[string]any{"file": payroll})
}

// records is a tenant whose app with every permission lacks the one of records.
func records(t *testing.T) practice.Options {
	t.Helper()
	company := practice.Contoso(0)
	for i := range company.Apps {
		var roles []string
		for _, r := range company.Apps[i].Roles {
			if r != "Sites.FullControl.All" {
				roles = append(roles, r)
			}
		}
		company.Apps[i].Roles = roles
	}
	company.RetentionLabels = append(company.RetentionLabels, practice.RetentionLabel{Name: "Regulated", Behavior: "retainAsRegulatoryRecord"})
	raw, err := json.Marshal(company)
	if err != nil {
		t.Fatal(err)
	}
	return practice.Options{Company: raw}
}

func TestTheLabelOfARecordNeedsMore(t *testing.T) {
	x := shelftest.Start(t, records(t))
	d := x.Open(shelf(x.Full)...)
	d.Must("files.set_retention_label", map[string]any{"file": payroll, "label": "Board record"})
	for action, params := range map[string]map[string]any{
		"files.remove_retention_label": {"file": payroll}, "files.set_retention_label": {"file": payroll, "label": "Keep 7 years"},
	} {
		r := d.Do(action, params)
		if shelftest.Code(r.Err) != "forbidden" || !strings.Contains(r.Err.Error(), "needs the application permission Sites.FullControl.All") {
			t.Errorf("%s: %v; want forbidden with the permission", action, r.Err)
		}
	}
}

func TestARegulatoryRecordStays(t *testing.T) {
	x := shelftest.Start(t, records(t))
	d := x.Open(files.Shelf{Graph: x.Full.Graph})
	r := d.Must("files.set_retention_label", map[string]any{"file": payroll, "label": "Regulated"})
	if inverses, _ := d.Undo(r); inverses[0].Effect != nil || !strings.Contains(inverses[0].Why, "regulatory record") {
		t.Errorf("inverse: %+v; want none, and why", inverses[0])
	}
	for _, action := range []string{"files.remove_retention_label", "files.unlock_record", "files.delete"} {
		if r := d.Do(action, map[string]any{"file": payroll}); shelftest.Code(r.Err) != "refused" || len(r.Effects) != 0 {
			t.Errorf("%s: %v; want refused", action, r.Err)
		}
	}
}

func TestAnOpenFileIsLockedForAWhileOnly(t *testing.T) {
	d := open(t)
	r := d.Plan("files.set_retention_label", map[string]any{"file": payroll, "label": "Keep 7 years"})
	d.Tenant.Break(shelftest.Fault{Method: "PATCH", Path: retentionPath, Status: 423})
	if r = d.Perform(r); shelftest.Code(r.Err) != "locked" || r.Statuses() != string(actions.NotDone) {
		t.Errorf("%v, statuses %q; want locked", r.Err, r.Statuses())
	}
}

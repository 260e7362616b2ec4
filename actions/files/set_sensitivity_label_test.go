package files_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/shelftest"
)

const confidential = "0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d03"

func TestSetSensitivityLabel(t *testing.T) {
	for _, label := range []string{"confidential", strings.ToUpper(confidential)} {
		t.Run(label, func(t *testing.T) {
			shelftest.Case{
				Action: "files.set_sensitivity_label", Shelves: shelf, Method: "POST", Path: "/v1.0/drives/*/items/*/assignSensitivityLabel",
				Params: func(x *shelftest.Tenant) any { return map[string]any{"file": id(x, payroll), "label": label} },
			}.Check(t)
		})
	}
}

func TestALabelIsDoneOnlyWhenTheFileHasIt(t *testing.T) {
	d := open(t)
	r := d.Must("files.set_sensitivity_label", map[string]any{"file": payroll, "label": "Confidential"})
	if r.Looks < 2 {
		t.Errorf("looked %d times at work that takes 12 s, first after 1 s", r.Looks)
	}
	raw, err := d.Read("files.get", map[string]any{"file": payroll})
	if err != nil {
		t.Fatal(err)
	}
	if got := shelftest.Into[struct{ Label struct{ Name string } }](t, raw); got.Label.Name != "Confidential" {
		t.Errorf("label: %+v", got)
	}
}

func TestALabelThatIsAcceptedAndLostIsSetAgain(t *testing.T) {
	d := open(t)
	r := d.Plan("files.set_sensitivity_label", map[string]any{"file": payroll, "label": "Confidential"})
	d.Tenant.Break(shelftest.Fault{Method: "POST", Path: "/v1.0/drives/*/items/*/assignSensitivityLabel", Times: 1, Status: 202})
	r = d.Perform(r)
	if r.Err != nil || r.Sent != 2 {
		t.Errorf("%v; sent %d times, want 2", r.Err, r.Sent)
	}
}

func TestLoweringALabelNeedsAJustification(t *testing.T) {
	d := open(t)
	params := map[string]any{"file": drawing, "label": "Confidential"}
	r := d.Do("files.set_sensitivity_label", params)
	if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "Highly Confidential, which ranks above Confidential") {
		t.Fatalf("error: %v", r.Err)
	}
	before := d.Tenant.State()
	params["justification"] = "The drawings are published."
	r = d.Must("files.set_sensitivity_label", params)
	inverses, _ := d.Undo(r)
	if inverses[0].Widens || d.Tenant.State() != before {
		t.Errorf("inverse %+v; want one that does not widen, back to the state before", inverses[0])
	}
}

func TestUndoOfALabelLowersItWhichWidens(t *testing.T) {
	d := open(t)
	r := d.Must("files.set_sensitivity_label", map[string]any{"file": payroll, "label": "Highly Confidential"})
	inverses, _ := d.Undo(r)
	if !inverses[0].Widens {
		t.Errorf("inverse: %+v; want one that widens", inverses[0])
	}
}

func TestUndoLeavesALabelAloneThatSomebodySet(t *testing.T) {
	d := open(t)
	r := d.Must("files.set_sensitivity_label", map[string]any{"file": payroll, "label": "Confidential"})
	d.Must("files.set_sensitivity_label", map[string]any{"file": payroll, "label": "Highly Confidential"})
	if inverses, _ := d.Undo(r); !inverses[0].Changed || !strings.Contains(inverses[0].Why, "Highly Confidential") {
		t.Errorf("inverse: %+v; want changed", inverses[0])
	}
}

func TestSetSensitivityLabelRefuses(t *testing.T) {
	d := open(t)
	for _, c := range []struct{ file, label, want string }{
		{payroll, "", "label is empty"},
		{payroll, "Top Secret", "the tenant has Public, General, Confidential, Highly Confidential"},
		{payroll, "0f6f4b1e-0000-4a57-9d0b-1c5e7a9b2d03", "there is no such label"},
		{host + "/sites/payroll/Shared Documents/2026", "Public", "cannot have a sensitivity label"},
	} {
		r := d.Do("files.set_sensitivity_label", map[string]any{"file": c.file, "label": c.label})
		if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%s: %v; want invalid: %s", c.label, r.Err, c.want)
		}
	}
}

func TestAnAcceptanceOfLongAgoIsNoReasonToWait(t *testing.T) {
	d := open(t)
	r := d.Plan("files.set_sensitivity_label", map[string]any{"file": payroll, "label": "Confidential"})
	now := d.Tenant.Now()
	for age, want := range map[time.Duration]actions.Answer{time.Minute: actions.Pending, 11 * time.Minute: actions.DidNot} {
		e := r.Effects[0]
		e.Handle = json.RawMessage(`{"at":"` + now.Add(-age).Format(time.RFC3339) + `"}`)
		if found, err := r.Action.Check(t.Context(), actions.Call{Now: now}, e); err != nil || found.Answer != want {
			t.Errorf("accepted %s ago: %+v, %v; want %s", age, found, err, want)
		}
	}
}

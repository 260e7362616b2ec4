package files_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stanch/actions/shelftest"
)

func TestRemoveSensitivityLabel(t *testing.T) {
	shelftest.Case{
		Action: "files.remove_sensitivity_label", Shelves: shelf, Method: "POST", Path: "/v1.0/drives/*/items/*/assignSensitivityLabel",
		Params: func(x *shelftest.Tenant) any {
			return map[string]any{"file": id(x, payroll), "justification": "It is published."}
		},
	}.Check(t)
}

func TestRemovingALabelIsUndoneByRaisingIt(t *testing.T) {
	d := open(t)
	r := d.Must("files.remove_sensitivity_label", map[string]any{"file": drawing, "justification": "They are published."})
	out := shelftest.Into[struct {
		File    struct{ Label *string }
		Before  struct{ Name string }
		Removed bool
	}](t, r.Output)
	if !out.Removed || out.Before.Name != "Highly Confidential" || out.File.Label != nil {
		t.Errorf("output: %s", r.Output)
	}
	if l := r.Effects[0].Lost; len(l) != 1 || l[0].Field != "label.method" {
		t.Errorf("lost: %+v", l)
	}
	if inverses, _ := d.Undo(r); inverses[0].Widens {
		t.Errorf("inverse: %+v; want one that does not widen", inverses[0])
	}
}

func TestRemoveSensitivityLabelRefuses(t *testing.T) {
	d := open(t)
	for _, c := range []struct{ file, why, want string }{
		{payroll, " ", "justification is empty"},
		{host + "/sites/payroll/Shared Documents/2026", "x", "cannot have a sensitivity label"},
	} {
		r := d.Do("files.remove_sensitivity_label", map[string]any{"file": c.file, "justification": c.why})
		if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%q: %v; want invalid: %s", c.why, r.Err, c.want)
		}
	}
}

func TestALabelOfAnotherOrganizationIsLeftAlone(t *testing.T) {
	d := open(t)
	d.Tenant.Break(shelftest.Fault{
		Method: "POST", Path: "/v1.0/drives/*/items/*/extractSensitivityLabels", Status: 200,
		Headers: map[string]string{"Content-Type": "application/json"},
		Body:    json.RawMessage(`{"value":{"labels":[{"sensitivityLabelId":"11111111-2222-3333-4444-555555555555","assignmentMethod":"standard","tenantId":"99999999-2222-3333-4444-555555555555"}]}}`),
	})
	r := d.Do("files.remove_sensitivity_label", map[string]any{"file": payroll, "justification": "x"})
	if shelftest.Code(r.Err) != "refused" || !strings.Contains(r.Err.Error(), "another organization") {
		t.Errorf("error: %v", r.Err)
	}
}

// What SharePoint says of encrypted files decides whether waiting helps
// (learn.microsoft.com/graph/api/driveitem-assignsensitivitylabel).
func TestAnEncryptedFileKeepsItsLabel(t *testing.T) {
	for code, want := range map[string]string{
		"fileDoubleKeyEncrypted": "failed", "fileDecryptionNotSupported": "failed", "fileDecryptionDeferred": "locked",
	} {
		for _, call := range []string{"extractSensitivityLabels", "assignSensitivityLabel"} {
			d := open(t)
			d.Tenant.Break(shelftest.Fault{
				Method: "POST", Path: "/v1.0/drives/*/items/*/" + call, Status: 423,
				Headers: map[string]string{"Content-Type": "application/json"},
				Body:    json.RawMessage(`{"error":{"code":"` + code + `","message":"The file is encrypted."}}`),
			})
			r := d.Do("files.remove_sensitivity_label", map[string]any{"file": payroll, "justification": "x"})
			if shelftest.Code(r.Err) != want || len(d.Tenant.Changes()) != 0 {
				t.Errorf("%s of %s: %v; want %s", code, call, r.Err, want)
			}
		}
	}
}

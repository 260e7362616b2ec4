package files_test

import (
	"strings"
	"testing"

	"stanch/actions/shelftest"
)

func TestGetTellsLabelAndDates(t *testing.T) {
	d := open(t)
	raw, err := d.Read("files.get", map[string]any{"file": map[string]any{"id": payroll, "alerts": []string{"a1"}, "verdict": "suspicious"}})
	if err != nil {
		t.Fatal(err)
	}
	got := shelftest.Into[struct {
		File struct {
			ID, Label, Verdict string
			Alerts             []string
			Size               int64
		}
		Label     struct{ Name, Method string }
		Folder    bool
		CreatedBy string `json:"created_by"`
	}](t, raw)
	if got.File.ID != payroll || got.File.Label != "General" || got.File.Size != 1_482_331 || got.File.Verdict != "suspicious" || len(got.File.Alerts) != 1 {
		t.Errorf("file: %+v", got.File)
	}
	if got.Label.Name != "General" || got.Label.Method != "standard" || got.Folder || got.CreatedBy != "petra.novak@contoso.example" {
		t.Errorf("%+v", got)
	}
}

func TestGetTellsWhyALabelCannotBeRead(t *testing.T) {
	d := open(t)
	d.Tenant.Break(shelftest.Fault{
		Method: "POST", Path: "/v1.0/drives/*/items/*/extractSensitivityLabels", Status: 423,
		Body: map[string]any{"error": map[string]any{"code": "fileDoubleKeyEncrypted", "message": "double"}},
	})
	raw, err := d.Read("files.get", map[string]any{"file": payroll})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), `"unreadable":"`) || strings.Contains(string(raw), `"label"`) {
		t.Errorf("output: %s", raw)
	}
}

func TestGetTellsTheRetentionLabel(t *testing.T) {
	d := open(t)
	type found struct {
		Retention *struct {
			Name, Behavior string
			Locked         bool
		}
	}
	get := func() found {
		t.Helper()
		raw, err := d.Read("files.get", map[string]any{"file": payroll})
		if err != nil {
			t.Fatal(err)
		}
		return shelftest.Into[found](t, raw)
	}
	if got := get(); got.Retention != nil {
		t.Errorf("retention label: %+v; want none", got.Retention)
	}
	setRetention(d.Tenant, payroll, recorded)
	if got := get().Retention; got == nil || got.Name != "Board record" || got.Behavior != "retainAsRecord" || !got.Locked {
		t.Errorf("retention label: %+v", got)
	}
}

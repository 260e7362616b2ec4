package files_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/files"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const (
	host    = "https://contoso.sharepoint.com"
	payroll = host + "/sites/payroll/Shared Documents/2026/Payroll November 2026.xlsx"
	report  = host + "/sites/sales/Shared Documents/Reports/Read me 001.docx"
	drawing = host + "/sites/engineering/Shared Documents/Designs/Turbine Mk4/Rotor drawing 01.pdf"
)

func shelf(c shelftest.Clients) []any {
	return []any{files.Shelf{Graph: c.Graph, SharePoint: c.SharePoint, OwnDomains: []string{practice.ContosoDomain}, Evidence: c.Evidence}}
}

func open(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{})
	return x.Open(shelf(x.Full)...)
}

type permission struct {
	ID, Scope        string
	Via              string
	Roles            []string
	Link             *struct{ Type, Scope string }
	Grantees         []string
	Inherited, Owner bool
	InheritedFrom    string `json:"inherited_from"`
}

type listed struct {
	File struct {
		ID      string
		DriveID string `json:"drive_id"`
		ItemID  string `json:"item_id"`
		Name    string
		Site    string
		Path    string
		URL     string
	}
	Permissions []permission
}

func list(t *testing.T, d *shelftest.Desk, file any) listed {
	t.Helper()
	raw, err := d.Read("files.list_permissions", map[string]any{"file": file})
	if err != nil {
		t.Fatal(err)
	}
	return shelftest.Into[listed](t, raw)
}

// ids are the permissions that keep accepts.
func (l listed) ids(keep func(permission) bool) []string {
	out := []string{}
	for _, p := range l.Permissions {
		if keep(p) {
			out = append(out, p.ID)
		}
	}
	return out
}

// open is what reaches outside and stands on the file itself.
func outside(p permission) bool {
	return (p.Scope == "anonymous" || p.Scope == "external") && !p.Inherited && !p.Owner
}

// target names a file by its ids, so that an app that only reads finds it too.
func target(x *shelftest.Tenant, file string) (drive, item string) {
	u, err := url.Parse(file)
	if err != nil {
		panic(err)
	}
	site, path, _ := strings.Cut(u.Path, "/Shared Documents/")
	at := "/v1.0/sites/contoso.sharepoint.com:" + site + ":/drive/root:/" + (&url.URL{Path: path}).EscapedPath()
	var body struct {
		ID              string
		ParentReference struct{ DriveID string }
	}
	if err := json.Unmarshal(x.Call("GET", at, ""), &body); err != nil {
		panic(err)
	}
	return body.ParentReference.DriveID, body.ID
}

func id(x *shelftest.Tenant, file string) string {
	drive, item := target(x, file)
	return drive + "/" + item
}

// permissions are the ids of the file's own permissions whose JSON holds text.
func permissions(x *shelftest.Tenant, file, text string) []string {
	drive, item := target(x, file)
	var body struct {
		Value []json.RawMessage
	}
	raw := x.Call("GET", "/v1.0/drives/"+drive+"/items/"+item+"/permissions", "")
	if err := json.Unmarshal(raw, &body); err != nil {
		panic(err)
	}
	var out []string
	for _, p := range body.Value {
		var head struct {
			ID            string
			InheritedFrom any
		}
		if json.Unmarshal(p, &head) == nil && head.InheritedFrom == nil && strings.Contains(string(p), text) {
			out = append(out, head.ID)
		}
	}
	return out
}

func TestAFileIsFoundByRecordURLOrIDs(t *testing.T) {
	d := open(t)
	byURL := list(t, d, payroll)
	drive, item := target(d.Tenant, payroll)
	for name, ref := range map[string]any{
		"escaped URL":  strings.ReplaceAll(payroll, " ", "%20"),
		"other case":   strings.ToUpper(payroll[:8]) + strings.ToLower(payroll[8:]),
		"ids":          drive + "/" + item,
		"record URL":   map[string]any{"id": "x", "url": payroll, "alerts": []string{"a1"}},
		"record ids":   map[string]any{"id": "x", "drive_id": drive, "item_id": item, "url": "https://elsewhere.example/x"},
		"record by id": map[string]any{"id": payroll},
	} {
		got := list(t, d, ref)
		if got.File.DriveID != drive || got.File.ItemID != item || len(got.Permissions) != len(byURL.Permissions) {
			t.Errorf("%s: %+v", name, got.File)
		}
	}
	f := byURL.File
	if f.Name != "Payroll November 2026.xlsx" || f.Site != "/sites/payroll" || f.Path != "/Shared Documents/2026/Payroll November 2026.xlsx" {
		t.Errorf("file: %+v", f)
	}
	if back := list(t, d, f); back.File != f {
		t.Errorf("the record that was answered names another file: %+v", back.File)
	}
}

func TestWhatNamesNoFileIsRefusedWithAReason(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		file any
		code string
		want string
	}{
		{"payroll.xlsx", "invalid", "names no file"},
		{"", "invalid", "names no file"},
		{"a/b/c", "invalid", "names no file"},
		{"http://contoso.sharepoint.com/x", "invalid", "names no file"},
		{map[string]any{"id": "dev/c:\\x", "device_id": "d1"}, "invalid", "lies on a device"},
		{map[string]any{"id": "unclear:x"}, "invalid", "does not say where"},
		{"https://contoso.sharepoint.com/sites/payroll/Shared Documents/no.xlsx", "not_found", ""},
		{"b!nodrive/01NOITEM", "not_found", ""},
	} {
		_, err := d.Read("files.get", map[string]any{"file": c.file})
		if shelftest.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v; want %s: %s", c.file, err, c.code, c.want)
		}
	}
}

func TestEntitiesCarryEveryNameThatAGuardrailMayUse(t *testing.T) {
	d := open(t)
	r := d.Plan("files.delete", map[string]any{"file": payroll})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	e := r.Effects[0].Target.Entities
	if len(e) != 2 || e[0].Kind != "file" || e[0].ID != id(d.Tenant, payroll) || e[1].Kind != "site" || e[1].ID != "/sites/payroll" {
		t.Fatalf("entities: %+v", e)
	}
	if !slices.Contains(e[0].Aliases, payroll) || !slices.Contains(e[0].Aliases, strings.ReplaceAll(payroll, " ", "%20")) {
		t.Errorf("aliases of the file: %q", e[0].Aliases)
	}
	if !slices.Contains(e[1].Aliases, host+"/sites/payroll") {
		t.Errorf("aliases of the site: %q", e[1].Aliases)
	}
}

func TestEveryExampleDecodes(t *testing.T) {
	d := open(t)
	for a := range d.Catalog.All() {
		if a.Example == "" || a.Source == "" || a.Throttle == "" || len(a.Permissions) == 0 {
			t.Errorf("%s lacks example, source, throttling class or permissions", a.Name)
		}
		if _, kind, ok := a.EntityParam(); a.Name != "files.find" && (!ok || kind != "file") {
			t.Errorf("%s: entity parameter of kind %q", a.Name, kind)
		}
		if a.Class != actions.Reads && a.Settling == 0 {
			t.Errorf("%s: no settling time", a.Name)
		}
	}
}

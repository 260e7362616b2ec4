package files_test

import (
	"strings"
	"testing"

	"stanch/actions/shelftest"
)

type foundFiles struct {
	Files []struct {
		File      map[string]any
		CreatedBy string `json:"created_by"`
	}
	More bool
}

func find(t *testing.T, d *shelftest.Desk, params map[string]any) foundFiles {
	t.Helper()
	raw, err := d.Read("files.find", params)
	if err != nil {
		t.Fatal(err)
	}
	return shelftest.Into[foundFiles](t, raw)
}

func TestFindAnswersFilesThatOtherActionsTake(t *testing.T) {
	d := open(t)
	out := find(t, d, map[string]any{"name": "NOVEMBER payroll", "site": host + "/sites/payroll"})
	if len(out.Files) != 1 || out.More || out.Files[0].CreatedBy != "petra.novak@contoso.example" {
		t.Fatalf("found: %+v", out)
	}
	got, want := list(t, d, out.Files[0].File), list(t, d, payroll)
	if got.File.ItemID != want.File.ItemID || out.Files[0].File["site"] != "/sites/payroll" || out.Files[0].File["path"] != want.File.Path {
		t.Errorf("found %+v, want %+v", out.Files[0].File, want.File)
	}
}

func TestFindIsBounded(t *testing.T) {
	d := open(t)
	site := host + "/sites/engineering"
	for limit, want := range map[int]struct {
		files int
		more  bool
	}{0: {60, false}, 7: {7, true}, 60: {60, false}, 59: {59, true}} {
		out := find(t, d, map[string]any{"name": "drawing", "site": site, "limit": limit})
		if len(out.Files) != want.files || out.More != want.more {
			t.Errorf("limit %d: %d files, more %v; want %d, %v", limit, len(out.Files), out.More, want.files, want.more)
		}
	}
}

func TestFindByOwner(t *testing.T) {
	d := open(t)
	mine := find(t, d, map[string]any{"name": "01.docx", "owner": "sam.ortiz@contoso.example"})
	if len(mine.Files) != 1 || !strings.Contains(mine.Files[0].File["url"].(string), "contoso-my.sharepoint.com/personal/sam_ortiz") {
		t.Errorf("in the OneDrive: %+v", mine)
	}
	site := host + "/sites/engineering"
	if out := find(t, d, map[string]any{"name": "drawing", "site": site, "owner": "Lena.Hoffmann@contoso.example"}); len(out.Files) != 60 {
		t.Errorf("hers: %d files, want 60", len(out.Files))
	}
	if out := find(t, d, map[string]any{"name": "drawing", "site": site, "owner": "sam.ortiz@contoso.example"}); len(out.Files) != 0 {
		t.Errorf("his: %+v, want none", out)
	}
}

func TestWhatAnAttackerCallsAFileIsText(t *testing.T) {
	d := open(t)
	drive, item := target(d.Tenant, payroll)
	d.Tenant.Call("PATCH", "/v1.0/drives/"+drive+"/items/"+item, `{"name":"x') or (q='y & $top=1 #.xlsx"}`)
	if out := find(t, d, map[string]any{"name": "x') or (q='y & $top=1 #", "site": host + "/sites/payroll"}); len(out.Files) != 1 || out.Files[0].File["item_id"] != item {
		t.Errorf("found: %+v", out)
	}
}

func TestFindRefuses(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		params     map[string]any
		code, want string
	}{
		{map[string]any{"name": " ", "owner": "a@b.example"}, "invalid", "name is empty"},
		{map[string]any{"name": "a/b", "owner": "a@b.example"}, "invalid", "not a path"},
		{map[string]any{"name": "a"}, "invalid", "neither site nor owner"},
		{map[string]any{"name": "a", "site": "/sites/payroll"}, "invalid", "site is"},
		{map[string]any{"name": "a", "owner": "sam"}, "invalid", "owner is"},
		{map[string]any{"name": "a", "owner": "a@b.example", "limit": 1001}, "invalid", "limit is 1001"},
		{map[string]any{"name": "a", "owner": "nobody@contoso.example"}, "not_found", ""},
		{map[string]any{"name": "a", "site": host + "/sites/nowhere"}, "not_found", ""},
	} {
		if _, err := d.Read("files.find", c.params); shelftest.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v; want %s: %s", c.params, err, c.code, c.want)
		}
	}
}

package files_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/files"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func TestDownload(t *testing.T) {
	shelftest.Case{
		Action: "files.download", Shelves: shelf, Method: "GET", Path: "/_layouts/**", Always: true, Blind: true, Kept: true,
		Params: func(x *shelftest.Tenant) any { return map[string]any{"file": id(x, payroll)} },
	}.Check(t)
}

func TestWhatIsDownloadedIsKeptAndCompared(t *testing.T) {
	d := open(t)
	r := d.Must("files.download", map[string]any{"file": payroll})
	out := shelftest.Into[struct {
		SHA256   string
		Size     int64
		Compared bool
		Until    string
	}](t, r.Output)
	var content bytes.Buffer
	item, err := d.Tenant.Full.Evidence.Get(t.Context(), out.SHA256, "test", &content)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content.Bytes())
	if hex.EncodeToString(sum[:]) != out.SHA256 || out.Size != 1_482_331 || int64(content.Len()) != out.Size || !out.Compared || out.Until == "" {
		t.Errorf("output: %s, content of %d bytes", r.Output, content.Len())
	}
	a := item.About
	if a.Name != "Payroll November 2026.xlsx" || a.Run != "r1" || a.Step != "step" || a.Effect != r.Effects[0].ID || a.Source != "graph:/drives/"+strings.Replace(id(d.Tenant, payroll), "/", "/items/", 1) {
		t.Errorf("kept as %+v", a)
	}
	if last := d.Tenant.Changes()[0]; last.Operation != "item.download" || last.RequestID != r.Effects[0].ID {
		t.Errorf("audit: %+v", last)
	}
}

func TestDownloadRefuses(t *testing.T) {
	d := open(t)
	for want, file := range map[string]string{"invalid": host + "/sites/payroll/Shared Documents/2026", "not_found": host + "/sites/payroll/Shared Documents/no.xlsx"} {
		if r := d.Do("files.download", map[string]any{"file": file}); shelftest.Code(r.Err) != want {
			t.Errorf("%s: %v; want %s", file, r.Err, want)
		}
	}
	without := d.Tenant.Open(files.Shelf{Graph: d.Tenant.Full.Graph, OwnDomains: []string{practice.ContosoDomain}})
	if r := without.Do("files.download", map[string]any{"file": payroll}); shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "evidence") {
		t.Errorf("without an evidence store: %v", r.Err)
	}
}

func TestOtherContentThanPlannedIsNotKept(t *testing.T) {
	d := open(t)
	for name, f := range map[string]shelftest.Fault{
		"other bytes": {Status: 200, Body: "something else", Headers: map[string]string{"Content-Type": "application/pdf"}, Times: 1},
		"a login":     {Status: 200, Body: "<html>Sign in</html>", Headers: map[string]string{"Content-Type": "text/html"}, Times: 1},
	} {
		r := d.Plan("files.download", map[string]any{"file": payroll})
		f.Method, f.Path = "GET", "/_layouts/**"
		d.Tenant.Break(f)
		if r = d.Perform(r); shelftest.Code(r.Err) != "conflict" || r.Statuses() != string(actions.NotDone) {
			t.Errorf("%s: %v, %s", name, r.Err, r.Statuses())
		}
	}
	for name, to := range map[string]string{"elsewhere": "https://evil.example/x", "plain": "http://contoso.sharepoint.com/x", "nowhere": ""} {
		r := d.Plan("files.download", map[string]any{"file": payroll})
		d.Tenant.Break(shelftest.Fault{Method: "GET", Path: "/v1.0/drives/*/items/*/content", Status: 302, Headers: map[string]string{"Location": to}, Times: 1})
		if r = d.Perform(r); r.Err == nil || r.Statuses() != string(actions.NotDone) || strings.Contains(r.Err.Error(), "/x") {
			t.Errorf("%s: %v, %s", name, r.Err, r.Statuses())
		}
	}
	if items, err := d.Tenant.Full.Evidence.List(t.Context(), "test"); err != nil || len(items) != 0 {
		t.Errorf("kept: %+v, %v", items, err)
	}
}

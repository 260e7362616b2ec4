package practice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func mustTenant(t *testing.T, o practice.Options) *practice.Tenant {
	t.Helper()
	tenant, err := practice.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

func TestTheSameSeedGivesTheSameCompany(t *testing.T) {
	first := mustTenant(t, practice.Options{Seed: 7}).State()
	if !bytes.Equal(first, mustTenant(t, practice.Options{Seed: 7}).State()) {
		t.Error("the same seed gave two companies")
	}
	if bytes.Equal(first, mustTenant(t, practice.Options{Seed: 8}).State()) {
		t.Error("another seed gave the same company")
	}
	raw, err := json.Marshal(practice.Contoso(7))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, mustTenant(t, practice.Options{Company: raw}).State()) {
		t.Error("the company written to a file is another one")
	}
}

func TestContosoIsAsLargeAsPromised(t *testing.T) {
	for seed := range uint64(20) {
		c := practice.Contoso(seed)
		if _, err := practice.New(practice.Options{Seed: seed}); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		members, managed, files, labelled := 0, 0, 0, 0
		kinds := map[string]int{}
		for _, u := range c.Users {
			if !u.Guest {
				members++
			}
			if u.Manager != "" {
				managed++
			}
		}
		all := []practice.File{}
		for _, s := range c.Sites {
			all = append(all, s.Files...)
		}
		for _, d := range c.OneDrives {
			all = append(all, d.Files...)
		}
		for _, f := range all {
			files++
			if f.Label != "" {
				labelled++
			}
			for _, s := range f.Shares {
				kinds[s.Link]++
			}
		}
		if members < 40 || managed < 40 || len(c.Groups) < 8 || len(c.Sites) != 6 || len(c.OneDrives) < 10 || files < 300 || labelled < 200 ||
			len(c.Devices) < 30 || len(c.Mail) < 20 || len(kinds) != 4 {
			t.Errorf("seed %d: %d members, %d with a manager, %d groups, %d sites, %d OneDrives, %d files, %d labelled, %d devices, %d mails, shares %v",
				seed, members, managed, len(c.Groups), len(c.Sites), len(c.OneDrives), files, labelled, len(c.Devices), len(c.Mail), kinds)
		}
	}
}

func TestBadCompaniesAreRefusedByName(t *testing.T) {
	for _, x := range []struct {
		change func(*practice.Company)
		want   string
	}{
		{func(c *practice.Company) { c.TenantID = "" }, "tenant_id is missing"},
		{func(c *practice.Company) { c.Users[3].Manager = "nobody" }, `users[3].manager "nobody" is no user`},
		{func(c *practice.Company) { c.Users[3].UPN = c.Users[2].UPN }, "stands twice"},
		{func(c *practice.Company) { c.Groups[0].Members[0] = "nobody" }, "groups[0].members[0]"},
		{func(c *practice.Company) { c.Sites[1].Files[2].Label = "Secret" }, `sites[1].files[2].label "Secret" is no label`},
		{func(c *practice.Company) { c.Sites[1].Files[2].Owner = "nobody" }, "sites[1].files[2].owner"},
		{func(c *practice.Company) { c.Sites[1].Files[2].Path = "a//b" }, "sites[1].files[2].path"},
		{func(c *practice.Company) { c.Sites[1].Files[2].Path = c.Sites[1].Files[1].Path }, "stands twice"},
		{func(c *practice.Company) { c.Sites[1].Files[2].Retention = "x" }, "retention"},
		{func(c *practice.Company) { c.Sites[1].Files[2].Shares = []practice.Share{{Link: "all", Role: "read"}} }, "sites[1].files[2].shares[0].link"},
		{func(c *practice.Company) { c.Sites[1].Files[2].Shares = []practice.Share{{Role: "owner"}} }, "read or write"},
		{func(c *practice.Company) { c.Sites[1].Path = "x" }, "sites[1]"},
		{func(c *practice.Company) { c.Devices[1].Name = "" }, "devices[1]"},
		{func(c *practice.Company) { c.Apps[0].Secret = "" }, "apps[0]"},
		{func(c *practice.Company) { c.Mail[0].Mailbox = "nobody" }, "mail[0].mailbox"},
		{func(c *practice.Company) { c.Incidents[0] = json.RawMessage(`{"id":"1"}`) }, "incidents[0]: createdDateTime is missing"},
		{func(c *practice.Company) { c.RetentionLabels[0].Behavior = "keep" }, "retention_labels[0].behavior"},
	} {
		c := practice.Contoso(0)
		x.change(&c)
		raw, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := practice.New(practice.Options{Company: raw}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("error %v, want %q in it", err, x.want)
		}
	}
	for raw, want := range map[string]string{
		"{": "line 1 column", "{\n \"naem\": 1}": "naem", "{}\n{}": "line 2", "[]": "line 1", "{\n\"users\": 7}": "line 2",
	} {
		if _, err := practice.New(practice.Options{Company: []byte(raw)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", raw, err, want)
		}
	}
	if _, err := practice.New(practice.Options{Throttle: -1}); err == nil {
		t.Error("a negative throttle is taken")
	}
}

// The incidents of the company are the fixtures of the examples, and all they
// name is in the company under that very name.
func TestFixturesAreInTheCompany(t *testing.T) {
	c := full(t, practice.Options{})
	names, err := filepath.Glob("../../examples/fixtures/*.json")
	if err != nil || len(names) != 3 {
		t.Fatalf("%v %v", names, err)
	}
	files := 0
	for _, name := range names {
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("incidents", filepath.Base(name)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs from the embedded copy (%v)", name, err)
		}
		var fixture map[string]any
		if err := json.Unmarshal(want, &fixture); err != nil {
			t.Fatal(err)
		}
		served := c.do(200, "GET", "/v1.0/security/incidents/"+fixture["id"].(string)+"?$expand=alerts", "").body
		delete(fixture, "@odata.context")
		delete(served, "@odata.context")
		if a, b := fmt.Sprint(fixture), fmt.Sprint(served); a != b {
			t.Errorf("%s is served as\n%s\nwant\n%s", name, b, a)
		}
		for _, a := range fixture["alerts"].([]any) {
			for _, e := range a.(map[string]any)["evidence"].([]any) {
				files += c.checkEvidence(e)
			}
		}
	}
	if files != 1+12+40 {
		t.Errorf("%d files of SharePoint, want 53", files)
	}
}

// checkEvidence looks evidence up in the company; it answers 1 for a file of
// SharePoint.
func (c *client) checkEvidence(e any) int {
	c.t.Helper()
	switch at(e, "@odata.type") {
	case "#microsoft.graph.security.fileEvidence":
		dir := at(e, "fileDetails", "filePath").(string)
		if !strings.HasPrefix(dir, "https://") {
			return 0
		}
		item := c.do(200, "GET", c.file(dir+"/"+at(e, "fileDetails", "fileName").(string)), "")
		if item.body["size"] != at(e, "fileDetails", "fileSize") {
			c.t.Errorf("%v has another size: %v", at(e, "fileDetails"), item.body["size"])
		}
		return 1
	case "#microsoft.graph.security.userEvidence":
		u := c.do(200, "GET", "/v1.0/users/"+at(e, "userAccount", "azureAdUserId").(string), "")
		if u.body["userPrincipalName"] != at(e, "userAccount", "userPrincipalName") || u.body["displayName"] != at(e, "userAccount", "displayName") {
			c.t.Errorf("%v is %s", e, u.raw)
		}
	case "#microsoft.graph.security.deviceEvidence":
		m := c.do(200, "GET", "/api/machines/"+at(e, "mdeDeviceId").(string), "")
		for wire, evidence := range map[string]string{
			"computerDnsName": "deviceDnsName", "aadDeviceId": "azureAdDeviceId", "osPlatform": "osPlatform", "version": "version",
			"lastIpAddress": "lastIpAddress", "lastExternalIpAddress": "lastExternalIpAddress", "firstSeen": "firstSeenDateTime", "osBuild": "osBuild",
		} {
			if m.body[wire] != at(e, evidence) {
				c.t.Errorf("%s of the device is %v, the evidence says %v", wire, m.body[wire], at(e, evidence))
			}
		}
	}
	return 0
}

// The example playbook's gate asks above ten outside permissions.
func TestThePayrollFileIsSharedWithMoreThanTenOutside(t *testing.T) {
	c := full(t, practice.Options{})
	anonymous, guests, inside := 0, 0, 0
	for _, p := range c.do(200, "GET", c.file(payrollURL)+"/permissions", "").list() {
		raw, _ := json.Marshal(p)
		switch {
		case at(p, "link", "scope") == "anonymous":
			anonymous++
		case strings.Contains(string(raw), "#ext#"):
			guests++
			if p["inheritedFrom"] != nil {
				t.Errorf("an outside permission is inherited: %s", raw)
			}
		default:
			inside++
		}
	}
	if anonymous != 1 || guests != 12 || inside != 9 {
		t.Errorf("%d anonymous, %d of guests, %d inside; want 1, 12, 9", anonymous, guests, inside)
	}
}

// Many clients at once: each change is applied and recorded once.
func TestManyClientsAtOnce(t *testing.T) {
	c := full(t, practice.Options{StaleReads: 1})
	item := c.file(payrollURL)
	c.token("/api/")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 6 {
				mail := fmt.Sprintf("p%d-%d@wingtip.example", n, i)
				for _, x := range [][3]string{
					{"POST", item + "/invite", `{"recipients":[{"email":"` + mail + `"}],"roles":["read"],"requireSignIn":true}`},
					{"POST", incidentPath + "/comments", `{"comment":"` + mail + `"}`},
					{"GET", item + "/permissions", ""},
					{"GET", "/v1.0/security/incidents?$expand=alerts&$top=1", ""},
					{"GET", "/api/machines?$top=2", ""},
				} {
					if got, err := c.try(x[0], x[1], x[2]); err != nil || got.status != http.StatusOK {
						t.Errorf("%s %s: %v %s", x[0], x[1], err, got.raw)
					}
				}
				if i%4 == 0 {
					c.s.Tenant.State()
				}
			}
		})
	}
	all.Wait()
	changes := c.audit()
	targets := map[string]int{}
	for i, e := range changes {
		if e.Seq != i+1 {
			t.Fatalf("change %d has seq %d", i+1, e.Seq)
		}
		targets[fmt.Sprint(e.Operation, e.Target, e.After)]++
	}
	if len(changes) != 2*8*6 || len(targets) != len(changes) {
		t.Errorf("%d changes, %d different; want %d", len(changes), len(targets), 2*8*6)
	}
}

func TestPlainHTTPServesThePracticePathsOnly(t *testing.T) {
	c := full(t, practice.Options{})
	for _, p := range []string{"/v1.0/security/incidents", "/api/machines", "/" + practice.ContosoTenantID + "/oauth2/v2.0/token", "/", "/practices"} {
		c.plain(403, "GET", p, "")
	}
	c.plain(200, "GET", "/practice/audit", "")
	if got := c.do(200, "GET", "/practice/audit", ""); string(got.raw) != "[]\n" {
		t.Errorf("over TLS: %s", got.raw)
	}
	c.plain(404, "GET", "/practice/nothing", "")
	c.plain(405, "DELETE", "/practice/audit", "")
}

// A connection that says nothing holds up neither the others nor the end.
func TestSilentConnectionsHoldNothingUp(t *testing.T) {
	cert, _, err := practice.Certificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- practice.Serve(ctx, l, mustTenant(t, practice.Options{}), cert) }()
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	res, err := http.Get("http://" + l.Addr().String() + "/practice/audit")
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("the silent connection is still open")
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

func TestTheCertificateIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	_, first, err := practice.Certificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := practice.Certificate(dir)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("made again: %v", err)
	}
	path := filepath.Join(dir, "practice.pem")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if bytes.Contains(first, []byte("PRIVATE")) {
		t.Error("the PEM to trust holds the key")
	}
	for name, spoil := range map[string]func() error{
		"nonsense":           func() error { return os.WriteFile(path, []byte("nonsense"), 0o600) },
		"readable by others": func() error { return os.Chmod(path, 0o644) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, fresh, err := practice.Certificate(dir); err != nil || bytes.Equal(fresh, first) {
			t.Errorf("%s: not made again (%v)", name, err)
		}
	}
	if _, _, err := practice.Certificate(path); err == nil {
		t.Error("a file is taken as folder")
	}
}

func TestOneCertificateForProcessesThatStartAtOnce(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, _, err := practice.Certificate(dir); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_, kept, err := practice.Certificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := practicetest.Start(t, practice.Options{})
	if bytes.Equal(kept, s.CAPEM) {
		t.Error("two folders share a certificate")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"status eq 'active'", "not (name eq 'a''b') or createdDateTime ge 2026-01-01T00:00:00Z", "name in ('a','b') and status ne null", "((("} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) { practice.ParseFilter(s) })
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"drives/d/root:/a/b:/children", "sites/h:/s/x:/drive/root:/p", "users/u/drive", ":/", "root:/", "a:/:/:/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if slices.Contains(practice.Normalize("drives/d/items/"+s), "drives/d") {
			t.Error("segments are not split")
		}
	})
}

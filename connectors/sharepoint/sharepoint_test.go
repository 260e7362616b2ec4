package sharepoint_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stanch/connectors"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/connectors/sharepoint"
)

const site = "https://contoso.sharepoint.com/sites/payroll"

func dial(t *testing.T, s *practicetest.Server, app practice.App) *sharepoint.Client {
	t.Helper()
	return client(t, connectors.PracticeCloud(s.URL, s.CAPEM), connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
}

func client(t *testing.T, cloud connectors.Cloud, auth connectors.Auth) *sharepoint.Client {
	t.Helper()
	cred, err := connectors.NewCredential(cloud, auth)
	if err != nil {
		t.Fatal(err)
	}
	c, err := sharepoint.New(cloud, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// remove deletes the item at a path of the site's library.
func remove(t *testing.T, s *practicetest.Server, at, path string) {
	t.Helper()
	ask := func(method, url string, into any) {
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+s.Token(t, practice.FullApp(), practicetest.Graph))
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode > 299 {
			t.Fatalf("%s %s: %s", method, url, res.Status)
		}
		if into != nil && json.NewDecoder(res.Body).Decode(into) != nil {
			t.Fatalf("%s %s: no JSON", method, url)
		}
	}
	var item struct {
		ID              string
		ParentReference struct{ DriveID string }
	}
	ask(http.MethodGet, "/v1.0/"+at+"/drive/root:/"+strings.ReplaceAll(path, " ", "%20"), &item)
	ask(http.MethodDelete, "/v1.0/drives/"+item.ParentReference.DriveID+"/items/"+item.ID, nil)
}

func wantCode(t *testing.T, err error, code connectors.Code, text string) *connectors.Error {
	t.Helper()
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Code != code || !strings.Contains(e.Error(), text) {
		t.Fatalf("error %v; want %s: %s", err, code, text)
	}
	return e
}

func TestWhatIsDeletedIsFoundAndRestored(t *testing.T) {
	s := practicetest.Start(t, practice.Options{})
	c := dial(t, s, practice.FullApp())
	before := string(s.Tenant.State())
	remove(t, s, "sites/contoso.sharepoint.com:/sites/payroll:", "2026/Payroll November 2026.xlsx")
	bin, err := c.Recycled(t.Context(), site, "payroll november 2026.XLSX")
	if err != nil || len(bin) != 1 {
		t.Fatal(bin, err)
	}
	got := bin[0]
	if got.Dir != "sites/payroll/Shared Documents/2026" || got.Name != "Payroll November 2026.xlsx" || got.Size != 1_482_331 || got.Folder || got.DeletedAt.IsZero() {
		t.Errorf("entry: %+v", got)
	}
	change := connectors.Change{ID: "effect-1"}
	if err := c.Restore(t.Context(), change, site, got.ID); err != nil {
		t.Fatal(err)
	}
	if string(s.Tenant.State()) != before {
		t.Error("the state is another than before")
	}
	changes := s.Tenant.Changes()
	if last := changes[len(changes)-1]; last.RequestID != "effect-1" || last.Operation != "item.restore" {
		t.Errorf("audit: %+v", last)
	}
	wantCode(t, c.Restore(t.Context(), change, site, got.ID), connectors.NotFound, "does not exist")
}

// OneDrive is another host with tokens of its own, folders are told from files,
// and an apostrophe in a name is part of it.
func TestTheBinOfAOneDriveHoldsFolders(t *testing.T) {
	s := practicetest.Start(t, practice.Options{})
	c := dial(t, s, practice.FullApp())
	remove(t, s, "users/sam.ortiz@contoso.example", "Notes")
	bin, err := c.Recycled(t.Context(), "https://contoso-my.sharepoint.com/personal/sam_ortiz_contoso_example", "Notes")
	if err != nil || len(bin) != 1 || !bin[0].Folder {
		t.Fatal(bin, err)
	}
	if none, err := c.Recycled(t.Context(), site, "O'Neill.docx"); err != nil || len(none) != 0 {
		t.Error(none, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	s := practicetest.Start(t, practice.Options{})
	ctx := t.Context()
	_, err := dial(t, s, practice.ReaderApp()).Recycled(ctx, site, "x")
	wantCode(t, err, connectors.Forbidden, "needs the application permission Sites.FullControl.All")
	c := dial(t, s, practice.FullApp())
	_, err = c.Recycled(ctx, "https://contoso.sharepoint.com/sites/nowhere", "x")
	wantCode(t, err, connectors.NotFound, "could not be found")
	for _, bad := range []string{"", "http://contoso.sharepoint.com/sites/payroll", "https://user@contoso.sharepoint.com/sites/payroll", "/sites/payroll"} {
		_, err = c.Recycled(ctx, bad, "x")
		wantCode(t, err, connectors.Invalid, "is no site")
	}
	for _, bad := range []string{"../../x", "a\x00b"} {
		wantCode(t, c.Restore(ctx, connectors.Change{ID: "e"}, site, bad), connectors.Invalid, "cannot be asked for")
	}
	if n := len(s.Tenant.Changes()); n != 0 {
		t.Errorf("%d changes", n)
	}
}

// Tokens go to the SharePoint of the cloud alone.
func TestAnotherHostIsNotAsked(t *testing.T) {
	cloud, err := connectors.CloudNamed("global")
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, cloud, connectors.Auth{Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: "app", Secret: "secret"})
	for _, bad := range []string{"https://contoso.sharepoint.com.evil.example/sites/a", "https://evil.example/sites/a", "https://contoso.sharepoint.com:8443/sites/a"} {
		_, err := c.Recycled(t.Context(), bad, "x")
		wantCode(t, err, connectors.Invalid, "is no site in the SharePoint of this cloud")
	}
	if _, err := sharepoint.New(connectors.Cloud{Name: "none"}, nil, nil); err == nil {
		t.Error("a cloud without SharePoint has a client")
	}
}

// scripted is a client of a server that answers what the test says.
func scripted(t *testing.T, status int, body string) *sharepoint.Client {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		base := "https://" + r.Host + "/" + practice.ContosoTenantID
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			_, _ = fmt.Fprintf(w, `{"issuer":"%s/v2.0","authorization_endpoint":"%[1]s/oauth2/v2.0/authorize","token_endpoint":"%[1]s/oauth2/v2.0/token"}`, base)
		case strings.HasSuffix(r.URL.Path, "/token"):
			_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"the-token"}`)
		default:
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return client(t, connectors.PracticeCloud(s.URL, ca), connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: "app", Secret: "secret",
	})
}

func TestAnswersThatPracticeDoesNotGive(t *testing.T) {
	entry := `{"Id":"1","LeafName":"x","DirName":"/sites/payroll/Docs/","Size":"7","ItemType":1,"DeletedDate":"2026-11-20T10:00:00Z","DeletedByEmail":null}`
	for name, c := range map[string]struct {
		status     int
		body, text string
		code       connectors.Code
	}{
		"a client secret":   {401, `{"error_description":"Unsupported app only token."}`, "sign in with a certificate only", connectors.Unauthorized},
		"too many":          {200, `{"value":[` + strings.Repeat(entry+",", 199) + entry + `]}`, "200 or more", connectors.Limit},
		"another shape":     {200, `{"value":[{"Id":7}]}`, "another shape", connectors.Failed},
		"an error in words": {403, `{"odata.error":{"code":"-1","message":{"lang":"en-US","value":"Access denied."}}}`, "Access denied", connectors.Forbidden},
		"no size":           {200, `{"value":[{"Id":"1","LeafName":"x"}]}`, "no size", connectors.Failed},
		"a page":            {200, `<html>`, "no sound JSON", connectors.Failed},
	} {
		_, err := scripted(t, c.status, c.body).Recycled(t.Context(), site, "x")
		if e, is := errors.AsType[*connectors.Error](err); !is || e.Code != c.code || !strings.Contains(e.Error(), c.text) {
			t.Errorf("%s: %v; want %s: %s", name, err, c.code, c.text)
		}
	}
	bin, err := scripted(t, 200, `{"value":[`+entry+`,{"Id":"2","LeafName":"y","DirName":"d","Size":1,"ItemType":1,"DeletedDate":"2026-11-20T10:00:00Z"}]}`).Recycled(t.Context(), site, "X")
	if err != nil || len(bin) != 1 || bin[0].Dir != "sites/payroll/Docs" || bin[0].Size != 7 {
		t.Errorf("%+v, %v; want the one of that name", bin, err)
	}
	e := wantCode(t, scripted(t, 503, `{}`).Restore(t.Context(), connectors.Change{ID: "e"}, site, "1"), connectors.Unavailable, "")
	if !e.Unsure() {
		t.Errorf("%v; want an error that is unsure", e)
	}
}

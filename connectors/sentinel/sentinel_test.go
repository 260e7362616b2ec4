package sentinel_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/connectors/sentinel"
)

func workspace() sentinel.Workspace {
	return sentinel.Workspace{Subscription: practice.ContosoSubscription, ResourceGroup: practice.ContosoResourceGroup, Name: practice.ContosoWorkspace}
}

func connect(t *testing.T, cloud connectors.Cloud, app practice.App) *sentinel.Client {
	t.Helper()
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := sentinel.New(cloud, cred, workspace(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// served is a client of a practice tenant, whose answers and accepted requests
// are held against the description of the API.
func served(t *testing.T, app practice.App) (*sentinel.Client, *practicetest.Server) {
	t.Helper()
	s := practicetest.Start(t, practice.Options{Observe: func(x practice.Exchange) {
		if x.Faulty {
			return
		}
		if err := practicetest.CheckResponse(x); err != nil {
			t.Error(err)
		}
		if x.Status < 300 {
			if err := practicetest.CheckRequest(x); err != nil {
				t.Error(err)
			}
		}
	}})
	return connect(t, connectors.PracticeCloud(s.URL, s.CAPEM), app), s
}

func change(id string) connectors.Change { return connectors.Change{ID: id} }

func errorOf(t *testing.T, err error) *connectors.Error {
	t.Helper()
	e, is := errors.AsType[*connectors.Error](err)
	if !is {
		t.Fatalf("error %v; want one of connectors", err)
	}
	return e
}

func all(t *testing.T, c *sentinel.Client, q sentinel.Query) []sentinel.Incident {
	t.Helper()
	out := []sentinel.Incident{}
	for page, err := range c.Incidents(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if page.RequestID == "" {
			t.Error("a page without request id")
		}
		out = append(out, page.Incidents...)
	}
	return out
}

func TestIncidents(t *testing.T) {
	c, s := served(t, practice.FullApp())
	for range 4 {
		if _, err := s.Tenant.Inject([]byte(`{"displayName":"quiet","severity":"low"}`)); err != nil {
			t.Fatal(err)
		}
	}
	list := all(t, c, sentinel.Query{Top: 3})
	if len(list) != 7 || list[0].LastUpdate.Before(list[6].LastUpdate) || list[0].ETag == "" || list[0].Provider != "Microsoft XDR" || list[0].ProviderID == "" || list[0].Number == 0 {
		t.Errorf("%+v", list)
	}
	if n := len(all(t, c, sentinel.Query{Filter: "properties/severity eq 'Low'", Since: time.Now().Add(-time.Hour)})); n != 4 {
		t.Errorf("%d of low severity, want 4", n)
	}
	if n := len(all(t, c, sentinel.Query{Since: time.Now().Add(time.Hour)})); n != 0 {
		t.Errorf("%d from the future", n)
	}
	for _, err := range c.Incidents(t.Context(), sentinel.Query{Filter: "properties/none eq 'x'"}) {
		if e := errorOf(t, err); e.Code != connectors.Invalid || !strings.Contains(e.Error(), "properties/none") {
			t.Errorf("%v", err)
		}
	}
}

func TestAnIncidentIsReadAndWritten(t *testing.T) {
	c, s := served(t, practice.FullApp())
	in, err := c.Incident(t.Context(), all(t, c, sentinel.Query{})[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	p := in.Properties
	p.Status, p.Labels, p.Owner = "Active", append(p.Labels, sentinel.Label{Name: "ours"}), &sentinel.Owner{UPN: "dana.officer@contoso.example"}
	out, err := c.PutIncident(t.Context(), change("e1"), in.Name, in.ETag, p)
	if err != nil {
		t.Fatal(err)
	}
	if out.Properties.Status != "Active" || out.Properties.Title != in.Properties.Title || out.Properties.Labels[0] != (sentinel.Label{Name: "ours", Kind: "User"}) || out.Properties.Owner.Name != "Dana Officer" || out.ETag == in.ETag {
		t.Errorf("%+v", out)
	}
	if got := s.Tenant.Changes()[0]; got.RequestID != "e1" || got.Method != http.MethodPut {
		t.Errorf("audit: %+v", got)
	}
	_, err = c.PutIncident(t.Context(), change("e2"), in.Name, in.ETag, p)
	if e := errorOf(t, err); e.Code != connectors.Conflict || e.ServiceCode != "Conflict" || e.Unsure() || e.RequestID == "" {
		t.Errorf("over an old etag: %v", err)
	}
	for want, bad := range map[string]func() error{
		"no etag": func() error { _, err := c.PutIncident(t.Context(), change("e3"), in.Name, "", p); return err },
		"must stand": func() error {
			_, err := c.PutIncident(t.Context(), change("e3"), in.Name, "x", sentinel.Properties{})
			return err
		},
		"effect id":     func() error { _, err := c.PutIncident(t.Context(), change(""), in.Name, out.ETag, p); return err },
		"characters":    func() error { _, err := c.PutComment(t.Context(), change("e3"), in.Name, in.Name, ""); return err },
		"expected a GU": func() error { _, err := c.PutComment(t.Context(), change("e3"), in.Name, "x", "x"); return err },
		"is no id":      func() error { _, err := c.Incident(t.Context(), "../x"); return err },
	} {
		if e := errorOf(t, bad()); e.Code != connectors.Invalid || !strings.Contains(e.Error(), want) {
			t.Errorf("%v; want invalid: %s", e, want)
		}
	}
	if _, err := c.Incident(t.Context(), "00000000-0000-0000-0000-000000000001"); errorOf(t, err).Code != connectors.NotFound {
		t.Errorf("gone: %v", err)
	}
	if n := len(s.Tenant.Changes()); n != 1 {
		t.Errorf("%d changes, want 1", n)
	}
}

func TestWhatBelongsToAnIncident(t *testing.T) {
	c, _ := served(t, practice.FullApp())
	ctx, name := t.Context(), all(t, c, sentinel.Query{})[0].Name
	const note = "8c1b1a19-0000-8000-8000-000000000001"
	for range 2 { // twice is once
		if got, err := c.PutComment(ctx, change("e1"), name, note, "Seen."); err != nil || got.Name != note {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if list, err := c.Comments(ctx, name); err != nil || len(list) != 1 || list[0].Text != "Seen." {
		t.Errorf("%+v, %v", list, err)
	}
	if got, err := c.Comment(ctx, name, note); err != nil || got.Text != "Seen." {
		t.Errorf("%+v, %v", got, err)
	}
	if list, err := c.Alerts(ctx, name); err != nil || len(list) == 0 {
		t.Errorf("%s, %v", list, err)
	}
	if list, err := c.Entities(ctx, name); err != nil || len(list) == 0 {
		t.Errorf("%s, %v", list, err)
	}
	if list, err := c.Bookmarks(ctx, name); err != nil || list == nil || len(list) != 0 {
		t.Errorf("%s, %v", list, err)
	}
	if list, err := c.Relations(ctx, name); err != nil || list == nil {
		t.Errorf("%v, %v", list, err)
	}
}

func TestAutomationRules(t *testing.T) {
	c, _ := served(t, practice.ReaderApp())
	list, err := c.Rules(t.Context())
	if err != nil || len(list) != 2 || list[0].Order != 10 || !list[0].Enabled || list[1].Enabled || list[1].When != "Updated" || list[0].Title == "" {
		t.Fatalf("%+v, %v", list, err)
	}
	one, err := c.Rule(t.Context(), list[1].Name)
	if err != nil || one.Title != list[1].Title || !strings.Contains(string(one.Raw), "ChangedFrom") {
		t.Errorf("%+v, %v", one, err)
	}
}

func TestARoleThatIsMissingIsNamed(t *testing.T) {
	c, s := served(t, practice.ReaderApp())
	in := all(t, c, sentinel.Query{})[0]
	_, err := c.PutIncident(t.Context(), change("e1"), in.Name, in.ETag, in.Properties)
	e := errorOf(t, err)
	if e.Code != connectors.Forbidden || e.Permission != "Microsoft Sentinel Responder" || !strings.Contains(e.Error(), "Access control (IAM)") || strings.Contains(e.Error(), "admin consent") {
		t.Errorf("%v", err)
	}
	if len(s.Tenant.Changes()) != 0 {
		t.Error("something was changed")
	}
}

// scripted is a client of a server that answers what the test says: for what
// the practice tenant does not send.
func scripted(t *testing.T, answer http.HandlerFunc) *sentinel.Client {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		base := "https://" + r.Host + "/" + practice.ContosoTenantID
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			_, _ = io.WriteString(w, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/oauth2/v2.0/authorize","token_endpoint":"`+base+`/oauth2/v2.0/token"}`)
		case strings.HasSuffix(r.URL.Path, "/token"):
			_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"the-token"}`)
		default:
			_, _ = io.Copy(io.Discard, r.Body)
			answer(w, r)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	cloud := connectors.PracticeCloud(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return connect(t, cloud, practice.App{ID: "app", Secret: "secret"})
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

func TestAnswersOfAnotherShapeAreErrors(t *testing.T) {
	const name = "abc"
	for body, want := range map[string]string{
		`{"name":"abc","etag":"x"}`:                                      "no properties",
		`{"etag":"x","properties":{"title":"t"}}`:                        "no name",
		`{"name":"abc","properties":{"title":"t"}}`:                      "no etag",
		`{"name":"other","etag":"x","properties":{"title":"t"}}`:         `about "other"`,
		`{"name":"abc","etag":"x","properties":{"title":7}}`:             "title",
		`{"name":"abc","etag":"x","properties":{"labels":{"a":1}}}`:      "labels",
		`{"name":"abc","etag":"x","properties":{"incidentNumber":"no"}}`: "incidentNumber",
		`[]`:         "cannot unmarshal array",
		`<html>Sign`: "no sound JSON",
		`{"name":"a`: "unexpected end",
		`{"error":{"code":"InternalServerError","message":"in a 200"}}`: "in a 200",
	} {
		c := scripted(t, says(body))
		_, err := c.Incident(t.Context(), name)
		if e := errorOf(t, err); e.Code != connectors.Failed || !strings.Contains(e.Error(), want) {
			t.Errorf("%s: %v; want failed: %s", body, err, want)
		}
		_, err = c.PutIncident(t.Context(), change("e1"), name, "x", sentinel.Properties{Title: "t", Severity: "Low", Status: "New"})
		if e := errorOf(t, err); !e.Unsure() { // it was taken, whatever was said of it
			t.Errorf("%s: %v; want unsure", body, err)
		}
	}
	for body, want := range map[string]string{
		`{}`: `no list "value"`, `{"value":null}`: `no list "value"`, `{"value":{}}`: "object", `{"value":[],"nextLink":"https://x"}`: "another page",
	} {
		c := scripted(t, says(body))
		if _, err := c.Alerts(t.Context(), name); !strings.Contains(errorOf(t, err).Error(), want) {
			t.Errorf("%s: %v; want %s", body, err, want)
		}
	}
	c := scripted(t, says(`{"value":[{"name":"c","properties":{"message":7}}]}`))
	if _, err := c.Comments(t.Context(), name); errorOf(t, err).Code != connectors.Failed {
		t.Errorf("%v", err)
	}
}

func TestPagesStayAtAzure(t *testing.T) {
	for link, want := range map[string]string{
		"https://management.azure.com.evil.example/x": "lies elsewhere", "http://HOST/x": "lies elsewhere", "https://u@HOST/x": "lies elsewhere",
	} {
		c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"value":[],"nextLink":"`+strings.Replace(link, "HOST", r.Host, 1)+`"}`)
		})
		_, err := c.Rules(t.Context())
		if e := errorOf(t, err); e.Code != connectors.Refused || !strings.Contains(e.Error(), want) {
			t.Errorf("%s: %v", link, err)
		}
	}
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"value":[],"nextLink":"https://`+r.Host+r.URL.Path+`?again"}`)
	})
	if _, err := c.Rules(t.Context()); !strings.Contains(errorOf(t, err).Error(), "circle") {
		t.Errorf("%v", err)
	}
}

// What Azure asks to wait is kept, with its own name of the request.
func TestAzureAsksToWait(t *testing.T) {
	c := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.Header().Set("X-Ms-Request-Id", "theirs")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"code":"SubscriptionRequestsThrottled","message":"later"}}`)
	})
	_, err := c.Incident(t.Context(), "abc")
	e := errorOf(t, err)
	if wait, ok := e.RetryAfter(); e.Code != connectors.Throttled || !ok || wait != 17*time.Second || e.RequestID != "theirs" || e.ServiceCode != "SubscriptionRequestsThrottled" {
		t.Errorf("%v", err)
	}
}

func TestAWorkspaceThatCannotBeIsRefused(t *testing.T) {
	good := workspace()
	for want, w := range map[string]sentinel.Workspace{
		"subscription is":   {Subscription: "x", ResourceGroup: good.ResourceGroup, Name: good.Name},
		"resource_group is": {Subscription: good.Subscription, ResourceGroup: "a/../b", Name: good.Name},
		"workspace is":      {Subscription: good.Subscription, ResourceGroup: good.ResourceGroup, Name: "a?b"},
	} {
		if _, err := sentinel.New(connectors.Cloud{}, nil, w, nil); errorOf(t, err).Code != connectors.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	if err := good.Valid(); err != nil {
		t.Error(err)
	}
}

func TestALabelIsWrittenByItsName(t *testing.T) {
	raw, err := json.Marshal(sentinel.Label{Name: "a", Kind: "AutoAssigned"})
	if err != nil || string(raw) != `{"labelName":"a"}` {
		t.Errorf("%s, %v", raw, err)
	}
}

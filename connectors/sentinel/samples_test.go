package sentinel_test

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stanch/connectors"
	"stanch/connectors/practice"
	"stanch/connectors/sentinel"
)

const documented = "/subscriptions/d0cfe6b2-9ac0-4464-9919-dccaee2e48c0/resourceGroups/myRg/providers/Microsoft.OperationalInsights/workspaces/myWorkspace" +
	"/providers/Microsoft.SecurityInsights/"

// sent is a request as it came.
type sent struct {
	method, target, kind string
	body                 any
}

// documentedClient is a client of the workspace of the documentation's samples,
// whose server answers with a file, and what it was asked last.
func documentedClient(t *testing.T, file string) (*sentinel.Client, *sent) {
	t.Helper()
	var got sent
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		base := "https://" + r.Host + "/" + practice.ContosoTenantID
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			_, _ = io.WriteString(w, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/oauth2/v2.0/authorize","token_endpoint":"`+base+`/oauth2/v2.0/token"}`)
		case strings.HasSuffix(r.URL.Path, "/token"):
			_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"the-token"}`)
		default:
			raw, _ := io.ReadAll(r.Body)
			got = sent{method: r.Method, target: r.URL.RequestURI(), kind: r.Header.Get("Content-Type")}
			if len(raw) > 0 {
				_ = json.Unmarshal(raw, &got.body)
			}
			answer, _ := os.ReadFile("testdata/" + file)
			_, _ = w.Write(answer)
		}
	}))
	t.Cleanup(s.Close)
	cloud := connectors.PracticeCloud(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	cred, err := connectors.NewCredential(cloud, connectors.Auth{Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: "app", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := sentinel.New(cloud, cred, sentinel.Workspace{Subscription: "d0cfe6b2-9ac0-4464-9919-dccaee2e48c0", ResourceGroup: "myRg", Name: "myWorkspace"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, &got
}

func sample(t *testing.T, file string) any {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What we send is what the documentation shows, and its answers are read.
func TestRequestsAreThoseOfTheDocumentation(t *testing.T) {
	const name, note = "73e01a99-5cd7-4139-a149-9f2736ff2ab5", "4bb36b7b-26ff-4d1c-9cbe-0d8ab3da0014"
	const at = "?api-version=2024-09-01"

	c, got := documentedClient(t, "sentinel_incident_put_response.json")
	in, err := c.PutIncident(t.Context(), change("e1"), name, `"0300bf09-0000-0000-0000-5c37296e0000"`, sentinel.Properties{
		Title: "My incident", Description: "This is a demo incident", Severity: "High", Status: "Closed", Classification: "FalsePositive",
		ClassificationReason: "IncorrectAlertLogic", ClassificationComment: "Not a malicious activity", Owner: &sentinel.Owner{ObjectID: "2046feea-040d-4a46-9e2b-91c2941bfa70"},
		FirstActivity: "2019-01-01T13:00:30Z", LastActivity: "2019-01-01T13:05:30Z",
	})
	if err != nil || in.Number != 3177 || in.Properties.Owner.UPN != "john@contoso.com" || in.ETag != `"0300bf09-0000-0000-0000-5c37296e0001"` {
		t.Errorf("%+v, %v", in, err)
	}
	want := sent{http.MethodPut, documented + "incidents/" + name + at, "application/json", sample(t, "sentinel_incident_put_request.json")}
	if diff := cmp.Diff(want, *got, cmp.AllowUnexported(sent{})); diff != "" {
		t.Error(diff)
	}

	c, got = documentedClient(t, "sentinel_incident_comment_put_response.json")
	if out, err := c.PutComment(t.Context(), change("e2"), name, note, "Some message"); err != nil || out.Text != "Some message" {
		t.Errorf("%+v, %v", out, err)
	}
	want = sent{http.MethodPut, documented + "incidents/" + name + "/comments/" + note + at, "application/json", sample(t, "sentinel_incident_comment_put_request.json")}
	if diff := cmp.Diff(want, *got, cmp.AllowUnexported(sent{})); diff != "" {
		t.Error(diff)
	}

	c, got = documentedClient(t, "sentinel_automationRule_put.json")
	const rule = "73e01a99-5cd7-4139-a149-9f2736ff2ab5"
	if out, err := c.Rule(t.Context(), rule); err != nil || out.Title != "Suspicious user sign-in events" || out.Order != 1 || !out.Enabled {
		t.Errorf("%+v, %v", out, err)
	}
	if want := (sent{method: http.MethodGet, target: documented + "automationRules/" + rule + at}); *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}

	// A read that is a POST has no body.
	if _, err := c.Alerts(t.Context(), name); err == nil {
		t.Error("a rule was read as a list of alerts")
	}
	if want := (sent{method: http.MethodPost, target: documented + "incidents/" + name + "/alerts" + at}); *got != want {
		t.Errorf("%+v, want %+v", *got, want)
	}
}

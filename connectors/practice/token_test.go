package practice_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// Microsoft's own identity library gets a token here that opens a call.
func TestMicrosoftsIdentityLibraryGetsATokenHere(t *testing.T) {
	s := start(t, practice.Options{})
	c := newClient(t, s, practice.FullApp())
	credential, err := azidentity.NewClientSecretCredential(practice.ContosoTenantID, practice.FullClientID, practice.FullClientSecret,
		&azidentity.ClientSecretCredentialOptions{
			ClientOptions:            azcore.ClientOptions{Transport: c.http, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.URL}},
			DisableInstanceDiscovery: true,
		})
	if err != nil {
		t.Fatal(err)
	}
	token, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{practicetest.Graph + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	c.do(200, "GET", incidentPath, "", "Authorization", "Bearer "+token.Token)
	if left := time.Until(token.ExpiresOn); left < 14*time.Minute || left > 16*time.Minute {
		t.Errorf("expires in %v", left)
	}
}

func TestTokenEndpointRefusesAsEntraDoes(t *testing.T) {
	s := start(t, practice.Options{})
	c := newClient(t, s, practice.FullApp())
	good := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {practice.FullClientID}, "client_secret": {practice.FullClientSecret},
		"scope": {practicetest.Graph + "/.default"},
	}
	for _, x := range []struct {
		tenant, field, value string
		status               int
		code, text           string
	}{
		{"", "", "", 200, "", ""},
		{practice.ContosoDomain, "", "", 200, "", ""},
		{"other", "", "", 400, "invalid_request", "AADSTS90002"},
		{"", "client_secret", "wrong-value", 401, "invalid_client", "AADSTS7000215"},
		{"", "client_secret", "", 401, "invalid_client", "AADSTS7000216"},
		{"", "client_id", "nobody", 400, "unauthorized_client", "AADSTS700016"},
		{"", "client_id", "", 400, "invalid_request", "client_id"},
		{"", "grant_type", "password", 400, "unsupported_grant_type", "AADSTS70003"},
		{"", "scope", practicetest.Graph + "/User.Read.All", 400, "invalid_scope", "AADSTS1002012"},
		{"", "scope", practicetest.Graph + "/.default " + practicetest.Defender + "/.default", 400, "invalid_scope", "AADSTS1002012"},
		{"", "scope", "https://elsewhere.example/.default", 400, "invalid_resource", "AADSTS500011"},
	} {
		form := url.Values{}
		for k, v := range good {
			form[k] = v
		}
		if x.field != "" {
			form.Set(x.field, x.value)
		}
		tenant := x.tenant
		if tenant == "" {
			tenant = practice.ContosoTenantID
		}
		res, err := c.http.PostForm(s.URL+"/"+tenant+"/oauth2/v2.0/token", form)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Code string `json:"error"`
			Text string `json:"error_description"`
		}
		err = json.NewDecoder(res.Body).Decode(&got)
		res.Body.Close()
		if err != nil || res.StatusCode != x.status || got.Code != x.code || !strings.Contains(got.Text, x.text) {
			t.Errorf("%s %s=%q: %d %+v", tenant, x.field, x.value, res.StatusCode, got)
		}
		if x.value != "" && x.field == "client_secret" && strings.Contains(got.Text, x.value) {
			t.Errorf("the error holds the secret: %s", got.Text)
		}
	}
	c.do(400, "GET", "/"+practice.ContosoTenantID+"/oauth2/v2.0/token", "")
}

func TestTokensAreChecked(t *testing.T) {
	clock := newClock()
	s := start(t, practice.Options{Now: clock.Now, TokenLife: time.Minute})
	c := newClient(t, s, practice.FullApp())
	good := c.token("/v1.0")
	parts := strings.Split(good, ".")
	forged := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"https://graph.microsoft.com","exp":99999999999,"roles":["Files.ReadWrite.All"]}`)) + "." + parts[2]
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	for name, header := range map[string]string{
		"none": "", "basic": "Basic x", "empty": "Bearer ", "nonsense": "Bearer x", "forged": "Bearer " + forged, "unsigned": "Bearer " + unsigned,
		"for Defender": "Bearer " + s.Token(t, practice.FullApp(), practicetest.Defender),
	} {
		got := c.do(401, "GET", incidentPath, "", "Authorization", header)
		if got.code() != "InvalidAuthenticationToken" || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: %v %s", name, got.header, got.raw)
		}
	}
	if got := c.do(401, "GET", "/api/machines", "", "Authorization", "Bearer "+good); got.code() != "Unauthorized" {
		t.Errorf("a Graph token at Defender: %s", got.raw)
	}
	clock.Advance(59 * time.Second)
	c.do(200, "GET", incidentPath, "")
	clock.Advance(time.Second)
	if got := c.do(401, "GET", incidentPath, ""); !strings.Contains(got.message(), "expired") {
		t.Errorf("%s", got.raw)
	}
	clock.Advance(-time.Hour)
	if got := c.do(401, "GET", incidentPath, ""); !strings.Contains(got.message(), "not yet valid") {
		t.Errorf("%s", got.raw)
	}
}

// A token outlives a restart of the same company, and opens no other.
func TestTokensOutliveARestart(t *testing.T) {
	token := start(t, practice.Options{Seed: 1}).Token(t, practice.FullApp(), practicetest.Graph)
	full(t, practice.Options{Seed: 1}).do(200, "GET", incidentPath, "", "Authorization", "Bearer "+token)
	full(t, practice.Options{Seed: 2}).do(401, "GET", incidentPath, "", "Authorization", "Bearer "+token)
}

func TestRequestIdsAreEchoed(t *testing.T) {
	c := full(t, practice.Options{})
	got := c.do(404, "GET", "/v1.0/security/incidents/1", "", "client-request-id", "run-7/step-2")
	if got.header.Get("client-request-id") != "run-7/step-2" || got.header.Get("request-id") == "" || got.at("error", "innerError", "client-request-id") != "run-7/step-2" {
		t.Errorf("%v %s", got.header, got.raw)
	}
	c.do(200, "POST", incidentPath+"/comments", commentBody, "client-request-id", "run-7/step-3")
	c.do(201, "POST", c.machine(laptop)+"/collectInvestigationPackage", `{"Comment":"x"}`, "client-request-id", "run-7/step-4")
	a := c.audit()
	if a[0].RequestID != "run-7/step-3" || a[1].RequestID != "run-7/step-4" || a[0].By != "practice-full" || a[1].Operation != "machine.collectInvestigationPackage" {
		t.Errorf("%+v", a)
	}
}

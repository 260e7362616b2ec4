package connectors_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
)

func TestASecretCannotBeShown(t *testing.T) {
	s := connectors.Secret(password)
	holder := struct {
		S connectors.Secret
		P *connectors.Secret
		M map[string]connectors.Secret
	}{s, &s, map[string]connectors.Secret{"k": s}}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&b, verb+"\n", s)
		fmt.Fprintf(&b, verb+"\n", holder)
	}
	raw, err := json.Marshal([]any{s, &s, holder})
	if err != nil {
		t.Fatal(err)
	}
	b.Write(raw)
	for _, h := range []slog.Handler{slog.NewJSONHandler(&b, nil), slog.NewTextHandler(&b, nil)} {
		slog.New(h).Info("x", "secret", s, "holder", holder)
	}
	b.WriteString(s.String() + s.GoString() + fmt.Sprint(connectors.Auth{Secret: s}) + fmt.Sprintf("%#v", connectors.Auth{Secret: s}))
	if text := b.String(); strings.Contains(text, password) || strings.Contains(text, fmt.Sprintf("%x", password)) || !strings.Contains(text, "[secret]") {
		t.Errorf("shown: %s", text)
	}
}

func TestCloudsAreNamedInTheConfig(t *testing.T) {
	want := map[string][5]string{
		"global": {"https://login.microsoftonline.com", "https://graph.microsoft.com/v1.0", "https://api.security.microsoft.com/api", ".sharepoint.com", "https://management.azure.com"},
		"gcc":    {"https://login.microsoftonline.com", "https://graph.microsoft.com/v1.0", "https://api-gcc.securitycenter.microsoft.us/api", ".sharepoint.com", "https://management.azure.com"},
		"usgov":  {"https://login.microsoftonline.us", "https://graph.microsoft.us/v1.0", "https://api-gov.securitycenter.microsoft.us/api", ".sharepoint.us", "https://management.usgovcloudapi.net"},
		"dod":    {"https://login.microsoftonline.us", "https://dod-graph.microsoft.us/v1.0", "https://api-gov.securitycenter.microsoft.us/api", ".sharepoint-mil.us", "https://management.usgovcloudapi.net"},
		"china":  {"https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn/v1.0", "", ".sharepoint.cn", "https://management.chinacloudapi.cn"},
	}
	for name, w := range want {
		c, err := connectors.CloudNamed(name)
		if got := [5]string{c.Login, c.Graph.Base, c.Defender.Base, c.SharePoint, c.Azure.Base}; err != nil || got != w {
			t.Errorf("%s: %v, %v; want %v", name, got, err, w)
		}
		host, _, _ := strings.Cut(strings.TrimPrefix(c.Graph.Base, "https://"), "/")
		if c.Graph.Scope != "https://"+host+"/.default" {
			t.Errorf("%s: scope %s is not of its host", name, c.Graph.Scope)
		}
		if c.Azure.Scope != c.Azure.Base+"/.default" {
			t.Errorf("%s: scope %s is not of its host", name, c.Azure.Scope)
		}
	}
	if _, err := connectors.CloudNamed("Global"); err == nil || !strings.Contains(err.Error(), "expected global, gcc, usgov, dod, china or practice") {
		t.Errorf("error %v", err)
	}
	china, _ := connectors.CloudNamed("china")
	s := serve(t, nil)
	_, err := connectors.New(china, china.Defender, s.credential(t), nil)
	wantCode(t, err, connectors.Invalid, "cloud china has no such API")
	for _, base := range []string{"http://graph.microsoft.com/v1.0", "graph.microsoft.com", "https://a:b@graph.microsoft.com", "https://", "https://h/?q", "https://h\x7f/"} {
		c := s.cloud
		c.Graph.Base = base
		_, err := connectors.New(c, c.Graph, s.credential(t), nil)
		wantCode(t, err, connectors.Invalid)
	}
	broken := s.cloud
	broken.CA = []byte("no certificate")
	_, err = connectors.New(broken, broken.Graph, s.credential(t), nil)
	wantCode(t, err, connectors.Invalid, "expected PEM")
}

func TestAuthIsCheckedBeforeItIsUsed(t *testing.T) {
	s := serve(t, nil)
	dir := t.TempDir()
	notPEM := filepath.Join(dir, "cert.pem")
	if err := os.WriteFile(notPEM, []byte("hello "+password), 0o600); err != nil {
		t.Fatal(err)
	}
	for says, a := range map[string]connectors.Auth{
		`auth kind "pasword" is not known; expected client_secret`:                {Kind: "pasword"},
		"auth client_secret: no tenant id":                                        {Kind: connectors.ClientSecret},
		"no client id":                                                            {Kind: connectors.Workload, Tenant: tenantID},
		"the secret is empty; see that its environment variable or file is there": {Kind: connectors.ClientSecret, Tenant: tenantID, Client: clientID},
		"auth certificate: no certificate file":                                   {Kind: connectors.Certificate, Tenant: tenantID, Client: clientID},
		"no such file":                                                            {Kind: connectors.Certificate, Tenant: tenantID, Client: clientID, CertificateFile: filepath.Join(dir, "none")},
		"expected PEM or PKCS#12 with certificate and private key":                {Kind: connectors.Certificate, Tenant: tenantID, Client: clientID, CertificateFile: notPEM},
		"tenant": {Kind: connectors.ClientSecret, Tenant: "not a tenant/..", Client: clientID, Secret: password},
	} {
		_, err := connectors.NewCredential(s.cloud, a)
		wantCode(t, err, connectors.Invalid, says)
	}
	c := s.cloud
	c.Login = "http://127.0.0.1:1"
	_, err := connectors.NewCredential(c, connectors.Auth{Kind: connectors.ClientSecret, Tenant: tenantID, Client: clientID, Secret: password})
	wantCode(t, err, connectors.Invalid, "does not begin with https://")
}

// 098 and the login's own refusals: each says what to do, and none the secret.
func TestBad098LoginFailures(t *testing.T) {
	entra := func(status, code int, name, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			reply(w, status, fmt.Sprintf(`{"error":%q,"error_description":"AADSTS%d: %s Trace ID: t-1","error_codes":[%d],"trace_id":"t-1"}`, name, code, text+" "+r.Form.Get("x"), code))
		}
	}
	cases := map[string]struct {
		login http.HandlerFunc
		code  connectors.Code
		says  string
	}{
		"wrong secret":   {entra(401, 7000215, "invalid_client", "Invalid client secret provided."), connectors.Unauthorized, "give the secret's value, not its id"},
		"expired secret": {entra(401, 7000222, "invalid_client", "The provided client secret keys are expired."), connectors.Unauthorized, "has expired: make a new one"},
		"no such app":    {entra(400, 700016, "unauthorized_client", "Application not found."), connectors.Unauthorized, "there is no app " + clientID},
		"no such tenant": {entra(400, 90002, "invalid_request", "Tenant not found."), connectors.Unauthorized, "there is no tenant " + tenantID + " in cloud practice"},
		"another code":   {entra(400, 1, "invalid_request", "Something."), connectors.Unauthorized, "invalid_request: AADSTS1: Something"},
		"throttled": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			reply(w, 429, `{}`)
		}, connectors.Throttled, "asked to wait 7s"},
		"server error": {func(w http.ResponseWriter, _ *http.Request) { reply(w, 503, `{}`) }, connectors.Unavailable, "503 unavailable"},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<html>Sign in")
		}, connectors.Unavailable, "something that is no token"},
		"expires at once": {func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"token_type":"Bearer","expires_in":0,"access_token":"token-1"}`)
		}, connectors.Unauthorized, "expired already"},
		"no token": {func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"token_type":"Bearer","expires_in":3600}`)
		}, connectors.Unavailable, "no token"},
		"an unreadable token": {func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"token_type":"Bearer","expires_in":"soon","access_token":"token-1"}`)
		}, connectors.Unavailable, "no token"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.Copy(w, io.LimitReader(spaces{}, 2<<20))
		}, connectors.Unavailable, "more than 1048576 bytes"},
		"redirect": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://evil.example/token")
			w.WriteHeader(307)
		}, connectors.Unauthorized, "a redirect, which is not followed"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) { cut(w) }, connectors.Unavailable, "closed the connection"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
			s.login = c.login
			wantCode(t, get(t.Context(), s.client(t, nil), nil), c.code, c.says, "graph: get thing: login: ")
			if s.calls.Load() != 0 {
				t.Error("the API was called without a token")
			}
		})
	}
}

func TestExpiresInMayBeText(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	s.login = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, `{"token_type":"Bearer","expires_in":"3600","access_token":"token-1"}`)
	}
	if err := get(t.Context(), s.client(t, nil), nil); err != nil {
		t.Error(err)
	}
}

// A token that is not taken is asked for anew, once: the call goes on with the
// new one, for nothing was done, and the login is not stormed.
func TestBad099ATokenThatIsNotTakenIsRenewedOnce(t *testing.T) {
	for _, reads := range []bool{true, false} {
		good := "Bearer token-2"
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != good {
				reply(w, 401, `{"error":{"code":"InvalidAuthenticationToken","message":"Revoked."}}`)
				return
			}
			reply(w, 200, `{}`)
		})
		c := s.client(t, nil)
		if !reads {
			if err := change(t.Context(), c, soon(), nil); err != nil {
				t.Error(err)
			}
		} else if err := get(t.Context(), c, nil); err != nil {
			t.Error(err)
		}
		if s.calls.Load() != 2 || s.logins.Load() != 2 {
			t.Errorf("reads %v: %d calls, %d logins", reads, s.calls.Load(), s.logins.Load())
		}
		good = "none"
		for range 5 {
			wantCode(t, get(t.Context(), c, nil), connectors.Unauthorized)
		}
		if s.calls.Load() != 7 || s.logins.Load() != 2 {
			t.Errorf("reads %v: %d calls, %d logins", reads, s.calls.Load(), s.logins.Load())
		}
	}
}

func TestOneLoginHoweverManyWait(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	c := s.client(t, nil)
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if err := get(context.Background(), c, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.logins.Load(); n != 1 {
		t.Errorf("%d logins", n)
	}
}

func TestALoginThatCannotBeReachedOrTrusted(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	gone := serve(t, nil)
	gone.Close()
	for says, change := range map[string]func(*connectors.Cloud){
		"no connection to":   func(c *connectors.Cloud) { c.Login = gone.URL },
		"cannot be resolved": func(c *connectors.Cloud) { c.Login = "https://login.invalid" },
		"is not trusted":     func(c *connectors.Cloud) { c.CA = expired(t, serve(t, nil).Server) },
	} {
		cloud := s.cloud
		change(&cloud)
		cred, err := connectors.NewCredential(cloud, connectors.Auth{Kind: connectors.ClientSecret, Tenant: tenantID, Client: clientID, Secret: password})
		if err != nil {
			t.Fatal(err)
		}
		c, err := connectors.New(s.cloud, s.cloud.Graph, cred, nil)
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, get(t.Context(), c, nil), connectors.Unavailable, says)
	}
}

func TestBad097AnExpiredCertificateIsNamed(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) }))
	s.Config.ErrorLog = quiet()
	ca := expired(t, s)
	s.StartTLS()
	t.Cleanup(s.Close)
	home := serve(t, nil)
	cloud := connectors.PracticeCloud(s.URL, ca)
	c, err := connectors.New(cloud, cloud.Graph, home.credential(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, get(t.Context(), c, nil), connectors.Unavailable, "is not trusted: x509: certificate has expired", "clock")
}

// expired gives s a certificate of yesterday.
func expired(t *testing.T, s *httptest.Server) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der := selfSigned(t, key, &key.PublicKey, time.Now().Add(-time.Hour))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func selfSigned(t *testing.T, key, public any, until time.Time) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestCertificateAndWorkloadIdentityGetTokens(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	var assertions []string
	s.login = func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		assertions = append(assertions, r.Form.Get("client_assertion"))
		if r.Form.Get("client_id") != clientID || !strings.Contains(r.Form.Get("scope"), "https://graph.microsoft.com/.default") {
			t.Errorf("form %v", r.Form)
		}
		reply(w, 200, `{"token_type":"Bearer","expires_in":3600,"access_token":"token-1"}`)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, token := filepath.Join(dir, "app.pem"), filepath.Join(dir, "token")
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(t, key, &key.PublicKey, time.Now().Add(time.Hour))})...)
	if err := os.WriteFile(cert, both, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(token, []byte("federated.token.text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range []connectors.Auth{
		{Kind: connectors.Certificate, Tenant: tenantID, Client: clientID, CertificateFile: cert},
		{Kind: connectors.Workload, Tenant: tenantID, Client: clientID, TokenFile: token},
	} {
		cred, err := connectors.NewCredential(s.cloud, a)
		if err != nil {
			t.Fatal(err)
		}
		c, err := connectors.New(s.cloud, s.cloud.Graph, cred, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := get(t.Context(), c, nil); err != nil {
			t.Errorf("%s: %v", a.Kind, err)
		}
	}
	if len(assertions) != 2 || strings.Count(assertions[0], ".") != 2 || assertions[1] != "federated.token.text" {
		t.Errorf("assertions %q", assertions)
	}
}

func TestAMissingFederatedTokenIsNamed(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	cred, err := connectors.NewCredential(s.cloud, connectors.Auth{
		Kind: connectors.Workload, Tenant: tenantID, Client: clientID, TokenFile: filepath.Join(t.TempDir(), "none"),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectors.New(s.cloud, s.cloud.Graph, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, get(t.Context(), c, nil), connectors.Unauthorized, "no such file", "federated token file")
}

// Nothing in the tree lets a token go over plain HTTP.
func TestNoTokenOverPlainHTTP(t *testing.T) {
	option := "InsecureAllow" + "CredentialWithHTTP"
	root := ".."
	files := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if bytes.Contains(text, []byte(option)) {
			t.Errorf("%s names %s", path, option)
		}
		return nil
	})
	if err != nil || files < 20 {
		t.Errorf("%d files, %v", files, err)
	}
}

package connectors_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stanch/connectors"
)

// shortLived gives tokens that last too short to be kept, unless refuse says why
// not.
func (s *service) shortLived(refuse func(r *http.Request) string) {
	s.login = func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if why := refuse(r); why != "" {
			reply(w, 401, fmt.Sprintf(`{"error":"invalid_client","error_description":%q,"error_codes":[7000215]}`, why))
			return
		}
		reply(w, 200, `{"token_type":"Bearer","expires_in":60,"access_token":"token-1"}`)
	}
}

func signsIn(t *testing.T, cred connectors.Credential) error {
	_, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://graph.microsoft.com/.default"}})
	return err
}

// A secret that is changed while we run is taken at the next login; one that
// cannot be read leaves that from before, and a failure says so.
func TestASecretIsChangedWithoutRestart(t *testing.T) {
	s := serve(t, nil)
	var valid, shown atomic.Value
	valid.Store("the first secret")
	shown.Store("the first secret")
	s.shortLived(func(r *http.Request) string {
		if r.Form.Get("client_secret") != valid.Load() {
			return "AADSTS7000215: Invalid client secret provided."
		}
		return ""
	})
	cred, err := connectors.NewCredential(s.cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: tenantID, Client: clientID, Secret: "the first secret",
		Proof: func(context.Context) (connectors.Proof, error) {
			if shown.Load() == "" {
				return connectors.Proof{}, errors.New("file secret: no such file")
			}
			return connectors.Proof{Secret: connectors.Secret(shown.Load().(string))}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	works := func() {
		t.Helper()
		if err := signsIn(t, cred); err != nil {
			t.Error(err)
		}
	}
	works()
	shown.Store("")
	works()
	shown.Store("another secret")
	valid.Store("another secret")
	works()
	shown.Store("")
	valid.Store("the third secret")
	wantCode(t, signsIn(t, cred), connectors.Unauthorized, "give the secret's value, not its id; what proves the app could not be read again: file secret: no such file")
	shown.Store("the third secret")
	works()
}

// A certificate is read again when its file has changed; a file that is half
// written leaves the one from before.
func TestACertificateIsChangedWithoutRestart(t *testing.T) {
	s := serve(t, nil)
	var thumbprint atomic.Value
	s.shortLived(func(r *http.Request) string {
		head, _, _ := strings.Cut(r.Form.Get("client_assertion"), ".")
		raw, _ := base64.RawURLEncoding.DecodeString(head)
		var of struct {
			X5T string `json:"x5t#S256"`
		}
		if err := json.Unmarshal(raw, &of); err != nil || of.X5T == "" {
			return "no thumbprint"
		}
		thumbprint.Store(of.X5T)
		return ""
	})
	file := filepath.Join(t.TempDir(), "app.pem")
	write := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := appCertificate(t), appCertificate(t)
	write(first)
	cred, err := connectors.NewCredential(s.cloud, connectors.Auth{Kind: connectors.Certificate, Tenant: tenantID, Client: clientID, CertificateFile: file})
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		t.Helper()
		if err := signsIn(t, cred); err != nil {
			t.Fatal(err)
		}
		return thumbprint.Load().(string)
	}
	one := shown()
	write(second[:len(second)/2])
	if shown() != one {
		t.Error("half a certificate was taken")
	}
	write(second)
	if shown() == one {
		t.Error("the new certificate was not taken")
	}
}

// appCertificate is a key and its certificate in PEM.
func appCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: selfSigned(t, key, &key.PublicKey, time.Now().Add(time.Hour))})...)
}

// One caller renews a token before it expires, the others go on with the old
// one; while the login is down the old one serves as long as it lasts.
func TestATokenIsRenewedAheadByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logins atomic.Int64
		var down atomic.Bool
		cloud := connectors.RehearsalCloud(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			base := "https://" + r.Host + "/" + tenantID
			switch {
			case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
				reply(w, 200, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/a","token_endpoint":"`+base+`/oauth2/v2.0/token"}`)
			case strings.HasSuffix(r.URL.Path, "/token"):
				n := logins.Add(1)
				if down.Load() {
					reply(w, 503, `{}`)
					return
				}
				reply(w, 200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":"token-%d"}`, n))
			default:
				reply(w, 200, `{}`)
			}
		}))
		cred, err := connectors.NewCredential(cloud, connectors.Auth{Kind: connectors.ClientSecret, Tenant: tenantID, Client: clientID, Secret: password})
		if err != nil {
			t.Fatal(err)
		}
		c, err := connectors.New(cloud, cloud.Graph, cred, nil)
		if err != nil {
			t.Fatal(err)
		}
		many := func() {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if err := get(t.Context(), c, nil); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		expect := func(when string, n int64) {
			t.Helper()
			many()
			if logins.Load() != n {
				t.Errorf("%s: %d logins, want %d", when, logins.Load(), n)
			}
		}
		expect("at first", 1)
		after := func(d time.Duration) { <-time.After(d) }
		after(54 * time.Minute)
		expect("long before it expires", 1)
		after(2 * time.Minute)
		expect("shortly before it expires", 2)
		after(56 * time.Minute)
		down.Store(true)
		many()
		if n := logins.Load(); n != 3 {
			t.Errorf("with the login down: %d logins, want one try more", n)
		}
		after(5 * time.Minute)
		wantCode(t, get(t.Context(), c, nil), connectors.Unavailable)
	})
}

// What a claims challenge asks for is asked of the login, once.
func TestAClaimsChallengeIsAnsweredOnce(t *testing.T) {
	const claims = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
	satisfied := true
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if satisfied && r.Header.Get("Authorization") == "Bearer token-2" {
			reply(w, 200, `{}`)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="", authorization_uri="https://login.example/common", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
		reply(w, 401, `{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation resulted in challenge"}}`)
	})
	var asked []string
	s.login = func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = append(asked, r.Form.Get("claims"))
		reply(w, 200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":"token-%d"}`, len(asked)))
	}
	if err := change(t.Context(), s.client(t, nil), soon(), nil); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 || !strings.Contains(asked[0], "CP1") || !strings.Contains(asked[1], "1700000000") || s.calls.Load() != 2 {
		t.Errorf("claims %q, %d calls", asked, s.calls.Load())
	}
	satisfied = false
	asked = nil
	s.calls.Store(0)
	e := wantCode(t, change(t.Context(), s.client(t, nil), soon(), nil), connectors.Unauthorized)
	if e.Unsure() || len(asked) > 2 || s.calls.Load() != 2 {
		t.Errorf("unsure %v, claims %q, %d calls; want one more try", e.Unsure(), asked, s.calls.Load())
	}
}

// The default takes what the environment gives.
func TestTheDefaultTakesWhatIsThere(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	t.Setenv("PATH", t.TempDir())
	t.Setenv("AZURE_TENANT_ID", tenantID)
	t.Setenv("AZURE_CLIENT_ID", clientID)
	t.Setenv("AZURE_CLIENT_SECRET", password)
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "prod")
	cred, err := connectors.NewCredential(s.cloud, connectors.Auth{Kind: connectors.Default, Tenant: tenantID})
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectors.New(s.cloud, s.cloud.Graph, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), c, nil); err != nil || s.logins.Load() != 1 {
		t.Errorf("%v, %d logins", err, s.logins.Load())
	}
	t.Setenv("AZURE_CLIENT_SECRET", "")
	t.Setenv("AZURE_TOKEN_CREDENTIALS", "AzureCLICredential")
	if cred, err = connectors.NewCredential(s.cloud, connectors.Auth{Kind: connectors.Default, Tenant: tenantID}); err != nil {
		t.Fatal(err)
	}
	if c, err = connectors.New(s.cloud, s.cloud.Graph, cred, nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, get(t.Context(), c, nil), connectors.Unauthorized, "name one kind in tenant.auth")
}

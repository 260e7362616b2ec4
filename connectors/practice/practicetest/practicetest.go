// Package practicetest serves a practice tenant for the time of a test.
package practicetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
)

// Server is a practice tenant on a port of its own.
type Server struct {
	// URL is https://127.0.0.1:port, without a slash at the end.
	URL string
	// PlainURL is the same port over plain HTTP, for /practice/... only.
	PlainURL string
	// CAPEM is the certificate to trust.
	CAPEM []byte
	// Tenant is what is served.
	Tenant *practice.Tenant

	pool *x509.CertPool
}

// Start serves a tenant until the test has ended. Unless Observe says
// otherwise, a request that the tenant accepts but that breaks the description
// of Graph (see CheckRequest) fails the test.
func Start(t testing.TB, o practice.Options) *Server {
	t.Helper()
	if o.Observe == nil {
		o.Observe = func(x practice.Exchange) {
			if x.Faulty || x.Status >= http.StatusMultipleChoices {
				return
			}
			if err := CheckRequest(x); err != nil {
				t.Error(err)
			}
		}
	}
	tenant, err := practice.New(o)
	if err != nil {
		t.Fatal(err)
	}
	cert, ca, err := practice.Certificate(filepath.Join(os.TempDir(), "stanch-practicetest-"+strconv.Itoa(os.Getuid())))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- practice.Serve(ctx, l, tenant, cert) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("practice tenant: %v", err)
		}
	})
	s := &Server{
		URL: "https://" + l.Addr().String(), PlainURL: "http://" + l.Addr().String(), CAPEM: ca, Tenant: tenant,
		pool: x509.NewCertPool(),
	}
	s.pool.AppendCertsFromPEM(ca)
	return s
}

// Client trusts the server's certificate and follows no redirect. It has no
// token.
func (s *Server) Client() *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: s.pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Resources to ask tokens for.
const (
	Graph    = "https://graph.microsoft.com"
	Defender = "https://api.securitycenter.microsoft.com"
	Azure    = "https://management.azure.com"
	Logs     = "https://api.loganalytics.azure.com"
	Activity = "https://manage.office.com"
)

// ResourceOf answers the resource whose tokens open a path of the tenant.
func ResourceOf(path string) string {
	switch {
	case isFeed(path):
		return Activity
	case strings.HasPrefix(path, "/api/"):
		return Defender
	case strings.HasPrefix(path, "/subscriptions/"):
		return Azure
	case strings.HasPrefix(path, "/v1/"):
		return Logs
	}
	return Graph
}

// Token fetches an access token of app for resource, over the wire.
func (s *Server) Token(t testing.TB, app practice.App, resource string) string {
	t.Helper()
	res, err := s.Client().PostForm(s.URL+"/"+practice.ContosoTenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app.ID}, "client_secret": {app.Secret},
		"scope": {strings.TrimRight(resource, "/") + "/.default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct {
		Token string `json:"access_token"`
		Text  string `json:"error_description"`
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatalf("token endpoint: %s: %v", res.Status, err)
	}
	if out.Token == "" {
		t.Fatalf("token endpoint: %s: %s", res.Status, out.Text)
	}
	return out.Token
}

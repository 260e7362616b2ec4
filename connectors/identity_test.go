package connectors_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"stanch/connectors"
)

// The identity of an Azure host is asked of the host, and what it refuses is
// told.
func TestManagedIdentity(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer host-token" {
			t.Errorf("Authorization %q", r.Header.Get("Authorization"))
		}
		reply(w, 200, `{}`)
	})
	refuses := false
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Identity-Header") != "host-secret" || r.URL.Query().Get("resource") != "https://graph.microsoft.com" {
			t.Errorf("asked %s with %v", r.URL, r.Header)
		}
		if refuses {
			reply(w, 400, `{"error":"invalid_request","error_description":"Identity not found"}`)
			return
		}
		reply(w, 200, fmt.Sprintf(`{"access_token":"host-token","token_type":"Bearer","resource":"x","expires_on":"%d"}`, time.Now().Add(time.Hour).Unix()))
	}))
	t.Cleanup(host.Close)
	t.Setenv("IDENTITY_ENDPOINT", host.URL)
	t.Setenv("IDENTITY_HEADER", "host-secret")
	for _, refuses = range []bool{true, false} {
		cred, err := connectors.NewCredential(s.cloud, connectors.Auth{Kind: connectors.Managed})
		if err != nil {
			t.Fatal(err)
		}
		c, err := connectors.New(s.cloud, s.cloud.Graph, cred, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = get(t.Context(), c, nil)
		if !refuses {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantCode(t, err, connectors.Unauthorized, "Identity not found", "managed identity")
	}
}

func TestWithoutTheAzureCLI(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	s := serve(t, nil)
	cred, err := connectors.NewCredential(s.cloud, connectors.Auth{Kind: connectors.CLI, Tenant: tenantID})
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectors.New(s.cloud, s.cloud.Graph, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, get(t.Context(), c, nil), connectors.Unauthorized, "run `az login`")
}

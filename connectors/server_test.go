package connectors_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"stanch/connectors"
)

const (
	tenantID = "7c3f1c52-3d0e-4a53-9a55-0d3a5f0f6a11"
	clientID = "1b9d6f3e-57a4-4a6c-8f0e-2f1f0b7d9c22"
	password = "s3cr3t-of-the-app~Q"
)

// service is a real TLS server: a login that gives tokens, and whatever the
// test answers for the rest.
type service struct {
	*httptest.Server
	cloud  connectors.Cloud
	calls  atomic.Int64 // of the API
	logins atomic.Int64
	login  http.HandlerFunc // nil: gives tokens
}

// serve starts a service; answer is what its API does.
func serve(t *testing.T, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
			base := "https://" + r.Host + "/" + tenantID
			reply(w, 200, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/oauth2/v2.0/authorize","token_endpoint":"`+base+`/oauth2/v2.0/token"}`)
		case strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token"):
			n := s.logins.Add(1)
			if s.login != nil {
				s.login(w, r)
				return
			}
			reply(w, 200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":"token-%d"}`, n))
		default:
			s.calls.Add(1)
			_, _ = io.Copy(io.Discard, r.Body) // else the end of the request is not noticed
			answer(w, r)
		}
	}))
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	s.cloud = connectors.PracticeCloud(s.URL, certificate(s.Server))
	return s
}

func certificate(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

func (s *service) credential(t *testing.T) azcore.TokenCredential {
	t.Helper()
	cred, err := connectors.NewCredential(s.cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: tenantID, Client: clientID, Secret: password,
	})
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

func (s *service) client(t *testing.T, o *connectors.Options) *connectors.Client {
	t.Helper()
	c, err := connectors.New(s.cloud, s.cloud.Graph, s.credential(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// get reads the thing.
func get(ctx context.Context, c *connectors.Client, out any) error {
	_, err := c.Read(ctx, connectors.Request{Op: "get thing", Path: connectors.To("thing"), Permission: "Thing.Read.All"}, out)
	return err
}

// change posts to the thing, which answers with JSON.
func change(ctx context.Context, c *connectors.Client, ch connectors.Change, out any) error {
	if out == nil {
		out = new(json.RawMessage)
	}
	_, err := c.Send(ctx, ch, connectors.Request{
		Op: "change thing", Method: http.MethodPost, Path: connectors.To("thing"),
		Body: map[string]int{"n": 1}, Permission: "Thing.ReadWrite.All",
	}, out)
	return err
}

func soon() connectors.Change {
	return connectors.Change{ID: "effect-1", SendBy: time.Now().Add(time.Minute), DoneBy: time.Now().Add(2 * time.Minute)}
}

// failure answers the Error in err, which must be one line and hold no secret.
func failure(t *testing.T, err error) *connectors.Error {
	t.Helper()
	e, is := errors.AsType[*connectors.Error](err)
	if !is {
		t.Fatalf("error %v (%T); want a *connectors.Error", err, err)
	}
	text := e.Error()
	if strings.ContainsAny(text, "\n\r\t\x00\x1b") || len(text) > 1500 {
		t.Errorf("the error is not one short line: %q", text)
	}
	for _, secret := range []string{password, "token-1", "token-2", "tempauth-value"} {
		if strings.Contains(text, secret) || strings.Contains(fmt.Sprintf("%+v %#v", e, e.Cause), secret) {
			t.Errorf("the error shows a secret: %s", text)
		}
	}
	return e
}

func wantCode(t *testing.T, err error, code connectors.Code, texts ...string) *connectors.Error {
	t.Helper()
	e := failure(t, err)
	if e.ErrorCode() != string(code) {
		t.Errorf("code %s; want %s: %v", e.ErrorCode(), code, e)
	}
	for _, text := range texts {
		if !strings.Contains(e.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, e)
		}
	}
	return e
}

// cut ends the connection without another word.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if raw, is := conn.(*tls.Conn); is {
		conn = raw.NetConn()
	}
	_ = conn.Close()
}

package web_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/egress"
	"stanch/connectors/web"
)

const password = "p&ss/w\"rd-of-the-desk"

// serve is a real server that answers with what it was sent.
func serve(t *testing.T, secure bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Etag", r.Header.Get("X-Api-Key"))
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+"\n")
		_ = r.Header.Write(w)
		_, _ = w.Write(body)
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func trust(s *httptest.Server) []byte {
	if s.Certificate() == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func client(t *testing.T, o web.Options) *web.Client {
	t.Helper()
	c, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func desk(t *testing.T, s *httptest.Server, a web.Auth) *web.Client {
	t.Helper()
	return client(t, web.Options{Services: map[string]web.Service{"desk": {Base: s.URL + "/api/", Plain: true, CA: trust(s), Auth: a}}})
}

func change() connectors.Change {
	return connectors.Change{ID: "effect-1", SendBy: time.Now().Add(time.Minute)}
}

// Each kind of credential arrives, and none of its forms comes back.
func TestCredentials(t *testing.T) {
	s := serve(t, true)
	basic := base64.StdEncoding.EncodeToString([]byte("u:" + password))
	for kind, c := range map[web.AuthKind]struct{ auth web.Auth }{
		web.Bearer: {web.Auth{Kind: web.Bearer, Secret: password}},
		web.Basic:  {web.Auth{Kind: web.Basic, User: "u", Secret: password}},
		web.Header: {web.Auth{Kind: web.Header, Name: "X-Api-Key", Secret: password}},
		web.Query:  {web.Auth{Kind: web.Query, Name: "api_key", Secret: password}},
	} {
		for _, method := range []string{"GET", "POST"} {
			got, err := ask(t, desk(t, s, c.auth), method, "/x?a=b")
			if err != nil {
				t.Errorf("%s %s: %v", kind, method, err)
				continue
			}
			text := string(got.Body) + got.Header["etag"]
			for _, form := range []string{password, basic, "p%26ss%2Fw%22rd"} {
				if strings.Contains(text, form) {
					t.Errorf("%s %s shows the secret: %s", kind, method, text)
				}
			}
			want := map[web.AuthKind]string{web.Bearer: "Authorization: Bearer [secret]", web.Basic: "Authorization: Basic [secret]", web.Header: "X-Api-Key: [secret]", web.Query: "api_key=[secret]"}[kind]
			if !strings.Contains(text, want) || !strings.Contains(text, method+" /api/x?a") {
				t.Errorf("%s %s: %s did not arrive: %s", kind, method, want, text)
			}
		}
	}
}

func ask(t *testing.T, c *web.Client, method, path string) (web.Answer, error) {
	t.Helper()
	r := web.Request{Op: method, Method: method, Service: "desk", URL: path}
	if method == "GET" {
		return c.Read(t.Context(), r)
	}
	r.Body, r.Type = []byte(`{}`), "application/json"
	return c.Send(t.Context(), change(), r)
}

func TestACredentialDoesNotFollowARedirectElsewhere(t *testing.T) {
	s, other := serve(t, true), serve(t, true)
	c := desk(t, s, web.Auth{Kind: web.Query, Name: "api_key", Secret: password})
	_, err := ask(t, c, "GET", "/x?to="+other.URL)
	if e := fault(t, err); e.Code != connectors.Refused || strings.Contains(e.Error(), password) {
		t.Errorf("%v", err)
	}
	if got, err := ask(t, c, "GET", "/x?to=/y"); err != nil || !strings.Contains(string(got.Body), "GET /y") {
		t.Errorf("%s, %v", got.Body, err)
	}
}

func fault(t *testing.T, err error) *connectors.Error {
	t.Helper()
	e, is := errors.AsType[*connectors.Error](err)
	if !is {
		t.Fatalf("%v is no *connectors.Error", err)
	}
	return e
}

// The address of a service is the operator's word for its origin, and for that
// only.
func TestAServiceOpensItsOriginOnly(t *testing.T) {
	s, plain := serve(t, true), serve(t, false)
	c := desk(t, s, web.Auth{})
	if _, err := ask(t, c, "GET", "/x"); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, desk(t, plain, web.Auth{}), "GET", "/x"); err != nil {
		t.Errorf("a plain service that the operator wants: %v", err)
	}
	for _, r := range []web.Request{
		{Op: "GET", Method: "GET", URL: s.URL + "/x"},
		{Op: "GET", Method: "GET", Service: "desk", URL: "/x?to=" + plain.URL},
	} {
		if _, err := c.Read(t.Context(), r); fault(t, err).Code != connectors.Refused {
			t.Errorf("%s %s: %v", r.Service, r.URL, err)
		}
	}
}

func TestAPathStaysBelowItsBase(t *testing.T) {
	s := serve(t, true)
	c := desk(t, s, web.Auth{})
	for path, want := range map[string]string{
		"/t/7": "/api/t/7", "t/7": "/api/t/7", "/": "/api/", "/a%2Fb": "/api/a%2Fb", "//a": "", "/..": "", "/a/../../b": "", "/%2e%2e/b": "", "https://evil.example/": "",
		"/a?x=1": "/api/a?x=1", "/a#b": "", "/a\\..\\b": "", "/a\nb": "", "mailto:x": "",
	} {
		u, err := c.Target(web.Request{Service: "desk", URL: path})
		if want == "" && err == nil || want != "" && (err != nil || u.RequestURI() != want) {
			t.Errorf("%q: %v, %v; want %q", path, u, err, want)
		}
	}
	u, err := c.Target(web.Request{URL: "https://a.example/x?a=1", Query: map[string]string{"b": "2&c=3 #", "a": "4"}})
	if err != nil || u.RawQuery != "a=4&b=2%26c%3D3+%23" {
		t.Errorf("%v, %v", u, err)
	}
}

func TestSlackThatDoesNotSayOK(t *testing.T) {
	answer := ""
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	c := client(t, web.Options{CA: trust(s), Channels: map[string]web.Channel{
		"s": {Kind: web.Slack, URL: connectors.Secret(s.URL + "/services/x")}, "t": {Kind: web.Teams, URL: connectors.Secret(s.URL + "/workflows/x")},
	}})
	for _, page := range []string{"<html>sign in</html>", ""} {
		answer = page
		if e := fault(t, c.Slack(t.Context(), change(), "s", web.Message{Text: "x"})); e.Code != connectors.Failed || !e.Unsure() {
			t.Errorf("%q: %v", page, e)
		}
	}
	answer = "ok\n"
	if err := c.Slack(t.Context(), change(), "s", web.Message{Text: "x"}); err != nil {
		t.Error(err)
	}
	answer = "<!doctype html><HTML>sign in"
	if e := fault(t, c.Teams(t.Context(), change(), "t", web.Message{Text: "x"})); !e.Unsure() {
		t.Errorf("a page for people: %v", e)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	service := func(s web.Service) web.Options { return web.Options{Services: map[string]web.Service{"a": s}} }
	channel := func(c web.Channel) web.Options { return web.Options{Channels: map[string]web.Channel{"a": c}} }
	for want, o := range map[string]web.Options{
		"services.a: base":                                service(web.Service{Base: "ftp://a.example"}),
		"does not begin with https":                       service(web.Service{Base: "http://a.example"}),
		"is no address":                                   service(web.Service{Base: "https://u:hunter22@a.example"}),
		"has no secret":                                   service(web.Service{Base: "https://a.example", Auth: web.Auth{Kind: web.Bearer}}),
		"has no name":                                     service(web.Service{Base: "https://a.example", Auth: web.Auth{Kind: web.Query, Secret: "hunter22"}}),
		"more than one line":                              service(web.Service{Base: "https://a.example", Auth: web.Auth{Kind: web.Bearer, Secret: "hunter22\nhunter22"}}),
		"needs a user":                                    service(web.Service{Base: "https://a.example", Auth: web.Auth{Kind: web.Basic, Secret: "hunter22"}}),
		"channels.a: the address is not https":            channel(web.Channel{Kind: web.Teams, URL: "http://hunter22.example/"}),
		"kind \"mail\" is not known":                      channel(web.Channel{Kind: "mail", URL: "https://a.example/"}),
		"the key that signs has less than 24 bytes":       channel(web.Channel{Kind: web.Webhook, URL: "https://a.example/", Key: "short"}),
		"the key that signs has less than 24 bytes; `ope": channel(web.Channel{Kind: web.Webhook, URL: "https://a.example/", Key: "whsec_no-base64-no-base64-no-base64!"}),
		"egress: ":                                        {Policy: egress.Policy{Networks: []string{"x"}}},
		"egress.proxy.except: ":                           {Direct: []string{"*"}},
	} {
		if _, err := web.New(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%v; want %s", err, want)
		}
	}
	for _, at := range []string{"", "proxy:3128", "socks5://p:1", "http://u:hunter22@p:1", "http://p:1/path", "http://p:x"} {
		if _, err := web.Proxy(at, nil); err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("proxy %q: %v", at, err)
		}
	}
}

// In a rehearsal, too, what the guard refuses is refused.
func TestARehearsalIsGuarded(t *testing.T) {
	c := client(t, web.Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "https://10.0.0.1/", http.StatusFound)
		}
	})})
	for at, refused := range map[string]bool{"https://api.example.com/": false, "https://127.1/": true, "https://[::1]/": true, "https://api.example.com/away": true} {
		_, err := c.Read(context.Background(), web.Request{Op: "GET", Method: "GET", URL: at})
		if (err != nil) != refused || refused && fault(t, err).Code != connectors.Refused {
			t.Errorf("%s: %v", at, err)
		}
	}
}

package practice_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// clock is a tenant's clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// start serves a tenant whose every answer, and every request that it accepts,
// is held against the description of Graph.
func start(t testing.TB, o practice.Options) *practicetest.Server {
	t.Helper()
	o.Observe = func(x practice.Exchange) {
		if x.Faulty {
			return
		}
		if err := practicetest.CheckResponse(x); err != nil {
			t.Errorf("%v\n%s", err, x.Body)
		}
		if x.Status >= 300 {
			return
		}
		if err := practicetest.CheckRequest(x); err != nil {
			t.Error(err)
		}
	}
	return practicetest.Start(t, o)
}

// client calls a served tenant with the tokens of one app.
type client struct {
	t      testing.TB
	s      *practicetest.Server
	http   *http.Client
	app    practice.App
	mu     sync.Mutex
	tokens map[string]string
}

func newClient(t testing.TB, s *practicetest.Server, app practice.App) *client {
	return &client{t: t, s: s, http: s.Client(), app: app, tokens: map[string]string{}}
}

// full serves a tenant and answers a client with every role.
func full(t testing.TB, o practice.Options) *client {
	t.Helper()
	return newClient(t, start(t, o), practice.FullApp())
}

type response struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (c *client) token(path string) string {
	resource := practicetest.ResourceOf(path)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tokens[resource] == "" {
		c.tokens[resource] = c.s.Token(c.t, c.app, resource)
	}
	return c.tokens[resource]
}

// try sends a request; path may be a whole URL. Headers come in pairs; one
// that is "" is not sent.
func (c *client) try(method, path, body string, header ...string) (response, error) {
	path = strings.TrimPrefix(path, c.s.URL)
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.s.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token(path))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Del(header[i])
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	out := response{status: res.StatusCode, header: res.Header, raw: raw}
	json.Unmarshal(raw, &out.body)
	return out, err
}

// do fails the test unless the answer has the status.
func (c *client) do(status int, method, path, body string, header ...string) response {
	c.t.Helper()
	out, err := c.try(method, path, body, header...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	if out.status != status {
		c.t.Fatalf("%s %s: status %d, want %d: %s", method, path, out.status, status, out.raw)
	}
	return out
}

// plain calls a /practice path over plain HTTP.
func (c *client) plain(status int, method, path, body string) []byte {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.s.PlainURL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		c.t.Fatalf("%s %s: status %d, want %d (%v): %s", method, path, res.StatusCode, status, err, raw)
	}
	return raw
}

func (c *client) state() string { return string(c.plain(200, "GET", "/practice/state", "")) }

func (c *client) audit() []practice.Change {
	c.t.Helper()
	var out []practice.Change
	if err := json.Unmarshal(c.plain(200, "GET", "/practice/audit", ""), &out); err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (r response) list() []map[string]any {
	out := []map[string]any{}
	values, _ := r.body["value"].([]any)
	for _, v := range values {
		out = append(out, v.(map[string]any))
	}
	return out
}

// at follows keys and list positions into the body.
func (r response) at(path ...any) any { return at(r.body, path...) }

func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (r response) code() string {
	code, _ := r.at("error", "code").(string)
	return code
}

func (r response) message() string {
	text, _ := r.at("error", "message").(string)
	return text
}

const payrollURL = "https://contoso.sharepoint.com/sites/payroll/Shared Documents/2026/Payroll November 2026.xlsx"

func shareToken(u string) string { return "u!" + base64.RawURLEncoding.EncodeToString([]byte(u)) }

// file answers the path of the file's drive item.
func (c *client) file(u string) string {
	c.t.Helper()
	r := c.do(200, "GET", "/v1.0/shares/"+shareToken(u)+"/driveItem", "")
	return "/v1.0/drives/" + r.at("parentReference", "driveId").(string) + "/items/" + r.body["id"].(string)
}

// permission answers the first own permission that fits.
func (c *client) permission(item string, fits func(map[string]any) bool) map[string]any {
	c.t.Helper()
	for _, p := range c.do(200, "GET", item+"/permissions", "").list() {
		if p["inheritedFrom"] == nil && fits(p) {
			return p
		}
	}
	c.t.Fatal("no such permission")
	return nil
}

func scoped(scope string) func(map[string]any) bool {
	return func(p map[string]any) bool { return at(p, "link", "scope") == scope }
}

func grantedTo(mail string) func(map[string]any) bool {
	return func(p map[string]any) bool { return at(p, "grantedToV2", "user", "email") == mail }
}

func query(pairs ...string) string {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return "?" + q.Encode()
}

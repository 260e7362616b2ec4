package practice_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// client calls a served tenant with the tokens of one app.
type client struct {
	t      testing.TB
	s      *practicetest.Server
	http   *http.Client
	tokens map[string]string
	app    practice.App
}

func newClient(t testing.TB, s *practicetest.Server, app practice.App) *client {
	return &client{t: t, s: s, http: s.Client(), app: app, tokens: map[string]string{}}
}

type response struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any
}

func (c *client) token(path string) string {
	resource := practicetest.Graph
	if strings.HasPrefix(path, "/api/") {
		resource = practicetest.Defender
	}
	if c.tokens[resource] == "" {
		c.tokens[resource] = c.s.Token(c.t, c.app, resource)
	}
	return c.tokens[resource]
}

func (c *client) try(method, path, body string, header ...string) (response, error) {
	url := path
	if strings.HasPrefix(path, "/") {
		url = c.s.URL + path
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token(strings.TrimPrefix(path, c.s.URL)))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
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

func (r response) list() []any { l, _ := r.body["value"].([]any); return l }

func TestSmoke(t *testing.T) {
	s := practicetest.Start(t, practice.Options{})
	c := newClient(t, s, practice.FullApp())
	r := c.do(200, "GET", "/v1.0/security/incidents?$expand=alerts", "")
	t.Log(len(r.list()))
	r = c.do(200, "GET", "/v1.0/sites/contoso.sharepoint.com:/sites/payroll:/drive/root:/2026/Payroll%20November%202026.xlsx:/permissions", "")
	t.Log(len(r.list()), string(r.raw))
	r = c.do(200, "GET", "/api/machines", "")
	t.Log(len(r.list()))
}

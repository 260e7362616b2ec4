package http_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stanch/actions/http"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func shelf(c shelftest.Clients) []any { return []any{http.Shelf{Web: c.Web}} }

func open(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{})
	return x.Open(shelf(x.Full)...)
}

func put(more map[string]any) map[string]any {
	with := map[string]any{
		"service": "desk", "method": "PUT", "url": "/tickets/case-7", "body": map[string]any{"title": "leak", "state": "open"},
		"check": map[string]any{"service": "desk", "url": "/tickets/case-7", "field": "/state", "equals": "open"},
	}
	for k, v := range more {
		with[k] = v
	}
	return with
}

func TestRequest(t *testing.T) {
	shelftest.Case{
		Action: "http.request", Shelves: shelf, Method: "PUT", Path: "/desk/tickets/*",
		Params: func(*shelftest.Tenant) any { return put(nil) },
	}.Check(t)
}

func TestDelete(t *testing.T) {
	shelftest.Case{
		Action: "http.delete", Shelves: shelf, Method: "DELETE", Path: "/desk/tickets/*", Begun: 1,
		Params: func(x *shelftest.Tenant) any {
			x.Call("PUT", "/desk/tickets/case-7", `{"state":"open"}`)
			return map[string]any{"service": "desk", "url": "/tickets/case-7"}
		},
	}.Check(t)
}

func TestWhatIsAnsweredIsTheOutput(t *testing.T) {
	d := open(t)
	r := d.Must("http.request", map[string]any{"service": "desk", "url": "/tickets", "body": map[string]any{"n": 12345678901234567}, "expect": []int{201}})
	var out struct {
		Sent    bool
		Status  int
		Headers map[string]string
		Body    json.RawMessage
	}
	if err := json.Unmarshal(r.Output, &out); err != nil || !out.Sent || out.Status != 201 || string(out.Body) != `{"id":"T1","n":12345678901234567}` && !strings.Contains(string(out.Body), `"id"`) {
		t.Errorf("output %s, %v", r.Output, err)
	}
	var ticket struct{ ID string }
	if err := json.Unmarshal(out.Body, &ticket); err != nil {
		t.Fatal(err)
	}
	got, err := d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/" + ticket.ID})
	if err != nil || !strings.Contains(string(got), `"status":200`) || !strings.Contains(string(got), `"content-type"`) {
		t.Errorf("read %s, %v", got, err)
	}
	r = d.Must("http.request", put(map[string]any{"method": "PATCH", "url": "/tickets/" + ticket.ID, "body": map[string]any{"state": "closed"}, "check": nil}))
	if !strings.Contains(string(r.Output), `"state":"closed"`) {
		t.Errorf("output %s", r.Output)
	}
	if got, err = d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/none", "expect": []int{404}}); err != nil || !strings.Contains(string(got), `"status":404`) {
		t.Errorf("an expected 404: %s, %v", got, err)
	}
	if _, err = d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/none"}); shelftest.Code(err) != "not_found" {
		t.Errorf("an unexpected 404: %v", err)
	}
	if got, err = d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/" + ticket.ID, "method": "HEAD"}); err != nil || !strings.Contains(string(got), `"body":null`) {
		t.Errorf("HEAD: %s, %v", got, err)
	}
	if _, err := d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/" + ticket.ID, "expect": []int{204}}); shelftest.Code(err) != "failed" {
		t.Errorf("an unexpected 200: %v", err)
	}
}

// What nobody can look at is not sent again.
func TestARequestWithoutACheckIsLeftToAPerson(t *testing.T) {
	d := open(t)
	r := d.Plan("http.request", put(map[string]any{"check": nil}))
	d.Tenant.Break(shelftest.Fault{Path: "/desk/**", Cut: "after", Times: 1})
	if r = d.Perform(r); r.Sent != 1 || r.Statuses() != "unknown" {
		t.Errorf("sent %d times, %s, %v", r.Sent, r.Statuses(), r.Err)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		action, code, want string
		with               map[string]any
	}{
		{"http.get", "invalid", "url is empty", map[string]any{"url": " "}},
		{"http.get", "invalid", "is no https address", map[string]any{"url": "http://example.com/"}},
		{"http.get", "invalid", "is no https address", map[string]any{"url": "/tickets"}},
		{"http.get", "invalid", "user or password", map[string]any{"url": "https://u:hunter2@example.com/"}},
		{"http.get", "invalid", "has a fragment", map[string]any{"url": "https://example.com/#x"}},
		{"http.get", "invalid", "is no address", map[string]any{"url": "https://example.com/a b"}},
		{"http.get", "invalid", `there is no service "nobody"; the operator's file names desk`, map[string]any{"service": "nobody", "url": "/"}},
		{"http.get", "invalid", "whole address", map[string]any{"service": "desk", "url": "https://evil.example/"}},
		{"http.get", "invalid", "whole address", map[string]any{"service": "desk", "url": "//evil.example/"}},
		{"http.get", "invalid", "leaves the base", map[string]any{"service": "desk", "url": "/../v1.0/users"}},
		{"http.get", "invalid", "leaves the base", map[string]any{"service": "desk", "url": "/%2e%2e/v1.0/users"}},
		{"http.get", "invalid", "headers.authorization: it carries a credential", map[string]any{"url": "https://example.com/", "headers": map[string]string{"authorization": "Bearer x"}}},
		{"http.get", "invalid", "headers.Cookie: it carries a credential", map[string]any{"url": "https://example.com/", "headers": map[string]string{"Cookie": "x"}}},
		{"http.get", "invalid", "headers.Host: it is set by who sends", map[string]any{"url": "https://example.com/", "headers": map[string]string{"Host": "x"}}},
		{"http.get", "invalid", "control character", map[string]any{"url": "https://example.com/", "headers": map[string]string{"X-A": "a\r\nX-B: c"}}},
		{"http.get", "invalid", "is no name of a header", map[string]any{"url": "https://example.com/", "headers": map[string]string{"X A": "a"}}},
		{"http.get", "invalid", "query.api_key: it carries a credential", map[string]any{"url": "https://example.com/", "query": map[string]string{"api_key": "a"}}},
		{"http.get", "invalid", "query.SIG: it carries a credential", map[string]any{"url": "https://example.com/?SIG=x"}},
		{"http.get", "invalid", "max_size is 7", map[string]any{"url": "https://example.com/", "max_size": 7}},
		{"http.get", "invalid", "expect: 99", map[string]any{"url": "https://example.com/", "expect": []int{99}}},
		{"http.get", "invalid", `method is "DELETE"`, map[string]any{"url": "https://example.com/", "method": "DELETE"}},
		{"http.get", "refused", "loopback", map[string]any{"url": "https://127.0.0.1/"}},
		{"http.get", "refused", "metadata", map[string]any{"url": "https://169.254.169.254/latest/meta-data/iam"}},
		{"http.get", "refused", "loopback", map[string]any{"url": strings.Replace(d.Tenant.URL, "127.0.0.1", "localhost", 1) + "/practice/state"}},
		{"http.request", "invalid", "check.field", put(map[string]any{"check": map[string]any{"url": "https://example.com/", "field": "status", "equals": 1}})},
		{"http.request", "invalid", "check.equals is missing", put(map[string]any{"check": map[string]any{"url": "https://example.com/", "field": "/status"}})},
		{"http.request", "invalid", "check.url", put(map[string]any{"check": map[string]any{"url": "ftp://example.com/"}})},
		{"http.request", "invalid", `method is "GET"`, put(map[string]any{"method": "GET"})},
		{"http.request", "refused", "unusual form", map[string]any{"url": "https://127.1/", "method": "POST"}},
		{"http.delete", "refused", "metadata", map[string]any{"url": "https://[fd00:ec2::254]/"}},
	} {
		var err error
		if c.action == "http.get" {
			_, err = d.Read(c.action, c.with)
		} else {
			err = d.Do(c.action, c.with).Err
		}
		if shelftest.Code(err) != c.code || !strings.Contains(err.Error(), c.want) || shelftest.Unsure(err) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s %v: %v; want %s: %s", c.action, c.with, err, c.code, c.want)
		}
	}
	if n := len(d.Tenant.Changes()); n != 0 {
		t.Errorf("%d changes", n)
	}
}

// A service that shows the request it got shows no credential to the run.
func TestACredentialDoesNotComeBack(t *testing.T) {
	d := open(t)
	echo := `{"you":"Bearer ` + practice.DeskToken + `"}`
	for _, status := range []int{200, 400} {
		d.Tenant.Break(shelftest.Fault{Path: "/desk/**", Status: status, Body: json.RawMessage(echo), Headers: map[string]string{"Content-Type": "application/json", "Etag": practice.DeskToken, "Set-Cookie": "s=1"}})
		got, err := d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/x"})
		if text := string(got) + " " + errText(err); strings.Contains(text, practice.DeskToken) || strings.Contains(text, "cookie") {
			t.Errorf("%d: %s", status, text)
		} else if status == 200 && !strings.Contains(text, "[secret]") {
			t.Errorf("%d: nothing came back: %s", status, text)
		}
	}
	r := d.Plan("http.request", put(nil))
	if raw, _ := json.Marshal(r.Effects); strings.Contains(string(raw), practice.DeskToken) {
		t.Errorf("the effect keeps the credential: %s", raw)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAnAnswerThatIsNoText(t *testing.T) {
	d := open(t)
	for _, c := range []struct{ kind, body, want string }{
		{"application/octet-stream", "\x00\x01", "neither JSON nor text"}, {"application/json", `{"a":`, "says that it is JSON and is not"},
	} {
		d.Tenant.Break(shelftest.Fault{Path: "/desk/**", Status: 200, Body: c.body, Headers: map[string]string{"Content-Type": c.kind}})
		if _, err := d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/x"}); shelftest.Code(err) != "failed" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.body, err)
		}
	}
	d.Tenant.Break(shelftest.Fault{Path: "/desk/**", Status: 200, Body: "<p>text</p>", Headers: map[string]string{"Content-Type": "text/html"}})
	if got, err := d.Read("http.get", map[string]any{"service": "desk", "url": "/tickets/x"}); err != nil || !strings.Contains(string(got), `text`) {
		t.Errorf("%s, %v", got, err)
	}
}

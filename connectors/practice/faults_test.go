package practice_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

const (
	incidentPath = "/v1.0/security/incidents/40211"
	commentBody  = `{"comment":"x"}`
)

func (c *client) faults(body string) {
	c.t.Helper()
	c.plain(204, "POST", "/practice/faults", body)
}

func TestFaultWithStatusAppliesNothing(t *testing.T) {
	c := full(t, practice.Options{})
	c.faults(`[{"method":"POST","path":"/v1.0/security/incidents/*/comments","times":2,"after":1,"status":429,"headers":{"Retry-After":"7"}}]`)
	for n, want := range []int{200, 429, 429, 200} {
		got := c.do(want, "POST", incidentPath+"/comments", commentBody, "client-request-id", "mine")
		if want == 429 && (got.header.Get("Retry-After") != "7" || got.code() != "TooManyRequests" || got.at("error", "innerError", "client-request-id") != "mine") {
			t.Errorf("request %d: %v %s", n, got.header, got.raw)
		}
	}
	if n := len(c.audit()); n != 2 {
		t.Errorf("%d changes, want 2", n)
	}
	c.do(200, "GET", incidentPath, "")
}

func TestFaultBodies(t *testing.T) {
	c := full(t, practice.Options{})
	c.faults(`[{"path":"/v1.0/a","status":200,"body":"<html>login</html>","headers":{"Content-Type":"text/html"}},{"path":"/v1.0/b","status":503,"body":{"x":1}},{"path":"/api/**","status":500}]`)
	if got := c.do(200, "GET", "/v1.0/a", ""); string(got.raw) != "<html>login</html>" || got.header.Get("Content-Type") != "text/html" {
		t.Errorf("%s", got.raw)
	}
	if got := c.do(503, "GET", "/v1.0/b", ""); got.body["x"] != 1.0 {
		t.Errorf("%s", got.raw)
	}
	if got := c.do(500, "GET", "/api/machines/x/y", ""); got.at("error", "target") == nil {
		t.Errorf("not Defender's error: %s", got.raw)
	}
	c.plain(204, "DELETE", "/practice/faults", "")
	c.do(200, "GET", "/api/machines?$top=1", "")
}

func TestFaultsOnTheTokenEndpoint(t *testing.T) {
	c := full(t, practice.Options{})
	c.faults(`[{"path":"/*/oauth2/v2.0/token","times":1,"status":503}]`)
	res, err := c.http.PostForm(c.s.URL+"/"+practice.ContosoTenantID+"/oauth2/v2.0/token", nil)
	if err != nil || res.StatusCode != 503 {
		t.Fatalf("%v %v", res, err)
	}
	res.Body.Close()
	c.do(200, "GET", incidentPath, "")
}

// What was applied before the connection was cut is in the audit, what was not
// is not.
func TestCutConnections(t *testing.T) {
	for _, x := range []struct {
		cut     string
		applied int
	}{{"before", 0}, {"after", 1}, {"middle", 1}} {
		t.Run(x.cut, func(t *testing.T) {
			c := full(t, practice.Options{})
			c.token("/v1.0") // a fetched token keeps the fault for the call
			c.faults(`[{"path":"` + incidentPath + `/comments","times":1,"cut":"` + x.cut + `"}]`)
			got, err := c.try("POST", incidentPath+"/comments", commentBody)
			if err == nil {
				t.Fatalf("the answer arrived: %d %s", got.status, got.raw)
			}
			if x.cut == "middle" && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("cut in the middle: %v", err)
			}
			if n := len(c.audit()); n != x.applied {
				t.Errorf("%d changes, want %d", n, x.applied)
			}
			c.do(200, "POST", incidentPath+"/comments", commentBody)
			if n := len(c.audit()); n != x.applied+1 {
				t.Errorf("the next call: %d changes, want %d", n, x.applied+1)
			}
		})
	}
}

// An answer without a body has no middle: nothing of it arrives.
func TestCutInTheMiddleOfNoBody(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	c.faults(`[{"method":"DELETE","path":"**","times":1,"cut":"middle"}]`)
	if got, err := c.try("DELETE", item, ""); err == nil {
		t.Errorf("the answer arrived: %d", got.status)
	}
	c.do(404, "DELETE", item, "")
	if n := len(c.audit()); n != 1 {
		t.Errorf("%d changes, want 1", n)
	}
}

// The request that a client gave up on is applied when its time has come.
func TestALateRequestIsStillApplied(t *testing.T) {
	applied := make(chan practice.Exchange, 1)
	c := newClient(t, practicetest.Start(t, practice.Options{Observe: func(x practice.Exchange) {
		if strings.HasSuffix(x.Route, "/comments") {
			applied <- x
		}
	}}), practice.FullApp())
	c.token("/v1.0")
	c.faults(`[{"method":"POST","path":"**/comments","times":1,"delay":"100ms"}]`)
	c.http.Timeout = 20 * time.Millisecond
	if got, err := c.try("POST", incidentPath+"/comments", commentBody); err == nil {
		t.Fatalf("the answer arrived: %d", got.status)
	}
	if x := <-applied; x.Status != http.StatusOK || !x.Faulty {
		t.Errorf("%d", x.Status)
	}
	if n := len(c.audit()); n != 1 {
		t.Errorf("%d changes, want 1", n)
	}
}

func TestDelayHoldsTheRequestUp(t *testing.T) {
	c := full(t, practice.Options{})
	c.faults(`[{"path":"` + incidentPath + `","delay":"30ms"}]`)
	from := time.Now()
	c.do(200, "GET", incidentPath, "")
	if d := time.Since(from); d < 30*time.Millisecond {
		t.Errorf("answered after %v", d)
	}
}

func TestBadFaultsAreRefusedByName(t *testing.T) {
	c := full(t, practice.Options{})
	for body, want := range map[string]string{
		`{`: "line 1", `{}`: "array", `[{"status":500}]`: "path is missing", `[{"path":"/a","cut":"early"}]`: "before, after or middle",
		`[{"path":"/a","times":-1}]`: "not negative", `[{"path":"/a","status":99}]`: "200 to 599", `[{"path":"/a","delay":"soon"}]`: "duration",
		`[{"path":"/a","tmies":1}]`: "tmies", `[null]`: "faults[0]", `[{"path":"/a"},{"path":""}]`: "faults[1]",
	} {
		if got := string(c.plain(400, "POST", "/practice/faults", body)); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %q in it", body, got, want)
		}
	}
	if got := string(c.plain(200, "GET", "/practice/faults", "")); strings.TrimSpace(got) != "[]" {
		t.Errorf("a refused list left %s", got)
	}
}

func TestPatternsOfFaults(t *testing.T) {
	for _, x := range []struct {
		pattern, text string
		want          bool
	}{
		{"/v1.0/drives/*/items/*/permissions/*", "/v1.0/drives/b!x/items/01/permissions/p", true},
		{"/v1.0/drives/*/items/*", "/v1.0/drives/b!x/items/01/permissions/p", false},
		{"**/permissions/*", "/v1.0/drives/b!x/items/01/permissions/p", true},
		{"**", "/any/thing", true},
		{"/v1.0/**/x", "/v1.0/a/b/x", true},
		{"/v1.0/[a]", "/v1.0/[a]", true},
		{"/v1.0/[a]", "/v1.0/a", false},
		{"/v1.0/a?", "/v1.0/ab", false},
	} {
		if got := practice.Glob(x.pattern, x.text); got != x.want {
			t.Errorf("%s on %s is %v", x.pattern, x.text, got)
		}
	}
}

func TestReadsAreStaleForAWhile(t *testing.T) {
	c := full(t, practice.Options{StaleReads: 2})
	item := c.file(payrollURL)
	n := len(c.do(200, "GET", item+"/permissions", "").list())
	c.do(204, "DELETE", item+"/permissions/"+c.permission(item, scoped("anonymous"))["id"].(string), "")
	for i, want := range []int{n, n, n - 1, n - 1} {
		if got := len(c.do(200, "GET", item+"/permissions", "").list()); got != want {
			t.Errorf("read %d sees %d permissions, want %d", i+1, got, want)
		}
	}
	c.do(200, "PATCH", incidentPath, `{"status":"resolved"}`)
	for i, want := range []string{"active", "active", "resolved"} {
		if got := c.do(200, "GET", incidentPath, "").body["status"]; got != want {
			t.Errorf("read %d sees %v, want %s", i+1, got, want)
		}
	}
	c.do(204, "DELETE", item, "")
	c.do(200, "GET", item, "")
	c.do(200, "GET", item, "")
	c.do(404, "GET", item, "")
	if strings.Contains(c.state(), `"path": "/2026/Payroll November`) {
		t.Error("the state is stale")
	}
}

func TestFaultsMakeReadsStale(t *testing.T) {
	c := full(t, practice.Options{})
	c.faults(`[{"method":"PATCH","path":"` + incidentPath + `","times":1,"stale_reads":1},{"method":"GET","path":"` + incidentPath + `","after":2,"times":1,"stale_reads":1}]`)
	c.do(200, "PATCH", incidentPath, `{"status":"resolved"}`)
	for i, want := range []string{"active", "resolved", "active", "resolved"} {
		if got := c.do(200, "GET", incidentPath, "").body["status"]; got != want {
			t.Errorf("read %d sees %v, want %s", i+1, got, want)
		}
	}
}

func TestThrottlingAtThePublishedLimits(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now, Throttle: 0.1, TokenLife: 24 * time.Hour})
	item := c.file(payrollURL)
	for _, x := range []struct {
		what, method, path, body string
		calls                    int
		wait                     time.Duration
	}{
		{"security: 150 in a minute", "GET", incidentPath, "", 15, time.Minute},
		{"Defender: 100 in a minute for one API", "GET", "/api/machines?$top=1", "", 10, time.Minute},
		{"SharePoint: 1,250 units in a minute, 5 for permissions", "GET", item + "/permissions", "", 25, time.Minute},
		{"labels: 100 in five minutes", "POST", item + "/assignSensitivityLabel", `{"sensitivityLabelId":"0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d03"}`, 10, 5 * time.Minute},
		{"sharing: 300 in five minutes", "POST", item + "/createLink", `{"type":"view","scope":"anonymous"}`, 30, 5 * time.Minute},
	} {
		clock.Advance(time.Hour)
		ok := 0
		var got response
		for range x.calls + 1 {
			// The smaller windows must not be what refuses.
			if strings.HasPrefix(x.what, "sharing") && ok == x.calls/2 {
				clock.Advance(time.Minute)
			}
			var err error
			if got, err = c.try(x.method, x.path, x.body); err != nil {
				t.Fatal(err)
			}
			if got.status >= 300 {
				break
			}
			ok++
		}
		if ok != x.calls || got.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d calls went through, want %d; then %d", x.what, ok, x.calls, got.status)
		}
		wait, err := time.ParseDuration(got.header.Get("Retry-After") + "s")
		if err != nil || wait <= 0 || wait > x.wait {
			t.Errorf("%s: Retry-After %q", x.what, got.header.Get("Retry-After"))
		}
		clock.Advance(wait)
		if got, _ := c.try(x.method, x.path, x.body); got.status >= 300 {
			t.Errorf("%s: after waiting: %d %s", x.what, got.status, got.raw)
		}
	}
}

func TestWithoutThrottleNothingIsLimited(t *testing.T) {
	c := full(t, practice.Options{})
	for range 200 {
		c.do(200, "GET", "/v1.0/security/incidents?$top=1", "")
	}
}

package practice_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"stanch/connectors/practice"
)

// batched sends a batch and answers its answers by id.
func (c *client) batched(version string, requests ...map[string]any) map[string]map[string]any {
	c.t.Helper()
	raw, err := json.Marshal(map[string]any{"requests": requests})
	if err != nil {
		c.t.Fatal(err)
	}
	out := map[string]map[string]any{}
	got := c.do(200, "POST", "/"+version+"/$batch", string(raw), "client-request-id", "outer")
	for _, v := range got.at("responses").([]any) {
		one := v.(map[string]any)
		out[one["id"].(string)] = one
	}
	return out
}

func inner(id, method, path, body string, header ...string) map[string]any {
	out := map[string]any{"id": id, "method": method, "url": strings.TrimPrefix(path, "/v1.0")}
	headers := map[string]string{}
	for i := 0; i < len(header); i += 2 {
		headers[header[i]] = header[i+1]
	}
	if body != "" {
		headers["Content-Type"], out["body"] = "application/json", json.RawMessage(body)
	}
	out["headers"] = headers
	return out
}

func wantStatuses(t *testing.T, got map[string]map[string]any, want map[string]any) {
	t.Helper()
	for id, status := range want {
		if n, is := status.(int); is {
			status = float64(n)
		}
		if got[id]["status"] != status {
			t.Errorf("%s: status %v, want %v: %v", id, got[id]["status"], status, got[id]["body"])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d answers, want %d", len(got), len(want))
	}
}

func TestEachRequestOfABatchIsAnsweredAlone(t *testing.T) {
	c := full(t, practice.Options{})
	item := c.file(payrollURL)
	first := c.do(200, "GET", item, "").header.Get("ETag")
	etag := c.do(200, "GET", item+"/permissions", "").header.Get("ETag")
	got := c.batched("v1.0",
		inner("A", "GET", item+"?$select=id,name", ""),
		inner("b", "POST", incidentPath+"/comments", commentBody, "client-request-id", "effect-b"),
		inner("c", "PATCH", incidentPath, `{"status":"inProgress"}`),
		inner("d", "GET", "/security/incidents/0", ""),
		inner("e", "GET", item+"/permissions", "", "If-None-Match", etag),
		inner("f", "GET", item+"/content", ""),
		inner("g", "DELETE", item, "", "If-Match", `"other"`),
		inner("h", "PATCH", "/security/$batch/x", `{}`),
	)
	wantStatuses(t, got, map[string]any{"A": 200, "b": 200, "c": 200, "d": 404, "e": 304, "f": 302, "g": 412, "h": 400})
	if at(got["A"], "body", "name") != "Payroll November 2026.xlsx" || at(got["f"], "headers", "Location") == nil || at(got["e"], "body") != nil {
		t.Errorf("%v", got)
	}
	if id := at(got["d"], "body", "error", "innerError", "client-request-id"); id != "outer" {
		t.Errorf("without an id of its own a request has that of the batch, not %v", id)
	}
	changes := c.audit()
	if len(changes) != 2 || changes[0].RequestID != "effect-b" || changes[1].RequestID != "outer" || changes[0].Path != incidentPath+"/comments" {
		t.Errorf("audit: %+v", changes)
	}
	if etag := c.do(200, "GET", item, "").header.Get("ETag"); etag != first {
		t.Error("the refused deletion changed the item")
	}
}

func TestABatchIsRefusedAsAWhole(t *testing.T) {
	c := full(t, practice.Options{})
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf(`{"id":"%d","method":"GET","url":"/organization"}`, i)
	}
	for name, body := range map[string]string{
		"no JSON":             `{`,
		"nothing in it":       `{"requests":[]}`,
		"too many":            `{"requests":[` + strings.Join(many, ",") + `]}`,
		"an id twice":         `{"requests":[{"id":"a","method":"GET","url":"/organization"},{"id":"A","method":"GET","url":"/organization"}]}`,
		"no id":               `{"requests":[{"method":"GET","url":"/organization"}]}`,
		"a write, no body":    `{"requests":[{"id":"1","method":"POST","url":"` + incidentPath + `/comments"}]}`,
		"a body of no type":   `{"requests":[{"id":"1","method":"POST","url":"` + incidentPath + `/comments","body":{}}]}`,
		"a whole address":     `{"requests":[{"id":"1","method":"GET","url":"https://graph.microsoft.com/v1.0/organization"}]}`,
		"a batch in a batch":  `{"requests":[{"id":"1","method":"POST","url":"/$batch","headers":{"Content-Type":"application/json"},"body":{}}]}`,
		"depends on nothing":  `{"requests":[{"id":"1","method":"GET","url":"/organization","dependsOn":["2"]}]}`,
		"depends in a circle": `{"requests":[{"id":"1","method":"GET","url":"/organization","dependsOn":["2"]},{"id":"2","method":"GET","url":"/organization","dependsOn":["1"]}]}`,
	} {
		if got := c.do(400, "POST", "/v1.0/$batch", body); got.code() != "BadRequest" {
			t.Errorf("%s: %s", name, got.raw)
		}
	}
	c.do(405, "GET", "/v1.0/$batch", "")
	c.do(401, "POST", "/beta/$batch", `{"requests":[{"id":"1","method":"GET","url":"/organization"}]}`, "Authorization", "Bearer x.y.z")
	if len(c.audit()) != 0 {
		t.Error("something was done")
	}
}

func TestARequestOfABatchWaitsForThoseItDependsOn(t *testing.T) {
	c := full(t, practice.Options{})
	wait := func(r map[string]any, on ...string) map[string]any {
		r["dependsOn"] = on
		return r
	}
	got := c.batched("v1.0",
		wait(inner("3", "POST", incidentPath+"/comments", `{"comment":"third"}`), "2"),
		inner("1", "POST", incidentPath+"/comments", `{"comment":"first"}`),
		wait(inner("2", "POST", incidentPath+"/comments", `{"comment":"second"}`), "1"),
		inner("x", "GET", "/security/incidents/0", ""),
		wait(inner("y", "POST", incidentPath+"/comments", `{"comment":"never"}`), "x", "1"),
		wait(inner("z", "POST", incidentPath+"/comments", `{"comment":"never"}`), "y"),
	)
	wantStatuses(t, got, map[string]any{"1": 200, "2": 200, "3": 200, "x": 404, "y": 424, "z": 424})
	var order []string
	for _, x := range c.audit() {
		order = append(order, fmt.Sprint(at(x.After, "comment")))
	}
	if got := strings.Join(order, " "); len(order) != 3 || !strings.Contains(got, "first") || strings.Contains(got, "never") {
		t.Errorf("in this order: %s", got)
	}
}

func TestRolesAndLimitsHoldWithinABatch(t *testing.T) {
	c := newClient(t, start(t, practice.Options{}), practice.ReaderApp())
	got := c.batched("beta", inner("r", "GET", "/organization", ""), inner("w", "PATCH", "/security/incidents/40211", `{"status":"resolved"}`))
	wantStatuses(t, got, map[string]any{"r": 200, "w": 403})

	clock := newClock()
	c = full(t, practice.Options{Throttle: 0.1, Now: clock.Now}) // 15 a minute
	var many []map[string]any
	want := map[string]any{}
	for i := range 20 {
		id := fmt.Sprint(i)
		many, want[id] = append(many, inner(id, "GET", incidentPath, "")), 200
		if i >= 15 {
			want[id] = 429
		}
	}
	got = c.batched("v1.0", many...)
	wantStatuses(t, got, want)
	if at(got["19"], "headers", "Retry-After") != "60" {
		t.Errorf("the refused request names no time: %v", got["19"])
	}
	if spent := c.s.Tenant.Spent()["graph.security"]; spent != 20 {
		t.Errorf("%d calls were counted, want each of the 20", spent)
	}
}

// Graph sends at most four requests of a batch to Outlook at once, so that a
// batch alone does not crowd a mailbox.
func TestABatchDoesNotCrowdAMailbox(t *testing.T) {
	c := full(t, practice.Options{Throttle: 1})
	var many []map[string]any
	want := map[string]any{}
	for i := range 9 {
		id := fmt.Sprint(i)
		many, want[id] = append(many, inner(id, "GET", "/users/sam.ortiz@contoso.example/messages?$top=1", "")), 200
	}
	wantStatuses(t, c.batched("v1.0", many...), want)
}

// A fault strikes the request of a batch that it names, and nothing else.
func TestFaultsWithinABatch(t *testing.T) {
	c := full(t, practice.Options{})
	c.token("/v1.0")
	c.faults(`[{"method":"POST","path":"/v1.0/security/incidents/40211/comments","times":1,"cut":"after"},
		{"method":"POST","path":"/v1.0/security/incidents/40212/comments","times":1,"cut":"before"},
		{"method":"PATCH","path":"/v1.0/security/incidents/40211","times":1,"cut":"middle"},
		{"method":"PATCH","path":"/v1.0/security/incidents/40212","times":1,"status":503,"headers":{"Retry-After":"3"},"body":"<busy>"}]`)
	got := c.batched("v1.0",
		inner("lost", "POST", incidentPath+"/comments", commentBody, "client-request-id", "lost"),
		inner("never", "POST", "/security/incidents/40212/comments", commentBody, "client-request-id", "never"),
		inner("bare", "PATCH", incidentPath, `{"status":"inProgress"}`, "client-request-id", "bare"),
		inner("busy", "PATCH", "/security/incidents/40212", `{"status":"inProgress"}`, "client-request-id", "busy"),
		inner("ok", "GET", incidentPath, ""),
	)
	wantStatuses(t, got, map[string]any{"bare": nil, "busy": 503, "ok": 200})
	if body := at(got["busy"], "body"); body != base64.StdEncoding.EncodeToString([]byte("<busy>")) || at(got["busy"], "headers", "Retry-After") != "3" {
		t.Errorf("%v", got["busy"])
	}
	ids := ""
	for _, x := range c.audit() {
		ids += x.RequestID + " "
	}
	if ids != "lost bare " {
		t.Errorf("applied: %s", ids)
	}

	c.faults(`[{"path":"/v1.0/$batch","times":1,"cut":"after"}]`)
	body := `{"requests":[{"id":"1","method":"POST","url":"` + strings.TrimPrefix(incidentPath, "/v1.0") + `/comments","headers":{"Content-Type":"application/json"},"body":` + commentBody + `}]}`
	if got, err := c.try("POST", "/v1.0/$batch", body); err == nil {
		t.Errorf("the answer arrived: %d", got.status)
	}
	if n := len(c.audit()); n != 3 {
		t.Errorf("%d changes, want 3", n)
	}
}

package practice_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// knock does a request without a token of Entra and answers status and body.
func knock(t *testing.T, s *practicetest.Server, method, path, body string, head map[string]string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range head {
		r.Header.Set(k, v)
	}
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

const (
	cardBody  = `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":{"type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","text":"x"}]}}]}`
	slackBody = `{"text":"x","blocks":[{"type":"section","text":{"type":"plain_text","text":"x"}}]}`
)

func TestChannelsAnswerAsTheRealOnes(t *testing.T) {
	s := practicetest.Start(t, practice.Options{})
	before := string(s.Tenant.State())
	teams, slack := practice.TeamsPath("soc"), practice.SlackPath("soc")
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", strings.TrimSuffix(teams, teams[len(teams)-4:]), cardBody, 401, "DirectApiAuthorizationRequired"},
		{"POST", practice.TeamsPath("other")[:12] + teams[12:], cardBody, 401, "DirectApiAuthorizationRequired"},
		{"GET", teams, "", 404, "TriggerNotFound"},
		{"POST", teams, `{`, 400, "InvalidRequestContent"},
		{"POST", teams, `{"text":"x"}`, 400, "TriggerInputSchemaMismatch"},
		{"POST", teams, cardBody + strings.Repeat(" ", 28<<10), 413, "RequestEntityTooLarge"},
		{"POST", slack + "x", slackBody, 403, "invalid_token"},
		{"GET", slack, "", 400, "invalid_payload"},
		{"POST", slack, `{}`, 400, "no_text"},
		{"POST", slack, `{"blocks":[{"type":"section"}]}`, 400, "invalid_blocks"},
		{"POST", slack, `{"blocks":[{"type":"header","text":{"type":"plain_text","text":"` + strings.Repeat("x", 151) + `"}}]}`, 400, "invalid_blocks"},
		{"POST", practice.WebhookPath("soc"), `{}`, 401, "signature"},
	} {
		if status, body := knock(t, s, c.method, c.path, c.body, nil); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s: %d %s; want %d %s", c.method, c.path, status, body, c.status, c.says)
		}
	}
	if string(s.Tenant.State()) != before || len(s.Tenant.Changes()) != 0 {
		t.Fatal("what was refused has left something")
	}
	if status, body := knock(t, s, "POST", teams, cardBody, nil); status != 202 || body != "" {
		t.Errorf("Teams: %d %q", status, body)
	}
	if status, body := knock(t, s, "POST", slack, slackBody, nil); status != 200 || body != "ok" {
		t.Errorf("Slack: %d %q", status, body)
	}
	for id, want := range map[string]int{"m1": 204, "": 401} {
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(practice.WebhookKey, "whsec_"))
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + `.1700000000.{"a":1}`))
		head := map[string]string{"Webhook-Id": id, "Webhook-Timestamp": "1700000000", "Webhook-Signature": "v1,no v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
		for range 2 { // the same id is taken once
			if status, body := knock(t, s, "POST", practice.WebhookPath("soc"), `{"a":1}`, head); status != want {
				t.Errorf("webhook %q: %d %s", id, status, body)
			}
		}
		if status, _ := knock(t, s, "POST", practice.WebhookPath("soc"), `{"a":2}`, head); status != 401 {
			t.Errorf("a webhook with another body: %d", status)
		}
	}
	if got := len(s.Tenant.Changes()); got != 3 {
		t.Errorf("%d changes, want 3", got)
	}
	if err := s.Tenant.Reset(); err != nil || string(s.Tenant.State()) != before {
		t.Errorf("after a reset the state is another (%v)", err)
	}
}

func TestTheDesk(t *testing.T) {
	s := practicetest.Start(t, practice.Options{})
	full := map[string]string{"Authorization": "Bearer " + practice.DeskToken, "Idempotency-Key": "k1"}
	reads := map[string]string{"Authorization": "Bearer " + practice.DeskReadToken}
	made := ""
	for _, c := range []struct {
		method, path, body string
		head               map[string]string
		status             int
		says               string
	}{
		{"GET", "/desk/tickets/a", "", nil, 401, "wants a token"},
		{"PUT", "/desk/tickets/a", `{}`, reads, 403, "may only read"},
		{"GET", "/desk/tickets/a", "", reads, 404, "no ticket"},
		{"PUT", "/desk/tickets/a", `[]`, full, 400, "JSON object"},
		{"PUT", "/desk/tickets/a", `{"state":"open","x":1}`, full, 201, `"state":"open"`},
		{"PUT", "/desk/tickets/a", `{"state":"open","x":2}`, full, 200, `"x":2`},
		{"PATCH", "/desk/tickets/a", `{"x":null,"y":3}`, full, 200, `"y":3`},
		{"GET", "/desk/tickets/a", "", reads, 200, `{"id":"a","state":"open","y":3}`},
		{"POST", "/desk/tickets/a", `{}`, full, 404, "no such thing"},
		{"POST", "/desk/tickets", `{"n":1}`, full, 201, `"n":1`},
		{"POST", "/desk/tickets", `{"n":2}`, full, 201, `"n":1`}, // the same key, the same ticket
		{"DELETE", "/desk/tickets/a", "", full, 204, ""},
		{"DELETE", "/desk/tickets/a", "", full, 404, "no ticket"},
		{"PATCH", "/desk/tickets/a", `{}`, full, 404, "no ticket"},
		{"GET", "/desk/elsewhere", "", full, 404, "no such thing"},
	} {
		status, body := knock(t, s, c.method, c.path, c.body, c.head)
		if status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %s: %d %s; want %d %s", c.method, c.path, c.body, status, body, c.status, c.says)
		}
		made += body
	}
	if got := len(s.Tenant.Changes()); got != 5 {
		t.Errorf("%d changes, want 5: %s", got, made)
	}
}

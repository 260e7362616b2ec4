package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
)

const (
	dana = "dana.officer@contoso.example"
	sam  = "sam.ortiz@contoso.example"
)

func TestRepliesAreFoundAndRead(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	ctx := t.Context()
	begun := time.Now()
	if err := s.SendMail(ctx, effect(), dana, graph.Mail{Subject: "[T0K] Well?", HTML: "<p>Well?</p>", To: []string{sam}, Mark: "e1"}); err != nil {
		t.Fatal(err)
	}
	at, there, err := s.SentMarked(ctx, dana, "e1")
	if err != nil || !there || at.Before(begun.Add(-time.Minute)) {
		t.Errorf("sent at %s, %v, %v", at, there, err)
	}
	if _, there, err := s.SentMarked(ctx, dana, "e2"); err != nil || there {
		t.Errorf("%v, %v", there, err)
	}
	asked, err := s.MessagesTitled(ctx, sam, "t0k", begun.Add(-time.Hour))
	if err != nil || len(asked) != 1 {
		t.Fatalf("%+v, %v", asked, err)
	}
	for n, text := range []string{"First", "Second"} {
		body := fmt.Sprintf(`{"from":%q,"signed_in":%q,"to":%q,"body":%q,"in_reply_to":%q,"at":%q}`, sam, []string{sam, ""}[n], dana, text, asked[0].InternetID, begun.Add(time.Duration(n+1)*time.Minute).UTC().Format(time.RFC3339))
		if _, err := s.Tenant.Deliver([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.MessagesTitled(ctx, dana, "T0K", begun.Add(-time.Hour))
	if err != nil || len(got) != 3 || got[1].From != sam || got[1].Sender != sam || got[2].ReceivedAt.Before(got[1].ReceivedAt) {
		t.Fatalf("%+v, %v", got, err)
	}
	for n, want := range []graph.Written{{Text: "First", Internal: true}, {Text: "Second"}} {
		if w, err := s.Written(ctx, dana, got[n+1].ID); err != nil || w != want {
			t.Errorf("%+v, %v; want %+v", w, err, want)
		}
	}
	if w, err := s.Written(ctx, dana, got[0].ID); err != nil || w.Internal {
		t.Errorf("what was sent: %+v, %v", w, err)
	}
	if none, err := s.MessagesTitled(ctx, dana, "o'brien", begun); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	_, err = s.MessagesTitled(ctx, dana, "", begun)
	wantCode(t, err, connectors.Invalid)
	_, err = s.Written(ctx, dana, "none")
	wantCode(t, err, connectors.NotFound)
}

// Only one header, that says so, makes a mail one of the organization.
func TestWhoIsInternal(t *testing.T) {
	for headers, want := range map[string]bool{
		`{"name":"X-MS-Exchange-Organization-AuthAs","value":"Internal"}`:                                                                  true,
		`{"name":"x-ms-exchange-organization-authas","value":" internal "}`:                                                                true,
		`{"name":"X-MS-Exchange-Organization-AuthAs","value":"Anonymous"}`:                                                                 false,
		`{"name":"X-MS-Exchange-Organization-AuthAs","value":"InternalX"}`:                                                                 false,
		`{"name":"X-MS-Exchange-CrossTenant-AuthAs","value":"Internal"}`:                                                                   false,
		`{"name":"X-MS-Exchange-Organization-AuthAs","value":"Internal"},{"name":"X-MS-Exchange-Organization-AuthAs","value":"Anonymous"}`: false,
		`{"name":"X-MS-Exchange-Organization-AuthAs","value":"Internal"},{"name":"X-MS-Exchange-Organization-AuthAs","value":"Internal"}`:  false,
		`{"name":"Subject","value":"X-MS-Exchange-Organization-AuthAs: Internal"}`:                                                         false,
		``: false,
	} {
		c := scripted(t, says(200, `{"id":"m","uniqueBody":{"contentType":"text","content":"x"},"internetMessageHeaders":[`+headers+`]}`))
		if w, err := c.Written(t.Context(), "a@b.example", "m"); err != nil || w.Internal != want {
			t.Errorf("%s: %+v, %v", headers, w, err)
		}
	}
}

func TestBadAnswersAboutMails(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"other","uniqueBody":{"contentType":"text"}}`: "the answer is about",
		`{"id":"m","uniqueBody":{"contentType":"html"}}`:     "the body is no text",
		`{"id":"m"}`: "the body is no text",
	} {
		_, err := scripted(t, says(200, body)).Written(t.Context(), "a@b.example", "m")
		wantCode(t, err, connectors.Failed, want)
	}
	var prefer, filter string
	c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		prefer, filter = strings.Join(r.Header.Values("Prefer"), "|"), r.URL.Query().Get("$filter")
		says(200, `{"value":[{"id":"m","subject":"about something else"}]}`)(w, r)
	})
	got, err := c.MessagesTitled(t.Context(), "a@b.example", "it's", time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC))
	if err != nil || len(got) != 0 || filter != "receivedDateTime ge 2026-11-30T01:02:03Z and (contains(subject,'it''s'))" || prefer != `IdType="ImmutableId"` {
		t.Errorf("%v, %v, %s, %s", got, err, filter, prefer)
	}
	_, _ = c.Written(t.Context(), "a@b.example", "m")
	if prefer != `IdType="ImmutableId", outlook.body-content-type="text"` {
		t.Errorf("Prefer: %s", prefer)
	}
}

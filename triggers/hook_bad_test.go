package triggers_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stanch/connectors"
	"stanch/connectors/sentinel"
	"stanch/playbooks"
	"stanch/triggers"
)

func TestBad114AHookWithoutAGoodSecretIsNotServed(t *testing.T) {
	b := newReporting(t)
	book := hookBook(t, b.engine.World(), reporting)
	draft := hookBook(t, b.engine.World(), strings.Replace(reporting, "status: stable", "status: draft", 1))
	asks := hookBook(t, b.engine.World(), "playbook: asks\non: {manual: {}}\nsteps:\n  - stop: x\n")
	for want, hooks := range map[string][]triggers.Hook{
		"hook dlp: its secret has less than 24 bytes":                 {{Path: "dlp", Book: book, Auth: triggers.HookHMAC}},
		"its secret has less than 24 bytes; `openssl":                 {{Path: "dlp", Book: book, Auth: triggers.HookToken, Secret: "short"}},
		"has less than 24 bytes":                                      {{Path: "dlp", Book: book, Auth: triggers.HookHMAC, Secret: "whsec_no-base64-no-base64-no-base64!"}},
		"more than 128 characters":                                    {{Path: "dlp", Book: book, Auth: triggers.HookGraph, Secret: connectors.Secret(strings.Repeat("x", 129))}},
		`auth is "none"; expected hmac, token or graph`:               {{Path: "dlp", Book: book, Auth: "none", Secret: hookSecret}},
		"hook dlp is there twice":                                     {{Path: "dlp", Book: book, Auth: triggers.HookHMAC, Secret: hookSecret}, {Path: "dlp", Book: book, Auth: triggers.HookHMAC, Secret: hookSecret}},
		"hook a: it tells of incidents of Sentinel, and no workspace": {{Path: "a", Auth: triggers.HookToken, Secret: hookSecret}},
		"with auth graph it needs a playbook":                         {{Path: "a", Auth: triggers.HookGraph, Secret: hookSecret}},
		"hook dlp: no request starts the playbook reporting":          {{Path: "dlp", Book: draft, Auth: triggers.HookHMAC, Secret: hookSecret}},
		"hook asks: no request starts the playbook asks":              {{Path: "asks", Book: asks, Auth: triggers.HookHMAC, Secret: hookSecret}},
	} {
		_, err := triggers.NewHooks(triggers.HookOptions{Hooks: hooks, Engine: b.engine, Docs: b.store})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret-") {
			t.Errorf("it tells the secret: %v", err)
		}
	}
}

// Whatever is wrong with the proof, the answer is the same to the byte.
func TestBad115To119WhatIsNotProvedLearnsNothing(t *testing.T) {
	b := newReporting(t)
	good := func() http.Header { return signedHead(hookSecret, "msg_1", time.Now(), report) }
	with := func(name, value string) http.Header {
		h := good()
		h.Set(name, value)
		return h
	}
	without := func(name string) http.Header {
		h := good()
		h.Del(name)
		return h
	}
	answer := ""
	for name, c := range map[string]struct {
		head http.Header
		body string
	}{
		"115 another secret":          {signedHead("whsec_"+connectors.Secret(strings.Repeat("b2xk", 8)), "msg_1", time.Now(), report), report},
		"115 no signature":            {without("Webhook-Signature"), report},
		"115 empty signature":         {with("Webhook-Signature", "v1,"), report},
		"115 no base64":               {with("Webhook-Signature", "v1,%%%"), report},
		"115 other version":           {with("Webhook-Signature", strings.Replace(good().Get("Webhook-Signature"), "v1,", "v2,", 1)), report},
		"115 another id":              {with("Webhook-Id", "msg_2"), report},
		"115 no id":                   {without("Webhook-Id"), report},
		"115 another body":            {good(), strings.Replace(report, "a.xlsx", "c.xlsx", 1)},
		"116 the same in other order": {good(), `{"files":["a.xlsx","b.xlsx"],"user":"petra.novak@contoso.example"}`},
		"116 another space":           {good(), report + " "},
		"117 six minutes old":         {signedHead(hookSecret, "msg_1", time.Now().Add(-6*time.Minute), report), report},
		"117 no timestamp":            {without("Webhook-Timestamp"), report},
		"117 NaN":                     {with("Webhook-Timestamp", "NaN"), report},
		"117 another timestamp":       {with("Webhook-Timestamp", strconv.FormatInt(time.Now().Unix()+1, 10)), report},
		"117 signed NaN":              {nanHead(), report},
		"117 beyond all numbers":      {with("Webhook-Timestamp", "99999999999999999999"), report},
		"118 six minutes ahead":       {signedHead(hookSecret, "msg_1", time.Now().Add(6*time.Minute), report), report},
	} {
		h := b.post("/hooks/dlp", c.head, strings.NewReader(c.body))
		if h.status != http.StatusUnauthorized || h.head.Get("WWW-Authenticate") == "" || h.head.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %+v", name, h)
		}
		if answer == "" {
			answer = h.body
		} else if h.body != answer {
			t.Errorf("%s: %s\nanother: %s", name, h.body, answer)
		}
	}
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "Content-Type", "Authorization"} {
		head := good()
		head[name] = []string{head.Get(name), head.Get(name)}
		if h := b.post("/hooks/dlp", head, strings.NewReader(report)); h.status != http.StatusBadRequest || !strings.Contains(h.body, strings.ToLower(name)) {
			t.Errorf("119 two of %s: %+v", name, h)
		}
	}
	for _, at := range []time.Time{time.Now().Add(-4 * time.Minute), time.Now().Add(4 * time.Minute)} {
		if h := b.post("/hooks/dlp", signedHead(hookSecret, "msg_ok"+at.String()[14:16], at, report), strings.NewReader(report)); h.status != http.StatusAccepted {
			t.Errorf("within the window: %+v", h)
		}
	}
	if runs := allRuns(t, b.store); len(runs) != 2 {
		t.Errorf("%d runs", len(runs))
	}
}

// nanHead is signed well, with a timestamp that is no number.
func nanHead() http.Header {
	head := signedHead(hookSecret, "msg_1", time.Now(), report)
	head.Set("Webhook-Timestamp", "NaN")
	head.Set("Webhook-Signature", signatureOf("msg_1", "NaN", report))
	return head
}

// The replay of a request that was taken begins nothing, however soon it comes.
func TestBad117AReplayWithinTheWindowBeginsNothing(t *testing.T) {
	b := newReporting(t)
	head := signedHead(hookSecret, "msg_1", time.Now().Add(-time.Minute), report)
	first := b.post("/hooks/dlp", head, strings.NewReader(report))
	again := b.post("/hooks/dlp", head, strings.NewReader(report))
	if first.status != http.StatusAccepted || again.said() != first.said() {
		t.Errorf("%+v, then %+v", first, again)
	}
	if runs := allRuns(t, b.store); len(runs) != 1 {
		t.Errorf("%d runs", len(runs))
	}
}

func TestBad120BodiesAndTheirKinds(t *testing.T) {
	b := newReporting(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(report))
	_ = z.Close()
	big := `{"user":"` + strings.Repeat("x", 1<<20) + `","files":["a"]}`
	typed := func(kind, body string) http.Header {
		h := signedHead(hookSecret, "msg_1", time.Now(), body)
		h.Set("Content-Type", kind)
		return h
	}
	encoded := typed("application/json", zipped.String())
	encoded.Set("Content-Encoding", "gzip")
	for name, c := range map[string]struct {
		head   http.Header
		body   io.Reader
		status int
	}{
		"no content-type":  {typed("", report), strings.NewReader(report), 415},
		"text":             {typed("text/plain", report), strings.NewReader(report), 415},
		"form":             {typed("application/x-www-form-urlencoded", report), strings.NewReader(report), 415},
		"utf-7":            {typed("application/json; charset=utf-7", report), strings.NewReader(report), 415},
		"broken type":      {typed("application/json; charset", report), strings.NewReader(report), 415},
		"gzip":             {encoded, &zipped, 415},
		"more than 1 MiB":  {typed("application/json", big), strings.NewReader(big), 413},
		"chunked, endless": {typed("application/json", ""), io.MultiReader(endless{}), 413},
		"100 MB":           {typed("application/json", ""), io.LimitReader(endless{}, 100_000_000), 413},
	} {
		h, err := b.try(http.MethodPost, "/hooks/dlp", c.head, c.body)
		if err == nil && h.status != c.status {
			t.Errorf("%s: %+v, want %d", name, h, c.status)
		}
		if err != nil && c.status != 413 { // who still sends may find the connection closed
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, body := range map[string]string{
		"empty":            "",
		"no JSON":          "user=petra",
		"half":             `{"user":"a","files":[`,
		"two values":       `{"user":"a","files":["x"]}{}`,
		"a key twice":      `{"user":"a","user":"b","files":["x"]}`,
		"a key twice, hid": `{"user":"a","us\u0065r":"b","files":["x"]}`,
		"no UTF-8":         "{\"user\":\"\xff\",\"files\":[\"x\"]}",
		"65 deep":          strings.Repeat("[", 65) + strings.Repeat("]", 65),
		"a million deep":   strings.Repeat("[", 1_000_000),
	} {
		if h := b.signed("msg_1", body); h.status != http.StatusBadRequest || h.said().Detail == "" {
			t.Errorf("%s: %.300v, want 400", name, h)
		}
	}
	for name, body := range map[string]string{
		"a list":           `[]`,
		"null":             `null`,
		"a missing field":  `{"user":"a"}`,
		"another type":     `{"user":1,"files":["x"]}`,
		"an item of those": `{"user":"a","files":["x",{"y":1}]}`,
	} {
		if h := b.signed("msg_1", body); h.status != http.StatusUnprocessableEntity && !(name == "a missing field" && h.status == http.StatusAccepted) {
			t.Errorf("%s: %+v, want 422", name, h)
		}
	}
	if runs := allRuns(t, b.store); len(runs) != 0 {
		t.Errorf("%d runs", len(runs))
	}
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// What an attacker writes is data: it is carried as it is.
func TestBadContentIsCarriedAsData(t *testing.T) {
	b := newReporting(t)
	for i, user := range []string{
		"${{ params.x }}", "'; DROP TABLE runs; --", "\x00\x1b[31m", "<script>alert(1)</script>", "\u202e", strings.Repeat("a", 900_000), "{{.}}", "../../etc/passwd",
	} {
		body := fmt.Sprintf(`{"user":%s,"files":["x"]}`, quoted(user))
		h := b.signed(fmt.Sprintf("msg_%d", i), body)
		if h.status != http.StatusAccepted || h.said().Run == "" {
			t.Fatalf("%.40q: %+v", user, h)
		}
		run, err := b.engine.Await(t.Context(), h.said().Run, nil)
		if err != nil || run.Status != "succeeded" || string(run.Event.Body) != body {
			t.Errorf("%.40q: %s (%v)", user, run.Status, err)
		}
	}
}

// quoted is a text in JSON.
func quoted(s string) string {
	raw, _ := json.Marshal(s)
	return string(raw)
}

func signatureOf(id, stamp, body string) string {
	return "v1," + base64.StdEncoding.EncodeToString(connectors.WebhookSignature(connectors.WebhookKey(hookSecret), id, stamp, []byte(body)))
}

// nobody reads no incidents.
type nobody struct{}

func (nobody) TakeIn(context.Context, string) error            { return nil }
func (nobody) OfAlert(context.Context, string) (string, error) { return "", nil }

// oneConn is a listener with one connection.
type oneConn struct {
	conn   net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { close(l.closed); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

func TestBad121ASlowBodyIsCut(t *testing.T) {
	b := newReporting(t)
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		one := &oneConn{conn: server, closed: make(chan struct{})}
		srv := &http.Server{Handler: b.hooks}
		done := make(chan struct{})
		go func() { _ = srv.Serve(one); close(done) }()
		begun := time.Now()
		go func() {
			_, _ = io.WriteString(client, "POST /hooks/dlp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); resp.StatusCode != http.StatusRequestTimeout || took != 10*time.Second {
			t.Errorf("%s after %s", resp.Status, took)
		}
		_ = client.Close()
		_ = srv.Close()
		<-done
	})
}

func TestBad122OnlyPOST(t *testing.T) {
	b := newReporting(t)
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH"} {
		for _, path := range []string{"/hooks/dlp", "/hooks/nothing"} {
			if h := b.ask(method, path, signedHead(hookSecret, "msg_1", time.Now(), report), nil); h.status != http.StatusMethodNotAllowed || h.head.Get("Allow") != "POST" {
				t.Errorf("%s %s: %+v", method, path, h)
			}
		}
	}
	if runs := allRuns(t, b.store); len(runs) != 0 {
		t.Errorf("%d runs", len(runs))
	}
}

// A hook that is not there answers the same whatever is asked of it; who guesses
// fast learns not even that, and who knows is not held up.
func TestBad129GuessesLearnNothing(t *testing.T) {
	b := newReporting(t)
	want := ""
	for _, path := range []string{"/hooks/", "/hooks/dl", "/hooks/dlp/", "/hooks/DLP", "/hooks/dlp%00", "/hooks/dlp/../x", "/hooks/" + strings.Repeat("x", 5000)} {
		h := b.post(path, signedHead(hookSecret, "msg_1", time.Now(), report), strings.NewReader(report))
		if h.status != http.StatusNotFound {
			t.Errorf("%.30s: %+v", path, h)
		}
		if want == "" {
			want = h.body
		} else if h.body != want {
			t.Errorf("%.30s: another answer: %s", path, h.body)
		}
	}
	statuses := map[int]int{}
	for range 300 {
		statuses[b.post("/hooks/guess", http.Header{}, nil).status]++
	}
	if statuses[http.StatusTooManyRequests] == 0 || statuses[http.StatusNotFound] == 0 || len(statuses) != 2 {
		t.Errorf("300 guesses: %v", statuses)
	}
	if h := b.signed("msg_1", report); h.status != http.StatusAccepted {
		t.Errorf("who knows: %+v", h)
	}
	if log := b.log.String(); strings.Count(log, "\n") > 200 {
		t.Errorf("guesses fill the log: %d lines", strings.Count(log, "\n"))
	}
}

// FuzzHookBody sends any body, signed well: it is refused, or carried as data.
func FuzzHookBody(f *testing.F) {
	for _, seed := range []string{
		report, "", "null", "[]", `{"value":[]}`, `{"value":[{"clientState":"x"}]}`, `{"object":{"id":"x"}}`, `{"SystemAlertId":"a"}`, `{"user":"\ud800","files":[]}`, "{\"a\":1e999}",
	} {
		f.Add([]byte(seed))
	}
	b := newHookBench(f, filepath.Join(f.TempDir(), "s.db"), false, func(playbooks.World) []triggers.Hook { return nil })
	w := b.engine.World()
	const text = "playbook: %s\nstatus: stable\non:\n  webhook: {path: %s, auth: %s}\nsteps:\n  - set: {x: event.body}\n"
	b.serve(triggers.HookOptions{
		Hooks: append(reportingHook(w, f),
			triggers.Hook{Path: "any", Book: hookBook(f, w, fmt.Sprintf(text, "any", "any", "hmac")), Auth: triggers.HookHMAC, Secret: hookSecret},
			triggers.Hook{Path: "graph", Book: hookBook(f, w, fmt.Sprintf(text, "graph", "graph", "graph")), Auth: triggers.HookGraph, Secret: hookSecret},
			triggers.Hook{Path: "sentinel", Auth: triggers.HookHMAC, Secret: hookSecret},
		),
		Engine: b.engine, Docs: b.store, Incidents: nobody{}, Workspace: sentinel.Workspace{Subscription: "s", ResourceGroup: "g", Name: "w"},
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{"/hooks/dlp", "/hooks/any", "/hooks/graph", "/hooks/sentinel"} {
			h, err := b.try(http.MethodPost, path, signedHead(hookSecret, "msg", time.Now(), string(body)), bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			switch h.status {
			case 202, 400, 404, 413, 422, 429, 403:
			default:
				t.Errorf("%s: %+v for %q", path, h, body)
			}
		}
	})
}

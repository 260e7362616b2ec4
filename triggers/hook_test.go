package triggers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/web"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
	"stanch/triggers"
)

const hookSecret connectors.Secret = "whsec_bm8tcGVyc29uLW1heS1rbm93LXRoaXMtc2VjcmV0"

const reporting = `playbook: reporting
title: Somebody reports a file
status: stable
on:
  webhook: {path: dlp, body: {user: string, files: [string], note: "string?"}, if: len(event.body.files) > 0}
steps:
  - set: {user: event.body.user}
outputs:
  user: event.body.user
  files: len(event.body.files)
`

// hookBench is hooks behind a real HTTP server, with an engine that works on a
// store.
type hookBench struct {
	t      testing.TB
	server *httptest.Server
	store  *sqlitestore.Store
	engine *engine.Engine
	hooks  *triggers.Hooks
	log    *lines
}

// lines is a log that tests read.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func hookBook(t testing.TB, w playbooks.World, text string) *playbooks.Playbook {
	t.Helper()
	book, findings := playbooks.LoadAndCheck("book.yaml", []byte(text), w)
	if playbooks.HasErrors(findings) {
		t.Fatal(findings[0].Text())
	}
	return book
}

// newHookBench serves hooks on a store in a file. Where work is false nobody
// works on it.
func newHookBench(t testing.TB, file string, work bool, hooks func(playbooks.World) []triggers.Hook) *hookBench {
	t.Helper()
	store, err := sqlitestore.Open(file, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := actions.Collect()
	if err != nil {
		t.Fatal(err)
	}
	b := &hookBench{t: t, store: store, engine: engine.New(store, store, catalog, engine.Options{}), log: &lines{}}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if work {
		go func() { done <- b.engine.Work(ctx) }()
	} else {
		done <- nil
	}
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, store.Close()); err != nil {
			t.Error(err)
		}
	})
	b.serve(triggers.HookOptions{Hooks: hooks(b.engine.World()), Engine: b.engine, Docs: store})
	return b
}

func (b *hookBench) serve(o triggers.HookOptions) {
	b.t.Helper()
	o.Log = slog.New(slog.NewTextHandler(b.log, nil))
	var err error
	if b.hooks, err = triggers.NewHooks(o); err != nil {
		b.t.Fatal(err)
	}
	b.server = httptest.NewServer(b.hooks)
	b.t.Cleanup(b.server.Close)
}

func reportingHook(w playbooks.World, t testing.TB) []triggers.Hook {
	return []triggers.Hook{{Path: "dlp", Book: hookBook(t, w, reporting), Auth: triggers.HookHMAC, Secret: hookSecret}}
}

func newReporting(t testing.TB) *hookBench {
	return newHookBench(t, filepath.Join(t.TempDir(), "s.db"), true, func(w playbooks.World) []triggers.Hook { return reportingHook(w, t) })
}

// heard is an answer.
type heard struct {
	status int
	head   http.Header
	body   string
}

// said is the body of an answer.
func (h heard) said() (v struct{ Delivery, Run, Detail, Title string }) {
	_ = json.Unmarshal([]byte(h.body), &v)
	return v
}

func (b *hookBench) post(path string, head http.Header, body io.Reader) heard {
	b.t.Helper()
	return b.ask(http.MethodPost, path, head, body)
}

func (b *hookBench) ask(method, path string, head http.Header, body io.Reader) heard {
	b.t.Helper()
	h, err := b.try(method, path, head, body)
	if err != nil {
		b.t.Fatal(err)
	}
	return h
}

func (b *hookBench) try(method, path string, head http.Header, body io.Reader) (heard, error) {
	req, err := http.NewRequest(method, b.server.URL+path, body)
	if err != nil {
		return heard{}, err
	}
	req.Header = head
	resp, err := b.server.Client().Do(req)
	if err != nil {
		return heard{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return heard{resp.StatusCode, resp.Header, string(text)}, err
}

// signedHead are the headers of a signed request.
func signedHead(secret connectors.Secret, id string, at time.Time, body string) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	signature := connectors.WebhookSignature(connectors.WebhookKey(secret), id, stamp, []byte(body))
	return http.Header{
		"Content-Type": {"application/json"}, "Webhook-Id": {id}, "Webhook-Timestamp": {stamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(signature)},
	}
}

func (b *hookBench) signed(id, body string) heard {
	b.t.Helper()
	return b.post("/hooks/dlp", signedHead(hookSecret, id, time.Now(), body), strings.NewReader(body))
}

// runs answers the ids of all runs of a store.
func allRuns(t testing.TB, store engine.Store) []string {
	t.Helper()
	var ids []string
	cursor := ""
	for {
		page, err := store.Follow(context.Background(), cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Kind == "run" && !slices.Contains(ids, r.Head.ID) {
				ids = append(ids, r.Head.ID)
			}
		}
		if cursor = page.Cursor; !page.More {
			return ids
		}
	}
}

const report = `{"user":"petra.novak@contoso.example","files":["a.xlsx","b.xlsx"]}`

func TestASignedRequestBeginsOneRun(t *testing.T) {
	b := newReporting(t)
	first := b.signed("msg_1", report)
	if first.status != http.StatusAccepted || first.said().Run == "" || first.said().Delivery != "msg_1" {
		t.Fatalf("%+v", first)
	}
	run, err := b.engine.Await(t.Context(), first.said().Run, nil)
	if err != nil || run.Status != "succeeded" || run.StartedBy != "trigger:webhook" || string(run.Event.Body) != report {
		t.Fatalf("%+v (%v)", run, err)
	}
	var out struct {
		User  string
		Files int
	}
	if raw, _ := json.Marshal(run.Outputs); json.Unmarshal(raw, &out) != nil || out.User != "petra.novak@contoso.example" || out.Files != 2 {
		t.Errorf("outputs %s", raw)
	}
	for range 3 { // the sender has not heard the answer
		if again := b.signed("msg_1", report); again.status != http.StatusAccepted || again.said() != first.said() {
			t.Errorf("told again: %+v", again)
		}
	}
	if second := b.signed("msg_2", report); second.said().Run == first.said().Run {
		t.Error("another delivery is the same run")
	}
	if runs := allRuns(t, b.store); len(runs) != 2 {
		t.Errorf("%d runs", len(runs))
	}
	if log := b.log.String(); strings.Contains(log, "petra") || strings.Contains(log, "no-person-may-know") || strings.Contains(log, string(hookSecret)) {
		t.Errorf("the log tells what was sent or the secret:\n%s", log)
	}
}

func TestAConditionThatDoesNotHoldStartsNothing(t *testing.T) {
	b := newReporting(t)
	if h := b.signed("msg_1", `{"user":"a","files":[]}`); h.status != http.StatusAccepted || h.said().Run != "" {
		t.Errorf("%+v", h)
	}
	if runs := allRuns(t, b.store); len(runs) != 0 {
		t.Errorf("%d runs", len(runs))
	}
}

// What notify.webhook sends, another Stanch takes.
func TestOurOwnWebhookIsTaken(t *testing.T) {
	b := newHookBench(t, filepath.Join(t.TempDir(), "s.db"), true, func(w playbooks.World) []triggers.Hook {
		text := "playbook: other\nstatus: stable\non:\n  webhook: {path: other, body: {type: string, data: {file: string}}}\nsteps:\n  - set: {file: event.body.data.file}\noutputs:\n  file: event.body.data.file\n"
		return []triggers.Hook{{Path: "other", Book: hookBook(t, w, text), Auth: triggers.HookHMAC, Secret: hookSecret}}
	})
	server := httptest.NewTLSServer(b.hooks)
	t.Cleanup(server.Close)
	c, err := web.New(web.Options{
		CA:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		Channels: map[string]web.Channel{"other": {Kind: web.Webhook, URL: connectors.Secret(server.URL + "/hooks/other"), Key: hookSecret}},
	})
	if err != nil {
		t.Fatal(err)
	}
	event := web.Event{Type: "file.unshared", At: time.Now().UTC(), Data: json.RawMessage(`{"file":"a.xlsx"}`)}
	for range 2 { // the effect is sent again after a crash
		if err := c.Webhook(t.Context(), connectors.Change{ID: "r00x/step#0"}, "other", event); err != nil {
			t.Fatal(err)
		}
	}
	runs := allRuns(t, b.store)
	if len(runs) != 1 {
		t.Fatalf("%d runs", len(runs))
	}
	if run, err := b.engine.Await(t.Context(), runs[0], nil); err != nil || run.Status != "succeeded" {
		t.Errorf("%+v (%v)", run, err)
	}
}

func TestATokenIsEnoughWhereThePlaybookSaysSo(t *testing.T) {
	b := newHookBench(t, filepath.Join(t.TempDir(), "s.db"), true, func(w playbooks.World) []triggers.Hook {
		text := strings.Replace(reporting, "{path: dlp,", "{path: dlp, auth: token,", 1)
		return []triggers.Hook{{Path: "dlp", Book: hookBook(t, w, text), Auth: triggers.HookToken, Secret: hookSecret}}
	})
	head := func(auth string) http.Header {
		return http.Header{"Content-Type": {"application/json; charset=UTF-8"}, "Authorization": {auth}}
	}
	for _, auth := range []string{"", "Bearer", "Bearer x", "Basic " + string(hookSecret), string(hookSecret), "Bearer " + string(hookSecret) + "x"} {
		if h := b.post("/hooks/dlp", head(auth), strings.NewReader(report)); h.status != http.StatusUnauthorized {
			t.Errorf("%q: %+v", auth, h)
		}
	}
	var ids []string
	for range 2 { // without an id every request is one of its own
		h := b.post("/hooks/dlp", head("Bearer "+string(hookSecret)), strings.NewReader(report))
		if h.status != http.StatusAccepted || h.said().Run == "" {
			t.Fatalf("%+v", h)
		}
		ids = append(ids, h.said().Run)
	}
	if ids[0] == ids[1] {
		t.Error("two requests, one run")
	}
	with := head("Bearer " + string(hookSecret))
	with.Set("Webhook-Id", "one")
	if a, b := b.post("/hooks/dlp", with, strings.NewReader(report)), b.post("/hooks/dlp", with, strings.NewReader(report)); a.said().Run == "" || a.said().Run != b.said().Run {
		t.Errorf("%+v, then %+v", a, b)
	}
}

// A new key is sent beside the old one for as long as receivers need.
func TestOneOfSeveralSignaturesIsEnough(t *testing.T) {
	b := newReporting(t)
	head := signedHead(hookSecret, "msg_1", time.Now(), report)
	old := signedHead("whsec_"+connectors.Secret(strings.Repeat("b2xk", 8)), "msg_1", time.Now(), report)
	head.Set("Webhook-Signature", old.Get("Webhook-Signature")+" v1a,AAAA "+head.Get("Webhook-Signature"))
	if h := b.post("/hooks/dlp", head, strings.NewReader(report)); h.status != http.StatusAccepted {
		t.Errorf("%+v", h)
	}
}

// What was answered with 202 is in the store, whatever becomes of the process:
// nobody works here, and the store is opened again by another.
func TestAcceptedIsDurable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.db")
	want := map[string]bool{}
	t.Run("accept", func(t *testing.T) {
		b := newHookBench(t, file, false, func(w playbooks.World) []triggers.Hook { return reportingHook(w, t) })
		for i := range 50 {
			h := b.signed(fmt.Sprintf("msg_%d", i), report)
			if h.status != http.StatusAccepted || h.said().Run == "" {
				t.Fatalf("%+v", h)
			}
			want[h.said().Run] = true
		}
	})
	b := newHookBench(t, file, true, func(w playbooks.World) []triggers.Hook { return reportingHook(w, t) })
	if got := allRuns(t, b.store); len(got) != len(want) {
		t.Fatalf("%d runs of %d", len(got), len(want))
	}
	for id := range want {
		if run, err := b.engine.Await(t.Context(), id, nil); err != nil || run.Status != "succeeded" {
			t.Errorf("%s: %s (%v)", id, run.Status, err)
		}
	}
}

func TestAStoreThatIsDownIsToldAndNothingIsLost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.db")
	t.Run("down", func(t *testing.T) {
		b := newHookBench(t, file, false, func(w playbooks.World) []triggers.Hook { return reportingHook(w, t) })
		if err := b.store.Close(); err != nil {
			t.Fatal(err)
		}
		h := b.signed("msg_1", report)
		if h.status != http.StatusServiceUnavailable || h.head.Get("Retry-After") != "10" {
			t.Errorf("%+v", h)
		}
	})
	b := newHookBench(t, file, true, func(w playbooks.World) []triggers.Hook { return reportingHook(w, t) })
	if h := b.signed("msg_1", report); h.status != http.StatusAccepted || h.said().Run == "" {
		t.Errorf("sent again: %+v", h)
	}
}

// Many requests at once all come through, each once.
func TestBad127ABurstIsTakenWhole(t *testing.T) {
	b := newReporting(t)
	const burst, senders = 2000, 64
	jobs := make(chan int)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range jobs {
				for range 2 { // each twice
					if h := b.signed(fmt.Sprintf("msg_%d", i), report); h.status != http.StatusAccepted {
						t.Errorf("%d: %+v", i, h)
					}
				}
			}
		})
	}
	for i := range burst {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	if runs := allRuns(t, b.store); len(runs) != burst {
		t.Errorf("%d runs of %d deliveries", len(runs), burst)
	}
}

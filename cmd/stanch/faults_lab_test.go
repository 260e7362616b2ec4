package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/defender"
	"stanch/connectors/evidence"
	"stanch/connectors/graph"
	"stanch/connectors/loganalytics"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/connectors/sentinel"
	"stanch/connectors/sharepoint"
	"stanch/connectors/web"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

// lab is a practice tenant and an engine with the actions of this build, which
// reach the tenant over TLS. Nobody waits in it: while all that a run waits for
// is a time, the clock of the store and of the tenant goes ahead to that time.
type lab struct {
	t      *testing.T
	server *practicetest.Server
	store  *hurried
	engine *engine.Engine
	// catalog is what the engine can do.
	catalog *actions.Catalog
	sent    *sentry
	end     func() error // of the worker

	batches atomic.Int64
}

// hurried is a store whose clock goes ahead when nothing else is left to do.
type hurried struct {
	*sqlitestore.Store
	ahead   atomic.Int64
	run     atomic.Pointer[string]
	waiting func(since time.Duration) // told before the clock goes ahead
}

func (h *hurried) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func (h *hurried) Claim(ctx context.Context, c engine.Claim) (engine.Claimed, error) {
	claimed, err := h.Store.Claim(ctx, c)
	due := claimed.NextDue.Sub(claimed.At)
	if err != nil || len(claimed.Strands) > 0 || claimed.NextDue.IsZero() || due <= 0 || !h.waits(ctx) {
		return claimed, err
	}
	if h.waiting != nil {
		h.waiting(due)
	}
	h.ahead.Add(int64(due))
	claimed.NextDue = claimed.At
	return claimed, nil
}

// waits reports whether the run is there and no strand of it is worked on.
func (h *hurried) waits(ctx context.Context) bool {
	id := h.run.Load()
	if id == nil {
		return false
	}
	record, err := h.Store.Run(ctx, *id)
	if err != nil {
		return false
	}
	for _, s := range record.Strands {
		if s.State == "leased" || s.State == "due" {
			return false
		}
	}
	return true
}

// Wait is asked in real time.
func (h *hurried) Wait(ctx context.Context, until time.Time) error {
	return h.Store.Wait(ctx, until.Add(time.Duration(h.ahead.Load())))
}

// sentry keeps the changing requests that reached the tenant, each with its
// id and the tenant's time.
type sentry struct {
	mu   sync.Mutex
	seen []sending
}

type sending struct {
	id, method, path string
	at               time.Time
	faulty           bool
}

func (s *sentry) add(x sending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, x)
}

func (s *sentry) all() []sending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sending{}, s.seen...)
}

// openLab serves a tenant and makes an engine; its app may do what may says. o
// are the options of Graph.
func openLab(t *testing.T, may practice.App, o *connectors.Options) *lab {
	t.Helper()
	l := &lab{t: t, store: &hurried{}, sent: &sentry{}}
	l.server = practicetest.Start(t, practice.Options{
		Now: l.store.now, TokenLife: 100 * 24 * time.Hour,
		Observe: func(x practice.Exchange) {
			if x.Status < 300 && !x.Faulty {
				if err := practicetest.CheckRequest(x); err != nil {
					t.Error(err)
				}
			}
			if x.Route == "$batch" {
				l.batches.Add(1)
				return // its requests were told one by one
			}
			l.sent.add(sending{x.Request.Header.Get("client-request-id"), x.Request.Method, x.Request.URL.Path, l.store.now(), x.Faulty})
		},
	})
	var err error
	if l.store.Store, err = sqlitestore.OpenMemory(l.store.now); err != nil {
		t.Fatal(err)
	}
	cloud := connectors.PracticeCloud(l.server.URL, l.server.CAPEM)
	credential, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: may.ID, Secret: connectors.Secret(may.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	var c clients
	if c.graph, err = graph.New(cloud, credential, o); err != nil {
		t.Fatal(err)
	}
	if c.defender, err = defender.New(cloud, credential, nil); err != nil {
		t.Fatal(err)
	}
	if c.sentinel, err = sentinel.New(cloud, credential, practiceWorkspace(), nil); err != nil {
		t.Fatal(err)
	}
	if c.activity, err = activity.New(cloud, credential, nil); err != nil {
		t.Fatal(err)
	}
	if c.logs, err = loganalytics.New(cloud, credential, nil); err != nil {
		t.Fatal(err)
	}
	if c.sharepoint, err = sharepoint.New(cloud, credential, nil); err != nil {
		t.Fatal(err)
	}
	if c.web, err = web.New(web.Options{
		CA: l.server.CAPEM, Services: map[string]web.Service{"desk": practiceDesk(l.server.URL, l.server.CAPEM)},
		Channels: map[string]web.Channel{
			"teams": practiceChannel(l.server.URL, web.Teams, "teams"), "slack": practiceChannel(l.server.URL, web.Slack, "slack"),
			"webhook": practiceChannel(l.server.URL, web.Webhook, "webhook"), "email": practiceChannel(l.server.URL, web.Email, "email"),
		},
	}); err != nil {
		t.Fatal(err)
	}
	if c.evidence, err = evidence.Nowhere(); err != nil {
		t.Fatal(err)
	}
	catalog, err := catalogOf(c, []string{practice.ContosoDomain})
	if err != nil {
		t.Fatal(err)
	}
	l.work(catalog)
	t.Cleanup(func() {
		if err := errors.Join(l.end(), l.store.Store.Close()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// work lets an engine work on the store.
func (l *lab) work(catalog *actions.Catalog) {
	e := engine.New(l.store, l.store, catalog, engine.Options{Workers: 4, OwnDomains: []string{practice.ContosoDomain}})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Work(ctx) }()
	l.engine, l.catalog = e, catalog
	l.end = func() error {
		stop()
		return <-done
	}
}

// restart ends the worker and lets another go on.
func (l *lab) restart() {
	l.t.Helper()
	if err := l.end(); err != nil {
		l.t.Fatal(err)
	}
	l.work(l.catalog)
}

// breaks sets what goes wrong from now on.
func (l *lab) breaks(faults []weatherFault) {
	raw, err := json.Marshal(append([]weatherFault{}, faults...))
	if err != nil {
		l.t.Error(err)
		return
	}
	if _, err := l.ask(http.MethodPost, "/practice/faults", string(raw), ""); err != nil {
		l.t.Error(err)
	}
}

// get reads the tenant as an app that may do everything.
func (l *lab) get(path string, into any) {
	l.t.Helper()
	l.call(http.MethodGet, path, "", into)
}

// call does a request as somebody else than the engine.
func (l *lab) call(method, path, body string, into any) {
	l.t.Helper()
	token := practice.DeskToken
	if !strings.HasPrefix(path, "/desk/") {
		token = l.server.Token(l.t, practice.FullApp(), practicetest.ResourceOf(path))
	}
	raw, err := l.ask(method, path, body, token)
	if err != nil {
		l.t.Fatal(err)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(raw, into); err != nil {
		l.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (l *lab) ask(method, path, body, token string) ([]byte, error) {
	req, err := http.NewRequest(method, l.server.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := l.server.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode > 299 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, raw)
	}
	return raw, err
}

// begin starts a live run of one step.
func (l *lab) begin(uses string, with map[string]any) string {
	l.t.Helper()
	params, err := json.Marshal(with)
	if err != nil {
		l.t.Fatal(err)
	}
	text := fmt.Sprintf(`playbook: under-fault
title: One step under a fault
status: stable
on: {manual: {}, incident: {events: [created]}}
steps:
  - id: it
    uses: %s
    with: %s
    timeout: 20s
    retry: {attempts: 4, initial: 1s, cap: 5s}
`, uses, params)
	book, findings := playbooks.LoadAndCheck("under-fault.yaml", []byte(text), l.engine.World())
	if playbooks.HasErrors(findings) {
		l.t.Fatalf("%s\n%v", text, findings)
	}
	about, err := incidentFile("../../examples/fixtures/external-share.json")
	if err != nil {
		l.t.Fatal(err)
	}
	body, err := json.Marshal(about)
	if err != nil {
		l.t.Fatal(err)
	}
	begun, err := l.engine.Start(l.t.Context(), engine.Start{
		Book: book, Mode: engine.ModeLive, By: "operator:alice",
		Event: playbooks.Event{ID: "manual/1", Trigger: "incident", Kind: "manual", At: l.store.now(), Incident: body},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.store.run.Store(&begun.Run)
	return begun.Run
}

// await waits until ok accepts the run.
func (l *lab) await(id string, ok func(engine.Run) bool) engine.Run {
	l.t.Helper()
	for deadline := time.After(60 * time.Second); ; {
		run, err := l.engine.Run(l.t.Context(), id)
		if err != nil {
			l.t.Fatal(err)
		}
		if ok(run) {
			return run
		}
		select {
		case <-deadline:
			raw, _ := json.MarshalIndent(run, "", " ")
			l.t.Fatalf("the run does not come to its end: %s", raw)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// effects are those of all steps, in order.
func effects(r engine.Run) []engine.StepEffect {
	var all []engine.StepEffect
	for _, s := range r.Steps {
		all = append(all, s.Effects...)
	}
	return all
}

func statuses(r engine.Run) string {
	var out []string
	for _, e := range effects(r) {
		out = append(out, string(e.Status))
	}
	return strings.Join(out, " ")
}

// audited holds the tenant's audit against the effects, one to one by request
// id: what is done stands there once, what did not happen never, of the rest at
// most one; and nothing stands there that is no effect. often allows more than
// one of each.
func (l *lab) audited(r engine.Run, skip int, often bool) {
	l.t.Helper()
	count := map[string]int{}
	for _, c := range l.server.Tenant.Changes()[skip:] {
		count[c.RequestID]++
	}
	for _, e := range effects(r) {
		n := count[e.ID]
		delete(count, e.ID)
		least, most := 0, 0
		switch e.Status {
		case actions.Done:
			least, most = 1, 1
		case actions.AlreadySo, actions.Unknown, actions.Open, actions.Begun:
			most = 1
		}
		if often {
			most *= 3
		}
		if n < least || n > most {
			l.t.Errorf("%s on %s is %s and stands %d times in the tenant's audit, want %d to %d", e.Action, e.Target.Name, e.Status, n, least, most)
		}
	}
	for id, n := range count {
		l.t.Errorf("request %s stands %d times in the tenant's audit and is no effect", id, n)
	}
}

// settledIntents fails the test unless every intent of the audit log has an
// outcome there.
func (l *lab) settledIntents() {
	l.t.Helper()
	open := map[string]bool{}
	for cursor := ""; ; {
		page, err := l.store.Follow(l.t.Context(), cursor, 1000)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, r := range page.Records {
			var a engine.Audit
			if r.Kind != "audit" || json.Unmarshal(r.Body, &a) != nil {
				continue
			}
			switch a.Kind {
			case "effect.intent":
				open[a.Effect] = true
			case "effect.result", "effect.resolve":
				delete(open, a.Effect)
			}
		}
		if cursor = page.Cursor; !page.More {
			break
		}
	}
	for id := range open {
		l.t.Errorf("the intent of effect %s has no outcome in the audit log", id)
	}
}

package triggers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors/graph"
	"stanch/engine"
	"stanch/triggers"
)

// broken is a store in which something is wrong.
type broken struct {
	*memory
	begin func(engine.Begin) error // before a run is begun
	begun func(engine.Begin) error // after
	put   func(engine.Document) error
	lost  atomic.Bool // nobody answers
}

func (b *broken) Begin(ctx context.Context, in engine.Begin) (engine.Begun, error) {
	if b.begin != nil {
		if err := b.begin(in); err != nil {
			return engine.Begun{}, err
		}
	}
	out, err := b.memory.Begin(ctx, in)
	if err == nil && b.begun != nil {
		err = b.begun(in)
	}
	return out, err
}

func (b *broken) Put(ctx context.Context, d engine.Document) (int64, error) {
	if b.put != nil {
		if err := b.put(d); err != nil {
			return 0, err
		}
	}
	return b.memory.Put(ctx, d)
}

func (b *broken) Hold(ctx context.Context, name, holder string, last time.Duration) (int64, error) {
	if b.lost.Load() {
		return 0, errors.New("nobody answers")
	}
	return b.memory.Hold(ctx, name, holder, last)
}

// broken gives the feed a store in which something will be wrong.
func (d *desk) broken() *broken {
	b := &broken{memory: d.store}
	d.feed.Store, d.feed.Docs, d.feed.Engine = b, b, engine.New(b, b, d.catalog, engine.Options{})
	return b
}

// A part of the store is damaged: the incidents that lie there wait, are told,
// and are taken when it is repaired; the others go on.
func TestADamagedPartSetsAsideWhatLiesThere(t *testing.T) {
	now := time.Now()
	d := newDesk(t, counting)
	d.store = d.at(&now)
	b := d.broken()
	b.begin = func(in engine.Begin) error {
		if in.Subject == "defender/40211" {
			return engine.Damage{What: "partition 7"}
		}
		return nil
	}
	if p := d.poll(); p.New != 3 || p.Started != 2 || p.Aside != 1 {
		t.Fatalf("with a damaged part: %+v", p)
	}
	if p := d.poll(); p.Started != 0 || p.Aside != 0 {
		t.Errorf("told and tried again at once: %+v", p)
	}
	sources, err := triggers.Sources(t.Context(), d.store, now)
	if err != nil || len(sources[0].Aside) != 1 || sources[0].Aside[0].Incident != "defender/40211" || !strings.Contains(sources[0].Aside[0].Reason, "partition 7") {
		t.Errorf("it tells %+v (%v)", sources, err)
	}
	b.begin = nil
	now = now.Add(10 * time.Minute)
	if p := d.poll(); p.Started != 1 {
		t.Errorf("when it is repaired: %+v", p)
	}
	sources, err = triggers.Sources(t.Context(), d.store, now)
	if err != nil || len(sources[0].Aside) != 0 {
		t.Errorf("afterwards it tells %+v (%v)", sources, err)
	}
}

// The process crashes when a run is begun and that is not known; before the next
// poll the incident changes otherwise. What had begun the run does not do so
// twice, and the later change is an event of its own.
func TestACrashAndALaterChangeAreTwoEvents(t *testing.T) {
	d := newDesk(t, strings.Replace(counting, everything, "{events: [updated], changes: [severity]}", 1))
	d.poll()
	b := d.broken()
	b.begun = func(engine.Begin) error { return errCrash }
	d.amend("40213", `{"severity":"high"}`)
	if _, err := d.feed.PollOnce(t.Context()); !errors.Is(err, errCrash) {
		t.Fatalf("the crash says %v", err)
	}
	b.begun = nil
	d.amend("40213", `{"assignedTo":"somebody@contoso.example"}`)
	if p := d.poll(); p.Changed != 1 || p.Started != 0 {
		t.Errorf("after the crash: %+v", p)
	}
	records, err := triggers.Records(t.Context(), d.store, "40213")
	if err != nil || len(records) != 3 || !slices.Equal(records[0].Changes, []string{"assigned_to"}) || !slices.Equal(records[1].Changes, []string{"severity"}) {
		t.Errorf("it is recorded as %+v (%v)", records, err)
	}
	if runs := d.runs("defender/40213"); len(runs) != 1 {
		t.Errorf("%d runs", len(runs))
	}
}

// An incident that lies in the future does not hide what comes after.
func TestADateInTheFutureHidesNothing(t *testing.T) {
	d := newDesk(t, counting)
	d.feed.Since = time.Now().Add(-time.Hour)
	mad := d.inject(`{"displayName":"mad","lastUpdateDateTime":"9999-12-31T23:59:59Z"}`)
	d.poll()
	sane := d.inject(`{"displayName":"sane"}`)
	if p := d.poll(); p.New != 1 {
		t.Errorf("after one of the year 9999: %+v", p)
	}
	d.verdict(sane, "counting")
	d.amend(strings.TrimPrefix(mad, "defender/"), `{"displayName":"sane again"}`)
	if p := d.poll(); p.Changed != 1 || p.Started != 1 {
		t.Errorf("when its date is right again: %+v", p)
	}
}

// One that becomes visible after the overlap is found by the poll that looks
// further back once an hour.
func TestALateIncidentIsFound(t *testing.T) {
	now := time.Now()
	d := newDesk(t, counting)
	d.store = d.at(&now)
	d.poll()
	d.inject(`{"displayName":"new"}`)
	now = now.Add(time.Minute)
	d.poll()
	at := now.Add(-5 * time.Hour).UTC().Format(time.RFC3339)
	id := d.inject(fmt.Sprintf(`{"displayName":"late","createdDateTime":%q,"lastUpdateDateTime":%q}`, at, at))
	if p := d.poll(); p.New != 0 {
		t.Fatalf("the test shows nothing: %+v", p)
	}
	now = now.Add(time.Hour)
	if p := d.poll(); p.New != 1 || p.Started != 1 {
		t.Errorf("an hour later: %+v", p)
	}
	d.verdict(id, "counting")
}

func TestALoopIsHeld(t *testing.T) {
	now := time.Now()
	d := newDesk(t, counting)
	d.store = d.at(&now)
	d.feed.Loops = 3
	d.poll()
	for i := range 4 {
		now = now.Add(time.Minute)
		d.amend("40213", fmt.Sprintf(`{"displayName":"title %d"}`, i))
		if p := d.poll(); p.Changed != 1 || (p.Started == 1) != (i < 2) || (p.Held == 1) != (i >= 2) {
			t.Errorf("change %d: %+v", i, p)
		}
	}
	if v := d.verdict("defender/40213", "counting"); v.Outcome != triggers.OutcomeLoop || !strings.Contains(v.Because, "3 runs of it were begun for this incident within an hour") {
		t.Errorf("it was decided %+v", v)
	}
	now = now.Add(time.Hour)
	d.amend("40213", `{"displayName":"later"}`)
	if p := d.poll(); p.Started != 1 || p.Held != 0 {
		t.Errorf("an hour later: %+v", p)
	}
}

// What Stanch wrote is no news until somebody else changes it: then the same
// value is news again.
func TestOwnWritingIsNewsWhenOthersDoItAgain(t *testing.T) {
	d := newDesk(t, counting)
	d.poll()
	status := "resolved"
	effect := (&month{n: 1}).change()
	if _, err := d.feed.Graph.UpdateIncident(t.Context(), effect, "40213", graph.IncidentPatch{Status: &status}); err != nil {
		t.Fatal(err)
	}
	for field, value := range map[string]any{"status": status, "comments/a": []string{"one"}, "comments/b": []string{"two"}} {
		raw, _ := json.Marshal(value)
		body, _ := json.Marshal(engine.OwnWrite{Value: raw, Effect: effect.ID})
		if _, err := d.store.Put(t.Context(), engine.Document{Kind: engine.DocOwn, Key: "defender/40213/" + field, Body: body, Version: engine.AnyVersion}); err != nil {
			t.Fatal(err)
		}
	}
	d.amend("40213", `{"comments":[{"comment":"one"},{"comment":"two"}]}`)
	if p := d.poll(); p.Changed != 0 || p.Started != 0 {
		t.Errorf("what we wrote: %+v", p)
	}
	for i, status := range []string{"active", "resolved"} {
		d.amend("40213", fmt.Sprintf(`{"status":%q}`, status))
		if p := d.poll(); p.Changed != 1 || p.Started != 1 {
			t.Errorf("somebody's change %d: %+v", i, p)
		}
	}
}

// The list cannot be read for one incident in it: the others are read around it.
func TestAListThatCannotBeReadIsReadAroundWhatSpoilsIt(t *testing.T) {
	now := time.Now()
	d := newDesk(t, counting)
	d.store = d.at(&now)
	d.feed.Since = now.Add(-time.Hour)
	before, after := now.Add(-30*time.Minute), now.Add(-10*time.Minute)
	dated := func(name string, at time.Time, more string) string {
		return d.inject(fmt.Sprintf(`{"displayName":%q,"createdDateTime":%q,"lastUpdateDateTime":%q%s}`, name, at.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339), more))
	}
	dated("before", before, "")
	dated("after", after, "")
	spoiled := dated("spoiled", now.Add(-20*time.Minute), `,"alerts":[{"title":"x","description":"`+strings.Repeat("x", 33<<20)+`"}]`)
	if p := d.poll(); p.New != 2 || p.Started != 2 || p.Poisoned != 1 {
		t.Errorf("with one that is too large for an answer: %+v", p)
	}
	all, err := triggers.AllPoisoned(t.Context(), d.store)
	if err != nil || len(all) != 1 || all[0].ID != spoiled || !strings.Contains(all[0].Reason, "larger than") {
		t.Errorf("set aside: %+v (%v)", all, err)
	}
}

// A bare body is one JSON cannot be made of at all: an answer that says a key
// twice, whatever is asked, is an API that does not answer.
func TestAnApiThatAnswersNonsenseMovesNothing(t *testing.T) {
	d := newDesk(t, counting)
	d.faults(`[{"method":"GET","path":"/v1.0/security/incidents","status":200,"headers":{"Content-Type":"application/json"},"body":"{\"value\":[],\"value\":[]}"}]`)
	if _, err := d.feed.PollOnce(t.Context()); err == nil || !strings.Contains(err.Error(), "stands twice") {
		t.Errorf("nonsense is told as %v", err)
	}
	d.faults(`[]`)
	if p := d.poll(); p.New != 3 {
		t.Errorf("when it answers again: %+v", p)
	}
}

func TestAnotherNodeTakesOverWithinALease(t *testing.T) {
	d := newDesk(t, counting)
	b := d.broken()
	d.feed.Lease, d.feed.Poll = time.Second, 50*time.Millisecond
	second := *d.feed
	second.Holder, second.Docs = "two", d.store
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 2)
	go func() { done <- d.feed.Run(ctx) }()
	d.until("the first feeds", func() bool { return d.known("defender/40211") })
	go func() { done <- second.Run(ctx) }()
	b.lost.Store(true) // the first does not hear of the store any more
	since := time.Now()
	id := d.inject(`{"displayName":"new"}`)
	d.until("the second feeds", func() bool { return d.known(id) })
	if took := time.Since(since); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	stop()
	for range 2 {
		if err := <-done; err != nil && !strings.Contains(err.Error(), "nobody answers") {
			t.Error(err)
		}
	}
}

func (d *desk) known(id string) bool {
	_, err := triggers.Incident(d.t.Context(), d.store, id)
	return err == nil
}

// until waits for what other goroutines do.
func (d *desk) until(what string, is func() bool) {
	d.t.Helper()
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-end.C:
			d.t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

// An API answers from several copies: one that lags behind is no news.
func TestACopyThatLagsBehindIsNoNews(t *testing.T) {
	d := newDesk(t, `playbook: any
title: Any change
status: stable
on: {incident: {events: [created, updated]}}
steps:
  - set: {severity: incident.severity}
`)
	id := d.inject(`{"displayName":"a","severity":"low"}`)
	d.poll()
	if err := d.server.Tenant.Amend(id[len("defender/"):], []byte(`{"severity":"high"}`)); err != nil {
		t.Fatal(err)
	}
	d.poll()
	d.faults(`[{"method":"GET","path":"**/incidents","stale_reads":1},{"method":"GET","path":"**/incidents/*","stale_reads":1}]`)
	if p := d.poll(); p.Changed != 0 || p.Started != 0 {
		t.Errorf("an older copy is news: %+v", p)
	}
	in, err := triggers.Incident(t.Context(), d.store, id)
	if err != nil || in.Severity != "high" {
		t.Errorf("known is severity %q, %v", in.Severity, err)
	}
	d.faults(`[]`)
	if p := d.poll(); p.Changed != 0 || p.Started != 0 {
		t.Errorf("the newest copy is news again: %+v", p)
	}
	if n := len(d.runs(id)); n != 2 {
		t.Errorf("%d runs, want 2", n)
	}
}

// The store's clock is ahead and many incidents come at once, so that they are read
// in slices: what comes after them is found by the next poll.
func TestManyAtOnceHideNothingWhileTheClockIsAhead(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	n.feed.Sentinel = nil // whose lists are slow
	m.polled(n)
	m.pass(30 * time.Hour)
	m.raise()
	m.polled(n)
	m.skew = 3 * time.Hour
	m.pass(2 * time.Hour)
	for range 560 {
		m.raise()
	}
	m.pass(time.Minute)
	if p := m.polled(n); p.New != 560 {
		t.Fatalf("%+v", p)
	}
	m.pass(20 * time.Minute)
	m.raise()
	if p := m.polled(n); p.New != 1 {
		t.Errorf("the next poll: %+v", p)
	}
}

// The list of alerts may not be read while the store's clock is far ahead: it is
// read again an hour after that is put right, and from there.
func TestAlertsAreReadAgainWhenTheClockIsPutRight(t *testing.T) {
	m := office(t)
	n := m.nodes[0]
	m.polled(n)
	m.skew = 48 * time.Hour
	m.faults(`[{"method":"GET","path":"/v1.0/security/alerts_v2","status":403}]`)
	m.polled(n)
	m.skew = 0
	m.faults(`[]`)
	m.pass(2 * time.Hour)
	before := len(m.requests("/alerts_v2"))
	m.polled(n)
	if len(m.requests("/alerts_v2")) == before {
		t.Error("it is not read")
	}
}

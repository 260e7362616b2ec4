package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

// world is what the test's actions act upon: things with a value, and a record
// of every change. Faults are taken from it in order.
type world struct {
	mu     sync.Mutex
	values map[string]string
	audit  []change
	faults map[string][]fault // by thing
	reads  int

	sending func(thing string)       // called when a request is about to leave
	reading func(thing string) error // called by every read
	blind   bool                     // a look cannot tell
	takes   time.Duration            // how long things.slow goes on after it was accepted
	uses    int64                    // units that things.search turns out to use
	// incident is one that every effect writes to; empty: none
	incident string
}

type change struct{ id, thing, from, to string }

// fault is what goes wrong with one request.
type fault struct {
	applied bool          // the change happened all the same
	err     error         // what the caller sees
	slow    time.Duration // before anything
}

type thingError struct {
	code   string
	unsure bool
	after  time.Duration
}

func (e *thingError) Error() string     { return "things: " + e.code }
func (e *thingError) ErrorCode() string { return e.code }
func (e *thingError) Unsure() bool      { return e.unsure }
func (e *thingError) RetryAfter() (time.Duration, bool) {
	return e.after, e.after > 0
}

func newWorld(values map[string]string) *world {
	return &world{values: values, faults: map[string][]fault{}}
}

func (w *world) change(id, thing, to string) error {
	w.mu.Lock()
	var f fault
	if queue := w.faults[thing]; len(queue) > 0 {
		f, w.faults[thing] = queue[0], queue[1:]
	}
	w.mu.Unlock()
	if f.slow > 0 {
		<-time.After(f.slow) // virtual
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.err == nil || f.applied {
		w.audit = append(w.audit, change{id, thing, w.values[thing], to})
		w.values[thing] = to
	}
	return f.err
}

func (w *world) get(thing string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	return w.values[thing]
}

// read is get with what goes wrong with it.
func (w *world) read(thing string) (string, error) {
	if w.reading != nil {
		if err := w.reading(thing); err != nil {
			return "", err
		}
	}
	return w.get(thing), nil
}

// goBlind lets no look tell, and makes the next requests go wrong.
func (w *world) goBlind(thing string, faults ...fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blind, w.faults[thing] = true, faults
}

// sees reports whether a look can tell.
func (w *world) sees() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.blind
}

// set changes a thing behind everybody's back.
func (w *world) set(thing, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.values[thing] = value
}

// changes answers how often each thing was changed.
func (w *world) changes() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for _, c := range w.audit {
		n[c.thing]++
	}
	return n
}

// twice answers effect ids that stand more than once in the audit.
func (w *world) twice() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for _, c := range w.audit {
		n[c.id]++
	}
	maps.DeleteFunc(n, func(_ string, k int) bool { return k < 2 })
	return slices.Sorted(maps.Keys(n))
}

type thingParams struct {
	Thing actions.Ref[incident.File] `json:"thing" doc:"what to change" entity:"file"`
	Value string                     `json:"value,omitempty" doc:"its new value"`
}

func (p thingParams) name() string {
	if p.Thing.Value != nil {
		return p.Thing.Value.ID
	}
	return p.Thing.Text
}

type thingResult struct {
	Value  string `json:"value" doc:"its value"`
	Length int    `json:"length" doc:"of the value"`
}

// bench is an engine at work on a store in memory, in virtual time.
type bench struct {
	t      *testing.T
	w      *world
	store  *sqlitestore.Store
	engine *engine.Engine
	calls  map[string]string // playbooks that may be called: their texts, without a head, by id
	stop   context.CancelFunc
	done   chan error
}

// rehearse runs a test in virtual time with an engine at work.
func rehearse(t *testing.T, w *world, o engine.Options, test func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), o)}
		defer func() {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}()
		b.work()
		defer b.end()
		test(b)
	})
}

func (b *bench) work() {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.stop, b.done = cancel, make(chan error, 1)
	go func() { b.done <- b.engine.Work(ctx) }()
}

func (b *bench) end() {
	b.stop()
	if err := <-b.done; err != nil {
		b.t.Errorf("work: %v", err)
	}
}

// load checks a playbook; its head is filled in.
func (b *bench) load(text string) *playbooks.Playbook {
	b.t.Helper()
	return loadBook(b.t, callable(b.engine.World(), b.calls), text)
}

// callable adds playbooks to a world that may be called there.
func callable(w playbooks.World, calls map[string]string) playbooks.World {
	w.Calls = map[string]playbooks.Source{}
	for id, text := range calls {
		head := "playbook: " + id + "\ntitle: Called\nstatus: stable\n"
		w.Calls[id] = playbooks.Source{File: id + ".yaml", Text: []byte(head + text)}
	}
	return w
}

func loadBook(t *testing.T, w playbooks.World, text string) *playbooks.Playbook {
	t.Helper()
	if !strings.Contains(text, "playbook:") {
		text = "playbook: test\ntitle: Test\nstatus: stable\non:\n  incident: {events: [created]}\n  manual: {}\n" + text
	}
	book, findings := playbooks.LoadAndCheck("test.yaml", []byte(text), w)
	if playbooks.HasErrors(findings) {
		for _, f := range findings {
			t.Log(f.Text())
		}
		t.Fatal("the playbook has errors")
	}
	return book
}

// event is an incident with so many files, f0 and on.
func event(files int) playbooks.Event {
	in := incident.Incident{ID: "defender/7", Source: "defender", Title: "Test", Severity: "high"}
	for i := range files {
		id := fmt.Sprintf("f%d", i)
		in.Evidence.Files = append(in.Evidence.Files, incident.File{ID: id, Name: &id})
	}
	raw, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return playbooks.Event{ID: "e1", Trigger: "incident", Kind: "created", At: time.Now(), Incident: raw}
}

// start begins a live run.
func (b *bench) start(text string, files int) string {
	b.t.Helper()
	book := b.load(text)
	params, err := book.BindParams(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: event(files), Params: params, Mode: engine.ModeLive, By: "operator:tess"})
	if err != nil {
		b.t.Fatal(err)
	}
	return begun.Run
}

// run is what a playbook comes to.
func (b *bench) run(text string, files int) engine.Run {
	b.t.Helper()
	return b.await(b.start(text, files))
}

func (b *bench) await(id string) engine.Run {
	b.t.Helper()
	for begun := time.Now(); ; {
		record, err := b.store.Run(b.t.Context(), id) // which costs less than to describe it
		if err != nil {
			b.t.Fatal(err)
		}
		waited := time.Since(begun)
		over := waited > 48*time.Hour
		if record.EndedAt.IsZero() && !over {
			<-time.After(max(50*time.Millisecond, waited/200)) // virtual
			continue
		}
		r, err := b.engine.Run(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if over {
			raw, _ := json.MarshalIndent(r, "", " ")
			b.t.Fatalf("the run does not end:\n%s", raw)
		}
		return r
	}
}

// until waits until the run is in a status.
func (b *bench) until(id, status string) engine.Run {
	b.t.Helper()
	for range 100_000 {
		r, err := b.engine.Run(b.t.Context(), id)
		if err != nil {
			b.t.Fatal(err)
		}
		if r.Status == status {
			return r
		}
		if r.Ended() {
			b.t.Fatalf("the run is %s, not %s: %v", r.Status, status, r.Error)
		}
		<-time.After(100 * time.Millisecond) // virtual
	}
	b.t.Fatalf("the run was never %s", status)
	return engine.Run{}
}

// step answers a step of a run by path.
func step(t *testing.T, r engine.Run, path string) engine.Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Path == path {
			return s
		}
	}
	t.Fatalf("no step %q in %v", path, paths(r))
	return engine.Step{}
}

func paths(r engine.Run) []string {
	var list []string
	for _, s := range r.Steps {
		list = append(list, s.Path+" "+s.Status)
	}
	return list
}

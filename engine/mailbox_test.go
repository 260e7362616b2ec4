package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// reply is a playbook that waits for an event, with more about the wait.
func reply(more string) string {
	return `
steps:
  - id: reply
    wait: {event: owner-replied, key: "${{ incident.id }}"` + more + `}
  - set: {seen: steps.reply.outcome}
outputs: {outcome: vars.seen, reply: steps.reply}
`
}

const boxKey = "defender/7"

func (b *bench) post(m engine.Message) engine.Posted {
	b.t.Helper()
	if m.Name == "" {
		m.Name = "owner-replied"
	}
	if m.Key == "" {
		m.Key = boxKey
	}
	posted, err := b.engine.Post(b.t.Context(), m)
	if err != nil {
		b.t.Fatal(err)
	}
	return posted
}

// startFor begins a run for an event of its own, beside others.
func (b *bench) startFor(id, text string) string {
	b.t.Helper()
	ev := event(0)
	ev.ID = id
	begun, err := b.engine.Start(b.t.Context(), engine.Start{
		Book: b.load("concurrency: {key: \"${{ event.id }}\"}\n" + text), Event: ev, Mode: engine.ModeLive, By: "operator:tess",
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return begun.Run
}

// waiters answers who is registered for messages.
func (b *bench) waiters() []string {
	b.t.Helper()
	docs, err := b.store.Each(b.t.Context(), "waiter", "", 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var keys []string
	for _, d := range docs {
		keys = append(keys, d.Key)
	}
	return keys
}

// field answers a field of the run's output reply.
func field(t *testing.T, r engine.Run, name string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(r.Outputs["reply"], &fields); err != nil {
		t.Fatalf("output reply is %s: %v", r.Outputs["reply"], err)
	}
	return string(fields[name])
}

func TestAnEventReachesWhoWaitsForIt(t *testing.T) {
	for name, c := range map[string]struct {
		book   string
		posts  []time.Duration // after the start
		status string
		data   string
		after  time.Duration // when the run ends, at the earliest
	}{
		"it comes while the run waits":          {reply(""), []time.Duration{time.Hour}, "succeeded", `"0"`, time.Hour},
		"of two the first is taken":             {reply(""), []time.Duration{time.Hour, time.Hour}, "succeeded", `"0"`, time.Hour},
		"it came before the wait":               {strings.Replace(reply(""), "steps:", "steps:\n  - wait: {event: first, key: x, timeout: 5m, on_timeout: continue}", 1), []time.Duration{time.Minute}, "succeeded", `"0"`, 5 * time.Minute},
		"in time":                               {reply(", timeout: 1h"), []time.Duration{59 * time.Minute}, "succeeded", `"0"`, 59 * time.Minute},
		"too late, and the step fails":          {reply(", timeout: 1h"), []time.Duration{61 * time.Minute}, "failed", "", time.Hour},
		"too late by nothing":                   {reply(", timeout: 1h"), []time.Duration{time.Hour}, "failed", "", time.Hour},
		"too late, and the playbook goes on":    {reply(", timeout: 1h, on_timeout: continue"), nil, "succeeded", "", time.Hour},
		"too late, and the run stops":           {reply(", timeout: 1h, on_timeout: stop"), nil, "succeeded", "", time.Hour},
		"since long before the run's start":     {reply(`, since: "${{ now() - duration('3h') }}"`), []time.Duration{-2 * time.Hour}, "succeeded", `"0"`, 0},
		"before the run's start":                {reply(", timeout: 1h"), []time.Duration{-time.Minute}, "failed", "", time.Hour},
		"kept for a day and no longer":          {strings.Replace(reply(", timeout: 1h"), "steps:", "steps:\n  - wait: {event: first, key: x, timeout: 25h, on_timeout: continue}", 1), []time.Duration{time.Minute}, "failed", "", 26 * time.Hour},
		"data that fits":                        {reply(", data: {n: integer}"), []time.Duration{time.Minute}, "failed", "", 0},
		"of another key":                        {strings.ReplaceAll(reply(", timeout: 1h"), "incident.id", "incident.title"), []time.Duration{time.Minute}, "failed", "", time.Hour},
		"the run's time is over while it waits": {"timeout: 1h\n" + reply(""), nil, "failed", "", time.Hour},
	} {
		if testing.Short() && c.after > 2*time.Hour {
			continue // a day takes the race detector a minute
		}
		t.Run(name, func(t *testing.T) {
			rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
				send := func(i int) { b.post(engine.Message{Data: fmt.Appendf(nil, `"%d"`, i), By: "dana"}) }
				if len(c.posts) > 0 && c.posts[0] < 0 {
					send(0)
					<-time.After(-c.posts[0])
				}
				begun := time.Now()
				id := b.start(c.book, 0)
				for i, after := range c.posts {
					if after >= 0 {
						<-time.After(after - time.Since(begun))
						send(i)
					}
				}
				r := b.await(id)
				if r.Status != c.status || time.Since(begun) < c.after {
					t.Fatalf("the run is %s (%v) after %s; steps %v", r.Status, r.Error, time.Since(begun), paths(r))
				}
				if c.data != "" && (field(t, r, "data") != c.data || field(t, r, "by") != `"dana"` || field(t, r, "outcome") != `"received"`) {
					t.Errorf("the reply is %s", r.Outputs["reply"])
				}
				<-time.After(2 * time.Minute) // of the store's sweep
				if left := b.waiters(); len(left) > 0 {
					t.Errorf("registered after the end: %v", left)
				}
			})
		})
	}
}

func TestTheDataOfAnEventIsJudged(t *testing.T) {
	for data, want := range map[string]string{
		`{"keep": true, "days": 3, "more": 1}`: "succeeded",
		`{"keep": true}`:                       "failed",
		`{"keep": "yes", "days": 3}`:           "failed",
		`[]`:                                   "failed",
		``:                                     "failed",
	} {
		rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
			id := b.start(reply(", data: {keep: boolean, days: integer}"), 0)
			<-time.After(time.Second)
			b.post(engine.Message{Data: json.RawMessage(data)})
			r := b.await(id)
			if r.Status != want || want == "failed" && r.Error.Code != "invalid" {
				t.Errorf("with %s the run is %s: %v", data, r.Status, r.Error)
			}
		})
	}
}

func TestARunTakesAnEventOnce(t *testing.T) {
	twice := `
steps:
  - id: one
    wait: {event: owner-replied, key: k, timeout: 1h, on_timeout: continue}
  - id: two
    wait: {event: owner-replied, key: k, timeout: 1h, on_timeout: continue}
outputs: {all: "[steps.one.outcome, steps.two.outcome]"}
`
	both := `
steps:
  - parallel:
      - id: one
        wait: {event: owner-replied, key: k, timeout: 1h, on_timeout: continue}
      - id: two
        wait: {event: owner-replied, key: k, timeout: 1h, on_timeout: continue}
outputs: {all: "sort([steps.one.outcome, steps.two.outcome])"}
`
	for name, book := range map[string]string{"one after the other": twice, "at once": both} {
		for posts, want := range []string{`{"all":["timed_out","timed_out"]}`, `{"all":["received","timed_out"]}`, `{"all":["received","received"]}`} {
			t.Run(fmt.Sprint(name, " ", posts), func(t *testing.T) {
				rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
					first := b.start(book, 0)
					<-time.After(time.Second)
					for range posts {
						b.post(engine.Message{Key: "k"})
					}
					if r := b.await(first); outputs(t, r) != want {
						t.Errorf("the outputs are %s (%v), want %s", outputs(t, r), r.Error, want)
					}
				})
			})
		}
	}
}

func TestEveryRunThatWaitsGetsTheEvent(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
		var ids []string
		for _, event := range []string{"a", "b", "c"} {
			ids = append(ids, b.startFor(event, reply("")))
		}
		<-time.After(time.Second)
		posted := b.post(engine.Message{ID: "m1"})
		if again := b.post(engine.Message{ID: "m1"}); again.New || !posted.New {
			t.Errorf("Post answers %+v, then %+v", posted, again)
		}
		for _, id := range ids {
			if r := b.await(id); r.Status != "succeeded" || !slices.Contains(posted.Runs, id) {
				t.Errorf("run %s is %s; Post names %v", id, r.Status, posted.Runs)
			}
		}
	})
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
		for name, m := range map[string]engine.Message{
			"no name":    {Key: "k"},
			"no key":     {Name: "n"},
			"long":       {Name: "n", Key: strings.Repeat("k", 1001)},
			"control":    {Name: "n", Key: "k\n"},
			"no JSON":    {Name: "n", Key: "k", Data: json.RawMessage("{")},
			"large data": {Name: "n", Key: "k", Data: json.RawMessage(`"` + strings.Repeat("x", 64<<10) + `"`)},
		} {
			if _, err := b.engine.Post(b.t.Context(), m); !errors.Is(err, engine.ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for range 1000 {
			b.post(engine.Message{Key: "full"})
		}
		if _, err := b.engine.Post(b.t.Context(), engine.Message{Name: "owner-replied", Key: "full"}); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("message 1001 of one box: %v", err)
		}
	})
}

func TestACancelEndsAWaitForAnEvent(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
		id := b.start(reply(""), 0)
		b.until(id, "waiting")
		if r, _ := b.engine.Run(b.t.Context(), id); !slices.Equal(r.WaitsFor, []string{"event owner-replied " + boxKey}) {
			t.Errorf("it waits for %q", r.WaitsFor)
		}
		if err := b.engine.Cancel(b.t.Context(), id, "tess", ""); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "cancelled" {
			t.Errorf("the run is %s", r.Status)
		}
		if posted := b.post(engine.Message{}); len(posted.Runs) > 0 {
			t.Errorf("told a run that has ended: %v", posted.Runs)
		}
	})
}

// mortalDocs is the documents of a process that dies at their n-th change, or
// at its n-th signal.
type mortalDocs struct {
	*sqlitestore.Store
	mu   sync.Mutex
	left int
}

func (m *mortalDocs) dies() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left--
	return m.left < 0
}

func (m *mortalDocs) Put(ctx context.Context, d engine.Document) (int64, error) {
	if m.dies() {
		return 0, errDead
	}
	return m.Store.Put(ctx, d)
}

func (m *mortalDocs) Delete(ctx context.Context, kind, key string, v int64) error {
	if m.dies() {
		return errDead
	}
	return m.Store.Delete(ctx, kind, key, v)
}

func (m *mortalDocs) Signal(ctx context.Context, s engine.Signal) (engine.Signalled, error) {
	if m.dies() {
		return engine.Signalled{}, errDead
	}
	return m.Store.Signal(ctx, s)
}

func TestAnEventWhoseSenderDiesIsDeliveredAllTheSame(t *testing.T) {
	for acts := range 6 {
		w := newWorld(map[string]string{})
		rehearse(t, w, engine.Options{}, func(b *bench) {
			first := b.startFor("e1", reply(", timeout: 1h, on_timeout: continue"))
			second := b.startFor("e2", reply(", timeout: 1h, on_timeout: continue"))
			<-time.After(time.Second)
			dying := &mortalDocs{Store: b.store, left: acts}
			_, err := engine.New(dying, dying, w.catalog(), engine.Options{}).Post(b.t.Context(), engine.Message{Name: "owner-replied", Key: boxKey})
			<-time.After(time.Minute)
			want := `"received"`
			if acts == 0 { // not accepted, and the sender knows
				want = `"timed_out"`
			}
			if (err == nil) != (acts == 5) {
				t.Errorf("the sender that dies after %d acts is answered %v", acts, err)
			}
			for _, id := range []string{first, second} {
				if r := b.await(id); field(t, r, "outcome") != want {
					t.Errorf("after %d acts of the sender run %s has %s", acts, id, r.Outputs["reply"])
				}
			}
			if left, _ := b.store.Each(b.t.Context(), "post", "", 10); len(left) > 0 {
				t.Errorf("left to be posted: %+v", left)
			}
		})
	}
}

// TestAnEventSurvivesTheWorker kills the worker at every act of a run that waits
// for an event, before and after the store took it, and the event comes before,
// meanwhile or later.
func TestAnEventSurvivesTheWorker(t *testing.T) {
	for _, applied := range []bool{false, true} {
		for _, after := range []time.Duration{0, time.Second, 5 * time.Minute} {
			for k := 1; k <= 7; k++ {
				t.Run(fmt.Sprintf("applied=%v/%s/%d", applied, after, k), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						store, err := sqlitestore.OpenMemory(time.Now)
						if err != nil {
							t.Fatal(err)
						}
						defer store.Close()
						w := newWorld(map[string]string{})
						m := &mortal{Store: store, left: k, applied: applied, dead: make(chan struct{})}
						first := &bench{t: t, w: w, store: store, engine: engine.New(m, store, w.catalog(), engine.Options{})}
						id := first.start(reply(", timeout: 1h, on_timeout: continue"), 0)
						first.work()
						<-time.After(after)
						sender := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), engine.Options{})}
						sender.post(engine.Message{})
						<-time.After(time.Minute)
						first.stop()
						<-first.done
						second := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), engine.Options{})}
						second.work()
						r := second.await(id)
						second.end()
						if r.Status != "succeeded" || field(t, r, "outcome") != `"received"` {
							t.Errorf("the run is %s (%v): %s", r.Status, r.Error, r.Outputs["reply"])
						}
					})
				})
			}
		}
	}
}

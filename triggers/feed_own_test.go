package triggers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/engine"
	"stanch/triggers"
)

// between is a store that does something before it takes what the result of a
// writing to an incident leads to: what was written is there, and is not known.
type between struct {
	*memory
	once sync.Once
	do   func()
}

func (b *between) Settle(ctx context.Context, s engine.Settlement) (engine.Settled, error) {
	if slices.ContainsFunc(s.Put, func(d engine.Document) bool { return d.Kind == engine.DocOwn }) {
		b.once.Do(b.do)
	}
	return b.memory.Settle(ctx, s)
}

// working lets an engine work until stop is called.
func working(t *testing.T, e *engine.Engine) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Work(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// A poll between a writing of ours and the record of its result knows whose it is,
// in a field that has a value and in one that takes more and more.
func TestAPollBeforeTheResultIsKeptKnowsOurWriting(t *testing.T) {
	for name, step := range map[string]string{
		"tags":     `{uses: incidents.tag, with: {incident: "${{ incident.id }}", add: [ours]}}`,
		"status":   `{uses: incidents.update, with: {incident: "${{ incident.id }}", status: inProgress}}`,
		"comments": `{uses: incidents.comment, with: {incident: "${{ incident.id }}", text: ours}}`,
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, tagging)
			b := &between{memory: openMemory(t, time.Now)}
			d.store = b.memory
			e := engine.New(b, b, d.catalog, engine.Options{})
			d.engine = e
			d.feed.Engine, d.feed.Store, d.feed.Docs = e, b.memory, b.memory
			d.feed.Books = nil
			d.feed.Books = append(d.feed.Books, d.book("playbook: writing\ntitle: t\nstatus: stable\non:\n  incident: {events: [created], if: 'incident.title == \"fresh\"'}\nsteps:\n  - "+step+"\n"))
			defer working(t, e)()
			d.poll()
			id := d.inject(`{"displayName":"fresh"}`)
			polled, begun := make(chan triggers.Polled, 1), make(chan struct{})
			b.do = func() {
				<-begun // the poll that begins the run has come to its end
				p, err := d.feed.PollOnce(t.Context())
				if err != nil {
					t.Error(err)
				}
				polled <- p
			}
			if p := d.poll(); p.Started != 1 {
				t.Fatalf("%+v", p)
			}
			close(begun)
			if runs := d.runs(id); len(runs) != 1 || runs[0].Status != "succeeded" {
				t.Fatalf("the runs are %+v", runs)
			}
			if p := <-polled; p.Seen == 0 || p.Changed != 0 {
				t.Errorf("the poll in between: %+v", p)
			}
			if p := d.poll(); p.Changed != 0 {
				t.Errorf("the next poll: %+v", p)
			}
			if records, err := triggers.Records(t.Context(), d.store, id); err != nil || len(records) != 1 {
				t.Errorf("it is recorded as %+v (%v)", records, err)
			}
		})
	}
}

// What was announced and certainly did not happen is anybody's.
func TestWhatWeDidNotWriteIsAnothers(t *testing.T) {
	d := newDesk(t, counting)
	d.feed.Books = append(d.feed.Books, d.book("playbook: writing\ntitle: t\nstatus: stable\non:\n  incident: {events: [created], if: 'incident.title == \"fresh\"'}\nsteps:\n  - {uses: incidents.update, with: {incident: \"${{ incident.id }}\", status: inProgress}}\n"))
	d.poll()
	id := d.inject(`{"displayName":"fresh"}`)
	d.faults(`[{"method":"PATCH","path":"/v1.0/security/incidents/*","status":400}]`)
	if p := d.poll(); p.Started != 2 {
		t.Fatalf("%+v", p)
	}
	if runs := d.runs(id); !slices.ContainsFunc(runs, func(r engine.Run) bool { return r.Status == "failed" }) {
		t.Fatalf("the runs are %+v", runs)
	}
	d.faults(`[]`)
	d.amend(native(id), `{"status":"inProgress"}`)
	if p := d.poll(); p.Changed != 1 {
		t.Errorf("somebody does what we could not: %+v", p)
	}
}

// intending is a store that does something once when an intent is recorded.
type intending struct {
	*memory
	once sync.Once
	do   func()
}

func (i *intending) Settle(ctx context.Context, s engine.Settlement) (engine.Settled, error) {
	settled, err := i.memory.Settle(ctx, s)
	if err == nil && s.Intent {
		i.once.Do(i.do)
	}
	return settled, err
}

// What was announced and somebody else has done meanwhile is theirs: an effect that
// finds it so, and one that waits to be tried again.
func TestWhatOthersDoBeforeUsIsTheirs(t *testing.T) {
	for name, c := range map[string]struct{ step, theirs, fault string }{
		"already so": {`{uses: incidents.tag, with: {incident: "${{ incident.id }}", add: [vip]}}`, `{"customTags":["vip"]}`, `[]`},
		"waits": {
			`{uses: incidents.update, with: {incident: "${{ incident.id }}", status: inProgress}}`, `{"status":"inProgress"}`,
			`[{"method":"PATCH","path":"/v1.0/security/incidents/*","status":429,"headers":{"Retry-After":"300"}}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, counting)
			store := &intending{memory: openMemory(t, time.Now)}
			e := engine.New(store, store, d.catalog, engine.Options{})
			d.store, d.engine = store.memory, e
			d.feed.Engine, d.feed.Store, d.feed.Docs = e, store.memory, store.memory
			d.feed.Books = append(d.feed.Books[:0:0], d.book("playbook: writing\ntitle: t\nstatus: stable\non:\n  incident: {events: [created], if: 'incident.title == \"fresh\"'}\nsteps:\n  - "+c.step+"\n"))
			defer working(t, e)()
			d.poll()
			id := d.inject(`{"displayName":"fresh"}`)
			d.faults(c.fault)
			store.do = func() {
				if name == "already so" {
					d.amend(native(id), c.theirs)
				}
			}
			if p := d.poll(); p.Started != 1 {
				t.Fatalf("%+v", p)
			}
			d.until("the effect is decided on, or waits", func() bool {
				page, err := d.store.Follow(t.Context(), "", 1000)
				if err != nil {
					t.Fatal(err)
				}
				at := slices.IndexFunc(page.Records, func(r engine.Record) bool { return r.Kind == "run" && r.Head.Subject == id })
				if at < 0 {
					return false
				}
				r, err := d.engine.Run(t.Context(), page.Records[at].Head.ID)
				if err != nil {
					t.Fatal(err)
				}
				return r.Ended() || name == "waits" && len(r.Steps) > 0 && len(r.Steps[0].Effects) > 0 && strings.Contains(r.Steps[0].Effects[0].Why, "429")
			})
			if name == "waits" {
				d.amend(native(id), c.theirs)
			}
			if p := d.poll(); p.Changed != 1 {
				t.Errorf("what others did is no news: %+v", p)
			}
		})
	}
}

// However many comments we wrote to an incident, what else we wrote is known.
func TestManyCommentsOfOursHideNoOtherWriting(t *testing.T) {
	d := newDesk(t, counting)
	d.poll()
	put := func(key, value string) {
		t.Helper()
		body := fmt.Appendf(nil, `{"value":%s,"effect":"e"}`, value)
		if _, err := d.store.Put(t.Context(), engine.Document{Kind: engine.DocOwn, Key: "defender/40213/" + key, Body: body, Version: engine.AnyVersion}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 450 {
		put(fmt.Sprintf("comments/e%d", i), `["ours"]`)
	}
	put("title", `"written by us"`)
	d.amend("40213", `{"displayName":"written by us"}`)
	if p := d.poll(); p.Changed != 0 {
		t.Errorf("our own writing is news: %+v", p)
	}
}

package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/engine/view"
	"stanch/playbooks"
)

// world is a store with a view of it.
type world struct {
	*testing.T
	now      time.Time
	s        *sqlitestore.Store
	v        *view.View
	path     string
	requests int
}

// worlds calls f with a view in a file of its own and with one in the store's.
func worlds(t *testing.T, f func(w *world)) {
	for _, name := range []string{"own file", "the store's file"} {
		t.Run(name, func(t *testing.T) {
			w := &world{T: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
			w.path = filepath.Join(t.TempDir(), "stanch.db")
			var err error
			if w.s, err = sqlitestore.Open(w.path, sqlitestore.Options{Work: true, Now: func() time.Time { return w.now }}); err != nil {
				t.Fatal(err)
			}
			defer w.s.Close()
			if name == "own file" {
				w.path = filepath.Join(t.TempDir(), "view", "view.db")
			}
			w.open()
			f(w)
			w.ok(w.v.Close())
		})
	}
}

func (w *world) open() {
	w.Helper()
	v, err := view.Open(w.Context(), w.path, w.s)
	w.ok(err)
	w.v = v
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) request() string {
	w.requests++
	return fmt.Sprint("request ", w.requests)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// begin starts a run and answers it leased.
func (w *world) begin(playbook, subject string) engine.Strand {
	w.Helper()
	w.now = w.now.Add(time.Minute)
	head := encode(w, engine.Head{StartedBy: "operator:ann", Event: playbooks.Event{Trigger: "incident"}})
	_, err := w.s.Begin(w.Context(), engine.Begin{Request: w.request(), Playbook: playbook, Subject: subject, Edition: "sha", Mode: "live", Head: head})
	w.ok(err)
	c, err := w.s.Claim(w.Context(), engine.Claim{Max: 10, Last: time.Hour})
	w.ok(err)
	if len(c.Strands) != 1 {
		w.Fatalf("%d strands are due", len(c.Strands))
	}
	return c.Strands[0]
}

func (w *world) settle(st *engine.Strand, then engine.Then, audit ...engine.Audit) engine.Settled {
	w.Helper()
	in := engine.Settlement{Request: w.request(), Lease: st.Lease, Then: then}
	for _, a := range audit {
		in.Audit = append(in.Audit, encode(w, a))
	}
	a, err := w.s.Settle(w.Context(), in)
	w.ok(err)
	st.Seq++
	return a
}

func (w *world) put(kind, key string, body any) {
	w.Helper()
	raw, ok := body.([]byte)
	if !ok {
		raw = encode(w, body)
	}
	_, err := w.s.Put(w.Context(), engine.Document{Kind: kind, Key: key, Body: raw, Version: engine.AnyVersion})
	w.ok(err)
}

func (w *world) runs(f view.RunFilter) []view.Run {
	w.Helper()
	w.ok(w.v.Catch(w.Context()))
	runs, _, err := w.v.Runs(w.Context(), f)
	w.ok(err)
	return runs
}

func (w *world) is(what string, got, want any) {
	w.Helper()
	if g, x := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != x {
		w.Errorf("%s: %s, it must be %s", what, g, x)
	}
}

func ids(runs []view.Run) []string {
	var all []string
	for _, r := range runs {
		all = append(all, r.ID)
	}
	return all
}

// A run is listed as it stands after every act.
func TestRunsAsTheyStand(t *testing.T) {
	worlds(t, func(w *world) {
		st := w.begin("contain", "defender/1")
		r := w.runs(view.RunFilter{})[0]
		begun := w.now
		w.is("run", r, view.Run{ID: st.Run, Playbook: "contain", Edition: "sha", Subject: "defender/1", Mode: "live", StartedBy: "operator:ann", Event: "incident", Status: "running", BegunAt: begun, WaitsFor: []string{}, Unknown: []string{}})
		w.settle(&st, engine.Then{Open: &engine.Open{Path: "x", Count: 2, Window: 2}})
		c, err := w.s.Claim(w.Context(), engine.Claim{Max: 10, Last: time.Hour})
		w.ok(err)
		w.settle(&c.Strands[0], engine.Then{Wait: &engine.Wait{Ever: true, On: "approval of gate"}})
		w.is("status while one child works", w.runs(view.RunFilter{})[0].Status, "running")
		w.settle(&c.Strands[1], engine.Then{Wait: &engine.Wait{Ever: true, On: "the hour"}})
		r = w.runs(view.RunFilter{Status: "waiting"})[0]
		w.is("waits for", r.WaitsFor, []string{"approval of gate", "the hour"})
		w.is("running ones", len(w.runs(view.RunFilter{Status: "running"})), 0)
		_, err = w.s.Signal(w.Context(), engine.Signal{Request: w.request(), Run: st.Run, Cancel: engine.Cancelled})
		w.ok(err)
		r = w.runs(view.RunFilter{Status: "live"})[0]
		w.is("after a cancel", []any{r.Status, r.Cancel}, []any{"running", "cancel"})
		c, err = w.s.Claim(w.Context(), engine.Claim{Max: 10, Last: time.Hour})
		w.ok(err)
		var next *engine.Strand
		for i := range c.Strands {
			next = w.settle(&c.Strands[i], engine.Then{End: &engine.End{Outcome: "cancelled"}}).Next
		}
		w.now = w.now.Add(time.Hour)
		w.settle(next, engine.Then{End: &engine.End{Outcome: "cancelled"}})
		r = w.runs(view.RunFilter{Status: "cancelled"})[0]
		w.is("ended", r.EndedAt, w.now)
		w.is("waits for", len(r.WaitsFor), 0)
		w.is("live ones", len(w.runs(view.RunFilter{Status: "live"})), 0)
	})
}

// Runs are found by every filter, the newest first, page by page.
func TestRunsAreFound(t *testing.T) {
	worlds(t, func(w *world) {
		var all []string
		var begun []time.Time
		for i := range 9 {
			st := w.begin([]string{"contain", "notify"}[i%2], fmt.Sprint("defender/", i%3))
			w.settle(&st, engine.Then{End: &engine.End{Outcome: []string{"succeeded", "failed", "rejected"}[i%3]}})
			all = append(all, st.Run)
			begun = append(begun, w.now)
		}
		pick := func(i ...int) (some []string) {
			for _, k := range i {
				some = append(some, all[k])
			}
			return some
		}
		for name, c := range map[string]struct {
			f    view.RunFilter
			want []string
		}{
			"all":      {view.RunFilter{}, pick(8, 7, 6, 5, 4, 3, 2, 1, 0)},
			"status":   {view.RunFilter{Status: "failed"}, pick(7, 4, 1)},
			"playbook": {view.RunFilter{Playbook: "notify"}, pick(7, 5, 3, 1)},
			"subject":  {view.RunFilter{Subject: "defender/2"}, pick(8, 5, 2)},
			"since":    {view.RunFilter{Since: begun[6]}, pick(8, 7, 6)},
			"until":    {view.RunFilter{Until: begun[2]}, pick(1, 0)},
			"together": {view.RunFilter{Status: "failed", Playbook: "notify", Since: begun[1], Until: begun[8]}, pick(7, 1)},
			"none":     {view.RunFilter{Status: "queued"}, nil},
			"unknown":  {view.RunFilter{Status: "unknown"}, nil},
			"quote":    {view.RunFilter{Playbook: "' OR 1=1 --"}, nil},
		} {
			w.is(name, ids(w.runs(c.f)), c.want)
		}
		var paged []string
		f := view.RunFilter{Limit: 4}
		for range 10 {
			runs, next, err := w.v.Runs(w.Context(), f)
			w.ok(err)
			paged = append(paged, ids(runs)...)
			if f.Cursor = next; next == "" {
				break
			}
		}
		w.is("page by page", paged, pick(8, 7, 6, 5, 4, 3, 2, 1, 0))
		if _, _, err := w.v.Runs(w.Context(), view.RunFilter{Cursor: "rubbish"}); !errors.Is(err, view.ErrCursor) {
			w.Errorf("a cursor of rubbish: %v", err)
		}
	})
}

func text(s string) *string { return &s }

// Incidents are found by every filter of the portal's queue, whatever the case.
func TestIncidentsAreFound(t *testing.T) {
	worlds(t, func(w *world) {
		day := func(d int) time.Time { return time.Date(2026, 3, d, 12, 0, 0, 0, time.UTC) }
		for i, in := range []incident.Incident{
			{ID: "defender/1", Source: "defender", Title: "DLP policy matched: Payroll", Severity: "high", Status: "active", Policies: []string{"Payroll data shared outside"}, ServiceSources: []incident.ServiceSource{"dataLossPrevention"}, AssignedTo: text("Dana@contoso.example"), Tags: []string{"VIP", "weird ' tag"}},
			{ID: "defender/2", Source: "defender", Title: "Mass download 100% of files", Severity: "low", Status: "resolved", Policies: []string{"USB"}, Evidence: incident.Evidence{Users: []incident.User{{UPN: text("Omar.Officer@contoso.example")}}, Files: []incident.File{{Name: text("Salaries_2026.xlsx")}}}},
			{ID: "sentinel/ws/3", Source: "sentinel", Title: "payroll again", Severity: "high", Status: "inProgress", Policies: []string{"USB", "payroll data shared outside"}},
		} {
			in.CreatedAt = day(i + 1)
			w.put("incident", in.ID, map[string]any{"incident": in, "digest": "d"})
		}
		w.put("other", "defender/9", "not an incident")
		find := func(f view.IncidentFilter) string {
			w.Helper()
			w.ok(w.v.Catch(w.Context()))
			found, _, err := w.v.Incidents(w.Context(), f)
			w.ok(err)
			var all []string
			for _, in := range found {
				all = append(all, in.ID[len(in.ID)-1:])
			}
			return strings.Join(all, "")
		}
		for want, filters := range map[string][]view.IncidentFilter{
			"321": {{}},
			"31":  {{Policy: "PAYROLL data shared outside"}, {Severity: "High"}, {Text: "payroll"}},
			"1":   {{Tag: "vip"}, {Tag: "weird ' tag"}, {Source: "datalossprevention"}, {Status: "Active"}, {Assignee: "dana@CONTOSO.example"}, {Until: day(2)}, {Text: "matched dlp"}, {Severity: "high", Source: "defender"}},
			"2":   {{User: "omar.officer"}, {User: "omar.officer@contoso.example"}, {Text: "100%"}, {Text: "salaries_2026"}, {Since: day(2), Until: day(3)}},
			"3":   {{Source: "sentinel"}, {Status: "inprogress"}, {Since: day(3)}, {Policy: "usb", Severity: "high"}},
			"":    {{Tag: "%"}, {Text: "payroll usb_"}, {User: "omar"}, {Policy: "payroll"}, {Text: "salariesx2026"}, {Source: "defender", Status: "inProgress"}},
		} {
			for _, f := range filters {
				if got := find(f); got != want {
					w.Errorf("%+v finds %q, it must be %q", f, got, want)
				}
			}
		}
		w.put("incident", "defender/1", map[string]any{"incident": incident.Incident{ID: "defender/1", Status: "resolved", CreatedAt: day(1)}})
		w.is("by the old tag after a change", find(view.IncidentFilter{Tag: "vip"}), "")
		w.is("by the new status", find(view.IncidentFilter{Status: "resolved"}), "21")
		w.ok(w.s.Delete(w.Context(), "incident", "defender/2", engine.AnyVersion))
		w.is("after a deletion", find(view.IncidentFilter{}), "31")
		page, next, err := w.v.Incidents(w.Context(), view.IncidentFilter{Limit: 1})
		w.ok(err)
		w.is("first page", page[0].ID, "sentinel/ws/3")
		page, next, err = w.v.Incidents(w.Context(), view.IncidentFilter{Limit: 1, Cursor: next})
		w.ok(err)
		w.is("second page", page[0].ID+next, "defender/1")
	})
}

// Effects without a certain outcome and questions that wait are listed until
// they are no more.
func TestEffectsAndApprovals(t *testing.T) {
	worlds(t, func(w *world) {
		st := w.begin("contain", "defender/1")
		audit := func(kind, effect, status string) engine.Audit {
			return engine.Audit{Kind: kind, Effect: effect, Run: st.Run, Step: "unshare/" + effect, Playbook: "contain", Action: "files.unshare", Class: "writes", Target: &actions.Target{Kind: "file", ID: "f1", Name: "pay.xlsx"}, Status: status, Why: "because"}
		}
		open := func() (all []string) {
			w.ok(w.v.Catch(w.Context()))
			effects, err := w.v.Effects(w.Context(), view.EffectFilter{Open: true})
			w.ok(err)
			for _, e := range effects {
				all = append(all, e.ID+" "+string(e.Status))
			}
			slices.Sort(all)
			return all
		}
		w.settle(&st, engine.Then{}, audit("effect.intent", "a", ""), audit("effect.intent", "b", ""), audit("run.begin", "", ""))
		w.is("begun", open(), []string{"a begun", "b begun"})
		w.settle(&st, engine.Then{}, audit("effect.result", "a", "done"), audit("effect.open", "b", "open"))
		w.is("open", open(), []string{"b open"})
		w.settle(&st, engine.Then{}, audit("effect.result", "b", "unknown"))
		w.is("unknown", open(), []string{"b unknown"})
		w.is("runs to be resolved", w.runs(view.RunFilter{Status: "unknown"})[0].Unknown, []string{"unshare/b"})
		w.settle(&st, engine.Then{}, audit("effect.resolve", "b", "done"))
		w.is("resolved", open(), []string{})
		w.is("runs to be resolved", len(w.runs(view.RunFilter{Status: "unknown"})), 0)
		effects, err := w.v.Effects(w.Context(), view.EffectFilter{Target: "f1", Run: st.Run, Status: "done"})
		w.ok(err)
		w.is("effects on the file", len(effects), 2)
		w.is("target", effects[0].Target.Name, "pay.xlsx")

		for i, status := range []string{"waiting", "approved", "waiting"} {
			w.put("approval", fmt.Sprint("a", i), engine.Approval{ID: fmt.Sprint("a", i), Run: st.Run, Status: status, AskedAt: w.now.Add(time.Duration(i))})
		}
		waiting := func() (all []string) {
			w.ok(w.v.Catch(w.Context()))
			as, err := w.v.Approvals(w.Context(), "waiting")
			w.ok(err)
			for _, a := range as {
				all = append(all, a.ID)
			}
			return all
		}
		w.is("waiting", waiting(), []string{"a0", "a2"})
		w.put("approval", "a0", engine.Approval{ID: "a0", Status: "rejected"})
		w.ok(w.s.Delete(w.Context(), "approval", "a2", engine.AnyVersion))
		w.is("waiting", waiting(), []string{})
		all, err := w.v.Approvals(w.Context(), "")
		w.ok(err)
		w.is("all", len(all), 2)
	})
}

// What cannot be read is named, and keeps nothing else from being seen.
func TestUnread(t *testing.T) {
	worlds(t, func(w *world) {
		w.put("incident", "defender/1", []byte("{"))
		w.put("incident", "defender/2", []byte(`{"incident": 7}`))
		w.put("approval", "a1", []byte("[]"))
		w.ok(w.s.Note(w.Context(), []byte("no JSON")))
		_, err := w.s.Begin(w.Context(), engine.Begin{Request: w.request(), Playbook: "p", Head: []byte("\x00")})
		w.ok(err)
		w.is("runs", len(w.runs(view.RunFilter{})), 1)
		unread, err := w.v.Unread(w.Context())
		w.ok(err)
		var what []string
		for _, u := range unread {
			what = append(what, u.What)
		}
		w.is("unread", what[:4], []string{"incident defender/1", "incident defender/2", "approval a1", "audit record"})
		w.is("unread in all", len(what), 5)
	})
}

// A view goes on where it stopped, several of one file take each record once,
// and one that has lost the store's track is built anew.
func TestCatch(t *testing.T) {
	worlds(t, func(w *world) {
		for range 5 {
			w.begin("p", "s")
		}
		w.is("runs", len(w.runs(view.RunFilter{})), 5)
		seq, at, err := w.v.Position(w.Context())
		w.ok(err)
		if seq == 0 || !at.Equal(w.now) {
			w.Errorf("the view stands at %d, %s", seq, at)
		}
		w.ok(w.v.Close())
		w.open()
		w.begin("p", "s")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				v, err := view.Open(w.Context(), w.path, w.s)
				if err == nil {
					err = errors.Join(v.Catch(w.Context()), v.Close())
				}
				if err != nil {
					w.Error(err)
				}
			})
		}
		wg.Wait()
		w.is("runs", len(w.runs(view.RunFilter{})), 6)
	})
}

// forgetful is a store that was replaced by another.
type forgetful struct{ view.Source }

func TestRebuild(t *testing.T) {
	worlds(t, func(w *world) {
		w.begin("p", "s")
		w.is("runs", len(w.runs(view.RunFilter{})), 1)
		other, err := sqlitestore.OpenMemory(time.Now)
		w.ok(err)
		defer other.Close()
		for i := range 3 {
			_, err := other.Begin(w.Context(), engine.Begin{Request: fmt.Sprint(i), Playbook: "q", Head: []byte("{}")})
			w.ok(err)
		}
		w.ok(w.v.Close())
		w.v, err = view.Open(w.Context(), w.path, forgetful{other})
		w.ok(err)
		runs := w.runs(view.RunFilter{})
		w.is("runs of the other store", len(runs), 3)
		w.is("playbook", runs[0].Playbook, "q")
	})
}

// A source that fails is told, and nothing of its page is taken.
func TestSourceFails(t *testing.T) {
	worlds(t, func(w *world) {
		w.begin("p", "s")
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		if err := w.v.Catch(ctx); !errors.Is(err, context.Canceled) {
			w.Errorf("Catch of nobody answers %v", err)
		}
		w.is("runs", len(w.runs(view.RunFilter{})), 1)
		if info, err := os.Stat(w.path); err != nil || info.Mode().Perm() != 0o600 {
			w.Errorf("mode of the file: %v, %v", info.Mode(), err)
		}
	})
}

// How fast a view is built: runs of ten settles with an audited effect each.
func BenchmarkCatch(b *testing.B) {
	s, err := sqlitestore.OpenMemory(time.Now)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	head := encode(b, engine.Head{StartedBy: "bench"})
	for i := range 2000 {
		if _, err := s.Begin(b.Context(), engine.Begin{Request: fmt.Sprint(i), Playbook: "p", Head: head}); err != nil {
			b.Fatal(err)
		}
		c, err := s.Claim(b.Context(), engine.Claim{Max: 1, Last: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		in := engine.Settlement{Lease: c.Strands[0].Lease, Facts: [][]byte{make([]byte, 190)}}
		for k := range 10 {
			in.Request, in.Audit = fmt.Sprint(k), nil
			switch k {
			case 4, 5:
				in.Audit = [][]byte{encode(b, engine.Audit{Kind: "effect.intent", Effect: fmt.Sprint(i), Run: in.Lease.Run, Step: "x"})}
			case 9:
				in.Then.End = &engine.End{Outcome: "succeeded"}
			}
			a, err := s.Settle(b.Context(), in)
			if err != nil {
				b.Fatal(err)
			}
			in.Lease.Seq, in.Seen = in.Lease.Seq+1, a.Seen
		}
	}
	b.ResetTimer()
	records := int64(0)
	for range b.N {
		v, err := view.Open(b.Context(), filepath.Join(b.TempDir(), "view.db"), s)
		if err != nil {
			b.Fatal(err)
		}
		if err := v.Catch(b.Context()); err != nil {
			b.Fatal(err)
		}
		seq, _, err := v.Position(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		records += seq
		v.Close()
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

package rehearse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

// track tries incidents one after the other.
type track struct {
	b         Backtest
	now       time.Time
	desk      Desk
	sides     []*side
	past      *past
	answers   map[string]engine.Answer // on the present incident, by what was asked; nil: not looked for yet
	dressed   bool                     // the practice tenant was asked to take the present incident
	misplaced error                    // why it did not
	assumed   map[string]bool          // steps of the present run whose effects nobody has looked at
}

// side is one of the playbooks on a track, with a store and an engine of its own:
// two editions of a playbook may have the same id.
type side struct {
	*track
	book    *playbooks.Playbook
	params  map[string]any
	store   *sqlitestore.Store
	engine  *engine.Engine
	trouble *troubles
	last    time.Time // of the last run
	runs    int       // since the store was emptied
}

// fewRuns is after how many runs a store is emptied, so that it stays small.
const fewRuns = 64

func newTrack(b Backtest) (*track, error) {
	t := &track{b: b, now: founded()}
	var err error
	if t.desk, err = b.Desk(t.clock); err != nil {
		return nil, err
	}
	if !b.Practice {
		t.desk.Catalog = t.recordings(t.desk.Catalog)
	}
	for _, c := range b.Books {
		s, err := t.side(c)
		if err != nil {
			t.close()
			return nil, err
		}
		t.sides = append(t.sides, s)
	}
	return t, nil
}

func (t *track) clock() time.Time { return t.now }

func (t *track) close() {
	for _, s := range t.sides {
		_ = s.store.Close() // it is in memory: there is nothing to lose
	}
}

// side checks a playbook again, so that its steps act through this track.
func (t *track) side(c Candidate) (*side, error) {
	w := t.b.World
	w.Catalog, w.Groups = t.desk.Catalog, nil // who is in a group now is no fault of the playbook
	w.Calls, w.Lists = map[string]playbooks.Source{}, map[string]playbooks.List{}
	for _, b := range append([]*playbooks.Playbook{c.Book}, c.Book.Calls...) {
		if b != c.Book {
			w.Calls[b.ID] = playbooks.Source{File: b.File, Text: b.Text}
		}
		for _, l := range b.Lists {
			w.Lists[l.Name] = l
		}
	}
	book, findings := playbooks.LoadAndCheck(c.Book.File, c.Book.Text, w)
	for _, f := range findings {
		if f.Severity == playbooks.SeverityError {
			return nil, fmt.Errorf("the playbook has errors: %s", f.Text())
		}
	}
	s := &side{track: t, book: book, params: c.Params, trouble: &troubles{}}
	var err error
	if s.store, err = sqlitestore.OpenMemory(t.clock); err != nil {
		return nil, err
	}
	s.engine = engine.New(s.store, s.store, t.desk.Catalog, engine.Options{
		Now: t.clock, Groups: t.b.World.Groups, OwnDomains: t.b.World.OwnDomains, Labels: t.b.World.Labels, Guardrails: t.b.Guardrails,
		Log: slog.New(s.trouble), Lease: time.Hour,
	})
	return s, nil
}

// bring makes an incident the present one.
func (t *track) bring(in incident.Incident) (err error) {
	t.answers, t.dressed, t.misplaced = nil, false, nil
	t.past, err = newPast(in, t.b.AsKept)
	return err
}

// world gets ready to answer about the present incident, which a run is about to
// be begun for.
func (t *track) world(ctx context.Context) error {
	switch {
	case !t.b.Practice && t.answers == nil:
		t.answers = map[string]engine.Answer{}
		if t.b.Recorded == nil {
			return nil
		}
		all, err := t.b.Recorded(ctx, t.past.now.ID)
		if err != nil {
			return fmt.Errorf("what past runs read: %w", err)
		}
		t.learn(all)
	case t.b.Practice && !t.dressed:
		t.dressed = true
		if err := t.desk.Reset(); err != nil {
			return fmt.Errorf("practice tenant: %w", err)
		}
		t.misplaced = t.place()
	}
	return nil
}

// place puts the present incident into the practice tenant.
func (t *track) place() error {
	_, id, err := incident.ParseID(t.past.now.ID)
	if err != nil {
		return err
	}
	graph, err := graphOf(t.past.later.Incident)
	if err != nil {
		return err
	}
	return t.desk.Inject(id, graph)
}

// try offers the present incident to the playbook and runs what that starts.
func (s *side) try(ctx context.Context) (Tried, error) {
	now := s.past.now
	out := Tried{Incident: now.ID, Title: now.Title, Severity: string(now.Severity), CreatedAt: now.CreatedAt.UTC(), Verdict: NotMatched, Runs: []Would{}}
	var offers [][]*playbooks.Offer // of each, one starts the playbook
	if s.book.On.Incident != nil {
		offers = append(offers, []*playbooks.Offer{s.past.ofIncident(s.book.On.Incident)})
	}
	if s.book.On.Alert != nil {
		alerts, err := s.past.ofAlerts(s.book.On.Alert)
		if err != nil {
			return out, err
		}
		offers = append(offers, alerts...)
	}
	if len(offers) == 0 {
		out.Because = "it has no alerts, and only alerts start the playbook"
	}
	for _, list := range offers {
		runs := len(out.Runs)
		for i := 0; i < len(list) && len(out.Runs) == runs; i++ {
			if err := s.offer(ctx, list[i], &out); err != nil {
				return out, err
			}
		}
	}
	return out, ctx.Err()
}

// offer asks the playbook about one event and, if that starts it, runs it. What is
// said of the whole is said of the first event that matched, else of the first
// that gave no answer, else of the first.
func (s *side) offer(ctx context.Context, o *playbooks.Offer, out *Tried) error {
	ev := o.Event()
	v, err := o.DecideWith(s.book, s.params, s.b.World.OwnDomains, ev.At)
	verdict := NotMatched
	switch {
	case err != nil:
		verdict = NoAnswer
	case v.Matched:
		verdict = Matched
	}
	if out.Because == "" || weight(verdict) > weight(out.Verdict) {
		out.Verdict, out.Because = verdict, v.Because
	}
	if verdict != Matched {
		return nil
	}
	if err := s.world(ctx); err != nil {
		return err
	}
	run, err := s.run(ctx, ev)
	if err != nil {
		return err
	}
	would := s.would(run)
	would.Because = v.Because
	out.Runs = append(out.Runs, would)
	return nil
}

// run plans the playbook for an event.
func (s *side) run(ctx context.Context, ev playbooks.Event) (engine.Run, error) {
	if s.misplaced != nil {
		why := "the incident cannot be put into the practice tenant: " + s.misplaced.Error()
		return engine.Run{Status: "failed", Event: ev, Error: &engine.Fault{Code: "invalid", Message: why}}, nil
	}
	if s.runs >= fewRuns || s.runs > 0 && ev.At.Before(s.last) { // a store's time never goes back
		if err := s.store.Empty(ctx); err != nil {
			return engine.Run{}, err
		}
		s.runs = 0
	}
	s.runs++
	s.now, s.assumed, s.trouble.found = ev.At, map[string]bool{}, nil
	defer func() { s.last = s.now }()
	begun, err := s.engine.Start(ctx, engine.Start{Book: s.book, Event: ev, Params: s.params, Mode: engine.ModePlan, By: "trigger:" + ev.Trigger})
	if errors.Is(err, engine.ErrRefused) {
		return engine.Run{Status: "failed", Event: ev, Error: &engine.Fault{Code: "refused", Message: err.Error()}}, nil
	}
	if err != nil {
		return engine.Run{}, err
	}
	for range mostMoves {
		due, err := s.engine.RunDue(ctx)
		if err != nil {
			return engine.Run{}, err
		}
		if len(s.trouble.found) > 0 || due.IsZero() || due.Sub(ev.At) > longest {
			break
		}
		if due.After(s.now) {
			s.now = due
		}
	}
	r, err := s.engine.Run(ctx, begun.Run)
	if err == nil && !r.Ended() {
		why := "it waits for " + cmp.Or(strings.Join(r.WaitsFor, " and "), "nobody")
		if len(s.trouble.found) > 0 {
			why = "the engine stopped: " + s.trouble.found[0]
		}
		r.Status, r.Error = "failed", &engine.Fault{Code: "stuck", Message: why}
	}
	return r, err
}

package rehearse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

// lane tries cases one after another. What is costly to make is made once: the
// store with its statements, the world, the checked playbooks.
type lane struct {
	o       Options
	now     time.Time
	desk    Desk
	catalog *actions.Catalog // the desk's, asking the stage first
	store   *sqlitestore.Store
	books   map[string]*playbooks.Playbook // by text and lists
	engines map[string]*engine.Engine      // by groups and lists
	stage   *stage
	trouble *troubles
	moves   int // how often the clock of a case may be moved
}

func newLane(o Options) (*lane, error) {
	l := &lane{o: o, now: founded(), books: map[string]*playbooks.Playbook{}, engines: map[string]*engine.Engine{}, trouble: &troubles{}, moves: mostMoves}
	var err error
	if l.desk, err = o.Desk(l.clock); err != nil {
		return nil, err
	}
	l.catalog = l.standIns(l.desk.Catalog)
	if l.store, err = sqlitestore.OpenMemory(l.clock); err != nil {
		return nil, err
	}
	return l, nil
}

// founded is when the world is made: before any case, so that what it gives out
// then, such as tokens, is valid in all.
func founded() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

// beginning is when a case takes place whose event has no time.
func beginning() time.Time { return time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC) }

func (l *lane) clock() time.Time { return l.now }

func (l *lane) close() { _ = l.store.Close() } // it is in memory: there is nothing to lose

// world is what the playbook of a suite is checked against.
func (l *lane) world(s *Suite, c *playbooks.Case) (playbooks.World, error) {
	w := s.within(l.o.World)
	w.Catalog = l.catalog
	if len(c.Lists) > 0 {
		w.Lists = maps.Clone(w.Lists)
		if w.Lists == nil {
			w.Lists = map[string]playbooks.List{}
		}
		for name, items := range c.Lists {
			known := w.Lists[name]
			known.Name = name
			other, err := known.With(items)
			if err != nil {
				return w, err
			}
			w.Lists[name] = other
		}
	}
	return w, nil
}

// within is the world with what the playbook of the suite may call and ask.
func (s *Suite) within(w playbooks.World) playbooks.World {
	if s.Calls != nil {
		w.Calls = s.Calls
	}
	if s.Lists != nil {
		w.Lists = s.Lists
	}
	return w
}

// book answers a playbook whose steps act through this lane.
func (l *lane) book(s *Suite, c *playbooks.Case) (*playbooks.Playbook, error) {
	key := s.Book.File + "\x00" + string(s.Book.Text) + "\x00" + compact(c.Lists)
	if b := l.books[key]; b != nil {
		return b, nil
	}
	w, err := l.world(s, c)
	if err != nil {
		return nil, err
	}
	b, findings := playbooks.LoadAndCheck(s.Book.File, s.Book.Text, w)
	for _, f := range findings {
		if f.Severity == playbooks.SeverityError {
			return nil, fmt.Errorf("the playbook has errors: %s:%d:%d: %s", f.File, f.Line, f.Column, f.Message)
		}
	}
	l.books[key] = b
	return b, nil
}

// engine answers the engine for a case: the people of its groups are those of
// the operator's file, or where that names none, whoever the cases name.
func (l *lane) engine(s *Suite, c *playbooks.Case, b *playbooks.Playbook) *engine.Engine {
	groups := l.o.World.Groups
	key := "groups"
	if groups == nil {
		groups = s.groups(b)
		key = s.Cases.File
	}
	if e := l.engines[key]; e != nil {
		return e
	}
	e := engine.New(l.store, l.store, l.catalog, engine.Options{
		Now: l.clock, Groups: groups, OwnDomains: l.o.World.OwnDomains, Labels: l.o.World.Labels, Guardrails: l.o.Guardrails,
		Log: slog.New(l.trouble), Lease: time.Hour,
	})
	l.engines[key] = e
	return e
}

// groups makes up who is in the groups that approvers name: everybody whom a
// case lets decide, and as many more as a quorum may need.
func (s *Suite) groups(b *playbooks.Playbook) map[string][]string {
	var people []string
	for _, c := range s.Cases.Cases {
		for _, answers := range c.Approvals {
			for _, d := range answers {
				people = append(people, d.By...)
			}
		}
	}
	groups := map[string][]string{}
	visit := func(_ string, step *playbooks.Step) {
		if step.Kind != playbooks.Approve || step.Approve.Approvers == nil {
			return
		}
		v, err := step.Approve.Approvers.Eval(playbooks.Env{})
		list, ok := v.([]any)
		if err != nil || !ok {
			return // it depends on the run: the case has to name people
		}
		for _, who := range list {
			name, _ := who.(string)
			if name == "" || strings.Contains(name, "@") {
				continue
			}
			all := slices.Clone(people)
			for i := range max(step.Approve.Quorum, 1) + 1 {
				all = append(all, fmt.Sprintf("%s-%d@rehearsal.example", name, i+1))
			}
			slices.Sort(all)
			groups[name] = slices.Compact(append(groups[name], slices.Compact(all)...))
		}
	}
	b.Walk(visit)
	for _, called := range b.Calls {
		called.Walk(visit)
	}
	for name := range groups {
		slices.SortFunc(groups[name], cmp.Compare)
		groups[name] = slices.Compact(groups[name])
	}
	return groups
}

// try tries one case.
func (l *lane) try(ctx context.Context, s *Suite, c *playbooks.Case) Result {
	begun := time.Now()
	r := Result{File: s.Cases.File, Line: c.Line, Name: c.Name, Status: Passed}
	p := &play{lane: l, suite: s, c: c}
	wrong, err := p.perform(ctx)
	r.Run, r.Reached, r.Took = p.run, p.reached, time.Since(begun)
	switch {
	case err != nil:
		r.Status, r.Message = Broken, err.Error()
		if _, is := errors.AsType[*stuckError](err); is {
			r.Status = Failed
		}
	case len(wrong) > 0:
		r.Status, r.Message = Failed, strings.Join(wrong, "\n")
	}
	return r
}

// troubles takes what the engine logs as errors: strands that it had to set
// aside, and panics. A case in which that happens is broken.
type troubles struct{ found []string }

func (t *troubles) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

func (t *troubles) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" || a.Key == "panic" {
			text += ": " + a.Value.String()
		}
		return true
	})
	t.found = append(t.found, text)
	return nil
}

func (t *troubles) WithAttrs([]slog.Attr) slog.Handler { return t }
func (t *troubles) WithGroup(string) slog.Handler      { return t }

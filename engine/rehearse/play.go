package rehearse

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// play is one case while it is tried.
type play struct {
	lane    *lane
	suite   *Suite
	c       *playbooks.Case
	book    *playbooks.Playbook
	engine  *engine.Engine
	begun   string // id of the run
	started time.Time
	answers map[string]*question // by id of the approval
	asked   map[string]int       // how often each answer of the case was asked for
	posted  int
	ended   bool // the cancel was given
	run     engine.Run
	event   playbooks.Event
	params  map[string]any
	reached Reached
	refused string // why no run was begun
}

// question is an approval with what the case says to it.
type question struct {
	approval engine.Approval
	answer   *playbooks.CaseDecision
	at       time.Time // when people answer
	given    bool
}

// stuckError says that a case waits for what it does not give.
type stuckError struct{ message string }

func (e *stuckError) Error() string { return e.message }

// Bounds of a case: how often its clock may be moved, and how far.
const (
	mostMoves = 30_000
	longest   = 10 * 365 * 24 * time.Hour
)

// perform plays the case and answers what is not as expected. The error says
// that it could not be played to its end.
func (p *play) perform(ctx context.Context) (wrong []string, err error) {
	l := p.lane
	l.stage, l.trouble.found = newStage(p.c), nil
	p.answers, p.asked = map[string]*question{}, map[string]int{}
	if p.book, err = l.book(p.suite, p.c); err != nil {
		return nil, err
	}
	p.engine = l.engine(p.suite, p.c, p.book)
	if err := l.desk.Reset(); err != nil {
		return nil, fmt.Errorf("practice tenant: %w", err)
	}
	scene, err := p.sceneOf()
	if err != nil {
		return nil, err
	}
	p.event, l.now = scene.event, scene.event.At
	if !p.c.Now.IsZero() {
		l.now = p.c.Now.UTC()
	}
	if err := l.store.Empty(ctx); err != nil {
		return nil, err
	}
	if err := p.dress(scene); err != nil {
		return nil, err
	}
	if err := p.start(ctx); err != nil {
		return nil, err
	}
	if p.refused == "" {
		if err := p.drive(ctx); err != nil {
			return nil, err
		}
	}
	if l.stage.missing != nil {
		return nil, l.stage.missing
	}
	return p.judge(), nil
}

// dress puts the incident and the faults of the case into the world.
func (p *play) dress(s scene) error {
	if s.graph != nil {
		if err := p.lane.desk.Inject(s.id, s.graph); err != nil {
			return fmt.Errorf("the incident cannot be put into the practice tenant: %w", err)
		}
	}
	if len(p.c.Faults) == 0 {
		return nil
	}
	list, err := faultsOf(p.c.Faults)
	if err == nil {
		err = p.lane.desk.Faults(list)
	}
	if err != nil {
		return fmt.Errorf("faults: %w", err)
	}
	return nil
}

// start begins the run if the trigger says so.
func (p *play) start(ctx context.Context) (err error) {
	if p.params, err = p.book.CaseParams(p.c.Params); err != nil {
		return err
	}
	names, err := p.book.EventNames(p.event)
	if err != nil {
		return err
	}
	names["params"] = p.params
	if !p.book.OnlyCalled() {
		verdict, err := p.book.Matches(p.event, names, p.lane.o.World.OwnDomains, p.lane.now)
		p.reached.trigger(p.book, p.event, verdict)
		if err != nil && verdict.Because == "" {
			return err
		}
		if !verdict.Matched {
			p.refused = verdict.Because
			return nil // a condition that gives no answer starts nothing, and says so
		}
	}
	mode := p.c.Mode
	if mode == "" {
		mode = engine.ModeLive
	}
	book := p.book
	if mode == engine.ModeLive && book.Status != "stable" && book.Status != "deprecated" {
		book = asStable(book)
	}
	by := "rehearsal"
	if p.event.By != "" {
		by = p.event.By
	}
	p.started = p.lane.now
	begun, err := p.engine.Start(ctx, engine.Start{Book: book, Event: p.event, Params: p.params, Mode: mode, By: by})
	if err != nil {
		return err
	}
	p.begun = begun.Run
	return nil
}

// asStable is a playbook that may run live: a test says what a draft will do.
func asStable(b *playbooks.Playbook) *playbooks.Playbook {
	stable := *b
	stable.Status = "stable"
	return &stable
}

// drive lets the run go on until nothing more happens, moving the clock to what
// is due next.
func (p *play) drive(ctx context.Context) error {
	l := p.lane
	until := p.started.Add(longest)
	for range l.moves {
		next, err := p.engine.RunDue(ctx)
		if err != nil {
			return err
		}
		if len(l.trouble.found) > 0 {
			return fmt.Errorf("the engine stopped: %s", l.trouble.found[0])
		}
		due, acted, err := p.people(ctx)
		if err != nil {
			return err
		}
		if acted {
			continue
		}
		next = sooner(next, due)
		if next.IsZero() || next.After(until) {
			return p.finish(ctx, next)
		}
		if p.over(ctx) {
			return p.finish(ctx, time.Time{})
		}
		if next.After(l.now) {
			l.now = next
		}
	}
	return &stuckError{fmt.Sprintf("the clock was moved %d times and the run has not ended; %s", l.moves, p.waits(ctx))}
}

// over reports whether the run waits for what the case does not give and is
// expected to.
func (p *play) over(ctx context.Context) bool {
	if p.c.Expect.Status != "waiting" {
		return false
	}
	r, err := p.engine.Run(ctx, p.begun)
	if err != nil || r.Ended() || !p.idle() {
		return err == nil && r.Ended()
	}
	for _, q := range p.answers {
		if q.answer == nil {
			return true
		}
	}
	return slices.ContainsFunc(r.WaitsFor, func(on string) bool { return strings.Contains(on, "event ") })
}

// idle reports whether the case has nothing more to give.
func (p *play) idle() bool {
	for _, q := range p.answers {
		if q.answer != nil && !q.given {
			return false
		}
	}
	return p.posted == len(p.c.Events) && (p.c.Cancel == nil || p.ended)
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// finish reads the run when nothing more happens.
func (p *play) finish(ctx context.Context, next time.Time) error {
	r, err := p.engine.Run(ctx, p.begun)
	if err != nil {
		return err
	}
	p.run = r
	p.reached.run(p.book, r)
	switch {
	case r.Ended() || p.c.Expect.Status == "waiting":
		return nil
	case !next.IsZero():
		return &stuckError{fmt.Sprintf("the run has not ended after %s of its time; %s", p.lane.now.Sub(p.started).Round(time.Second), p.waits(ctx))}
	}
	return &stuckError{"the run does not end: " + p.waits(ctx)}
}

// waits says what a run waits for.
func (p *play) waits(ctx context.Context) string {
	r, err := p.engine.Run(ctx, p.begun)
	if err != nil {
		return err.Error()
	}
	if len(r.WaitsFor) == 0 {
		return "it is " + r.Status
	}
	return "it waits for " + strings.Join(r.WaitsFor, " and ")
}

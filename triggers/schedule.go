package triggers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// Schedules starts what comes by the clock: playbooks at times, and for what
// their queries find. Any number of nodes may run it over one store; each tick
// begins once, because its time is the key under which its run begins. One node
// at a time decides over a trigger; another takes over within holdTick.
type Schedules struct {
	Engine *engine.Engine
	Docs   engine.Documents
	Books  []*playbooks.Playbook
	Hunter *Hunter          // nil: no playbook hunts
	Holder string           // name of this node
	Now    func() time.Time // default time.Now
	Log    *slog.Logger

	began time.Time
}

const (
	holdTick   = 30 * time.Second // after which another node takes over a trigger from one that is lost
	holdAgain  = 10 * time.Second // until it is looked again what another node or a freeze holds up
	storeAgain = 5 * time.Second  // until a store that did not answer is asked again
	longSleep  = time.Minute      // a clock may be set: it is looked at that often
	laneTimed  = 3                // of runs that no incident began
)

// Run decides over ticks as they come, until ctx ends. It fails only for a
// schedule that was not checked.
func (s *Schedules) Run(ctx context.Context) error {
	s.fill()
	all, err := TimedOf(s.Books)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, t := range all {
		if t.Book.Status == "draft" {
			continue
		}
		wg.Go(func() { s.attend(ctx, t) })
	}
	wg.Wait()
	<-ctx.Done()
	return nil
}

func (s *Schedules) fill() {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.began = s.Now()
}

// attend looks after one trigger until ctx ends.
func (s *Schedules) attend(ctx context.Context, t Timed) {
	down := false
	var next time.Time // when it has to be looked at; zero: now
	for {
		if !next.After(s.Now()) {
			at, err := s.look(ctx, t)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				if !down {
					s.Log.Error("a schedule cannot be looked at; trying again", "playbook", t.Book.ID, "trigger", t.Trigger, "error", err)
				}
				at = s.Now().Add(storeAgain)
			case down:
				s.Log.Info("the schedule is looked at again", "playbook", t.Book.ID, "trigger", t.Trigger)
			}
			down, next = err != nil, at
		}
		if !pause(ctx, min(max(next.Sub(s.Now()), 0), longSleep)) {
			return
		}
	}
}

// never is when a schedule without further ticks is looked at again.
const never = 24 * time.Hour

// look does what is due of a trigger, and answers when to look again.
func (s *Schedules) look(ctx context.Context, t Timed) (time.Time, error) {
	st, version, err := s.state(ctx, t)
	if err != nil {
		return time.Time{}, err
	}
	now := s.Now()
	o := t.owes(st.From, now)
	later := o.next
	if later.IsZero() {
		later = now.Add(never)
	}
	switch {
	case o.last.IsZero():
		return later, nil
	case st.Failing != nil && now.Before(st.Failing.RetryAt):
		return st.Failing.RetryAt, nil
	}
	frozen, err := s.Engine.Frozen(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if frozen.On {
		return now.Add(holdAgain), nil
	}
	name := "timed/" + scheduleKey(t.Book.ID, t.Trigger)
	token, err := s.Docs.Hold(ctx, name, s.Holder, holdTick)
	if err != nil {
		return time.Time{}, err
	}
	if token == 0 {
		return now.Add(holdAgain), nil
	}
	defer s.holding(ctx, name)()
	// What another node has decided meanwhile is not decided again.
	if again, v, err := s.state(ctx, t); err != nil || v != version {
		return now, err
	} else if st = again; st.Failing != nil && len(o.begin) == 0 {
		o.begin, o.skipped = []Tick{t.tick(o.last)}, o.skipped-1 // it was there for it, and could not
	}
	st, err = s.decide(ctx, t, st, o)
	if err != nil {
		return time.Time{}, err
	}
	if err := s.keep(context.WithoutCancel(ctx), st, version); err != nil {
		return time.Time{}, err
	}
	if st.Failing != nil {
		return st.Failing.RetryAt, nil
	}
	return later, nil
}

// holding keeps a trigger held until the answer is called. Who loses it all the
// same begins nothing twice: that is for the keys of runs.
func (s *Schedules) holding(ctx context.Context, name string) (done func()) {
	held, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		every := time.NewTicker(holdTick / 3)
		defer every.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-every.C:
				_, _ = s.Docs.Hold(held, name, s.Holder, holdTick) // an error shows elsewhere
			}
		}
	})
	return func() {
		stop()
		wg.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_, _ = s.Docs.Hold(ctx, name, s.Holder, 0) // else it runs out
	}
}

// state answers how far a trigger is. One that is seen for the first time begins
// now; one whose schedule was changed begins anew when this node began.
func (s *Schedules) state(ctx context.Context, t Timed) (Schedule, int64, error) {
	st, version, err := scheduleAt(ctx, s.Docs, t.Book.ID, t.Trigger)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		st = Schedule{Playbook: t.Book.ID, Trigger: t.Trigger, From: s.began}
	case err != nil:
		return st, 0, err
	case st.As == t.as():
		return st, version, nil
	}
	if st.From.Before(s.began) {
		st.From = s.began
	}
	st.As, st.Failing = t.as(), nil
	if err := s.keep(ctx, st, version); err != nil {
		return st, 0, err
	}
	return scheduleAt(ctx, s.Docs, t.Book.ID, t.Trigger)
}

// decide begins what is owed. What fails for now is told once and tried again.
func (s *Schedules) decide(ctx context.Context, t Timed, st Schedule, o owed) (Schedule, error) {
	ticked := Ticked{ScheduledAt: o.last.UTC(), Outcome: TickSkipped, Because: "nobody was there at its time, and misfire is " + t.When.Misfire, Skipped: o.skipped}
	if len(o.begin) > 0 && t.Trigger == "hunting" { // a query answers as of now: once is enough
		ticked.Skipped += len(o.begin) - 1
		o.begin = o.begin[len(o.begin)-1:]
	}
	for _, tick := range o.begin {
		ticked.ScheduledAt = tick.At.UTC()
		if err := s.do(ctx, t, tick, "trigger:"+t.Trigger, &ticked); err != nil {
			if ctx.Err() != nil {
				return st, context.Cause(ctx)
			}
			return s.failed(t, st, tick, err), nil
		}
		st.From = tick.At
	}
	if st.Failing != nil {
		s.Log.Info("a schedule works again", "playbook", t.Book.ID, "trigger", t.Trigger, "failed", st.Failing.Times)
	}
	ticked.DecidedAt = s.Now().UTC()
	st.From, st.Failing, st.Last = o.last, nil, &ticked
	s.tell(t, ticked)
	return st, nil
}

// tell logs a decision.
func (s *Schedules) tell(t Timed, d Ticked) {
	about := []any{"playbook", t.Book.ID, "trigger", t.Trigger, "scheduled_at", d.ScheduledAt, "outcome", d.Outcome, "because", d.Because, "runs", d.Runs}
	if d.Run != "" {
		about = append(about, "run", d.Run)
	}
	if d.Skipped > 0 {
		about = append(about, "skipped", d.Skipped)
	}
	level := slog.LevelInfo
	if d.Outcome == TickFailed {
		level = slog.LevelError
	}
	if h := d.Hunted; h != nil {
		about = append(about, "rows", h.Rows, "known", h.Known, "left", h.Left, "unreadable", h.Unreadable, "truncated", h.Truncated)
		if h.Left > 0 || h.Unreadable > 0 || h.Truncated {
			level = max(level, slog.LevelWarn)
		}
	}
	s.Log.Log(context.Background(), level, "schedule", about...)
}

// The waits between attempts at a tick that could not be done.
const (
	firstRetry = time.Minute
	lastRetry  = time.Hour
)

// failed notes a tick that could not be done yet. The first time it is told.
func (s *Schedules) failed(t Timed, st Schedule, tick Tick, cause error) Schedule {
	now := s.Now().UTC()
	f := Failing{ScheduledAt: tick.At.UTC(), Since: now, Error: cause.Error()}
	if st.Failing != nil {
		f.Since, f.Times = st.Failing.Since, st.Failing.Times
	}
	wait := min(firstRetry<<min(f.Times, 10), lastRetry)
	f.Times++
	f.RetryAt = now.Add(max(wait, retryAfter(cause)))
	if st.Failing == nil {
		s.Log.Error("a schedule could not be done; trying again", "playbook", t.Book.ID, "trigger", t.Trigger, "scheduled_at", tick.At.UTC(), "error", cause)
	}
	st.Failing = &f
	return st
}

// ByHand does what a tick of a trigger would do, now, for a person. The schedule
// goes on as it is; an error says that it could not be done.
func (s *Schedules) ByHand(ctx context.Context, t Timed, by string) (Ticked, error) {
	s.fill()
	now := s.Now().UTC()
	d := Ticked{ScheduledAt: now, DecidedAt: now}
	err := s.do(ctx, t, Tick{now, now}, by, &d)
	return d, err
}

// do does what a tick asks for. An error says to try again.
func (s *Schedules) do(ctx context.Context, t Timed, tick Tick, by string, d *Ticked) error {
	if t.Trigger == "hunting" {
		return s.hunt(ctx, t, tick, by, d)
	}
	begun, err := s.begin(ctx, t.Book, t.event(tick), by)
	if err != nil {
		return err
	}
	d.count(begun)
	return nil
}

// event is what a tick tells. Its id makes the tick begin once.
func (t Timed) event(tick Tick) playbooks.Event {
	at := tick.At.UTC()
	if t.Trigger == "hunting" {
		return playbooks.Event{ID: at.Format(time.RFC3339Nano), Trigger: "hunting", Kind: "rows", At: at}
	}
	return playbooks.Event{ID: at.Format(time.RFC3339Nano), Trigger: "schedule", Kind: "tick", At: at, Scheduled: at}
}

// came is what an event came to for a playbook.
type came struct {
	outcome, because string
	run              string
	fresh            bool // it was begun just now
}

// count adds what an event came to. Of several the gravest is told.
func (d *Ticked) count(c came) {
	if d.Outcome != TickFailed && (d.Outcome != TickBegun || c.outcome == TickFailed) {
		d.Outcome, d.Because = c.outcome, c.because
	}
	if c.run != "" {
		d.Run = c.run
	}
	if c.fresh {
		d.Runs++
	}
}

// begin begins the run of an event that starts the playbook.
func (s *Schedules) begin(ctx context.Context, book *playbooks.Playbook, ev playbooks.Event, by string) (came, error) {
	c := s.judge(book, ev)
	if c.outcome != TickBegun {
		return c, nil
	}
	return s.start(ctx, book, ev, by, c.because)
}

// judge says whether an event starts the playbook.
func (s *Schedules) judge(book *playbooks.Playbook, ev playbooks.Event) came {
	verdict, err := playbooks.NewOffer(ev).Matches(book, s.Engine.World().OwnDomains, s.Now())
	switch {
	case err != nil: // fail closed: a condition that cannot be decided starts nothing, and says so
		return came{outcome: TickFailed, because: err.Error()}
	case !verdict.Matched:
		return came{outcome: TickNo, because: verdict.Because}
	}
	return came{outcome: TickBegun, because: verdict.Because}
}

// start begins a run, once for each id of an event. An error says to try again.
func (s *Schedules) start(ctx context.Context, book *playbooks.Playbook, ev playbooks.Event, by, because string) (came, error) {
	params, err := book.BindParams(nil)
	if err != nil {
		return came{outcome: TickFailed, because: fmt.Sprintf("the params: %v", err)}, nil
	}
	begun, err := s.Engine.Start(ctx, engine.Start{Book: book, Event: ev, Params: params, Mode: engine.ModeLive, By: by, Lane: laneTimed})
	switch {
	case errors.Is(err, engine.ErrRefused):
		return came{outcome: TickFailed, because: err.Error()}, nil
	case err != nil:
		return came{}, err
	case begun.Busy:
		return came{outcome: TickBusy, because: "the concurrency key is held, or its queue is full"}, nil
	}
	return came{outcome: TickBegun, because: because, run: begun.Run, fresh: begun.New}, nil
}

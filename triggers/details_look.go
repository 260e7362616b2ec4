package triggers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/dlp"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// How much a round of looking does at most.
const (
	mostDue    = 200 // incidents
	mostPasses = 16  // over the log: it keeps seven days
	mostRead   = 100 // contents of it in a pass
	fullPasses = 5   // that read so many
	scanned    = 500 // documents at a time

	passSpan  = 24 * time.Hour // of the log, in a pass
	leastSpan = time.Minute    // which is not divided

	longestRound = 5 * time.Minute
	longestReads = 3 * time.Minute    // of a round; what was read by then is taken
	longUnserved = 3 * 24 * time.Hour // that content is not handed out: by then the service is in order again, and it is not
	mostUnserved = 3                  // contents of a round that the service does not hand out: with more, it is the service
)

// looking is one round of looking for details: what is due is looked for in the
// same reading of the log.
type looking struct {
	*reading
	client   *activity.Client
	due      []*sought
	busy     bool      // something was due
	read     int       // contents
	over     time.Time // by this node's clock: then no more of them are read
	missed   int       // contents that the service did not hand out
	again    time.Time // when the first of these became available; zero: none
	subjects []dlp.Subject
	owners   []*sought // of subjects
	index    dlp.Index
	known    map[string]string // names of sensitive information types; nil: not asked for
	failed   error             // the first failure of a single incident
}

// lookOnce looks once for what is due, and keeps how that went.
func (f *Feed) lookOnce(ctx context.Context, p *Polled) error {
	if f.Activity == nil {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, longestRound)
	defer stop()
	r := &reading{feed: f, polled: p, ask: map[string]bool{}}
	var err error
	if r.now, err = r.clock(ctx, classActivity); err != nil {
		return err
	}
	l := &looking{reading: r, client: f.Activity.Paced(f.drawer(classActivity)), over: time.Now().Add(longestReads)}
	if err = errors.Join(l.round(ctx), l.failed); err != nil {
		f.refused(ctx, err)
		if e, is := errors.AsType[*connectors.Error](err); is && activity.NoSubscription(err) {
			e.Hint = "run hunting.start_dlp_feed once; the first events come after up to twelve hours"
		}
		err = fmt.Errorf("details of alerts: %w", err)
	}
	return errors.Join(err, l.tell(context.WithoutCancel(ctx), err))
}

func (l *looking) round(ctx context.Context) error {
	if err := l.load(ctx); err != nil {
		return err
	}
	for range mostPasses {
		if len(l.due) == 0 || l.read >= fullPasses*l.feed.reads || time.Now().After(l.over) {
			return nil
		}
		if err := l.pass(ctx); err != nil {
			return err
		}
	}
	return nil
}

// load finds what is due, the longest first, with what has been found before.
func (l *looking) load(ctx context.Context) error {
	err := eachSought(ctx, l.feed.Docs, func(w *sought) {
		for id, a := range w.Alerts { // of when the store's clock was ahead
			a.Looked = earliest(a.Looked, l.now)
			w.Alerts[id] = a
		}
		if w.due().After(l.now) {
			return
		}
		if l.due = append(l.due, w); len(l.due) >= 2*mostDue {
			l.due = longest(l.due)
		}
	})
	if err != nil {
		return err
	}
	l.due = longest(l.due)
	l.busy = len(l.due) > 0
	all := l.due
	l.due = nil
	for _, w := range all {
		if first := l.now.Add(-lookBack); w.From.Before(first) {
			w.From, w.Short = first, true
		}
		w.at = earliest(w.From, l.now)
		s, err := l.feed.load(ctx, w.id)
		if err == nil {
			err = l.feed.loadEvents(ctx, w)
		}
		switch {
		case err != nil && !single(err):
			return fmt.Errorf("incident %s: %w", w.id, err)
		case err != nil:
			l.failed = errors.Join(l.failed, fmt.Errorf("incident %s: %w", w.id, err))
			continue
		}
		l.due = append(l.due, w)
		for _, x := range dlp.Subjects(s.Incident) {
			l.subjects, l.owners = append(l.subjects, x), append(l.owners, w)
		}
	}
	l.index = dlp.NewIndex(l.subjects)
	return nil
}

// longest are those that are due the longest, not more than a round takes.
func longest(due []*sought) []*sought {
	slices.SortStableFunc(due, func(a, b *sought) int { return a.due().Compare(b.due()) })
	return due[:min(len(due), mostDue)]
}

// eachSought reads every incident that is looked for.
func eachSought(ctx context.Context, docs engine.Documents, each func(*sought)) error {
	for after := ""; ; {
		list, err := docs.Each(ctx, docSought, after, scanned)
		if err != nil {
			return fmt.Errorf("what is looked for: %w", err)
		}
		for _, d := range list {
			w, err := readSought(d)
			if err != nil {
				return err
			}
			each(w)
		}
		if len(list) < scanned {
			return nil
		}
		after = list[len(list)-1].Key
	}
}

// settle keeps how far an incident has been looked for, and fills its alerts when
// that is up to now: then it answers true.
func (l *looking) settle(ctx context.Context, w *sought) (ends bool, err error) {
	if err := l.feed.keepEvents(ctx, w); err != nil {
		return false, err
	}
	if w.at.Before(l.now) {
		kept, err := l.feed.keepSought(ctx, w)
		return !kept, err
	}
	filled, err := l.fill(ctx, w)
	if err != nil {
		return false, err
	}
	if !filled { // it is due still
		_, err := l.feed.keepSought(ctx, w)
		return true, err
	}
	for id, a := range w.Alerts {
		w.Alerts[id] = soughtAlert{Base: a.Base, Looked: l.now}
	}
	if w.due().IsZero() {
		return true, l.feed.forget(ctx, w)
	}
	_, err = l.feed.keepSought(ctx, w)
	return true, err
}

// fill fills the alerts of an incident with what was found, which is an event if
// that is something new. It answers false where somebody else has taken the
// incident meanwhile.
func (l *looking) fill(ctx context.Context, w *sought) (bool, error) {
	before, err := l.feed.load(ctx, w.id)
	if err != nil || before.version == 0 {
		return true, err
	}
	if before.Pending != nil {
		if done, err := l.finish(ctx, &before); err != nil || !done {
			return false, err
		}
	}
	found, err := l.found(ctx, before.Incident, w)
	if err != nil {
		return false, err
	}
	after := before
	after.Incident = before.Incident.With(found)
	changes := incident.Diff(before.Incident, after.Incident, nil)
	if len(changes) == 0 {
		return true, nil
	}
	text, err := after.Incident.FoundDigest()
	if err != nil {
		return false, err
	}
	ev := playbooks.Event{
		Trigger: "incident", Kind: "updated", ID: "details/" + digestOf(text)[:16], At: l.now,
		NewAlerts: []string{}, Detailed: incident.NewDetails(changes),
	}
	for _, c := range changes {
		ev.Changes = append(ev.Changes, c.Field)
	}
	after.Revision++
	if err := l.decided(ctx, ev, &after); err != nil && !errors.Is(err, errOvertaken) {
		return false, err
	}
	now, err := l.feed.load(ctx, w.id)
	if err != nil || len(incident.Diff(now.Incident, now.Incident.With(found), nil)) > 0 {
		return false, err
	}
	l.count(func(p *Polled) { p.Detailed++ })
	return true, nil
}

// found is what the events tell of the alerts of an incident. What was told by
// more of them stands: the log forgets.
func (l *looking) found(ctx context.Context, in incident.Incident, w *sought) (map[string]incident.Found, error) {
	had := map[string]*incident.Details{}
	for _, a := range in.Alerts {
		had[a.ID] = a.Details
	}
	all := map[string]incident.Found{}
	for _, x := range dlp.Subjects(in) {
		told := x.Tell(w.events)
		if err := l.name(ctx, told); err != nil {
			return nil, err
		}
		f, is := told.Found(!w.Short)
		d := had[x.Alert.ID]
		if !is || d != nil && d.Events > f.Details.Events {
			continue
		}
		if d != nil && d.Events == f.Details.Events {
			f.Details.Complete = d.Complete
		}
		all[x.Alert.ID] = f
	}
	return all, nil
}

// name gives names to types that the log tells by their ids alone.
func (l *looking) name(ctx context.Context, told dlp.Alert) error {
	if !told.Nameless() {
		return nil
	}
	if l.known == nil {
		var err error
		if l.known, err = l.client.SensitiveTypes(ctx); err != nil {
			return askedOf(classActivity, err)
		}
	}
	told.Name(l.known)
	return nil
}

// looks for details until ctx ends, beside the polls: a log that does not answer,
// or not at once, holds no incident up.
func (f *Feed) looks(ctx context.Context) {
	if f.Activity == nil {
		return
	}
	quiet := told{log: f.Log}
	for ctx.Err() == nil {
		var p Polled
		err := f.lookOnce(ctx, &p)
		if ctx.Err() != nil {
			return
		}
		quiet.tell("the audit log", err)
		if p.Detailed > 0 {
			f.Log.Info("details of alerts", "incidents", p.Detailed, "runs", p.Started, "held", p.Held)
		}
		pause(ctx, max(f.Poll, retryAfter(err)))
	}
}

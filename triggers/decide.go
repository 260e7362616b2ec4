package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// loopWindow is the time in which Feed.Loops runs of a playbook begin for an
// incident.
const loopWindow = time.Hour

// keptAlerts is how long it is known in which incident an alert was: incidents
// are kept no longer where they come from.
const keptAlerts = 180 * 24 * time.Hour

// decide asks every playbook whether an event concerns it. Nothing is begun yet.
func (r *reading) decide(ev playbooks.Event, s *stored) (*pending, error) {
	p := &pending{Event: ev, Others: []Verdict{}}
	s.Starts = r.recent(s.Starts)
	var err error
	if ev.Incident, err = json.Marshal(s.Incident); err != nil {
		return nil, fmt.Errorf("%w: %w", errFaulty, err)
	}
	offer := playbooks.NewOffer(ev)
	byAlert := []*playbooks.Playbook{}
	for _, book := range r.feed.Books {
		if book.On.Alert != nil {
			byAlert = append(byAlert, book)
		}
		if book.On.Incident != nil || book.On.Alert == nil {
			r.offer(p, s, offer, book, "")
		}
	}
	if len(byAlert) == 0 {
		return p, nil
	}
	for _, a := range s.Incident.Alerts {
		if ev.Kind == "updated" && !slices.Contains(ev.NewAlerts, a.ID) && !slices.Contains(ev.Detailed, a.ID) {
			continue
		}
		about, err := alertEvent(ev, s.Incident, a)
		if err != nil {
			return nil, err
		}
		offer := playbooks.NewOffer(about)
		for _, book := range byAlert {
			r.offer(p, s, offer, book, a.ID)
		}
	}
	return p, nil
}

// alertEvent is the event that an alert is new, or detailed; ev is that of its
// incident. Its id is the same, so that an alert starts a playbook once.
func alertEvent(ev playbooks.Event, in incident.Incident, a incident.Alert) (playbooks.Event, error) {
	kind := "created"
	if slices.Contains(ev.Detailed, a.ID) && !slices.Contains(ev.NewAlerts, a.ID) {
		kind = "detailed"
	}
	about := playbooks.Event{ID: "alert/" + a.ID, Trigger: "alert", Kind: kind, At: ev.At, Incident: ev.Incident}
	if err := about.GiveAlert(a, in.Evidence.Of(a.ID)); err != nil {
		return about, fmt.Errorf("%w: %w", errFaulty, err)
	}
	return about, nil
}

// recent are the starts of the last hour.
func (r *reading) recent(all map[string][]time.Time) map[string][]time.Time {
	out := maps.Clone(all)
	for book, times := range out {
		times = slices.DeleteFunc(slices.Clone(times), func(t time.Time) bool { return r.now.Sub(t) >= loopWindow })
		if out[book] = times; len(times) == 0 {
			delete(out, book)
		}
	}
	if out == nil {
		out = map[string][]time.Time{}
	}
	return out
}

// offer asks one playbook. A condition that cannot be decided starts nothing,
// and says so.
func (r *reading) offer(p *pending, s *stored, offer *playbooks.Offer, book *playbooks.Playbook, alert string) {
	not := func(outcome, because string) {
		p.Others = append(p.Others, Verdict{Playbook: book.ID, Alert: alert, Outcome: outcome, Because: because})
	}
	if book.Status == "draft" {
		not(OutcomeDraft, "its status is draft: no event starts it")
		return
	}
	v, err := offer.Decide(book, r.feed.Engine.World().OwnDomains, r.now)
	starts := s.Starts[book.ID]
	switch {
	case err != nil:
		r.feed.Log.Error("a trigger's condition failed", "playbook", book.ID, "incident", s.Incident.ID, "error", err)
		not(OutcomeError, cutReason(v.Because))
	case !v.Matched:
		not(OutcomeNot, v.Because)
	case alert != "" && slices.Contains(s.Begun[book.ID], alert):
		not(OutcomeBefore, "the alert has begun a run of it before")
	case len(starts) >= r.feed.Loops:
		r.count(func(p *Polled) { p.Held++ })
		r.feed.Log.Error("a run is held: loop suspected", "playbook", book.ID, "incident", s.Incident.ID, "runs", len(starts), "within", loopWindow.String())
		not(OutcomeLoop, fmt.Sprintf("%d runs of it were begun for this incident within an hour: it may have been started by what it does itself; start it by hand if not", len(starts)))
	default:
		s.Starts[book.ID] = append(starts, r.now)
		p.Starts = append(p.Starts, start{Playbook: book.ID, Alert: alert, Because: v.Because})
	}
}

// everyBook is one verdict for all playbooks.
func (f *Feed) everyBook(outcome, because string) []Verdict {
	all := make([]Verdict, 0, len(f.Books))
	for _, b := range f.Books {
		all = append(all, Verdict{Playbook: b.ID, Outcome: outcome, Because: because})
	}
	return all
}

// begin begins a run that was decided on.
func (r *reading) begin(ctx context.Context, st start, ev playbooks.Event, s *stored) (Verdict, error) {
	f := r.feed
	v := Verdict{Playbook: st.Playbook, Alert: st.Alert, Because: st.Because}
	at := slices.IndexFunc(f.Books, func(b *playbooks.Playbook) bool { return b.ID == st.Playbook })
	if at < 0 {
		v.Outcome, v.Because = OutcomeGone, "the playbook is no longer here"
		return v, nil
	}
	book := f.Books[at]
	params, err := book.BindParams(nil)
	if err != nil {
		return r.refuse(v, s, fmt.Errorf("a playbook that a trigger starts needs defaults for its params: %w", err)), nil
	}
	by := "trigger:incident"
	if st.Alert != "" {
		by = "trigger:alert"
		if ev, err = r.ofAlert(st.Alert, ev, s); err != nil {
			return v, err
		}
		elsewhere, err := r.seenIn(ctx, st.Alert, s.Incident.ID)
		if err != nil || elsewhere != "" {
			v.Outcome, v.Because = OutcomeBefore, "the alert was in incident "+elsewhere+" before"
			return v, err
		}
	}
	begun, err := f.Engine.Start(ctx, engine.Start{
		Book: book, Event: ev, Params: params, Mode: engine.ModeLive, By: by, Lane: lane(s.Incident.Severity),
	})
	switch {
	case errors.Is(err, engine.ErrRefused):
		return r.refuse(v, s, err), nil
	case err != nil:
		return v, err
	case begun.Busy:
		v.Outcome = OutcomeBusy
		f.Log.Info("no run begun: busy with this incident", "playbook", book.ID, "incident", s.Incident.ID, "when_busy", book.Concurrency.WhenBusy)
	case begun.New:
		v.Outcome, v.Run = OutcomeBegun, begun.Run
		r.count(func(p *Polled) { p.Started++ })
		f.Log.Info("run begun", "run", begun.Run, "playbook", book.ID, "incident", s.Incident.ID, "because", st.Because)
	default:
		v.Outcome, v.Run = OutcomeBefore, begun.Run
	}
	if st.Alert != "" && v.Run != "" && !slices.Contains(s.Begun[book.ID], st.Alert) {
		s.Begun = maps.Clone(s.Begun)
		if s.Begun == nil {
			s.Begun = map[string][]string{}
		}
		s.Begun[book.ID] = append(slices.Clip(s.Begun[book.ID]), st.Alert)
	}
	if why := f.Engine.Shadows(book); why != "" {
		v.Because = "in shadow, for " + why + "; " + strings.TrimSpace(v.Because)
	}
	return v, nil
}

func (r *reading) refuse(v Verdict, s *stored, err error) Verdict {
	r.feed.Log.Error("no run begun", "playbook", v.Playbook, "incident", s.Incident.ID, "error", err)
	v.Outcome, v.Because = OutcomeRefused, cutReason(err.Error())
	return v
}

// ofAlert is the event of an alert that the incident has.
func (r *reading) ofAlert(id string, ev playbooks.Event, s *stored) (playbooks.Event, error) {
	for _, a := range s.Incident.Alerts {
		if a.ID == id {
			return alertEvent(ev, s.Incident, a)
		}
	}
	return ev, fmt.Errorf("%w: the alert %s is not in it", errFaulty, id)
}

// seenIn answers in which other incident an alert was when playbooks were begun
// for it. Alerts move as incidents are merged, and are not new by that.
func (r *reading) seenIn(ctx context.Context, alert, in string) (elsewhere string, err error) {
	_, err = r.feed.Docs.Put(ctx, engine.Document{Kind: docAlert, Key: alert, Body: []byte(in), Expires: keptAlerts})
	if !errors.Is(err, engine.ErrConflict) {
		return "", err
	}
	doc, err := r.feed.Docs.Get(ctx, docAlert, alert)
	if err != nil || string(doc.Body) == in {
		return "", err
	}
	return string(doc.Body), nil
}

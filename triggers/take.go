package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// The kinds of documents that the feed keeps of an incident.
const (
	docIncident = "incident"
	docAlert    = "alert" // in which incident it was when a playbook was started for it
)

// impossible is how far in the future a date may lie: one that lies further says
// nothing of what came before or after.
const impossible = 24 * time.Hour

// stored is the body of an incident document.
type stored struct {
	Incident incident.Incident `json:"incident"`
	Digest   string            `json:"digest"` // of the body as the API sent it
	Revision int               `json:"revision,omitempty"`
	// Over are effects of ours, by the field that they wrote, that others have
	// changed since: what we wrote is news again.
	Over map[string]string `json:"over,omitempty"`
	// Starts are the times at which runs of a playbook were begun within the
	// last hour, by playbook.
	Starts map[string][]time.Time `json:"starts,omitempty"`
	// Sought are the newest activities of alerts since which the alerts are looked
	// for in the audit log, by alert.
	Sought map[string]time.Time `json:"sought,omitempty"`
	// Pending is what this revision begins, until all of it is begun: a crash
	// between neither forgets a run nor begins one twice.
	Pending *pending `json:"pending,omitempty"`

	version int64
}

// pending is what is begun for a revision.
type pending struct {
	Event  playbooks.Event `json:"event"` // without the incident, which stands beside it
	Starts []start         `json:"starts"`
	Others []Verdict       `json:"others"` // of the playbooks that are not begun
}

// start is a run that is to be begun.
type start struct {
	Playbook string `json:"playbook"`
	Alert    string `json:"alert,omitempty"` // of a playbook that alerts start
	Because  string `json:"because"`
}

// load answers what is kept of an incident; its version is 0 if nothing is.
func (f *Feed) load(ctx context.Context, id string) (stored, error) {
	doc, err := f.Docs.Get(ctx, docIncident, id)
	if errors.Is(err, engine.ErrNotFound) {
		return stored{}, nil
	}
	var s stored
	if err == nil {
		err = json.Unmarshal(doc.Body, &s)
	}
	if err != nil {
		return s, fmt.Errorf("as stored: %w", err)
	}
	s.version, s.Revision = doc.Version, max(s.Revision, 1)
	return s, nil
}

// keep writes what is known of an incident. It answers false where another node
// has taken it meanwhile.
func (f *Feed) keep(ctx context.Context, s *stored) (bool, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return false, err
	}
	s.version, err = f.Docs.Put(ctx, engine.Document{Kind: docIncident, Key: s.Incident.ID, Body: body, Version: s.version})
	if errors.Is(err, engine.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("keep it: %w", err)
	}
	return true, nil
}

// take looks what is new in one incident and begins the runs it asks for. What
// it decides is kept before it is done, and what was decided before and not done
// is done first.
func (r *reading) take(ctx context.Context, from source, g sighting) error {
	before, err := r.feed.load(ctx, g.id)
	if err != nil {
		return err
	}
	if before.Pending != nil {
		if done, err := r.finish(ctx, &before); err != nil || !done {
			return err
		}
	}
	digest := digestOf(g.raw)
	if before.version != 0 && (before.Digest == digest || g.bare && g.at.Equal(before.Incident.UpdatedAt)) {
		return nil
	}
	if before.version == 0 {
		if carried, err := r.carried(ctx, g.id); err != nil || carried {
			return err
		}
	}
	in, err := from.whole(ctx, g)
	if err != nil {
		return err
	}
	if in.ID != g.id {
		return fmt.Errorf("%w: it is called %s and was asked for as %s", errFaulty, cutReason(in.ID), g.id)
	}
	if err := r.readable(ctx, g.id); err != nil {
		return err
	}
	return r.revise(ctx, before, in, digest)
}

// revise takes in a revision of an incident.
func (r *reading) revise(ctx context.Context, before stored, in incident.Incident, digest string) error {
	after := before
	after.Incident, after.Digest, after.Pending = in.Keeping(before.Incident), digest, nil
	if in.RedirectedTo != nil && (before.Incident.RedirectedTo == nil || *before.Incident.RedirectedTo != *in.RedirectedTo) {
		r.lead(*in.RedirectedTo)
	}
	ev, err := r.event(ctx, before, &after)
	if err != nil {
		return err
	}
	if after.Digest == before.Digest { // it is an older revision
		return nil
	}
	if ev.Kind != adopted {
		if err := r.seek(ctx, &after); err != nil {
			return err
		}
	}
	if ev.Kind == "" { // nothing happened to it
		_, err := r.feed.keep(ctx, &after)
		return err
	}
	after.Revision++
	if ev.Kind == adopted {
		if _, err := r.feed.keep(ctx, &after); err != nil {
			return err
		}
		return r.note(ctx, &after, ev, r.feed.everyBook(OutcomeOlder, "the incident was opened before the feed began, at "+stamp(r.mark.Began)))
	}
	return r.decided(ctx, ev, &after)
}

// decided decides what a revision begins, keeps that and begins it.
func (r *reading) decided(ctx context.Context, ev playbooks.Event, after *stored) error {
	held, err := r.ruled(ctx, ev, after)
	if err != nil || held {
		return err
	}
	if after.Pending, err = r.decide(ev, after); err != nil {
		return err
	}
	if len(after.Pending.Starts) > 0 { // else nothing is begun, and nothing can be lost
		if kept, err := r.feed.keep(ctx, after); err != nil || !kept {
			return err
		}
	}
	_, err = r.finish(ctx, after)
	return err
}

// adopted is the kind of event of an incident that was there before the feed.
const adopted = "adopted"

// event is what happened to an incident; without a kind, nothing did.
func (r *reading) event(ctx context.Context, before stored, after *stored) (playbooks.Event, error) {
	in := after.Incident
	ev := playbooks.Event{Trigger: "incident", At: in.UpdatedAt}
	if before.version == 0 {
		ev.Kind, ev.ID = "created", "created"
		if !in.CreatedAt.IsZero() && in.CreatedAt.Before(r.mark.Began) {
			ev.Kind = adopted
			for _, a := range in.Alerts {
				ev.NewAlerts = append(ev.NewAlerts, a.ID)
			}
			return ev, nil
		}
		r.count(func(p *Polled) { p.New++ })
		return ev, nil
	}
	if older(in, before.Incident, r.now) { // of a replica that lags behind
		*after = before
		return ev, nil
	}
	if len(incident.Diff(before.Incident, in, nil)) == 0 {
		return ev, nil
	}
	own, err := r.own(ctx, before.Incident, after)
	if err != nil {
		return ev, err
	}
	changes := incident.Diff(before.Incident, in, own)
	if len(changes) == 0 {
		return ev, nil
	}
	body, err := json.Marshal(in.Bare()) // details that come meanwhile make no other event of it
	if err != nil {
		return ev, fmt.Errorf("%w: %w", errFaulty, err)
	}
	ev.Kind, ev.ID = "updated", "updated/"+stamp(in.UpdatedAt)+"/"+digestOf(body)[:16]
	for _, c := range changes {
		ev.Changes = append(ev.Changes, c.Field)
	}
	ev.NewAlerts = incident.NewAlerts(changes)
	r.count(func(p *Polled) { p.Changed++ })
	return ev, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// older reports whether in is an earlier revision than the one that is kept.
func older(in, kept incident.Incident, now time.Time) bool {
	if kept.UpdatedAt.After(now.Add(impossible)) {
		return false
	}
	if c := in.UpdatedAt.Compare(kept.UpdatedAt); c != 0 {
		return c < 0
	}
	last := map[string]time.Time{}
	for _, a := range kept.Alerts {
		last[a.ID] = a.UpdatedAt
	}
	behind := false
	for _, a := range in.Alerts {
		was, both := last[a.ID]
		if both && a.UpdatedAt.After(was) {
			return false
		}
		behind = behind || both && a.UpdatedAt.Before(was)
	}
	return behind
}

// finish begins what a revision begins, and keeps what became of it. It answers
// false where another node has done so.
func (r *reading) finish(ctx context.Context, s *stored) (bool, error) {
	p := s.Pending
	ev := p.Event
	var err error
	if ev.Incident, err = json.Marshal(s.Incident); err != nil {
		return false, fmt.Errorf("%w: %w", errFaulty, err)
	}
	verdicts := p.Others
	for _, st := range p.Starts {
		v, err := r.begin(ctx, st, ev, s)
		if err != nil {
			return false, err
		}
		verdicts = append(verdicts, v)
	}
	if err := r.note(ctx, s, ev, verdicts); err != nil {
		return false, err
	}
	s.Pending = nil
	return r.feed.keep(ctx, s)
}

// lane of an incident: the more severe, the more often it is drawn.
func lane(s incident.Severity) int {
	switch s {
	case "high":
		return 0
	case "medium":
		return 1
	case "low":
		return 2
	}
	return 3
}

package rehearse

import (
	"encoding/json"
	"time"

	"stanch/connectors/incident"
	"stanch/playbooks"
)

// opened is an incident as it was when it was opened, as far as its newest
// revision tells: what people and playbooks write in the course of the work is
// taken away. Alerts and evidence stay, those too that came later.
func opened(in incident.Incident) incident.Incident {
	in.Status, in.Classification, in.Determination = "active", "unknown", "unknown"
	in.AssignedTo, in.RedirectedTo = nil, nil
	in.Tags, in.Comments = []string{}, []incident.Comment{}
	alerts := make([]incident.Alert, len(in.Alerts))
	for i, a := range in.Alerts {
		a.Status, a.Classification, a.Determination = "new", "unknown", "unknown"
		a.AssignedTo, a.ResolvedAt, a.Comments = nil, nil, []incident.Comment{}
		alerts[i] = a
	}
	in.Alerts = alerts
	return in
}

// past is one incident as it is offered to playbooks. What both sides are offered
// alike is made once.
type past struct {
	now     incident.Incident
	then    incident.Incident // as the playbooks see it
	raw     json.RawMessage   // of then
	created *playbooks.Offer
	alerts  []*playbooks.Offer
}

func newPast(in incident.Incident, asKept bool) (*past, error) {
	p := &past{now: in, then: in}
	if !asKept {
		p.then = opened(in)
	}
	var err error
	p.raw, err = json.Marshal(p.then)
	return p, err
}

// opening is when the incident was opened: the time at which it is tried. One that
// gives no date, or none that a clock can show, is tried as a case without one.
func (p *past) opening() time.Time { return shown(p.now.CreatedAt, latest(p.now)) }

// shown is the first of these times that a clock can show.
func shown(times ...time.Time) time.Time {
	for _, t := range times {
		if y := t.Year(); y >= 1970 && y < 2200 {
			return t.UTC()
		}
	}
	return beginning()
}

// ofIncident offers the incident to a playbook that incidents start: as opened, or
// where it listens to changes only, as changed in all that it listens to. Such a
// change is dated as the last one was.
func (p *past) ofIncident(t *playbooks.IncidentTrigger) *playbooks.Offer {
	for _, kind := range t.Events {
		if kind != "created" {
			continue
		}
		if p.created == nil {
			p.created = playbooks.NewOffer(playbooks.Event{ID: "created", Trigger: "incident", Kind: "created", At: p.opening(), Incident: p.raw})
		}
		return p.created
	}
	ev := playbooks.Event{ID: "updated", Trigger: "incident", Kind: "updated", At: shown(latest(p.now)), Changes: t.Changes, Incident: p.raw}
	for _, a := range p.then.Alerts {
		ev.NewAlerts = append(ev.NewAlerts, a.ID)
	}
	return playbooks.NewOffer(ev)
}

// ofAlerts offers each alert, at the time when it was raised.
func (p *past) ofAlerts() ([]*playbooks.Offer, error) {
	if p.alerts != nil {
		return p.alerts, nil
	}
	p.alerts = []*playbooks.Offer{}
	for _, a := range p.then.Alerts {
		ev := playbooks.Event{ID: "alert/" + a.ID, Trigger: "alert", Kind: "created", At: p.opening(), Incident: p.raw}
		if a.CreatedAt.After(ev.At) {
			ev.At = shown(a.CreatedAt, ev.At)
		}
		if err := giveAlert(&ev, a, p.then.Evidence.Of(a.ID)); err != nil {
			return nil, err
		}
		p.alerts = append(p.alerts, playbooks.NewOffer(ev))
	}
	return p.alerts, nil
}

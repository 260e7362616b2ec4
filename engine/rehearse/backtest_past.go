package rehearse

import (
	"encoding/json"
	"slices"
	"time"

	"stanch/connectors/incident"
	"stanch/playbooks"
)

// opened is an incident as it was when it was opened, as far as its newest
// revision tells: what people and playbooks write in the course of the work is
// taken away; what the audit log told of its alerts is kept apart. Alerts and evidence stay, those too that came later.
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

// past is one incident as it is offered to playbooks. What all sides are offered
// alike is made once.
type past struct {
	now     incident.Incident
	first   state // as playbooks see what is new
	later   state // as they see what has changed
	created *playbooks.Offer
	alerts  []pastAlert
}

// state is an incident as playbooks see it.
type state struct {
	incident.Incident
	raw json.RawMessage
}

// pastAlert is an alert as it is offered: when it is new, and when the audit log
// tells more of it; nil, if it does not.
type pastAlert struct{ created, detailed *playbooks.Offer }

func newPast(in incident.Incident, asKept bool) (*past, error) {
	p := &past{now: in, later: state{Incident: in}}
	if !asKept {
		p.later.Incident = opened(in)
	}
	var err error
	if p.later.raw, err = json.Marshal(p.later.Incident); err != nil {
		return nil, err
	}
	p.first = p.later
	if told := slices.ContainsFunc(in.Alerts, func(a incident.Alert) bool { return a.Details != nil }); told && !asKept {
		p.first.Incident = p.later.Bare()
		p.first.raw, err = json.Marshal(p.first.Incident)
	}
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
			p.created = playbooks.NewOffer(playbooks.Event{ID: "created", Trigger: "incident", Kind: "created", At: p.opening(), Incident: p.first.raw})
		}
		return p.created
	}
	ev := playbooks.Event{ID: "updated", Trigger: "incident", Kind: "updated", At: shown(latest(p.now)), Changes: t.Changes, Incident: p.later.raw}
	for _, a := range p.later.Alerts {
		ev.NewAlerts = append(ev.NewAlerts, a.ID)
	}
	return playbooks.NewOffer(ev)
}

// ofAlerts offers each alert in all that a playbook listens to, in order: it starts
// the playbook once. One that has no details is offered to every playbook as new,
// so that it is told what was missing.
func (p *past) ofAlerts(t *playbooks.AlertTrigger) ([][]*playbooks.Offer, error) {
	if err := p.readAlerts(); err != nil {
		return nil, err
	}
	all := make([][]*playbooks.Offer, 0, len(p.alerts))
	for _, a := range p.alerts {
		var offers []*playbooks.Offer
		if a.detailed == nil || slices.Contains(t.Events, "created") {
			offers = append(offers, a.created)
		}
		if a.detailed != nil && slices.Contains(t.Events, "detailed") {
			offers = append(offers, a.detailed)
		}
		all = append(all, offers)
	}
	return all, nil
}

// readAlerts makes the offers of the alerts: each is new when it was raised, and is
// detailed when the incident changed last.
func (p *past) readAlerts() error {
	if p.alerts != nil {
		return nil
	}
	p.alerts = []pastAlert{}
	for i, a := range p.first.Alerts {
		at := p.opening()
		if a.CreatedAt.After(at) {
			at = shown(a.CreatedAt, at)
		}
		var out pastAlert
		var err error
		if out.created, err = p.first.ofAlert("created", a, at); err != nil {
			return err
		}
		if now := p.later.Alerts[i]; now.Details != nil {
			if out.detailed, err = p.later.ofAlert("detailed", now, shown(latest(p.now))); err != nil {
				return err
			}
		}
		p.alerts = append(p.alerts, out)
	}
	return nil
}

func (s state) ofAlert(kind string, a incident.Alert, at time.Time) (*playbooks.Offer, error) {
	ev := playbooks.Event{ID: "alert/" + a.ID, Trigger: "alert", Kind: kind, At: at, Incident: s.raw}
	err := ev.GiveAlert(a, s.Evidence.Of(a.ID))
	return playbooks.NewOffer(ev), err
}

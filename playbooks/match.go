package playbooks

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"stanch/connectors/incident"
)

// incidentChanges are the fields of an incident whose change an update tells.
func incidentChanges() []string {
	return []string{
		"alerts", "evidence", "severity", "status", "classification", "determination", "assigned_to", "title",
		"description", "tags", "system_tags", "comments", "policies", "service_sources", "redirected_to", "details",
	}
}

// incidentType is what `incident` is in expressions.
var incidentType = sync.OnceValue(func() Type { return TypeOf(reflect.TypeFor[incident.Incident]()) })

// evidenceType is what `evidence` is.
var evidenceType = sync.OnceValue(func() Type { return TypeOf(reflect.TypeFor[incident.Evidence]()) })

// eventType is what `event` is of a playbook that incidents start, and people.
func eventType() Type {
	return eventOf(On{Incident: &IncidentTrigger{}, Manual: &ManualTrigger{Subject: "incident"}}.gives())
}

// Offer is one event as it is offered to playbooks: what it carries is decoded
// once, however many there are. It may be used from many goroutines.
type Offer struct {
	event Event

	mu    sync.Mutex
	names map[string]map[string]any // by the triggers of the playbooks they are for

	at      time.Time         // what now() answers in answers
	answers map[string]answer // of parts of conditions, by their text

	incident func() (any, error)
	alert    func() (any, error)
	evidence func() (any, error)
}

// NewOffer makes an offer of an event, which is not changed after.
func NewOffer(ev Event) *Offer {
	o := &Offer{event: ev}
	o.incident = sync.OnceValues(func() (any, error) { return incidentType().Decode(ev.Incident) })
	o.alert = sync.OnceValues(func() (any, error) { return entityType("alert").Decode(ev.Alert) })
	o.evidence = sync.OnceValues(func() (any, error) {
		if len(ev.Evidence) > 0 || len(ev.Incident) == 0 {
			return evidenceType().Decode(ev.Evidence)
		}
		v, err := o.incident()
		if err != nil {
			return nil, err
		}
		record, _ := v.(map[string]any)
		return record["evidence"], nil
	})
	return o
}

// Event is what is offered.
func (o *Offer) Event() Event { return o.event }

// EventNames are the names that an event gives to a playbook's expressions, as
// plain values: event, and what its triggers give of incident, alert, evidence
// and subject, nil where this event has none; and lists.
func (p *Playbook) EventNames(ev Event) (map[string]any, error) { return NewOffer(ev).Names(p) }

// Names are the names that the event gives to a playbook, as EventNames answers
// them.
func (o *Offer) Names(p *Playbook) (map[string]any, error) {
	shared, err := o.shared(p)
	if err != nil {
		return nil, err
	}
	names := maps.Clone(shared)
	names["lists"] = p.ListValues()
	return names, nil
}

// shared are the names that the event gives to all playbooks with the same
// triggers, as long as no trigger says itself what it gives.
func (o *Offer) shared(p *Playbook) (map[string]any, error) {
	if p.On.Hunting != nil || p.On.Webhook != nil {
		return o.namesFor(p)
	}
	key := p.On.sorts()
	o.mu.Lock()
	defer o.mu.Unlock()
	if names, known := o.names[key]; known {
		return names, nil
	}
	names, err := o.namesFor(p)
	if err == nil {
		if o.names == nil {
			o.names = map[string]map[string]any{}
		}
		o.names[key] = names
	}
	return names, err
}

// sorts names the triggers that are there.
func (on On) sorts() string {
	var all []string
	for _, trigger := range []string{"incident", "alert", "schedule", "hunting", "webhook", "manual"} {
		if on.has(trigger) {
			all = append(all, trigger)
		}
	}
	if on.Manual != nil {
		all = append(all, on.Manual.Subject)
	}
	return strings.Join(all, " ")
}

func (o *Offer) namesFor(p *Playbook) (map[string]any, error) {
	types, ev := p.given, o.event
	if types == nil {
		types = p.eventTypes()
	}
	names := map[string]any{}
	for name, t := range types {
		var v any
		var err error
		switch name {
		case "event":
			v, err = o.ownFields(t)
		case "incident":
			v, err = carried(t, len(ev.Incident), o.incident)
		case "alert":
			v, err = carried(t, len(ev.Alert), o.alert)
		case "evidence":
			v, err = carried(t, len(ev.Evidence)+len(ev.Incident), o.evidence)
		case "subject":
			v, err = decoded(t, ev.Subject)
		}
		if err != nil {
			return nil, fmt.Errorf("the %s of the event: %w", name, err)
		}
		names[name] = v
	}
	return names, nil
}

// carried is what an event carries of a type, decoded by read; where it carries
// nothing, what absent is for that type.
func carried(t Type, bytes int, read func() (any, error)) (any, error) {
	if bytes == 0 && t.Optional() {
		return nil, nil
	}
	return read()
}

func decoded(t Type, raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return t.absent(nil)
	}
	return t.Decode(raw)
}

// ownFields are the fields of `event`.
func (o *Offer) ownFields(t Type) (map[string]any, error) {
	ev, event := o.event, map[string]any{}
	var err error
	for _, f := range t.def.fields {
		var v any
		switch f.Name {
		case "id":
			v = ev.ID
		case "at":
			v = ev.At.UTC()
		case "kind":
			v = ev.Kind
		case "changes":
			v = textsOf(ev.Changes, f.Type, ev.Trigger)
		case "new_alerts":
			v = textsOf(ev.NewAlerts, f.Type, ev.Trigger)
		case "by":
			v = orNil(ev.By)
		case "reason":
			v = orNil(ev.Reason)
		case "scheduled_at":
			if v = ev.Scheduled.UTC(); ev.Scheduled.IsZero() {
				v, err = f.Type.absent(&where{name: f.Name})
			}
		case "row":
			v, err = decoded(f.Type, ev.Row)
		case "rows":
			v, err = decoded(f.Type, ev.Rows)
		case "body":
			v, err = decoded(f.Type, ev.Body)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		event[f.Name] = v
	}
	return event, nil
}

// textsOf is a list of texts; nil where it may be absent and the event is not of
// an incident.
func textsOf(all []string, t Type, trigger string) any {
	if t.Optional() && len(all) == 0 && trigger != "incident" {
		return nil
	}
	list := make([]any, len(all))
	for i, s := range all {
		list[i] = s
	}
	return list
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Verdict says whether an event starts a playbook, and why in one sentence.
type Verdict struct {
	Matched bool
	Because string
}

// Matches decides whether the event starts a playbook, as Playbook.Matches does.
// What the playbook's condition does not come to need is not decoded.
func (o *Offer) Matches(p *Playbook, own []string, now time.Time) (Verdict, error) {
	v, condition := p.listens(o.event)
	if condition == nil {
		return v, nil
	}
	names, err := o.Names(p)
	if err != nil {
		return Verdict{Because: err.Error()}, err
	}
	return p.asks("on."+o.event.Trigger+".if", condition, Env{Names: names, Now: now, OwnDomains: own})
}

// Matches decides whether an event starts the playbook. Names are those of
// EventNames; params that they lack are the defaults. Own are the
// organisation's domains, now what now() answers. The error says that the
// trigger's condition gave no answer; the playbook then does not start.
func (p *Playbook) Matches(ev Event, names map[string]any, own []string, now time.Time) (Verdict, error) {
	v, condition := p.listens(ev)
	if condition == nil {
		return v, nil
	}
	return p.asks("on."+ev.Trigger+".if", condition, Env{Names: maps.Clone(names), Now: now, OwnDomains: own})
}

// listens looks at all of a trigger but its condition, which it answers where
// that decides.
func (p *Playbook) listens(ev Event) (Verdict, *Expression) {
	sorts := map[string]string{
		"incident": "incidents do not start it", "alert": "alerts do not start it", "schedule": "no clock starts it",
		"hunting": "no query starts it", "webhook": "no request starts it", "manual": "nobody starts it by hand",
	}
	nobody, known := sorts[ev.Trigger]
	switch {
	case !known:
		return Verdict{false, "nothing listens to the trigger " + ev.Trigger}, nil
	case !p.On.has(ev.Trigger):
		return Verdict{false, fmt.Sprintf("on.%s is not there: %s", ev.Trigger, nobody)}, nil
	}
	if t := p.On.Incident; ev.Trigger == "incident" {
		switch {
		case !slices.Contains(t.Events, ev.Kind):
			return Verdict{false, fmt.Sprintf("on.incident.events is %s; this one was %s", strings.Join(t.Events, ", "), ev.Kind)}, nil
		case ev.Kind == "updated" && !slices.ContainsFunc(ev.Changes, func(c string) bool { return slices.Contains(t.Changes, c) }):
			return Verdict{false, fmt.Sprintf("on.incident.changes is %s; this update changed %s", strings.Join(t.Changes, ", "), orNothing(ev.Changes))}, nil
		}
	}
	if t := p.On.Alert; ev.Trigger == "alert" && !slices.Contains(t.Events, ev.Kind) {
		return Verdict{false, fmt.Sprintf("on.alert.events is %s; this one was %s", strings.Join(t.Events, ", "), ev.Kind)}, nil
	}
	if condition := p.On.condition(ev.Trigger); condition != nil {
		return Verdict{}, condition
	}
	because := map[string]string{
		"incident": "the incident was " + ev.Kind, "alert": "the alert is new", "schedule": "the time has come",
		"hunting": "the query has found something", "webhook": "a request has come", "manual": "started by hand",
	}
	if ev.Kind == "detailed" {
		return Verdict{true, "the audit log tells more of the alert"}, nil
	}
	return Verdict{true, because[ev.Trigger]}, nil
}

// has reports whether a trigger is there.
func (on On) has(trigger string) bool {
	switch trigger {
	case "incident":
		return on.Incident != nil
	case "alert":
		return on.Alert != nil
	case "schedule":
		return on.Schedule != nil
	case "hunting":
		return on.Hunting != nil
	case "webhook":
		return on.Webhook != nil
	case "manual":
		return on.Manual != nil
	}
	return false
}

func orNothing(changes []string) string {
	if len(changes) == 0 {
		return "nothing"
	}
	return strings.Join(changes, ", ")
}

// asks evaluates a trigger's condition; env.Names is its own.
func (p *Playbook) asks(what string, condition *Expression, env Env) (Verdict, error) {
	if env.Names == nil {
		env.Names = map[string]any{}
	}
	if _, has := env.Names["params"]; !has {
		params, err := p.BindParams(nil)
		if err != nil {
			return Verdict{}, err
		}
		env.Names["params"] = params
	}
	if _, has := env.Names["lists"]; !has {
		env.Names["lists"] = p.ListValues()
	}
	v, err := condition.Eval(env)
	if err != nil {
		return Verdict{Because: what + " gave no answer: " + err.Error()}, fmt.Errorf("%s: %w", what, err)
	}
	matched, ok := v.(bool)
	if !ok {
		return Verdict{Because: what + " gave no answer"}, fmt.Errorf("%s is %s, not a boolean", what, describe(v))
	}
	return Verdict{matched, fmt.Sprintf("%s is %t: %s", what, matched, strings.Join(strings.Fields(condition.Source()), " "))}, nil
}

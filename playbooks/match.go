package playbooks

import (
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
		"description", "tags", "system_tags", "comments", "policies", "service_sources", "redirected_to",
	}
}

// incidentType is what `incident` is in expressions.
var incidentType = sync.OnceValue(func() Type { return TypeOf(reflect.TypeFor[incident.Incident]()) })

// evidenceType is what `evidence` is.
var evidenceType = sync.OnceValue(func() Type { return TypeOf(reflect.TypeFor[incident.Evidence]()) })

// eventType is what `event` is.
func eventType() Type {
	return RecordOf(
		"event",
		TypeField{"id", StringType(), "the key by which the event is known"},
		TypeField{"at", TimeType(), "when it happened"},
		TypeField{"kind", EnumOf("", "created", "updated", "manual"), "what happened"},
		TypeField{"changes", ListOf(StringType()), "fields of the incident that an update changed"},
		TypeField{"new_alerts", ListOf(StringType()), "ids of the alerts that are new with it"},
		TypeField{"by", OptionalOf(StringType()), "who started the run by hand"},
		TypeField{"reason", OptionalOf(StringType()), "why, in their words"},
	)
}

// EventNames are the names that an event gives to expressions, as plain values:
// event, incident and evidence.
func (p *Playbook) EventNames(ev Event) (map[string]any, error) {
	event := map[string]any{
		"id": ev.ID, "at": ev.At.UTC(), "kind": ev.Kind,
		"changes": texts(ev.Changes), "new_alerts": texts(ev.NewAlerts), "by": orNil(ev.By), "reason": orNil(ev.Reason),
	}
	v, err := incidentType().Decode(ev.Incident)
	if err != nil {
		return nil, fmt.Errorf("the incident of the event: %w", err)
	}
	names := map[string]any{"event": event, "incident": v}
	if record, ok := v.(map[string]any); ok {
		names["evidence"] = record["evidence"]
	}
	return names, nil
}

func texts(all []string) []any {
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

// Matches decides whether an event starts the playbook. Names are those of
// EventNames; params that they lack are the defaults. Own are the
// organisation's domains, now what now() answers. The error says that the
// trigger's condition gave no answer; the playbook then does not start.
func (p *Playbook) Matches(ev Event, names map[string]any, own []string, now time.Time) (Verdict, error) {
	if ev.Trigger == "manual" {
		if p.On.Manual == nil {
			return Verdict{false, "on.manual is not there: nobody starts it by hand"}, nil
		}
		return Verdict{true, "started by hand"}, nil
	}
	t := p.On.Incident
	switch {
	case ev.Trigger != "incident":
		return Verdict{false, fmt.Sprintf("nothing listens to the trigger %s", ev.Trigger)}, nil
	case t == nil:
		return Verdict{false, "on.incident is not there: incidents do not start it"}, nil
	case !slices.Contains(t.Events, ev.Kind):
		return Verdict{false, fmt.Sprintf("on.incident.events is %s; this one was %s", strings.Join(t.Events, ", "), ev.Kind)}, nil
	case ev.Kind == "updated" && !slices.ContainsFunc(ev.Changes, func(c string) bool { return slices.Contains(t.Changes, c) }):
		return Verdict{false, fmt.Sprintf("on.incident.changes is %s; this update changed %s", strings.Join(t.Changes, ", "), orNothing(ev.Changes))}, nil
	case t.If == nil:
		return Verdict{true, "the incident was " + ev.Kind}, nil
	}
	return p.asks(t.If, names, Env{Now: now, OwnDomains: own})
}

func orNothing(changes []string) string {
	if len(changes) == 0 {
		return "nothing"
	}
	return strings.Join(changes, ", ")
}

// asks evaluates the trigger's condition.
func (p *Playbook) asks(condition *Expression, names map[string]any, env Env) (Verdict, error) {
	env.Names = maps.Clone(names)
	if _, given := env.Names["params"]; !given {
		params, err := p.BindParams(nil)
		if err != nil {
			return Verdict{}, err
		}
		env.Names["params"] = params
	}
	v, err := condition.Eval(env)
	if err != nil {
		return Verdict{Because: "on.incident.if gave no answer: " + err.Error()}, fmt.Errorf("on.incident.if: %w", err)
	}
	matched, ok := v.(bool)
	if !ok {
		return Verdict{Because: "on.incident.if gave no answer"}, fmt.Errorf("on.incident.if is %s, not a boolean", describe(v))
	}
	return Verdict{matched, fmt.Sprintf("on.incident.if is %t: %s", matched, strings.Join(strings.Fields(condition.Source()), " "))}, nil
}

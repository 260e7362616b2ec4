package incidents

import (
	"context"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

// fields are values of an incident, in the words of the model; nil ones are
// not meant. An empty AssignedTo is nobody.
type fields struct {
	Status         *string `json:"status,omitempty"`
	Classification *string `json:"classification,omitempty"`
	Determination  *string `json:"determination,omitempty"`
	AssignedTo     *string `json:"assigned_to,omitempty"`
	Severity       *string `json:"severity,omitempty"` // of Sentinel alone
}

type patchRequest struct {
	Incident string `json:"incident"`
	Set      fields `json:"set"`
}

// each visits the fields in their order, with their names.
func (f *fields) each(visit func(name string, value **string)) {
	visit("status", &f.Status)
	visit("classification", &f.Classification)
	visit("determination", &f.Determination)
	visit("assigned_to", &f.AssignedTo)
	visit("severity", &f.Severity)
}

// names are those of the fields that are meant.
func (f fields) names() []string {
	out := []string{}
	f.each(func(name string, value **string) {
		if *value != nil {
			out = append(out, name)
		}
	})
	return out
}

// of are the fields of an incident that f means.
func (f fields) of(in incident.Incident) fields {
	now := map[string]string{
		"status": string(in.Status), "classification": string(in.Classification), "determination": string(in.Determination),
		"severity": string(in.Severity),
	}
	if in.AssignedTo != nil {
		now["assigned_to"] = *in.AssignedTo
	}
	f.each(func(name string, value **string) {
		if *value != nil {
			*value = new(now[name])
		}
	})
	return f
}

// different are the fields that differ from other.
func (f fields) different(other fields) fields {
	values := map[string]*string{}
	other.each(func(name string, value **string) { values[name] = *value })
	f.each(func(name string, value **string) {
		if there := values[name]; *value != nil && there != nil && strings.EqualFold(**value, *there) {
			*value = nil
		}
	})
	return f
}

func (f fields) empty() bool { return f == fields{} }

func (f fields) own(in subject) []actions.Own {
	var out []actions.Own
	f.each(func(name string, value **string) {
		if *value != nil {
			out = append(out, in.own(name, **value)...)
		}
	})
	return out
}

// planPatch answers the effect that gives the incident the fields, none if it
// has them.
func planPatch(in subject, want fields) []actions.Effect {
	want = want.different(want.of(in.Incident))
	if want.empty() {
		return nil
	}
	e := actions.Effect{
		Target: target(in.Incident, strings.ReplaceAll(strings.Join(want.names(), ", "), "_", " ")),
		Before: actions.JSON(want.of(in.Incident)), After: actions.JSON(want), Own: want.own(in),
		Request: actions.JSON(patchRequest{Incident: in.ID, Set: want}),
	}
	e.Target.ID = in.ID + "/" + strings.Join(want.names(), "+")
	if want.Status != nil && *want.Status == resolved {
		why := "Defender resolves the open alerts of an incident with it; they stay resolved when it is opened again"
		if in.Source == incident.Sentinel {
			why = "where the incident came from Defender, that resolves its open alerts with it; they stay resolved when it is opened again"
		}
		e.Lost = []actions.Lost{{Target: e.Target.ID, Field: "alerts.status", Why: why}}
	}
	return []actions.Effect{e}
}

const resolved = "resolved"

// statuses are those that an incident can be given.
func statuses() []string { return []string{"active", "inProgress", resolved} }

func (s Shelf) doPatch(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[patchRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	at, err := s.locate(r.Incident)
	if err != nil {
		return actions.Outcome{}, err
	}
	if at.source == incident.Sentinel {
		return s.putFields(ctx, c, at, e, r.Set)
	}
	in, err := s.Graph.UpdateIncident(ctx, connectors.Change(c.Sending), at.name, graph.IncidentPatch{
		Status: r.Set.Status, Classification: r.Set.Classification, Determination: r.Set.Determination, AssignedTo: r.Set.AssignedTo,
	})
	if err != nil {
		return actions.Outcome{}, err
	}
	if now, err := head(in.Raw); err == nil && r.Set.different(r.Set.of(now)).empty() {
		return actions.Outcome{After: actions.JSON(r.Set.of(now))}, nil
	}
	return actions.Outcome{}, nil // answered as a success, shown with a delay: as predicted
}

func (s Shelf) checkPatch(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[patchRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	before, err := actions.Kept[fields](e.Before, "state before")
	if err != nil {
		return actions.Finding{}, err
	}
	in, err := s.find(ctx, r.Incident)
	if err != nil {
		return actions.Finding{}, err
	}
	now := r.Set.of(in.Incident)
	switch {
	case r.Set.different(now).empty():
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(now), Why: "the incident has the values"}, nil
	case before.different(now).empty():
		return actions.Finding{Answer: actions.DidNot, Why: "the incident has the values before"}, nil
	}
	return actions.Finding{Answer: actions.CannotTell, Why: "the incident has other values than before and than were written: " + string(actions.JSON(now))}, nil
}

func (s Shelf) undoPatch(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[patchRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[fields](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	in, err := s.find(ctx, r.Incident)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: actions.JSON(nil), Why: "the incident is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	now := r.Set.of(in.Incident)
	switch {
	case in.RedirectedTo != nil && *in.RedirectedTo != "":
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "the incident was merged into " + *in.RedirectedTo}, nil
	case !r.Set.different(now).empty():
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "the incident has been changed since: " + strings.Join(r.Set.different(now).names(), ", ")}, nil
	case before.Status != nil && !slices.Contains(statuses(), *before.Status):
		return actions.Inverse{Present: actions.JSON(now), Why: "an incident cannot be given the status " + *before.Status}, nil
	}
	return actions.Inverse{Present: actions.JSON(now), Effect: &actions.Effect{
		Action: "incidents.update", Class: actions.Writes, Target: e.Target, Before: actions.JSON(now), After: actions.JSON(before),
		Request: actions.JSON(patchRequest{Incident: r.Incident, Set: before}), Own: before.own(in),
	}}, nil
}

package incidents

import (
	"context"

	"stanch/actions"
	"stanch/connectors/incident"
)

type onIncident struct {
	Incident string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
}

// Get reads an incident as it is now.
func (s Shelf) Get() actions.Action {
	return actions.Spec[onIncident, incident.Incident]{
		Doc:   "Read an incident as it is now, with its alerts and evidence.",
		Class: actions.Reads, Throttle: throttle, Elsewhere: azure(4, 1), Permissions: reads(),
		Source:  "https://learn.microsoft.com/graph/api/security-incident-get",
		Example: "incident: \"${{ incident.id }}\"",
		Read:    s.get,
	}.Action()
}

func (s Shelf) get(ctx context.Context, _ actions.Call, p onIncident) (incident.Incident, error) {
	return s.Whole(ctx, p.Incident)
}

// Whole reads an incident of ours with its alerts, evidence and comments. Its
// errors are those of the connectors; invalid is an id of no incident that the
// shelf reaches.
func (s Shelf) Whole(ctx context.Context, id string) (incident.Incident, error) {
	at, err := s.locate(id)
	if err != nil {
		return incident.Incident{}, err
	}
	if at.source == incident.Sentinel {
		return s.sentinelWhole(ctx, at.name)
	}
	in, err := s.Graph.Incident(ctx, at.name)
	if err != nil {
		return incident.Incident{}, err
	}
	out, err := incident.FromGraph(in.Raw)
	if err != nil {
		return out, unreadable(err)
	}
	return out, nil
}

// sentinelWhole reads an incident of Sentinel with all that belongs to it.
func (s Shelf) sentinelWhole(ctx context.Context, name string) (incident.Incident, error) {
	body := incident.SentinelBody{Workspace: s.Sentinel.Workspace().Name}
	in, err := s.Sentinel.Incident(ctx, name)
	if err != nil {
		return incident.Incident{}, err
	}
	body.Incident = in.Raw
	if body.Alerts, err = s.Sentinel.Alerts(ctx, name); err != nil {
		return incident.Incident{}, err
	}
	if body.Entities, err = s.Sentinel.Entities(ctx, name); err != nil {
		return incident.Incident{}, err
	}
	comments, err := s.Sentinel.Comments(ctx, name)
	if err != nil {
		return incident.Incident{}, err
	}
	for _, c := range comments {
		body.Comments = append(body.Comments, c.Raw)
	}
	out, err := incident.FromSentinel(body)
	if err != nil {
		return out, unreadable(err)
	}
	return out, nil
}

package incidents

import (
	"context"

	"stanch/actions"
	"stanch/connectors/incident"
)

type onIncident struct {
	Incident string `json:"incident" doc:"id of the incident, such as defender/123"`
}

// Get reads an incident as it is now.
func (s Shelf) Get() actions.Action {
	return actions.Spec[onIncident, incident.Incident]{
		Doc:   "Read an incident as it is now, with its alerts and evidence.",
		Class: actions.Reads, Throttle: throttle, Permissions: reads(),
		Source:  "https://learn.microsoft.com/graph/api/security-incident-get",
		Example: "incident: \"${{ incident.id }}\"",
		Read:    s.get,
	}.Action()
}

func (s Shelf) get(ctx context.Context, _ actions.Call, p onIncident) (incident.Incident, error) {
	number, err := native(p.Incident)
	if err != nil {
		return incident.Incident{}, err
	}
	in, err := s.Graph.Incident(ctx, number)
	if err != nil {
		return incident.Incident{}, err
	}
	out, err := incident.FromGraph(in.Raw)
	if err != nil {
		return out, unreadable(err)
	}
	return out, nil
}

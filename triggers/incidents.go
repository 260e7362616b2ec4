package triggers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stanch/connectors/incident"
	"stanch/engine"
)

// Incident answers a stored incident; a bare number is one of Defender's, and
// one of Sentinel that came from Defender is that one. Lists and filters are
// engine/view's.
func Incident(ctx context.Context, docs engine.Documents, id string) (incident.Incident, error) {
	id, err := KeptAs(ctx, docs, id)
	if err != nil {
		return incident.Incident{}, err
	}
	d, err := docs.Get(ctx, docIncident, id)
	if err != nil {
		return incident.Incident{}, fmt.Errorf("incident %s: %w", id, err)
	}
	var s stored
	if err := json.Unmarshal(d.Body, &s); err != nil {
		return s.Incident, fmt.Errorf("incident %s as stored: %w", d.Key, err)
	}
	return s.Incident, nil
}

// KeptAs answers the id under which an incident is kept.
func KeptAs(ctx context.Context, docs engine.Documents, id string) (string, error) {
	if !strings.Contains(id, "/") {
		id = incident.NewID(incident.Defender, id)
	}
	t, err := twinOf(ctx, docs, id)
	return cmp.Or(t.Incident, id), err
}

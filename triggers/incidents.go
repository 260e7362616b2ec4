package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stanch/connectors/incident"
	"stanch/engine"
)

// Incident answers a stored incident; a bare number is one of Defender's. Lists
// and filters are engine/view's.
func Incident(ctx context.Context, docs engine.Documents, id string) (incident.Incident, error) {
	if !strings.Contains(id, "/") {
		id = incident.NewID(incident.Defender, id)
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

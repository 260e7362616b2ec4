package triggers

import (
	"context"
	"encoding/json"
	"errors"
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
	d, err := docs.Get(ctx, docTwin, id)
	if errors.Is(err, engine.ErrNotFound) {
		return id, nil
	}
	var t twin
	if err == nil {
		err = json.Unmarshal(d.Body, &t)
	}
	if err != nil {
		return id, fmt.Errorf("incident %s: under which id it is kept: %w", id, err)
	}
	return t.Incident, nil
}

package triggers

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

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

// Opened bounds when an incident was opened: at From or after it, and before Until.
// Zero is no bound.
type Opened struct{ From, Until time.Time }

func (o Opened) holds(in incident.Incident) bool {
	return !in.CreatedAt.Before(o.From) && (o.Until.IsZero() || in.CreatedAt.Before(o.Until))
}

// EachIncident visits the stored incidents that were opened so, each in its newest
// revision, in the order of their ids, until visit fails. Of one that cannot be
// read, unread is told, and the others go on. No more than a page of them is in
// memory at once.
func EachIncident(ctx context.Context, docs engine.Documents, o Opened, unread func(id string, why error), visit func(incident.Incident) error) error {
	const page = 200
	for after := ""; ; {
		list, err := docs.Each(ctx, docIncident, after, page)
		if err != nil {
			return fmt.Errorf("incidents: %w", err)
		}
		for _, d := range list {
			var s stored
			if err := json.Unmarshal(d.Body, &s); err != nil {
				unread(d.Key, fmt.Errorf("as stored: %w", err))
				continue
			}
			if !o.holds(s.Incident) {
				continue
			}
			if err := visit(s.Incident); err != nil {
				return err
			}
		}
		if len(list) == 0 {
			return nil
		}
		after = list[len(list)-1].Key
	}
}

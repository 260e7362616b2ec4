package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
)

// Filter selects incidents as the portal's queue does. Empty fields select all.
type Filter struct {
	Policy string
	Tag    string
	Source string // service source, such as dataLossPrevention
	Status string
	User   string    // a UPN in the evidence, or the part before the @
	Since  time.Time // created at or after
	Until  time.Time // created before
}

// Incidents answers the stored incidents that the filter selects, the newest
// first.
func Incidents(ctx context.Context, docs engine.Documents, f Filter) ([]incident.Incident, error) {
	found := []incident.Incident{}
	for after := ""; ; {
		page, err := docs.Each(ctx, docIncident, after, 500)
		if err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
		for _, d := range page {
			after = d.Key
			in, err := read(d)
			if err != nil {
				return nil, err
			}
			if f.selects(in) {
				found = append(found, in)
			}
		}
		if len(page) < 500 {
			slices.SortStableFunc(found, func(a, b incident.Incident) int { return b.CreatedAt.Compare(a.CreatedAt) })
			return found, nil
		}
	}
}

// Incident answers a stored incident; a bare number is one of Defender's.
func Incident(ctx context.Context, docs engine.Documents, id string) (incident.Incident, error) {
	if !strings.Contains(id, "/") {
		id = incident.NewID(incident.Defender, id)
	}
	d, err := docs.Get(ctx, docIncident, id)
	if err != nil {
		return incident.Incident{}, fmt.Errorf("incident %s: %w", id, err)
	}
	return read(d)
}

func read(d engine.Document) (incident.Incident, error) {
	var s stored
	if err := json.Unmarshal(d.Body, &s); err != nil {
		return s.Incident, fmt.Errorf("incident %s as stored: %w", d.Key, err)
	}
	return s.Incident, nil
}

func (f Filter) selects(in incident.Incident) bool {
	fold := func(s string) func(string) bool {
		return func(have string) bool { return strings.EqualFold(have, s) }
	}
	switch {
	case f.Policy != "" && !slices.ContainsFunc(in.Policies, fold(f.Policy)),
		f.Tag != "" && !slices.ContainsFunc(in.Tags, fold(f.Tag)),
		f.Status != "" && !strings.EqualFold(string(in.Status), f.Status),
		!f.Since.IsZero() && in.CreatedAt.Before(f.Since),
		!f.Until.IsZero() && !in.CreatedAt.Before(f.Until):
		return false
	case f.Source != "" && !slices.ContainsFunc(in.ServiceSources, func(s incident.ServiceSource) bool { return strings.EqualFold(string(s), f.Source) }):
		return false
	}
	return f.User == "" || slices.ContainsFunc(in.Evidence.Users, func(u incident.User) bool {
		if u.UPN == nil {
			return false
		}
		name, _, _ := strings.Cut(*u.UPN, "@")
		return strings.EqualFold(*u.UPN, f.User) || strings.EqualFold(name, f.User)
	})
}

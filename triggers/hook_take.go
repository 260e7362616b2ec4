package triggers

import (
	"context"
	"encoding/json"

	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
)

// SentinelFeed takes in single incidents of Sentinel, as hooks tell of them.
type SentinelFeed struct {
	*Feed
	Sentinel *sentinel.Client
}

// TakeIn reads an incident by our id and begins the runs that it asks for.
func (f SentinelFeed) TakeIn(ctx context.Context, id string) error {
	_, native, err := incident.ParseID(id)
	if err != nil {
		return err
	}
	name := native[len(f.Sentinel.Workspace().Name)+1:]
	body, err := f.whole(ctx, name)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var p Polled
	return f.takeIn(ctx, id, raw, func() (incident.Incident, error) { return incident.FromSentinel(body) }, &p)
}

// whole reads an incident with its alerts, entities and comments.
func (f SentinelFeed) whole(ctx context.Context, name string) (incident.SentinelBody, error) {
	body := incident.SentinelBody{Workspace: f.Sentinel.Workspace().Name}
	in, err := f.Sentinel.Incident(ctx, name)
	if err != nil {
		return body, err
	}
	body.Incident = in.Raw
	if body.Alerts, err = f.Sentinel.Alerts(ctx, name); err != nil {
		return body, err
	}
	if body.Entities, err = f.Sentinel.Entities(ctx, name); err != nil {
		return body, err
	}
	comments, err := f.Sentinel.Comments(ctx, name)
	for _, c := range comments {
		body.Comments = append(body.Comments, c.Raw)
	}
	return body, err
}

// OfAlert answers our id of the incident that an alert belongs to.
func (f SentinelFeed) OfAlert(ctx context.Context, alert string) (string, error) {
	return OfAlert(ctx, f.Sentinel, alert)
}

package triggers

import (
	"context"
	"errors"
	"slices"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

// withoutAlerts is how long the feed does without the list of alerts when it may
// not, or cannot, read it.
const withoutAlerts = time.Hour

// alerts reads the incidents whose alerts have changed though the incidents
// themselves do not say so.
func (r *reading) alerts(ctx context.Context) error {
	s, is := r.source.(graphSource)
	if !is || r.now.Before(r.mark.NoAlerts) {
		return nil
	}
	since := latest(r.mark.Alerts.Add(-r.feed.Overlap), r.mark.Began)
	newest, all, err := r.alertsSince(ctx, s, since)
	e, answered := errors.AsType[*connectors.Error](err)
	switch {
	case answered && (e.Code == connectors.Forbidden || garbled(e)):
		r.mark.NoAlerts, r.mark.Alerts = r.now.Add(withoutAlerts), r.now
		r.feed.Log.Warn("alerts that change while their incidents do not are not seen", "error", err)
		return nil
	case err != nil:
		return err
	}
	if all {
		r.mark.Alerts = latest(r.mark.Alerts, earliest(newest, r.now))
	}
	return r.follow(ctx)
}

// alertsSince notes the incidents with alerts that are newer than what is known,
// and answers the newest update, and whether all were noted.
func (r *reading) alertsSince(ctx context.Context, s graphSource, since time.Time) (newest time.Time, all bool, err error) {
	if err := s.draw(ctx); err != nil {
		return newest, false, err
	}
	all = true
	incidents := map[string]stored{} // each is loaded once, however many alerts it has
	for page, err := range s.client.Alerts(ctx, graph.AlertQuery{Since: since}) {
		if err != nil {
			return newest, false, askedOf(s.class(), err)
		}
		for _, a := range page.Items { // what cannot be read of them is told by its incident
			if a.Incident == "" {
				continue
			}
			newest = latest(newest, a.LastUpdate)
			id := incident.NewID(incident.Defender, a.Incident)
			known, loaded := incidents[id]
			if !loaded {
				if known, err = r.feed.load(ctx, id); err != nil {
					return newest, false, err
				}
				incidents[id] = known
			}
			if !slices.ContainsFunc(known.Incident.Alerts, func(k incident.Alert) bool { return k.ID == a.ID && !a.LastUpdate.After(k.UpdatedAt) }) {
				all = r.lead(id) && all
			}
		}
		if err := more(ctx, page.More, 0, 0, s.draw); err != nil {
			return newest, false, err
		}
	}
	return newest, all, nil
}

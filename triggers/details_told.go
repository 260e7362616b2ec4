package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
)

// lookedKey is where, among the watermarks, it stands how the last look went.
const lookedKey = "details"

// looked is how looking for details went last.
type looked struct {
	Read    time.Time `json:"read,omitzero"`     // when the newest round ended without failure
	Failing string    `json:"failing,omitempty"` // why later ones did not
	Since   time.Time `json:"since,omitzero"`    // of the failing
}

// tell keeps how a round went.
func (l *looking) tell(ctx context.Context, failure error) error {
	was, err := lookedIn(ctx, l.feed.Docs)
	if err != nil {
		return err
	}
	now := looked{Read: l.now}
	if failure != nil {
		now = looked{Read: was.Read, Failing: cutReason(failure.Error()), Since: l.now}
		if was.Failing != "" {
			now.Since = was.Since
		}
	}
	if failure == nil && was.Failing == "" && !l.busy && !was.Read.IsZero() {
		return nil // there was nothing to do
	}
	body, err := json.Marshal(now)
	if err != nil {
		return err
	}
	if _, err := l.feed.Docs.Put(ctx, engine.Document{Kind: docWatermark, Key: lookedKey, Body: body, Version: engine.AnyVersion}); err != nil {
		return fmt.Errorf("keep how looking for details went: %w", err)
	}
	return nil
}

func lookedIn(ctx context.Context, docs engine.Documents) (looked, error) {
	var l looked
	doc, err := docs.Get(ctx, docWatermark, lookedKey)
	if errors.Is(err, engine.ErrNotFound) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &l)
	}
	if err != nil {
		return l, fmt.Errorf("how looking for details went: %w", err)
	}
	return l, nil
}

// auditLog is how far the feed has come with the audit log, as one of its
// sources; false: it does not read it.
func auditLog(ctx context.Context, docs engine.Documents, now time.Time) (Source, bool, error) {
	l, err := lookedIn(ctx, docs)
	if err != nil {
		return Source{}, false, err
	}
	out := Source{Name: string(incident.AuditLog), Until: l.Read, Read: l.Read, Aside: []Aside{}, Failing: l.Failing, Since: l.Since}
	var next time.Time
	err = eachSought(ctx, docs, func(w *sought) {
		at := w.due()
		if out.Waiting++; next.IsZero() || at.Before(next) {
			next = at
		}
	})
	if out.Waiting > 0 {
		out.Lag = max(0, now.Sub(next).Seconds())
	}
	return out, l != (looked{}) || out.Waiting > 0, err
}

// Kept is an incident with the details that the feed has found for its alerts.
// One that the feed does not know stays as it is.
func Kept(ctx context.Context, docs engine.Documents, in incident.Incident) (incident.Incident, error) {
	known, err := Incident(ctx, docs, in.ID)
	if errors.Is(err, engine.ErrNotFound) {
		return in, nil
	}
	if err != nil {
		return in, err
	}
	return in.Keeping(known), nil
}

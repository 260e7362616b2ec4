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
	was, err := l.feed.loadLooked(ctx)
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

func (f *Feed) loadLooked(ctx context.Context) (looked, error) { return lookedIn(ctx, f.Docs) }

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

// Details is how far the feed has come with what the audit log tells of alerts.
type Details struct {
	Read    time.Time `json:"read"`              // when it last looked to the end of the log
	Waiting int       `json:"waiting"`           // incidents that it looks for again
	Next    time.Time `json:"next"`              // when it does so next; in the past: it is behind
	Failing string    `json:"failing,omitempty"` // why it cannot look
	Since   time.Time `json:"since,omitzero"`    // of the failing
}

// DetailsOf answers how far the feed has come with details of alerts; false: it
// has never looked for any.
func DetailsOf(ctx context.Context, docs engine.Documents) (Details, bool, error) {
	l, err := lookedIn(ctx, docs)
	if err != nil {
		return Details{}, false, err
	}
	out := Details{Read: l.Read, Failing: l.Failing, Since: l.Since}
	err = eachSought(ctx, docs, func(w *sought) {
		at := w.due()
		if out.Waiting++; out.Next.IsZero() || at.Before(out.Next) {
			out.Next = at
		}
	})
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

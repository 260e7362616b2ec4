package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/engine"
)

const docWatermark = "watermark"

// mark is how far a source has been read.
type mark struct {
	At    time.Time `json:"at"`            // what was updated before has been read
	Began time.Time `json:"began"`         // where the feed began
	Deep  time.Time `json:"deep,omitzero"` // when a poll last looked further back

	Alerts   time.Time `json:"alerts,omitzero"`    // likewise of alerts
	NoAlerts time.Time `json:"no_alerts,omitzero"` // until then, they may not be read

	Read time.Time `json:"read,omitzero"` // when the newest poll began that came to its end
	// Aside are incidents that could not be taken, by id, to be tried again.
	Aside map[string]aside `json:"aside,omitempty"`

	version int64
}

// mark answers how far the source has been read.
func (r *reading) loadMark(ctx context.Context) error {
	f := r.feed
	m := mark{Began: f.Since, Aside: map[string]aside{}}
	doc, err := f.Docs.Get(ctx, docWatermark, r.source.name())
	switch {
	case errors.Is(err, engine.ErrNotFound):
		if m.Began.IsZero() {
			m.Began = r.now
		}
		m.At = m.Began
	case err != nil:
		return fmt.Errorf("watermark: %w", err)
	default:
		if err := json.Unmarshal(doc.Body, &m); err != nil {
			return fmt.Errorf("watermark: %w", err)
		}
		m.version = doc.Version
		if m.Began.IsZero() { // of a version that did not keep it
			m.Began = m.At.Add(-f.Overlap)
		}
		if !f.Since.IsZero() && f.Since.Before(m.Began) {
			m.Began, m.At = f.Since, f.Since
		}
	}
	r.mark = m
	return nil
}

// move lets the watermark go forward. A date in the future does not move it, not
// even to the present: where the store's clock is ahead, that would hide what
// comes before it.
func (r *reading) move(to time.Time) {
	if !to.After(r.now) && to.After(r.mark.At) {
		r.mark.At = to
	}
}

// saveMark keeps the watermark, unless another node has moved it.
func (r *reading) saveMark(ctx context.Context) error {
	r.mu.Lock()
	body, err := json.Marshal(r.mark)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	version, err := r.feed.Docs.Put(ctx, engine.Document{Kind: docWatermark, Key: r.source.name(), Body: body, Version: r.mark.version})
	if errors.Is(err, engine.ErrConflict) {
		return errLost
	}
	if err != nil {
		return fmt.Errorf("watermark: %w", err)
	}
	r.mark.version = version
	return nil
}

// Source is how far the feed has come with one of its sources. Of the audit log,
// which tells details of alerts, Waiting are the incidents that are looked for in
// it again, and Lag is how long one of them has been due.
type Source struct {
	Name  string    `json:"name"`  // defender, sentinel/WORKSPACE, audit_log
	Began time.Time `json:"began"` // where it began
	Until time.Time `json:"until"` // what was updated before has been read
	Read  time.Time `json:"read"`  // when it was last read to its end
	Lag   float64   `json:"lag_seconds"`
	Aside []Aside   `json:"aside"`

	Waiting int       `json:"waiting"`
	Failing string    `json:"failing,omitempty"` // why it cannot be read
	Since   time.Time `json:"since,omitzero"`    // of the failing
}

// Aside is an incident that could not be taken and is tried again.
type Aside struct {
	Incident string    `json:"incident"`
	Reason   string    `json:"reason"`
	Since    time.Time `json:"since"`
	Next     time.Time `json:"next"`
}

// Sources answers how far the feed has come at a time, by source.
func Sources(ctx context.Context, docs engine.Documents, now time.Time) ([]Source, error) {
	list, err := docs.Each(ctx, docWatermark, "feed/", 100)
	if err != nil {
		return nil, fmt.Errorf("watermarks: %w", err)
	}
	all := []Source{}
	for _, d := range list {
		name, is := strings.CutPrefix(d.Key, "feed/")
		if !is {
			continue
		}
		var m mark
		if err := json.Unmarshal(d.Body, &m); err != nil {
			return nil, fmt.Errorf("watermark of %s: %w", name, err)
		}
		s := Source{Name: name, Began: m.Began, Until: m.At, Read: m.Read, Aside: []Aside{}}
		if !m.Read.IsZero() {
			s.Lag = max(0, now.Sub(m.Read).Seconds())
		}
		for _, id := range sortedKeys(m.Aside) {
			a := m.Aside[id]
			s.Aside = append(s.Aside, Aside{Incident: id, Reason: a.Reason, Since: a.Since, Next: a.Next})
		}
		all = append(all, s)
	}
	if s, is, err := auditLog(ctx, docs, now); err != nil || is {
		return append(all, s), err
	}
	return all, nil
}

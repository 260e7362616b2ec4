package triggers

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"stanch/connectors/activity"
	"stanch/connectors/dlp"
	"stanch/connectors/incident"
	"stanch/engine"
)

// What the source of an alert does not tell of it comes with the audit log,
// minutes to hours later. An incident is taken as it is, and looked for in the
// log a few times; what is found there fills its alerts, which is an update.

// The kinds of documents of incidents that are looked for, by their ids.
const (
	docSought = "sought"
	docEvents = "sought_events" // those that were found
)

const (
	keptSought = 8 * 24 * time.Hour // by then the log has nothing more to tell
	mostEvents = 1000               // of one incident, the newest
	lookBehind = 5 * time.Minute    // what becomes available may be listed a little later
	lookBack   = 6 * 24 * time.Hour // a day less than the log keeps: the store's clock may be behind
)

// looks are how long after the newest activity of an alert it is looked for. Those
// that are past when it is taken are one look.
func looks() []time.Duration {
	return []time.Duration{15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}
}

// sought is the body of a document of an incident that is looked for.
type sought struct {
	Alerts map[string]soughtAlert `json:"alerts"`
	From   time.Time              `json:"from"`            // what was available before has been looked through
	Short  bool                   `json:"short,omitempty"` // some of it could not be had

	id      string
	version int64
	at      time.Time         // how far this round has come
	events  []activity.Record // by time
	more    bool              // there are some that are not kept yet
}

type soughtAlert struct {
	Base   time.Time `json:"base"`            // of its newest activity
	Looked time.Time `json:"looked,omitzero"` // when it was last looked for
}

// due is when the incident is looked for next; zero: no more.
func (w *sought) due() time.Time {
	var next time.Time
	for _, a := range w.Alerts {
		for _, wait := range looks() {
			if at := a.Base.Add(wait); at.After(a.Looked) {
				if next.IsZero() || at.Before(next) {
					next = at
				}
				break
			}
		}
	}
	return next
}

// add takes in an event, once.
func (w *sought) add(e activity.Record) {
	at, known := slices.BinarySearchFunc(w.events, e, func(a, b activity.Record) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	if known {
		return
	}
	w.events, w.more = slices.Insert(w.events, at, dlp.Slim(e)), true
	w.events = w.events[max(0, len(w.events)-mostEvents):]
}

// seek begins to look for alerts of data loss prevention that were not looked for
// since their newest activity. It comes before the revision is kept: what was
// begun for one that is not kept finds nothing to fill.
func (r *reading) seek(ctx context.Context, s *stored) error {
	if r.feed.Activity == nil {
		return nil
	}
	all, begins, from := map[string]time.Time{}, map[string]time.Time{}, r.now
	for _, x := range dlp.Subjects(s.Incident) {
		base := r.newest(x.Alert)
		was, known := s.Sought[x.Alert.ID]
		all[x.Alert.ID] = latest(base, was)
		if known && !base.After(was) || base.Before(r.now.Add(-lookBack)) {
			continue
		}
		begins[x.Alert.ID], from = base, earliest(from, x.From)
	}
	s.Sought = all
	if len(begins) == 0 {
		return nil
	}
	return r.feed.begin(ctx, s.Incident.ID, begins, from)
}

// newest is when something last happened for an alert, as far as it tells.
func (r *reading) newest(a incident.Alert) time.Time {
	newest := a.CreatedAt
	if a.LastActivityAt != nil {
		newest = latest(newest, *a.LastActivityAt)
	}
	if newest.Year() <= 1 {
		return r.now
	}
	return earliest(newest, r.now)
}

// begin notes alerts of an incident that are looked for, by the time of their
// newest activity, in what is available from a time on.
func (f *Feed) begin(ctx context.Context, id string, alerts map[string]time.Time, from time.Time) error {
	for range 5 {
		w, err := f.loadSought(ctx, id)
		if err != nil {
			return err
		}
		if w.version == 0 {
			w.From = from
		}
		w.From = earliest(w.From, from)
		for alert, base := range alerts {
			w.Alerts[alert] = soughtAlert{Base: base, Looked: w.Alerts[alert].Looked}
		}
		if kept, err := f.keepSought(ctx, w); err != nil || kept {
			return err
		}
	}
	return fmt.Errorf("look for the details of incident %s: %w", id, engine.ErrConflict)
}

// loadSought answers what is kept of an incident that is looked for; its version
// is 0 if it is not.
func (f *Feed) loadSought(ctx context.Context, id string) (*sought, error) {
	doc, err := f.Docs.Get(ctx, docSought, id)
	if errors.Is(err, engine.ErrNotFound) {
		return &sought{Alerts: map[string]soughtAlert{}, id: id}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what is looked for: %w", err)
	}
	return readSought(doc)
}

func readSought(doc engine.Document) (*sought, error) {
	w := &sought{Alerts: map[string]soughtAlert{}, id: doc.Key, version: doc.Version}
	if err := json.Unmarshal(doc.Body, w); err != nil {
		return nil, fmt.Errorf("incident %s as it is looked for: %w", doc.Key, err)
	}
	return w, nil
}

// keepSought keeps how far an incident has been looked for; false: another has
// done so.
func (f *Feed) keepSought(ctx context.Context, w *sought) (bool, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return false, err
	}
	w.version, err = f.Docs.Put(ctx, engine.Document{Kind: docSought, Key: w.id, Body: body, Version: w.version, Expires: keptSought})
	if errors.Is(err, engine.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("keep what is looked for: %w", err)
	}
	return true, nil
}

// loadEvents answers the events that were found before.
func (f *Feed) loadEvents(ctx context.Context, w *sought) error {
	doc, err := f.Docs.Get(ctx, docEvents, w.id)
	if errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &w.events)
	}
	if err != nil {
		return fmt.Errorf("events of incident %s: %w", w.id, err)
	}
	return nil
}

func (f *Feed) keepEvents(ctx context.Context, w *sought) error {
	if !w.more {
		return nil
	}
	body, err := json.Marshal(w.events)
	if err != nil {
		return err
	}
	if _, err := f.Docs.Put(ctx, engine.Document{Kind: docEvents, Key: w.id, Body: body, Version: engine.AnyVersion, Expires: keptSought}); err != nil {
		return fmt.Errorf("keep events of incident %s: %w", w.id, err)
	}
	w.more = false
	return nil
}

// forget ends the looking for an incident, unless something new is looked for.
func (f *Feed) forget(ctx context.Context, w *sought) error {
	err := f.Docs.Delete(ctx, docSought, w.id, w.version)
	if errors.Is(err, engine.ErrConflict) {
		return nil
	}
	if err == nil {
		err = f.Docs.Delete(ctx, docEvents, w.id, engine.AnyVersion)
	}
	if err != nil {
		return fmt.Errorf("look for incident %s no more: %w", w.id, err)
	}
	return nil
}

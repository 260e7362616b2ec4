package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/connectors"
	"stanch/engine"
	"stanch/playbooks"
)

// Hunted is what a hunt came to.
type Hunted struct {
	Rows       int    `json:"rows"`          // that the query answered
	Known      int    `json:"known"`         // of them those that began a run before
	NotMatched int    `json:"not_matched"`   // those for which the condition did not hold
	Left       int    `json:"left"`          // new ones beyond max_rows: of the next time
	Unreadable int    `json:"unreadable"`    // those that are not as columns declares
	Why        string `json:"why,omitempty"` // the first of the unreadable is none
	Truncated  bool   `json:"truncated"`     // there are, or may be, more rows than were looked at
}

// hunt asks the query of a playbook and begins runs for what is new.
func (s *Schedules) hunt(ctx context.Context, t Timed, tick Tick, by string, d *Ticked) error {
	params, err := t.Book.BindParams(nil)
	if err != nil {
		d.count(came{outcome: TickFailed, because: fmt.Sprintf("the params: %v", err)})
		return nil
	}
	throttle := class(t.Book.On.Hunting)
	if err := s.Engine.Turn(ctx, throttle, t.Book.ID); err != nil {
		return err
	}
	found, err := s.Hunter.Ask(ctx, t.Book, params)
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Throttled {
		s.Engine.TooMuch(ctx, throttle, e.Wait)
	}
	if err != nil {
		return err
	}
	h := &Hunted{Rows: len(found.Rows) + len(found.Unreadable), Unreadable: len(found.Unreadable), Truncated: found.Truncated}
	if h.Unreadable > 0 {
		h.Why = found.Unreadable[0].Error()
	}
	d.Hunted = h
	d.Outcome, d.Because = TickNothing, "the query found nothing that is new"
	if t.Book.On.Hunting.Start == "batch" {
		return s.batch(ctx, t, tick, found, by, d)
	}
	for _, row := range found.Rows {
		if err := s.row(ctx, t, tick, row, by, d); err != nil {
			return err
		}
	}
	return nil
}

// batch begins one run for all rows of a tick.
func (s *Schedules) batch(ctx context.Context, t Timed, tick Tick, found Found, by string, d *Ticked) error {
	most := t.Book.On.Hunting.MaxRows
	if d.Hunted.Left = max(len(found.Rows)-most, 0); d.Hunted.Left > 0 {
		found.Rows = found.Rows[:most]
	}
	if len(found.Rows) == 0 {
		return nil
	}
	rows := make([]json.RawMessage, len(found.Rows))
	for i, r := range found.Rows {
		rows[i] = r.Value
	}
	raw, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	ev := t.event(tick)
	ev.Rows = raw
	begun, err := s.begin(ctx, t.Book, ev, by)
	if err != nil {
		return err
	}
	if begun.outcome == TickNo {
		d.Hunted.NotMatched = len(rows)
	}
	d.count(begun)
	return nil
}

const (
	docSeen = "seen_row"
	// keepSeen is for how long a row is known after it was last found. What is
	// found again every day stays known.
	keepSeen = 30 * 24 * time.Hour
	// renewSeen is how much of that may be gone before it is written again.
	renewSeen = 24 * time.Hour
)

// seen says that a row was found. It is there before its run begins, with the id
// of the event under which that begins, so that whoever goes on after a crash
// begins the same run, or none.
type seen struct {
	Event string `json:"event"`
	Begun bool   `json:"begun"`
}

// seenKey is where it is kept that a row was found. What a playbook has seen
// while it ran in shadow it has not acted upon.
func (s *Schedules) seenKey(book *playbooks.Playbook, row Row) string {
	mode := engine.ModeLive
	if s.Engine.Shadows(book) != "" {
		mode = engine.ModeShadow
	}
	return book.ID + "/" + mode + "/" + row.Key
}

// row begins the run of a row unless it is known.
func (s *Schedules) row(ctx context.Context, t Timed, tick Tick, row Row, by string, d *Ticked) error {
	key := s.seenKey(t.Book, row)
	known, doc, err := s.seenAt(ctx, key)
	switch {
	case err != nil:
		return err
	case known.Begun:
		d.Hunted.Known++
		return s.renew(ctx, doc)
	case d.Runs >= t.Book.On.Hunting.MaxRows:
		d.Hunted.Left++
		return nil
	}
	ev := t.event(tick)
	ev.Row = row.Value
	c := s.judge(t.Book, ev)
	if c.outcome != TickBegun { // it may, another time
		if c.outcome == TickNo {
			d.Hunted.NotMatched++
		}
		d.count(c)
		return nil
	}
	if doc.Version == 0 {
		if known, doc, err = s.intend(ctx, key, seen{Event: row.Key + "@" + ev.ID}); err != nil {
			return err
		}
	}
	ev.ID = known.Event
	if c, err = s.start(ctx, t.Book, ev, by, c.because); err != nil {
		return err
	}
	d.count(c)
	if c.outcome != TickBegun { // busy, or refused: another time
		return nil
	}
	err = s.putSeen(ctx, doc, seen{Event: ev.ID, Begun: true})
	if errors.Is(err, engine.ErrConflict) {
		return nil // another node has begun the same
	}
	return err
}

func (s *Schedules) seenAt(ctx context.Context, key string) (seen, engine.Document, error) {
	doc, err := s.Docs.Get(ctx, docSeen, key)
	if errors.Is(err, engine.ErrNotFound) {
		return seen{}, engine.Document{Kind: docSeen, Key: key}, nil
	}
	if err != nil {
		return seen{}, doc, fmt.Errorf("a row that was seen: %w", err)
	}
	var known seen
	if err := json.Unmarshal(doc.Body, &known); err != nil {
		return known, doc, fmt.Errorf("the row %s as stored: %w", key, err)
	}
	return known, doc, nil
}

// intend notes under which event a row's run begins. Where another node has
// noted it first, that stands.
func (s *Schedules) intend(ctx context.Context, key string, what seen) (seen, engine.Document, error) {
	err := s.putSeen(ctx, engine.Document{Kind: docSeen, Key: key}, what)
	if err != nil && !errors.Is(err, engine.ErrConflict) {
		return seen{}, engine.Document{}, err
	}
	return s.seenAt(ctx, key)
}

// putSeen writes a document of a row that was seen.
func (s *Schedules) putSeen(ctx context.Context, doc engine.Document, what seen) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	doc.Body, doc.Expires = body, keepSeen
	if _, err := s.Docs.Put(ctx, doc); err != nil {
		return fmt.Errorf("keep a row that was seen: %w", err)
	}
	return nil
}

// renew keeps a row known that is still found. Whoever wrote it meanwhile has
// done the same.
func (s *Schedules) renew(ctx context.Context, doc engine.Document) error {
	if keepSeen-doc.Expires < renewSeen {
		return nil
	}
	doc.Expires = keepSeen
	if _, err := s.Docs.Put(ctx, doc); err != nil && !errors.Is(err, engine.ErrConflict) {
		return fmt.Errorf("keep a row that was seen: %w", err)
	}
	return nil
}

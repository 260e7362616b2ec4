package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

// docSchedule is the kind of the documents that say how far schedules are.
const docSchedule = "schedule"

// What a tick came to.
const (
	TickBegun   = "begun"         // runs were begun
	TickNothing = "nothing_found" // the query found nothing that is new
	TickNo      = "not_matched"   // the trigger's condition did not hold
	TickBusy    = "busy"          // the concurrency key was held, and when_busy is skip
	TickSkipped = "skipped"       // nobody was there, and misfire says to leave it
	TickFailed  = "failed"        // the condition gave no answer, or the run was refused
)

// Ticked is the last decision over a schedule.
type Ticked struct {
	ScheduledAt time.Time `json:"scheduled_at"`
	DecidedAt   time.Time `json:"decided_at"`
	Outcome     string    `json:"outcome"` // begun, nothing_found, not_matched, busy, skipped, failed
	Because     string    `json:"because"`
	Runs        int       `json:"runs"`              // begun
	Run         string    `json:"run,omitempty"`     // the last of them
	Skipped     int       `json:"skipped,omitempty"` // ticks that nobody was there for and that begin nothing
	Hunted      *Hunted   `json:"hunted,omitempty"`  // of a hunt
}

// Failing is a tick that could not be done yet, such as by an API that does not
// answer. It is tried again.
type Failing struct {
	ScheduledAt time.Time `json:"scheduled_at"`
	Since       time.Time `json:"since"`
	Times       int       `json:"times"`
	Error       string    `json:"error"`
	RetryAt     time.Time `json:"retry_at"`
}

// Schedule is how far the trigger of a playbook is.
type Schedule struct {
	Playbook string    `json:"playbook"`
	Trigger  string    `json:"trigger"` // schedule | hunting
	As       string    `json:"as"`      // the schedule that it is kept for
	From     time.Time `json:"from"`    // ticks up to here are decided
	Last     *Ticked   `json:"last,omitempty"`
	Failing  *Failing  `json:"failing,omitempty"`
}

func scheduleKey(playbook, trigger string) string { return playbook + "/" + trigger }

// ScheduleOf answers how far a trigger is, as the nodes that serve have kept it;
// engine.ErrNotFound where none has seen it yet.
func ScheduleOf(ctx context.Context, docs engine.Documents, playbook, trigger string) (Schedule, error) {
	s, _, err := scheduleAt(ctx, docs, playbook, trigger)
	return s, err
}

func scheduleAt(ctx context.Context, docs engine.Documents, playbook, trigger string) (Schedule, int64, error) {
	var s Schedule
	doc, err := docs.Get(ctx, docSchedule, scheduleKey(playbook, trigger))
	if err != nil {
		return s, 0, fmt.Errorf("%s of playbook %s: %w", trigger, playbook, err)
	}
	if err := json.Unmarshal(doc.Body, &s); err != nil {
		return s, 0, fmt.Errorf("%s of playbook %s as stored: %w", trigger, playbook, err)
	}
	return s, doc.Version, nil
}

// keep writes how far a trigger is. Where another node has written since, its
// word stands.
func (s *Schedules) keep(ctx context.Context, st Schedule, version int64) error {
	body, err := json.Marshal(st)
	if err != nil {
		return err
	}
	_, err = s.Docs.Put(ctx, engine.Document{Kind: docSchedule, Key: scheduleKey(st.Playbook, st.Trigger), Body: body, Version: version})
	if errors.Is(err, engine.ErrConflict) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep %s of playbook %s: %w", st.Trigger, st.Playbook, err)
	}
	return nil
}

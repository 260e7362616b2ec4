package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// The kinds of documents that rules keep.
const (
	docRules       = "rules"       // what they said of a revision of an incident
	docSuppression = "suppression" // until when no playbook starts for an incident
)

// keptRules is how long it is kept what rules said.
const keptRules = 90 * 24 * time.Hour

// RuleSet are the rules that are asked about every revision of an incident
// before playbooks are.
type RuleSet struct {
	Engine *engine.Engine
	Docs   engine.Documents
	Rules  []*playbooks.Rule     // checked, in any order
	Books  []*playbooks.Playbook // those that they may run
	Log    *slog.Logger          // nil: nothing is logged
}

// RuleVerdict is what became of one rule for a revision of an incident.
type RuleVerdict struct {
	Rule    string   `json:"rule"`
	Matched bool     `json:"matched"`
	Outcome string   `json:"outcome,omitempty"` // absent: of an earlier version
	Because string   `json:"because"`           // one sentence; of a condition that does not hold, which part
	Does    []string `json:"does,omitempty"`    // in its order
	Steps   []string `json:"steps,omitempty"`   // of the run, by which each is done; empty: by none
	Leaves  []string `json:"leaves,omitempty"`  // what it does not do, each with the reason
}

// The outcomes of a rule for a revision of an incident, beside OutcomeNot and
// OutcomeError.
const (
	OutcomeMatched  = "matched"
	OutcomeDisabled = "disabled" // enabled is false
	OutcomeExpired  = "expired"
)

// Suppression says that no playbook starts for an incident.
type Suppression struct {
	Rule   string    `json:"rule"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // zero: of one revision
}

// Because is the suppression in one sentence.
func (s Suppression) Because() string {
	text := "the rule " + s.Rule + " suppresses playbooks"
	if !s.Until.IsZero() {
		text += " until " + s.Until.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// RuleRecord is what rules said of a revision of an incident.
type RuleRecord struct {
	Incident   string        `json:"incident"`
	Event      string        `json:"event"` // its id
	At         time.Time     `json:"at"`    // by the store's clock
	Verdicts   []RuleVerdict `json:"verdicts"`
	Run        string        `json:"run,omitempty"` // of what they do; absent if that is nothing
	Suppressed *Suppression  `json:"suppressed,omitempty"`
	Refused    string        `json:"refused,omitempty"` // why the engine did not take what they do
}

// Ask asks the rules about an event of an incident, begins the one run of all
// that they do, and answers what they said; Suppressed then says that no
// playbook is to start for it. Asked about the same event again, it answers what
// was said before. An error says that the store did not answer: the event is to
// be asked about again.
func (s *RuleSet) Ask(ctx context.Context, ev playbooks.Event) (RuleRecord, error) {
	id, lane, err := subjectOf(ev)
	if err != nil {
		return RuleRecord{}, err
	}
	switch known, found, err := s.said(ctx, id, ev.ID); {
	case err != nil:
		return known, err
	case found: // whoever kept it may have died before it suppressed
		return known, s.suppress(ctx, known)
	}
	now, err := s.Engine.StoreTime(ctx)
	if err != nil {
		return RuleRecord{}, fmt.Errorf("rules: %w", err)
	}
	standing, err := Suppressed(ctx, s.Docs, id, now)
	if err != nil {
		return RuleRecord{}, err
	}
	d, err := DecideRules(s.Rules, s.Books, ev, RuleWorld{Own: s.Engine.World().OwnDomains, Now: now, Standing: standing})
	if err != nil {
		return RuleRecord{}, err
	}
	rec := RuleRecord{Incident: id, Event: ev.ID, At: now, Verdicts: d.Verdicts, Suppressed: d.Suppressed}
	if err := s.begin(ctx, &rec, ev, d.Steps, lane); err != nil {
		return rec, err
	}
	if err := s.put(ctx, docRules, rec.key(), rec, keptRules); err != nil {
		return rec, err
	}
	return rec, s.suppress(ctx, rec)
}

// suppress keeps by what later revisions are suppressed. It is the last thing
// that is kept: who asks again after a crash must not take it for one of before.
func (s *RuleSet) suppress(ctx context.Context, rec RuleRecord) error {
	is := rec.Suppressed
	if is == nil || is.Until.IsZero() {
		return nil
	}
	now, err := s.Engine.StoreTime(ctx)
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	standing, err := Suppressed(ctx, s.Docs, rec.Incident, now)
	if err != nil || !is.Until.After(now) || standing != nil && !is.Until.After(standing.Until) {
		return err
	}
	return s.put(ctx, docSuppression, rec.Incident, is, is.Until.Sub(now))
}

// begin begins the run of what the rules do.
func (s *RuleSet) begin(ctx context.Context, rec *RuleRecord, ev playbooks.Event, steps []engine.RuleStep, lane int) error {
	if len(steps) == 0 {
		return nil
	}
	begun, err := s.Engine.StartRules(ctx, engine.RulesStart{Event: ev, Steps: steps, Lane: lane})
	switch {
	case errors.Is(err, engine.ErrRefused):
		rec.Refused = err.Error()
		s.log().Error("what rules do is refused", "incident", rec.Incident, "event", rec.Event, "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("rules about %s: %w", rec.Incident, err)
	case begun.Busy:
		return fmt.Errorf("rules about %s: a hundred runs of rules wait for the incident already", rec.Incident)
	}
	rec.Run = begun.Run
	if begun.New {
		s.log().Info("run of rules begun", "run", begun.Run, "incident", rec.Incident, "steps", len(steps))
	}
	return nil
}

func (s *RuleSet) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

func (r RuleRecord) key() string { return r.Incident + "/" + r.Event }

// said answers what rules said of an event before.
func (s *RuleSet) said(ctx context.Context, id, event string) (rec RuleRecord, found bool, err error) {
	doc, err := s.Docs.Get(ctx, docRules, RuleRecord{Incident: id, Event: event}.key())
	if errors.Is(err, engine.ErrNotFound) {
		return rec, false, nil
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &rec)
	}
	if err != nil {
		return rec, false, fmt.Errorf("what rules said of %s: %w", id, err)
	}
	return rec, true, nil
}

func (s *RuleSet) put(ctx context.Context, kind, key string, v any, kept time.Duration) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := s.Docs.Put(ctx, engine.Document{Kind: kind, Key: key, Body: body, Version: engine.AnyVersion, Expires: kept}); err != nil {
		return fmt.Errorf("keep what rules said of %s: %w", key, err)
	}
	return nil
}

// Suppressed answers by what no playbook starts for an incident at a time, nil
// if nothing is.
func Suppressed(ctx context.Context, docs engine.Documents, id string, now time.Time) (*Suppression, error) {
	doc, err := docs.Get(ctx, docSuppression, id)
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	var s Suppression
	if err == nil {
		err = json.Unmarshal(doc.Body, &s)
	}
	if err != nil {
		return nil, fmt.Errorf("suppression of %s: %w", id, err)
	}
	if !s.Until.After(now) {
		return nil, nil
	}
	return &s, nil
}

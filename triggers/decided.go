package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"stanch/engine"
)

// Decided is what was decided over a revision of an incident: by rules, and of
// every playbook.
type Decided struct {
	Record
	Rules *RulesDecided `json:"rules,omitempty"` // nil: no rules were asked, or it is no longer kept what they said
}

// RulesDecided is what rules said of a revision, and what came of it.
type RulesDecided struct {
	Run        string        `json:"run,omitempty"`    // of what they do
	Mode       string        `json:"mode,omitempty"`   // of that run: live, shadow
	Status     string        `json:"status,omitempty"` // of that run
	Refused    string        `json:"refused,omitempty"`
	Suppressed *Suppression  `json:"suppressed,omitempty"`
	Verdicts   []RuleDecided `json:"verdicts"` // in the order in which they were asked
}

// RuleDecided is what one rule said, and what became of what it does.
type RuleDecided struct {
	Rule    string     `json:"rule"`
	Matched bool       `json:"matched"`
	Outcome string     `json:"outcome"`
	Because string     `json:"because"`
	Does    []RuleDone `json:"does,omitempty"`
	Leaves  []string   `json:"leaves,omitempty"`
}

// RuleDone is one thing that a rule does. Its status is that of the step of the
// run, of one that succeeded in shadow planned; of a suppression, which no step
// does, done, and unknown where the run is no longer kept.
type RuleDone struct {
	What   string `json:"what"`
	Status string `json:"status"`
	Why    string `json:"why,omitempty"`
	Run    string `json:"run,omitempty"` // that was begun
}

// DecidedOver answers what was decided over the newest revisions of an incident,
// as Records does, with what rules said and did.
func DecidedOver(ctx context.Context, e *engine.Engine, docs engine.Documents, id string) ([]Decided, error) {
	records, err := Records(ctx, docs, id)
	if err != nil {
		return nil, err
	}
	all := make([]Decided, len(records))
	for i, rec := range records {
		all[i].Record = rec
		if rec.Event == "" {
			continue
		}
		said, found, err := (&RuleSet{Docs: docs}).said(ctx, rec.Incident, rec.Event)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		if all[i].Rules, err = cameTo(ctx, e, said); err != nil {
			return nil, fmt.Errorf("incident %s: what rules did: %w", rec.Incident, err)
		}
	}
	return all, nil
}

// cameTo is what rules said with what came of it.
func cameTo(ctx context.Context, e *engine.Engine, said RuleRecord) (*RulesDecided, error) {
	out := &RulesDecided{Run: said.Run, Refused: said.Refused, Suppressed: said.Suppressed, Verdicts: []RuleDecided{}}
	var run engine.Run
	if said.Run != "" {
		var err error
		if run, err = e.Run(ctx, said.Run); err != nil && !errors.Is(err, engine.ErrNotFound) {
			return nil, err
		}
		out.Mode, out.Status = run.Mode, run.Status
	}
	for _, v := range said.Verdicts {
		one := RuleDecided{Rule: v.Rule, Matched: v.Matched, Outcome: v.Outcome, Because: v.Because, Leaves: v.Leaves}
		if one.Outcome == "" {
			one.Outcome = OutcomeNot
			if v.Matched {
				one.Outcome = OutcomeMatched
			}
		}
		for i, what := range v.Does {
			done := RuleDone{What: what, Status: "unknown"}
			if i < len(v.Steps) {
				done = doneBy(run, v.Steps[i], what)
			}
			if said.Refused != "" && done.Status == "unknown" {
				done.Status = "refused"
			}
			one.Does = append(one.Does, done)
		}
		out.Verdicts = append(out.Verdicts, one)
	}
	return out, nil
}

// doneBy is what became of what a step of the run does.
func doneBy(run engine.Run, step, what string) RuleDone {
	done := RuleDone{What: what, Status: "unknown"}
	if step == "" {
		done.Status = "done"
		return done
	}
	at := slices.IndexFunc(run.Steps, func(s engine.Step) bool { return s.Path == step })
	switch {
	case at < 0 && run.ID != "" && run.Ended():
		done.Status = "not begun"
		return done
	case at < 0 && run.ID != "":
		done.Status = "waiting"
		return done
	case at < 0:
		return done
	}
	s := run.Steps[at]
	done.Status, done.Why = s.Status, s.Why
	if run.Mode == engine.ModeShadow && s.Status == "succeeded" {
		done.Status = "planned"
	}
	if s.Error != nil {
		done.Why = s.Error.Message
	}
	var begun struct{ Run string }
	if json.Unmarshal(s.Output, &begun) == nil {
		done.Run = begun.Run
	}
	return done
}

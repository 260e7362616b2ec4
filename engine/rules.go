package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// RulesPlaybook is what a run of rules is a run of.
const RulesPlaybook = "rules"

// RulesStart asks for the run of what rules do about one revision of an
// incident, in their order: each step is over before the next begins, and one
// that fails ends the run.
type RulesStart struct {
	Event playbooks.Event // its ID is the revision: at most one run is begun for it
	Steps []RuleStep
	Lane  int
}

// RuleStep is one thing that a rule does: an action, or the beginning of a
// playbook's run.
type RuleStep struct {
	Rule  string         // its name
	Uses  string         // an action of the catalog
	With  map[string]any // its params, as they are: nothing in them is evaluated
	Begin *Start         // or: what is begun, for the same event; it is over when the run exists
}

// rulesEdition is the edition of a run of rules.
type rulesEdition struct {
	Steps []ruleStep `json:"steps"`
}

type ruleStep struct {
	Rule  string         `json:"rule"`
	Uses  string         `json:"uses,omitempty"`
	With  map[string]any `json:"with,omitempty"`
	Begin *ruleBegin     `json:"begin,omitempty"`
}

// ruleBegin is a run that a rule begins, without the event.
type ruleBegin struct {
	Incident actions.Entity  `json:"incident"` // that it is about: a protected one begins nothing
	Begin    Begin           `json:"begin"`
	Params   json.RawMessage `json:"params,omitempty"`
}

// StartRules begins the run of rules for a revision of an incident, unless one
// was begun before. Runs for one incident do not run at the same time.
func (e *Engine) StartRules(ctx context.Context, s RulesStart) (Begun, error) {
	var ed rulesEdition
	for _, step := range s.Steps {
		one := ruleStep{Rule: step.Rule, Uses: step.Uses, With: step.With}
		if step.Begin != nil {
			wanted := *step.Begin
			wanted.Event = s.Event
			b, head, err := e.asked(ctx, wanted)
			if err != nil {
				return Begun{}, fmt.Errorf("rule %s: %w", step.Rule, err)
			}
			one.Begin = &ruleBegin{Incident: incidentOf(s.Event), Begin: b, Params: head.Params}
		} else if _, known := e.catalog.Lookup(step.Uses); !known {
			return Begun{}, fmt.Errorf("%w: rule %s: this version has no action %s", ErrRefused, step.Rule, step.Uses)
		}
		ed.Steps = append(ed.Steps, one)
	}
	digest, err := e.keep(ctx, edition{Language: 1, Rules: &ed})
	if err != nil {
		return Begun{}, err
	}
	return e.begin(ctx, Begin{
		Playbook: RulesPlaybook, Subject: e.subject(s.Event, nil), Dedupe: s.Event.ID, Edition: digest,
		Mode: ModeLive, Lane: s.Lane, Key: RulesPlaybook, WhenBusy: "queue",
	}, Head{Event: s.Event, StartedBy: "trigger:rules"})
}

// ruleBook makes the playbook of a run of rules.
func (e *Engine) ruleBook(ed rulesEdition) (*playbooks.Playbook, error) {
	book := &playbooks.Playbook{
		ID: RulesPlaybook, Title: "What rules do", Status: "stable", On: playbooks.On{Incident: &playbooks.IncidentTrigger{}},
	}
	for i, s := range ed.Steps {
		step := &playbooks.Step{Name: strconv.Itoa(i), Kind: playbooks.Action, Uses: s.Uses, OnError: "fail", Title: playbooks.Text("rule " + s.Rule)}
		if s.Begin != nil {
			step.Action = e.beginAction(s.Rule, *s.Begin)
			step.Uses = step.Action.Name
		} else {
			a, known := e.catalog.Lookup(s.Uses)
			if !known {
				return nil, fmt.Errorf("this version has no action %s", s.Uses)
			}
			step.Action, step.With = a, playbooks.Data(s.With)
		}
		book.Steps = append(book.Steps, step)
	}
	return book, nil
}

// begunRun is the output of the beginning of a run, and what is kept of the
// effect.
type begunRun struct {
	Run      string `json:"run,omitempty" doc:"id of the run; absent where the playbook is busy with the incident"`
	Playbook string `json:"playbook" doc:"id of the playbook"`
}

// beginAction begins a run. Sent again it finds the run that it began: who
// began it is decided by the event.
func (e *Engine) beginAction(rule string, b ruleBegin) actions.Action {
	out := begunRun{Playbook: b.Begin.Playbook}
	a := actions.Spec[struct{}, begunRun]{
		Doc: "Begin a run of a playbook.", Class: actions.Writes, Repeat: actions.RepeatSame, Timeout: 30 * time.Second,
		NoUndo: "what it began is undone by itself",
		Plan: func(context.Context, actions.Call, struct{}) ([]actions.Effect, begunRun, error) {
			return []actions.Effect{{
				Target: actions.Target{
					Kind: "run", ID: b.Begin.Subject + "/" + b.Begin.Playbook, Name: "a run of " + b.Begin.Playbook, Entities: []actions.Entity{b.Incident},
				},
				Before: actions.JSON(nil), After: actions.JSON(out), Request: actions.JSON(out),
			}}, out, nil
		},
		Do: func(ctx context.Context, c actions.Call, _ actions.Effect) (actions.Outcome, error) {
			record, err := e.store.Run(ctx, c.Run)
			if err != nil {
				return actions.Outcome{}, err
			}
			var of Head
			if err := json.Unmarshal(record.Head, &of); err != nil {
				return actions.Outcome{}, fmt.Errorf("run %s: head: %w", c.Run, err)
			}
			begun, err := e.begin(ctx, b.Begin, Head{Event: of.Event, Params: b.Params, StartedBy: "rule:" + rule})
			if err != nil {
				return actions.Outcome{}, err
			}
			now := out
			now.Run = begun.Run
			return actions.Outcome{After: actions.JSON(now), AlreadySo: !begun.New}, nil
		},
		Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
			return actions.Finding{Answer: actions.DidNot, Why: "beginning it again finds the run"}, nil
		},
		Settle: func(r begunRun, effects []actions.Effect) begunRun {
			for _, eff := range effects {
				if got, err := actions.Kept[begunRun](eff.After, "state after"); err == nil && got.Run != "" {
					r.Run = got.Run
				}
			}
			return r
		},
	}.Action()
	a.Name = beginsRun
	return a
}

// incidentOf is the incident that an event is about.
func incidentOf(ev playbooks.Event) actions.Entity {
	var about struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if err := json.Unmarshal(ev.Incident, &about); err != nil {
		return actions.Entity{} // it names nothing, and is refused
	}
	return actions.Entity{Kind: "incident", ID: about.ID, Name: about.Title}
}

// beginsRun is the action that only runs of rules have.
const beginsRun = "playbooks.begin"

// whyBegunStays says how a run that a rule began is taken back.
func whyBegunStays(eff actions.Effect) string {
	if begun, err := actions.Kept[begunRun](eff.After, "state after"); err == nil && begun.Run != "" {
		return "what it began is undone by itself: stanch undo " + begun.Run
	}
	return "what it began is undone by itself"
}

// actionOf answers the action of a step's effect: one of the catalog, or what
// only runs of rules do.
func (h *holding) actionOf(t *task, name string) (actions.Action, bool) {
	if name == beginsRun && t.step != nil && t.step.Action.Name == name {
		return t.step.Action, true
	}
	return h.e.catalog.Lookup(name)
}

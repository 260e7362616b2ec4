package engine

import (
	"context"
	"encoding/json"
	"errors"
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
	Ends  bool           // with Begin: it is over when that run has ended, however it ends
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
	Ends     bool            `json:"ends,omitempty"`
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
			one.Begin = &ruleBegin{Incident: incidentOf(s.Event), Begin: b, Params: head.Params, Ends: step.Ends}
		} else if _, known := e.catalog.Lookup(step.Uses); !known {
			return Begun{}, fmt.Errorf("%w: rule %s: this version has no action %s", ErrRefused, step.Rule, step.Uses)
		}
		ed.Steps = append(ed.Steps, one)
	}
	digest, err := e.keep(ctx, edition{Language: 1, Rules: &ed})
	if err != nil {
		return Begun{}, err
	}
	mode := ModeLive
	if e.o.Shadow {
		mode = ModeShadow
		if err := e.shadowed(ctx, ed, s.Event); err != nil {
			return Begun{}, err
		}
	}
	return e.begin(ctx, Begin{
		Playbook: RulesPlaybook, Subject: e.subject(s.Event, nil), Dedupe: s.Event.ID, Edition: digest,
		Mode: mode, Lane: s.Lane, Key: RulesPlaybook, WhenBusy: "queue",
	}, Head{Event: s.Event, StartedBy: "trigger:rules"})
}

// shadowed begins the playbooks that rules run, all at once and in shadow: a run
// of rules that has no effects would begin none of them.
func (e *Engine) shadowed(ctx context.Context, ed rulesEdition, ev playbooks.Event) error {
	for _, s := range ed.Steps {
		if s.Begin == nil {
			continue
		}
		if _, err := e.begin(ctx, s.Begin.Begin, Head{Event: ev, Params: s.Begin.Params, StartedBy: "rule:" + s.Rule}); err != nil {
			return err
		}
	}
	return nil
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
		NoUndo: "what it began is undone by itself", Within: longestBegun,
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
			done := actions.Outcome{After: actions.JSON(now), AlreadySo: !begun.New}
			if b.Ends && now.Run != "" {
				at := awaitedRun{Run: now.Run, Since: c.Now}
				done = actions.Outcome{Pending: true, Awaits: at.awaits(), Again: at.again(c.Now), Handle: actions.JSON(at)}
			}
			return done, nil
		},
		Check: func(ctx context.Context, c actions.Call, eff actions.Effect) (actions.Finding, error) {
			if eff.Handle == nil {
				return actions.Finding{Answer: actions.DidNot, Why: "beginning it again finds the run"}, nil
			}
			return e.ended(ctx, c, eff, out)
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

// longestBegun is how long a rule waits for the end of a run before a person is
// asked.
const longestBegun = 30 * 24 * time.Hour

// awaitedRun is a run whose end is waited for.
type awaitedRun struct {
	Run   string    `json:"run"`
	Since time.Time `json:"since"`
}

func (a awaitedRun) awaits() string { return "the end of run " + a.Run }

// again is how long after now to look: the longer it takes, the seldomer.
func (a awaitedRun) again(now time.Time) time.Duration {
	return min(max(now.Sub(a.Since)/10, time.Second), 5*time.Minute)
}

// ended looks whether a run that was begun has ended. One that is no longer kept
// has.
func (e *Engine) ended(ctx context.Context, c actions.Call, eff actions.Effect, out begunRun) (actions.Finding, error) {
	at, err := actions.Kept[awaitedRun](eff.Handle, "handle")
	if err != nil {
		return actions.Finding{}, err
	}
	record, err := e.store.Run(ctx, at.Run)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return actions.Finding{}, err
	case !ended(record.Status):
		return actions.Finding{Answer: actions.Pending, Again: at.again(c.Now), Awaits: at.awaits(), Why: "waits for " + at.awaits()}, nil
	}
	out.Run = at.Run
	return actions.Finding{Answer: actions.Happened, After: actions.JSON(out)}, nil
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

package rehearse

import (
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/engine"
)

// What a playbook says of an incident.
const (
	Matched    = "matched"
	NotMatched = "not matched"
	NoAnswer   = "no answer" // its condition fails: it starts nothing
)

func weight(verdict string) int {
	switch verdict {
	case Matched:
		return 2
	case NoAnswer:
		return 1
	}
	return 0
}

// Tried is what a playbook would have done about one incident.
type Tried struct {
	Incident  string    `json:"incident"` // its id
	Title     string    `json:"title"`
	Severity  string    `json:"severity"`
	CreatedAt time.Time `json:"created_at"` // when it was opened
	Verdict   string    `json:"verdict"`    // matched | not matched | no answer
	Because   string    `json:"because"`    // one sentence
	Runs      []Would   `json:"runs"`       // one for the incident, one for each alert that starts the playbook
}

// Partly reports whether some of what would have been done could not be judged.
func (t Tried) Partly() bool {
	for _, r := range t.Runs {
		if len(r.Unjudged) > 0 {
			return true
		}
	}
	return false
}

// Would is a run that would have been begun. Approvals are counted as given, and
// nothing is waited for.
type Would struct {
	Alert     string        `json:"alert,omitempty"` // that starts it
	Because   string        `json:"because"`
	Status    string        `json:"status"`           // succeeded | failed | rejected | cancelled
	Reason    string        `json:"reason,omitempty"` // what stop said
	Error     *engine.Fault `json:"error,omitempty"`
	Effects   []Planned     `json:"effects"`
	Approvals []Question    `json:"approvals"`
	Stops     []Stop        `json:"stops"`
	Unjudged  []Gap         `json:"unjudged"`
}

// Planned is an effect that would have been sent.
type Planned struct {
	Step   string         `json:"step"` // its path
	Action string         `json:"action"`
	Class  actions.Class  `json:"class"`
	Target actions.Target `json:"target"`
	// Assumed says that nobody has looked what the action would change: it is
	// counted as one effect on what it acts upon.
	Assumed bool `json:"assumed,omitempty"`
}

// inPart is what came of a run of which nobody knows the whole.
const inPart = "judged in part"

// Came is what came of the run, as far as it is known.
func (w Would) Came() string {
	if len(w.Unjudged) > 0 && w.Status != "failed" {
		return inPart
	}
	return w.Status
}

// Question is an approval that would have been asked for.
type Question struct {
	Step      string   `json:"step"`
	Ask       string   `json:"ask"`
	Approvers []string `json:"approvers"` // groups and people, as written
	Quorum    int      `json:"quorum"`
	Targets   int      `json:"targets"`
}

// The guardrails that stop an effect.
const (
	StopRefused = "refused" // what it acts upon is protected: the step fails
	StopCap     = "cap"     // it is beyond a cap: a live run would ask first
)

// Stop is an effect that a guardrail would have stopped.
type Stop struct {
	Step      string         `json:"step"`
	Guardrail string         `json:"guardrail"` // refused | cap
	Action    string         `json:"action"`
	Target    actions.Target `json:"target"`
	Why       string         `json:"why"`
}

// Gap is a step that could not be judged.
type Gap struct {
	Step  string `json:"step"` // its path without numbers of items
	Why   string `json:"why"`
	Count int    `json:"count"` // of its items
	// Follows says that the step itself asks nobody: it needs what another could
	// not be told.
	Follows bool `json:"follows,omitempty"`
}

// would tells what a planned run came to. The id of the run, which is by chance,
// is not in it.
func (s *side) would(r engine.Run) Would {
	w := Would{Status: r.Status, Reason: r.Reason, Error: r.Error, Effects: []Planned{}, Approvals: []Question{}, Stops: []Stop{}, Unjudged: []Gap{}}
	if alert, is := strings.CutPrefix(r.Event.ID, "alert/"); is {
		w.Alert = alert
	}
	for _, step := range r.Steps {
		for _, e := range step.Effects {
			w.effect(step, e, s.assumed[step.Path])
			if e.Status == actions.Refused { // the step fails there: those behind are not sent
				break
			}
		}
		if a := step.Approval; a != nil {
			w.Approvals = append(w.Approvals, Question{Step: step.Path, Ask: a.Ask, Approvers: append([]string{}, a.Approvers...), Quorum: a.Quorum, Targets: len(a.Targets)})
		}
		if why, is := strings.CutPrefix(step.Why, engine.NeedsLive+": "); is && step.Status == "skipped" {
			w.gap(Gap{Step: static(step.Path), Why: why, Count: 1, Follows: !s.b.Practice && why != engine.NoEvent && !strings.HasPrefix(why, noAnswerOf)})
		}
	}
	if !slices.ContainsFunc(w.Unjudged, func(g Gap) bool { return !g.Follows }) { // there is nothing that they follow from
		for i := range w.Unjudged {
			w.Unjudged[i].Follows = false
		}
	}
	w.without(r.ID)
	return w
}

func (w *Would) effect(step engine.Step, e engine.StepEffect, assumed bool) {
	stop := Stop{Step: step.Path, Action: e.Action, Target: e.Target, Why: e.Why}
	switch {
	case e.Status == actions.Refused:
		stop.Guardrail = StopRefused
		w.Stops = append(w.Stops, stop)
		return
	case e.Status != actions.Planned:
		return
	case e.Why != "":
		stop.Guardrail = StopCap
		w.Stops = append(w.Stops, stop)
	}
	w.Effects = append(w.Effects, Planned{Step: step.Path, Action: e.Action, Class: e.Class, Target: e.Target, Assumed: assumed})
}

func (w *Would) gap(found Gap) {
	for i := range w.Unjudged {
		if g := &w.Unjudged[i]; g.Step == found.Step && g.Why == found.Why {
			g.Count++
			return
		}
	}
	w.Unjudged = append(w.Unjudged, found)
}

// without takes the id of the run out of what the playbook made of it.
func (w *Would) without(run string) {
	if run == "" {
		return
	}
	clean := func(s *string) { *s = strings.ReplaceAll(*s, run, "RUN") }
	clean(&w.Reason)
	if w.Error != nil {
		e := *w.Error
		clean(&e.Message)
		w.Error = &e
	}
	target := func(t *actions.Target) {
		clean(&t.ID)
		clean(&t.Name)
	}
	for i := range w.Effects {
		target(&w.Effects[i].Target)
	}
	for i := range w.Stops {
		target(&w.Stops[i].Target)
		clean(&w.Stops[i].Why)
	}
	for i := range w.Approvals {
		clean(&w.Approvals[i].Ask)
	}
	for i := range w.Unjudged {
		clean(&w.Unjudged[i].Why)
	}
}

package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"stanch/actions"
	"stanch/playbooks"
)

// Answer is what an action once answered: what it read, or the effects that it
// planned on what it read. It is how the world was then.
type Answer struct {
	Step    string // its path in the run
	Action  string
	Params  json.RawMessage
	Out     json.RawMessage  // of an action with effects, what was expected of them
	Effects []actions.Effect // as they were planned
	Fault   *Fault           // it could not be read, and would not be by another attempt
}

// Answers answers what the actions of a run answered, strand by strand in order.
// What they were asked is computed again from what the run knew then.
func (e *Engine) Answers(ctx context.Context, run string) ([]Answer, error) {
	record, err := e.store.Run(ctx, run)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", run, err)
	}
	var all []Answer
	_, err = e.replay(ctx, record, watch{before: func(st *state, f fact) {
		if a, is := st.answered(f); is {
			all = append(all, a)
		}
	}})
	return all, err
}

// answered is what a fact that has not been taken in yet says that an action
// answered.
func (st *state) answered(f fact) (Answer, bool) {
	step := st.lookup(f.Path)
	if step == nil || step.Kind != playbooks.Action {
		return Answer{}, false
	}
	a := Answer{Step: f.Path, Action: step.Uses, Out: f.Out}
	switch p := st.steps[f.Path]; {
	case f.Kind == kPrepared:
		a.Effects = append([]actions.Effect{}, f.Effects...)
	case p != nil && p.prepared: // the rest is of its effects
		return a, false
	case f.Kind == kFailed && conclusive(f.Fault):
		a.Fault = f.Fault
	case f.Kind != kDone || step.Action.Class != actions.Reads:
		return a, false
	}
	a.Params = json.RawMessage("{}")
	if step.With == nil {
		return a, true
	}
	v, err := step.With.Eval(st.env())
	if err != nil { // then it is this that failed, and nobody was asked
		return a, false
	}
	a.Params, err = playbooks.Encode(v)
	return a, err == nil
}

// conclusive reports whether a fault says something of what was asked for, not of
// how the asking went.
func conclusive(f *Fault) bool {
	return f != nil && (f.Code == "not_found" || f.Code == "refused" || f.Code == "conflict" || f.Code == "invalid")
}

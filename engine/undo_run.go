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

const undoPlaybook = "undo"

// undone is the output of one step of an undo.
type undone struct {
	Status string          `json:"status" doc:"undone, changed_since or no_inverse"`
	Why    string          `json:"why,omitempty" doc:"why it was left alone"`
	State  json.RawMessage `json:"present,omitempty" doc:"the state as it was read"`
}

// undoBook makes the playbook of an undo: a step for each effect. What cannot
// be undone does not stop the others.
func (e *Engine) undoBook(u undo) *playbooks.Playbook {
	book := &playbooks.Playbook{ID: undoPlaybook, Title: "Undo of run " + u.Run, Status: "stable"}
	for i, eff := range u.Effects {
		step := &playbooks.Step{
			Name: strconv.Itoa(i), Kind: playbooks.Action, Uses: eff.Action, OnError: "continue",
			Action: e.undoAction(eff), Retry: &playbooks.Retry{Attempts: 4, Initial: 2 * time.Second, Cap: time.Minute},
		}
		book.Steps = append(book.Steps, step)
	}
	if u.Asks {
		gate := &playbooks.Step{ID: gateKey, Name: gateKey, Kind: playbooks.Approve, Approve: &playbooks.Approval{
			Ask:       playbooks.Text(fmt.Sprintf("Undo %d changes of run %s? It gives access back.", len(u.Effects), u.Run)),
			Covers:    book.Steps,
			OnTimeout: "reject", Quorum: 1, Approvers: playbooks.Texts(e.capApprovers()...),
		}}
		book.Steps = append([]*playbooks.Step{gate}, book.Steps...)
	}
	return book
}

// undoing makes the outline of an undo.
func (e *Engine) undoing(u undo) *outline {
	o := newOutline(e.undoBook(u))
	o.undo = &u
	return o
}

// undoAction takes one effect back through the action that did it.
func (e *Engine) undoAction(eff actions.Effect) actions.Action {
	of := func(other actions.Effect) (actions.Action, error) {
		a, ok := e.catalog.Lookup(other.Action)
		if !ok {
			return a, &Fault{Code: "invalid", Message: "this version has no action " + other.Action}
		}
		return a, nil
	}
	a := actions.Spec[struct{}, undone]{
		Doc: "Take one effect back.", Class: actions.Writes, NoUndo: "an undo is not undone: run the playbook again",
		Plan: func(ctx context.Context, c actions.Call, _ struct{}) ([]actions.Effect, undone, error) {
			is, err := e.isUndone(ctx, eff.ID)
			if err != nil || is {
				return nil, undone{Status: "already_undone"}, err
			}
			inv, err := e.inverse(ctx, c, eff)
			if err != nil {
				return nil, undone{}, err
			}
			if inv.Effect == nil {
				return nil, undone{Status: undoStatus(inv), Why: inv.Why, State: inv.Present}, nil
			}
			return []actions.Effect{*inv.Effect}, undone{Status: "undone"}, nil
		},
		Do: func(ctx context.Context, c actions.Call, inv actions.Effect) (actions.Outcome, error) {
			a, err := of(inv)
			if err != nil {
				return actions.Outcome{}, err
			}
			return a.Do(ctx, c, inv)
		},
		Check: func(ctx context.Context, c actions.Call, inv actions.Effect) (actions.Finding, error) {
			a, err := of(inv)
			if err != nil {
				return actions.Finding{}, err
			}
			return a.Check(ctx, c, inv)
		},
	}.Action()
	a.Name = eff.Action
	if inner, ok := e.catalog.Lookup(eff.Action); ok {
		a.Settling, a.Within, a.Timeout, a.Repeat = inner.Settling, inner.Within, inner.Timeout, inner.Repeat
	}
	return a
}

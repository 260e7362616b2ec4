package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// undo is the edition of a run that takes effects back, newest first.
type undo struct {
	Run     string           `json:"run"`
	Effects []actions.Effect `json:"effects"`
	Asks    bool             `json:"asks,omitempty"`
}

// UndoPlan is what an undo would do.
type UndoPlan struct {
	Run   string     `json:"run"`
	Items []UndoItem `json:"items"`
}

// UndoItem is one effect of the run with its inverse.
type UndoItem struct {
	Step    string          `json:"step"`
	Effect  actions.Effect  `json:"effect"`
	Inverse *actions.Effect `json:"inverse,omitempty"`
	Status  string          `json:"status"` // would_undo | changed_since | no_inverse | already_undone
	Why     string          `json:"why,omitempty"`
	Present json.RawMessage `json:"present,omitempty"`
	Lost    []actions.Lost  `json:"lost,omitempty"`
	Widens  bool            `json:"widens,omitempty"`
}

// doneEffect is an effect that happened, with where and when.
type doneEffect struct {
	step   string
	at     time.Time
	order  int
	effect actions.Effect
}

// effectsOf answers the effects of a run that happened, newest first.
func (e *Engine) effectsOf(ctx context.Context, id, step string) ([]doneEffect, error) {
	record, err := e.store.Run(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	if !ended(record.Status) {
		return nil, fmt.Errorf("%w: run %s is still %s; cancel it first: stanch runs cancel %s", ErrRefused, id, record.Status, id)
	}
	if record.Mode != ModeLive {
		return nil, fmt.Errorf("%w: run %s was a %s and has changed nothing", ErrRefused, id, record.Mode)
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return nil, err
	}
	var found []doneEffect
	known := false
	for _, s := range states {
		for path, p := range s.st.steps {
			if step != "" && path != step && !strings.HasPrefix(path, step+"/") && !strings.HasPrefix(path, step+"[") {
				continue
			}
			known = true
			for i, eff := range p.effects {
				if eff.Status == actions.Done {
					found = append(found, doneEffect{step: path, at: eff.at, order: i, effect: eff.Effect})
				}
			}
		}
	}
	if step != "" && !known {
		return nil, fmt.Errorf("%w: run %s has no step %q; `stanch runs show %s` names them", ErrRefused, id, step, id)
	}
	slices.SortFunc(found, func(a, b doneEffect) int {
		if d := b.at.Compare(a.at); d != 0 {
			return d
		}
		if a.step == b.step {
			return b.order - a.order
		}
		return comparePaths(b.step, a.step)
	})
	return found, nil
}

// PlanUndo reads the world and answers what an undo of the run (of one step,
// if named) would do. It changes nothing.
func (e *Engine) PlanUndo(ctx context.Context, run, step string) (UndoPlan, error) {
	plan := UndoPlan{Run: run, Items: []UndoItem{}}
	effects, err := e.effectsOf(ctx, run, step)
	if err != nil {
		return plan, err
	}
	for _, d := range effects {
		item := UndoItem{Step: d.step, Effect: d.effect, Lost: d.effect.Lost}
		if _, err := e.docs.Get(ctx, docUndone, d.effect.ID); err == nil {
			item.Status = "already_undone"
			plan.Items = append(plan.Items, item)
			continue
		}
		inv, err := e.inverse(ctx, actions.Call{Run: run, Step: d.step, Now: time.Now()}, d.effect)
		if err != nil {
			return plan, fmt.Errorf("undo of %s at %s: %w", d.effect.Action, d.step, err)
		}
		item.Inverse, item.Why, item.Present, item.Widens = inv.Effect, inv.Why, inv.Present, inv.Widens
		item.Status = undoStatus(inv)
		if inv.Effect != nil {
			item.Lost = append(item.Lost, inv.Effect.Lost...)
		}
		plan.Items = append(plan.Items, item)
	}
	return plan, nil
}

func undoStatus(inv actions.Inverse) string {
	switch {
	case inv.Changed:
		return "changed_since"
	case inv.Effect == nil:
		return "no_inverse"
	}
	return "would_undo"
}

// inverse asks the action of an effect how to take it back.
func (e *Engine) inverse(ctx context.Context, c actions.Call, eff actions.Effect) (actions.Inverse, error) {
	a, ok := e.catalog.Lookup(eff.Action)
	if !ok {
		return actions.Inverse{Why: "this version has no action " + eff.Action}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	inv, err := a.Undo(ctx, c, eff)
	if err != nil {
		return inv, err
	}
	if inv.Changed {
		inv.Effect = nil
		if inv.Why == "" {
			inv.Why = "it has been changed since"
		}
	}
	if inv.Effect != nil {
		if inv.Effect.Action == "" {
			inv.Effect.Action = eff.Action
		}
		if inv.Effect.Class == "" {
			inv.Effect.Class = actions.Writes
		}
		inv.Effect.Undoes = eff.ID
	}
	return inv, nil
}

// Undo starts a run that takes back what a run did (of one step, if named),
// newest first, each effect only where the world is still as the run left it.
func (e *Engine) Undo(ctx context.Context, run, step, by string) (Begun, error) {
	plan, err := e.PlanUndo(ctx, run, step)
	if err != nil {
		return Begun{}, err
	}
	u := undo{Run: run}
	for _, item := range plan.Items {
		if item.Status == "already_undone" {
			continue
		}
		u.Effects = append(u.Effects, item.Effect)
		u.Asks = u.Asks || item.Widens && e.o.UndoAsks
	}
	if len(u.Effects) == 0 {
		return Begun{}, fmt.Errorf("%w: run %s has nothing to undo", ErrRefused, run)
	}
	digest, err := e.keep(ctx, edition{Language: 1, Undo: &u})
	if err != nil {
		return Begun{}, err
	}
	record, err := e.store.Run(ctx, run)
	if err != nil {
		return Begun{}, fmt.Errorf("run %s: %w", run, err)
	}
	var head Head
	if err := json.Unmarshal(record.Head, &head); err != nil {
		return Begun{}, fmt.Errorf("run %s: head: %w", run, err)
	}
	head = Head{Event: head.Event, StartedBy: by, Undoes: run}
	return e.begin(ctx, Begin{
		Playbook: undoPlaybook, Subject: record.Subject, Edition: digest, Mode: ModeLive,
		Key: record.Playbook + "\x00" + record.Subject, WhenBusy: "queue",
	}, head)
}

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
		gate := &playbooks.Step{Name: gateKey, Kind: playbooks.Approve, Approve: &playbooks.Approval{
			Ask:       playbooks.Text(fmt.Sprintf("Undo %d changes of run %s? It gives access back.", len(u.Effects), u.Run)),
			Covers:    book.Steps,
			OnTimeout: "reject", Quorum: 1, Approvers: playbooks.Texts(e.capApprovers()...),
		}}
		book.Steps = append([]*playbooks.Step{gate}, book.Steps...)
	}
	return book
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
		a.Settling, a.Timeout, a.Repeat = inner.Settling, inner.Timeout, inner.Repeat
	}
	return a
}

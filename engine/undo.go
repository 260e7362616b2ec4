package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/actions"
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
	Kept  []string   `json:"kept_from,omitempty"` // runs that did what this one kept: undo those too
}

// UndoItem is one effect of the run with its inverse.
type UndoItem struct {
	Step    string          `json:"step"`
	Effect  actions.Effect  `json:"effect"`
	Inverse *actions.Effect `json:"inverse,omitempty"`
	Status  string          `json:"status"` // would_undo | changed_since | no_inverse | already_undone | refused | unreadable
	Why     string          `json:"why,omitempty"`
	Present json.RawMessage `json:"present,omitempty"`
	Lost    []actions.Lost  `json:"lost,omitempty"`
	Widens  bool            `json:"widens,omitempty"`
}

// doneEffect is an effect that happened, with where and when.
type doneEffect struct {
	step   string
	at     time.Time
	n      int64 // of the fact, among those of its strand
	effect actions.Effect
}

// targets are what the effects act upon.
func (u *undo) targets() []actions.Entity {
	if u == nil {
		return nil
	}
	list := make([]actions.Entity, len(u.Effects))
	for i, e := range u.Effects {
		list[i] = actions.Entity{Kind: e.Target.Kind, ID: e.Target.ID, Name: e.Target.Name}
	}
	return list
}

// effectsOf answers the effects of a run that happened, newest first, and the
// runs that did what it kept of them.
func (e *Engine) effectsOf(ctx context.Context, id, step string) (done []doneEffect, kept []string, err error) {
	record, err := e.store.Run(ctx, id)
	if err != nil {
		return nil, nil, fmt.Errorf("run %s: %w", id, err)
	}
	if !ended(record.Status) {
		return nil, nil, fmt.Errorf("%w: run %s is still %s; cancel it first: stanch runs cancel %s", ErrRefused, id, record.Status, id)
	}
	if record.Mode != ModeLive {
		return nil, nil, fmt.Errorf("%w: run %s was a %s and has changed nothing", ErrRefused, id, record.Mode)
	}
	if record.Playbook == undoPlaybook {
		return nil, nil, fmt.Errorf("%w: run %s was an undo, which is not undone itself: run the playbook again", ErrRefused, id)
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return nil, nil, err
	}
	known := false
	at := func(path string) bool {
		if step != "" && path != step && !inStep(path, step) {
			return false
		}
		known = true
		return true
	}
	found := newestFirst(states, at)
	if step != "" && !known {
		return nil, nil, fmt.Errorf("%w: run %s has no step %q; `stanch runs show %s` names them", ErrRefused, id, step, id)
	}
	// What a rollback took back is not done again.
	found = slices.DeleteFunc(found, func(d doneEffect) bool { return d.effect.Undoes != "" })
	return found, slices.Sorted(maps.Keys(keptIn(states, at))), nil
}

// compareDone orders effects as they were done.
func (o *outline) compareDone(a, b doneEffect) int {
	return cmp.Or(a.at.Compare(b.at), o.comparePlaces(a.step, b.step), cmp.Compare(a.n, b.n))
}

// inStep reports whether a path leads into a step: into its parts, items,
// branches, turns, or what it calls.
func inStep(path, step string) bool {
	return len(path) > len(step) && strings.HasPrefix(path, step) && strings.IndexByte("/[#", path[len(step)]) >= 0
}

// PlanUndo reads the world and answers what an undo of the run (of one step,
// if named) would do. It changes nothing.
func (e *Engine) PlanUndo(ctx context.Context, run, step string) (UndoPlan, error) {
	plan := UndoPlan{Run: run, Items: []UndoItem{}}
	effects, kept, err := e.effectsOf(ctx, run, step)
	if err != nil {
		return plan, err
	}
	plan.Kept = kept
	for _, d := range effects {
		item, err := e.undoItem(ctx, run, d)
		if err != nil {
			return plan, err
		}
		plan.Items = append(plan.Items, item)
	}
	return plan, nil
}

func (e *Engine) undoItem(ctx context.Context, run string, d doneEffect) (UndoItem, error) {
	item := UndoItem{Step: d.step, Effect: d.effect, Lost: d.effect.Lost}
	undone, err := e.isUndone(ctx, d.effect.ID)
	if err != nil || undone {
		item.Status = "already_undone"
		return item, err
	}
	inv, err := e.inverse(ctx, actions.Call{Run: run, Step: d.step, Now: e.o.Now()}, d.effect)
	if err != nil {
		if ctx.Err() != nil {
			return item, fmt.Errorf("undo of %s at %s: %w", d.effect.Action, d.step, err)
		}
		item.Status, item.Why = "unreadable", message(err) // the run tries again
		return item, nil
	}
	item.Inverse, item.Why, item.Present, item.Widens = inv.Effect, inv.Why, inv.Present, inv.Widens
	item.Status = undoStatus(inv)
	if inv.Effect == nil {
		return item, nil
	}
	item.Lost = append(item.Lost[:len(item.Lost):len(item.Lost)], inv.Effect.Lost...)
	if why := e.protects(nil, *inv.Effect); why != "" {
		item.Status, item.Why = "refused", why
	}
	return item, nil
}

// isUndone reports whether an effect has been taken back.
func (e *Engine) isUndone(ctx context.Context, effect string) (bool, error) {
	_, err := e.docs.Get(ctx, docUndone, effect)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrNotFound):
		return false, nil
	}
	return false, fmt.Errorf("effect %s: %w", effect, err)
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
	if eff.Action == beginsRun {
		return actions.Inverse{Why: whyBegunStays(eff)}, nil
	}
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
	of, err := e.context(ctx, record.RunHead)
	if err != nil {
		return Begun{}, err
	}
	key, wide, err := of.key()
	if err != nil {
		return Begun{}, fmt.Errorf("run %s: %w", run, err)
	}
	head = Head{Event: head.Event, StartedBy: by, Undoes: run}
	return e.begin(ctx, Begin{
		Playbook: undoPlaybook, Subject: record.Subject, Edition: digest, Mode: ModeLive, Key: key, Wide: wide, WhenBusy: "queue",
	}, head)
}

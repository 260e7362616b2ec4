package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stanch/playbooks"
)

// Resubmit is a wish to begin a run again: the same event and params with the
// playbook as it is now.
type Resubmit struct {
	Run    string
	Book   *playbooks.Playbook
	By     string
	Reason string
}

// Resubmit begins a run again from its first step. What the earlier run did is
// neither kept nor known: every step reads the world anew. It refuses
// (ErrRefused) what is still alive, an undo, another playbook, and params or an
// event that the playbook no longer takes, and says which. Every call begins a
// run.
func (e *Engine) Resubmit(ctx context.Context, r Resubmit) (Begun, error) {
	record, head, err := e.before(ctx, r.Run)
	if err != nil {
		return Begun{}, err
	}
	if record.Playbook != r.Book.ID {
		return Begun{}, fmt.Errorf("%w: run %s was of %s, not of %s", ErrRefused, r.Run, record.Playbook, r.Book.ID)
	}
	params, err := refit(r.Book, head.Params)
	if err != nil {
		return Begun{}, fmt.Errorf("%w: the params of run %s do not fit %s any more: %w", ErrRefused, r.Run, r.Book.ID, err)
	}
	again := head.next(r.By, r.Reason)
	again.Resubmits = r.Run
	start := Start{Book: r.Book, Event: head.Event, Params: params, Mode: record.Mode, By: r.By, again: &again}
	if _, err := r.Book.EventNames(head.Event); err != nil {
		return Begun{}, fmt.Errorf("%w: the event of run %s does not fit %s any more: %w", ErrRefused, r.Run, r.Book.ID, err)
	}
	return e.Start(ctx, start)
}

// before answers a run that another is to follow, and its head. One that may
// still do something is refused, and so is an undo.
func (e *Engine) before(ctx context.Context, id string) (RunRecord, Head, error) {
	var head Head
	record, err := e.store.Run(ctx, id)
	switch {
	case err != nil:
		return record, head, fmt.Errorf("run %s: %w", id, err)
	case record.Playbook == undoPlaybook:
		return record, head, fmt.Errorf("%w: run %s was an undo: `stanch undo` of the run that it was to take back begins another", ErrRefused, id)
	case record.Playbook == RulesPlaybook:
		return record, head, fmt.Errorf("%w: run %s was of rules, which are asked again about the next revision of the incident only", ErrRefused, id)
	case !ended(record.Status):
		return record, head, e.stillAlive(ctx, record)
	}
	if err := json.Unmarshal(record.Head, &head); err != nil {
		return record, head, fmt.Errorf("run %s: head: %w", id, err)
	}
	return record, head, nil
}

// stillAlive says what is to be done first about a run that has not ended.
func (e *Engine) stillAlive(ctx context.Context, record RunRecord) error {
	states, err := e.states(ctx, record)
	if err != nil {
		return err
	}
	if steps := unknownIn(states); len(steps) > 0 {
		return fmt.Errorf("%w: nobody can tell what became of %s of run %s: look, then `stanch runs resolve %s %s --done` or `--not-done`",
			ErrRefused, strings.Join(steps, ", "), record.ID, record.ID, steps[0])
	}
	return fmt.Errorf("%w: run %s is still %s; cancel it first: stanch runs cancel %s", ErrRefused, record.ID, record.Status, record.ID)
}

// next is what the head of a run that follows says of who came before.
func (h Head) next(by, reason string) Head {
	n := Head{Event: h.Event, Params: h.Params, StartedBy: by, Reason: reason}
	for _, who := range append(slices.Clone(h.Behind), h.StartedBy) {
		if !slices.Contains(n.Behind, who) {
			n.Behind = append(n.Behind, who)
		}
	}
	return n
}

// refit makes the params of a playbook from those of an earlier run: with
// defaults for what is new. The error names everything that does not fit.
func refit(book *playbooks.Playbook, kept json.RawMessage) (map[string]any, error) {
	fields := map[string]json.RawMessage{}
	if len(kept) > 0 {
		if err := json.Unmarshal(kept, &fields); err != nil {
			return nil, err
		}
	}
	given, faults := map[string]any{}, []error{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		raw := fields[name]
		i := slices.IndexFunc(book.Params, func(q playbooks.Param) bool { return q.Name == name })
		switch {
		case string(raw) == "null":
		case i < 0:
			given[name] = raw // GiveParams says that there is none
		default:
			v, err := book.Params[i].Type.Decode(raw)
			if err != nil {
				faults = append(faults, fmt.Errorf("param %s: %w", name, err))
				v = book.Params[i].Default
			}
			given[name] = v
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return book.GiveParams(given)
}

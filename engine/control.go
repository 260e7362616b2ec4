package engine

import (
	"context"
	"fmt"
	"slices"

	"stanch/actions"
)

// Cancel marks a run: nothing more of it begins but what its finally parts say,
// at most ten minutes long; what has begun gets its outcome.
func (e *Engine) Cancel(ctx context.Context, run, by, reason string) error {
	return e.mark(ctx, run, Cancelled, Audit{Kind: "run.cancel", Run: run, By: by, Why: reason})
}

// Terminate marks a run, cancelled or not: nothing more of it begins, what tidies
// up neither; what has begun gets its outcome.
func (e *Engine) Terminate(ctx context.Context, run, by, reason string) error {
	return e.mark(ctx, run, Terminated, Audit{Kind: "run.terminate", Run: run, By: by, Why: reason})
}

func (e *Engine) mark(ctx context.Context, run string, mark Cancel, a Audit) error {
	_, err := e.store.Signal(ctx, Signal{
		Request: newID(), Run: run, Cancel: mark, Seen: AnyVersion, Audit: [][]byte{auditRecord(a)},
	})
	if err != nil {
		return fmt.Errorf("%s run %s: %w", mark, run, err)
	}
	return nil
}

// Freeze stops every effect that has not begun; Thaw lets them go on.
func (e *Engine) Freeze(ctx context.Context, on bool, by, reason string) (Frozen, error) {
	change := "thaw"
	if on {
		change = "freeze"
	}
	f, err := e.store.Freeze(ctx, Freeze{
		Request: newID(), Change: change, By: by, Reason: reason,
		Audit: [][]byte{auditRecord(Audit{Kind: change, By: by, Why: reason})},
	})
	if err != nil {
		return f, fmt.Errorf("%s: %w", change, err)
	}
	e.setFrozen(f.On, f.At)
	return f, nil
}

// Frozen answers whether effects are stopped, by whom and why.
func (e *Engine) Frozen(ctx context.Context) (Frozen, error) {
	f, err := e.store.Freeze(ctx, Freeze{})
	if err != nil {
		return f, fmt.Errorf("the freeze: %w", err)
	}
	return f, nil
}

// Resolve tells what became of an unknown effect: a person has looked.
func (e *Engine) Resolve(ctx context.Context, run, step string, happened bool, by string) error {
	record, err := e.store.Run(ctx, run)
	if err != nil {
		return fmt.Errorf("run %s: %w", run, err)
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return err
	}
	for _, s := range states {
		p := s.st.steps[step]
		if p == nil {
			continue
		}
		for i := range p.effects {
			if p.effects[i].Status == actions.Unknown {
				return e.resolve(ctx, s, fact{Kind: kResolve, Path: step, Effect: i, Happened: happened, By: by}, p.effects[i].Effect)
			}
		}
	}
	return fmt.Errorf("%w: run %s has no unknown effect at step %q; `stanch runs show %s` names the steps", ErrRefused, run, step, run)
}

func (e *Engine) resolve(ctx context.Context, s strandState, f fact, eff actions.Effect) error {
	run, status := s.st.run.id, actions.NotDone
	if f.Happened {
		status = actions.Done
	}
	_, err := e.store.Signal(ctx, Signal{
		Request: newID(), Run: run, Strand: s.record.Path, Body: f.encode(), Seen: s.record.Seen,
		Audit: [][]byte{auditRecord(Audit{Kind: "effect.resolve", Run: run, Step: f.Path, Effect: eff.ID, Action: eff.Action, Target: &eff.Target, By: f.By, Status: string(status)})},
	})
	if err != nil {
		return fmt.Errorf("resolve %s of run %s: %w", f.Path, run, err)
	}
	docs := withdrawals(eff)
	if f.Happened {
		docs = consequences(run, eff)
	}
	for _, d := range docs {
		if _, err := e.docs.Put(ctx, d); err != nil {
			return fmt.Errorf("%s of run %s is resolved; what follows from it could not be noted: %w", f.Path, run, err)
		}
	}
	return nil
}

// unknownIn names the steps with an effect of which nobody can tell whether it
// happened, in order.
func unknownIn(states []strandState) []string {
	var steps []string
	for _, s := range states {
		for path, p := range s.st.steps {
			if slices.ContainsFunc(p.effects, func(e effectState) bool { return e.Status == actions.Unknown }) {
				steps = append(steps, path)
			}
		}
	}
	slices.SortFunc(steps, comparePaths)
	return steps
}

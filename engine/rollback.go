package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"stanch/actions"
)

// gather records what a rollback has to undo: all that was done inside the step
// and has not been undone since. The strands inside have ended by now.
func (h *holding) gather(work context.Context, t *task) error {
	f := h.st.frames[len(h.st.frames)-1]
	backoff := pause()
	for range maxGathers {
		u, err := h.e.rollbackOf(work, actions.Call{Run: h.st.run.id, Step: f.of.path, Spent: h.spent})
		if err == nil {
			return h.record(fact{Kind: kUndoing, Path: t.path, Undo: &u})
		}
		h.e.log.Warn("it cannot be read what is to be rolled back; waiting", "run", h.lease.Run, "step", f.of.path, "error", err)
		if d, _ := backoff.Next(); !sleep(work, d) {
			return ErrLeaseLost // or the worker ends: nothing is to be recorded
		}
	}
	// What no waiting mends holds up this strand alone, by name, and no worker.
	return fmt.Errorf("what step %s has done cannot be read, so that it is not rolled back", f.of.path)
}

// maxGathers is how often a rollback is read before its strand is set aside for
// a minute: about a minute and a half.
const maxGathers = 25

// rollbackOf answers what is to be undone of the step that the call names.
func (e *Engine) rollbackOf(ctx context.Context, c actions.Call) (undo, error) {
	record, err := e.store.Run(ctx, c.Run)
	if err != nil {
		return undo{}, err
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return undo{}, err
	}
	u := undoOf(states, c.Run, c.Step)
	if err := e.undoKept(ctx, states, &u, c.Step); err != nil {
		return u, err
	}
	known := map[string]bool{}
	for _, eff := range u.Effects {
		if known[eff.ID], err = e.isUndone(ctx, eff.ID); err != nil {
			return u, err
		}
	}
	u.Effects = slices.DeleteFunc(u.Effects, func(eff actions.Effect) bool { return known[eff.ID] })
	if !e.o.UndoAsks {
		return u, nil
	}
	for _, eff := range u.Effects {
		inv, err := e.inverse(ctx, c, eff)
		u.Asks = u.Asks || err != nil || inv.Widens // what cannot be read may widen access
	}
	return u, ctx.Err()
}

// undoKept adds what was done inside a step by the runs that this one retries,
// and that it kept: they did it before.
func (e *Engine) undoKept(ctx context.Context, states []strandState, u *undo, step string) error {
	kept := keptIn(states, func(path string) bool { return inStep(path, step) })
	var older []doneEffect
	for _, run := range slices.Sorted(maps.Keys(kept)) {
		record, err := e.store.Run(ctx, run)
		if err != nil {
			return err
		}
		theirs, err := e.states(ctx, record)
		if err != nil {
			return err
		}
		for _, d := range newestFirst(theirs, func(string) bool { return true }) {
			if kept[run][d.effect.ID] {
				older = append(older, d)
			}
		}
	}
	slices.SortStableFunc(older, func(a, b doneEffect) int { return b.at.Compare(a.at) })
	for _, d := range older {
		u.Effects = append(u.Effects, d.effect)
	}
	return nil
}

// keptIn answers the effects of what is kept at paths, by the run that had them.
func keptIn(states []strandState, at func(path string) bool) map[string]map[string]bool {
	kept := map[string]map[string]bool{}
	for _, s := range states {
		for path, p := range s.st.steps {
			if len(p.had) == 0 || !at(path) {
				continue
			}
			for run, ids := range p.had {
				if kept[run] == nil {
					kept[run] = map[string]bool{}
				}
				for _, id := range ids {
					kept[run][id] = true
				}
			}
		}
	}
	return kept
}

package engine

import (
	"context"
	"slices"

	"stanch/actions"
)

// gather records what a rollback has to undo: all that was done inside the step
// and has not been undone since. The strands inside have ended by now.
func (h *holding) gather(work context.Context, t *task) error {
	f := h.st.frames[len(h.st.frames)-1]
	backoff := pause()
	for {
		u, err := h.e.rollbackOf(work, h.st.run.id, f.of.path)
		if err == nil {
			return h.record(fact{Kind: kUndoing, Path: t.path, Undo: &u})
		}
		h.e.log.Warn("it cannot be read what is to be rolled back; waiting", "run", h.lease.Run, "step", f.of.path, "error", err)
		if d, _ := backoff.Next(); !sleep(work, d) {
			return ErrLeaseLost // or the worker ends: nothing is to be recorded
		}
	}
}

func (e *Engine) rollbackOf(ctx context.Context, run, step string) (undo, error) {
	record, err := e.store.Run(ctx, run)
	if err != nil {
		return undo{}, err
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return undo{}, err
	}
	u := undoOf(states, run, step)
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
		inv, err := e.inverse(ctx, actions.Call{Run: run, Step: step}, eff)
		u.Asks = u.Asks || err != nil || inv.Widens // what cannot be read may widen access
	}
	return u, ctx.Err()
}

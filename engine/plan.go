package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"stanch/actions"
)

// planned ends a step of a plan: its effects are shown, none is begun; what a
// guardrail would refuse is refused here too, and where one would ask, it says
// so.
func (h *holding) planned(ctx context.Context, t *task, effects []actions.Effect, out json.RawMessage) error {
	for i, e := range effects {
		why := h.e.protects(h.st.books(), e)
		if why == "" {
			continue
		}
		return h.record(
			fact{Kind: kResult, Path: t.path, Effect: i, Status: actions.Refused, Why: why},
			fact{Kind: kFailed, Path: t.path, Attempt: t.attempt, Fault: &Fault{Step: t.path, Code: "refused", Message: why}})
	}
	for i, e := range effects {
		why, err := h.wouldAsk(ctx, e)
		if err != nil {
			return err
		}
		if why == "" {
			continue
		}
		if err := h.record(fact{Kind: kHeld, Path: t.path, Effect: i, Why: why}); err != nil {
			return err
		}
	}
	return h.record(fact{Kind: kDone, Path: t.path, Attempt: t.attempt, Out: out})
}

// wouldAsk counts the targets of a planned effect under the caps of its run, and
// answers what a live run would ask before it, or "".
func (h *holding) wouldAsk(ctx context.Context, e actions.Effect) (string, error) {
	for _, take := range h.takes(e) {
		take.Request = newID()
		taken, err := h.e.store.Take(ctx, take)
		if err != nil {
			return "", fmt.Errorf("count %s: %w", e.Target.Name, err)
		}
		if !taken.Granted {
			return fmt.Sprintf("beyond the cap of %d %s: a live run would ask first", take.Limit, kindOf(take.Name)), nil
		}
	}
	return "", nil
}

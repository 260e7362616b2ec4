package engine

import (
	"context"
	"fmt"
	"time"

	"stanch/actions"
)

// triesMost is how often a step is tried in all that says nothing of retry, and
// how often an effect that did not happen is sent: a passing fault of an API at
// 3 a.m. fails no run.
const triesMost = 3

// check looks what became of an open effect.
func (h *holding) check(work context.Context, t *task) error {
	state := h.st.at(t.path).effects[t.effect]
	e := state.Effect
	a, ok := h.actionOf(t, e.Action)
	if !ok {
		return fmt.Errorf("effect of action %s, which this version does not have", e.Action)
	}
	ctx, cancel := context.WithTimeout(work, t.timeout)
	defer cancel()
	found, err := safely(h, e.Action, func() (actions.Finding, error) { return a.Check(ctx, h.call(t), e) })
	if err != nil {
		return h.cannotLook(work, t, state, a, err)
	}
	now := h.storeNow()
	accepted := !state.deadline.IsZero()
	switch found.Answer {
	case actions.Happened:
		return h.happened(t, e, actions.Done, found.After, found.Lost, found.Why)
	case actions.Failed:
		return h.without(t, actions.NotDone, &Fault{Code: "failed", Message: found.Why})
	case actions.Pending:
		if !accepted { // nobody heard that it was accepted; from now on it is known
			state.deadline = now.Add(a.Within)
		}
		state.awaits = found.Awaits
		if now.Before(state.deadline) || !accepted {
			return h.lookAgain(t, state, max(found.Again, time.Second), found.Why)
		}
		found.Why = "it is still under way there after " + a.Within.String()
	case actions.DidNot:
		if !accepted {
			return h.didNot(t, state, a, found)
		}
		if now.Before(state.deadline) {
			return h.lookAgain(t, state, max(found.Again, time.Second), "not to be seen yet")
		}
		found.Why = "it was accepted and is not to be seen after " + a.Within.String()
	}
	return h.cannotTell(t, state, a, found.Why)
}

// didNot repeats an effect that did not happen, under the same id. For what
// destroys, that counts only after two looks one settling time apart.
func (h *holding) didNot(t *task, s effectState, a actions.Action, found actions.Finding) error {
	if s.Class == actions.Destroys && s.looks == 0 {
		s.looks = 1
		return h.lookAgain(t, s, max(a.Settling, time.Second), "not to be seen; looking once more")
	}
	return h.redo(t, s, notSeen, "it did not happen: "+found.Why)
}

// redo makes the effect due again under the same id, a few times at most: then
// it did not happen, or nobody knows.
func (h *holding) redo(t *task, s effectState, left doubt, why string) error {
	p := h.st.at(t.path)
	most := triesMost
	if t.step.Retry != nil {
		most = max(most, t.step.Retry.Attempts)
	}
	if s.failures+1 < most {
		fault := &Fault{Step: t.path, Code: "unavailable", Message: why}
		return h.record(fact{Kind: kRetry, Path: t.path, Attempt: p.attempt + 1, Effect: t.effect, Doubt: left, Fault: fault, Until: h.storeNow().Add(backoff(t.step.Retry, s.failures))})
	}
	if left == cannotSay {
		return h.unknown(t, s.Effect, why)
	}
	h.st.at(t.path).effects[t.effect].doubt = noDoubt // the last look counts
	return h.without(t, actions.NotDone, &Fault{Code: "unavailable", Message: fmt.Sprintf("%s was sent %d times without effect: %s", s.Action, s.sent, why)})
}

// unknown leaves an effect to a person.
func (h *holding) unknown(t *task, e actions.Effect, why string) error {
	h.note(t.path, e, "effect.result", string(actions.Unknown), why)
	return h.record(fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: actions.Unknown, Why: why})
}

// cannotTell does what the action declares for an effect of which nobody knows:
// it is sent again where that does no harm, and else a person decides. So it is
// where it has happened, and nobody can tell what comes of it.
func (h *holding) cannotTell(t *task, s effectState, a actions.Action, why string) error {
	if a.Repeat != actions.RepeatNever && s.Class != actions.Destroys && s.awaits == "" {
		return h.redo(t, s, cannotSay, why)
	}
	return h.unknown(t, s.Effect, why)
}

func (h *holding) lookAgain(t *task, s effectState, after time.Duration, why string) error {
	until := h.storeNow().Add(after)
	return h.record(fact{Kind: kOpen, Path: t.path, Effect: t.effect, Until: until, Looks: s.looks, Deadline: s.deadline, Awaits: s.awaits, Why: why})
}

// cannotLook deals with a look that failed itself: later again, unless the
// look is not allowed, which no waiting mends.
func (h *holding) cannotLook(work context.Context, t *task, s effectState, a actions.Action, err error) error {
	if work.Err() != nil {
		return ErrLeaseLost
	}
	switch codeOf(err) {
	case "forbidden", "unauthorized", "invalid", "refused":
		return h.cannotTell(t, s, a, "it cannot be read back: "+message(err))
	}
	after, _ := retryAfter(err)
	if codeOf(err) == "throttled" {
		h.tooMuch(work, t, a, after)
	}
	return h.lookAgain(t, s, max(after, 5*time.Second), "could not look: "+message(err))
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	retry "github.com/sethvargo/go-retry"

	"stanch/actions"
	"stanch/playbooks"
)

// redoMost is how often an effect that did not happen is sent in all, when the
// step says nothing of attempts.
const redoMost = 3

// backoff is the wait after so many failed attempts.
func backoff(r *playbooks.Retry, attempts int) time.Duration {
	initial, longest, full := 2*time.Second, 5*time.Minute, true
	constant := false
	if r != nil {
		if r.Initial > 0 {
			initial = r.Initial
		}
		if r.Cap > 0 {
			longest = r.Cap
		}
		full, constant = r.Jitter != "none", r.Backoff == "constant"
	}
	b := retry.NewExponential(initial)
	if constant {
		b = retry.NewConstant(initial)
	}
	b = retry.WithCappedDuration(longest, b)
	if full {
		b = retry.WithJitterPercent(50, b)
	}
	var d time.Duration
	for range min(attempts, 30) + 1 {
		d, _ = b.Next()
	}
	return d
}

// send takes one effect from its guards over its intent to its result.
func (h *holding) send(ctx, hard context.Context, t *task) error {
	e := h.st.at(t.path).effects[t.effect]
	action, ok := h.e.catalog.Lookup(e.Action)
	if !ok {
		return fmt.Errorf("effect of action %s, which this version does not have", e.Action)
	}
	verdict, err := h.guard(ctx, t, &e)
	if err != nil {
		return h.failed(t, t.effect, err)
	}
	if verdict.refuse != "" {
		return h.refuse(t, e.Effect, verdict.refuse)
	}
	if verdict.question != nil {
		return h.ask(t, verdict.question)
	}
	begun := time.Now()
	settled, err := h.intent(hard, t, e.Effect, verdict.take)
	if err != nil {
		return err
	}
	if settled.Refused != "" {
		return h.notBegun(hard, t, e.Effect, settled.Refused)
	}
	if _, _, err := h.settled(settled, Then{}); err != nil {
		return err
	}
	h.e.hold(h.lease, nil)
	call := h.call(t)
	call.Sending = actions.Sending{
		ID: e.ID, SendBy: begun.Add(min(t.timeout/2, 5*time.Second)), DoneBy: begun.Add(t.timeout),
		Frozen: func() error {
			if h.e.isFrozen() {
				return &Fault{Step: t.path, Code: "refused", Message: "frozen"}
			}
			return nil
		},
	}
	sending, cancel := context.WithDeadline(ctx, call.Sending.DoneBy)
	defer cancel()
	out, err := action.Do(sending, call, e.Effect)
	return h.done(t, action, e.Effect, out, err)
}

// intent records that the effect may be sent from here on. It is applied to
// the state only once the store has it.
func (h *holding) intent(ctx context.Context, t *task, e actions.Effect, take []Take) (Settled, error) {
	f := fact{Kind: kIntent, Path: t.path, Effect: t.effect, DoneIn: t.timeout}
	s := h.settlement(Then{})
	s.Facts = append(s.Facts[:len(s.Facts):len(s.Facts)], f.encode())
	s.Audit = append(s.Audit[:len(s.Audit):len(s.Audit)], auditRecord(Audit{
		Kind: "effect.intent", Run: h.st.run.id, Step: t.path, Playbook: h.st.run.book.ID, By: h.st.run.start.StartedBy,
		Effect: e.ID, Action: e.Action, Class: e.Class, Target: &e.Target, Before: e.Before, After: e.After,
	}))
	s.Intent, s.Take = true, take
	settled, err := h.try(ctx, s)
	if err != nil || settled.Refused != "" {
		return settled, err
	}
	return settled, h.st.take(f, settled.At)
}

// notBegun deals with an intent that the store refused; nothing has changed.
func (h *holding) notBegun(ctx context.Context, t *task, e actions.Effect, why string) error {
	switch why {
	case "cancelled": // the settle of what came before brings the mark
		_, _, err := h.settle(ctx, Then{})
		if err == nil && h.st.cancel == NotCancelled {
			h.st.cancel = Cancelled
		}
		return err
	case heldFrozen:
		h.e.setFrozen(true)
		return h.record(fact{Kind: kHeld, Path: t.path, Effect: t.effect, Key: heldFrozen, Why: "effects are frozen"})
	}
	return h.ask(t, h.capQuestion(t, e, why))
}

// heldFrozen is what an effect is held by during a freeze.
const heldFrozen = "frozen"

// refuse ends an effect that a guardrail forbids.
func (h *holding) refuse(t *task, e actions.Effect, why string) error {
	if h.st.at(t.path).effects[t.effect].doubt == actions.Unknown {
		return h.unknown(t, e, "it may have happened, and is not done again: "+why)
	}
	h.note(t.path, e, "effect.result", string(actions.Refused), why)
	return h.record(
		fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: actions.Refused, Why: why},
		fact{Kind: kFailed, Path: t.path, Attempt: t.attempt, Fault: &Fault{Step: t.path, Code: "refused", Message: why}})
}

// done takes in what the request came to.
func (h *holding) done(t *task, a actions.Action, e actions.Effect, out actions.Outcome, err error) error {
	now := h.storeNow()
	switch {
	case err != nil && unsure(err):
		p := h.st.at(t.path).effects[t.effect]
		until := later(p.doneBy.Add(margin), now.Add(a.Settling))
		h.note(t.path, e, "effect.open", string(actions.Open), message(err))
		return h.record(fact{Kind: kOpen, Path: t.path, Effect: t.effect, Until: until, Why: message(err)})
	case err != nil:
		return h.failed(t, t.effect, err)
	case out.Pending:
		longest := max(a.Settling, out.Again)
		return h.record(fact{Kind: kOpen, Path: t.path, Effect: t.effect, Until: now.Add(out.Again), Deadline: now.Add(longest), Handle: out.Handle, Why: "accepted; under way there"})
	}
	switch {
	case !out.AlreadySo:
		return h.happened(t, e, actions.Done, out.After, out.Lost, "")
	case h.st.at(t.path).effects[t.effect].doubt != "":
		return h.happened(t, e, actions.Done, out.After, out.Lost, "it was found so when it was sent again: the first request had come through")
	}
	return h.happened(t, e, actions.AlreadySo, out.After, out.Lost, "")
}

// happened records that an effect is done.
func (h *holding) happened(t *task, e actions.Effect, status actions.Status, after json.RawMessage, lost []actions.Lost, why string) error {
	if after != nil {
		e.After = after
	}
	h.note(t.path, e, "effect.result", string(status), why)
	for _, own := range e.Own {
		h.put = append(h.put, ownDocument(own, e.ID))
	}
	if e.Undoes != "" && status == actions.Done {
		h.put = append(h.put, Document{Kind: docUndone, Key: e.Undoes, Body: []byte(`{"by":"` + h.st.run.id + `"}`), Version: AnyVersion})
	}
	return h.record(fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: status, After: after, Lost: lost, Why: why})
}

const (
	docUndone = "undone" // key: id of an effect that was taken back
	// DocOwn is the kind of document that tells what Stanch wrote last into a
	// field of an incident; its key is the incident's id, a slash, the field.
	DocOwn = "own"
)

// OwnWrite is the body of a DocOwn document.
type OwnWrite struct {
	Value  json.RawMessage `json:"value"`
	Effect string          `json:"effect"`
}

func ownDocument(own actions.Own, effect string) Document {
	body, err := json.Marshal(OwnWrite{Value: own.Value, Effect: effect})
	if err != nil { // Value is JSON made by the action
		panic(fmt.Sprintf("engine: own write of %s: %v", own.Field, err))
	}
	return Document{Kind: DocOwn, Key: own.Incident + "/" + own.Field, Body: body, Version: AnyVersion, Expires: 30 * 24 * time.Hour}
}

// check looks what became of an open effect.
func (h *holding) check(ctx context.Context, t *task) error {
	state := h.st.at(t.path).effects[t.effect]
	e := state.Effect
	a, ok := h.e.catalog.Lookup(e.Action)
	if !ok {
		return fmt.Errorf("effect of action %s, which this version does not have", e.Action)
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	found, err := a.Check(ctx, h.call(t), e)
	if err != nil {
		return h.cannotLook(t, state, a, err)
	}
	now := h.storeNow()
	pending := !state.deadline.IsZero()
	switch found.Answer {
	case actions.Happened:
		return h.happened(t, e, actions.Done, found.After, found.Lost, found.Why)
	case actions.Failed:
		h.note(t.path, e, "effect.result", string(actions.NotDone), found.Why)
		return h.record(
			fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: actions.NotDone, Why: found.Why},
			fact{Kind: kFailed, Path: t.path, Attempt: t.attempt + 1, Fault: &Fault{Step: t.path, Code: "failed", Message: found.Why}})
	case actions.Pending:
		if !pending || now.Before(state.deadline) {
			return h.lookAgain(t, state, max(found.Again, time.Second), found.Why)
		}
		found.Why = "it is still under way there after " + a.Settling.String()
	case actions.DidNot:
		if pending && now.Before(state.deadline) {
			return h.lookAgain(t, state, max(found.Again, time.Second), "not to be seen yet")
		}
		if !pending {
			return h.didNot(t, state, a, found)
		}
		found.Why = "it was accepted and is not to be seen after " + a.Settling.String()
	}
	return h.cannotTell(t, state, a, found.Why)
}

// didNot repeats an effect that did not happen, under the same id. For what
// destroys, that counts only after two looks one settling time apart.
func (h *holding) didNot(t *task, s effectState, a actions.Action, found actions.Finding) error {
	if s.Class == actions.Destroys && s.looks == 0 {
		until := h.storeNow().Add(max(a.Settling, time.Second))
		return h.record(fact{Kind: kOpen, Path: t.path, Effect: t.effect, Until: until, Looks: 1, Why: "not to be seen; looking once more"})
	}
	return h.redo(t, s, actions.NotDone, "it did not happen: "+found.Why)
}

// redo makes the effect due again under the same id, a few times at most. known
// is what is known of the send before: not_done or unknown.
func (h *holding) redo(t *task, s effectState, known actions.Status, why string) error {
	p := h.st.at(t.path)
	most := redoMost
	if t.step.Retry != nil {
		most = max(most, t.step.Retry.Attempts)
	}
	if p.attempt+1 >= most && known == actions.Unknown {
		return h.unknown(t, s.Effect, fmt.Sprintf("sent %d times: %s", p.attempt+1, why))
	}
	if p.attempt+1 >= most {
		h.note(t.path, s.Effect, "effect.result", string(actions.NotDone), why)
		return h.record(
			fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: actions.NotDone, Why: why},
			fact{Kind: kFailed, Path: t.path, Attempt: p.attempt + 1, Fault: &Fault{Step: t.path, Code: "unavailable", Message: fmt.Sprintf("%s was sent %d times without effect: %s", s.Action, p.attempt+1, why)}})
	}
	fault := &Fault{Step: t.path, Code: "unavailable", Message: why}
	return h.record(fact{Kind: kRetry, Path: t.path, Attempt: p.attempt + 1, Effect: t.effect, Status: known, Fault: fault, Until: h.storeNow().Add(backoff(t.step.Retry, p.attempt))})
}

// cannotTell does what the action declares for an effect of which nobody knows.
func (h *holding) cannotTell(t *task, s effectState, a actions.Action, why string) error {
	if a.Repeat != actions.RepeatNever {
		return h.redo(t, s, actions.Unknown, why)
	}
	return h.unknown(t, s.Effect, why)
}

// unknown leaves it to a person to say what became of the effect.
func (h *holding) unknown(t *task, e actions.Effect, why string) error {
	h.note(t.path, e, "effect.result", string(actions.Unknown), why)
	return h.record(fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: actions.Unknown, Why: why})
}

func (h *holding) lookAgain(t *task, s effectState, after time.Duration, why string) error {
	until := h.storeNow().Add(after)
	return h.record(fact{Kind: kOpen, Path: t.path, Effect: t.effect, Until: until, Looks: s.looks, Why: why})
}

// cannotLook deals with a look that failed itself: later again, unless the
// look is not allowed, which no waiting mends.
func (h *holding) cannotLook(t *task, s effectState, a actions.Action, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	switch codeOf(err) {
	case "forbidden", "unauthorized", "invalid", "refused":
		return h.cannotTell(t, s, a, "it cannot be read back: "+message(err))
	}
	after, _ := retryAfter(err)
	return h.lookAgain(t, s, max(after, 5*time.Second), "could not look: "+message(err))
}

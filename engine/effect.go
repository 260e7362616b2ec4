package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	retry "github.com/sethvargo/go-retry"

	"stanch/actions"
	"stanch/playbooks"
)

// backoff is the wait after so many failed attempts. With full jitter it is
// anything up to that, so that those who failed together do not come back
// together.
func backoff(r *playbooks.Retry, failures int) time.Duration {
	initial, longest, jitter, kind := 2*time.Second, 5*time.Minute, true, ""
	if r != nil {
		if r.Initial > 0 {
			initial = r.Initial
		}
		if r.Cap > 0 {
			longest = r.Cap
		}
		jitter, kind = r.Jitter != "none", r.Backoff
	}
	var b retry.Backoff
	switch kind {
	case "constant":
		b = retry.NewConstant(initial)
	case "fibonacci":
		b = retry.NewFibonacci(initial)
	default:
		b = retry.NewExponential(initial)
	}
	b = retry.WithCappedDuration(longest, b)
	var d time.Duration
	for range min(failures, 100) + 1 {
		d, _ = b.Next()
	}
	if jitter {
		d = rand.N(d) + 1 //nolint:gosec // it spreads retries; nobody gains by guessing it
	}
	return d
}

// errFrozen stops a request at the last moment before its first byte leaves.
var errFrozen = errors.New("effects are frozen")

// mayLeave answers why a request must not leave because of a freeze, or nil. What
// is known of the freeze is at most a second old: an intent is refused in a
// freeze, so its time counts as a look.
func (e *Engine) mayLeave(ctx context.Context, looked time.Time) error {
	if e.isFrozen() {
		return errFrozen
	}
	if time.Since(looked) < time.Second {
		return nil
	}
	f, err := e.store.Freeze(ctx, Freeze{})
	if err != nil {
		return fmt.Errorf("%w, or nobody can tell: %w", errFrozen, err)
	}
	if f.On {
		e.setFrozen(true, f.At)
		return errFrozen
	}
	return nil
}

// send takes one effect from its guards over its intent to its result.
func (h *holding) send(work, hard context.Context, t *task) error {
	e := h.st.at(t.path).effects[t.effect]
	action, ok := h.actionOf(t, e.Action)
	if !ok {
		return fmt.Errorf("effect of action %s, which this version does not have", e.Action)
	}
	verdict, err := h.guard(work, t, &e)
	switch {
	case err != nil:
		return h.failed(work, t, t.effect, err)
	case verdict.refuse != "":
		return h.without(t, actions.Refused, &Fault{Code: "refused", Message: verdict.refuse})
	case verdict.question != nil:
		return h.ask(t, verdict.question)
	}
	looked := time.Now()
	if e.Undoes != "" {
		if still, err := h.stillToUndo(work, t, &e); err != nil || !still {
			return err
		}
	}
	begun := time.Now()
	settled, err := h.intent(hard, t, e.Effect, intentOf(t, action), verdict.take)
	if err != nil {
		return err
	}
	if settled.Refused != "" {
		return h.notBegun(hard, t, e.Effect, settled.Refused)
	}
	if _, _, err := h.settled(settled, Then{}); err != nil {
		return err
	}
	if err := h.e.announce(hard, e.Effect); err != nil {
		return h.notSent(t, "what it writes could not be announced: "+message(err))
	}
	h.e.journals(h.st.run.id, t.path, actions.Begun, e.Effect)
	call := h.call(t)
	call.Sending = actions.Sending{
		ID: e.ID, SendBy: begun.Add(min(t.timeout/2, 5*time.Second)), DoneBy: begun.Add(t.timeout),
		Frozen: func() error { return h.e.mayLeave(work, begun) },
	}
	if !time.Now().Before(call.Sending.SendBy) || e.Undoes != "" && time.Since(looked) > undoStall {
		return h.notSent(t, "its time to be sent had passed when its intent was recorded")
	}
	ctx, cancel := context.WithDeadline(work, call.Sending.DoneBy)
	defer cancel()
	out, err := safely(h, e.Action, func() (actions.Outcome, error) { return action.Do(ctx, call, e.Effect) })
	if err != nil && codeOf(err) == "refused" && !unsure(err) && !time.Now().Before(call.Sending.SendBy) {
		return h.notSent(t, message(err))
	}
	return h.done(work, t, action, e.Effect, out, err)
}

// intentOf is the fact that an effect may be sent from here on: how long its
// request lasts at most, and when what it did shows at the latest.
func intentOf(t *task, a actions.Action) fact {
	return fact{Kind: kIntent, Path: t.path, Effect: t.effect, DoneIn: t.timeout, Settling: a.Settling, Lasts: t.lasts}
}

// intent records an intent. It is applied to the state only once the store has
// it.
func (h *holding) intent(ctx context.Context, t *task, e actions.Effect, f fact, take []Take) (Settled, error) {
	s := h.settlement(Then{})
	s.Facts = append(s.Facts[:len(s.Facts):len(s.Facts)], f.encode())
	s.Audit = append(s.Audit[:len(s.Audit):len(s.Audit)], auditRecord(Audit{
		Kind: "effect.intent", Run: h.st.run.id, Step: t.path, Playbook: h.st.run.book.ID, By: h.st.run.start.StartedBy,
		Effect: e.ID, Action: e.Action, Class: e.Class, Target: &e.Target, Before: e.Before, After: e.After,
		aim: h.aim.at(e),
	}))
	s.Intent, s.Take, s.Proved = true, take, e.Class == actions.Destroys
	if h.st.sheltered() {
		s.Under = Cancelled
	}
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
		return h.holdBack(t)
	}
	return h.ask(t, h.capQuestion(t, e, why))
}

// holdBack keeps an effect of which no byte has left until the end of a freeze.
func (h *holding) holdBack(t *task) error {
	return h.record(fact{Kind: kHeld, Path: t.path, Effect: t.effect, Key: heldFrozen, Why: "effects are frozen"})
}

// notSent makes an effect due again of which no byte has left in time. It uses
// up no attempt.
func (h *holding) notSent(t *task, why string) error {
	fault := &Fault{Step: t.path, Code: "unavailable", Message: why}
	return h.record(fact{Kind: kRetry, Path: t.path, Attempt: h.st.at(t.path).attempt, Effect: t.effect, Fault: fault, Until: h.storeNow()})
}

// done takes in what the request came to.
func (h *holding) done(work context.Context, t *task, a actions.Action, e actions.Effect, out actions.Outcome, err error) error {
	now := h.storeNow()
	switch {
	case errors.Is(err, errFrozen):
		return h.holdBack(t)
	case err != nil && unsure(err):
		h.note(t.path, e, "effect.open", string(actions.Open), message(err))
		until := h.st.at(t.path).effects[t.effect].until // as the intent says
		return h.record(fact{Kind: kOpen, Path: t.path, Effect: t.effect, Until: until, Why: message(err)})
	case err != nil:
		return h.failed(work, t, t.effect, err)
	case out.Pending:
		longest := max(a.Within, out.Again)
		why := "accepted; under way there"
		if out.Awaits != "" {
			why = "done; waits for " + out.Awaits
		}
		return h.record(fact{Kind: kOpen, Path: t.path, Effect: t.effect, Until: now.Add(out.Again), Deadline: now.Add(longest), Handle: out.Handle, Awaits: out.Awaits, Why: why})
	}
	status := actions.Done
	if out.AlreadySo && h.st.at(t.path).effects[t.effect].doubt == noDoubt {
		status = actions.AlreadySo
	}
	return h.happened(t, e, status, out.After, out.Lost, "")
}

// happened records that an effect is done.
func (h *holding) happened(t *task, e actions.Effect, status actions.Status, after json.RawMessage, lost []actions.Lost, why string) error {
	if after != nil {
		e.After = after
	}
	h.note(t.path, e, "effect.result", string(status), why)
	if status == actions.Done {
		h.put = append(h.put, consequences(h.st.run.id, e)...)
	}
	return h.record(fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: status, After: after, Lost: lost, Why: why})
}

// consequences are the documents that tell others of an effect that is done.
func consequences(run string, e actions.Effect) []Document {
	var docs []Document
	for _, own := range e.Own {
		docs = append(docs, ownDocument(own, e.ID))
	}
	if e.Undoes != "" {
		docs = append(docs, Document{Kind: docUndone, Key: e.Undoes, Body: []byte(`{"by":"` + run + `"}`), Version: AnyVersion})
	}
	return docs
}

// announce tells that an effect is about to write into fields of an incident:
// who reads the incident before the result is kept knows whose value it is.
func (e *Engine) announce(ctx context.Context, of actions.Effect) error {
	for _, d := range announcements(of) {
		d.Expires = announced
		if _, err := e.docs.Put(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// announcements are the documents of what an effect is about to write.
func announcements(of actions.Effect) []Document {
	var docs []Document
	for _, own := range of.Own {
		d := ownDocument(own, of.ID)
		d.Kind, d.Key = DocOwning, own.Incident+"/"+own.Field+"/"+of.ID
		docs = append(docs, d)
	}
	return docs
}

// withdraw takes back what was announced of an effect that certainly did not
// happen.
func (h *holding) withdraw(of actions.Effect) {
	for _, d := range announcements(of) {
		d.Expires = 1
		h.put = append(h.put, d)
	}
}

// announced is how long it is known that an effect was about to write: longer than
// a result is ever on its way.
const announced = 24 * time.Hour

const (
	docUndone = "undone" // key: id of an effect that was taken back
	// DocOwning is the kind of document that tells what Stanch is about to write
	// into a field of an incident, before the first byte leaves; its key is the
	// incident's id, a slash, the field, another slash and the effect's id, its
	// body an OwnWrite. A DocOwn of the field that is newer says more.
	DocOwning = "owning"
	// DocOwn is the kind of document that tells what Stanch wrote last into a
	// field of an incident; its key is the incident's id, a slash, the field, and
	// where values are added to that, another slash and the effect's id.
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
	key := own.Incident + "/" + own.Field
	if own.Adds {
		key += "/" + effect
	}
	return Document{Kind: DocOwn, Key: key, Body: body, Version: AnyVersion, Expires: 30 * 24 * time.Hour}
}

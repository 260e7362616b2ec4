package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// perform does one task and takes in what came of it.
func (h *holding) perform(hard, work context.Context, t *task) error {
	if action := h.calls(t); action != "" {
		h.drew, h.spent = nil, &actions.Spent{}
		if waits, err := h.room(work, t, action); err != nil || waits {
			return err
		}
		free, err := h.e.slot(work, action)
		if err != nil {
			return err
		}
		defer func() {
			free()
			h.giveBack(work)
		}()
	}
	switch t.kind {
	case tRead:
		return h.execute(work, t)
	case tSend:
		return h.send(work, hard, t)
	case tCheck:
		return h.check(work, t)
	case tAsk:
		return h.askGate(work, t)
	case tRemind:
		return h.remind(t)
	case tAwait:
		return h.await(t)
	case tTurn:
		return h.askAgain(work)
	case tGather:
		return h.gather(work, t)
	case tUndoLater:
		return h.undoLater(hard, t)
	case tKeep:
		return h.keep(work, t)
	case tLook:
		return h.look(work, t)
	}
	return fmt.Errorf("engine: task %d is not known", t.kind)
}

// execute runs a reading action, or prepares the effects of another.
func (h *holding) execute(work context.Context, t *task) error {
	started := h.st.now
	ctx, cancel := context.WithTimeout(work, t.timeout)
	defer cancel()
	a := t.step.Action
	if a.Class == actions.Reads {
		out, err := safely(h, a.Name, func() (json.RawMessage, error) { return a.Read(ctx, h.call(t), t.params) })
		if err == nil && len(out) > maxOutput {
			err = tooLarge(len(out), maxOutput)
		}
		if err != nil {
			return h.failed(work, t, -1, timedOut(ctx, t, err))
		}
		return h.record(fact{Kind: kDone, Path: t.path, Attempt: t.attempt, Started: started, Out: out})
	}
	var effects []actions.Effect
	out, err := safely(h, a.Name, func() (out json.RawMessage, err error) {
		effects, out, err = a.Plan(ctx, h.call(t), t.params)
		return out, err
	})
	if err != nil {
		return h.failed(work, t, -1, timedOut(ctx, t, err))
	}
	for i := range effects {
		effects[i].ID = newID()
	}
	prepared := fact{Kind: kPrepared, Path: t.path, Attempt: t.attempt, Started: started, Effects: effects, Out: out}
	prepared.Entity, prepared.Target = subjectOf(a, t.params)
	if err := h.record(prepared); err != nil {
		return err
	}
	if !h.st.run.planning() {
		return nil
	}
	return h.planned(work, t, effects, out)
}

// subjectOf names what a step acts upon, from its entity parameter.
func subjectOf(a actions.Action, params json.RawMessage) (*actions.Entity, json.RawMessage) {
	name, kind, ok := a.EntityParam()
	if !ok {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(params, &fields) != nil {
		return nil, nil
	}
	e := &actions.Entity{Kind: kind}
	if json.Unmarshal(fields[name], &e.ID) == nil {
		return e, fields[name]
	}
	var record map[string]any
	if json.Unmarshal(fields[name], &record) != nil {
		return nil, nil
	}
	*e = entityOf(kind, record)
	return e, fields[name]
}

// timedOut names our own deadline as the cause.
func timedOut(ctx context.Context, t *task, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && codeOf(err) == "failed" {
		return &Fault{Step: t.path, Code: "timeout", Message: fmt.Sprintf("no answer within %s", t.timeout)}
	}
	return err
}

// codeOf is the language's code of an error; connectors and actions say it
// themselves.
func codeOf(err error) string {
	if c, ok := errors.AsType[interface {
		error
		ErrorCode() string
	}](err); ok {
		return c.ErrorCode()
	}
	return "failed"
}

// failed takes in an attempt that certainly changed nothing: it is tried again
// where the step says so, else the step has failed. effect is -1 where the step
// has none yet.
func (h *holding) failed(work context.Context, t *task, effect int, err error) error {
	if work.Err() != nil {
		return ErrLeaseLost // or the worker ends: nothing is to be recorded
	}
	code, p := codeOf(err), h.st.at(t.path)
	fault := &Fault{Step: t.path, Code: code, Message: message(err)}
	if effect < 0 && h.st.run.planning() && onlyLive(err) {
		return h.record(fact{Kind: kSkipped, Path: t.path, Why: NeedsLive + ": " + fault.Message, Planned: true})
	}
	if effect < 0 && h.st.needsLive(fault) {
		return h.record(fact{Kind: kSkipped, Path: t.path, Why: NeedsLive + ": " + fault.Message})
	}
	attempts := triesMost
	if t.step.Retry != nil {
		attempts = t.step.Retry.Attempts
	}
	failures := p.attempt
	if effect >= 0 {
		failures = p.effects[effect].failures
	}
	after, told := retryAfter(err)
	free := code == "throttled"
	if free || code == "unavailable" && told {
		a, _ := h.e.catalog.Lookup(h.calls(t))
		h.tooMuch(work, t, a, after)
	}
	if free || failures+1 < attempts && retries(t.step.Retry, code, effect < 0) {
		wait := max(after, backoff(t.step.Retry, failures))
		used := p.attempt
		if !free {
			used++
		} else if !told {
			wait = max(wait, time.Second)
		}
		if effect >= 0 {
			h.withdrawUnsent(&p.effects[effect])
		}
		return h.record(fact{Kind: kRetry, Path: t.path, Attempt: used, Effect: effect, Fault: fault, Until: h.storeNow().Add(wait)})
	}
	if effect < 0 {
		return h.record(fact{Kind: kFailed, Path: t.path, Attempt: p.attempt + 1, Fault: fault, Started: p.started})
	}
	status := actions.NotDone
	if code == "refused" {
		status = actions.Refused
	}
	return h.without(t, status, fault)
}

// without ends the effect of a task that certainly did not happen this time,
// and with it the step; unless it may have happened before.
func (h *holding) without(t *task, status actions.Status, fault *Fault) error {
	p := h.st.at(t.path)
	e := &p.effects[t.effect]
	status = e.without(status)
	h.note(t.path, e.Effect, "effect.result", string(status), fault.Message)
	result := fact{Kind: kResult, Path: t.path, Effect: t.effect, Status: status, Why: fault.Message}
	if status == actions.Unknown {
		return h.record(result)
	}
	if e.sent > 0 {
		h.letUndo(e.Effect)
		h.withdraw(e.Effect)
	}
	fault.Step = t.path
	return h.record(result, fact{Kind: kFailed, Path: t.path, Attempt: p.attempt + 1, Fault: fault, Started: p.started})
}

// message is what an error says, without the code of a Fault, which stands
// beside it.
func message(err error) string {
	text := err.Error()
	if f, ok := errors.AsType[*Fault](err); ok {
		text = strings.TrimSuffix(text, f.Error()) + f.Message
	}
	return strings.ToValidUTF8(text, "�")
}

func retryAfter(err error) (time.Duration, bool) {
	if r, ok := errors.AsType[interface {
		error
		RetryAfter() (time.Duration, bool)
	}](err); ok {
		return r.RetryAfter()
	}
	return 0, false
}

// unsure reports whether the request may have taken effect.
func unsure(err error) bool {
	if u, ok := errors.AsType[interface {
		error
		Unsure() bool
	}](err); ok {
		return u.Unsure()
	}
	// An error that does not say so may be anything: look before going on.
	return true
}

// onlyLive reports whether an error says of itself that nothing is wrong: nobody
// asked the world, as in a backtest. What depends on the answer is then skipped.
func onlyLive(err error) bool {
	l, ok := errors.AsType[interface {
		error
		OnlyLive() bool
	}](err)
	return ok && l.OnlyLive()
}

// retries reports whether an error is worth another attempt.
func retries(r *playbooks.Retry, code string, read bool) bool {
	if r != nil && len(r.On) > 0 {
		return slices.Contains(r.On, code)
	}
	switch code {
	case "throttled", "unavailable", "locked":
		return true
	case "timeout":
		return read
	}
	return false
}

// note appends an audit record about an effect.
func (h *holding) note(path string, e actions.Effect, kind, status, why string) {
	if kind == "effect.result" {
		h.e.journals(h.st.run.id, path, actions.Status(status), e)
	}
	h.audit = append(h.audit, auditRecord(Audit{
		Kind: kind, Run: h.st.run.id, Step: path, Playbook: h.st.run.book.ID, By: h.st.run.start.StartedBy,
		Effect: e.ID, Action: e.Action, Class: e.Class, Target: &e.Target, Before: e.Before, After: e.After,
		Status: status, Why: why, aim: h.aim.at(e),
	}))
}

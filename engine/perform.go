package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// perform does one task and takes in what came of it.
func (h *holding) perform(hard context.Context, t *task) error {
	ctx, cancel := context.WithCancel(hard)
	defer cancel()
	h.e.hold(h.lease, cancel)
	held := h.lease
	defer h.e.hold(held, nil)
	switch t.kind {
	case tRead:
		return h.execute(ctx, t)
	case tSend:
		return h.send(ctx, hard, t)
	case tCheck:
		return h.check(ctx, t)
	case tAsk:
		return h.askGate(ctx, t)
	}
	return fmt.Errorf("engine: task %d is not known", t.kind)
}

func (h *holding) call(t *task) actions.Call {
	return actions.Call{Run: h.st.run.id, Step: t.path, Attempt: t.attempt, Now: h.st.now}
}

// execute runs a reading action, or prepares the effects of another.
func (h *holding) execute(ctx context.Context, t *task) error {
	started := h.st.now
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	a := t.step.Action
	if a.Class == actions.Reads {
		out, err := a.Read(ctx, h.call(t), t.params)
		if err != nil {
			return h.failed(t, -1, timedOut(ctx, t, err))
		}
		if len(out) > maxOutput {
			return h.record(fact{Kind: kFailed, Path: t.path, Attempt: t.attempt, Started: started, Fault: tooLarge(t.path, len(out))})
		}
		return h.record(fact{Kind: kDone, Path: t.path, Attempt: t.attempt, Started: started, Out: out})
	}
	effects, out, err := a.Plan(ctx, h.call(t), t.params)
	if err != nil {
		return h.failed(t, -1, timedOut(ctx, t, err))
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
	return h.planned(t, effects, out)
}

// planned ends a step of a plan: its effects are shown, none is begun; what a
// guardrail would refuse is refused here too.
func (h *holding) planned(t *task, effects []actions.Effect, out json.RawMessage) error {
	for i := range effects {
		if why := h.e.protects(h.st.run.book, effects[i]); why != "" {
			return h.record(
				fact{Kind: kResult, Path: t.path, Effect: i, Status: actions.Refused, Why: why},
				fact{Kind: kFailed, Path: t.path, Attempt: t.attempt, Fault: &Fault{Step: t.path, Code: "refused", Message: why}})
		}
	}
	return h.record(fact{Kind: kDone, Path: t.path, Attempt: t.attempt, Out: out})
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
// where the step says so, else the step has failed. effect is -1 for a read.
func (h *holding) failed(t *task, effect int, err error) error {
	if errors.Is(err, context.Canceled) {
		return err // the lease is lost or the worker ends: nothing is to be recorded
	}
	code, p := codeOf(err), h.st.at(t.path)
	fault := &Fault{Step: t.path, Code: code, Message: message(err)}
	attempts := 1
	if t.step.Retry != nil {
		attempts = t.step.Retry.Attempts
	}
	after, told := retryAfter(err)
	free := code == "throttled"
	used := p.attempt + 1
	if free {
		used = p.attempt
	}
	if free || used < attempts && retries(t.step.Retry, code, effect < 0) {
		wait := max(after, backoff(t.step.Retry, p.attempt))
		if free && !told {
			wait = max(wait, time.Second)
		}
		return h.record(fact{Kind: kRetry, Path: t.path, Attempt: used, Effect: effect, Fault: fault, Until: h.storeNow().Add(wait)})
	}
	if effect >= 0 && p.effects[effect].doubt == actions.Unknown {
		return h.unknown(t, p.effects[effect].Effect, "it may have happened before it was sent again, which failed: "+fault.Message)
	}
	facts := []fact{{Kind: kFailed, Path: t.path, Attempt: p.attempt + 1, Fault: fault, Started: p.started}}
	if effect >= 0 {
		status := actions.NotDone
		if code == "refused" {
			status = actions.Refused
		}
		facts = append([]fact{{Kind: kResult, Path: t.path, Effect: effect, Status: status, Why: fault.Message}}, facts...)
		h.note(t.path, p.effects[effect].Effect, "effect.result", string(status), fault.Message)
	}
	return h.record(facts...)
}

func message(err error) string {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Message
	}
	return strings.ToValidUTF8(err.Error(), "�")
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

// retries reports whether an error is worth another attempt.
func retries(r *playbooks.Retry, code string, read bool) bool {
	if r != nil && len(r.On) > 0 {
		for _, on := range r.On {
			if on == code {
				return true
			}
		}
		return false
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
	h.audit = append(h.audit, auditRecord(Audit{
		Kind: kind, Run: h.st.run.id, Step: path, Playbook: h.st.run.book.ID, By: h.st.run.start.StartedBy,
		Effect: e.ID, Action: e.Action, Class: e.Class, Target: &e.Target, Before: e.Before, After: e.After,
		Status: status, Why: why,
	}))
}

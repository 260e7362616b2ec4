package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// margin is how long after the end of a request nobody looks at what became
// of it: clocks differ, and a byte may still be under way.
const margin = 500 * time.Millisecond

// heldFrozen is what an effect is held by during a freeze.
const heldFrozen = "frozen"

// action moves an action step on. It answers true when the move is complete.
func (st *state) action(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if p.prepared {
		return st.effect(m, step, path, p)
	}
	if st.now.Before(p.until) {
		st.waitUntil(m, p.until, cmp.Or(p.next, "the next attempt")+" of "+path)
		return true, nil
	}
	params := json.RawMessage("{}")
	if step.With != nil {
		v, err := step.With.Eval(st.env())
		if err != nil {
			return false, st.broken(m, path, err)
		}
		if params, err = playbooks.Encode(v); err != nil {
			return false, st.broken(m, path, err)
		}
	}
	timeout, err := st.duration(step.Timeout, step.Action.Timeout)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	m.task = &task{kind: tRead, path: path, step: step, params: params, attempt: p.attempt + 1, timeout: timeout}
	return true, nil
}

// effect moves the effects of a prepared step on, one after the other. It
// answers true when the move is complete.
func (st *state) effect(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	for i := range p.effects {
		e := &p.effects[i]
		switch e.Status {
		case actions.Done, actions.AlreadySo, actions.Undone:
			continue
		case actions.Planned:
			return st.send(m, step, path, i)
		case actions.Begun, actions.Open:
			switch wait := st.now.Before(e.until); {
			case wait && e.awaits != "":
				st.waitUntil(m, e.until, e.awaits)
				return true, nil
			case wait:
				m.then = &Then{Wait: &Wait{For: e.until.Sub(st.now), On: "what became of " + path}}
				return true, nil
			}
			m.task = &task{kind: tCheck, path: path, step: step, effect: i, timeout: step.Action.Timeout, attempt: p.attempt + 1}
			return true, nil
		case actions.Unknown:
			m.then = &Then{Wait: &Wait{Ever: true, On: "a person to say whether " + path + " happened"}}
			return true, nil
		}
		code := "failed"
		if e.Status == actions.Refused {
			code = "refused"
		}
		return false, st.emit(m, fact{Kind: kFailed, Path: path, Attempt: p.attempt + 1, Fault: &Fault{Step: path, Code: code, Message: e.why}})
	}
	effects := make([]actions.Effect, len(p.effects))
	for i, e := range p.effects {
		effects[i] = e.Effect
	}
	out, err := step.Action.Output(p.out, effects)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	return false, st.emit(m, fact{Kind: kDone, Path: path, Attempt: p.attempt + 1, Out: out})
}

// send lets an effect begin, unless it waits for people, a thaw or a time.
func (st *state) send(m *move, step *playbooks.Step, path string, i int) (bool, error) {
	p := st.at(path)
	e := &p.effects[i]
	if q := p.ask[e.held]; q != nil {
		switch outcome, _ := q.outcome(st.now); outcome {
		case "":
			st.waitQuestion(m, q, path)
			return true, nil
		case "rejected", "timed_out":
			why := "no approval: " + outcome
			if q.Denied != "" {
				why = q.Ask + " " + q.Denied
			}
			return false, st.emit(m, fact{Kind: kResult, Path: path, Effect: i, Status: e.without(actions.Refused), Why: why})
		}
	}
	if e.held == heldFrozen && st.fresh == e {
		// The end of the freeze wakes it; the time is for one that nobody heard of.
		m.then = &Then{Wait: &Wait{For: time.Minute, Thaw: true, On: "the end of the freeze"}}
		return true, nil
	}
	if st.now.Before(p.until) {
		st.waitUntil(m, p.until, cmp.Or(p.next, "the next attempt")+" of "+path)
		return true, nil
	}
	timeout, err := st.duration(step.Timeout, step.Action.Timeout)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	lasts, err := st.lasts(step)
	if err != nil {
		return false, st.broken(m, path, fmt.Errorf("for: %w", err))
	}
	m.task = &task{kind: tSend, path: path, step: step, effect: i, timeout: timeout, attempt: p.attempt + 1, lasts: lasts}
	return true, nil
}

func (st *state) waitQuestion(m *move, q *questionState, path string) {
	on := "approval at " + path
	until := q.Expires
	if next := q.remindAt(); !next.IsZero() && (until.IsZero() || next.Before(until)) {
		until = next
	}
	if until.IsZero() {
		st.waitEver(m, on)
		return
	}
	st.waitUntil(m, until, on)
}

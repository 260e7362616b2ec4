package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// apply takes in a fact that the store keeps.
func (st *state) apply(f Fact) error {
	body, err := decodeFact(f.Body)
	if err != nil {
		return err
	}
	st.seen = max(st.seen, f.N)
	st.now = later(st.now, f.At)
	if err := st.take(body, f.At); err != nil {
		return err
	}
	if body.Kind == kResult || body.Kind == kResolve {
		st.steps[body.Path].effects[body.Effect].n = f.N
	}
	return nil
}

// take takes in one fact body that was recorded at a time.
func (st *state) take(f fact, at time.Time) error {
	if err := f.whole(); err != nil {
		return err
	}
	switch f.Kind {
	case kLost:
		st.lost = true
		return nil
	case kTurn:
		if st.asked = true; f.Ending != "" {
			st.close(outcome{ending: f.Ending, why: f.Why})
		}
		return nil
	case kMarked:
		st.mark(f.Marked)
		return nil
	case kFailing, kFinal:
		return st.takePart(f)
	case kJoined:
		st.children = f.Children
		return nil
	}
	p := st.at(f.Path)
	if p.step == nil {
		return fmt.Errorf("playbook %s has no step %q in strand %q", st.outline.book.ID, f.Path, st.strand)
	}
	first := !p.begun
	if first && f.Kind != kDecision && f.Kind != kResolve && f.Kind != kMail && f.Kind != kAnew {
		p.begun, p.started = true, f.Started
		if p.started.IsZero() {
			p.started = at
		}
	}
	switch f.Kind {
	case kDone, kFailed, kSkipped, kStopped:
		return st.ended(p, f, first, at)
	case kKept:
		if err := st.takenOver(p, f); err != nil {
			return err
		}
		st.settle(p, outcome{ending: succeeded}, at)
	case kAnew:
		p.anew, p.why = true, f.Why
	case kPart:
		return st.partEnded(p, f, at)
	case kEntered:
		p.branch, p.deadline = f.Branch, f.Due
	case kOpened:
		p.opened, p.count, p.deadline = true, f.Count, f.Due
	case kRound:
		return st.round(p, f)
	case kWaits:
		p.waits, p.until = true, f.Until
	case kUndoing:
		p.undo = f.Undo
	case kAwait:
		p.await = f.Await
	case kMail:
		p.looked = time.Time{}
	case kReceived:
		p.mail = f.Mail
	case kAsked:
		if p.ask == nil {
			p.ask = map[string]*questionState{}
		}
		p.ask[f.Question.Key] = &questionState{Question: *f.Question, at: at}
	case kReminded:
		if q := p.ask[f.Key]; q != nil {
			q.reminded, q.reminders = at, q.reminders+1
		}
	case kDecision:
		if q := p.ask[f.Key]; q != nil {
			q.decisions, q.decidedAt = append(q.decisions, f), append(q.decidedAt, at)
		}
	case kPrepared:
		st.prepared(p, f)
	case kRetry:
		st.retried(p, f)
	default:
		return st.takeEffect(p, f, at)
	}
	return nil
}

// takePart takes in that the playbook goes on with its on_failure or finally.
func (st *state) takePart(f fact) error {
	switch {
	case !st.whole():
		return fmt.Errorf("strand %q: only a playbook turns to %s", st.strand, onFailure)
	case f.Kind == kFailing:
		st.turn(onFailure, outcome{ending: failed, fault: f.Fault, forced: f.Forced})
	default:
		st.given = f.Out
		st.turn(finally, outcome{ending: f.Ending, fault: f.Fault, why: f.Why})
	}
	return nil
}

// mark takes in since when it is known that the run is cancelled.
func (st *state) mark(since time.Time) {
	if !since.IsZero() && (st.marked.IsZero() || since.Before(st.marked)) {
		st.marked = since
	}
}

// ended takes in how the body of a step ended. Its on_error and its finally
// come then; but not where it did not get to begin.
func (st *state) ended(p *progress, f fact, first bool, at time.Time) error {
	o := outcome{ending: f.Ending, why: f.Why, forced: f.Forced}
	switch f.Kind {
	case kDone:
		o.ending = succeeded
		if err := st.output(p, f.Out); err != nil {
			return err
		}
		p.out = f.Out
	case kFailed:
		o.ending, o.fault = failed, f.Fault
		p.fault, p.attempt = f.Fault, max(p.attempt, f.Attempt)
	case kSkipped:
		o.ending = skipped
	}
	p.why, p.came, st.lost, st.children = f.Why, o, false, nil
	st.planned = st.planned || f.Planned
	st.mark(f.Marked)
	for _, g := range f.Gates {
		if st.gates == nil {
			st.gates = map[string]gateVerdict{}
		}
		st.gates[g.Path] = g
	}
	switch never := first && f.Forced || f.Kind == kSkipped && f.Why == notMet; {
	case o.ending == failed && !f.Forced && (len(p.step.Rescue) > 0 || p.step.OnError == rollback):
		p.part, p.rescued = onError, true
	case len(p.step.Finally) > 0 && !never:
		p.part = finally
	default:
		st.settle(p, o, at)
	}
	return nil
}

// partEnded takes in how on_error or finally of a step ended.
func (st *state) partEnded(p *progress, f fact, at time.Time) error {
	if p.part == "" || p.part != f.Branch {
		return fmt.Errorf("fact %s of %s: it is not in its %s", f.Kind, f.Path, f.Branch)
	}
	st.lost = false
	o := outcome{ending: f.Ending, fault: f.Fault, why: f.Why, forced: f.Forced}
	if p.part == finally {
		st.settle(p, p.came.after(o), at)
		return nil
	}
	if p.step.OnError == rollback {
		o = p.failedAsBefore(o)
	}
	p.came = o
	if len(p.step.Finally) > 0 {
		p.part = finally
		return nil
	}
	st.settle(p, o, at)
	return nil
}

// settle takes in how a step ended for good, and what that means for the list
// that it stands in.
func (st *state) settle(p *progress, o outcome, at time.Time) {
	p.part, p.finished, p.status, p.exit, p.forced = "", at, string(o.ending), "", o.forced
	if o.why != "" {
		p.why = o.why
	}
	switch o.ending {
	case succeeded:
		if p.rescued {
			p.status = string(failed) // and the list goes on
		}
	case failed:
		p.fault = o.fault
		if p.step.OnError != "continue" || o.forced {
			p.exit = failed
		}
	case stopped:
		p.exit, p.status = stopped, string(succeeded)
		if p.step.Kind == playbooks.Approve {
			p.status = string(rejected)
		}
	case rejected, cancelled:
		p.exit = o.ending
	}
	if p.step.ID != "" && p.status != string(succeeded) {
		st.outs[p.step.ID] = nil
	}
	if p.step.Kind == playbooks.Repeat {
		st.forget(p.step)
	}
}

func (st *state) prepared(p *progress, f fact) {
	p.prepared, p.out, p.entity, p.target = true, f.Out, f.Entity, f.Target
	p.effects = make([]effectState, len(f.Effects))
	for i, e := range f.Effects {
		p.effects[i] = effectState{Effect: e}
	}
	st.planned = st.planned || st.run.planning() && len(f.Effects) > 0
}

func (st *state) retried(p *progress, f fact) {
	if f.Effect >= 0 && f.Effect < len(p.effects) {
		e := &p.effects[f.Effect]
		e.Status, e.why, e.drawn = actions.Planned, f.Fault.text(), f.Count
		if f.Attempt > p.attempt {
			e.failures++
		}
		if f.Doubt != noDoubt {
			e.doubt = f.Doubt
		}
	}
	p.attempt, p.until, p.next, p.fault = f.Attempt, f.Until, f.Why, f.Fault
}

func (f *Fault) text() string {
	if f == nil {
		return ""
	}
	return f.Message
}

// takeEffect takes in a fact about one effect of a step.
func (st *state) takeEffect(p *progress, f fact, at time.Time) error {
	if f.Effect < 0 || f.Effect >= len(p.effects) {
		return fmt.Errorf("fact %s of %s: there is no effect %d", f.Kind, f.Path, f.Effect)
	}
	e := &p.effects[f.Effect]
	if f.Kind == kLasts {
		e.ends, e.undoRun = f.Until, f.Run
		return nil
	}
	e.at = at
	switch f.Kind {
	case kIntent:
		e.Status, e.held, e.why, e.looks, e.deadline, e.awaits = actions.Begun, "", "", 0, time.Time{}, ""
		e.until = at.Add(f.DoneIn + margin + f.Settling)
		e.begun, e.lasts = at, f.Lasts
		e.sent++
		st.open = p
	case kOpen:
		e.Status, e.until, e.looks, e.why, e.awaits = actions.Open, f.Until, f.Looks, f.Why, f.Awaits
		if !f.Deadline.IsZero() {
			e.deadline = f.Deadline
		}
		if f.Handle != nil {
			e.Handle = f.Handle
		}
		st.open = p
	case kHeld:
		e.Status, e.held, e.why = actions.Planned, f.Key, f.Why
		st.fresh = e
	case kResult:
		e.Status, e.why = f.Status, f.Why
		if f.After != nil {
			e.After = f.After
		}
		e.Lost = append(e.Lost[:len(e.Lost):len(e.Lost)], f.Lost...)
	case kResolve:
		if e.Status != actions.Unknown {
			return nil // somebody said so before
		}
		e.Status, e.why = actions.NotDone, "resolved by "+f.By
		if f.Happened {
			e.Status = actions.Done
		}
	default:
		return fmt.Errorf("fact of unknown kind %q: written by a newer version of stanch?", f.Kind)
	}
	return nil
}

// outputError says that what a step gave is not what its type says.
type outputError struct{ err error }

func (e *outputError) Error() string { return e.err.Error() }

// branches is the output of a parallel step.
type branches struct {
	Vars  map[string]json.RawMessage `json:"vars,omitempty"`
	Steps map[string]json.RawMessage `json:"steps,omitempty"`
}

// output makes what a step gave visible to those after it.
func (st *state) output(p *progress, out json.RawMessage) (err error) {
	defer func() {
		if err != nil {
			err = &outputError{fmt.Errorf("what %s gave: %w", p.path, err)}
		}
	}()
	step := p.step
	switch {
	case step.Kind == playbooks.Set:
		var values map[string]json.RawMessage
		if err := json.Unmarshal(out, &values); err != nil {
			return err
		}
		return st.assign(step.Set, values)
	case step.Kind == playbooks.Parallel:
		var b branches
		if err := json.Unmarshal(out, &b); err != nil {
			return err
		}
		return st.merge(step, b)
	case step.ID == "" || len(out) == 0:
		return nil
	}
	v, err := step.OutputType().Decode(out)
	if err != nil {
		return err
	}
	st.outs[step.ID] = v
	return nil
}

func (st *state) assign(list []playbooks.Binding, values map[string]json.RawMessage) error {
	for _, b := range list {
		raw, set := values[b.Name]
		if !set {
			continue
		}
		v, err := b.Expr.Type().Decode(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		st.vars[b.Name], st.mine[b.Name] = v, v
	}
	return nil
}

// merge makes what the branches of a parallel step set and found visible after
// it.
func (st *state) merge(step *playbooks.Step, b branches) error {
	var errs []error
	sameStrand(step.Branches, func(s *playbooks.Step, brief bool) {
		errs = append(errs, st.assign(s.Set, b.Vars))
		raw, given := b.Steps[s.ID]
		if s.ID == "" || !given || brief {
			return
		}
		v, err := s.OutputType().Decode(raw)
		st.outs[s.ID] = v
		errs = append(errs, err)
	})
	return errors.Join(errs...)
}

package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// move is what a strand does next: facts that follow from what is known, then
// either something to be done in the world (task) or what becomes of the strand.
type move struct {
	facts []fact
	task  *task
	then  *Then
}

// task is one thing that has to be done in the world before more can be said.
type task struct {
	kind    taskKind
	path    string
	step    *playbooks.Step
	params  json.RawMessage
	attempt int
	timeout time.Duration
	effect  int
	ask     *gateAsk
	await   *awaited
	lasts   time.Duration
}

type taskKind int

const (
	tRead      taskKind = iota + 1 // run a reading action, or prepare the effects of another
	tSend                          // record the intent of an effect and send it
	tCheck                         // look what became of an effect
	tAsk                           // ask at an approve step
	tAwait                         // register for messages
	tLook                          // look for messages
	tUndoLater                     // begin the undo of an effect that does not last
)

// next decides what the strand does next. It is a function of the state alone:
// it reads no clock, store or network. Facts it answers are already applied.
func (st *state) next() (move, error) {
	var m move
	for {
		st.seek()
		if m.task = st.lasting(); m.task != nil {
			return m, nil
		}
		if st.ending != "" {
			return st.finish(m)
		}
		if over, err := st.cutShort(&m); err != nil || over {
			return m, err
		}
		if st.ending != "" {
			continue
		}
		f := &st.frames[len(st.frames)-1]
		if f.at >= len(f.list) {
			if err := st.leave(&m); err != nil {
				return m, err
			}
			continue
		}
		path := f.path + f.list[f.at].Name
		p := st.at(path)
		if p.status == "failed" {
			if err := st.unwind(&m, p.fault); err != nil {
				return m, err
			}
			continue
		}
		wait, err := st.step(&m, p.step, path, p)
		if err != nil || wait {
			return m, err
		}
	}
}

// seek goes on to the step that the strand stands at.
func (st *state) seek() {
	for {
		f := &st.frames[len(st.frames)-1]
		if f.at >= len(f.list) {
			return
		}
		step := f.list[f.at]
		p := st.steps[f.path+step.Name]
		switch {
		case p == nil:
			return
		case p.status == "succeeded", p.status == "skipped", p.status == "failed" && step.OnError == "continue":
			f.at++
		case p.status == "" && step.Kind == playbooks.Block && p.branch != "":
			in := frame{list: step.Steps, path: p.path + "/", block: step, outer: p.path}
			if p.branch == "else" {
				in.list, in.path = step.Else, p.path+"/else/"
			}
			st.frames = append(st.frames, in)
		default:
			return
		}
	}
}

// emit records a fact that follows from what is known. A step whose output is
// not what its type says has failed.
func (st *state) emit(m *move, f fact) error {
	f, err := st.told(f, st.now)
	if err != nil {
		return err
	}
	m.facts = append(m.facts, f)
	return nil
}

func (st *state) told(f fact, at time.Time) (fact, error) {
	err := st.take(f, at)
	if bad, ok := errors.AsType[*outputError](err); ok {
		f = fact{Kind: kFailed, Path: f.Path, Attempt: f.Attempt, Started: f.Started, Fault: &Fault{Step: f.Path, Code: "invalid", Message: bad.Error()}}
		err = st.take(f, at)
	}
	return f, err
}

// timed reports whether the run's time bounds this strand.
func (st *state) timed() bool {
	return !st.run.due.IsZero() && !st.late && st.phase == "" && st.cancel == NotCancelled
}

// cutShort ends the strand where the run was cancelled, its time is over, or
// three workers were lost; an effect that was begun is settled first.
func (st *state) cutShort(m *move) (over bool, err error) {
	expired := st.timed() && !st.now.Before(st.run.due) && st.children == nil
	if st.cancel == NotCancelled && !expired && !st.lost {
		return false, nil
	}
	if p := st.open; p != nil {
		for i := range p.effects {
			switch e := &p.effects[i]; {
			case e.Status == actions.Planned && e.doubt == cannotSay:
				return false, st.emit(m, fact{Kind: kResult, Path: p.path, Effect: i, Status: actions.Unknown, Why: "nobody could tell whether it happened, and it is not sent again"})
			case e.settled():
				continue
			case st.lost && e.Status != actions.Unknown:
				return false, st.emit(m, fact{Kind: kResult, Path: p.path, Effect: i, Status: actions.Unknown, Why: "three workers were lost while they looked"})
			}
			return st.effect(m, p.step, p.path, p)
		}
	}
	fault := &Fault{Step: st.current(), Code: "timeout", Message: "the run's time is over"}
	switch {
	case st.cancel != NotCancelled:
		st.ending = "cancelled"
		return false, nil
	case st.lost:
		st.lost = false
		fault.Code, fault.Message = "failed", "the worker was lost three times at this step"
	}
	return false, st.abort(m, fault)
}

// current is the path of the step the strand stands at.
func (st *state) current() string {
	f := st.frames[len(st.frames)-1]
	if f.at < len(f.list) {
		return f.path + f.list[f.at].Name
	}
	if f.block == nil {
		return st.strand
	}
	return f.outer
}

// leave goes on behind a list that has been run to its end.
func (st *state) leave(m *move) error {
	f := st.frames[len(st.frames)-1]
	if f.block == nil {
		return st.complete(m)
	}
	st.frames = st.frames[:len(st.frames)-1]
	return st.emit(m, fact{Kind: kDone, Path: f.outer})
}

// unwind carries a failure outwards until something goes on, or the strand
// ends or the run turns to on_failure.
func (st *state) unwind(m *move, fault *Fault) error {
	for {
		f := st.frames[len(st.frames)-1]
		if f.block == nil {
			return st.failed(m, fault)
		}
		st.frames = st.frames[:len(st.frames)-1]
		if err := st.emit(m, fact{Kind: kFailed, Path: f.outer, Fault: fault}); err != nil {
			return err
		}
		if f.block.OnError == "continue" {
			return nil
		}
	}
}

// abort fails the step that the strand stands at, and what is around it,
// whatever their on_error says.
func (st *state) abort(m *move, fault *Fault) error {
	f := st.frames[len(st.frames)-1]
	if f.at < len(f.list) {
		p := st.at(f.path + f.list[f.at].Name)
		if p.status == "" {
			if err := st.emit(m, fact{Kind: kFailed, Path: p.path, Attempt: p.attempt, Fault: fault}); err != nil {
				return err
			}
		}
	}
	for ; f.block != nil; f = st.frames[len(st.frames)-1] {
		st.frames = st.frames[:len(st.frames)-1]
		if err := st.emit(m, fact{Kind: kFailed, Path: f.outer, Fault: fault}); err != nil {
			return err
		}
	}
	return st.failed(m, fault)
}

// failed fails the strand: a run goes on with on_failure.
func (st *state) failed(m *move, fault *Fault) error {
	if st.above == nil && st.phase == "" && len(st.run.book.OnFailure) > 0 {
		return st.emit(m, fact{Kind: kFailing, Fault: fault})
	}
	if st.fault == nil {
		st.fault = fault
	}
	st.ending = "failed"
	return nil
}

// step moves one step on. It answers true when the move is complete.
func (st *state) step(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if !p.begun {
		if done, err := st.condition(m, step, path); err != nil || done {
			return false, err
		}
	}
	switch step.Kind {
	case playbooks.Block:
		if p.branch != "" {
			return false, nil
		}
		return false, st.emit(m, fact{Kind: kEntered, Path: path, Branch: "then"})
	case playbooks.Action:
		return st.action(m, step, path, p)
	case playbooks.Set:
		return false, st.set(m, step, path)
	case playbooks.ForEach, playbooks.Parallel:
		return st.fan(m, step, path, p)
	case playbooks.Approve:
		return st.approve(m, step, path, p)
	case playbooks.Stop, playbooks.Fail:
		return false, st.halt(m, step, path)
	}
	return false, fmt.Errorf("step %s: kind %q is not known to this version", path, step.Kind)
}

// waitUntil lets go of the strand until a time.
func (st *state) waitUntil(m *move, until time.Time, on string) {
	if st.timed() && st.run.due.Before(until) {
		until = st.run.due
	}
	m.then = &Then{Wait: &Wait{For: max(0, until.Sub(st.now)), On: on}}
}

// waitEver lets go of the strand until somebody tells it something.
func (st *state) waitEver(m *move, on string) {
	if st.timed() {
		st.waitUntil(m, st.run.due, on)
		return
	}
	m.then = &Then{Wait: &Wait{Ever: true, On: on}}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

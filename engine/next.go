package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

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
	tRemind                        // ask again those who have not decided
	tAwait                         // register for messages
	tLook                          // look for messages
	tTurn                          // ask whether a run that was queued is still wanted
	tGather                        // gather what a rollback has to undo
	tUndoLater                     // begin the undo of an effect that does not last
	tKeep                          // look whether what a step did before stands, and take it over
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
		acted, over, err := st.cutShort(&m)
		if err != nil || over {
			return m, err
		}
		if acted {
			continue
		}
		if st.turnComes() {
			m.task = &task{kind: tTurn}
			return m, nil
		}
		f := &st.frames[len(st.frames)-1]
		if f.at >= len(f.list) {
			if err := st.leave(&m, outcome{ending: succeeded}); err != nil {
				return m, err
			}
			continue
		}
		path := f.path + f.list[f.at].Name
		p := st.at(path)
		if p.exit != "" {
			if err := st.leave(&m, p.left()); err != nil {
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

// left is how a list ends in which a step has ended it. What the step failed of
// before its on_error stopped all is no longer the matter.
func (p *progress) left() outcome {
	o := outcome{ending: p.exit, why: p.why, forced: p.forced}
	if p.exit == failed {
		o.fault = p.fault
	}
	return o
}

// seek goes on to the step that the strand stands at.
func (st *state) seek() {
	for st.ending == "" {
		f := &st.frames[len(st.frames)-1]
		if f.at >= len(f.list) {
			return
		}
		p := st.steps[f.path+f.list[f.at].Name]
		switch {
		case p == nil || p.exit != "":
			return
		case p.status != "":
			f.at++
		default:
			in, ok := st.inside(p)
			if !ok {
				return
			}
			st.frames = append(st.frames, in)
			if in.part != "" {
				st.blame()
			}
		}
	}
}

// inside answers the list inside a step that is being run, if there is one.
func (st *state) inside(p *progress) (frame, bool) {
	switch {
	case p.part == onError:
		list, path := st.rescue(p)
		return frame{list: list, path: path, of: p, part: onError}, true
	case p.part == finally:
		return frame{list: p.step.Finally, path: p.path + "/finally/", of: p, part: finally}, true
	case p.part != "":
		return frame{}, false
	case p.step.Kind == playbooks.Repeat && p.round > 0 && !st.now.Before(p.until):
		return frame{list: p.step.Steps, path: turnPath(p.path, p.round) + "/", of: p}, true
	case p.step.Kind != playbooks.Block || p.branch == "":
		return frame{}, false
	case p.branch == "else":
		return frame{list: p.step.Else, path: p.path + "/else/", of: p}, true
	}
	return frame{list: p.step.Steps, path: p.path + "/", of: p}, true
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

// step moves one step on. It answers true when the move is complete.
func (st *state) step(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if !p.begun {
		if kept, wait, err := st.keep(m, step, path, p); err != nil || kept {
			return wait, err
		}
		if done, err := st.condition(m, step, path); err != nil || done {
			return false, err
		}
	}
	switch step.Kind {
	case playbooks.Block:
		return false, st.enter(m, path, "then")
	case playbooks.Action:
		return st.action(m, step, path, p)
	case playbooks.Set:
		return false, st.set(m, step, path)
	case playbooks.ForEach, playbooks.Parallel:
		return st.fan(m, step, path, p)
	case playbooks.Call:
		return st.call(m, step, path, p)
	case rollback:
		return st.rollBack(m, step, path, p)
	case playbooks.Approve:
		return st.approve(m, step, path, p)
	case playbooks.Wait:
		return st.wait(m, step, path, p)
	case playbooks.Repeat:
		return st.repeat(m, step, path, p)
	case playbooks.Stop, playbooks.Fail:
		return false, st.halt(m, step, path)
	}
	return false, fmt.Errorf("step %s: kind %q is not known to this version", path, step.Kind)
}

// enter begins one of the lists of a block.
func (st *state) enter(m *move, path, branch string) error {
	due, err := st.deadline(st.at(path).step)
	if err != nil {
		return st.broken(m, path, err)
	}
	return st.emit(m, fact{Kind: kEntered, Path: path, Branch: branch, Due: due})
}

// deadline answers when a step that begins now has to have ended; zero if it
// says nothing of that.
func (st *state) deadline(step *playbooks.Step) (time.Time, error) {
	if step.Timeout == nil {
		return time.Time{}, nil
	}
	d, err := st.duration(step.Timeout, 0)
	if err != nil {
		return time.Time{}, fmt.Errorf("timeout: %w", err)
	}
	return st.now.Add(d), nil
}

// waitUntil lets go of the strand until a time.
func (st *state) waitUntil(m *move, t time.Time, on string) {
	m.then = &Then{Wait: &Wait{For: max(0, st.until(t).Sub(st.now)), On: on}}
}

// waitEver lets go of the strand until somebody tells it something.
func (st *state) waitEver(m *move, on string) {
	if t := st.until(time.Time{}); !t.IsZero() {
		st.waitUntil(m, t, on)
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

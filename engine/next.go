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
	put   []Document // with then
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
}

type taskKind int

const (
	tRead taskKind = iota + 1 // run a reading action, or prepare the effects of another
	tSend                     // record the intent of an effect and send it
	tCheck
	tAsk
)

// gateAsk is what Next knows of an approval to be asked.
type gateAsk struct {
	text      string
	targets   []actions.Entity
	params    []json.RawMessage // of each target: its JSON, as the covered actions take it
	approvers []string
	timeout   time.Duration
}

// next decides what the strand does next. It is a function of the state alone:
// it reads no clock, store or network. Facts it answers are already applied.
func (st *state) next() (move, error) {
	var m move
	for {
		if st.ending != "" {
			return st.finish(m, st.ending)
		}
		if over, err := st.cutShort(&m); err != nil || over {
			return m, err
		}
		if st.ending != "" {
			continue
		}
		f := &st.frames[len(st.frames)-1]
		if f.at >= len(f.list) {
			if !st.pop() {
				return st.finish(m, "succeeded")
			}
			continue
		}
		step := f.list[f.at]
		path := f.path + step.Name
		p := st.at(path)
		switch p.status {
		case "succeeded", "skipped":
			f.at++
			continue
		case "failed":
			if step.OnError == "continue" {
				f.at++
				continue
			}
			if over, err := st.unwind(&m, p.fault); err != nil || over {
				return m, err
			}
			continue
		}
		wait, err := st.step(&m, step, path, p)
		if err != nil || wait {
			return m, err
		}
	}
}

// emit records a fact that follows from what is known.
func (st *state) emit(m *move, f fact) error {
	m.facts = append(m.facts, f)
	return st.take(f, st.now)
}

// cutShort ends the strand where the run was cancelled, its time is over, or it
// was set aside; an effect that was begun is settled first.
func (st *state) cutShort(m *move) (over bool, err error) {
	expired := !st.run.due.IsZero() && !st.now.Before(st.run.due) && st.phase == ""
	if st.cancel == NotCancelled && !expired && !st.lost {
		return false, nil
	}
	if path, p, i := st.openEffect(); p != nil {
		if st.lost && p.effects[i].Status != actions.Unknown {
			return false, st.emit(m, fact{Kind: kResult, Path: path, Effect: i, Status: actions.Unknown, Why: "three workers were lost while they looked"})
		}
		if p.effects[i].Status == actions.Planned { // it would have been done again, and no longer is
			return false, st.emit(m, fact{Kind: kResult, Path: path, Effect: i, Status: actions.Unknown, Why: p.effects[i].why})
		}
		step, err := findStep(st, path)
		if err != nil {
			return false, err
		}
		return st.effect(m, step, path, p)
	}
	switch {
	case st.cancel != NotCancelled:
		st.ending = "cancelled"
		return false, nil
	case st.lost && st.phase == "":
		st.lost = false
		return st.unwindAll(m, &Fault{Step: st.current(), Code: "failed", Message: "the worker was lost three times at this step"})
	case st.lost:
		st.ending = "failed"
		return false, nil
	}
	return st.unwindAll(m, &Fault{Step: st.current(), Code: "timeout", Message: "the run's time is over"})
}

// openEffect answers the effect of this strand that was begun and has no
// certain outcome, if there is one.
func (st *state) openEffect() (string, *progress, int) {
	for path, p := range st.steps {
		for i, e := range p.effects {
			switch e.Status {
			case actions.Begun, actions.Open, actions.Unknown:
				return path, p, i
			case actions.Planned:
				if e.doubt == actions.Unknown {
					return path, p, i
				}
			}
		}
	}
	return "", nil, 0
}

// current is the path of the step the strand stands at.
func (st *state) current() string {
	if len(st.frames) == 0 {
		return st.strand
	}
	f := st.frames[len(st.frames)-1]
	if f.at < len(f.list) {
		return f.path + f.list[f.at].Name
	}
	return f.outer
}

// pop leaves a finished list. It answers false for the strand's own.
func (st *state) pop() bool {
	f := st.frames[len(st.frames)-1]
	if f.block == nil {
		return false
	}
	st.frames = st.frames[:len(st.frames)-1]
	p := st.at(f.outer)
	p.status, p.finished = "succeeded", st.now
	return true
}

// unwind carries a failure outwards until something goes on, or the strand
// ends or the run turns to on_failure.
func (st *state) unwind(m *move, fault *Fault) (over bool, err error) {
	for {
		f := st.frames[len(st.frames)-1]
		if f.block == nil {
			return st.unwindAll(m, fault)
		}
		st.frames = st.frames[:len(st.frames)-1]
		p := st.at(f.outer)
		p.status, p.fault, p.finished = "failed", fault, st.now
		if f.block.OnError == "continue" {
			return false, nil
		}
	}
}

// unwindAll fails the strand.
func (st *state) unwindAll(m *move, fault *Fault) (over bool, err error) {
	if st.above == nil && st.phase == "" && len(st.run.book.OnFailure) > 0 {
		return false, st.emit(m, fact{Kind: kFailing, Fault: fault})
	}
	if st.fault == nil {
		st.fault = fault
	}
	st.ending = "failed"
	return false, nil
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
		return false, st.enter(m, step, path, p)
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

// condition decides `if`. It answers true when the step is settled by it.
func (st *state) condition(m *move, step *playbooks.Step, path string) (bool, error) {
	if step.If == nil {
		return false, nil
	}
	v, err := step.If.Eval(st.env())
	if err != nil {
		return true, st.broken(m, path, err)
	}
	yes, ok := v.(bool)
	switch {
	case !ok:
		return true, st.broken(m, path, fmt.Errorf("the condition gave %T, not true or false", v))
	case yes:
		return false, nil
	case len(step.Else) > 0:
		return false, st.emit(m, fact{Kind: kEntered, Path: path, Branch: "else"})
	}
	return true, st.emit(m, fact{Kind: kSkipped, Path: path, Why: "its condition is false"})
}

// broken fails a step whose expression could not be evaluated: never a false.
// In plan mode what depends on a result that only a live run has is skipped.
func (st *state) broken(m *move, path string, err error) error {
	return st.emit(m, fact{Kind: kFailed, Path: path, Fault: faultOf(path, err)})
}

// faultOf says an error in the language's codes.
func faultOf(path string, err error) *Fault {
	if f, ok := errors.AsType[*Fault](err); ok {
		return &Fault{Step: path, Code: f.Code, Message: f.Message}
	}
	var coded interface {
		error
		ErrorCode() string
	}
	if errors.As(err, &coded) {
		return &Fault{Step: path, Code: coded.ErrorCode(), Message: err.Error()}
	}
	return &Fault{Step: path, Code: "failed", Message: err.Error()}
}

func (st *state) enter(m *move, step *playbooks.Step, path string, p *progress) error {
	if p.branch == "" {
		if err := st.emit(m, fact{Kind: kEntered, Path: path, Branch: "then"}); err != nil {
			return err
		}
	}
	list, prefix := step.Steps, path+"/"
	if p.branch == "else" {
		list, prefix = step.Else, path+"/else/"
	}
	st.frames = append(st.frames, frame{list: list, path: prefix, block: step, outer: path})
	return nil
}

func (st *state) set(m *move, step *playbooks.Step, path string) error {
	values := make(map[string]json.RawMessage, len(step.Set))
	for _, b := range step.Set {
		v, err := b.Expr.Eval(st.env())
		if err != nil {
			return st.broken(m, path, fmt.Errorf("%s: %w", b.Name, err))
		}
		if values[b.Name], err = playbooks.Encode(v); err != nil {
			return st.broken(m, path, fmt.Errorf("%s: %w", b.Name, err))
		}
	}
	out, err := json.Marshal(values)
	if err != nil {
		return err
	}
	if len(out) > maxOutput {
		return st.emit(m, fact{Kind: kFailed, Path: path, Fault: tooLarge(path, len(out))})
	}
	return st.emit(m, fact{Kind: kDone, Path: path, Out: out})
}

func (st *state) halt(m *move, step *playbooks.Step, path string) error {
	text := ""
	if step.Text != nil {
		v, err := step.Text.Eval(st.env())
		if err != nil {
			return st.broken(m, path, err)
		}
		text = fmt.Sprint(v)
	}
	if step.Kind == playbooks.Fail {
		return st.emit(m, fact{Kind: kFailed, Path: path, Fault: &Fault{Step: path, Code: "failed", Message: text}})
	}
	if err := st.emit(m, fact{Kind: kDone, Path: path, Why: text}); err != nil {
		return err
	}
	return st.emit(m, fact{Kind: kStopped, Path: path, Status: "stopped", Why: text})
}

// finish ends the strand.
func (st *state) finish(m move, outcome string) (move, error) {
	r := result{Fault: st.fault, Why: st.why}
	switch {
	case outcome == "stopped" && st.above == nil:
		outcome = "succeeded"
	case outcome == "stopped":
		outcome = "skipped"
	case outcome != "succeeded":
	case st.phase == "on_failure":
		outcome = "failed"
	case st.above == nil:
		if err := st.outputs(&r); err != nil {
			outcome, r = "failed", result{Fault: faultOf("outputs", err)}
		}
	case st.opener.Kind == playbooks.Parallel:
		r.Vars = map[string]json.RawMessage{}
		for name, v := range st.mine {
			raw, err := playbooks.Encode(v)
			if err != nil {
				return m, fmt.Errorf("%s: var %s: %w", st.strand, name, err)
			}
			r.Vars[name] = raw
		}
	default:
		if err := st.collect(&r); err != nil {
			outcome, r = "failed", result{Fault: faultOf(st.strand, err)}
		}
	}
	m.then = &Then{End: &End{Outcome: outcome, Result: r.encode()}}
	return m, nil
}

func (st *state) outputs(r *result) error {
	if len(st.run.book.Outputs) == 0 {
		return nil
	}
	r.Outputs = make(map[string]json.RawMessage, len(st.run.book.Outputs))
	for _, b := range st.run.book.Outputs {
		v, err := b.Expr.Eval(st.env())
		if err != nil {
			return fmt.Errorf("output %s: %w", b.Name, err)
		}
		if r.Outputs[b.Name], err = playbooks.Encode(v); err != nil {
			return fmt.Errorf("output %s: %w", b.Name, err)
		}
	}
	return nil
}

// collect evaluates the collect fields of a for_each item.
func (st *state) collect(r *result) error {
	each := st.opener.Each
	if len(each.Collect) == 0 {
		return nil
	}
	values := make(map[string]json.RawMessage, len(each.Collect))
	for _, b := range each.Collect {
		v, err := b.Expr.Eval(st.env())
		if err != nil {
			return fmt.Errorf("collect %s: %w", b.Name, err)
		}
		if values[b.Name], err = playbooks.Encode(v); err != nil {
			return fmt.Errorf("collect %s: %w", b.Name, err)
		}
	}
	raw, err := json.Marshal(values)
	if err != nil {
		return err
	}
	if len(raw) > maxCollect {
		return &Fault{Step: st.strand, Code: "limit", Message: fmt.Sprintf("the collected value has %d bytes, at most %d are allowed", len(raw), maxCollect)}
	}
	r.Collect = raw
	return nil
}

// Sizes of what a run may keep.
const (
	maxOutput  = 8 << 20
	maxCollect = 64 << 10
)

func tooLarge(path string, n int) *Fault {
	return &Fault{Step: path, Code: "limit", Message: fmt.Sprintf("the output has %d bytes, at most %d are allowed", n, maxOutput)}
}

// ErrorCode is the fault's code.
func (f *Fault) ErrorCode() string { return f.Code }

// waitUntil lets go of the strand until a time.
func (st *state) waitUntil(m *move, until time.Time, on string) {
	if !st.run.due.IsZero() && st.run.due.Before(until) && st.cancel == NotCancelled && st.phase == "" {
		until = st.run.due
	}
	m.then = &Then{Wait: &Wait{For: max(0, until.Sub(st.now)), On: on}}
}

// waitEver lets go of the strand until somebody tells it something.
func (st *state) waitEver(m *move, on string, thaw bool) {
	if !st.run.due.IsZero() && st.cancel == NotCancelled && st.phase == "" && !thaw {
		st.waitUntil(m, st.run.due, on)
		return
	}
	m.then = &Then{Wait: &Wait{Ever: true, On: on, Thaw: thaw}}
}

package engine

import (
	"maps"

	"stanch/playbooks"
)

// end ends the body of a step.
func (st *state) end(m *move, p *progress, o outcome) error {
	if o.over != nil && o.over.of == p.path {
		o.forced = false // its own time: its on_error may go on
	}
	f := fact{Kind: kStopped, Path: p.path, Ending: o.ending, Why: o.why}
	switch o.ending {
	case succeeded:
		f.Kind, f.Ending = kDone, ""
	case failed:
		f = fact{Kind: kFailed, Path: p.path, Attempt: p.attempt, Fault: o.fault, Forced: o.forced}
	}
	return st.emit(m, f)
}

// leave ends the innermost list that is being run, and what it is a part of.
func (st *state) leave(m *move, o outcome) error {
	f := st.frames[len(st.frames)-1]
	if f.of == nil {
		return st.leaveStrand(m, f.part, o)
	}
	st.frames = st.frames[:len(st.frames)-1]
	if f.part != "" {
		st.blame()
		part := fact{Kind: kPart, Path: f.of.path, Branch: f.part, Ending: o.ending, Why: o.why, Fault: o.fault, Forced: o.forced}
		return st.emit(m, part)
	}
	if f.of.step.Kind == playbooks.Repeat && o.ending == succeeded {
		return st.turned(m, f.of)
	}
	return st.end(m, f.of, o)
}

// leaveStrand ends a list of the strand itself: that of an item or of a branch,
// or the steps, on_failure or finally of a playbook.
func (st *state) leaveStrand(m *move, part string, o outcome) error {
	st.late = st.late || o.over != nil
	switch {
	case !st.whole():
		st.close(o)
		return nil
	case part == finally:
		st.close(st.came.after(o))
		return nil
	case part == onFailure:
		if o.ending != cancelled {
			o = st.came
		}
	case o.ending == succeeded:
		if o = st.complete(); o.ending == failed {
			return st.leaveStrand(m, part, o)
		}
	case o.ending == cancelled && !st.begun():
		st.close(o) // there is nothing to tidy up
		return nil
	case o.ending == failed && len(st.outline.book.OnFailure) > 0 && !st.overOutside(o):
		return st.emit(m, fact{Kind: kFailing, Fault: o.fault, Forced: o.forced})
	}
	if len(st.outline.book.Finally) > 0 {
		return st.emit(m, fact{Kind: kFinal, Ending: o.ending, Fault: o.fault, Why: o.why, Out: st.given})
	}
	st.close(o)
	return nil
}

// overOutside reports whether the time was over of something around what is
// called: its on_failure could not run.
func (st *state) overOutside(o outcome) bool {
	return o.over != nil && st.above != nil && (o.over.of != "" || !o.over.at.Equal(st.due))
}

// begun reports whether a step of the strand has begun.
func (st *state) begun() bool {
	for _, p := range st.steps {
		if p.begun {
			return true
		}
	}
	return false
}

// close says how the strand ends.
func (st *state) close(o outcome) { st.ending, st.fault, st.why = o.ending, o.fault, o.why }

// after answers how something ended whose finally ended so: what went wrong
// first stands.
func (o outcome) after(end outcome) outcome {
	switch {
	case end.ending == cancelled:
		return end
	case end.ending == succeeded, o.ending == failed, o.ending == cancelled:
		o.forced = o.forced || end.forced
		return o
	case end.ending == failed, o.ending == succeeded:
		return end
	}
	return o
}

// turn goes on with a part of the playbook: on_failure, or finally.
func (st *state) turn(part string, o outcome) {
	st.phase, st.came, st.lost, st.children = part, o, false, nil
	list := st.outline.book.OnFailure
	if part == finally {
		list = st.outline.book.Finally
	}
	st.frames = []frame{{list: list, path: st.prefix + part + "/", part: part}}
	st.blame()
}

// blame makes `error` and run.failed_step what the innermost part around the
// place of the strand has to do with.
func (st *state) blame() {
	fault, known := (*Fault)(nil), false
	for i := len(st.frames) - 1; i >= 0 && !known; i-- {
		switch f := st.frames[i]; {
		case f.part == "":
		case f.of != nil:
			fault, known = f.of.came.fault, true
		default:
			fault, known = st.came.fault, true
		}
	}
	if !known && st.above != nil && !st.whole() {
		st.names["error"], st.names["run"] = st.above.names["error"], st.above.names["run"]
		return
	}
	st.names["error"] = nil
	run, ok := st.run.names["run"].(map[string]any)
	if !ok {
		return
	}
	if fault != nil {
		st.names["error"] = map[string]any{"step": fault.Step, "code": fault.Code, "message": fault.Message}
		run = maps.Clone(run)
		run["failed_step"] = fault.Step
	}
	st.names["run"] = run
}

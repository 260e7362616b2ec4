package engine

import (
	"time"

	"stanch/actions"
)

// tidying is how long what tidies up after a cancel may take, in all.
const tidying = 10 * time.Minute

// limit is when the time of something around the place of a strand is over.
type limit struct {
	at time.Time
	of string // path of the step; "" for the run or what is called
}

// limited answers the limits of time at the place of the strand, those of the
// step there among them, the innermost first. Nothing bounds a finally from
// outside.
func (st *state) limited() (limits []limit) {
	if p := st.standing(); p != nil && p.status == "" && p.part == "" && !p.deadline.IsZero() {
		limits = append(limits, limit{p.deadline, p.path}) // between the turns of a repeat
	}
	for i := len(st.frames) - 1; i >= 0; i-- {
		f := &st.frames[i]
		switch {
		case f.part == finally:
			return limits
		case f.of == nil && f.part == "" && !st.due.IsZero():
			limits = append(limits, limit{st.due, ""})
		case f.of != nil && f.part == "" && !f.of.deadline.IsZero():
			limits = append(limits, limit{f.of.deadline, f.of.path})
		}
	}
	return append(limits, st.limits...)
}

// sheltered reports whether the strand is in a finally, which runs on when the
// run is cancelled.
func (st *state) sheltered() bool {
	for i := range st.frames {
		if st.frames[i].part == finally {
			return true
		}
	}
	return st.shelter
}

// until answers the earlier of a time and of what bounds the strand; zero is
// never.
func (st *state) until(t time.Time) time.Time {
	earlier := func(other time.Time) {
		if t.IsZero() || other.Before(t) {
			t = other
		}
	}
	if !st.marked.IsZero() {
		earlier(st.marked.Add(tidying))
	}
	if st.bounded() {
		for _, l := range st.limited() {
			earlier(l.at)
		}
	}
	return t
}

// bounded reports whether there is any limit at all, which is seldom.
func (st *state) bounded() bool {
	if len(st.limits) > 0 || !st.due.IsZero() {
		return true
	}
	for i := range st.frames {
		if of := st.frames[i].of; of != nil && !of.deadline.IsZero() {
			return true
		}
	}
	p := st.standing()
	return p != nil && !p.deadline.IsZero()
}

// standing is what is known of the step at which the strand stands; nil if
// nothing is, or the list has been run to its end.
func (st *state) standing() *progress {
	f := &st.frames[len(st.frames)-1]
	if f.at >= len(f.list) {
		return nil
	}
	return st.steps[f.path+f.list[f.at].Name]
}

// force answers how the strand has to leave the place where it is, or nil: the
// run was cancelled, the time of something around it is over, or three workers
// were lost here.
func (st *state) force() *outcome {
	switch {
	case !st.marked.IsZero() && (!st.sheltered() || !st.now.Before(st.marked.Add(tidying))):
		return &outcome{ending: cancelled, forced: true}
	case st.lost:
		return &outcome{ending: failed, forced: true, fault: &Fault{Step: st.current(), Code: "failed", Message: "the worker was lost three times at this step"}}
	case !st.bounded():
		return nil
	}
	var over *limit
	for _, l := range st.limited() {
		if !st.now.Before(l.at) {
			over = &l
		}
	}
	if over == nil {
		return nil
	}
	message := "the run's time is over"
	switch {
	case over.of != "":
		message = "the time of " + over.of + " is over"
	case st.above != nil && !st.due.IsZero() && over.at.Equal(st.due):
		message = "the time of " + st.outline.book.ID + " is over"
	}
	return &outcome{ending: failed, forced: true, over: over, fault: &Fault{Step: st.current(), Code: "timeout", Message: message}}
}

// cutShort ends what the strand stands at where it has to leave it; an effect
// that was begun is settled first. It answers true when the move is complete.
func (st *state) cutShort(m *move) (acted, over bool, err error) {
	if st.joining() && st.cancel != Terminated {
		return false, false, nil // how they ended comes first
	}
	if st.cancel == Cancelled && st.marked.IsZero() {
		if err := st.emit(m, fact{Kind: kMarked, Marked: st.now}); err != nil {
			return true, false, err
		}
	}
	o := st.force()
	if o == nil && st.cancel != Terminated {
		return false, false, nil
	}
	if p := st.open; p != nil {
		if acted, over, err := st.settleOpen(m, p); acted || err != nil {
			return true, over, err
		}
	}
	if st.cancel == Terminated {
		st.ending = cancelled
		return true, false, nil
	}
	return true, false, st.exit(m, *o)
}

// joining reports whether the children of the step at which the strand stands
// have ended, and it has not.
func (st *state) joining() bool {
	p := st.standing()
	return st.children != nil && p != nil && p.opened && p.status == "" && p.part == ""
}

// settleOpen moves the effects of a step on that were begun and have no outcome.
func (st *state) settleOpen(m *move, p *progress) (acted, over bool, err error) {
	for i := range p.effects {
		switch e := &p.effects[i]; {
		case e.Status == actions.Planned && e.doubt == cannotSay:
			return true, false, st.emit(m, fact{Kind: kResult, Path: p.path, Effect: i, Status: actions.Unknown, Why: "nobody could tell whether it happened, and it is not sent again"})
		case e.settled():
			continue
		case e.awaits != "" && e.Status == actions.Open:
			return true, false, st.emit(m, fact{Kind: kResult, Path: p.path, Effect: i, Status: actions.Done, Why: "nobody waits any longer for " + e.awaits})
		case st.lost && e.Status != actions.Unknown:
			return true, false, st.emit(m, fact{Kind: kResult, Path: p.path, Effect: i, Status: actions.Unknown, Why: "three workers were lost while they looked"})
		}
		over, err := st.effect(m, p.step, p.path, p)
		return true, over, err
	}
	return false, false, nil
}

// exit leaves the place where the strand is: the step that it stands at ends so,
// or else the list around it.
func (st *state) exit(m *move, o outcome) error {
	f := st.frames[len(st.frames)-1]
	if f.at < len(f.list) {
		p := st.at(f.path + f.list[f.at].Name)
		switch {
		case p.status == "" && p.part == "" && (p.begun || o.ending == failed):
			return st.end(m, p, o)
		case p.exit == failed && o.ending == failed:
			o.fault = p.fault
		}
	}
	st.lost = false
	return st.leave(m, o)
}

// current is the path of the step the strand stands at.
func (st *state) current() string {
	f := st.frames[len(st.frames)-1]
	switch {
	case f.at < len(f.list):
		return f.path + f.list[f.at].Name
	case f.of != nil:
		return f.of.path
	}
	return st.strand
}

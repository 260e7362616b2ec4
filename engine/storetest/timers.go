package storetest

import (
	"time"

	"stanch/engine"
)

func timerLaws() []law {
	return []law{
		{name: "TimerNotBeforeItsTime", promise: "a timer fires not before its time, and then without anybody's help", judge: timerNotEarly},
		{name: "TimerTakesNoLease", promise: "who waits holds nothing and nobody's lease", judge: timerHoldsNothing},
		{name: "WaitForNothing", promise: "a wait for no time is due at once; one for ever never by time", judge: waitForNothing},
		{name: "TimersInOrder", promise: "of timers that have come the earliest is claimed first", judge: timersInOrder},
		{name: "TimeOfTheActThatMadeItDue", promise: "a repeat decides by the same time: At stays while nobody settles", judge: timeStays},
		{name: "TimeDoesNotGoBack", promise: "the store's time does not go back with a clock that is set back a little", judge: timeHolds},
	}
}

func timerNotEarly(e *env) {
	h := e.started()
	h.wait(engine.Wait{For: time.Hour, On: "the hour"})
	st := e.strand(h.Run, "")
	if st.State != "waiting" || st.On != "the hour" || st.Due.IsZero() {
		e.Errorf("the record says %+v", st)
	}
	for range 3 {
		e.clock.Advance(19 * time.Minute)
		e.none()
	}
	e.clock.Advance(3*time.Minute + time.Second)
	h = e.one()
	if h.st.At.Before(st.Due) {
		e.Errorf("due at %s, fired at %s", st.Due, h.st.At)
	}
	e.none()
	h.end("succeeded")
}

func timerHoldsNothing(e *env) {
	h := e.started()
	h.wait(engine.Wait{For: time.Hour})
	h.lost()
	r, err := e.s.Renew(e.Context(), []engine.Lease{h.st.Lease}, lease)
	e.ok(err)
	e.same("lost", len(r.Lost), 1)
}

func waitForNothing(e *env) {
	h := e.started()
	h.wait(engine.Wait{})
	h = e.one()
	h.wait(engine.Wait{For: -time.Hour})
	h = e.one()
	h.wait(engine.Wait{Ever: true, For: time.Second, On: "a person"})
	e.clock.Advance(10_000 * time.Hour)
	e.none()
	if st := e.strand(h.Run, ""); !st.Due.IsZero() {
		e.Errorf("a wait for ever is due at %s", st.Due)
	}
}

func timersInOrder(e *env) {
	want := make([]string, 3)
	for _, minutes := range []int{3, 1, 2} {
		h := e.started()
		h.wait(engine.Wait{For: time.Duration(minutes) * time.Minute})
		want[minutes-1] = h.Run
	}
	e.clock.Advance(time.Hour)
	var got []string
	for range 3 {
		for _, h := range e.claim(1) {
			got = append(got, h.Run)
		}
	}
	e.same("order", got, want)
}

func timeStays(e *env) {
	h := e.started()
	h.wait(engine.Wait{For: time.Minute})
	e.clock.Advance(2 * time.Minute)
	h = e.one()
	fired := h.st.At
	e.clock.Advance(2 * lease)
	h = e.one()
	if !h.st.At.Equal(fired) {
		e.Errorf("who takes over gets the time %s, the first holder got %s", h.st.At, fired)
	}
	a := h.write("went on")
	e.clock.Advance(2 * lease)
	h = e.one()
	if !h.st.At.Equal(a.At) {
		e.Errorf("who takes over gets the time %s, the settle answered %s", h.st.At, a.At)
	}
}

func timeHolds(e *env) {
	h := e.started()
	a := h.write("a")
	e.clock.Advance(-30 * time.Second)
	b := h.write("b")
	if b.At.Before(a.At) {
		e.Errorf("a settle at %s follows one at %s", b.At, a.At)
	}
	e.clock.Advance(time.Minute)
	if c := h.write("c"); !c.At.After(b.At) {
		e.Errorf("time stands still: %s, %s", b.At, c.At)
	}
}

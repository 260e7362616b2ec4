package storetest

import (
	"sync"
	"time"

	"stanch/engine"
)

func signalLaws() []law {
	return []law{
		{name: "SignalWakes", promise: "a signal wakes the strand that waits, and is a fact of it", judge: signalWakes},
		{name: "SignalWhileHeld", promise: "a signal that comes while a holder works is seen: its wait does not let go", judge: signalWhileHeld},
		{name: "SignalToldAgain", promise: "a holder that asks from further back is told again, and the ended run has each fact once", judge: signalToldAgain},
		{name: "SignalAgainstWait", promise: "no signal is lost against a concurrent wait", judge: signalAgainstWait},
		{name: "SignalWhileJoining", promise: "a signal to a strand that joins is kept until it has joined", judge: signalWhileJoining},
		{name: "SignalRepeated", promise: "a repeated signal is one fact", judge: signalRepeated},
		{name: "SignalOnce", promise: "of two decisions over the same facts one is taken", judge: signalConflict},
		{name: "SignalToNobody", promise: "a signal to what is not there, or has ended, is refused and changes nothing", judge: signalToNobody},
		{name: "SignalToAChild", promise: "a signal goes to the strand it names", judge: signalToChild},
	}
}

func signalWakes(e *env) {
	h := e.started()
	h.wait(engine.Wait{Ever: true, On: "approval of gate"}, "asked")
	e.none()
	a := e.signal(h.Run, "", "approve")
	if a.N != 2 || a.At.IsZero() {
		e.Errorf("the signal is answered %+v, it must be fact 2", a)
	}
	h = e.one()
	e.same("facts", bodies(h.st.Facts), []string{"asked", "approve"})
	if !h.st.Facts[1].Signal || h.st.Facts[0].Signal {
		e.Errorf("which fact is a signal: %+v", h.st.Facts)
	}
	if h.st.At.Before(a.At) {
		e.Errorf("it became due at %s, before the signal at %s", h.st.At, a.At)
	}
	h.wait(engine.Wait{For: time.Hour}) // it knows the signal: the wait lets go
	e.none()
	e.signal(h.Run, "", "more")
	e.one().end("succeeded")
}

func signalWhileHeld(e *env) {
	h := e.started()
	h.write("a")
	e.signal(h.Run, "", "word")
	a := h.wait(engine.Wait{Ever: true}, "b")
	if !a.Holds || a.Seen != 3 {
		e.Fatalf("the wait is answered %+v: the holder must go on", a)
	}
	e.same("signals", bodies(a.Signals), []string{"word"})
	e.same("facts", bodies(e.strand(h.Run, "").Facts), []string{"a", "word", "b"})
	if a := h.write("c"); len(a.Signals) != 0 {
		e.Errorf("a signal is told twice: %+v", a)
	}
	e.signal(h.Run, "", "second")
	a = h.write("d")
	e.same("signals", bodies(a.Signals), []string{"second"})
	if a := h.wait(engine.Wait{Ever: true}); a.Holds {
		e.Errorf("all signals are known, and the wait does not let go: %+v", a)
	}
	e.none()
}

func signalToldAgain(e *env) {
	run := e.begin()
	e.signal(run, "", "first")
	h := e.one()
	h.seen = 0
	e.same("signals", bodies(h.write().Signals), []string{"first"})
	e.signal(run, "", "second")
	h.seen = 2 // the second comes by another way than the store
	h.end("succeeded")
	e.same("facts", bodies(e.strand(run, "").Facts), []string{"first", "second", "ended"})
}

func signalAgainstWait(e *env) {
	for range 60 {
		h := e.started()
		var wg sync.WaitGroup
		var settled engine.Settled
		in := h.say(engine.Then{Wait: &engine.Wait{Ever: true}}, "waits")
		signal := engine.Signal{Request: e.request(), Run: h.Run, Body: []byte("word"), Seen: engine.AnyVersion}
		wg.Go(func() {
			var err error
			if settled, err = e.s.Settle(e.Context(), in); err != nil {
				e.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := e.s.Signal(e.Context(), signal); err != nil {
				e.Error(err)
			}
		})
		wg.Wait()
		if settled.Holds {
			e.same("signals", bodies(settled.Signals), []string{"word"})
			h.seen, h.st.Seq = settled.Seen, h.st.Seq+1
		} else {
			h = e.one()
		}
		if n := len(e.strand(h.Run, "").Facts); n != 2 {
			e.Fatalf("%d facts, it must be 2", n)
		}
		h.end("succeeded")
	}
}

func signalWhileJoining(e *env) {
	h := e.started()
	h.openMany("x", 2, 1)
	child := e.one()
	e.same("strand", child.st.Lease.Strand, "x[0]")
	e.signal(h.Run, "", "word")
	child = child.end("succeeded")
	e.same("facts above the next child", bodies(child.st.Above[0].Facts), []string{"opened", "word"})
	parent := child.end("succeeded")
	e.same("facts", bodies(parent.st.Facts), []string{"opened", "word"})
	parent.end("succeeded")
}

func signalRepeated(e *env) {
	h := e.started()
	h.wait(engine.Wait{Ever: true})
	twice(e, e.s.Signal, engine.Signal{Request: e.request(), Run: h.Run, Body: []byte("word"), Audit: [][]byte{[]byte("a")}})
	h = e.one()
	in := engine.Signal{Request: e.request(), Run: h.Run, Body: []byte("word"), Seen: 1}
	twice(e, e.s.Signal, in)
	in = engine.Signal{Request: e.request(), Run: h.Run, Cancel: engine.Cancelled}
	twice(e, e.s.Signal, in)
	h.end("cancelled")
	e.unchanged(func() { // also when the run has ended since
		_, err := e.s.Signal(e.Context(), in)
		e.ok(err)
	})
}

func signalConflict(e *env) {
	h := e.started()
	h.wait(engine.Wait{Ever: true}, "asked")
	decide := func(seen int64) error {
		_, err := e.s.Signal(e.Context(), engine.Signal{Request: e.request(), Run: h.Run, Body: []byte("decision"), Seen: seen, Audit: [][]byte{[]byte("a")}})
		return err
	}
	e.unchanged(func() { e.is(decide(0), engine.ErrConflict) })
	e.ok(decide(1))
	e.unchanged(func() { e.is(decide(1), engine.ErrConflict) })
	e.same("facts", bodies(e.one().st.Facts), []string{"asked", "decision"})
}

func signalToNobody(e *env) {
	h := e.started()
	h.openMany("x", 1, 1)
	child := e.one()
	parent := child.end("succeeded")
	e.unchanged(func() {
		for _, in := range []engine.Signal{{Run: "r00aaaaaaaaaaaaaaaaaaaa"}, {Run: h.Run, Strand: "y[0]"}, {Run: "r00aaaaaaaaaaaaaaaaaaaa", Cancel: engine.Cancelled}} {
			in.Request, in.Body, in.Seen = e.request(), []byte("b"), engine.AnyVersion
			_, err := e.s.Signal(e.Context(), in)
			e.is(err, engine.ErrNotFound)
		}
		_, err := e.s.Signal(e.Context(), engine.Signal{Request: e.request(), Run: h.Run, Strand: "x[0]", Body: []byte("b"), Seen: engine.AnyVersion})
		e.is(err, engine.ErrEnded)
		for _, in := range []engine.Signal{{Run: h.Run, Body: []byte("no request")}, {Request: e.request(), Run: h.Run, Cancel: "pause"}} {
			if _, err := e.s.Signal(e.Context(), in); err == nil {
				e.Errorf("%+v is accepted", in)
			}
		}
	})
	parent.end("succeeded")
}

func signalToChild(e *env) {
	h := e.started()
	h.openMany("x", 3, 3)
	for _, c := range e.claim(3) {
		c.wait(engine.Wait{Ever: true})
	}
	e.signal(h.Run, "x[1]", "word")
	c := e.one()
	e.same("strand", c.st.Lease.Strand, "x[1]")
	e.same("facts", bodies(c.st.Facts), []string{"word"})
	e.same("facts of the parent as the child sees them", bodies(c.st.Above[0].Facts), []string{"opened"})
}

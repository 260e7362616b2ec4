package storetest

import (
	"time"

	"stanch/engine"
)

func cancelLaws() []law {
	return []law{
		{name: "CancelWakesAllWaits", promise: "a cancel makes every waiting strand of the run due, and of no other run", judge: cancelWakes},
		{name: "CancelIsToldToHolders", promise: "a holder hears of a cancel with its next settle, and a wait does not let go before", judge: cancelIsTold},
		{name: "CancelRefusesIntents", promise: "no intent is recorded after a cancel", judge: cancelRefusesIntents},
		{name: "CancelOpensNoChild", promise: "after a cancel no child starts; those that live end, and the join fires", judge: cancelOpensNoChild},
		{name: "CancelWhileQueued", promise: "a cancelled run that waits for its key ends at once", judge: cancelQueued},
		{name: "TerminateOutweighsCancel", promise: "terminate outweighs cancel, never the other way round, and wakes again", judge: terminateOutweighs},
	}
}

func cancelWakes(e *env) {
	other := e.started()
	other.wait(engine.Wait{For: time.Hour})
	h := e.started()
	h.openMany("x", 3, 3)
	for i, c := range e.claim(3) {
		c.wait(engine.Wait{Ever: i > 0, For: time.Hour})
	}
	e.none()
	e.cancel(h.Run, engine.Cancelled)
	woken := e.claim(10)
	e.same("woken", paths(woken), []string{"x[0]", "x[1]", "x[2]"})
	var parent *holder
	for _, c := range woken {
		e.same("mark", c.st.Cancel, engine.Cancelled)
		parent = c.end("cancelled")
	}
	e.same("mark of the parent", parent.st.Cancel, engine.Cancelled)
	parent.end("cancelled")
	r := e.record(h.Run)
	if r.Status != "cancelled" || r.Cancel != engine.Cancelled {
		e.Errorf("the record says %s, mark %q", r.Status, r.Cancel)
	}
}

func cancelIsTold(e *env) {
	h := e.started()
	e.cancel(h.Run, engine.Cancelled)
	a := h.wait(engine.Wait{Ever: true}, "did not know")
	if !a.Holds || a.Cancel != engine.Cancelled {
		e.Fatalf("the wait is answered %+v: the holder must go on and know", a)
	}
	if a := h.wait(engine.Wait{For: time.Minute}); a.Holds { // it knows: it may wait, for what it has begun
		e.Errorf("the second wait is answered %+v", a)
	}
	e.none()
	e.clock.Advance(2 * time.Minute)
	h = e.one()
	e.same("mark", h.st.Cancel, engine.Cancelled)
	if a := h.wait(engine.Wait{For: time.Minute}); a.Holds {
		e.Errorf("the wait of a holder that knows is answered %+v", a)
	}
}

func cancelRefusesIntents(e *env) {
	h := e.started()
	in := h.say(engine.Then{}, "intent")
	in.Intent = true
	in.Take = []engine.Take{{Name: "cap", Limit: 9, Effect: "e", Targets: []string{"t"}}}
	e.cancel(h.Run, engine.Cancelled)
	e.unchanged(func() {
		a := h.settle(in)
		if a.Refused != "cancelled" || !a.Holds || a.Cancel != engine.Cancelled {
			e.Errorf("the intent is answered %+v", a)
		}
	})
	taken, err := e.s.Take(e.Context(), engine.Take{Request: e.request(), Name: "cap", Limit: 1, Effect: "f", Targets: []string{"u"}})
	e.ok(err)
	if taken.Count != 1 {
		e.Errorf("the refused intent has reserved: %+v", taken)
	}
	h.write("the result of what had begun") // no intent: it is recorded
	h.end("cancelled")
}

func cancelOpensNoChild(e *env) {
	h := e.started()
	h.openMany("x", 9, 2)
	children := e.claim(9)
	e.cancel(h.Run, engine.Cancelled)
	if next := children[0].end("cancelled"); next != nil {
		e.Fatalf("%q is opened after the cancel", next.st.Lease.Strand)
	}
	parent := children[1].end("succeeded")
	if parent == nil || len(parent.st.Children) != 2 {
		e.Fatalf("the join answers %+v", parent)
	}
	parent.openMany("y", 3, 3)
	h = e.one()
	if h.st.Lease.Strand != "" || len(h.st.Children) != 0 {
		e.Fatalf("after an open in a cancelled run %+v is due", h.st)
	}
	h.end("cancelled")
	e.same("strands", len(e.record(h.Run).Strands), 3)
}

func cancelQueued(e *env) {
	key := func(b *engine.Begin) { b.Key = "k" }
	first := e.started(key)
	second, third := e.begin(key), e.begin(key)
	e.cancel(second, engine.Cancelled)
	r := e.record(second)
	if r.Status != "cancelled" || r.EndedAt.IsZero() || r.Strands[0].State != "ended" {
		e.Errorf("the queued run is %+v", r)
	}
	e.none()
	first.end("succeeded")
	h := e.one()
	e.same("next with the key", h.Run, third)
}

func terminateOutweighs(e *env) {
	h := e.started()
	h.wait(engine.Wait{Ever: true})
	e.cancel(h.Run, engine.Cancelled)
	h = e.one()
	h.wait(engine.Wait{Ever: true}) // finally waits
	e.cancel(h.Run, engine.Cancelled)
	e.none()
	e.cancel(h.Run, engine.Terminated)
	h = e.one()
	e.same("mark", h.st.Cancel, engine.Terminated)
	e.cancel(h.Run, engine.Cancelled)
	e.same("mark", e.record(h.Run).Cancel, engine.Terminated)
	h.end("cancelled")
}

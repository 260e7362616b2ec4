package storetest

import (
	"time"

	"stanch/engine"
)

func underLaws() []law {
	return []law{
		{name: "UnderAnIntent", promise: "what tidies up after a cancel has its effects; what does not say so has none", judge: underIntent},
		{name: "UnderAWait", promise: "what tidies up waits, and is not woken by the mark it knows", judge: underWait},
		{name: "UnderChildren", promise: "what tidies up opens children, all of them, and they know under which mark", judge: underChildren},
		{name: "UnderTerminate", promise: "terminate allows nothing: no intent, no child, and it wakes what waits", judge: underTerminate},
		{name: "UnderNonsense", promise: "nobody acts under terminate", judge: underNonsense},
	}
}

// under answers a settlement of a holder that acts under a cancel.
func (h *holder) under(then engine.Then, facts ...string) engine.Settlement {
	in := h.say(then, facts...)
	in.Under = engine.Cancelled
	return in
}

func underIntent(e *env) {
	h := e.started()
	e.cancel(h.Run, engine.Cancelled)
	in := h.under(engine.Then{}, "intent")
	in.Intent = true
	if a := h.settle(in); a.Refused != "" || a.Cancel != engine.Cancelled {
		e.Errorf("an intent under the mark is answered %+v", a)
	}
	in = h.say(engine.Then{}, "intent")
	in.Intent = true
	e.unchanged(func() {
		if a := h.settle(in); a.Refused != "cancelled" {
			e.Errorf("an intent that knows of no mark is answered %+v", a)
		}
	})
	e.freeze("freeze")
	in = h.under(engine.Then{}, "intent")
	in.Intent = true
	e.unchanged(func() {
		if a := h.settle(in); a.Refused != "frozen" {
			e.Errorf("an intent under the mark is answered %+v while the store is frozen", a)
		}
	})
}

func underWait(e *env) {
	h := e.started()
	e.cancel(h.Run, engine.Cancelled)
	if a := h.settle(h.under(engine.Then{Wait: &engine.Wait{For: time.Minute, On: "tidying"}})); a.Holds {
		e.Fatalf("the wait is answered %+v", a)
	}
	e.cancel(h.Run, engine.Cancelled)
	e.none()
	e.clock.Advance(2 * time.Minute)
	h = e.one()
	e.signal(h.Run, "", "word")
	if a := h.settle(h.under(engine.Then{Wait: &engine.Wait{Ever: true}})); !a.Holds || len(a.Signals) != 1 {
		e.Errorf("a wait under the mark is answered %+v: there is a signal", a)
	}
}

func underChildren(e *env) {
	h := e.started()
	h.openMany("x", 4, 2)
	for _, c := range e.claim(4) {
		e.same("mark under which x was opened", c.st.Under, engine.NotCancelled)
		if c.st.Lease.Strand == "x[0]" {
			e.cancel(h.Run, engine.Cancelled)
		}
		h = c.end("cancelled")
	}
	e.same("children before the cancel", len(h.st.Children), 2)
	h.settle(h.under(engine.Then{Open: &engine.Open{Path: "tidy", Count: 3, Window: 1}}))
	c := e.one()
	for i := range 3 {
		if c.st.Cancel != engine.Cancelled || c.st.Under != engine.Cancelled {
			e.Errorf("child %d has the mark %q, under %q", i, c.st.Cancel, c.st.Under)
		}
		c.settle(c.under(engine.Then{Wait: &engine.Wait{For: time.Minute}}))
		e.none()
		e.clock.Advance(2 * time.Minute)
		c = e.one().end("succeeded")
	}
	e.same("children", len(c.st.Children), 3)
	c.settle(c.under(engine.Then{Open: &engine.Open{Path: "more", Count: 1, Window: 1}}))
	c = e.one()
	c.settle(c.under(engine.Then{Open: &engine.Open{Path: "more[0]/deep", Count: 1, Window: 1}}))
	c = e.one()
	e.same("mark of a grandchild", c.st.Under, engine.Cancelled)
	c.end("succeeded").end("succeeded").end("cancelled")
}

func underTerminate(e *env) {
	h := e.started()
	e.cancel(h.Run, engine.Cancelled)
	h.settle(h.under(engine.Then{Open: &engine.Open{Path: "tidy", Count: 3, Window: 1}}))
	c := e.one()
	c.settle(c.under(engine.Then{Wait: &engine.Wait{Ever: true}}))
	e.cancel(h.Run, engine.Terminated)
	c = e.one()
	in := c.under(engine.Then{}, "intent")
	in.Intent = true
	e.unchanged(func() {
		if a := c.settle(in); a.Refused != "cancelled" {
			e.Errorf("an intent in a terminated run is answered %+v", a)
		}
	})
	root := c.end("cancelled")
	if root == nil || len(root.st.Children) != 1 {
		e.Fatalf("after terminate a further child starts, or the join does not fire: %+v", root)
	}
	root.settle(root.under(engine.Then{Open: &engine.Open{Path: "more", Count: 3, Window: 1}}))
	e.one().end("cancelled")
	e.same("strands", len(e.record(root.Run).Strands), 2)
}

func underNonsense(e *env) {
	h := e.started()
	for _, mark := range []engine.Cancel{engine.Terminated, "stop"} {
		in := h.say(engine.Then{}, "f")
		in.Under = mark
		e.unchanged(func() {
			if _, err := e.s.Settle(e.Context(), in); err == nil {
				e.Errorf("a settle under %q is accepted", mark)
			}
		})
	}
}

package storetest

import (
	"sync"
	"time"

	"stanch/engine"
)

func freezeLaws() []law {
	return []law{
		{name: "FreezeRefusesIntents", promise: "a freeze stops every effect that has not begun, and nothing else", judge: freezeRefuses},
		{name: "FreezeAgainstIntents", promise: "no intent is recorded after the freeze is acknowledged", judge: freezeAgainstIntents},
		{name: "ThawWakes", promise: "the end of a freeze wakes those who wait for it, at once or concurrently", judge: thawWakes},
		{name: "FreezeIsKept", promise: "the freeze tells who, why and when; asking changes nothing", judge: freezeIsKept},
	}
}

func (h *holder) intent(facts ...string) engine.Settled {
	h.Helper()
	in := h.say(engine.Then{}, facts...)
	in.Intent = true
	return h.settle(in)
}

func freezeRefuses(e *env) {
	h := e.started()
	e.same("refused before", h.intent("first").Refused, "")
	e.freeze("freeze")
	e.unchanged(func() {
		a := h.intent("second")
		if a.Refused != "frozen" || !a.Holds {
			e.Errorf("the intent is answered %+v", a)
		}
	})
	h.write("the result of the first") // it has begun
	e.begin()
	c, err := e.s.Claim(e.Context(), engine.Claim{Worker: "w", Max: 1, Last: lease})
	e.ok(err)
	if !c.Frozen || len(c.Strands) != 1 {
		e.Errorf("Claim answers %+v: it must tell of the freeze, and go on", c)
	}
	e.freeze("thaw")
	e.same("refused after", h.intent("second").Refused, "")
	e.same("facts", bodies(e.strand(h.Run, "").Facts), []string{"first", "the result of the first", "second"})
}

func freezeAgainstIntents(e *env) {
	for range 20 {
		h := e.started()
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				in := h.say(engine.Then{}, "intent")
				in.Intent = true
				a, err := e.s.Settle(e.Context(), in)
				if err != nil {
					e.Error(err)
					return
				}
				if a.Refused != "" {
					return
				}
				h.seen, h.st.Seq = a.Seen, h.st.Seq+1
			}
		})
		f, err := e.s.Freeze(e.Context(), engine.Freeze{Request: e.request(), Change: "freeze"})
		e.ok(err)
		n := len(e.strand(h.Run, "").Facts)
		wg.Wait()
		if now := len(e.strand(h.Run, "").Facts); now != n {
			e.Fatalf("%d intents were recorded after the freeze of %s", now-n, f.At)
		}
		e.freeze("thaw")
		h.end("succeeded")
	}
}

func thawWakes(e *env) {
	h := e.started()
	h.wait(engine.Wait{Ever: true, Thaw: true}) // there is no freeze to wait for
	h = e.one()
	e.freeze("freeze")
	h.wait(engine.Wait{Ever: true, Thaw: true, On: "the end of the freeze"})
	plain := e.started()
	plain.wait(engine.Wait{For: time.Hour})
	e.none()
	e.freeze("freeze") // again: nobody wakes
	e.none()
	e.freeze("thaw")
	woken := e.one()
	e.same("woken", woken.Run, h.Run)
	woken.end("succeeded")
}

func freezeIsKept(e *env) {
	ask := func() engine.Frozen {
		f, err := e.s.Freeze(e.Context(), engine.Freeze{})
		e.ok(err)
		return f
	}
	e.same("at first", ask(), engine.Frozen{})
	f := twice(e, e.s.Freeze, engine.Freeze{Request: e.request(), Change: "freeze", By: "ann", Reason: "drill", Audit: [][]byte{[]byte("a")}})
	if !f.On || f.By != "ann" || f.Reason != "drill" || f.At.IsZero() {
		e.Errorf("the freeze is answered %+v", f)
	}
	e.same("asked", ask(), f)
	old := engine.Freeze{Request: e.request(), Change: "freeze", By: "bob"}
	_, err := e.s.Freeze(e.Context(), old)
	e.ok(err)
	t := twice(e, e.s.Freeze, engine.Freeze{Request: e.request(), Change: "thaw", By: "cid", Reason: "over"})
	e.same("asked", ask(), t)
	_, err = e.s.Freeze(e.Context(), old) // a late repeat freezes nothing
	e.ok(err)
	e.same("asked", ask(), t)
	e.unchanged(func() {
		for _, in := range []engine.Freeze{{Change: "freeze"}, {Request: e.request(), Change: "melt"}} {
			if _, err := e.s.Freeze(e.Context(), in); err == nil {
				e.Errorf("%+v is accepted", in)
			}
		}
	})
}

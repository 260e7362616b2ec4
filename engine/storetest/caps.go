package storetest

import (
	"fmt"
	"sync"
	"time"

	"stanch/engine"
)

func capLaws() []law {
	return []law{
		{name: "CapIsNeverExceeded", promise: "a cap is never exceeded, however many take at once, and is used up exactly", judge: capIsExact},
		{name: "TakeRepeated", promise: "the same effect reserves a target once, however often it asks", judge: takeRepeated},
		{name: "TakeCountsTargets", promise: "a target counts once, whoever reserved it", judge: takeCountsTargets},
		{name: "TakeIsAllOrNothing", promise: "a take that does not fit reserves nothing", judge: takeAllOrNothing},
		{name: "TakeBack", promise: "what is given back is free again, and only that", judge: takeBack},
		{name: "TakeWindow", promise: "a reservation counts as long as its window, not longer", judge: takeWindow},
		{name: "TakesOfOneIntent", promise: "takes of one intent are counted together", judge: takesTogether},
		{name: "TakeRefusesNonsense", promise: "a take without cap or effect is refused", judge: func(e *env) {
			for _, in := range []engine.Take{{Effect: "e", Limit: 1}, {Name: "n", Limit: 1}, {Name: "n", Effect: "e", Limit: 1, Window: -1}} {
				if _, err := e.s.Take(e.Context(), in); err == nil {
					e.Errorf("%+v is accepted", in)
				}
			}
		}},
	}
}

func (e *env) take(limit int, effect string, targets ...string) engine.Taken {
	e.Helper()
	taken, err := e.s.Take(e.Context(), engine.Take{Request: e.request(), Name: "deletes per day", Limit: limit, Effect: effect, Targets: targets})
	e.ok(err)
	return taken
}

func capIsExact(e *env) {
	const limit, takers = 10, 40
	var wg sync.WaitGroup
	var mu sync.Mutex
	granted := 0
	for i := range takers {
		wg.Go(func() {
			t, err := e.s.Take(e.Context(), engine.Take{Request: fmt.Sprint(i), Name: "cap", Limit: limit, Effect: fmt.Sprint("e", i), Targets: []string{fmt.Sprint("t", i)}})
			if err != nil {
				e.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if t.Granted {
				granted++
			}
			if t.Count > limit {
				e.Errorf("%d targets are reserved, the limit is %d", t.Count, limit)
			}
		})
	}
	wg.Wait()
	e.same("granted", granted, limit)
}

func takeRepeated(e *env) {
	in := engine.Take{Request: e.request(), Name: "deletes per day", Limit: 2, Effect: "e", Targets: []string{"a", "b", "a"}}
	got := twice(e, e.s.Take, in)
	e.same("first", got, engine.Taken{Granted: true, Count: 2})
	in.Request = e.request()
	e.same("another request of the same effect", twice(e, e.s.Take, in), got)
	in.Limit = 1 // the operator has lowered it: what is reserved stays
	e.same("under a lower limit", twice(e, e.s.Take, in), got)
	e.same("another effect", e.take(1, "f", "c"), engine.Taken{Count: 2})
}

func takeCountsTargets(e *env) {
	e.same("first", e.take(2, "e", "a"), engine.Taken{Granted: true, Count: 1})
	e.same("the same target for another effect", e.take(1, "f", "a"), engine.Taken{Granted: true, Count: 1})
	e.same("another target", e.take(2, "f", "b"), engine.Taken{Granted: true, Count: 2})
	e.same("a third", e.take(2, "g", "a", "c"), engine.Taken{Count: 2})
	e.same("under a limit that has come down", e.take(1, "h", "a"), engine.Taken{Count: 2})
	e.same("nothing", e.take(2, "i"), engine.Taken{Granted: true, Count: 2})
	other, err := e.s.Take(e.Context(), engine.Take{Request: e.request(), Name: "other cap", Limit: 1, Effect: "e", Targets: []string{"z"}})
	e.ok(err)
	e.same("another cap", other, engine.Taken{Granted: true, Count: 1})
	e.same("a limit of nothing", e.take(0, "j", "z"), engine.Taken{Count: 2})
}

func takeAllOrNothing(e *env) {
	e.same("too many", e.take(2, "e", "a", "b", "c"), engine.Taken{})
	e.same("fits", e.take(2, "e", "a", "b"), engine.Taken{Granted: true, Count: 2})
	e.same("one is new", e.take(2, "e", "b", "c"), engine.Taken{Count: 2})
}

func takeBack(e *env) {
	back := func(effect string) engine.Taken {
		return twice(e, e.s.Take, engine.Take{Request: e.request(), Name: "deletes per day", Effect: effect, Back: true})
	}
	e.take(3, "e", "a", "b")
	e.take(3, "f", "b", "c")
	e.same("after e", back("e"), engine.Taken{Granted: true, Count: 2}) // b is still f's
	e.same("after nobody", back("nobody"), engine.Taken{Granted: true, Count: 2})
	e.same("now fits", e.take(3, "g", "d"), engine.Taken{Granted: true, Count: 3})
	e.same("after f", back("f"), engine.Taken{Granted: true, Count: 1})
	e.same("after g", back("g"), engine.Taken{Granted: true, Count: 0})
}

func takeWindow(e *env) {
	take := func(effect, target string, window time.Duration) engine.Taken {
		t, err := e.s.Take(e.Context(), engine.Take{Request: e.request(), Name: "cap", Limit: 2, Effect: effect, Targets: []string{target}, Window: window})
		e.ok(err)
		return t
	}
	take("e", "a", time.Hour)
	take("f", "b", 2*time.Hour)
	take("g", "b", 0) // for ever
	e.clock.Advance(59 * time.Minute)
	e.same("within the window", take("h", "c", time.Hour), engine.Taken{Count: 2})
	e.clock.Advance(2 * time.Minute)
	e.same("after the first", take("h", "c", time.Hour), engine.Taken{Granted: true, Count: 2})
	e.clock.Advance(24 * time.Hour)
	e.same("b stays for ever", take("i", "d", time.Hour), engine.Taken{Granted: true, Count: 2})
}

func takesTogether(e *env) {
	h := e.started()
	in := h.say(engine.Then{}, "intent")
	in.Intent = true
	in.Take = []engine.Take{{Name: "cap", Limit: 1, Effect: "e", Targets: []string{"a"}}, {Name: "cap", Limit: 1, Effect: "f", Targets: []string{"b"}}}
	e.unchanged(func() { e.same("refused", h.settle(in).Refused, "cap cap") })
	in.Take[1].Targets[0] = "a"
	e.same("the same target", h.settle(in).Refused, "")
	t, err := e.s.Take(e.Context(), engine.Take{Request: e.request(), Name: "cap", Limit: 2, Effect: "g", Targets: []string{"b"}})
	e.ok(err)
	e.same("another after it", t, engine.Taken{Granted: true, Count: 2})
}

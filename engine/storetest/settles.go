package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"stanch/engine"
)

func settleLaws() []law {
	return []law{
		{name: "FactsAreKeptInOrder", promise: "what is settled is kept, in order, and comes back to the next holder", judge: factsInOrder},
		{name: "PositionIsSettledOnce", promise: "one position is settled once", judge: positionOnce},
		{name: "PositionIsSettledOnceConcurrently", promise: "of many concurrent settles of one position exactly one is", judge: positionConcurrently},
		{name: "SettleRepeated", promise: "a repeated settle answers the same and changes nothing, whatever it said", judge: settleRepeated},
		{name: "SettleRepeatedAfterOthers", promise: "a repeat is answered even after another has taken the strand", judge: settleRepeatedLate},
		{name: "SettleIsOneAct", promise: "facts, audit, documents and caps of a settle are there together", judge: settleIsOneAct},
		{name: "SettleRefusesNonsense", promise: "a settlement that says two things is refused and changes nothing", judge: settleRefuses},
		{name: "EndEndsTheRun", promise: "the end of the root is the end of the run", judge: endEndsRun},
		{name: "BodiesAreBytes", promise: "bodies come back byte for byte, empty ones too", judge: bodiesAreBytes},
	}
}

func factsInOrder(e *env) {
	h := e.started()
	h.write("a")
	h.write("b", "c")
	h.write()
	h.settle(h.say(engine.Then{Yield: true}, "d"))
	h2 := e.one()
	want := []string{"a", "b", "c", "d"}
	e.same("facts of the next holder", bodies(h2.st.Facts), want)
	for i, f := range h2.st.Facts {
		if f.N != int64(i+1) || f.Signal || f.At.IsZero() {
			e.Errorf("fact %d is %+v", i, f)
		}
	}
	st := e.strand(h.Run, "")
	e.same("facts of the record", bodies(st.Facts), want)
	if st.Seen != 4 || st.State != "leased" {
		e.Errorf("the record says %+v", st)
	}
	if h2.st.Seq != 4 {
		e.Errorf("the position is %d after 4 settles", h2.st.Seq)
	}
}

func positionOnce(e *env) {
	h := e.started()
	old := h.say(engine.Then{}, "second")
	h.write("first")
	e.unchanged(func() {
		_, err := e.s.Settle(e.Context(), old)
		e.is(err, engine.ErrLeaseLost)
		old.Then.Yield = true
		_, err = e.s.Settle(e.Context(), old)
		e.is(err, engine.ErrLeaseLost)
	})
	ahead := h.say(engine.Then{}, "from the future")
	ahead.Lease.Seq++
	_, err := e.s.Settle(e.Context(), ahead)
	e.is(err, engine.ErrLeaseLost)
}

func positionConcurrently(e *env) {
	h := e.started()
	for range 10 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for i := range 8 {
			in := h.say(engine.Then{}, fmt.Sprint(i))
			wg.Go(func() {
				_, err := e.s.Settle(e.Context(), in)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case !errors.Is(err, engine.ErrLeaseLost):
					e.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			e.Fatalf("%d settles of one position were accepted", won)
		}
		h.st.Seq++
		h.seen++
	}
	if n := len(e.strand(h.Run, "").Facts); n != 10 {
		e.Errorf("%d facts, it must be 10", n)
	}
}

func settleRepeated(e *env) {
	for name, then := range map[string]engine.Then{
		"go on":        {},
		"yield":        {Yield: true},
		"wait":         {Wait: &engine.Wait{For: time.Hour, On: "a reply"}},
		"wait ever":    {Wait: &engine.Wait{Ever: true}},
		"wait nothing": {Wait: &engine.Wait{}},
		"open":         {Open: &engine.Open{Path: "each", Count: 3, Window: 2}},
		"open none":    {Open: &engine.Open{Path: "each"}},
		"end":          {End: &engine.End{Outcome: "succeeded", Result: []byte("r")}},
	} {
		h := e.started()
		h.write("before")
		e.signal(h.Run, "", "while it works")
		in := h.say(then, "x", "y")
		in.Audit = [][]byte{[]byte("audit")}
		in.Intent = true
		in.Take = []engine.Take{{Name: "cap", Limit: 100, Effect: name, Targets: []string{name}}}
		in.Put = []engine.Document{{Kind: "k", Key: name, Body: []byte("b"), Version: engine.AnyVersion}}
		got := twice(e, e.s.Settle, in)
		e.same(name+": signals", bodies(got.Signals), []string{"while it works"})
		if got.Seen != 4 {
			e.Errorf("%s: Seen is %d, it must be 4", name, got.Seen)
		}
		e.freeze("freeze") // it was granted: a repeat is, too
		e.unchanged(func() {
			again, err := e.s.Settle(e.Context(), in)
			e.ok(err)
			e.same(name+" after a freeze", again, got)
		})
		e.freeze("thaw")
		for _, h := range e.claim(10) {
			h.wait(engine.Wait{Ever: true})
		}
	}
}

func settleRepeatedLate(e *env) {
	root := e.started()
	root.open(engine.Open{Path: "x", Count: 2, Window: 1})
	child := e.one()
	in := child.say(engine.Then{End: &engine.End{Outcome: "succeeded"}}, "done")
	first, err := e.s.Settle(e.Context(), in)
	e.ok(err)
	if first.Next == nil || first.Next.Lease.Strand != "x[1]" {
		e.Fatalf("Next is %+v, it must be x[1]", first.Next)
	}
	e.clock.Advance(lease + time.Second)
	other := e.one()
	if other.st.Lease.Strand != "x[1]" {
		e.Fatalf("%q is due", other.st.Lease.Strand)
	}
	again, err := e.s.Settle(e.Context(), in)
	e.ok(err)
	if again.Next == nil || again.Next.Lease != first.Next.Lease {
		e.Fatalf("the repeat answers %+v, the first answered %+v", again.Next, first.Next)
	}
	e.hold(again.Next).lost()
	other.end("succeeded").end("succeeded")
}

func settleIsOneAct(e *env) {
	h := e.started()
	in := h.say(engine.Then{}, "fact")
	in.Intent = true
	in.Audit = [][]byte{[]byte("audit")}
	in.Put = []engine.Document{{Kind: "incident", Key: "1", Body: []byte("doc"), Version: engine.AnyVersion}}
	in.Take = []engine.Take{{Name: "a", Limit: 1, Effect: "e", Targets: []string{"t"}}, {Name: "b", Limit: 0, Effect: "e", Targets: []string{"t"}}}
	e.unchanged(func() {
		if a := h.settle(in); a.Refused != "cap b" || !a.Holds {
			e.Fatalf("the second take does not fit, and it answers %+v", a)
		}
		if _, err := e.s.Get(e.Context(), "incident", "1"); !errors.Is(err, engine.ErrNotFound) {
			e.Errorf("the document of a refused intent: %v", err)
		}
	})
	in.Request, in.Take[1].Limit = e.request(), 1
	if a := h.settle(in); a.Refused != "" {
		e.Fatalf("refused: %s", a.Refused)
	}
	d, err := e.s.Get(e.Context(), "incident", "1")
	e.ok(err)
	e.same("document", string(d.Body), "doc")
	for _, name := range []string{"a", "b"} {
		taken, err := e.s.Take(e.Context(), engine.Take{Request: e.request(), Name: name, Limit: 1, Effect: "other", Targets: []string{"u"}})
		e.ok(err)
		if taken.Granted || taken.Count != 1 {
			e.Errorf("cap %s after the settle: %+v", name, taken)
		}
	}
	var audit []string
	records, _ := e.stream("", 100)
	for _, r := range records {
		if r.Kind == "audit" {
			audit = append(audit, string(r.Body))
		}
	}
	e.same("audit records", audit, []string{"audit"})
}

func settleRefuses(e *env) {
	h := e.started()
	for name, in := range map[string]engine.Settlement{
		"two things":     {Then: engine.Then{Yield: true, Wait: &engine.Wait{}}},
		"no window":      {Then: engine.Then{Open: &engine.Open{Path: "x", Count: 1}}},
		"a wide window":  {Then: engine.Then{Open: &engine.Open{Path: "x", Count: 1, Window: 1_000_000}}},
		"negative count": {Then: engine.Then{Open: &engine.Open{Path: "x", Count: -1, Window: 1}}},
		"too few items":  {Then: engine.Then{Open: &engine.Open{Path: "x", Count: 2, Window: 1, Items: [][]byte{nil}}}},
		"no path":        {Then: engine.Then{Open: &engine.Open{Count: 2, Window: 1}}},
		"no outcome":     {Then: engine.Then{End: &engine.End{}}},
		"skipped root":   {Then: engine.Then{End: &engine.End{Outcome: "skipped"}}},
	} {
		in.Request, in.Lease, in.Facts = e.request(), h.st.Lease, [][]byte{[]byte("f")}
		e.unchanged(func() {
			if _, err := e.s.Settle(e.Context(), in); err == nil || errors.Is(err, engine.ErrLeaseLost) {
				e.Errorf("%s: the error is %v", name, err)
			}
		})
	}
	e.unchanged(func() {
		in := h.say(engine.Then{}, "f")
		in.Request = ""
		if _, err := e.s.Settle(e.Context(), in); err == nil {
			e.Error("a settle without a request id is accepted")
		}
	})
	h.open(engine.Open{Path: "x", Count: 1, Window: 1})
	h = e.one().end("succeeded")
	e.unchanged(func() {
		if _, err := e.s.Settle(e.Context(), h.say(engine.Then{Open: &engine.Open{Path: "x", Count: 1, Window: 1}})); err == nil {
			e.Error("children are opened a second time under one path")
		}
	})
	h.write("the lease is still held")
}

func endEndsRun(e *env) {
	for _, outcome := range []string{"succeeded", "failed", "rejected", "cancelled"} {
		h := e.started()
		if next := h.end(outcome); next != nil {
			e.Errorf("after the end of the root the holder gets %+v", next.st)
		}
		r := e.record(h.Run)
		if r.Status != outcome || r.EndedAt.IsZero() || string(r.Result) != "result of " {
			e.Errorf("%s: the record says %+v", outcome, r)
		}
		e.same("end of the root", r.Strands[0].Ended, &engine.Ended{Outcome: outcome, Result: []byte("result of ")})
		e.clock.Advance(100 * lease)
		e.none()
		_, err := e.s.Signal(e.Context(), engine.Signal{Request: e.request(), Run: h.Run, Body: []byte("late"), Seen: engine.AnyVersion})
		e.is(err, engine.ErrEnded)
		_, err = e.s.Signal(e.Context(), engine.Signal{Request: e.request(), Run: h.Run, Cancel: engine.Cancelled})
		e.is(err, engine.ErrEnded)
	}
}

func bodiesAreBytes(e *env) {
	odd := []string{"", "\x00", "a\x00b", "\xff\xfe", string(make([]byte, 100_000)), "{}", "héllo"}
	h := e.started(func(b *engine.Begin) { b.Head = nil })
	h.write(odd...)
	var items [][]byte
	for _, o := range odd {
		items = append(items, []byte(o))
	}
	h.open(engine.Open{Path: "x", Count: len(odd), Window: len(odd), Items: items})
	for i, c := range e.claim(100) {
		e.same("item", string(c.st.Item), odd[i])
		e.same("facts above", bodies(c.st.Above[0].Facts), append(append([]string{}, odd...), "opened"))
		a := c.settle(c.say(engine.Then{End: &engine.End{Outcome: "succeeded", Result: []byte(odd[i])}}))
		if a.Next != nil {
			for k, child := range a.Next.Children {
				e.same("result", string(child.Result), odd[k])
			}
		}
	}
	e.same("facts", bodies(e.strand(h.Run, "").Facts), append(append([]string{}, odd...), "opened"))
}

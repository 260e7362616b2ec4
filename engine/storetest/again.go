package storetest

import (
	"time"

	"stanch/engine"
)

func againLaws() []law {
	var laws []law
	for _, killed := range []bool{false, true} {
		name := map[bool]string{false: "Close", true: "Kill"}[killed]
		laws = append(laws,
			law{again: true, name: "All is kept after " + name, promise: "what was acknowledged is there when the store is opened again", judge: func(e *env) { allIsKept(e, killed) }},
			law{again: true, name: "Leases end with " + name, promise: "no lease outlives its worker, and the old holder is refused", judge: func(e *env) { leasesEnd(e, killed) }},
			law{again: true, name: "Joins survive " + name, promise: "a join fires once, whenever the store is lost", judge: func(e *env) { joinsSurvive(e, killed) }},
		)
	}
	return laws
}

// reopen loses the store and opens what is left.
func (e *env) reopen(killed bool) {
	e.Helper()
	e.s = e.again(e.T, killed)
}

func allIsKept(e *env, killed bool) {
	e.work(3)
	e.freeze("freeze")
	h := e.started()
	h.wait(engine.Wait{For: time.Hour, On: "the hour"})
	e.take(5, "e", "a", "b")
	token, err := e.s.Hold(e.Context(), "feeder", "me", time.Hour)
	e.ok(err)
	queued := []string{e.begin(withKey("k")), e.begin(withKey("k"))}
	begin := e.newBegin()
	begun, err := e.s.Begin(e.Context(), begin)
	e.ok(err)
	before := e.dump()
	_, cursor := e.stream("", 100)
	e.reopen(killed)
	e.same("all that can be seen", e.dump(), before)
	more, _ := e.stream(cursor, 10)
	e.same("records after the cursor", len(more), 0)
	again, err := e.s.Begin(e.Context(), begin)
	e.ok(err)
	e.same("a repeat after it", again, begun)
	e.same("reservations", e.take(5, "f", "c").Count, 3)
	held, err := e.s.Hold(e.Context(), "feeder", "me", time.Hour)
	e.ok(err)
	e.same("token", held, token)
	e.same("held by another", func() int64 { n, _ := e.s.Hold(e.Context(), "feeder", "you", time.Hour); return n }(), int64(0))
	e.same("due", len(e.claim(10)), 2)
	e.same("queued", e.record(queued[1]).Status, "queued")
	e.clock.Advance(2 * time.Hour)
	woken := false
	for _, h2 := range e.claim(10) {
		woken = woken || h2.Run == h.Run
	}
	if !woken {
		e.Error("the timer does not fire")
	}
}

func leasesEnd(e *env, killed bool) {
	h := e.started()
	in := h.say(engine.Then{}, "a")
	first, err := e.s.Settle(e.Context(), in)
	e.ok(err)
	h.st.Seq++
	h.seen = first.Seen
	e.reopen(killed)
	again, err := e.s.Settle(e.Context(), in)
	e.ok(err)
	e.same("a repeat after it", again, first)
	h.env.s = e.s
	heir := e.one()
	h.lost()
	want := 0
	if killed {
		want = 1
	}
	e.same("lost", heir.st.Lost, want)
	e.same("facts", bodies(heir.st.Facts), []string{"a"})
	heir.end("succeeded")
}

func joinsSurvive(e *env, killed bool) {
	root := e.started()
	root.openMany("x", 3, 2)
	joins := 0
	for range 20 {
		e.reopen(killed)
		held := e.claim(10)
		if len(held) == 0 {
			break
		}
		if held[0].st.Lease.Strand == "" {
			joins++
			e.same("children", len(held[0].st.Children), 3)
		}
		held[0].end("succeeded")
	}
	e.same("joins", joins, 1)
	e.same("status", e.record(root.Run).Status, "succeeded")
}

package storetest

import (
	"time"

	"stanch/engine"
)

func laterLaws() []law {
	return []law{
		{name: "LaterIsNotEarlier", promise: "a run that begins later begins not before its time, and then without anybody's help", judge: laterInTime},
		{name: "LaterIsCancelled", promise: "a run that waits for its time is cancelled at once, and never begins", judge: laterCancelled},
		{name: "LaterHearsSignals", promise: "a signal to a run that waits for its time is kept and does not start it", judge: laterSignal},
		{name: "LaterOutlives", promise: "a run that begins later does so after any restart", judge: laterOutlives, again: true},
		{name: "SettleBegins", promise: "runs that a settlement begins are there together with it, once per dedupe key", judge: settleBegins},
		{name: "SettleBeginsRefused", promise: "a refused settlement begins nothing, nor does one with a run that cannot be", judge: settleBeginsRefused},
	}
}

func after(d time.Duration) func(*engine.Begin) { return func(b *engine.Begin) { b.After = d } }

func laterInTime(e *env) {
	late, soon := e.begin(after(3*time.Hour)), e.begin(after(time.Hour))
	r := e.record(soon)
	if r.Status != "queued" || r.Strands[0].State != "waiting" || r.Strands[0].On == "" || r.Strands[0].Due.IsZero() {
		e.Errorf("a run that waits for its time is %+v", r)
	}
	c, err := e.s.Claim(e.Context(), engine.Claim{Worker: "w", Max: 1, Last: lease})
	e.ok(err)
	if len(c.Strands) > 0 || !c.NextDue.Equal(r.Strands[0].Due) {
		e.Fatalf("Claim answers %+v: the next is due at %s", c, r.Strands[0].Due)
	}
	e.clock.Advance(59 * time.Minute)
	e.none()
	e.clock.Advance(2 * time.Minute)
	h := e.one()
	e.same("the earlier one", h.Run, soon)
	if h.st.At.Before(r.Strands[0].Due) || !h.st.Head.Queued {
		e.Errorf("it began at %s, due at %s, queued %v", h.st.At, r.Strands[0].Due, h.st.Head.Queued)
	}
	e.same("its status", e.record(soon).Status, "running")
	h.end("succeeded")
	e.none()
	e.clock.Advance(2 * time.Hour)
	e.same("the later one", e.one().Run, late)
}

func laterCancelled(e *env) {
	run := e.begin(after(time.Hour))
	e.cancel(run, engine.Cancelled)
	r := e.record(run)
	if r.Status != "cancelled" || r.EndedAt.IsZero() || r.Strands[0].State != "ended" {
		e.Errorf("the cancelled run is %+v", r)
	}
	e.clock.Advance(2 * time.Hour)
	e.none()
}

func laterSignal(e *env) {
	run := e.begin(after(time.Hour))
	e.signal(run, "", "word")
	e.none()
	e.clock.Advance(2 * time.Hour)
	e.same("facts", bodies(e.one().st.Facts), []string{"word"})
}

func laterOutlives(e *env) {
	run := e.begin(after(time.Hour))
	e.s = e.again(e.T, true)
	e.none()
	e.clock.Advance(2 * time.Hour)
	e.same("begun", e.one().Run, run)
}

func settleBegins(e *env) {
	h := e.started()
	in := h.say(engine.Then{}, "result")
	in.Begin = []engine.Begin{
		e.newBegin(after(time.Hour), func(b *engine.Begin) { b.Dedupe, b.Audit = "undo", [][]byte{[]byte("later")} }),
		e.newBegin(func(b *engine.Begin) { b.Playbook = "notify" }),
	}
	a := twice(e, e.s.Settle, in)
	h.st.Seq++
	if len(a.Begun) != 2 || a.Begun[0] == "" || a.Begun[1] == "" {
		e.Fatalf("Settle answers the runs %q: it must be two", a.Begun)
	}
	e.same("status", e.record(a.Begun[0]).Status, "queued")
	e.same("playbook", e.record(a.Begun[1]).Playbook, "notify")
	e.same("the other one", e.one().Run, a.Begun[1])
	in = h.say(engine.Then{End: &engine.End{Outcome: "succeeded"}})
	in.Seen = a.Seen
	in.Begin = []engine.Begin{e.newBegin(func(b *engine.Begin) { b.Dedupe = "undo" })}
	again := twice(e, e.s.Settle, in)
	e.same("the run of this key", again.Begun, a.Begun[:1])
	e.none()
}

func settleBeginsRefused(e *env) {
	h := e.started()
	in := h.say(engine.Then{}, "intent")
	in.Intent, in.Begin = true, []engine.Begin{e.newBegin()}
	e.freeze("freeze")
	e.unchanged(func() {
		if a := h.settle(in); a.Refused != "frozen" || len(a.Begun) > 0 {
			e.Errorf("it is answered %+v", a)
		}
	})
	for what, change := range map[string]func(*engine.Begin){
		"in lane 9":              func(b *engine.Begin) { b.Lane = 9 },
		"with a key":             withKey("k"),
		"about something else":   func(b *engine.Begin) { b.Subject = "defender/2" },
		"of no playbook, in all": func(b *engine.Begin) { b.Playbook = "" },
	} {
		in = h.say(engine.Then{}, "fact")
		in.Begin = []engine.Begin{e.newBegin(), e.newBegin(change)}
		e.unchanged(func() {
			if _, err := e.s.Settle(e.Context(), in); err == nil {
				e.Errorf("a run %s is begun", what)
			}
		})
	}
}

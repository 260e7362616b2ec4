package storetest

import (
	"sync"
	"time"

	"stanch/engine"
)

func leaseLaws() []law {
	return []law{
		{name: "LostLeaseChangesNothing", promise: "two holders never settle one position; a lost lease changes nothing", judge: lostLease},
		{name: "LeaseEndsWithTheNextClaim", promise: "a lease ends when another claims, not when its time has passed", judge: leaseEnds},
		{name: "LeaseIsExclusive", promise: "a strand is leased to one holder, however many claim", judge: leaseIsExclusive},
		{name: "LostCounts", promise: "a strand claimed without a settle tells how often; a settle begins anew", judge: lostCounts},
		{name: "RenewMakesLeasesLast", promise: "a renewed lease lasts from now, a lost one is named", judge: renewLasts},
		{name: "RenewTellsTheMarks", promise: "a holder hears of a cancel and of a freeze by renewing", judge: renewTells},
		{name: "ForgedTokens", promise: "a token that was not given is refused", judge: forgedTokens},
		{name: "ClaimTellsTheNextTime", promise: "Claim answers when something falls due next", judge: nextDue},
		{name: "ClaimRefusesNonsense", promise: "a Claim of nothing or without time is refused", judge: func(e *env) {
			for _, c := range []engine.Claim{{Max: 0, Last: lease}, {Max: 1}, {Max: -1, Last: lease}} {
				if _, err := e.s.Claim(e.Context(), c); err == nil {
					e.Errorf("%+v is answered", c)
				}
			}
		}},
	}
}

func lostLease(e *env) {
	first := e.started()
	first.write("a")
	e.clock.Advance(lease + time.Second)
	second := e.one()
	if second.st.Token == first.st.Token || second.st.Seq != first.st.Seq {
		e.Fatalf("second holder has %+v, first %+v", second.st.Lease, first.st.Lease)
	}
	e.same("facts", bodies(second.st.Facts), []string{"a"})
	first.lost()
	first.unchanged(func() {
		for _, then := range []engine.Then{{Yield: true}, {Wait: &engine.Wait{For: time.Hour}}, {Open: &engine.Open{Path: "x", Count: 2, Window: 1}}, {End: &engine.End{Outcome: "failed"}}} {
			in := first.say(then, "stale")
			in.Audit, in.Put = [][]byte{[]byte("stale")}, []engine.Document{{Kind: "k", Key: "stale", Version: engine.AnyVersion}}
			in.Take = []engine.Take{{Name: "cap", Limit: 5, Effect: "stale", Targets: []string{"t"}}}
			_, err := e.s.Settle(e.Context(), in)
			e.is(err, engine.ErrLeaseLost)
		}
	})
	taken, err := e.s.Take(e.Context(), engine.Take{Request: e.request(), Name: "cap", Limit: 1, Effect: "mine", Targets: []string{"u"}})
	e.ok(err)
	if !taken.Granted || taken.Count != 1 {
		e.Errorf("a lost lease has reserved something: %+v", taken)
	}
	second.write("b")
	second.end("succeeded")
	second.lost() // nor may the holder itself settle what has ended
}

func leaseEnds(e *env) {
	h := e.started()
	e.clock.Advance(100 * lease)
	h.write("late, but nobody else has it")
	other := e.one()
	h.lost()
	other.end("succeeded")
}

func leaseIsExclusive(e *env) {
	const runs, workers = 40, 8
	for range runs {
		e.begin()
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				c, err := e.s.Claim(e.Context(), engine.Claim{Worker: "w", Max: 3, Last: lease})
				if err != nil {
					e.Error(err)
					return
				}
				if len(c.Strands) == 0 {
					return
				}
				mu.Lock()
				for _, st := range c.Strands {
					seen[st.Run]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != runs {
		e.Errorf("%d of %d runs were claimed", len(seen), runs)
	}
	for run, n := range seen {
		if n != 1 {
			e.Errorf("run %s was claimed %d times", run, n)
		}
	}
}

func lostCounts(e *env) {
	h := e.started()
	h.write("a")
	for want := 1; want <= 3; want++ {
		e.clock.Advance(lease + time.Second)
		h = e.one()
		if h.st.Lost != want || h.strand(h.Run, "").Lost != want {
			e.Fatalf("Lost is %d (record: %d), it must be %d", h.st.Lost, h.strand(h.Run, "").Lost, want)
		}
	}
	h.yield("b")
	if h = e.one(); h.st.Lost != 0 {
		e.Errorf("Lost is %d after a settle", h.st.Lost)
	}
}

func renewLasts(e *env) {
	h := e.started()
	for range 5 {
		e.clock.Advance(lease * 2 / 3)
		r, err := e.s.Renew(e.Context(), []engine.Lease{h.st.Lease}, lease)
		e.ok(err)
		if len(r.Lost) != 0 {
			e.Fatalf("a lease that is held is lost: %+v", r)
		}
		e.none()
	}
	r, err := e.s.Renew(e.Context(), []engine.Lease{h.st.Lease}, time.Second)
	e.ok(err)
	e.same("lost", len(r.Lost), 0)
	e.clock.Advance(2 * time.Second)
	other := e.one()
	r, err = e.s.Renew(e.Context(), []engine.Lease{h.st.Lease, other.st.Lease}, lease)
	e.ok(err)
	e.same("lost leases", r.Lost, []engine.Lease{h.st.Lease})
	other.end("succeeded")
	r, err = e.s.Renew(e.Context(), []engine.Lease{other.st.Lease}, lease)
	e.ok(err)
	e.same("the lease of an ended strand", r.Lost, []engine.Lease{other.st.Lease})
}

func renewTells(e *env) {
	a := e.started()
	b := e.started()
	leases := []engine.Lease{a.st.Lease, b.st.Lease}
	r, err := e.s.Renew(e.Context(), leases, lease)
	e.ok(err)
	if r.Frozen || len(r.Cancel) != 0 {
		e.Errorf("Renew answers %+v", r)
	}
	e.cancel(b.Run, engine.Cancelled)
	e.freeze("freeze")
	r, err = e.s.Renew(e.Context(), leases, lease)
	e.ok(err)
	e.same("marks", r.Cancel, map[string]engine.Cancel{b.Run: engine.Cancelled})
	if !r.Frozen {
		e.Error("Renew does not tell of the freeze")
	}
}

func forgedTokens(e *env) {
	h := e.started()
	for _, token := range []string{"", "1", "1.", h.st.Token + "x", "x" + h.st.Token, h.st.Token[:len(h.st.Token)-1], "99999." + h.st.Token, "-1.a", "\x00"} {
		in := h.say(engine.Then{End: &engine.End{Outcome: "failed"}}, "forged")
		in.Lease.Token = token
		_, err := e.s.Settle(e.Context(), in)
		e.is(err, engine.ErrLeaseLost)
		r, err := e.s.Renew(e.Context(), []engine.Lease{in.Lease}, lease)
		e.ok(err)
		e.same("lost", r.Lost, []engine.Lease{in.Lease})
	}
	wrong := h.say(engine.Then{}, "another strand's name")
	wrong.Lease.Strand = "x[0]"
	_, err := e.s.Settle(e.Context(), wrong)
	e.is(err, engine.ErrLeaseLost)
	h.write("mine")
}

func nextDue(e *env) {
	ask := func() time.Duration {
		c, err := e.s.Claim(e.Context(), engine.Claim{Worker: "w", Max: 1, Last: lease})
		e.ok(err)
		if len(c.Strands) > 0 {
			e.Fatalf("%+v is due", c.Strands)
		}
		if c.NextDue.IsZero() {
			return 0
		}
		return c.NextDue.Sub(c.At)
	}
	if d := ask(); d != 0 {
		e.Errorf("nothing waits, and the next is due in %s", d)
	}
	h := e.started()
	near := func(got, want time.Duration) bool { return got > want-5*time.Second && got <= want }
	if d := ask(); !near(d, lease) {
		e.Errorf("a lease ends in %s, it must be %s", d, lease)
	}
	h.wait(engine.Wait{For: time.Hour})
	if d := ask(); !near(d, time.Hour) {
		e.Errorf("a timer is due in %s, it must be %s", d, time.Hour)
	}
	e.begin()
	e.begin()
	c, err := e.s.Claim(e.Context(), engine.Claim{Worker: "w", Max: 1, Last: lease})
	e.ok(err)
	if c.NextDue.IsZero() || c.NextDue.After(c.At) {
		e.Errorf("more is due than was asked for, and the next is due at %s, after %s", c.NextDue, c.At)
	}
	e.one().wait(engine.Wait{Ever: true})
}

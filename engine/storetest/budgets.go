package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"stanch/engine"
)

func budgetLaws() []law {
	return []law{
		{name: "BudgetIsNeverExceeded", promise: "in no time as long as a window is more drawn than it allows, and nearly all of it can be", judge: budgetIsExact},
		{name: "BudgetOfLargeCalls", promise: "of calls that cost much of a window as many fit as go into it", judge: budgetOfLargeCalls},
		{name: "BudgetIsOneForAll", promise: "however many draw at once, what goes on is what fits", judge: budgetIsOne},
		{name: "DrawKeepsItsPlace", promise: "who waits goes on after the time it was told, before who came later", judge: drawKeepsPlace},
		{name: "DrawGoesByLane", promise: "who is of a higher lane goes before those who wait already, and nobody waits for ever for it", judge: drawGoesByLane},
		{name: "DrawIsFair", promise: "who has many waiting does not keep others from their turn", judge: drawIsFair},
		{name: "DrawPauses", promise: "while the API wants no calls nobody goes on, whoever told it", judge: drawPauses},
		{name: "DrawSlowsDown", promise: "what the API refuses slows everybody down, once in a while, and by and by it is forgotten", judge: drawSlowsDown},
		{name: "DrawForgets", promise: "who does not come when it is its turn keeps nobody waiting for long", judge: drawForgets},
		{name: "DrawGivesBack", promise: "what was drawn and not used can be drawn by others, as long as it counts", judge: drawGivesBack},
		{name: "DrawRefusesNonsense", promise: "a draw that could never go on is refused", judge: drawRefusesNonsense},
	}
}

// calls are 100 of a minute.
func calls(request string, change ...func(*engine.Draw)) engine.Draw {
	d := engine.Draw{Budget: "contoso/graph", Request: request, Units: 1, Windows: []engine.Window{{Units: 100, Per: time.Minute}}, By: "contain"}
	for _, c := range change {
		c(&d)
	}
	return d
}

func (e *env) draw(d engine.Draw) engine.Drawn {
	e.Helper()
	drawn, err := e.s.Draw(e.Context(), d)
	e.ok(err)
	if d.Units > 0 && drawn.Go != (drawn.Wait == 0) {
		e.Fatalf("%+v answers %+v: it waits, or it goes on", d, drawn)
	}
	return drawn
}

// waiting is somebody who draws until it goes on.
type waiting struct {
	d    engine.Draw
	next time.Time
}

// drain lets all of them draw whenever they were told to, and answers when each
// went on, by the order of going on.
func (e *env) drain(all []*waiting, most time.Duration) (went []string, at []time.Time) {
	e.Helper()
	end := e.clock.Now().Add(most)
	for len(all) > 0 {
		first := all[0]
		for _, w := range all {
			if w.next.Before(first.next) {
				first = w
			}
		}
		if first.next.After(end) {
			e.Fatalf("%d of those who wait have not gone on within %s", len(all), most)
		}
		if d := first.next.Sub(e.clock.Now()); d > 0 {
			e.clock.Advance(d)
		}
		drawn := e.draw(first.d)
		if !drawn.Go {
			first.next = e.clock.Now().Add(drawn.Wait)
			continue
		}
		went, at = append(went, first.d.Request), append(at, e.clock.Now())
		for i, w := range all {
			if w == first {
				all = append(all[:i], all[i+1:]...)
				break
			}
		}
	}
	return went, at
}

func budgetIsExact(e *env) {
	dice := rand.New(rand.NewPCG(7, 7))
	windows := []engine.Window{{Units: 200, Per: time.Minute}, {Units: 1000, Per: 10 * time.Minute}}
	type spent struct {
		at    time.Time
		units int64
	}
	var all []spent
	var waits []*waiting
	var backs []func()
	begun := e.clock.Now()
	for n := 0; e.clock.Now().Sub(begun) < 20*time.Minute; n++ {
		for len(waits) < 8 {
			d := calls(fmt.Sprint(n, len(waits), "/", dice.Int()), func(d *engine.Draw) {
				d.Windows, d.Units, d.Lane, d.By = windows, 1+dice.Int64N(4), 0, fmt.Sprint(dice.IntN(3))
			})
			waits = append(waits, &waiting{d, e.clock.Now()})
		}
		for i := 0; i < len(waits); i++ {
			w := waits[i]
			if w.next.After(e.clock.Now()) {
				continue
			}
			drawn := e.draw(w.d)
			if w.next = e.clock.Now().Add(drawn.Wait); drawn.Go {
				all = append(all, spent{e.clock.Now(), w.d.Units})
				if unused := dice.Int64N(w.d.Units); unused > 0 { // and given back later, or at once
					backs = append(backs, func() {
						e.draw(calls("", func(d *engine.Draw) { d.Windows, d.Units, d.Back, d.At = windows, 0, unused, drawn.At }))
					})
					all[len(all)-1].units -= unused
				}
				waits = append(waits[:i], waits[i+1:]...)
			}
		}
		e.clock.Advance(time.Duration(dice.IntN(800)) * time.Millisecond)
		for len(backs) > dice.IntN(5) {
			backs[0]()
			backs = backs[1:]
		}
	}
	for _, w := range windows {
		first, sum, total := 0, int64(0), int64(0)
		for _, s := range all {
			sum, total = sum+s.units, total+s.units
			for !all[first].at.After(s.at.Add(-w.Per)) {
				sum, first = sum-all[first].units, first+1
			}
			if sum > w.Units {
				e.Fatalf("%d units are drawn in %s up to %s, it may be %d", sum, w.Per, s.at.Sub(begun), w.Units)
			}
		}
		if allowed := int64(float64(w.Units) * 20 * float64(time.Minute) / float64(w.Per)); w.Per > time.Minute && total*100 < allowed*95 {
			e.Errorf("%d units are drawn in 20 minutes, of %d that may be", total, allowed)
		}
	}
}

func drawGivesBack(e *env) {
	const part = time.Minute / engine.Parts
	type act struct {
		after time.Duration
		draw  int64
		back  int64
		of    int           // which draw
		off   time.Duration // another time than that of the draw
	}
	for i, x := range []struct {
		why  string
		acts []act
		free int
	}{
		{"all is drawn", []act{{draw: 40}, {after: 10 * time.Second, draw: 60}}, 0},
		{"some was not used", []act{{draw: 40}, {after: 10 * time.Second, draw: 60}, {back: 25, of: 1}}, 25},
		{"of two draws", []act{{draw: 50}, {draw: 50}, {back: 10, of: 0}, {back: 20, of: 1}}, 30},
		{"more than was drawn then", []act{{draw: 40}, {after: 10 * time.Second, draw: 60}, {back: 1000, of: 0}}, 40},
		{"late, as long as it counts", []act{{draw: 100}, {after: 59 * time.Second, back: 30}}, 30},
		{"what counts no more", []act{{draw: 60}, {after: 2 * time.Minute, draw: 100}, {back: 60, of: 0}}, 0},
		{"what nobody drew", []act{{draw: 100}, {back: 5, off: -part}, {back: 5, off: part}}, 0},
	} {
		budget := fmt.Sprint("budget", i)
		with := func(request string, units int64) engine.Draw {
			return calls(request, func(d *engine.Draw) { d.Budget, d.Units = budget, units })
		}
		var drawn []engine.Drawn
		for n, a := range x.acts {
			e.clock.Advance(a.after)
			if a.draw > 0 {
				drawn = append(drawn, e.draw(with(fmt.Sprint("a", n), a.draw)))
				continue
			}
			d := with("", 0)
			d.Back, d.At = a.back, drawn[a.of].At.Add(a.off)
			e.draw(d)
		}
		free := 0
		for e.draw(with(fmt.Sprint("b", free), 1)).Go {
			free++
		}
		if free != x.free {
			e.Errorf("%s: %d units are free, not %d", x.why, free, x.free)
		}
	}
}

func budgetOfLargeCalls(e *env) {
	var all []*waiting
	for i := range 12 {
		all = append(all, &waiting{calls(fmt.Sprint(i), func(d *engine.Draw) { d.Units = 30 }), e.clock.Now()})
	}
	begun := e.clock.Now()
	_, at := e.drain(all, time.Hour)
	for i := 3; i < len(at); i++ {
		if at[i].Sub(at[i-3]) < time.Minute {
			e.Errorf("calls %d to %d of 30 of 100 units go on within %s", i-3, i, at[i].Sub(at[i-3]))
		}
	}
	if took := at[len(at)-1].Sub(begun); took > 4*time.Minute {
		e.Errorf("12 calls of which 3 fit into a minute took %s", took)
	}
}

func budgetIsOne(e *env) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	going := 0
	for i := range 40 {
		wg.Go(func() {
			drawn, err := e.s.Draw(e.Context(), calls(fmt.Sprint(i), func(d *engine.Draw) { d.Windows[0].Units = 10 }))
			if err != nil {
				e.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if drawn.Go {
				going++
			}
		})
	}
	wg.Wait()
	e.same("going on at once", going, 10)
}

func drawKeepsPlace(e *env) {
	e.use(100)
	var all []*waiting
	var want []string
	for i := range 12 {
		all = append(all, &waiting{calls(fmt.Sprintf("%02d", i), func(d *engine.Draw) { d.By = fmt.Sprint(i) }), e.clock.Now()})
		want = append(want, fmt.Sprintf("%02d", i))
	}
	for _, w := range all {
		drawn := e.draw(w.d)
		if w.next = e.clock.Now().Add(drawn.Wait); drawn.Go {
			want = want[1:]
		}
		e.clock.Advance(time.Millisecond)
	}
	begun := e.clock.Now()
	went, at := e.drain(all[12-len(want):], time.Minute)
	e.same("the order", went, want)
	if took := at[len(at)-1].Sub(begun); took > 8*time.Second {
		e.Errorf("12 of 100 calls a minute took %s", took)
	}
}

// use draws so many calls, evenly over a minute.
func (e *env) use(n int) {
	e.Helper()
	for i := range n {
		if d := e.draw(calls(fmt.Sprint("used", i))); !d.Go {
			e.Fatalf("call %d of 100 in a minute: %+v", i, d)
		}
		e.clock.Advance(time.Minute / time.Duration(n))
	}
}

// fill draws what goes on at once, and lets so many wait.
func (e *env) fill(n int, change ...func(*engine.Draw)) (all []*waiting) {
	e.Helper()
	for i := 0; len(all) < n; i++ {
		d := calls(fmt.Sprintf("%s-%03d", e.request(), i), change...)
		if drawn := e.draw(d); !drawn.Go {
			all = append(all, &waiting{d, e.clock.Now().Add(drawn.Wait)})
		}
	}
	return all
}

func drawGoesByLane(e *env) {
	hunting := func(d *engine.Draw) { d.Lane, d.By = 3, "hunt" }
	all := e.fill(50, hunting)
	high := &waiting{calls("high"), e.clock.Now()}
	if drawn := e.draw(high.d); !drawn.Go || drawn.Ahead != 0 {
		e.Errorf("a call of the first lane is told %+v, 50 of the last one wait", drawn)
	}
	second := e.fill(1) // now all is used
	high = &waiting{calls("high again"), e.clock.Now()}
	high.next = e.clock.Now().Add(e.draw(high.d).Wait)
	went, at := e.drain(append(all, second[0], high), 10*time.Minute)
	if i := slices.Index(went, "high again"); at[i].After(at[0]) {
		e.Errorf("it goes %s after the first of the last lane", at[i].Sub(at[0]))
	}

	// Now the first lane wants all there is, all the time.
	last := &waiting{calls("last", hunting), e.clock.Now()}
	begun := e.clock.Now()
	for i := 0; ; i++ {
		e.draw(calls(fmt.Sprint("first", i/2), func(d *engine.Draw) { d.Units = 4 }))
		if e.draw(last.d).Go {
			break
		}
		e.clock.Advance(500 * time.Millisecond)
		if e.clock.Now().Sub(begun) > 20*time.Minute {
			e.Fatal("a call of the last lane has waited for 20 minutes")
		}
	}
}

func drawIsFair(e *env) {
	e.use(98)
	all := e.fill(40)
	other := &waiting{calls("other", func(d *engine.Draw) { d.By = "another" }), e.clock.Now()}
	drawn := e.draw(other.d)
	other.next = e.clock.Now().Add(drawn.Wait)
	went, _ := e.drain(append(all, other), 2*time.Minute)
	for i, name := range went {
		if name == "other" && i > 4 {
			e.Errorf("%d calls of a playbook that has 40 waiting went before the only one of another", i)
		}
	}
}

func drawPauses(e *env) {
	e.draw(calls("a"))
	told := e.draw(engine.Draw{Budget: "contoso/graph", Pause: 30 * time.Second})
	e.same("what is told who tells", told.Wait, 30*time.Second)
	e.draw(engine.Draw{Budget: "contoso/graph", Pause: 10 * time.Second}) // an answer that was under way
	e.clock.Advance(29 * time.Second)
	drawn := e.draw(calls("b"))
	if drawn.Go || drawn.Wait > time.Second {
		e.Errorf("a second before the pause is over: %+v", drawn)
	}
	if other := e.draw(calls("c", func(d *engine.Draw) { d.Budget = "fabrikam/graph" })); !other.Go {
		e.Errorf("of another tenant's budget: %+v", other)
	}
	e.clock.Advance(drawn.Wait)
	if drawn = e.draw(calls("b")); !drawn.Go {
		e.Errorf("after the pause: %+v", drawn)
	}
}

func drawSlowsDown(e *env) {
	tell := func() float64 { return e.draw(engine.Draw{Budget: "contoso/graph", Refused: true}).Pace }
	pace := func() float64 {
		drawn, err := e.s.Draw(e.Context(), engine.Draw{Budget: "contoso/graph"})
		e.ok(err)
		return drawn.Pace
	}
	e.same("at first", pace(), 1.0)
	e.near("after one", tell(), 0.7)
	e.near("of those under way with it", tell(), 0.7)
	e.clock.Advance(engine.CutEvery)
	if p := tell(); p > 0.55 || p < 0.48 {
		e.Errorf("after another one: %v", p)
	}
	going := 0
	for e.draw(calls(fmt.Sprint("call", going))).Go {
		going++
	}
	if going < 46 || going > 51 {
		e.Errorf("at half the pace %d of 100 calls go on", going)
	}
	for range 40 {
		e.clock.Advance(engine.CutEvery)
		tell()
	}
	if p := pace(); p < engine.LeastPace || p > 2*engine.LeastPace {
		e.Errorf("after very many: %v", p)
	}
	e.clock.Advance(10 * time.Minute)
	e.same("long after", pace(), 1.0)
}

func (e *env) near(what string, got, want float64) {
	e.Helper()
	if got < want-0.01 || got > want+0.01 {
		e.Errorf("%s: %v, it must be %v", what, got, want)
	}
}

func drawForgets(e *env) {
	e.fill(150)
	e.clock.Advance(62 * time.Second) // it is the turn of the first hundred
	if drawn := e.draw(calls("later")); drawn.Go {
		e.Errorf("somebody who comes after 150 who are expected: %+v", drawn)
	}
	e.clock.Advance(75 * time.Second) // none of them has come
	if drawn := e.draw(calls("later still")); !drawn.Go {
		e.Errorf("somebody who comes after 150 who never did: %+v", drawn)
	}
}

func drawRefusesNonsense(e *env) {
	for what, change := range map[string]func(*engine.Draw){
		"no budget":           func(d *engine.Draw) { d.Budget = "" },
		"no request":          func(d *engine.Draw) { d.Request = "" },
		"lane 4":              func(d *engine.Draw) { d.Lane = 4 },
		"lane -1":             func(d *engine.Draw) { d.Lane = -1 },
		"units below none":    func(d *engine.Draw) { d.Units = -1 },
		"a pause backwards":   func(d *engine.Draw) { d.Pause = -1 },
		"no window":           func(d *engine.Draw) { d.Windows = nil },
		"five windows":        func(d *engine.Draw) { d.Windows = make([]engine.Window, 5) },
		"an empty window":     func(d *engine.Draw) { d.Windows[0].Units = 0 },
		"an endless window":   func(d *engine.Draw) { d.Windows[0].Per = 1 << 62 },
		"a window of no time": func(d *engine.Draw) { d.Windows[0].Per = 0 },
		"more than there is":  func(d *engine.Draw) { d.Units = 101 },
		"back below none":     func(d *engine.Draw) { d.Units, d.Back, d.At = 0, -1, e.clock.Now() },
		"back of no time":     func(d *engine.Draw) { d.Units, d.Back = 0, 1 },
		"back and more":       func(d *engine.Draw) { d.Back, d.At = 1, e.clock.Now() },
		"back to no window":   func(d *engine.Draw) { d.Units, d.Back, d.At, d.Windows = 0, 1, e.clock.Now(), nil },
	} {
		if drawn, err := e.s.Draw(e.Context(), calls("x", change)); err == nil {
			e.Errorf("%s: it answers %+v, it must be refused", what, drawn)
		}
	}
}

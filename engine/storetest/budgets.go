package storetest

import (
	"fmt"
	"math/rand/v2"
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
	begun := e.clock.Now()
	for n := 0; e.clock.Now().Sub(begun) < 20*time.Minute; n++ {
		for len(waits) < 8 {
			d := calls(fmt.Sprint(n, len(waits), "/", dice.Int()), func(d *engine.Draw) {
				d.Windows, d.Units, d.Lane, d.By = windows, 1+dice.Int64N(4), dice.IntN(engine.Lanes), fmt.Sprint(dice.IntN(3))
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
				waits = append(waits[:i], waits[i+1:]...)
			}
		}
		e.clock.Advance(time.Duration(dice.IntN(800)) * time.Millisecond)
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
			drawn, err := e.s.Draw(e.Context(), calls(fmt.Sprint(i)))
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
	e.same("going on at once", going, 2) // a fiftieth of the window
}

func drawKeepsPlace(e *env) {
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
	drawn := e.draw(high.d)
	high.next = e.clock.Now().Add(drawn.Wait)
	if drawn.Ahead != 0 || drawn.Wait > 2*time.Second {
		e.Errorf("a call of the first lane is told %+v, 50 of the last one wait", drawn)
	}
	went, _ := e.drain([]*waiting{high, all[0], all[1], all[2]}, time.Minute)
	e.same("who goes first", went[0], "high")

	// Now the first lane wants all there is, all the time.
	last := &waiting{calls("last", hunting), e.clock.Now()}
	begun := e.clock.Now()
	for i := 0; ; i++ {
		e.draw(calls(fmt.Sprint("first", i/2), func(d *engine.Draw) { d.Units = 4 }))
		if e.draw(last.d).Go {
			break
		}
		e.clock.Advance(500 * time.Millisecond)
		if e.clock.Now().Sub(begun) > 6*time.Minute {
			e.Fatal("a call of the last lane has waited for 6 minutes")
		}
	}
}

func drawIsFair(e *env) {
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
	begun := e.clock.Now()
	_, at := e.drain(e.fill(20), time.Minute)
	if took := at[len(at)-1].Sub(begun); took < 18*time.Second {
		e.Errorf("20 calls at half the pace took %s", took)
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
	e.fill(20)
	e.clock.Advance(30 * time.Second) // none of them has come
	if drawn := e.draw(calls("later")); !drawn.Go {
		e.Errorf("somebody who comes after 20 who never did: %+v", drawn)
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
	} {
		if drawn, err := e.s.Draw(e.Context(), calls("x", change)); err == nil {
			e.Errorf("%s: it answers %+v, it must be refused", what, drawn)
		}
	}
}

package storetest

import (
	"fmt"
	"time"

	"stanch/engine"
)

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

func drawCountsUsed(e *env) {
	used := func(units int64) {
		e.Helper()
		d := calls("", func(d *engine.Draw) { d.Units, d.Used = units, true })
		if drawn := e.draw(d); !drawn.Go {
			e.Errorf("%d units that were used wait: %+v", units, drawn)
		}
	}
	free := func(why string, want int) {
		e.Helper()
		n := 0
		for e.draw(calls(fmt.Sprint(why, n))).Go {
			n++
		}
		if n != want {
			e.Errorf("%s: %d units are free, not %d", why, n, want)
		}
	}
	used(30)
	free("a part was used", 70)
	used(250)
	e.clock.Advance(30 * time.Second)
	free("more was used than there is", 0)
	e.clock.Advance(40 * time.Second) // those who waited are expected no more
	used(10)
	free("that is over", 90)
	used(5)
	if told := e.draw(calls("", func(d *engine.Draw) { d.Units = 0 })); told.Ahead != 1 {
		e.Errorf("%d wait, and it is the last who asked alone", told.Ahead)
	}
}

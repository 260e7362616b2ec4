package history

import (
	"testing"
	"time"

	"stanch/engine"
)

// A claim that has no room in a lane, or gets as much of it as it has room for, is
// none that left something of that lane lying.
func TestRoomInLanes(t *testing.T) {
	in := func(lane int, text string) Grant {
		g := to(text)
		g.Lane = lane
		return g
	}
	room := func(p pair, room ...int) pair { return p.with(func(a *Ask, _ *Answer) { a.Room = room }) }
	for name, c := range map[string]struct {
		law   int // that is broken
		claim pair
	}{
		"room in every lane":      {12, room(claiming(), 9, 9, 9, 9)},
		"room left in the lane":   {12, room(claiming(in(3, "s 0 s")), 0, 0, 0, 2)},
		"room of an old recorder": {12, claiming()},
		"room in others":          {0, room(claiming(), 9, 9, 9, 0)},
		"room that was filled":    {0, room(claiming(in(3, "s 0 s")), 9, 9, 9, 1)},
		"no room at all":          {0, room(claiming(in(1, "s 0 s")).with(func(a *Ask, _ *Answer) { a.Max = 1 }), 9, 9, 9, 9)},
	} {
		lost := func() *book {
			b := &book{}
			b.play(beginning("r", "d"), claiming(in(3, "r 0 t")))
			b.pass(3 * time.Minute)
			b.play(c.claim.by("b"))
			b.pass(time.Minute)
			return b
		}
		taken, left := lost(), lost()
		taken.play(claiming(in(3, "r 0 u")).by("b"))
		left.final = []engine.RunRecord{
			record("r", "running", engine.StrandRecord{State: "leased", Due: time.Unix(0, start+int64(time.Minute))}),
			record("s", "running", engine.StrandRecord{State: "waiting", On: "somebody"}),
		}
		for end, b := range map[string]*book{"it is taken over late": taken, "it is never taken over": left} {
			t.Run(name+", "+end, func(t *testing.T) {
				if c.law > 0 {
					finds(t, b, c.law, "lease")
					return
				}
				clean(t, b)
			})
		}
	}
}

// The lane of a strand that nobody was given yet is that of its run.
func TestLaneOfARun(t *testing.T) {
	for name, c := range map[string]struct {
		lane int
		law  int
	}{"in the lane that is full": {3, 0}, "in another": {1, 10}} {
		t.Run(name, func(t *testing.T) {
			b := &book{}
			b.play(beginning("r", "").with(func(a *Ask, _ *Answer) { a.Begin[0].Lane = c.lane }))
			b.pass(10 * time.Minute)
			b.play(claiming().with(func(a *Ask, _ *Answer) { a.Room = []int{9, 9, 9, 0} }))
			b.final = []engine.RunRecord{record("r", "running", engine.StrandRecord{State: "due", Due: time.Unix(0, start)})}
			if c.law > 0 {
				finds(t, b, c.law, "nobody got it")
				return
			}
			clean(t, b)
		})
	}
}

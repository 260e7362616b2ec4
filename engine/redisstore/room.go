package redisstore

import (
	"fmt"

	"stanch/engine"
)

// room is how much a claim may still lease: in all, and of each lane.
type room struct {
	all   int
	lanes [engine.Lanes]int
	whole bool // lanes have no room of their own
}

func roomOf(c *engine.Claim) room {
	if c.Room == nil {
		return room{all: c.Max, whole: true}
	}
	return room{all: c.Max, lanes: *c.Room}
}

// in reports whether there is room in a lane.
func (r *room) in(lane int) bool { return r.all > 0 && (r.whole || r.lanes[lane] > 0) }

// take takes room for one strand of a lane.
func (r *room) take(lane int) {
	r.all--
	r.lanes[lane]--
}

// share takes the share of one partition, of so many that still get one.
func (r *room) share(of int) room {
	part := room{all: min(r.all/of, perClaim), whole: r.whole}
	r.all -= part.all
	for lane := range r.lanes {
		part.lanes[lane] = r.lanes[lane] / of
		r.lanes[lane] -= part.lanes[lane]
	}
	return part
}

// arg is the room in lanes as claim.lua has it.
func (r *room) arg() string {
	if r.whole {
		return ""
	}
	l := r.lanes
	return fmt.Sprint(l[0], l[1], l[2], l[3])
}

package storetest

import (
	"fmt"
	"time"

	"stanch/engine"
)

func laneLaws() []law {
	return []law{
		{name: "LaneRoomIsKept", promise: "a claim leases no more of a lane than it has room for, and all it has room for", judge: laneRoom},
		{name: "LaneRoomAcrossSubjects", promise: "room in a lane is filled and not exceeded, wherever what is due in it lies", judge: laneSpread},
		{name: "FullLaneIsNotMore", promise: "NextDue is now only for what a claim had room for", judge: laneMore},
		{name: "FullLaneStillFires", promise: "a claim without any room fires timers and takes over what was lost", judge: laneFires},
		{name: "ChildrenStayInTheLane", promise: "children, what a settle hands over and joins are in the lane of their run", judge: laneChildren},
		{name: "ClaimRefusesNegativeRoom", promise: "less than no room is refused", judge: func(e *env) {
			if c, err := e.s.Claim(e.Context(), engine.Claim{Max: 1, Last: lease, Room: &[engine.Lanes]int{0, 0, -1, 0}}); err == nil {
				e.Errorf("it is answered: %+v", c)
			}
		}},
	}
}

// inLane puts a run into a lane, about a subject.
func inLane(lane int, subject string) func(*engine.Begin) {
	return func(b *engine.Begin) { b.Lane, b.Subject = lane, subject }
}

// lanes claims with room in lanes, and answers how many strands of each it got
// and whether more is due now.
func (e *env) lanes(n int, room ...int) (got []*holder, of [engine.Lanes]int, more bool) {
	e.Helper()
	c, err := e.s.Claim(e.Context(), engine.Claim{Worker: "w", Max: n, Last: lease, Room: (*[engine.Lanes]int)(room)})
	e.ok(err)
	for i := range c.Strands {
		of[c.Strands[i].Lane]++
		got = append(got, e.hold(&c.Strands[i]))
	}
	return got, of, !c.NextDue.IsZero() && !c.NextDue.After(c.At)
}

// gets fails unless a claim gets so many of each lane.
func (e *env) gets(n int, room []int, want [engine.Lanes]int, wantMore bool) []*holder {
	e.Helper()
	got, of, more := e.lanes(n, room...)
	if of != want || more != wantMore {
		e.Fatalf("a claim of %d with room %v gets %v of the lanes, more is due: %v; it must be %v, %v", n, room, of, more, want, wantMore)
	}
	return got
}

func laneRoom(e *env) {
	for range 5 {
		e.begin(inLane(3, "s"))
	}
	e.begin(inLane(0, "s"))
	e.begin(inLane(1, "s"))
	e.gets(10, []int{10, 10, 10, 2}, [engine.Lanes]int{1, 1, 0, 2}, false)
	e.gets(10, []int{10, 10, 10, 0}, [engine.Lanes]int{}, false)
	e.begin(inLane(0, "s")) // behind a lane that is full
	e.gets(10, []int{10, 10, 10, 0}, [engine.Lanes]int{1}, false)
	e.gets(10, []int{0, 0, 0, 1}, [engine.Lanes]int{3: 1}, false)
	e.same("the others", len(e.claim(10)), 2)
}

func laneSpread(e *env) {
	const runs = 40
	for i := range runs {
		e.begin(inLane(3, fmt.Sprint("s", i)))
		e.begin(inLane(i%3, fmt.Sprint("t", i)))
	}
	e.gets(100, []int{0, 0, 0, 0}, [engine.Lanes]int{}, false)
	e.gets(100, []int{100, 100, 100, 3}, [engine.Lanes]int{14, 13, 13, 3}, false)
	for left := runs - 3; left > 0; left -= 3 {
		e.gets(100, []int{100, 100, 100, 3}, [engine.Lanes]int{3: min(left, 3)}, false)
	}
	e.none()
}

func laneMore(e *env) {
	for range 5 {
		e.begin(inLane(3, "s"))
	}
	e.gets(1, []int{5, 5, 5, 2}, [engine.Lanes]int{3: 1}, true)
	e.gets(1, []int{5, 5, 5, 1}, [engine.Lanes]int{3: 1}, false)
	e.begin(inLane(0, "s"))
	e.begin(inLane(0, "t"))
	e.gets(1, []int{2, 0, 0, 0}, [engine.Lanes]int{1}, true)
	e.gets(2, []int{2, 0, 0, 1}, [engine.Lanes]int{1, 0, 0, 1}, false)
	e.gets(1, []int{0, 0, 0, 2}, [engine.Lanes]int{3: 1}, true)
	e.one()
}

func laneFires(e *env) {
	e.begin(inLane(1, "s"))
	e.begin(inLane(2, "s"))
	held := e.claim(2)
	waits, lost := held[0], held[1]
	waits.wait(engine.Wait{For: lease})
	e.clock.Advance(lease + time.Second)
	e.gets(10, []int{0, 0, 0, 0}, [engine.Lanes]int{}, false)
	e.same("who waited", waits.strand(waits.Run, "").State, "due")
	e.same("who was held", lost.strand(lost.Run, "").State, "due")
	lost.lost()
	e.gets(10, []int{1, 1, 1, 1}, [engine.Lanes]int{0, 1, 1, 0}, false)
}

func laneChildren(e *env) {
	root := e.started(inLane(2, "s"))
	e.same("lane of the root", root.st.Lane, 2)
	root.open(engine.Open{Path: "x", Count: 3, Window: 2})
	e.gets(10, []int{10, 10, 0, 10}, [engine.Lanes]int{}, false)
	first := e.gets(10, []int{0, 0, 1, 0}, [engine.Lanes]int{2: 1}, false)[0]
	second := e.gets(10, []int{0, 0, 9, 0}, [engine.Lanes]int{2: 1}, false)[0]
	third := first.end("succeeded")
	if third == nil || third.st.Lane != 2 {
		e.Fatalf("the end of a child hands over %+v, it must be the next in lane 2", third)
	}
	third.yield()
	e.gets(10, []int{10, 10, 0, 10}, [engine.Lanes]int{}, false)
	third = e.one()
	third.end("succeeded")
	joined := second.end("succeeded")
	if joined == nil || joined.st.Lane != 2 {
		e.Fatalf("the last end hands over %+v, it must be the parent in lane 2", joined)
	}
	joined.wait(engine.Wait{Ever: true})
	e.signal(joined.Run, "", "go")
	e.gets(10, []int{10, 10, 0, 10}, [engine.Lanes]int{}, false)
	e.one().end("succeeded")
}

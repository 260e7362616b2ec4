package storetest

import (
	"strconv"

	"pgregory.net/rapid"

	"stanch/engine"
)

func (p *player) playClaim(rt *rapid.T) {
	n := pick(rt, "max", 1, 2, 5)
	room := drawRoom(rt)
	got, err := p.s.Claim(p.Context(), engine.Claim{Worker: "w", Max: n, Room: room, Last: lease})
	p.no(err)
	p.equal("claimed strands", len(got.Strands), min(n, fit(p.w.fire(), room)))
	p.equal("frozen", got.Frozen, p.w.frozen)
	var of [engine.Lanes]int
	for _, st := range got.Strands {
		m := p.strandOf(st.Run, st.Lease.Strand)
		p.equal("lane", st.Lane, m.run.lane)
		if of[st.Lane]++; room != nil && of[st.Lane] > room[st.Lane] {
			rt.Fatalf("more of lane %d than there is room for: %v", st.Lane, *room)
		}
		p.equal("state of "+m.path, m.state, "due")
		m.lease(st.Token, p.clock.Now().Add(lease))
		p.holds(&st, m)
	}
}

// holds compares what a holder has got.
func (p *player) holds(st *engine.Strand, m *mStrand) {
	p.leases = append(p.leases, st.Lease)
	p.equal("position", st.Seq, m.seq)
	p.equal("lost", st.Lost, m.lost)
	p.equal("mark", st.Cancel, m.run.cancel)
	if m.window != nil && m.run.cancel != "" {
		p.equal("under", st.Under, m.window.under)
	}
	p.equal("item", string(st.Item), m.item)
	p.equal("facts", bodies(st.Facts), m.bodies())
	var above [][]string
	for a := m.parent; a != nil; a = a.parent {
		above = append([][]string{a.bodies()}, above...)
	}
	var got [][]string
	for _, a := range st.Above {
		got = append(got, bodies(a.Facts))
	}
	p.equal("facts above", got, above)
	p.equal("has joined", st.Children != nil, m.joined != nil)
	if m.joined != nil {
		var want []string
		for _, c := range m.joined.children {
			want = append(want, strconv.Itoa(c.index)+c.outcome)
		}
		var got []string
		for _, c := range st.Children {
			got = append(got, strconv.Itoa(c.Index)+c.Outcome)
		}
		p.equal("children", got, want)
	}
}

func (m *mStrand) bodies() []string {
	var all []string
	for _, f := range m.facts {
		all = append(all, f.body)
	}
	return all
}

// drawRoom draws the room of a claim, most often as much as there may be.
func drawRoom(rt *rapid.T) *[engine.Lanes]int {
	if pick(rt, "any lane", true, true, false) {
		return nil
	}
	var room [engine.Lanes]int
	for lane := range room {
		room[lane] = pick(rt, "room", 0, 1, 5)
	}
	return &room
}

// fit answers for how many due strands there is room.
func fit(due []*mStrand, room *[engine.Lanes]int) int {
	if room == nil {
		return len(due)
	}
	var of [engine.Lanes]int
	for _, s := range due {
		of[s.run.lane]++
	}
	n := 0
	for lane := range of {
		n += min(of[lane], room[lane])
	}
	return n
}

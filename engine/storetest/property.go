package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stanch/engine"
)

// model compares a store with the model over random acts.
func model(t *testing.T, open func(t *testing.T, clock *Clock) Opened) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := &Clock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		opened := open(t, clock)
		p := &player{env: &env{T: t, clock: clock, s: opened.Store, again: opened.Again}, rt: rt, w: newWorld(clock.Now()), moved: opened.Moved}
		defer func() {
			if err := p.s.Close(); err != nil {
				rt.Fatal(err)
			}
		}()
		acts := map[string]func(*rapid.T){
			"begin":  p.playBegin,
			"claim":  p.playClaim,
			"claim2": p.playClaim, // these more often
			"settle": p.playSettle, "settle2": p.playSettle, "settle3": p.playSettle, "settle4": p.playSettle,
			"repeat": p.playRepeat,
			"signal": p.playSignal,
			"cancel": p.playCancel,
			"freeze": p.playFreeze,
			"take":   p.playTake,
			"renew":  p.playRenew,
			"put":    p.playPut,
			"time":   p.playTime,
			"again":  p.playAgain,
			"":       p.check,
		}
		rt.Repeat(acts)
		for range 2 { // deeper than one Repeat goes, where no disk slows it
			if opened.Again == nil {
				rt.Repeat(acts)
			}
		}
		p.streamIsState()
	})
}

// player plays acts on a store and on the model.
type player struct {
	*env
	rt      *rapid.T
	w       *world
	acts    int
	leases  []engine.Lease // that were ever given
	settled []engine.Settlement
	answers []engine.Settled
	moved   bool // again moves to another store
}

func (p *player) no(err error) {
	if err != nil {
		p.rt.Fatalf("%+v", err)
	}
}

func (p *player) equal(what string, got, want any) {
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		p.rt.Fatalf("%s: the store says %+v, the model %+v", what, got, want)
	}
}

func (p *player) playBegin(rt *rapid.T) {
	b := p.drawBegin(rt)
	got, err := p.s.Begin(p.Context(), b)
	p.no(err)
	known, busy, status := p.w.begin(b)
	p.equal("busy", got.Busy, busy)
	switch {
	case known != "":
		p.equal("known run", got.Run, known)
		p.equal("new", got.New, false)
	case !busy:
		p.equal("new", got.New, true)
		p.w.newRun(got.Run, status, b)
	}
}

func (p *player) strandOf(run, path string) *mStrand {
	r := p.w.runs[run]
	if r == nil || r.strands[path] == nil {
		p.rt.Fatalf("the model knows no strand %q of %s", path, run)
	}
	return r.strands[path]
}

func (p *player) playSettle(rt *rapid.T) {
	if len(p.leases) == 0 {
		rt.Skip("no lease was given yet")
	}
	back := min(len(p.leases), 6)
	l := p.leases[len(p.leases)-1-rapid.IntRange(0, back-1).Draw(rt, "lease")]
	m := p.strandOf(l.Run, l.Strand)
	if pick(rt, "knows the position", true, true, true, false) {
		l.Seq = m.seq
	}
	in := engine.Settlement{Request: p.request(), Lease: l, Then: p.drawThen(rt, m)}
	in.Seen = int64(rapid.IntRange(0, len(m.facts)).Draw(rt, "seen"))
	if pick(rt, "knows all", true, true, false) {
		in.Seen = int64(len(m.facts))
	}
	for i := range pick(rt, "facts", 0, 1, 2) {
		in.Facts = append(in.Facts, fmt.Append(nil, in.Request, ".", i))
	}
	if mark := p.w.runs[l.Run].cancel; mark == engine.Cancelled {
		in.Under = pick(rt, "under", mark, mark, engine.NotCancelled)
	}
	if pick(rt, "intent", false, false, true) {
		in.Intent = true
		in.Take = []engine.Take{p.drawTake(rt)}
	}
	if pick(rt, "begins", false, false, false, true) {
		b := p.drawBegin(rt)
		b.Subject, b.Key, b.Wide = p.w.runs[l.Run].subject, "", false
		if p.moved {
			b.Dedupe = ""
		}
		in.Begin = []engine.Begin{b}
	}
	got, err := p.s.Settle(p.Context(), in)
	want, next, lost := p.w.settle(in, func(b engine.Begin) string { return p.begins(got.Begun, b) })
	if lost {
		if !errors.Is(err, engine.ErrLeaseLost) {
			rt.Fatalf("settle of a lost lease: %v", err)
		}
		return
	}
	p.no(err)
	p.settled, p.answers = append(p.settled, in), append(p.answers, got)
	p.answer(got, want, next)
}

// begins begins a run in the model as a settle did, and answers its id.
func (p *player) begins(got []string, b engine.Begin) string {
	if len(got) != 1 {
		p.rt.Fatalf("Settle answers the runs %q, it must be one", got)
	}
	known, busy, status := p.w.begin(b)
	switch {
	case busy:
		p.equal("run that is not begun", got[0], "")
	case known != "":
		p.equal("known run", got[0], known)
	default:
		p.w.newRun(got[0], status, b)
	}
	return got[0]
}

// answer compares the answer of a settle.
func (p *player) answer(got, want engine.Settled, next *mStrand) {
	p.equal("refused", got.Refused, want.Refused)
	p.equal("begun", len(got.Begun), len(want.Begun))
	p.equal("seen", got.Seen, want.Seen)
	p.equal("holds", got.Holds, want.Holds)
	p.equal("mark", got.Cancel, want.Cancel)
	p.equal("signals", bodies(got.Signals), bodies(want.Signals))
	p.equal("hands over", got.Next != nil, next != nil)
	if next == nil {
		return
	}
	p.equal("hands over", got.Next.Lease.Strand, next.path)
	p.equal("lane", got.Next.Lane, next.run.lane)
	next.lease(got.Next.Token, p.clock.Now().Add(lease))
	p.holds(got.Next, next)
}

// playRepeat repeats a settle that was accepted, if its strand was not settled
// since: only the last answer is kept.
func (p *player) playRepeat(rt *rapid.T) {
	if len(p.settled) == 0 {
		rt.Skip("nothing to repeat")
	}
	i := len(p.settled) - 1 - rapid.IntRange(0, min(len(p.settled), 8)-1).Draw(rt, "settle")
	in, want := p.settled[i], p.answers[i]
	if p.strandOf(in.Lease.Run, in.Lease.Strand).seq != in.Lease.Seq+1 || want.Refused != "" {
		rt.Skip("it is not the last of its strand")
	}
	got, err := p.s.Settle(p.Context(), in)
	p.no(err)
	if (got.Next == nil) != (want.Next == nil) || (got.Next != nil && got.Next.Lease != want.Next.Lease) {
		rt.Fatalf("the repeat hands over %+v, the first %+v", got.Next, want.Next)
	}
	got.Next, want.Next = nil, nil
	p.equal("repeat", got, want)
}

func (p *player) playSignal(rt *rapid.T) {
	r := p.drawRun(rt)
	var paths []string
	for _, s := range p.w.all() {
		if s.run == r {
			paths = append(paths, s.path)
		}
	}
	path := rapid.SampledFrom(append(paths, "nowhere")).Draw(rt, "strand")
	body := p.request()
	_, err := p.s.Signal(p.Context(), engine.Signal{Request: body, Run: r.id, Strand: path, Body: []byte(body), Seen: engine.AnyVersion})
	if refused := !r.live() || p.w.signal(r, path, body); refused != (err != nil) {
		rt.Fatalf("signal to %q of %s (%s): %v", path, r.id, r.status, err)
	}
}

func (p *player) playCancel(rt *rapid.T) {
	r, mark := p.drawRun(rt), pick(rt, "mark", engine.Cancelled, engine.Terminated)
	_, err := p.s.Signal(p.Context(), engine.Signal{Request: p.request(), Run: r.id, Cancel: mark})
	if !r.live() {
		if !errors.Is(err, engine.ErrEnded) {
			rt.Fatalf("cancel of an ended run: %v", err)
		}
		return
	}
	p.no(err)
	p.w.cancel(r, mark)
}

func (p *player) playFreeze(rt *rapid.T) {
	change := pick(rt, "change", "freeze", "thaw", "thaw")
	_, err := p.s.Freeze(p.Context(), engine.Freeze{Request: p.request(), Change: change})
	p.no(err)
	p.w.freeze(change == "freeze")
}

func (p *player) playTake(rt *rapid.T) {
	in := p.drawTake(rt)
	if in.Back = rapid.Bool().Draw(rt, "back"); in.Back {
		p.w.back(in.Effect)
	}
	got, err := p.s.Take(p.Context(), in)
	p.no(err)
	p.equal("granted", got.Granted, in.Back || p.w.take(in))
	p.equal("reserved", got.Count, len(p.w.takes))
}

func (p *player) playRenew(rt *rapid.T) {
	got, err := p.s.Renew(p.Context(), p.leases, lease)
	p.no(err)
	var lost []engine.Lease
	for _, l := range p.leases {
		if m := p.strandOf(l.Run, l.Strand); m.state == "leased" && m.token == l.Token {
			m.until = p.clock.Now().Add(lease)
			continue
		}
		lost = append(lost, l)
	}
	p.equal("lost leases", got.Lost, lost)
}

func (p *player) playPut(rt *rapid.T) {
	key := pick(rt, "key", "a", "b")
	was := p.w.docs[key]
	version := pick(rt, "version", was.version, engine.AnyVersion, 0)
	if rapid.Bool().Draw(rt, "delete") {
		err := p.s.Delete(p.Context(), "k", key, version)
		if refused := was.version != 0 && version != engine.AnyVersion && version != was.version; refused != errors.Is(err, engine.ErrConflict) {
			rt.Fatalf("delete at version %d of %d: %v", version, was.version, err)
		} else if !refused {
			delete(p.w.docs, key)
		}
		return
	}
	body := p.request()
	v, err := p.s.Put(p.Context(), engine.Document{Kind: "k", Key: key, Body: []byte(body), Version: version})
	if refused := version != engine.AnyVersion && version != was.version; refused != errors.Is(err, engine.ErrConflict) {
		rt.Fatalf("put at version %d of %d: %v", version, was.version, err)
	} else if !refused {
		p.w.docs[key] = mDoc{body: body, version: v}
	}
}

func (p *player) playTime(rt *rapid.T) {
	p.clock.Advance(pick(rt, "time", time.Second, lease, 2*time.Hour))
	p.w.now = p.clock.Now()
}

func (p *player) playAgain(rt *rapid.T) {
	seldom := 9
	if p.moved {
		seldom = 2
	}
	if p.again == nil || rapid.IntRange(0, seldom).Draw(rt, "really") > 0 {
		rt.Skip("not this time")
	}
	killed := rapid.Bool().Draw(rt, "killed")
	p.s = p.again(p.T, killed)
	if p.moved {
		p.settled, p.answers = nil, nil
	}
	for _, s := range p.w.all() {
		if s.state == "leased" {
			s.let("due")
			if killed {
				s.lost++
			}
		}
	}
	if now := p.clock.Now(); now.After(p.w.now) { // it took until leases were over
		p.w.now = now
		p.w.fire()
	}
}

// check compares all runs and documents after every fourth act.
func (p *player) check(*rapid.T) {
	if p.acts++; p.acts%4 != 0 {
		return
	}
	for _, id := range p.w.begun {
		r, err := p.s.Run(p.Context(), id)
		p.no(err)
		m := p.w.runs[id]
		p.equal("status", r.Status, m.status)
		p.equal("mark", r.Cancel, m.cancel)
		p.equal("strands", len(r.Strands), len(m.strands))
		for _, st := range r.Strands {
			s := p.strandOf(id, st.Path)
			want := s.state
			if want == "queued" {
				want = "waiting"
			} else {
				p.equal("waits for", st.On, s.on)
			}
			p.equal("state of "+st.Path, st.State, want)
			p.equal("lost", st.Lost, s.lost)
			p.equal("facts", bodies(st.Facts), s.bodies())
			p.equal("ended", st.Ended != nil && st.Ended.Outcome == s.outcome, s.state == "ended")
		}
	}
	for key, d := range p.w.docs {
		got, err := p.s.Get(p.Context(), "k", key)
		p.no(err)
		p.equal("document", string(got.Body), d.body)
	}
}

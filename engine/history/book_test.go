package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"stanch/engine"
)

// book is a history written by hand.
type book struct {
	lines   []Line
	now     int64 // both clocks
	n       int64
	final   []engine.RunRecord
	witness []Witness
}

const start = int64(1_000_000_000_000)

// pair is a call: what is asked and what is answered. An end of none is that of
// a process that was killed.
type pair struct{ ask, answer Line }

const none = "none"

// play plays calls one after the other.
func (b *book) play(calls ...pair) {
	for _, c := range calls {
		b.overlap(c)
	}
}

// overlap plays calls that all begin before the first of them ends.
func (b *book) overlap(calls ...pair) {
	first := b.n
	for i, c := range calls {
		b.now += int64(time.Millisecond)
		c.ask.N, c.ask.At, c.ask.Node = first+int64(i)+1, b.time(), "w"
		b.lines = append(b.lines, c.ask)
	}
	for i, c := range calls {
		b.n++
		if c.answer.End == none {
			continue
		}
		b.now += int64(time.Millisecond)
		c.answer.N, c.answer.At, c.answer.Node = first+int64(i)+1, b.time(), "w"
		c.answer.Ev, c.answer.Life = c.ask.Ev, c.ask.Life
		if c.answer.End == OK && c.ask.Ev != "take" && c.answer.AtStore == 0 {
			c.answer.AtStore = b.time()
		}
		b.lines = append(b.lines, c.answer)
	}
}

// slowly plays a call whose answer takes so long.
func (b *book) slowly(c pair, d time.Duration) {
	b.play(c)
	b.pass(d)
	last := &b.lines[len(b.lines)-1]
	last.At, last.AtStore = b.time(), b.time()
}

func (b *book) time() int64 { return start + b.now }

func (b *book) pass(d time.Duration) { b.now += int64(d) }

// saw is a change that the world sees now.
func (b *book) saw(effect string) {
	b.now += int64(10 * time.Millisecond)
	b.witness = append(b.witness, Witness{RequestID: effect, Operation: "permission.delete", Target: "/f", At: time.Unix(0, b.time()), Status: 204})
	b.now += int64(10 * time.Millisecond)
}

func calling(ev, request string) pair {
	return pair{Line{Ev: ev, Life: "a", Request: request, Ask: &Ask{}}, Line{End: OK, Answer: &Answer{}}}
}

// with returns the call, changed.
func (p pair) with(change func(ask *Ask, answer *Answer)) pair {
	ask, answer := *p.ask.Ask, *p.answer.Answer
	change(&ask, &answer)
	p.ask.Ask, p.answer.Answer = &ask, &answer
	return p
}

func (p pair) by(life string) pair  { p.ask.Life = life; return p }
func (p pair) as(req string) pair   { p.ask.Request = req; return p }
func (p pair) ends(end string) pair { p.answer = Line{End: end}; return p }

func (p pair) said(s ...Said) pair {
	return p.with(func(a *Ask, _ *Answer) { a.Said = append(a.Said, s...) })
}

func (p pair) gives(g ...Grant) pair {
	return p.with(func(_ *Ask, a *Answer) { a.Grants = append(a.Grants, g...) })
}

func (p pair) intent(effect, class string) pair {
	return p.with(func(a *Ask, _ *Answer) { a.Intent = true }).said(Said{Kind: "effect.intent", Effect: effect, Class: class})
}

func (p pair) result(effect, status string) pair {
	return p.said(Said{Kind: "effect.result", Effect: effect, Class: "destroys", Status: status})
}

// wrote gives a settle n facts, the last of them seen.
func (p pair) wrote(n int, seen int64) pair {
	return p.with(func(a *Ask, o *Answer) { a.Words, o.Seen = &Words{Seen: seen - int64(n), Facts: n}, seen })
}

func beginning(run, dedupe string) pair {
	p := calling("begin", "begin "+run).with(func(a *Ask, o *Answer) {
		a.Begin, o.New = []Begin{{Playbook: "p", Dedupe: dedupe, Edition: "e"}}, true
	})
	p.answer.Run = run
	return p
}

func claiming(g ...Grant) pair {
	return calling("claim", "").with(func(a *Ask, _ *Answer) { a.Max, a.Last = 10, int64(time.Minute) }).gives(g...)
}

// on is a position under a token: "r1 contain[0] 3 t1", or "r1 0 t1" of a root.
func on(text string) Place {
	var p Place
	f := strings.Fields(text)
	if len(f) == 4 {
		p.Strand = f[1]
	}
	p.Run, p.Token = f[0], f[len(f)-1]
	fmt.Sscan(f[len(f)-2], &p.Seq)
	return p
}

func to(text string) Grant { return Grant{Place: on(text), Edition: "e"} }

func joinedTo(text, children string) Grant {
	g := to(text)
	g.Children = &children
	return g
}

func settling(place string, then *Then) pair {
	p := calling("settle", "settle "+place).with(func(a *Ask, o *Answer) { a.Then, o.Holds = then, then == nil })
	p.ask.Place = on(place)
	return p
}

func signalling(place string, seen, n int64) pair {
	p := calling("signal", "signal "+place).with(func(a *Ask, o *Answer) { a.Words, o.Seen = &Words{Seen: seen, Facts: 1}, n })
	p.ask.Place = Place{Run: strings.Fields(place)[0]}
	return p
}

func cancelling(run string) pair {
	p := calling("signal", "cancel "+run).with(func(a *Ask, _ *Answer) { a.Mark = "cancel" })
	p.ask.Place = Place{Run: run}
	return p
}

func renewing(place string) pair {
	return calling("renew", "").with(func(a *Ask, _ *Answer) { a.Leases, a.Last = []Place{on(place)}, int64(time.Minute) })
}

func freezing(change, request string) pair {
	return calling("freeze", request).with(func(a *Ask, o *Answer) { a.Mark, o.Frozen = change, change == "freeze" })
}

func taking(effect string, limit int, targets ...string) pair {
	return calling("take", effect).with(func(a *Ask, o *Answer) {
		a.Take, o.Granted = []Take{{Name: "c", Limit: limit, Effect: effect, Targets: targets}}, true
	})
}

func givingBack(effect string) pair {
	return calling("take", "back "+effect).with(func(a *Ask, _ *Answer) { a.Take = []Take{{Name: "c", Effect: effect, Back: true}} })
}

func opening(count, window int) *Then {
	return &Then{Kind: "open", Path: "c", Count: count, Window: window}
}

func ended(outcome string) *Then { return &Then{Kind: "end", Outcome: outcome} }

func waiting(d time.Duration) *Then { return &Then{Kind: "wait", For: int64(d)} }

// begun is a book whose run r has begun and whose root is held under t.
func begun() *book {
	b := &book{}
	b.play(beginning("r", "d"), claiming(to("r 0 t")))
	return b
}

// finds fails unless the law, and no other, is found broken.
func finds(t *testing.T, b *book, law int, why string) {
	t.Helper()
	found := Check(b.lines, b.final, b.witness)
	if len(found) == 0 {
		t.Fatalf("nothing is found, law %d is broken: %s", law, why)
	}
	for _, v := range found {
		if v.Law == law && strings.Contains(v.Message, why) {
			return
		}
	}
	t.Fatalf("law %d is broken (%s), found is %+v", law, why, found)
}

// clean fails if anything is found.
func clean(t *testing.T, b *book) {
	t.Helper()
	for _, v := range Check(b.lines, b.final, b.witness) {
		t.Errorf("law %d, %s %q: %s (lines %v)", v.Law, v.Run, v.Strand, v.Message, v.Lines)
	}
}

// record is a run of the final state.
func record(run, status string, strands ...engine.StrandRecord) engine.RunRecord {
	return engine.RunRecord{RunHead: engine.RunHead{ID: run}, Status: status, Strands: strands}
}

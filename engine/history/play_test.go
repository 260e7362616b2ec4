package history_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/history"
	"stanch/engine/sqlitestore"
)

const lease = time.Minute

// clock moves only when it is told to.
type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time { return time.Unix(0, c.now.Load()) }

// stage is where players act on a recorded store.
type stage struct {
	*testing.T
	clock    *clock
	s        engine.Store
	requests atomic.Int64

	mu      sync.Mutex
	runs    []string
	seen    []history.Witness
	settled []engine.Settlement // of late, to be repeated
}

// both is a store with its documents.
type both interface {
	engine.Store
	engine.Documents
}

// perform plays random acts of several workers on a store, which a wrapper may
// spoil, and answers what the checker finds in the history.
func perform(t *testing.T, seed uint64, spoil func(both) both) []history.Violation {
	t.Helper()
	c := &clock{}
	c.now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	memory, err := sqlitestore.OpenMemory(c.Now)
	if err != nil {
		t.Fatal(err)
	}
	store := both(memory)
	if spoil != nil {
		store = spoil(store)
	}
	path := filepath.Join(t.TempDir(), "history")
	r, err := history.New(store, store, path, "w")
	if err != nil {
		t.Fatal(err)
	}
	st := &stage{T: t, clock: c, s: r, seen: []history.Witness{}}
	var wg sync.WaitGroup
	for i := range uint64(3) {
		p := &player{stage: st, dice: rand.New(rand.NewPCG(seed, i))}
		wg.Go(func() { p.play(120) })
	}
	wg.Wait()
	(&player{stage: st, dice: rand.New(rand.NewPCG(seed, 9))}).rest()
	final := st.dump()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	lines := read(t, path)
	return history.Bounds{Late: time.Second}.Check(lines, final, st.seen)
}

func read(t *testing.T, path string) []history.Line {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := history.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func (st *stage) request() string { return fmt.Sprint("q", st.requests.Add(1)) }

// dump answers all that is kept of every run that is there.
func (st *stage) dump() []engine.RunRecord {
	final := []engine.RunRecord{}
	there := map[string]bool{}
	for _, id := range st.runs {
		r, err := st.s.Run(context.Background(), id)
		if errors.Is(err, engine.ErrNotFound) || there[id] {
			continue
		}
		if err != nil {
			st.Fatal(err)
		}
		there[id] = true
		final = append(final, r)
	}
	return final
}

// hand is a strand that a player holds, or held.
type hand struct {
	lease   engine.Lease
	facts   int64
	cancel  engine.Cancel
	effect  string // begun, its result not yet told
	settled bool   // it has let go
}

// player is a worker that does anything.
type player struct {
	*stage
	dice  *rand.Rand
	hands []*hand
}

func (p *player) one(n int) bool { return p.dice.IntN(n) == 0 }

func (p *player) must(err error, but ...error) {
	for _, ok := range but {
		if errors.Is(err, ok) {
			return
		}
	}
	if err != nil {
		p.Error(err)
	}
}

func (p *player) play(acts int) {
	for range acts {
		switch n := p.dice.IntN(40); {
		case n < 4:
			p.begin()
		case n < 11:
			p.claim(1+p.dice.IntN(4), &[engine.Lanes]int{4, 4, p.dice.IntN(5), p.dice.IntN(2)})
		case n < 28:
			p.settle()
		case n < 30:
			p.repeat()
		case n < 33:
			p.signal()
		case n < 34:
			p.cancel()
		case n < 35:
			p.freeze()
		case n < 37:
			p.take()
		case n < 38:
			p.renew()
		default:
			p.clock.now.Add(int64([]time.Duration{time.Second, time.Second, lease, time.Hour}[p.dice.IntN(4)]))
		}
	}
}

func (p *player) begin() {
	b := engine.Begin{Request: p.request(), Playbook: "p", Subject: "s", Edition: "e", Lane: p.dice.IntN(4)}
	if p.one(3) {
		b.Dedupe = fmt.Sprint("d", p.dice.IntN(4))
	}
	switch p.dice.IntN(4) {
	case 0:
		b.Key, b.WhenBusy = "k", []string{"queue", "skip", "replace"}[p.dice.IntN(3)]
	case 1:
		b.After = time.Minute
	}
	begun, err := p.s.Begin(context.Background(), b)
	p.must(err)
	p.noteRun(begun.Run)
}

func (p *player) noteRun(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id != "" {
		p.runs = append(p.runs, id)
	}
}

func (p *player) aRun() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.runs) == 0 {
		return "none"
	}
	return p.runs[p.dice.IntN(len(p.runs))]
}

func (p *player) claim(n int, room *[engine.Lanes]int) int {
	c, err := p.s.Claim(context.Background(), engine.Claim{Worker: "w", Max: n, Room: room, Last: lease})
	p.must(err)
	for i := range c.Strands {
		p.got(&c.Strands[i])
	}
	return len(c.Strands)
}

func (p *player) got(s *engine.Strand) {
	h := &hand{lease: s.Lease, cancel: s.Cancel}
	for _, f := range s.Facts {
		h.facts = f.N
	}
	p.hands = append(p.hands, h)
}

func (p *player) settle() {
	if len(p.hands) == 0 {
		return
	}
	h := p.hands[len(p.hands)-1-p.dice.IntN(min(len(p.hands), 5))]
	p.settleBy(h, p.then(h))
}

func (p *player) then(h *hand) (then engine.Then) {
	switch p.dice.IntN(10) {
	case 0:
		then.Yield = true
	case 1:
		then.Wait = &engine.Wait{For: time.Duration(p.dice.IntN(3)) * time.Second, Ever: p.one(3), Thaw: p.one(3), On: "something"}
	case 2, 3:
		if len(h.lease.Strand) < 12 {
			then.Open = &engine.Open{Path: fmt.Sprint(h.lease.Strand, "/", h.lease.Seq), Count: p.dice.IntN(5), Window: 1 + p.dice.IntN(3), Failfast: p.one(3)}
		}
	case 4, 5:
		then.End = &engine.End{Outcome: []string{"succeeded", "failed", "cancelled"}[p.dice.IntN(3)]}
	}
	return then
}

func audit(a engine.Audit) []byte {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	return b
}

// settleBy settles what a player holds, or held: then it is refused.
func (p *player) settleBy(h *hand, then engine.Then) {
	in := engine.Settlement{Request: p.request(), Lease: h.lease, Seen: h.facts, Then: then}
	for i := range p.dice.IntN(3) {
		in.Facts = append(in.Facts, fmt.Append(nil, in.Request, i))
	}
	if h.cancel == engine.Cancelled && p.one(2) {
		in.Under = engine.Cancelled
	}
	effect := ""
	switch {
	case h.effect != "":
		in.Audit = append(in.Audit, audit(engine.Audit{Kind: "effect.result", Effect: h.effect, Class: "destroys", Status: "done"}))
	case then == (engine.Then{}) && p.one(2):
		effect, in.Intent = in.Request, true
		in.Audit = append(in.Audit, audit(engine.Audit{Kind: "effect.intent", Effect: effect, Class: "destroys"}))
		if p.one(2) {
			in.Take = []engine.Take{p.taking(effect)}
		}
	case p.one(6):
		in.Begin = []engine.Begin{{Playbook: "q", Subject: "s", Edition: "e"}}
	}
	settled, err := p.s.Settle(context.Background(), in)
	if errors.Is(err, engine.ErrLeaseLost) {
		return
	}
	p.must(err)
	if err != nil || settled.Refused != "" {
		h.cancel = settled.Cancel
		return
	}
	p.mu.Lock()
	p.settled = append(p.settled, in)
	if effect != "" {
		p.seen = append(p.seen, history.Witness{RequestID: effect, Operation: "delete", At: time.Now()})
	}
	p.mu.Unlock()
	h.effect, h.cancel, h.facts = effect, settled.Cancel, settled.Seen
	h.lease.Seq++
	h.settled = !settled.Holds
	for _, id := range settled.Begun {
		p.noteRun(id)
	}
	if settled.Next != nil {
		p.got(settled.Next)
	}
}

// repeat says again what was said: whatever the answer, nothing happens.
func (p *player) repeat() {
	p.mu.Lock()
	if len(p.settled) == 0 {
		p.mu.Unlock()
		return
	}
	in := p.settled[len(p.settled)-1-p.dice.IntN(min(len(p.settled), 4))]
	p.mu.Unlock()
	_, err := p.s.Settle(context.Background(), in)
	p.must(err, engine.ErrLeaseLost)
}

func (p *player) signal() {
	s := engine.Signal{Request: p.request(), Run: p.aRun(), Body: []byte("word"), Seen: engine.AnyVersion}
	if p.one(2) {
		s.Seen = int64(p.dice.IntN(4))
	}
	_, err := p.s.Signal(context.Background(), s)
	p.must(err, engine.ErrNotFound, engine.ErrEnded, engine.ErrConflict)
}

func (p *player) cancel() {
	mark := []engine.Cancel{engine.Cancelled, engine.Terminated}[p.dice.IntN(2)]
	_, err := p.s.Signal(context.Background(), engine.Signal{Request: p.request(), Run: p.aRun(), Cancel: mark})
	p.must(err, engine.ErrNotFound, engine.ErrEnded)
}

func (p *player) freeze() {
	change := []string{"freeze", "thaw"}[p.dice.IntN(2)]
	_, err := p.s.Freeze(context.Background(), engine.Freeze{Request: p.request(), Change: change})
	p.must(err)
}

func (p *player) taking(effect string) engine.Take {
	t := engine.Take{Request: p.request(), Name: "cap", Limit: 2, Effect: effect, Targets: []string{fmt.Sprint("t", p.dice.IntN(5))}}
	if p.one(2) {
		t.Name, t.Window = "hourly", time.Hour
	}
	return t
}

func (p *player) take() {
	t := p.taking(fmt.Sprint("e", p.dice.IntN(4)))
	t.Back = p.one(2)
	_, err := p.s.Take(context.Background(), t)
	p.must(err)
}

func (p *player) renew() {
	var leases []engine.Lease
	for _, h := range p.hands {
		leases = append(leases, h.lease)
	}
	_, err := p.s.Renew(context.Background(), leases, lease)
	p.must(err)
}

// rest lets everything come to an end or to a wait that has a name.
func (p *player) rest() {
	_, err := p.s.Freeze(context.Background(), engine.Freeze{Request: p.request(), Change: "thaw"})
	p.must(err)
	for claims, quiet := 0, 0; quiet < 3 && claims < 200; claims++ {
		if p.claim(50, nil) == 0 {
			p.clock.now.Add(int64(2 * time.Hour))
			quiet++
			continue
		}
		quiet = 0
		for len(p.hands) > 0 {
			h := p.hands[0]
			p.hands = p.hands[1:]
			p.settleBy(h, engine.Then{End: &engine.End{Outcome: "succeeded"}})
		}
	}
}

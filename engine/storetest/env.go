package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stanch/engine"
)

// lease is how long leases last in the cases.
const lease = time.Minute

// env is a case's surroundings.
type env struct {
	*testing.T
	clock    *Clock
	s        Store
	again    func(t *testing.T, killed bool) Store
	requests atomic.Int64
}

// request answers a request id that was not used yet.
func (e *env) request() string {
	return "request-" + strconv.FormatInt(e.requests.Add(1), 10)
}

func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *env) is(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("the error is %v, it must be: %v", err, want)
	}
}

// same fails if two values differ. No list and an empty one are the same.
func (e *env) same(what string, got, want any) {
	e.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		e.Fatalf("%s (- must be, + is):\n%s", what, d)
	}
}

// begin starts a run, of a playbook and subject of its own unless told.
func (e *env) begin(change ...func(*engine.Begin)) string {
	e.Helper()
	b := e.newBegin(change...)
	begun, err := e.s.Begin(e.Context(), b)
	e.ok(err)
	if !begun.New || begun.Run == "" {
		e.Fatalf("Begin answers %+v, it must be a new run", begun)
	}
	return begun.Run
}

func (e *env) newBegin(change ...func(*engine.Begin)) engine.Begin {
	b := engine.Begin{Request: e.request(), Playbook: "contain", Subject: "defender/1", Edition: "sha", Mode: "live", Head: []byte("head")}
	for _, c := range change {
		c(&b)
	}
	return b
}

// claim leases at most n strands.
func (e *env) claim(n int) []*holder {
	e.Helper()
	c, err := e.s.Claim(e.Context(), engine.Claim{Worker: "w", Max: n, Last: lease})
	e.ok(err)
	holders := make([]*holder, len(c.Strands))
	for i := range c.Strands {
		holders[i] = e.hold(&c.Strands[i])
	}
	return holders
}

// one claims, and fails unless exactly one strand is due.
func (e *env) one() *holder {
	e.Helper()
	got := e.claim(10)
	if len(got) != 1 {
		e.Fatalf("%d strands are due, it must be one", len(got))
	}
	return got[0]
}

// none fails if a strand is due.
func (e *env) none() {
	e.Helper()
	if got := e.claim(10); len(got) > 0 {
		e.Fatalf("%s %q is due, nothing must be", got[0].Run, got[0].st.Lease.Strand)
	}
}

// started begins a run and claims its root.
func (e *env) started(change ...func(*engine.Begin)) *holder {
	e.Helper()
	e.begin(change...)
	return e.one()
}

func (e *env) record(run string) engine.RunRecord {
	e.Helper()
	r, err := e.s.Run(e.Context(), run)
	e.ok(err)
	return r
}

// strand answers what is kept of a strand.
func (e *env) strand(run, path string) engine.StrandRecord {
	e.Helper()
	for _, st := range e.record(run).Strands {
		if st.Path == path {
			return st
		}
	}
	e.Fatalf("run %s has no strand %q", run, path)
	return engine.StrandRecord{}
}

func (e *env) signal(run, strand, body string) engine.Signalled {
	e.Helper()
	answer, err := e.s.Signal(e.Context(), engine.Signal{Request: e.request(), Run: run, Strand: strand, Body: []byte(body), Seen: engine.AnyVersion})
	e.ok(err)
	return answer
}

func (e *env) cancel(run string, mark engine.Cancel) {
	e.Helper()
	_, err := e.s.Signal(e.Context(), engine.Signal{Request: e.request(), Run: run, Cancel: mark})
	e.ok(err)
}

func (e *env) freeze(change string) engine.Frozen {
	e.Helper()
	f, err := e.s.Freeze(e.Context(), engine.Freeze{Request: e.request(), Change: change, By: "ann", Reason: "drill"})
	e.ok(err)
	return f
}

// holder holds a lease and knows what it knows.
type holder struct {
	*env
	st   *engine.Strand
	Run  string
	seen int64
}

func (e *env) hold(st *engine.Strand) *holder {
	h := &holder{env: e, st: st, Run: st.Run}
	for _, f := range st.Facts {
		h.seen = max(h.seen, f.N)
	}
	return h
}

// say answers a settlement of this holder.
func (h *holder) say(then engine.Then, facts ...string) engine.Settlement {
	in := engine.Settlement{Request: h.request(), Lease: h.st.Lease, Seen: h.seen, Then: then}
	for _, f := range facts {
		in.Facts = append(in.Facts, []byte(f))
	}
	return in
}

// settle settles and takes note of the answer.
func (h *holder) settle(in engine.Settlement) engine.Settled {
	h.Helper()
	a, err := h.s.Settle(h.Context(), in)
	h.ok(err)
	if a.Refused == "" {
		h.seen = a.Seen
		h.st.Seq++
	}
	if a.Holds != (in.Then == engine.Then{} || a.Refused != "" || (in.Then.Wait != nil && a.Holds)) {
		h.Fatalf("Holds is %v after %+v", a.Holds, in.Then)
	}
	return a
}

// write writes facts and goes on.
func (h *holder) write(facts ...string) engine.Settled {
	h.Helper()
	return h.settle(h.say(engine.Then{}, facts...))
}

func (h *holder) yield(facts ...string) engine.Settled {
	h.Helper()
	return h.settle(h.say(engine.Then{Yield: true}, facts...))
}

func (h *holder) wait(w engine.Wait, facts ...string) engine.Settled {
	h.Helper()
	return h.settle(h.say(engine.Then{Wait: &w}, facts...))
}

func (h *holder) open(o engine.Open) engine.Settled {
	h.Helper()
	return h.settle(h.say(engine.Then{Open: &o}, "opened"))
}

// end ends the strand and answers the strand that the holder got for it.
func (h *holder) end(outcome string) *holder {
	h.Helper()
	a := h.settle(h.say(engine.Then{End: &engine.End{Outcome: outcome, Result: []byte("result of " + h.st.Lease.Strand)}}, "ended"))
	if a.Next == nil {
		return nil
	}
	return h.hold(a.Next)
}

// lost fails unless the store refuses this holder, having changed nothing.
func (h *holder) lost() {
	h.Helper()
	h.unchanged(func() {
		_, err := h.s.Settle(h.Context(), h.say(engine.Then{}, "too late"))
		h.is(err, engine.ErrLeaseLost)
	})
}

// bodies answers facts as texts.
func bodies(facts []engine.Fact) []string {
	var all []string
	for _, f := range facts {
		all = append(all, string(f.Body))
	}
	return all
}

// stream answers all that the store has recorded after a cursor.
func (e *env) stream(cursor string, limit int) ([]engine.Record, string) {
	e.Helper()
	var all []engine.Record
	for {
		p, err := e.s.Follow(e.Context(), cursor, limit)
		e.ok(err)
		if len(p.Records) > limit {
			e.Fatalf("Follow answers %d records, the limit is %d", len(p.Records), limit)
		}
		all, cursor = append(all, p.Records...), p.Cursor
		if !p.More {
			return all, cursor
		}
	}
}

// dump answers all that can be seen of a store.
func (e *env) dump() []any {
	e.Helper()
	records, cursor := e.stream("", 1000)
	f, err := e.s.Freeze(e.Context(), engine.Freeze{})
	e.ok(err)
	all := []any{records, cursor, f}
	for _, r := range records {
		if r.Kind == "run" {
			all = append(all, e.record(r.Run))
		}
	}
	return all
}

// unchanged fails if f changes anything that can be seen.
func (e *env) unchanged(f func()) {
	e.Helper()
	before := e.dump()
	f()
	e.same("nothing must have changed", e.dump(), before)
}

// twice makes an act twice and fails unless the second answers what the first
// did and changes nothing.
func twice[In, Out any](e *env, act func(context.Context, In) (Out, error), in In) Out {
	e.Helper()
	first, err := act(e.Context(), in)
	e.ok(err)
	e.clock.Advance(time.Second)
	e.unchanged(func() {
		second, err := act(e.Context(), in)
		e.ok(err)
		e.same(fmt.Sprintf("the repeat of %T must answer the same", in), second, first)
	})
	return first
}

// paths answers the strands of holders, sorted.
func paths(hs []*holder) []string {
	var all []string
	for _, h := range hs {
		all = append(all, h.st.Lease.Strand)
	}
	slices.Sort(all)
	return all
}

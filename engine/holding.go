package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	retry "github.com/sethvargo/go-retry"

	"stanch/actions"
)

// holding is a strand under lease, with what is still to be settled.
type holding struct {
	e     *Engine
	st    *state
	lease Lease
	grip  *grip
	turn  *turn

	facts [][]byte
	audit [][]byte
	put   []Document
	dirty bool // facts hold the result of work: settle before the next
	aim   aim

	drew  []drew         // what the task under way has drawn of budgets
	spent *actions.Spent // and what its calls have used

	at    time.Time // of the last act, the store's
	atOwn time.Time // and ours
}

// turn is how long a worker has gone on with strands that hand over to each
// other, without asking whether others wait.
type turn struct {
	since time.Time
	acts  int
}

func (t *turn) over(now time.Time) bool { return t.acts >= 100 && now.Sub(t.since) > 2*time.Second }

// storeNow is the store's time as far as it can be told here: never later.
func (h *holding) storeNow() time.Time { return h.at.Add(h.e.o.Now().Sub(h.atOwn)) }

// serve executes a claimed strand and what its settles hand over.
func (e *Engine) serve(ctx, hard context.Context, s Strand) {
	turn := &turn{since: e.o.Now()}
	for next := &s; next != nil; {
		if turn.over(e.o.Now()) && next.Children == nil {
			h := &holding{e: e, lease: next.Lease, st: &state{seen: next.seen()}, turn: turn}
			if _, err := h.try(hard, h.settlement(Then{Yield: true})); err != nil {
				e.log.Warn("a strand could not be given back", "run", next.Run, "strand", next.Strand, "error", err)
			}
			return
		}
		next = e.serveOne(ctx, hard, *next, turn)
	}
}

func (e *Engine) serveOne(ctx, hard context.Context, s Strand, turn *turn) *Strand {
	work, grip := e.hold(hard, s.Lease)
	defer e.letGo(grip)
	h, err := e.take(work, s)
	if err == nil {
		h.grip, h.turn = grip, turn
		var next *Strand
		next, err = h.drive(ctx, hard, work)
		if err == nil {
			return next
		}
	} else {
		h = &holding{e: e, lease: s.Lease, st: &state{seen: s.seen()}, turn: turn}
		if s.Children != nil {
			h.add(fact{Kind: kJoined, Children: s.Children})
		}
	}
	switch {
	case errors.Is(err, ErrLeaseLost):
		e.log.Warn("lease lost", "run", s.Run, "strand", s.Strand)
	case hard.Err() != nil: // killed: whoever comes next finds out
	default:
		e.log.Error("strand stopped", "run", s.Run, "strand", s.Strand, "error", err)
		h.setAside(hard, err)
	}
	return nil
}

// setAside lets a strand that this version cannot go on with wait, by name.
// What is known stays known: results, and how the children ended.
func (h *holding) setAside(ctx context.Context, cause error) {
	if h.st.children != nil {
		h.add(fact{Kind: kJoined, Children: h.st.children})
	}
	_, err := h.try(ctx, h.settlement(Then{Wait: &Wait{For: time.Minute, On: "a worker that can: " + cause.Error()}}))
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		h.e.log.Error("strand cannot be set aside", "run", h.lease.Run, "strand", h.lease.Strand, "error", err)
	}
}

func (s Strand) seen() int64 {
	if len(s.Facts) == 0 {
		return 0
	}
	return s.Facts[len(s.Facts)-1].N
}

// take builds the state of a claimed strand. While the store does not answer
// what the run goes on with, it waits.
func (e *Engine) take(ctx context.Context, s Strand) (*holding, error) {
	backoff := pause()
	run, err := e.context(ctx, s.Head)
	for errors.Is(err, errUnanswered) {
		e.unanswered(err)
		if d, _ := backoff.Next(); !sleep(ctx, d) {
			return nil, ErrLeaseLost // or the worker ends: nothing is to be recorded
		}
		run, err = e.context(ctx, s.Head)
	}
	if err != nil {
		return nil, err
	}
	var above *state
	for _, a := range s.Above {
		if above, err = rebuild(run, a.Strand, above, a.Item, a.Facts); err != nil {
			return nil, err
		}
	}
	st, err := rebuild(run, s.Strand, above, s.Item, s.Facts)
	if err != nil {
		return nil, err
	}
	if s.Children != nil {
		st.children = s.Children
	}
	st.cancel, st.now = s.Cancel, s.At
	h := &holding{e: e, st: st, lease: s.Lease, at: s.At, atOwn: e.o.Now()}
	if s.Lost >= 3 && !st.lost {
		return h, h.record(fact{Kind: kLost})
	}
	return h, nil
}

// rebuild makes the state of a strand from its facts.
func rebuild(run *runContext, strand string, above *state, item []byte, facts []Fact) (*state, error) {
	st, err := newState(run, strand, above, item)
	if err != nil {
		return nil, err
	}
	return st, st.applyAll(facts)
}

func (h *holding) add(facts ...fact) {
	for _, f := range facts {
		h.facts = append(h.facts, f.encode())
	}
}

// record takes in facts that came of work.
func (h *holding) record(facts ...fact) error {
	h.dirty = true
	for _, f := range facts {
		f, err := h.st.told(f, h.storeNow())
		if err != nil {
			return err
		}
		h.add(f)
	}
	return nil
}

// drive executes the strand until it lets go of it.
func (h *holding) drive(ctx, hard, work context.Context) (*Strand, error) {
	for {
		let, next, err := h.step(ctx, hard, work)
		if err != nil || let {
			return next, err
		}
	}
}

// step makes one move: decides, settles what has to be before, and acts. It
// answers true when it has let go of the strand, with what it got for it. hard
// ends settles, work also ends with the lease, ctx only keeps from beginning
// more.
func (h *holding) step(ctx, hard, work context.Context) (let bool, next *Strand, err error) {
	if mark := h.e.marked(h.grip); h.st.cancel == NotCancelled || mark == Terminated {
		h.st.cancel = mark
	}
	before := h.st.cancel
	mv, err := h.decide()
	if err != nil {
		return false, nil, err
	}
	h.add(mv.facts...)
	h.noteResults(mv.facts)
	then := Then{}
	switch {
	case mv.then != nil:
		then = *mv.then
		h.closing(then)
	case ctx.Err() != nil || h.turn.over(h.e.o.Now()):
		then.Yield = true // to whoever comes after this worker, or to others first
	case !h.dirty || h.carries(mv.task):
		return false, nil, h.perform(hard, work, mv.task)
	}
	holds, next, err := h.settle(hard, then)
	if err != nil || !holds || mv.task == nil || then.Yield || h.st.cancel != before {
		return err == nil && !holds, next, err
	}
	return false, nil, h.perform(hard, work, mv.task)
}

// decide asks for the next move. A panic there is a mistake of ours: it costs
// this strand its turn and not the process.
func (h *holding) decide() (mv move, err error) {
	defer func() {
		if r := recover(); r != nil {
			h.e.log.Error("panic", "run", h.lease.Run, "strand", h.lease.Strand, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("a mistake in stanch: %v", r)
		}
	}()
	return h.st.next()
}

// carries reports whether the act of a task settles what came before it: the
// beginning of an undo does, and an intent, unless something has to be read for
// it first.
func (h *holding) carries(t *task) bool {
	return t.kind == tUndoLater || t.kind == tSend && len(h.st.over(t.step)) == 0
}

// noteResults audits the outcomes of effects that follow from what is known.
func (h *holding) noteResults(facts []fact) {
	for _, f := range facts {
		if f.Kind != kResult {
			continue
		}
		e := h.st.at(f.Path).effects[f.Effect].Effect
		h.note(f.Path, e, "effect.result", string(f.Status), f.Why)
		switch f.Status {
		case actions.Done:
			h.put = append(h.put, consequences(h.st.run.id, e)...)
		case actions.NotDone:
			h.withdraw(e)
		}
	}
}

// settle writes what has come up and what becomes of the strand. It goes on
// trying, under the same request id, for as long as the store does not answer:
// a result is never dropped.
func (h *holding) settle(ctx context.Context, then Then) (holds bool, next *Strand, err error) {
	settled, err := h.try(ctx, h.settlement(then))
	if err != nil {
		return false, nil, err
	}
	return h.settled(settled, then)
}

func (h *holding) settlement(then Then) Settlement {
	s := Settlement{Request: newID(), Lease: h.lease, Seen: h.st.seen, Facts: h.facts, Audit: h.audit, Put: h.put, Then: then}
	if then.Open != nil && h.st.sheltered() || then.Wait != nil && h.st.cancel == Cancelled {
		s.Under = Cancelled // children of a finally begin, whether a cancel comes or not
	}
	return s
}

func (h *holding) try(ctx context.Context, s Settlement) (Settled, error) {
	var backoff retry.Backoff
	for {
		settled, err := h.e.store.Settle(ctx, s)
		if err == nil || errors.Is(err, ErrLeaseLost) || ctx.Err() != nil {
			return settled, err
		}
		if backoff == nil { // one that is refused alone says so once
			h.e.unanswered(fmt.Errorf("settle of run %s, strand %q: %w", h.lease.Run, h.lease.Strand, err))
			backoff = pause()
		}
		if d, _ := backoff.Next(); !sleep(ctx, d) {
			return Settled{}, fmt.Errorf("settle: %w", err)
		}
	}
}

// settled takes in the store's answer.
func (h *holding) settled(s Settled, then Then) (holds bool, next *Strand, err error) {
	h.facts, h.audit, h.put, h.dirty = nil, nil, nil, false
	h.turn.acts++
	h.at, h.atOwn = s.At, h.e.o.Now()
	h.st.now, h.st.cancel = s.At, s.Cancel
	h.st.durable()
	h.lease.Seq++
	lets := then.Yield || then.Wait != nil || then.Open != nil || then.End != nil
	if lets && !s.Holds {
		return false, s.Next, nil
	}
	for _, f := range s.Signals {
		if err := h.st.apply(f); err != nil {
			return true, nil, err
		}
	}
	h.st.seen = max(h.st.seen, s.Seen)
	return true, nil, nil
}

// safely calls an action. Its panic is an error of this call: nobody knows how
// far it came.
func safely[T any](h *holding, action string, call func() (T, error)) (v T, err error) {
	defer func() {
		if r := recover(); r != nil {
			h.e.log.Error("panic", "action", action, "run", h.lease.Run, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("a mistake in the action %s: %v", action, r)
		}
	}()
	return call()
}

// call is what an action may know of the run.
func (h *holding) call(t *task) actions.Call {
	return actions.Call{Run: h.st.run.id, Step: t.path, Attempt: t.attempt, Now: h.st.now, Spent: h.spent}
}

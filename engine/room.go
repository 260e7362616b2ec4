package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"stanch/actions"
)

// shortWait is how long a step waits for its turn at an API while a worker stays
// with it; for longer it lets go.
const shortWait = 200 * time.Millisecond

// Lanes of a budget: what contains goes before what looks, and what an incident
// needs before what hunts.
func laneOf(run *runContext, a actions.Action) int {
	lane := 0
	if a.Class == actions.Reads {
		lane = 1
	}
	if run.start.Event.Trigger == "hunting" {
		lane += 2
	}
	return lane
}

// uses are what the API counts a task as, the scarcest class first.
func (h *holding) uses(t *task, a actions.Action) []actions.Use {
	switch t.kind {
	case tSend:
		return a.SendUses(h.st.at(t.path).effects[t.effect].Effect)
	case tCheck:
		return []actions.Use{a.CheckUse(h.st.at(t.path).effects[t.effect].Effect)}
	}
	return []actions.Use{a.LookUse(t.params)}
}

// room draws what a task uses of the budgets of its action. It answers true where
// the task has to wait for its turn: then that is recorded. Who waits at the
// scarcest budget has drawn on no other; who waits at a later one keeps what it has
// drawn on those before, else others who wait so would use up what is scarce and
// never send.
func (h *holding) room(work context.Context, t *task, action string) (waits bool, err error) {
	a, _ := h.e.catalog.Lookup(action)
	uses := h.uses(t, a)
	for i := h.drawn(t); i < len(uses); i++ {
		if waits, err := h.draw(work, t, a, uses, i); waits || err != nil {
			return waits, err
		}
	}
	return false, nil
}

// drawn answers on how many budgets a task has drawn before it had to wait.
func (h *holding) drawn(t *task) int {
	if t.kind != tSend {
		return 0
	}
	return h.st.at(t.path).effects[t.effect].drawn
}

// stillDrawn answers how many of the first budgets on which a task has drawn are still
// drawn on when it has waited for so long: what was drawn counts for one window.
func (h *holding) stillDrawn(uses []actions.Use, wait time.Duration) int {
	for i, use := range uses {
		for _, w := range h.e.o.Budgets[use.Class].Windows {
			if wait >= w.Per {
				return i
			}
		}
	}
	return len(uses)
}

// draw draws what a task uses of the i-th budget.
func (h *holding) draw(work context.Context, t *task, a actions.Action, uses []actions.Use, i int) (waits bool, err error) {
	use := uses[i]
	b, limited := h.e.o.Budgets[use.Class]
	if !limited {
		return false, nil
	}
	d := Draw{
		Budget: b.Name, Request: h.lease.Run + "/" + t.path + "/" + strconv.Itoa(t.effect), Units: use.Units,
		Windows: b.Windows, Lane: laneOf(h.st.run, a), By: h.st.run.book.ID,
	}
	for _, w := range b.Windows {
		d.Units = min(d.Units, w.Units) // one that costs more goes when nothing else does
	}
	backoff := pause()
	for {
		drawn, err := h.e.store.Draw(work, d)
		switch {
		case work.Err() != nil:
			return false, ErrLeaseLost
		case err != nil:
			h.e.silent(err)
			if wait, _ := backoff.Next(); !sleep(work, wait) {
				return false, ErrLeaseLost
			}
		case drawn.Go:
			h.drew = append(h.drew, drew{use.Class, d.Units, drawn.At})
			return false, nil
		case drawn.Wait > shortWait:
			return true, h.waitTurn(t, use.Class, drawn, h.stillDrawn(uses[:i], drawn.Wait))
		case !sleep(work, drawn.Wait):
			return false, ErrLeaseLost
		}
	}
}

// drew is what a task has drawn of a budget, and when.
type drew struct {
	class string
	units int64
	at    time.Time
}

// square makes what the task under way has drawn what its calls have used, where
// they tell: the rest is given back, and what they used beyond it counts, such as
// the looks at what a question shows. Who is lost before has used what it has drawn.
func (h *holding) square(ctx context.Context) {
	for class, b := range h.e.o.Budgets {
		if !b.Told {
			continue
		}
		d := Draw{Budget: b.Name, Windows: b.Windows, Units: h.spent.Of(class)}
		if i := slices.IndexFunc(h.drew, func(of drew) bool { return of.class == class }); i >= 0 {
			d.Units, d.At = d.Units-h.drew[i].units, h.drew[i].at
		}
		switch {
		case d.Units == 0:
			continue
		case d.Units < 0:
			d.Units, d.Back = 0, -d.Units
		default:
			d.Used = true
		}
		if _, err := h.e.store.Draw(ctx, d); err != nil && ctx.Err() == nil {
			h.e.silent(err)
		}
	}
}

// waitTurn lets go of a task until its turn has come, with what it has drawn of so
// many budgets. It uses up no attempt.
func (h *holding) waitTurn(t *task, class string, drawn Drawn, kept int) error {
	h.drew = nil // it is kept: nothing of it is given back
	why := fmt.Sprintf("the turn at %s, with %d before it,", class, drawn.Ahead)
	p := h.st.at(t.path)
	if t.kind == tCheck {
		e := p.effects[t.effect]
		return h.lookAgain(t, e, drawn.Wait, e.why)
	}
	effect := -1
	if t.kind == tSend {
		effect = t.effect
	}
	return h.record(fact{
		Kind: kRetry, Path: t.path, Attempt: p.attempt, Effect: effect, Why: why, Until: h.storeNow().Add(drawn.Wait),
		Fault: p.fault, Count: kept,
	})
}

// tooMuch tells all workers that an API has refused a task as one call too many,
// and for how long it wants no more of them. Which of its limits was passed it does
// not say: the scarcest is meant first, and who meets a wider one finds out.
func (h *holding) tooMuch(work context.Context, t *task, a actions.Action, after time.Duration) {
	for _, use := range h.uses(t, a) {
		if _, limited := h.e.o.Budgets[use.Class]; limited {
			h.e.TooMuch(work, use.Class, after)
			return
		}
	}
}

// Turn waits until a call of a throttling class may be made that belongs to no
// run, such as the query of a trigger. By is for whom: what hunts for one goes in
// turns with what hunts for others, and what runs look at goes before.
func (e *Engine) Turn(ctx context.Context, class, by string) error {
	b, limited := e.o.Budgets[class]
	if !limited {
		return nil
	}
	d := Draw{Budget: b.Name, Request: "turn/" + newID(), Units: 1, Windows: b.Windows, Lane: Lanes - 1, By: by}
	for {
		drawn, err := e.store.Draw(ctx, d)
		switch {
		case err != nil:
			return fmt.Errorf("the turn at %s: %w", class, err)
		case drawn.Go:
			return nil
		case !sleep(ctx, max(drawn.Wait, time.Millisecond)):
			return context.Cause(ctx)
		}
	}
}

// TooMuch tells all workers that an API has refused a call of a throttling class
// as one too many, and for how long it wants no more.
func (e *Engine) TooMuch(ctx context.Context, class string, after time.Duration) {
	b, limited := e.o.Budgets[class]
	if !limited {
		return
	}
	if _, err := e.store.Draw(ctx, Draw{Budget: b.Name, Pause: after, Refused: true}); err != nil {
		e.silent(err)
	}
}

package playbooks

import (
	"fmt"
	"math/bits"
	"time"
)

// The limits of one evaluation. They are counted, not measured, so that the
// same expression over the same values ends the same way everywhere; only the
// deadline looks at the clock.
const (
	maxItems   = 200_000    // items of the lists that loops enter
	maxWork    = 4_000_000  // items of a loop × size of what is asked of each
	maxMatch   = 20_000_000 // bytes read by text functions; for patterns × size of the pattern
	maxBuilt   = 8 << 20    // bytes of texts, lists and records made
	maxText    = 1 << 20    // bytes of one text made
	maxElapsed = 250 * time.Millisecond
)

// lookEvery is how many units are charged between two looks at the clock.
const lookEvery = 4096

// limitError says which limit an evaluation reached.
type limitError struct{ message string }

func (e *limitError) Error() string { return e.message }

// budget is what one evaluation may still spend, and what its functions know.
// Every function of ours gets it as its first argument.
type budget struct {
	now      time.Time
	own      []string
	started  time.Time
	items    int
	work     int
	match    int
	built    int
	unlooked int
	loops    int
}

func (b *budget) reset(env Env) {
	*b = budget{
		now: env.Now, own: env.OwnDomains, started: time.Now(),
		items: maxItems, work: maxWork, match: maxMatch, built: maxBuilt,
	}
}

// loopCost is what each item of a loop costs beyond itself, known from the text
// of the expression.
type loopCost struct {
	work  int // size of what is asked of each item
	built int // bytes that each item makes
}

// scopeBytes is what expr keeps for each loop that was entered, twice while its
// pool grows.
const scopeBytes = 320

// enter pays for a loop over n items.
func (b *budget) enter(n int, cost *loopCost) error {
	b.loops++
	if err := b.take(&b.items, n+1, "items", maxItems); err != nil {
		return err
	}
	if err := b.effort(times(n, cost.work)); err != nil {
		return err
	}
	return b.build(scopeBytes + times(n, cost.built))
}

// visit pays for n items that one of our functions goes through.
func (b *budget) visit(n int) error { return b.take(&b.items, n, "items", maxItems) }

// effort pays for n small steps of work.
func (b *budget) effort(n int) error { return b.take(&b.work, n, "steps of work in loops", maxWork) }

// read pays for n units of text that is looked through.
func (b *budget) read(n int) error {
	return b.take(&b.match, n, "units of text to look through", maxMatch)
}

// build pays for n bytes made.
func (b *budget) build(n int) error { return b.take(&b.built, n, "bytes of values made", maxBuilt) }

// text pays for a text of n bytes, before it is made.
func (b *budget) text(n int) error {
	if n > maxText {
		return &limitError{fmt.Sprintf("a text of more than %d bytes would be made", maxText)}
	}
	return b.build(n + 16)
}

// list pays for a list of n items.
func (b *budget) list(n int) error {
	if err := b.visit(n); err != nil {
		return err
	}
	return b.build(times(n, 16) + 24)
}

func (b *budget) take(left *int, n int, what string, limit int) error {
	if n > *left || n < 0 {
		*left = 0
		return &limitError{fmt.Sprintf("more than %d %s", limit, what)}
	}
	*left -= n
	b.unlooked += n + 1
	if b.unlooked < lookEvery {
		return nil
	}
	b.unlooked = 0
	if time.Since(b.started) > maxElapsed {
		return &limitError{fmt.Sprintf("more than %s", maxElapsed)}
	}
	return nil
}

// admit looks at a result: it is a plain value of t, and not larger than what
// may be made.
func (b *budget) admit(v any, t Type) error {
	size := 0
	return t.holds(v, func(part any, depth int) error {
		size += 16
		if s, ok := part.(string); ok {
			size += len(s)
		}
		if size > maxBuilt {
			return &limitError{fmt.Sprintf("the result is larger than %d bytes", maxBuilt)}
		}
		if depth > maxDepth {
			return &limitError{fmt.Sprintf("the result is nested deeper than %d", maxDepth)}
		}
		return nil
	})
}

// times multiplies without overflow; what is too much is the largest int.
func times(a, b int) int {
	if a < 0 || b < 0 {
		return int(^uint(0) >> 1)
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > uint64(^uint(0)>>1) {
		return int(^uint(0) >> 1)
	}
	return int(lo)
}

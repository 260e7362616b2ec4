package engine

import (
	"context"
	"fmt"
	"time"
)

// RunDue executes, on the caller's goroutine and one after the other, every
// strand that is due, until none is. It answers when the next will be by the
// store's clock: zero says that nothing waits for a time. It stands in for Work
// where the clock is moved by hand, so that a day takes no longer than what
// happens in it; the store's worker is whoever calls it.
func (e *Engine) RunDue(ctx context.Context) (next time.Time, err error) {
	for {
		claimed, err := e.claim(ctx, Claim{Worker: "driver", Max: 1, Last: e.o.Lease})
		if err != nil {
			return time.Time{}, fmt.Errorf("claim: %w", err)
		}
		if len(claimed.Strands) == 0 {
			return claimed.NextDue, nil
		}
		e.serve(ctx, ctx, claimed.Strands[0])
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
	}
}

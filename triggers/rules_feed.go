package triggers

import (
	"context"
	"encoding/json"
	"fmt"

	"stanch/playbooks"
)

// ruled asks the rules about a revision and begins what they do. It answers true
// where they suppress playbooks: then nothing else begins, and that is kept.
// A crash before it is kept asks again; what was begun is not begun twice.
func (r *reading) ruled(ctx context.Context, ev playbooks.Event, s *stored) (held bool, err error) {
	if r.feed.Rules == nil {
		return false, nil
	}
	if ev.Incident, err = json.Marshal(s.Incident); err != nil {
		return false, fmt.Errorf("%w: %w", errFaulty, err)
	}
	rec, err := r.feed.Rules.Ask(ctx, ev)
	if err != nil || rec.Suppressed == nil {
		return false, err
	}
	if err := r.feed.keepFirst(ctx, s); err != nil {
		return true, err
	}
	return true, r.note(ctx, s, ev, r.feed.everyBook(OutcomeSuppressed, rec.Suppressed.Because()))
}

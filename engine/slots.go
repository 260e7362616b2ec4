package engine

import (
	"context"
	"strings"

	"stanch/actions"
)

// slots bound how many calls of a connector are under way at once.
type slots map[string]chan struct{}

func newSlots(limits map[string]int) slots {
	s := slots{}
	for connector, n := range limits {
		s[connector] = make(chan struct{}, max(n, 1))
	}
	return s
}

// connectorOf names what an action calls: the API of its permissions or, where
// it needs none, the shelf that it stands on.
func connectorOf(a actions.Action) string {
	if len(a.Permissions) > 0 {
		return a.Permissions[0].API
	}
	shelf, _, _ := strings.Cut(a.Name, ".")
	return shelf
}

// slot waits until an action may be called and answers what to call when that
// is over. The lease is renewed meanwhile; when it is lost, ctx ends.
func (e *Engine) slot(ctx context.Context, action string) (free func(), err error) {
	a, _ := e.catalog.Lookup(action)
	taken := e.slots[connectorOf(a)]
	if taken == nil {
		return func() {}, nil
	}
	select {
	case taken <- struct{}{}:
		return func() { <-taken }, nil
	case <-ctx.Done():
		return nil, ErrLeaseLost
	}
}

// calls names the action that a task calls, if it calls one.
func (h *holding) calls(t *task) string {
	switch t.kind {
	case tRead:
		return t.step.Uses
	case tSend, tCheck:
		return h.st.at(t.path).effects[t.effect].Action
	}
	return ""
}

package actions

import (
	"context"
	"encoding/json"
)

// StandIn is what an action does in place of itself. What is nil stays the
// action's own. Rehearsals answer for the world with it.
type StandIn struct {
	Read  func(ctx context.Context, c Call, params json.RawMessage) (json.RawMessage, error)
	Plan  func(ctx context.Context, c Call, params json.RawMessage) ([]Effect, json.RawMessage, error)
	State func(ctx context.Context, c Call, params json.RawMessage) (json.RawMessage, error)
	Do    func(ctx context.Context, c Call, e Effect) (Outcome, error)
	Check func(ctx context.Context, c Call, e Effect) (Finding, error)
	Undo  func(ctx context.Context, c Call, e Effect) (Inverse, error)
}

// WithStandIn answers the action, the same in name, types and class, that does
// what the stand-in does. It does not get State or Undo where it had none.
func (a Action) WithStandIn(s StandIn) Action {
	if s.Read != nil && a.read != nil {
		a.read = s.Read
	}
	if s.Plan != nil && a.plan != nil {
		a.plan = s.Plan
	}
	if s.State != nil && a.state != nil {
		a.state = s.State
	}
	if s.Do != nil && a.do != nil {
		a.do = s.Do
	}
	if s.Check != nil && a.check != nil {
		a.check = s.Check
	}
	if s.Undo != nil && a.undo != nil {
		a.undo = s.Undo
	}
	return a
}

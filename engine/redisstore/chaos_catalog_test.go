package redisstore_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
)

// chaosError is an error of the world, of which it is known whether something
// may have happened.
type chaosError struct {
	code   string
	unsure bool
}

func (e *chaosError) Error() string     { return "world: " + e.code }
func (e *chaosError) ErrorCode() string { return e.code }
func (e *chaosError) Unsure() bool      { return e.unsure }

type chaosParams struct {
	Thing actions.Ref[incident.File] `json:"thing" doc:"what to change" entity:"file"`
}

func (p chaosParams) name() string {
	if p.Thing.Value != nil {
		return p.Thing.Value.ID
	}
	return p.Thing.Text
}

type chaosResult struct {
	Value string `json:"value" doc:"its value"`
}

// chaosLink is the world as a worker reaches it.
type chaosLink struct{ addr string }

// ask asks the world once. sent is called right before the request leaves.
func (l chaosLink) ask(ctx context.Context, ask chaosAsk, sent func() error) (said chaosSaid, err error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", l.addr)
	if err != nil {
		return said, &chaosError{code: "unavailable"}
	}
	defer c.Close()
	by := time.Now().Add(5 * time.Second)
	if d, ok := ctx.Deadline(); ok {
		by = d
	}
	c.SetDeadline(by)
	if err := sent(); err != nil {
		return said, err
	}
	if err := json.NewEncoder(c).Encode(ask); err != nil {
		return said, &chaosError{"unavailable", true}
	}
	if err := json.NewDecoder(c).Decode(&said); err != nil {
		return said, &chaosError{"unavailable", true}
	}
	return said, nil
}

func (l chaosLink) value(ctx context.Context, thing string) (string, error) {
	said, err := l.ask(ctx, chaosAsk{Thing: thing}, func() error { return nil })
	return said.Value, err
}

// catalog makes the actions of the world.
func (l chaosLink) catalog() *actions.Catalog {
	changing := func(class actions.Class, to string) actions.Spec[chaosParams, chaosResult] {
		return actions.Spec[chaosParams, chaosResult]{
			Doc: "Change a thing.", Class: class, Settling: 200 * time.Millisecond, Timeout: time.Second, NoUndo: "there is none",
			Plan: func(ctx context.Context, _ actions.Call, p chaosParams) ([]actions.Effect, chaosResult, error) {
				return l.plan(ctx, p.name(), to)
			},
			Do: func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
				return l.do(ctx, c, e, to)
			},
			Check: l.check,
			State: func(ctx context.Context, _ actions.Call, p chaosParams) (any, error) { return l.value(ctx, p.name()) },
		}
	}
	return actions.Of(map[string]actions.Action{
		"chaos.write":   changing(actions.Writes, "written").Action(),
		"chaos.destroy": changing(actions.Destroys, "gone").Action(),
		"chaos.read": actions.Spec[chaosParams, chaosResult]{
			Doc: "Do nothing, sometimes for longer than a lease.", Class: actions.Reads,
			Read: func(ctx context.Context, _ actions.Call, p chaosParams) (chaosResult, error) {
				if rand.IntN(100) == 0 {
					select {
					case <-ctx.Done():
					case <-time.After(1500 * time.Millisecond):
					}
				}
				return chaosResult{p.name()}, ctx.Err()
			},
		}.Action(),
	})
}

func (l chaosLink) plan(ctx context.Context, thing, to string) ([]actions.Effect, chaosResult, error) {
	from, err := l.value(ctx, thing)
	if err != nil || from == to {
		return nil, chaosResult{to}, err
	}
	before, _ := json.Marshal(from)
	after, _ := json.Marshal(to)
	return []actions.Effect{{
		Target: actions.Target{Kind: "thing", ID: thing, Name: thing, Entities: []actions.Entity{{Kind: "file", ID: thing, Name: thing}}},
		Before: before, After: after,
	}}, chaosResult{to}, nil
}

func (l chaosLink) do(ctx context.Context, c actions.Call, e actions.Effect, to string) (actions.Outcome, error) {
	said, err := l.ask(ctx, chaosAsk{Do: e.ID, Class: string(e.Class), Thing: e.Target.ID, To: to, DoneBy: c.Sending.DoneBy.UnixNano()}, func() error {
		if err := c.Sending.Frozen(); err != nil {
			return err
		}
		if !time.Now().Before(c.Sending.SendBy) {
			return &chaosError{code: "refused"}
		}
		return nil
	})
	if err == nil && said.Refused {
		err = &chaosError{code: "unavailable"}
	}
	return actions.Outcome{}, err
}

func (l chaosLink) check(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	v, err := l.value(ctx, e.Target.ID)
	if err != nil {
		return actions.Finding{}, err
	}
	switch now, _ := json.Marshal(v); string(now) {
	case string(e.After):
		return actions.Finding{Answer: actions.Happened}, nil
	case string(e.Before):
		return actions.Finding{Answer: actions.DidNot, Why: "it is as before"}, nil
	}
	return actions.Finding{Answer: actions.CannotTell, Why: "it is neither as before nor as after"}, nil
}

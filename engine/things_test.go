package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"stanch/actions"
)

// catalog makes the actions of the world.
func (w *world) catalog() *actions.Catalog {
	put := actions.Spec[thingParams, thingResult]{
		Doc: "Change a thing.", Class: actions.Writes, Throttle: "things", Cost: actions.Cost{Send: 2}, Do: w.do, Check: w.check, Undo: w.undo, State: w.state, Settling: time.Second,
		Plan: func(_ context.Context, _ actions.Call, p thingParams) ([]actions.Effect, thingResult, error) {
			e, r, err := w.effect(p.name(), p.Value)
			return e, r, err
		},
	}
	same := put
	same.Repeat, same.Also = actions.RepeatSame, "things.rare"
	same.Elsewhere = actions.Elsewhere{Class: "other", Param: "thing", First: "far", Cost: actions.Cost{Look: 1, Send: 3}}
	slow := put
	slow.Within = time.Hour
	var accepted time.Time
	slow.Do = func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
		accepted = time.Now()
		out, err := w.do(ctx, c, e)
		out.Pending, out.Again = err == nil, 10*time.Second
		return out, err
	}
	slow.Check = func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
		if time.Since(accepted) < w.takes {
			return actions.Finding{Answer: actions.Pending, Again: time.Minute, Why: "still at it"}, nil
		}
		return w.check(ctx, c, e)
	}
	ask := slow
	ask.Repeat = actions.RepeatHarmless
	ask.Do = func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
		out, err := slow.Do(ctx, c, e)
		out.Awaits = "the word of ann"
		return out, err
	}
	ask.Check = func(ctx context.Context, c actions.Call, e actions.Effect) (actions.Finding, error) {
		found, err := slow.Check(ctx, c, e)
		if found.Answer == actions.Pending {
			found.Awaits = "the word of ann, or of bob"
		}
		return found, err
	}
	both := put
	both.Doc, both.State = "Change two things, one after the other.", nil
	both.Plan = func(_ context.Context, _ actions.Call, p thingParams) ([]actions.Effect, thingResult, error) {
		first, _, err := w.effect(p.name()+"1", p.Value)
		if err != nil {
			return nil, thingResult{}, err
		}
		second, r, err := w.effect(p.name()+"2", p.Value)
		return append(first, second...), r, err
	}
	return actions.Of(map[string]actions.Action{
		"things.get": actions.Spec[thingParams, thingResult]{
			Doc: "Get a thing.", Class: actions.Reads, Throttle: "things",
			Read: func(_ context.Context, _ actions.Call, p thingParams) (thingResult, error) {
				v, err := w.read(p.name())
				if err == nil && v == "" {
					err = &thingError{code: "not_found"}
				}
				return thingResult{v, len(v)}, err
			},
		}.Action(),
		"things.search": actions.Spec[thingParams, thingResult]{
			Doc: "Get a thing, which costs four units at most.", Class: actions.Reads, Throttle: "things", Cost: actions.Cost{Look: 4},
			Read: func(_ context.Context, c actions.Call, p thingParams) (thingResult, error) {
				c.Spent.Add("things", w.uses)
				v, err := w.read(p.name())
				return thingResult{v, len(v)}, err
			},
		}.Action(),
		"things.put":  put.Action(),
		"things.same": same.Action(),
		"things.slow": slow.Action(),
		"things.ask":  ask.Action(),
		"things.both": both.Action(),
		"things.drop": actions.Spec[thingParams, thingResult]{
			Doc: "Destroy a thing.", Class: actions.Destroys, Do: w.do, Check: w.check, State: w.state, Settling: 3 * time.Second, NoUndo: "it is gone",
			Plan: func(_ context.Context, _ actions.Call, p thingParams) ([]actions.Effect, thingResult, error) {
				return w.effect(p.name(), "gone")
			},
		}.Action(),
	})
}

// effect is the change of a thing to a value, none if it has it.
func (w *world) effect(thing, to string) ([]actions.Effect, thingResult, error) {
	from, err := w.read(thing)
	if err != nil || from == to {
		return nil, thingResult{to, len(to)}, err
	}
	before, _ := json.Marshal(from)
	after, _ := json.Marshal(to)
	entity := actions.Entity{Kind: "file", ID: thing, Name: thing}
	var own []actions.Own
	if w.incident != "" {
		own = []actions.Own{{Incident: w.incident, Field: "title", Value: after}}
	}
	return []actions.Effect{{
		Own:    own,
		Target: actions.Target{Kind: "thing", ID: thing, Name: thing, Entities: []actions.Entity{entity}},
		Before: before, After: after, Request: after,
	}}, thingResult{to, len(to)}, nil
}

func (w *world) do(_ context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	if c.Sending.ID != e.ID {
		return actions.Outcome{}, errors.New("sent under another id")
	}
	if w.sending != nil {
		w.sending(e.Target.ID)
	}
	if err := c.Sending.Frozen(); err != nil {
		return actions.Outcome{}, err
	}
	if !time.Now().Before(c.Sending.SendBy) {
		return actions.Outcome{}, &thingError{code: "refused"}
	}
	var to string
	if err := json.Unmarshal(e.Request, &to); err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{}, w.change(e.ID, e.Target.ID, to)
}

func (w *world) check(_ context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	v, err := w.read(e.Target.ID)
	if err != nil {
		return actions.Finding{}, err
	}
	now, _ := json.Marshal(v)
	switch {
	case !w.sees():
	case string(now) == string(e.After):
		return actions.Finding{Answer: actions.Happened}, nil
	case string(now) == string(e.Before):
		return actions.Finding{Answer: actions.DidNot, Why: "it is as before"}, nil
	}
	return actions.Finding{Answer: actions.CannotTell, Why: "it is neither as before nor as after"}, nil
}

func (w *world) undo(_ context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	v, err := w.read(e.Target.ID)
	if err != nil {
		return actions.Inverse{}, err
	}
	now, _ := json.Marshal(v)
	if string(now) != string(e.After) {
		return actions.Inverse{Changed: true, Present: now}, nil
	}
	return actions.Inverse{Effect: &actions.Effect{Target: e.Target, Before: e.After, After: e.Before, Request: e.Before}, Widens: true}, nil
}

func (w *world) state(_ context.Context, _ actions.Call, p thingParams) (any, error) {
	return w.read(p.name())
}

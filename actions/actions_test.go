package actions_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/connectors/incident"
)

type liftParams struct {
	File  actions.Ref[incident.File] `json:"file" doc:"the file" entity:"file"`
	Force bool                       `json:"force,omitempty" doc:"even so"`
}

type liftResult struct {
	Lifted int `json:"lifted" doc:"how many"`
}

// Shelf is what an author writes: methods that answer actions.
type Shelf struct{}

// LiftHeavyThings is named shelves-style.
func (Shelf) LiftHeavyThings() actions.Action { return lift().Action() }

// Weight is no action.
func (Shelf) Weight() int { return 3 }

func lift() actions.Spec[liftParams, liftResult] {
	return actions.Spec[liftParams, liftResult]{
		Doc: "Lift.", Class: actions.Writes, NoUndo: "gravity does it",
		Plan: func(_ context.Context, _ actions.Call, p liftParams) ([]actions.Effect, liftResult, error) {
			name := p.File.Text
			if p.File.Value != nil {
				name = p.File.Value.ID
			}
			return []actions.Effect{{Target: actions.Target{ID: name}}}, liftResult{Lifted: 1}, nil
		},
		Do: func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) {
			return actions.Outcome{}, nil
		},
		Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
			return actions.Finding{Answer: actions.Happened}, nil
		},
		Settle: func(r liftResult, effects []actions.Effect) liftResult {
			r.Lifted = 0
			for _, e := range effects {
				if e.Status == actions.Done {
					r.Lifted++
				}
			}
			return r
		},
	}
}

func TestAShelfsMethodsAreItsActions(t *testing.T) {
	c, err := actions.Collect(Shelf{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Names(); !slices.Equal(got, []string{"actions_test.lift_heavy_things"}) {
		t.Errorf("the actions are %v", got)
	}
	if _, err := actions.Collect(Shelf{}, &Shelf{}); err == nil {
		t.Error("an action declared twice is taken")
	}
}

func TestAnEffectIsPlannedUnderItsAction(t *testing.T) {
	c, err := actions.Collect(Shelf{})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := c.Lookup("actions_test.lift_heavy_things")
	for _, params := range []string{`{"file":"f1"}`, `{"file":{"id":"f1","alerts":[],"roles":[]}}`} {
		effects, out, err := a.Plan(t.Context(), actions.Call{}, json.RawMessage(params))
		if err != nil {
			t.Fatal(err)
		}
		e := effects[0]
		if e.Action != a.Name || e.Class != actions.Writes || e.Status != actions.Planned || e.Target.ID != "f1" || string(out) != `{"lifted":1}` {
			t.Errorf("%s plans %+v, output %s", params, e, out)
		}
		effects[0].Status = actions.NotDone
		if out, err = a.Output(out, effects); err != nil || string(out) != `{"lifted":0}` {
			t.Errorf("settled, the output is %s (%v)", out, err)
		}
	}
	if name, kind, ok := a.EntityParam(); name != "file" || kind != "file" || !ok {
		t.Errorf("the entity is %s of kind %s", name, kind)
	}
	if inv, err := a.Undo(t.Context(), actions.Call{}, actions.Effect{}); err != nil || inv.Effect != nil || inv.Why != "gravity does it" {
		t.Errorf("the inverse is %+v (%v)", inv, err)
	}
}

func TestParamsThatDoNotFitAreInvalid(t *testing.T) {
	a := lift().Action()
	for params, want := range map[string]string{
		`{"file":"f","forse":true}`: `unknown field "forse"`,
		`{"file":"f","force":"x"}`:  "force",
		`{"file":7}`:                "",
		`{"file":"f"} {}`:           "more than one value",
		`[]`:                        "",
	} {
		_, _, err := a.Plan(t.Context(), actions.Call{}, json.RawMessage(params))
		fault, is := errors.AsType[*actions.ParamError](err)
		if !is || fault.ErrorCode() != "invalid" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", params, err)
		}
	}
}

func TestASpecThatBreaksTheContractIsFoundWhenItIsCollected(t *testing.T) {
	for name, breaks := range map[string]func(*actions.Spec[liftParams, liftResult]){
		"no Doc":                  func(s *actions.Spec[liftParams, liftResult]) { s.Doc = "" },
		"no class":                func(s *actions.Spec[liftParams, liftResult]) { s.Class = "" },
		"no Check":                func(s *actions.Spec[liftParams, liftResult]) { s.Check = nil },
		"neither Undo nor NoUndo": func(s *actions.Spec[liftParams, liftResult]) { s.NoUndo = "" },
		"reads with effects":      func(s *actions.Spec[liftParams, liftResult]) { s.Class = actions.Reads },
	} {
		t.Run(name, func(t *testing.T) {
			s := lift()
			breaks(&s)
			defer func() {
				if recover() == nil {
					t.Error("it is taken")
				}
			}()
			s.Action()
		})
	}
}

package actions_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"stanch/actions"
)

type placed struct {
	ID string `json:"id" doc:"id"`
}

func writing(also string, w actions.Elsewhere) actions.Spec[placed, placed] {
	return actions.Spec[placed, placed]{
		Doc: "Write.", Class: actions.Writes, Throttle: "here", Cost: actions.Cost{Send: 5}, Also: also, Elsewhere: w, NoUndo: "it is a test",
		Plan: func(context.Context, actions.Call, placed) ([]actions.Effect, placed, error) {
			return nil, placed{}, nil
		},
		Do: func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) {
			return actions.Outcome{}, nil
		},
		Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
			return actions.Finding{}, nil
		},
	}
}

// What is acted upon decides how it is counted, and nothing that a playbook writes
// makes it a class that the action does not name.
func TestWhereAnActionActsDecidesHowItIsCounted(t *testing.T) {
	a := writing("scarce", actions.Elsewhere{Class: "there", Param: "id", First: "far", Cost: actions.Cost{Look: 2}}).Action()
	for params, want := range map[string]actions.Use{
		`{"id":"near/1"}`: {Class: "here", Units: 1}, `{"id":"far/1"}`: {Class: "there", Units: 2}, `{"id":"far"}`: {Class: "there", Units: 2},
		`{"id":"farther/1"}`: {Class: "here", Units: 1}, `{"id":""}`: {Class: "here", Units: 1}, `{"id":7}`: {Class: "here", Units: 1},
		`{}`: {Class: "here", Units: 1}, `[`: {Class: "here", Units: 1}, ``: {Class: "here", Units: 1},
	} {
		if got := a.LookUse(json.RawMessage(params)); got != want {
			t.Errorf("to look with %s uses %v; want %v", params, got, want)
		}
	}
	near, far := actions.Effect{Target: actions.Target{ID: "near/1"}}, actions.Effect{Target: actions.Target{ID: "far/1/status"}}
	if got := a.SendUses(near); !slices.Equal(got, []actions.Use{{Class: "scarce", Units: 1}, {Class: "here", Units: 5}}) {
		t.Errorf("to send near uses %v", got)
	}
	if got := a.SendUses(far); !slices.Equal(got, []actions.Use{{Class: "scarce", Units: 1}, {Class: "there", Units: 1}}) {
		t.Errorf("to send far uses %v", got)
	}
	if n, f := a.CheckUse(near), a.CheckUse(far); n != (actions.Use{Class: "here", Units: 1}) || f != (actions.Use{Class: "there", Units: 2}) {
		t.Errorf("to check uses %v near, %v far", n, f)
	}
	plain := writing("", actions.Elsewhere{}).Action()
	if got := plain.SendUses(far); !slices.Equal(got, []actions.Use{{Class: "here", Units: 5}}) {
		t.Errorf("an action of one API uses %v", got)
	}
}

func TestElsewhereThatSaysTooLittleIsAMistakeOfTheBuild(t *testing.T) {
	for want, w := range map[string]actions.Elsewhere{
		"needs Class and Param": {Class: "there", First: "far"},
		"Class and Param":       {Param: "id", First: "far"},
		"needs First":           {Class: "there", Param: "id"},
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, want) {
					t.Errorf("%+v: %q; want %q", w, got, want)
				}
			}()
			writing("", w).Action()
		}()
	}
}

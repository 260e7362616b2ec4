package incidents

import (
	"context"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type assignParams struct {
	Incident string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	To       string `json:"to" doc:"who is to work on it, usually a user principal name; of Sentinel always"`
}

type assigned struct {
	Incident   string `json:"incident" doc:"id of the incident"`
	AssignedTo string `json:"assigned_to" doc:"who works on it now"`
	Before     string `json:"before,omitempty" doc:"who worked on it before; absent when nobody did"`
	Changed    bool   `json:"changed" doc:"whether it was assigned now; false when it was so before"`
}

// Assign gives an incident an owner.
func (s Shelf) Assign() actions.Action {
	return actions.Spec[assignParams, assigned]{
		Doc:   "Assign an incident to somebody.",
		Class: actions.Writes, Throttle: throttle, Elsewhere: azure(1, 2), Permissions: writes(),
		Repeat: actions.RepeatSame, Settling: settles, Writes: []string{"assigned_to"}, Source: apiPage,
		Example: "incident: \"${{ incident.id }}\"\nto: dana.officer@contoso.example",
		Plan:    s.planAssign, Do: s.doPatch, Check: s.checkPatch, Undo: s.undoPatch, Settle: settleAssign,
	}.Action()
}

func (s Shelf) planAssign(ctx context.Context, _ actions.Call, p assignParams) ([]actions.Effect, assigned, error) {
	to := strings.TrimSpace(p.To)
	if to == "" {
		return nil, assigned{}, problem("name who is to work on it", "to is empty")
	}
	in, err := s.writable(ctx, p.Incident)
	if err != nil {
		return nil, assigned{}, err
	}
	if in.Source == incident.Sentinel && !strings.Contains(to, "@") {
		return nil, assigned{}, problem("expected a user principal name, such as dana.officer@contoso.example", "to is %q: Sentinel assigns to users of the directory", connectors.Plain(to))
	}
	out := assigned{Incident: in.ID, AssignedTo: to}
	if in.AssignedTo != nil {
		out.Before = *in.AssignedTo
	}
	effects := planPatch(in, fields{AssignedTo: &to})
	out.Changed = len(effects) > 0
	return effects, out, nil
}

// settleAssign tells who really works on it.
func settleAssign(out assigned, effects []actions.Effect) assigned {
	if len(effects) > 0 && !happened(effects) {
		out.AssignedTo, out.Changed = out.Before, false
	}
	return out
}

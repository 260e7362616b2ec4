package incidents

import (
	"context"

	"stanch/actions"
	"stanch/connectors"
)

type reopenParams struct {
	Incident string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Status   string `json:"status,omitempty" default:"active" enum:"active,inProgress" doc:"where the work on it stands then"`
	Comment  string `json:"comment,omitempty" doc:"added before the incident is opened; not when it was open before"`
}

// Reopen opens a resolved incident again.
func (s Shelf) Reopen() actions.Action {
	return actions.Spec[reopenParams, closed]{
		Doc:   "Open a resolved incident again, with a comment if one is given. Sentinel takes the verdict away with it; Defender keeps it. Alerts stay resolved. One that is open stays as it is.",
		Class: actions.Writes, Throttle: throttle, Elsewhere: azure(2, 2), Permissions: writes(),
		Repeat: actions.RepeatSame, Settling: settles, Writes: []string{"status", "classification", "determination", "comments"}, Source: apiPage,
		Example: "incident: \"${{ incident.id }}\"\ncomment: The link was made again.",
		Plan:    s.planReopen, Do: s.doPatch, Check: s.checkPatch, Undo: s.undoPatch, Settle: settleResolve,
	}.Action()
}

func (s Shelf) planReopen(ctx context.Context, _ actions.Call, p reopenParams) ([]actions.Effect, closed, error) {
	if p.Status == "" {
		p.Status = "active"
	}
	status, err := known("status", p.Status, []string{"active", "inProgress"})
	if err != nil {
		return nil, closed{}, err
	}
	in, err := s.writable(ctx, p.Incident)
	if err != nil {
		return nil, closed{}, err
	}
	if in.Status != resolved {
		if in.Status == "unknown" {
			return nil, closed{}, problem("", "the incident %s does not say its status", connectors.Plain(in.ID))
		}
		return nil, closed{updated: outcome(in.Incident, fields{})}, nil
	}
	want, err := fitting(in.Incident, fields{Status: status})
	if err != nil {
		return nil, closed{}, err
	}
	return s.withRemark(ctx, in, want, p.Comment)
}

package users

import (
	"cmp"
	"context"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
)

// The states of risk that actions give, in the words of Identity Protection.
const (
	noRisk      = "none"
	dismissed   = "dismissed"
	compromised = "confirmedCompromised"
	atRisk      = "atRisk"
)

// throttleRisk is one request per second for a whole tenant.
const throttleRisk = "graph.identity_protection"

// risk is what Identity Protection thinks of a user.
type risk struct {
	State  string `json:"risk_state"`
	Level  string `json:"risk_level"`
	Detail string `json:"risk_detail"`
}

type riskRequest struct {
	User  string `json:"user"`
	State string `json:"risk_state"` // confirmedCompromised or dismissed
}

type riskResult struct {
	User    string `json:"user" doc:"object id of the user"`
	UPN     string `json:"upn" doc:"user principal name"`
	Name    string `json:"name,omitempty" doc:"display name"`
	State   string `json:"risk_state" doc:"what Identity Protection takes for true now: confirmedCompromised, dismissed, atRisk, remediated, confirmedSafe or none"`
	Before  string `json:"before" doc:"what it took for true before"`
	Level   string `json:"level_before" doc:"risk level before: none, low, medium, high or hidden"`
	Changed bool   `json:"changed" doc:"whether that was changed now; false when it was so before"`
}

func riskPermissions() []actions.Permission {
	return permissions("IdentityRiskyUser.Read.All", "IdentityRiskyUser.ReadWrite.All")
}

// riskAfter is the state that a request leads to.
func riskAfter(state string) risk {
	if state == compromised {
		return risk{compromised, "high", "adminConfirmedUserCompromised"}
	}
	return risk{dismissed, "none", "adminDismissedAllRiskForUser"}
}

// keptRisk reads the request of an effect; one that asks for neither state is
// an error.
func keptRisk(e actions.Effect) (riskRequest, error) {
	r, err := actions.Kept[riskRequest](e.Request, "request")
	if err == nil && r.State != compromised && r.State != dismissed {
		err = problem("nothing was sent", "the request of the effect asks for risk state %q", connectors.Plain(r.State))
	}
	return r, err
}

// riskOf reads the risk of a user; whom Identity Protection has never seen has
// none.
func (s Shelf) riskOf(ctx context.Context, id string) (risk, error) {
	r, err := s.Graph.UserRisk(ctx, id)
	if notFound(err) {
		return risk{noRisk, "none", "none"}, nil
	}
	return risk{cmp.Or(r.State, noRisk), cmp.Or(r.Level, "none"), cmp.Or(r.Detail, "none")}, err
}

// planRisk answers the effect that brings a user to a state of risk, none if it
// is so.
func (s Shelf) planRisk(ctx context.Context, p accountParams, state string) ([]actions.Effect, riskResult, error) {
	u, e, err := s.find(ctx, p.User)
	if err != nil {
		return nil, riskResult{}, err
	}
	if isGuest(u) {
		return nil, riskResult{}, problem("tell the guest's own organization, or take the guest's access away",
			"%s is a guest, whose risk is judged where the account lives", connectors.Plain(u.UPN))
	}
	before, err := s.riskOf(ctx, u.ID)
	if err != nil {
		return nil, riskResult{}, err
	}
	out := riskResult{User: u.ID, UPN: u.UPN, Name: u.Name, State: state, Before: before.State, Level: before.Level, Changed: before.State != state}
	if !out.Changed {
		return nil, out, nil
	}
	return []actions.Effect{{
		Target: riskTarget(u, e), Before: actions.JSON(before), After: actions.JSON(riskAfter(state)),
		Request: actions.JSON(riskRequest{u.ID, state}), Lost: lostRisk(u.ID, before),
	}}, out, nil
}

func riskTarget(u graph.User, e actions.Entity) actions.Target {
	return actions.Target{Kind: "risk", ID: u.ID + "/risk", Name: "risk of " + name(u), Entities: []actions.Entity{e}}
}

// lostRisk tells what no dismissal gives back.
func lostRisk(id string, before risk) []actions.Lost {
	if before == riskAfter(dismissed) {
		return nil
	}
	return []actions.Lost{{
		Target: id + "/risk", Field: "risk_state",
		Why: "it was " + before.State + " (level " + before.Level + "); Identity Protection can only make it dismissed",
	}}
}

func (s Shelf) stateRisk(ctx context.Context, _ actions.Call, p accountParams) (any, error) {
	u, _, err := s.find(ctx, p.User)
	if err != nil {
		return nil, err
	}
	now, err := s.riskOf(ctx, u.ID)
	return struct {
		Name string `json:"name"`
		UPN  string `json:"upn"`
		risk
	}{u.Name, u.UPN, now}, err
}

func (s Shelf) doRisk(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := keptRisk(e)
	if err != nil {
		return actions.Outcome{}, err
	}
	if r.State == compromised {
		return actions.Outcome{}, s.Graph.ConfirmCompromised(ctx, connectors.Change(c.Sending), r.User)
	}
	return actions.Outcome{}, s.Graph.DismissRisk(ctx, connectors.Change(c.Sending), r.User)
}

func (s Shelf) checkRisk(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := keptRisk(e)
	if err != nil {
		return actions.Finding{}, err
	}
	now, err := s.riskOf(ctx, r.User)
	if err != nil {
		return actions.Finding{}, err
	}
	if now.State == r.State {
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(now), Why: "the risk state is " + now.State}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: "the risk state is " + connectors.Plain(now.State)}, nil
}

// settleRisk tells what became of the risk.
func settleRisk(out riskResult, effects []actions.Effect) riskResult {
	for _, e := range effects {
		switch e.Status {
		case actions.Done:
		case actions.AlreadySo:
			out.Changed = false
		default:
			out.State, out.Changed = out.Before, false
		}
	}
	return out
}

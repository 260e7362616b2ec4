package users

import (
	"context"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type accountParams struct {
	User actions.Ref[incident.User] `json:"user" entity:"user" doc:"user of the evidence, user principal name, object id, or entra:<object id>"`
}

type accountResult struct {
	User    string `json:"user" doc:"object id of the user"`
	UPN     string `json:"upn" doc:"user principal name"`
	Name    string `json:"name,omitempty" doc:"display name"`
	Enabled bool   `json:"enabled" doc:"whether the user may sign in now"`
	Changed bool   `json:"changed" doc:"whether that was changed now; false when it was so before"`
	Synced  bool   `json:"synced" doc:"whether the account's home is an Active Directory: change it there, too, else the next synchronization takes this back"`
}

// account is whether a user may sign in.
type account struct {
	Enabled bool `json:"enabled"`
}

type accountRequest struct {
	User   string `json:"user"`
	Enable *bool  `json:"enable"`
}

// keptAccount reads the request of an effect; one that does not say what it
// asks for is an error.
func keptAccount(e actions.Effect) (accountRequest, error) {
	r, err := actions.Kept[accountRequest](e.Request, "request")
	if err == nil && r.Enable == nil {
		err = problem("nothing was sent", "the request of the effect does not say whether to enable")
	}
	return r, err
}

func (s Shelf) planAccount(ctx context.Context, p accountParams, enable bool) ([]actions.Effect, accountResult, error) {
	u, e, err := s.find(ctx, p.User)
	if err != nil {
		return nil, accountResult{}, err
	}
	out := accountResult{User: u.ID, UPN: u.UPN, Name: u.Name, Enabled: enable, Changed: u.Enabled != enable, Synced: u.Synced}
	if !out.Changed {
		return nil, out, nil
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "account", ID: u.ID + "/account", Name: "account of " + name(u), Entities: []actions.Entity{e}},
		Before: actions.JSON(account{u.Enabled}), After: actions.JSON(account{enable}), Request: actions.JSON(accountRequest{u.ID, &enable}),
	}}, out, nil
}

func (s Shelf) stateAccount(ctx context.Context, _ actions.Call, p accountParams) (any, error) {
	u, _, err := s.find(ctx, p.User)
	if err != nil {
		return nil, err
	}
	return shownAccount(u), nil
}

// shownAccount is what approvers see of a user.
func shownAccount(u graph.User) any {
	return struct {
		Name       string `json:"name"`
		UPN        string `json:"upn"`
		Title      string `json:"title"`
		Department string `json:"department"`
		account
	}{u.Name, u.UPN, u.Title, u.Department, account{u.Enabled}}
}

func (s Shelf) doAccount(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := keptAccount(e)
	if err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{}, s.Graph.SetAccountEnabled(ctx, connectors.Change(c.Sending), r.User, *r.Enable)
}

func (s Shelf) checkAccount(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := keptAccount(e)
	if err != nil {
		return actions.Finding{}, err
	}
	u, err := s.Graph.User(ctx, r.User)
	switch {
	case notFound(err):
		return actions.Finding{Answer: actions.CannotTell, Why: "the user is gone"}, nil
	case err != nil:
		return actions.Finding{}, err
	case u.Enabled == *r.Enable:
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(account{u.Enabled}), Why: "the account " + mayOrNot(u.Enabled)}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: "the account " + mayOrNot(u.Enabled) + ", as before"}, nil
}

func mayOrNot(enabled bool) string {
	if enabled {
		return "may sign in"
	}
	return "may not sign in"
}

func (s Shelf) undoAccount(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := keptAccount(e)
	if err != nil {
		return actions.Inverse{}, err
	}
	u, err := s.Graph.User(ctx, r.User)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: actions.JSON(nil), Why: "the user is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	now := actions.JSON(account{u.Enabled})
	if u.Enabled != *r.Enable {
		return actions.Inverse{Changed: true, Present: now, Why: "somebody has changed it since: the account " + mayOrNot(u.Enabled)}, nil
	}
	back := "users.enable"
	if *r.Enable {
		back = "users.disable"
	}
	return actions.Inverse{Present: now, Widens: !*r.Enable, Effect: &actions.Effect{
		Action: back, Class: actions.Writes, Target: e.Target,
		Before: now, After: actions.JSON(account{!*r.Enable}), Request: actions.JSON(accountRequest{r.User, new(!*r.Enable)}),
	}}, nil
}

// settleAccount tells what became of the account.
func settleAccount(out accountResult, effects []actions.Effect) accountResult {
	for _, e := range effects {
		switch e.Status {
		case actions.Done:
		case actions.AlreadySo:
			out.Changed = false
		default:
			out.Enabled, out.Changed = !out.Enabled, false
		}
	}
	return out
}

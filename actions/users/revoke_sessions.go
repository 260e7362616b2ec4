package users

import (
	"context"
	"slices"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type revokeParams struct {
	User actions.Ref[incident.User] `json:"user" entity:"user" doc:"user of the evidence, user principal name, object id, or entra:<object id>"`
}

type revoked struct {
	User    string `json:"user" doc:"object id of the user"`
	UPN     string `json:"upn" doc:"user principal name"`
	Name    string `json:"name,omitempty" doc:"display name"`
	Revoked bool   `json:"revoked" doc:"whether the sessions were revoked"`
}

type revokeRequest struct {
	User string `json:"user"`
}

// sessions is the state of a user's sessions: those begun before are not
// valid.
type sessions struct {
	ValidFrom *time.Time `json:"sessions_valid_from"`
}

// RevokeSessions signs a user out everywhere.
func (s Shelf) RevokeSessions() actions.Action {
	return actions.Spec[revokeParams, revoked]{
		Doc:   "Sign a user out everywhere: every session must sign in again within minutes.",
		Class: actions.Writes, Throttle: throttle,
		Permissions: []actions.Permission{{API: "graph", Name: "User.RevokeSessions.All"}, {API: "graph", Name: "User.Read.All"}},
		Repeat:      actions.RepeatSame, // signing out somebody who is out changes nothing
		Settling:    time.Minute,
		NoUndo:      "sessions that were ended cannot be given back; the user signs in again",
		Source:      "https://learn.microsoft.com/graph/api/user-revokesigninsessions",
		Example:     "user: \"${{ user }}\"",
		Plan:        s.planRevoke, State: s.state, Do: s.doRevoke, Check: s.checkRevoke, Settle: settleRevoke,
	}.Action()
}

func (s Shelf) planRevoke(ctx context.Context, c actions.Call, p revokeParams) ([]actions.Effect, revoked, error) {
	u, e, err := s.find(ctx, p.User)
	if err != nil {
		return nil, revoked{}, err
	}
	if isGuest(u) {
		return nil, revoked{}, problem("remove the guest's access to files instead",
			"%s is a guest, whose sessions belong to another organization and are not reached", connectors.Plain(u.UPN))
	}
	return []actions.Effect{{
		Target:  actions.Target{Kind: "sessions", ID: u.ID + "/sessions", Name: "sessions of " + name(u), Entities: []actions.Entity{e}},
		Before:  actions.JSON(sessionsOf(u)),
		After:   actions.JSON(sessions{new(c.Now.UTC().Truncate(time.Second))}),
		Request: actions.JSON(revokeRequest{u.ID}),
	}}, revoked{User: u.ID, UPN: u.UPN, Name: u.Name, Revoked: true}, nil
}

func name(u graph.User) string {
	if u.Name != "" {
		return u.Name
	}
	return u.UPN
}

func sessionsOf(u graph.User) sessions {
	if u.SessionsValidFrom.IsZero() {
		return sessions{}
	}
	return sessions{new(u.SessionsValidFrom.UTC())}
}

func (s Shelf) state(ctx context.Context, _ actions.Call, p revokeParams) (any, error) {
	u, _, err := s.find(ctx, p.User)
	if err != nil {
		return nil, err
	}
	return struct {
		Name    string `json:"name"`
		UPN     string `json:"upn"`
		Enabled bool   `json:"enabled"`
		sessions
	}{u.Name, u.UPN, u.Enabled, sessionsOf(u)}, nil
}

func (s Shelf) doRevoke(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[revokeRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{}, s.Graph.RevokeSessions(ctx, connectors.Change(c.Sending), r.User)
}

// checkRevoke tells by the time from which sessions are valid: it has moved on
// if and only if they were revoked.
func (s Shelf) checkRevoke(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[revokeRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	before, err := actions.Kept[sessions](e.Before, "state before")
	if err != nil {
		return actions.Finding{}, err
	}
	u, err := s.Graph.User(ctx, r.User)
	if notFound(err) {
		return actions.Finding{Answer: actions.CannotTell, Why: "the user is gone"}, nil
	}
	if err != nil {
		return actions.Finding{}, err
	}
	now := sessionsOf(u)
	switch {
	case now.ValidFrom == nil:
		return actions.Finding{Answer: actions.CannotTell, Why: "Entra does not tell since when sessions are valid"}, nil
	case before.ValidFrom == nil || now.ValidFrom.After(*before.ValidFrom):
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(now), Why: "sessions are valid from " + now.ValidFrom.Format(time.RFC3339)}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: "sessions are valid from " + now.ValidFrom.Format(time.RFC3339) + " as before"}, nil
}

// settleRevoke tells whether the sessions really were revoked.
func settleRevoke(out revoked, effects []actions.Effect) revoked {
	out.Revoked = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	return out
}

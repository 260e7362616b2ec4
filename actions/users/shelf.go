// Package users holds the actions on people's accounts in Microsoft Entra.
//
// It reaches them through connectors/graph alone and knows nothing of
// playbooks, runs or the engine.
package users

import (
	"context"
	"fmt"
	"slices"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

// Shelf is the actions on users.
type Shelf struct{ Graph *graph.Client }

const throttle = "graph.identity"

// permissions are the one to look at users and those that the action needs.
func permissions(more ...string) []actions.Permission {
	out := []actions.Permission{{API: "graph", Name: "User.Read.All"}}
	for _, name := range more {
		out = append(out, actions.Permission{API: "graph", Name: name})
	}
	return out
}

// problem is an error of this side: nothing was sent.
func problem(hint, format string, args ...any) error {
	return &connectors.Error{Op: "users", Code: connectors.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// find looks up what a parameter names: a record of the evidence, a user
// principal name, an object id, or entra:<object id>.
func (s Shelf) find(ctx context.Context, ref actions.Ref[incident.User]) (graph.User, actions.Entity, error) {
	given := []string{ref.Text}
	if v := ref.Value; v != nil {
		given = v.Names()
	}
	u, err := s.Graph.UserNamed(ctx, given...)
	if err != nil {
		return graph.User{}, actions.Entity{}, err
	}
	return u, entity(u, given), nil
}

// entity is the user with every name that a guardrail may use.
func entity(u graph.User, given []string) actions.Entity {
	e := actions.Entity{Kind: "user", ID: u.ID, Name: u.Name}
	for _, n := range append([]string{u.UPN, u.Mail, "entra:" + u.ID}, given...) {
		if n != "" && n != u.ID && !slices.Contains(e.Aliases, n) {
			e.Aliases = append(e.Aliases, n)
		}
	}
	return e
}

// Look answers a user as evidence would have one, by user principal name, object
// id or entra:<object id>. Its errors are those of the connectors.
func (s Shelf) Look(ctx context.Context, name string) (incident.User, error) {
	u, err := s.Graph.UserNamed(ctx, name)
	if err != nil {
		return incident.User{}, err
	}
	return incident.User{UPN: &u.UPN, EntraID: &u.ID, Name: &u.Name}.AsEvidence()
}

package users

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type groupsParams struct {
	User  actions.Ref[incident.User] `json:"user" entity:"user" doc:"user of the evidence, user principal name, object id, or entra:<object id>"`
	Limit int                        `json:"limit,omitempty" default:"1000" doc:"with more groups than that the step fails, 1 to 10000"`
}

type groupsFound struct {
	User   person   `json:"user" doc:"whose groups they are"`
	Groups []inside `json:"groups" doc:"the groups, by name; those that the user is in through other groups, too"`
	Names  []string `json:"names" doc:"the names of the groups, in the same order"`
}

type inside struct {
	ID           string `json:"id" doc:"object id of the group"`
	Name         string `json:"name" doc:"display name"`
	Mail         string `json:"mail,omitempty" doc:"mail address; absent when it has none"`
	Security     bool   `json:"security" doc:"whether it may give access to something"`
	Microsoft365 bool   `json:"microsoft365" doc:"whether it has a mailbox and a site of its own"`
}

// Bounds of the list.
const (
	fewGroups = 1000
	maxGroups = 10_000
)

// Groups lists the groups that a user is in.
func (s Shelf) Groups() actions.Action {
	return actions.Spec[groupsParams, groupsFound]{
		Doc:   "List the groups that a user is in, directly or through other groups.",
		Class: actions.Reads, Throttle: throttle, Cost: actions.Cost{Look: 2}, Permissions: permissions("GroupMember.Read.All"),
		Source:  "https://learn.microsoft.com/graph/api/user-list-transitivememberof",
		Example: "user: \"${{ user }}\"",
		Read:    s.groups,
	}.Action()
}

func (s Shelf) groups(ctx context.Context, _ actions.Call, p groupsParams) (groupsFound, error) {
	limit := p.Limit
	if limit == 0 {
		limit = fewGroups
	}
	if limit < 1 || limit > maxGroups {
		return groupsFound{}, problem("expected 1 to 10000", "limit is %d", p.Limit)
	}
	u, _, err := s.find(ctx, p.User)
	if err != nil {
		return groupsFound{}, err
	}
	found, err := s.Graph.GroupsOf(ctx, u.ID, limit)
	if err != nil {
		return groupsFound{}, err
	}
	slices.SortFunc(found, func(a, b graph.Group) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	out := groupsFound{User: personOf(u), Groups: []inside{}, Names: []string{}}
	for _, g := range found {
		out.Groups = append(out.Groups, inside{g.ID, g.Name, g.Mail, g.Security, g.Microsoft365()})
		out.Names = append(out.Names, g.Name)
	}
	return out, nil
}

package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"stanch/connectors"
)

// Group is a group of the directory.
type Group struct {
	ID       string   `json:"id"`
	Name     string   `json:"displayName"`
	Mail     string   `json:"mail"`
	Security bool     `json:"securityEnabled"` // it may give access
	Types    []string `json:"groupTypes"`
}

// Microsoft365 reports whether it is a group with a mailbox and a site.
func (g Group) Microsoft365() bool { return slices.Contains(g.Types, "Unified") }

// groupsPage is the largest page that Graph gives.
const groupsPage = "999"

// GroupsOf lists the groups of which a user is a member, directly or through
// other groups. A user in more than most groups is an error of code limit, so
// that nobody takes a part of the list for all of it. Without the permission to
// read groups Graph answers them without names, which is an error here, too.
//
// Source: learn.microsoft.com/graph/api/user-list-transitivememberof.
func (c *Client) GroupsOf(ctx context.Context, user string, most int) ([]Group, error) {
	op := "list groups of user " + connectors.Plain(user)
	out := []Group{}
	for page, err := range c.api.Pages(ctx, connectors.Request{
		Op: op, Path: connectors.To("users", user, "transitiveMemberOf", "microsoft.graph.group"), Permission: membersRead,
		// The cast is an advanced query, which wants both of these.
		Header: http.Header{"ConsistencyLevel": {"eventual"}},
		Query: []connectors.Param{
			{Key: "$count", Value: "true"}, {Key: "$select", Value: "id,displayName,mail,securityEnabled,groupTypes"}, {Key: "$top", Value: groupsPage},
		},
	}) {
		if err != nil {
			return nil, err
		}
		for _, raw := range page.Items {
			g, err := groupOf(raw)
			if err != nil {
				err.Op, err.RequestID = "graph: "+op, page.Reply.RequestID
				return nil, err
			}
			out = append(out, g)
		}
		if len(out) > most {
			return nil, &connectors.Error{
				Op: "graph: " + op, Code: connectors.Limit, RequestID: page.Reply.RequestID,
				Message: fmt.Sprintf("the user is in more than %d groups", most), Hint: "a part of the list would look like all of it: raise the limit",
			}
		}
	}
	return out, nil
}

func groupOf(raw json.RawMessage) (Group, *connectors.Error) {
	var g struct {
		Group
		Name *string `json:"displayName"`
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		return Group{}, &connectors.Error{Code: connectors.Failed, Message: "an entry of the list is no group: " + connectors.Plain(strings.TrimPrefix(err.Error(), "json: "))}
	}
	switch {
	case g.ID == "":
		return Group{}, &connectors.Error{Code: connectors.Failed, Message: "an entry of the list has no id"}
	case g.Name == nil:
		return Group{}, &connectors.Error{
			Code: connectors.Forbidden, Permission: membersRead, Message: "Graph tells that there are groups, but not their names",
			Hint: "grant it in Entra > App registrations > API permissions with admin consent",
		}
	}
	g.Group.Name = *g.Name
	return g.Group, nil
}

package practice

import (
	"net/http"
	"slices"
	"strings"
)

// memberOf answers the groups that a user is in, directly or through groups in
// groups, in the order of their names.
func (w *world) memberOf(u *user) []*group {
	in := map[string]bool{}
	for again := true; again; {
		again = false
		for id, g := range w.groups {
			if in[id] {
				continue
			}
			if slices.Contains(g.memberIDs, u.ID) || slices.ContainsFunc(g.groupIDs, func(id string) bool { return in[id] }) {
				in[id], again = true, true
			}
		}
	}
	return slices.DeleteFunc(w.sortedGroups(), func(g *group) bool { return !in[g.ID] })
}

// listTransitive answers the groups of a user. The cast to groups is an
// advanced query, which wants the header and $count. An app that may not read
// groups is told that they exist, and no more.
//
// [graph-docs api/user-list-transitivememberof.md, concepts/aad-advanced-queries.md,
// concepts/permissions-overview.md: limited information]
func listTransitive(c *call) (reply, error) {
	u, err := c.readUser()
	if err != nil {
		return reply{}, err
	}
	if !strings.EqualFold(c.r.Header.Get("ConsistencyLevel"), "eventual") || c.query.Get("$count") != "true" {
		return reply{}, fail(http.StatusBadRequest, "Request_UnsupportedQuery",
			"The specified query requires the ConsistencyLevel header with the value eventual and $count=true.")
	}
	limited := !slices.ContainsFunc(c.app.Roles, func(r string) bool { return slices.Contains(groupReaders(), r) })
	return page(c, c.w.memberOf(u), paging{size: 100, max: 999}, func(g *group) object {
		o := c.selector(func() object { return groupWire(g) })
		if limited {
			for k := range o {
				if k != "id" {
					o[k] = nil
				}
			}
		}
		o["@odata.type"] = "#microsoft.graph.group"
		return o
	})
}

func groupReaders() []string {
	return []string{"GroupMember.Read.All", "Group.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"}
}

// protects refuses a sensitive action on the holder of a directory role by an
// app that holds none itself. That User Administrators may act on some roles,
// too, is left out.
//
// [graph-docs api/user-update.md and resources/users.md: who can perform
// sensitive actions]
func (c *call) protects(u *user) error {
	mighty := slices.ContainsFunc(c.app.DirectoryRoles, func(r string) bool {
		return r == "Global Administrator" || r == "Privileged Authentication Administrator"
	})
	if len(u.Roles) == 0 || mighty {
		return nil
	}
	return fail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

// lifecycle refuses a read of the leave date by an app without the role for it.
//
// [graph-docs resources/user.md: employeeLeaveDateTime]
func (c *call) lifecycle() error {
	may := slices.ContainsFunc(c.app.Roles, func(r string) bool { return strings.HasPrefix(r, "User-LifeCycleInfo.Read") })
	if may || !strings.Contains(c.query.Get("$select"), "employeeLeaveDateTime") {
		return nil
	}
	return fail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
}

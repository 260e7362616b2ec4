package practice

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

func resourceNotFound(id string) *failure {
	return fail(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

func (u *user) target() string { return "/users/" + u.ID }

// whole is every property of a user that is served.
func (u *user) whole() object {
	names := strings.Fields(u.Name)
	kind := "Member"
	if u.Guest {
		kind = "Guest"
	}
	o := object{
		"id": u.ID, "userPrincipalName": u.UPN, "displayName": u.Name, "mail": u.Mail, "givenName": names[0],
		"surname": names[len(names)-1], "jobTitle": text(u.Title), "department": text(u.Department),
		"accountEnabled": !u.Disabled, "userType": kind, "businessPhones": []string{}, "mobilePhone": nil,
		"officeLocation": nil, "preferredLanguage": nil, "mailNickname": strings.Split(u.UPN, "@")[0],
		"signInSessionsValidFromDateTime": stamp(u.sessionsFrom), "createdDateTime": stamp(founded()), "employeeLeaveDateTime": nil,
		"onPremisesSyncEnabled": nil,
	}
	if u.Synced {
		o["onPremisesSyncEnabled"] = true
	}
	if u.LeaveDate != "" {
		o["employeeLeaveDateTime"] = u.LeaveDate
	}
	return o
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// wire is what Graph returns without $select [graph-docs user-get.md].
func (u *user) wire() object {
	o := u.whole()
	maps.DeleteFunc(o, func(k string, _ any) bool {
		return !slices.Contains([]string{
			"id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation",
			"preferredLanguage", "surname", "userPrincipalName",
		}, k)
	})
	return o
}

func (c *call) userWire(u *user) (object, error) {
	if c.query.Get("$select") == "" {
		return u.wire(), nil
	}
	all := u.whole()
	for name := range strings.SplitSeq(c.query.Get("$select"), ",") {
		if _, is := all[strings.TrimSpace(name)]; !is {
			return nil, badRequest("Could not find a property named '%s' on type 'microsoft.graph.user'.", strings.TrimSpace(name))
		}
	}
	if err := c.lifecycle(); err != nil {
		return nil, err
	}
	id := all["id"]
	out, f := c.selected(all)
	if f != nil {
		return nil, f
	}
	out["id"] = id
	return out, nil
}

func (c *call) userArg() (*user, error) {
	u := c.w.user(c.args["user"])
	if u == nil {
		return nil, resourceNotFound(c.args["user"])
	}
	return u, nil
}

func (c *call) readUser() (*user, error) {
	u, err := c.userArg()
	if err != nil {
		return nil, err
	}
	return seen(c, u.target(), u), nil
}

func getUser(c *call) (reply, error) {
	u, err := c.readUser()
	if err != nil {
		return reply{}, err
	}
	expand, err := c.expands("manager")
	if err != nil {
		return reply{}, err
	}
	o, err := c.userWire(u)
	if err != nil {
		return reply{}, err
	}
	if m := c.w.user(u.Manager); len(expand) > 0 && m != nil {
		o["manager"] = personWire(m)
	}
	o["@odata.context"] = c.context() + "/$entity"
	return ok(o), nil
}

func personWire(u *user) object {
	o := u.wire()
	o["@odata.type"] = "#microsoft.graph.user"
	return o
}

func getManager(c *call) (reply, error) {
	u, err := c.readUser()
	if err != nil {
		return reply{}, err
	}
	m := c.w.user(u.Manager)
	if m == nil {
		return reply{}, resourceNotFound("manager")
	}
	o, err := c.userWire(m)
	if err != nil {
		return reply{}, err
	}
	o["@odata.type"] = "#microsoft.graph.user"
	o["@odata.context"] = c.origin() + "/v1.0/$metadata#directoryObjects/$entity"
	return ok(o), nil
}

func (w *world) sortedUsers() []*user {
	return slices.SortedFunc(maps.Values(w.users), func(a, b *user) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

func listUsers(c *call) (reply, error) {
	keep, err := c.filter(fields{
		"id": nil, "userPrincipalName": nil, "mail": nil, "displayName": nil, "department": nil, "accountEnabled": bareField(), "userType": nil,
	})
	if err != nil {
		return reply{}, err
	}
	list := []*user{}
	for _, u := range c.w.sortedUsers() {
		u = seen(c, u.target(), u)
		all := u.whole()
		if keep(func(p string) any { return all[p] }) {
			list = append(list, u)
		}
	}
	if len(list) > 0 {
		if _, err := c.userWire(list[0]); err != nil {
			return reply{}, err
		}
	}
	return page(c, list, paging{size: 100, max: 999}, func(u *user) object {
		o, _ := c.userWire(u)
		return o
	})
}

// patchUser changes accountEnabled; User.EnableDisableAccount.All allows no
// other property.
func patchUser(c *call) (reply, error) {
	u, err := c.userArg()
	if err != nil {
		return reply{}, err
	}
	var in map[string]json.RawMessage
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	var enabled *bool
	for key, raw := range in {
		if key != "accountEnabled" {
			return reply{}, fail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation: the property '%s' can't be updated.", key)
		}
		if json.Unmarshal(raw, &enabled) != nil || enabled == nil {
			return reply{}, fail(http.StatusBadRequest, "Request_BadRequest", "Invalid value specified for property 'accountEnabled' of resource 'User'.")
		}
	}
	if enabled == nil {
		return reply{}, fail(http.StatusBadRequest, "Request_BadRequest", "One or more properties to update are required.")
	}
	if err := c.protects(u); err != nil {
		return reply{}, err
	}
	c.keep(u.target(), new(*u))
	before := object{"accountEnabled": !u.Disabled}
	u.Disabled = !*enabled
	c.record(Change{Operation: "user.update", Target: u.target(), Before: before, After: object{"accountEnabled": *enabled}, Status: http.StatusNoContent})
	return noContent(), nil
}

func revokeSessions(c *call) (reply, error) {
	u, err := c.userArg()
	if err != nil {
		return reply{}, err
	}
	c.keep(u.target(), new(*u))
	before := stamp(u.sessionsFrom)
	u.sessionsFrom = c.now.UTC().Truncate(time.Second)
	c.record(Change{Operation: "user.revokeSessions", Target: u.target(), Before: before, After: stamp(u.sessionsFrom), Status: http.StatusOK})
	return ok(object{"@odata.context": c.origin() + "/v1.0/$metadata#Edm.Boolean", "value": true}), nil
}

func (w *world) sortedGroups() []*group {
	return slices.SortedFunc(maps.Values(w.groups), func(a, b *group) int { return cmp.Compare(a.Name, b.Name) })
}

func groupWire(g *group) object {
	return object{
		"id": g.ID, "displayName": g.Name, "mailEnabled": false, "securityEnabled": true, "mailNickname": g.Name,
		"groupTypes": []string{}, "createdDateTime": stamp(founded()), "description": nil, "mail": nil,
	}
}

func listGroups(c *call) (reply, error) {
	keep, err := c.filter(fields{"id": nil, "displayName": nil, "mailNickname": nil})
	if err != nil {
		return reply{}, err
	}
	list := slices.DeleteFunc(c.w.sortedGroups(), func(g *group) bool {
		o := groupWire(g)
		return !keep(func(p string) any { return o[p] })
	})
	return page(c, list, paging{size: 100, max: 999}, func(g *group) object {
		return c.selector(func() object { return groupWire(g) })
	})
}

func getGroup(c *call) (reply, error) {
	g := c.w.groups[strings.ToLower(c.args["group"])]
	if g == nil {
		return reply{}, resourceNotFound(c.args["group"])
	}
	return c.entity(groupWire(g))
}

func listMembers(c *call) (reply, error) {
	g := c.w.groups[strings.ToLower(c.args["group"])]
	if g == nil {
		return reply{}, resourceNotFound(c.args["group"])
	}
	return page(c, slices.Concat(g.memberIDs, g.groupIDs), paging{size: 100, max: 999}, func(id string) object {
		return c.selector(func() object {
			if inner := c.w.groups[id]; inner != nil {
				o := groupWire(inner)
				o["@odata.type"] = "#microsoft.graph.group"
				return o
			}
			return personWire(c.w.users[id])
		})
	})
}

func listOrganization(c *call) (reply, error) {
	return page(c, []Company{c.w.company}, paging{size: 1, max: 1}, func(o Company) object {
		return c.selector(func() object {
			return object{
				"id": o.TenantID, "displayName": o.Name, "tenantType": "AAD", "createdDateTime": stamp(founded()),
				"verifiedDomains": []object{{"name": o.Domain, "isDefault": true, "isInitial": true, "type": "Managed", "capabilities": "Email"}},
			}
		})
	})
}

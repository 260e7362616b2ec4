package practice

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// risk is what Identity Protection thinks of a user; without a state it has
// never thought of them.
//
// [graph-docs resources/riskyuser.md, api/riskyuser-*.md]
type risk struct {
	Risk
	updated time.Time
}

func riskTarget(u *user) string { return "/identityProtection/riskyUsers/" + u.ID }

func riskWire(u *user) object {
	return object{
		"id": u.ID, "isDeleted": false, "isProcessing": false, "riskDetail": u.risk.Detail, "riskLastUpdatedDateTime": stamp(u.risk.updated),
		"riskLevel": u.risk.Level, "riskState": u.risk.State, "userDisplayName": u.Name, "userPrincipalName": u.UPN,
	}
}

func riskStates() []string {
	return []string{"none", "confirmedSafe", "remediated", "dismissed", "atRisk", "confirmedCompromised"}
}

func riskLevels() []string { return []string{"low", "medium", "high", "hidden", "none"} }

func (b *builder) riskOf(at string, r *Risk) risk {
	if r == nil {
		return risk{}
	}
	if !slices.Contains(riskStates(), r.State) || !slices.Contains(riskLevels(), r.Level) {
		b.fail("%s.risk has state %q and level %q; expected those of a riskyUser", at, r.State, r.Level)
	}
	out := risk{*r, founded()}
	out.Detail = cmp.Or(out.Detail, "none")
	return out
}

func listRisky(c *call) (reply, error) {
	keep, err := c.filter(fields{
		"id": nil, "riskState": riskStates(), "riskLevel": riskLevels(), "userPrincipalName": nil, "riskLastUpdatedDateTime": timeField(),
	})
	if err != nil {
		return reply{}, err
	}
	list := []*user{}
	for _, u := range c.w.sortedUsers() {
		u = seen(c, riskTarget(u), u)
		o := riskWire(u)
		if u.risk.State != "" && keep(func(p string) any { return o[p] }) {
			list = append(list, u)
		}
	}
	return page(c, list, paging{size: 100, max: 500}, func(u *user) object {
		return c.selector(func() object { return riskWire(u) })
	})
}

func getRisky(c *call) (reply, error) {
	u := c.w.users[c.args["id"]]
	if u != nil {
		u = seen(c, riskTarget(u), u)
	}
	if u == nil || u.risk.State == "" {
		return reply{}, fail(http.StatusNotFound, "ResourceNotFound", "Risky user '%s' does not exist.", c.args["id"])
	}
	return c.entity(riskWire(u))
}

// maxRisky is how many users one request may name (riskyuser-confirmcompromised.md).
const maxRisky = 60

// judgeRisk answers a handler by which an administrator says what is true of
// users. They are named by object id, not by UPN; one that is nobody spoils the
// request.
func judgeRisk(operation string, verdict Risk) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		var in struct {
			UserIDs []string `json:"userIds"`
		}
		if err := c.decode(&in); err != nil {
			return reply{}, err
		}
		if len(in.UserIDs) == 0 || len(in.UserIDs) > maxRisky {
			return reply{}, fail(http.StatusBadRequest, "BadRequest", "userIds has %d entries; expected 1 to %d.", len(in.UserIDs), maxRisky)
		}
		for _, id := range in.UserIDs {
			if c.w.users[id] == nil {
				return reply{}, fail(http.StatusNotFound, "ResourceNotFound", "User '%s' does not exist.", id)
			}
		}
		for _, id := range in.UserIDs {
			u := c.w.users[id]
			c.keep(riskTarget(u), new(*u))
			before := object{"riskState": u.risk.State, "riskLevel": u.risk.Level, "riskDetail": u.risk.Detail}
			u.risk = risk{verdict, c.now}
			c.record(Change{
				Operation: operation, Target: riskTarget(u), Before: before, Status: http.StatusNoContent,
				After: object{"riskState": u.risk.State, "riskLevel": u.risk.Level, "riskDetail": u.risk.Detail},
			})
		}
		return noContent(), nil
	}
}

func riskRoutes() []route {
	read, write := []string{"IdentityRiskyUser.Read.All"}, []string{"IdentityRiskyUser.ReadWrite.All"}
	const all = "identityProtection/riskyUsers"
	compromised := Risk{State: "confirmedCompromised", Level: "high", Detail: "adminConfirmedUserCompromised"}
	dismissed := Risk{State: "dismissed", Level: "none", Detail: "adminDismissedAllRiskForUser"}
	return []route{
		{directory, http.MethodGet, all, read, []string{"$select", "$filter", "$top", "$skiptoken", "$count"}, cost{}, listRisky},
		{directory, http.MethodGet, all + "/{id}", read, []string{"$select"}, cost{}, getRisky},
		{directory, http.MethodPost, all + "/confirmCompromised", write, nil, cost{}, judgeRisk("riskyUser.confirmCompromised", compromised)},
		{directory, http.MethodPost, all + "/dismiss", write, nil, cost{}, judgeRisk("riskyUser.dismiss", dismissed)},
	}
}

package files

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type shareParams struct {
	File       actions.Ref[incident.File] `json:"file" entity:"file" doc:"file of the evidence, its URL, or <drive id>/<item id>"`
	Role       string                     `json:"role" enum:"read,write" doc:"what they may do"`
	Recipients []string                   `json:"recipients,omitempty" doc:"addresses or object ids of the people, object ids of groups; none for a link of scope anonymous or organization"`
	Link       string                     `json:"link,omitempty" enum:"anonymous,organization,users" doc:"makes a sharing link of this scope; without it each recipient gets a permission of their own"`
	ExpiresAt  *time.Time                 `json:"expires_at,omitempty" doc:"when the access ends by itself"`
}

type shared struct {
	File   incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size"`
	Given  []string      `json:"given" doc:"ids of the permissions that were given"`
	Shared bool          `json:"already_shared" doc:"whether all of it was so before"`
}

// shareRequest gives one permission: a link, or a role for one recipient.
type shareRequest struct {
	Drive   string            `json:"drive"`
	Item    string            `json:"item"`
	Link    *link             `json:"link,omitempty"`
	To      []graph.Recipient `json:"to,omitempty"`
	Role    string            `json:"role"`
	Expires *time.Time        `json:"expires_at,omitempty"`
}

// Share gives access to a file: what files.unshare took away.
func (s Shelf) Share() actions.Action {
	return actions.Spec[shareParams, shared]{
		Doc:   "Give people access to a file, or make a sharing link. No invitation is mailed; nobody loses access.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 6, Send: 5}, Also: throttleSharing, Permissions: writesFiles(),
		Repeat:   actions.RepeatSame, // the same link or permission is answered again, not a second one
		Settling: sharingSettles,
		Source:   "https://learn.microsoft.com/graph/api/driveitem-invite",
		Example:  "file: \"${{ file }}\"\nrole: read\nrecipients: [\"auditor@contoso.example\"]",
		Plan:     s.planShare, Do: s.doShare, Check: s.checkShare, Undo: s.undoShare, Settle: settleShare,
	}.Action()
}

func (p shareParams) valid(now time.Time) error {
	switch {
	case p.Role != "read" && p.Role != "write":
		return problem(connectors.Invalid, "expected read or write", "role is %q", p.Role)
	case !slices.Contains([]string{"", "anonymous", "organization", "users"}, p.Link):
		return problem(connectors.Invalid, "expected anonymous, organization or users, or none for permissions without a link", "link is %q", p.Link)
	case (p.Link == "" || p.Link == "users") && len(p.Recipients) == 0:
		return problem(connectors.Invalid, "name at least one address or object id", "recipients is empty")
	case p.Link != "" && p.Link != "users" && len(p.Recipients) > 0:
		return problem(connectors.Invalid, "leave them out, or make link: users", "a link of scope %s has no recipients", p.Link)
	case p.ExpiresAt != nil && !p.ExpiresAt.After(now):
		return problem(connectors.Invalid, "", "expires_at is %s, which has passed", p.ExpiresAt.Format(time.RFC3339))
	}
	for i, r := range p.Recipients {
		if !strings.Contains(r, "@") && !connectors.IsGUID(r) {
			return problem(connectors.Invalid, "expected an address or an object id", "recipients[%d] is %q", i, connectors.Plain(r))
		}
	}
	return nil
}

// requests are one for a link, else one for each recipient.
func (p shareParams) requests(f subject) []shareRequest {
	r := shareRequest{Drive: f.DriveID, Item: f.ID, Role: p.Role}
	if p.ExpiresAt != nil {
		r.Expires = new(p.ExpiresAt.UTC().Truncate(time.Second))
	}
	var to []graph.Recipient
	for i, who := range p.Recipients {
		if slices.ContainsFunc(p.Recipients[:i], func(o string) bool { return strings.EqualFold(o, who) }) {
			continue
		}
		if connectors.IsGUID(who) {
			to = append(to, graph.Recipient{ObjectID: who})
		} else {
			to = append(to, graph.Recipient{Email: who})
		}
	}
	if p.Link != "" {
		r.Link, r.To = &link{Type: linkType(p.Role), Scope: p.Link}, to
		return []shareRequest{r}
	}
	var out []shareRequest
	for _, one := range to {
		r.To = []graph.Recipient{one}
		out = append(out, r)
	}
	return out
}

func linkType(role string) string {
	if role == "write" {
		return "edit"
	}
	return "view"
}

// state is the permission that the request makes, as far as it can be told.
func (r shareRequest) state() access {
	a := access{Roles: []string{r.Role}, Link: r.Link, Expires: r.Expires}
	for _, to := range r.To {
		a.To = append(a.To, grantee{Kind: "user", ID: to.ObjectID, Email: to.Email})
	}
	return a
}

// slot names the permission among those of its file before it has an id.
func (r shareRequest) slot() string {
	if r.Link != nil {
		return "link:" + r.Link.Scope + ":" + r.Link.Type
	}
	return "grant:" + strings.ToLower(cmp.Or(r.To[0].Email, r.To[0].ObjectID))
}

// holder answers the permission whose place the request takes: the like link,
// or the recipient's own permission, whatever its role.
func (r shareRequest) holder(list []access) *access {
	for i, a := range list {
		if a.Inherited || (a.Link == nil) != (r.Link == nil) {
			continue
		}
		if r.Link == nil && len(a.To) == 1 && a.To[0].is(r.To[0]) {
			return &list[i]
		}
		if r.Link != nil && r.made(a) {
			return &list[i]
		}
	}
	return nil
}

// made reports whether a permission is what the request asks for.
func (r shareRequest) made(a access) bool {
	if a.Inherited || (a.Link == nil) != (r.Link == nil) || !sameTime(a.Expires, r.Expires) {
		return false
	}
	if r.Link == nil && !slices.Contains(a.Roles, r.Role) {
		return false
	}
	if r.Link != nil && (a.Link.Type != r.Link.Type || a.Link.Scope != r.Link.Scope || a.Password) {
		return false
	}
	if !a.named() {
		return true
	}
	return len(a.To) == len(r.To) && !slices.ContainsFunc(r.To, func(to graph.Recipient) bool {
		return !slices.ContainsFunc(a.To, func(g grantee) bool { return g.is(to) })
	})
}

func readShare(e actions.Effect) (shareRequest, error) {
	r, err := actions.Kept[shareRequest](e.Request, "request")
	if err == nil && r.Link == nil && len(r.To) != 1 {
		err = problem(connectors.Invalid, "it was kept by another version", "the request of the effect names %d recipients, not one", len(r.To))
	}
	return r, err
}

func (s Shelf) planShare(ctx context.Context, c actions.Call, p shareParams) ([]actions.Effect, shared, error) {
	if err := p.valid(c.Now); err != nil {
		return nil, shared{}, err
	}
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, shared{}, err
	}
	if f.library() {
		return nil, shared{}, wholeLibrary(f)
	}
	list, err := s.access(ctx, f.DriveID, f.ID)
	if err != nil {
		return nil, shared{}, err
	}
	out := shared{File: f.record, Given: []string{}}
	var effects []actions.Effect
	for _, r := range p.requests(f) {
		before, state := gone(), r.state()
		if held := r.holder(list); held != nil {
			if r.made(*held) || held.owner() {
				continue
			}
			before = actions.JSON(held)
		}
		effects = append(effects, actions.Effect{
			Target: f.permission(state.name(f.Name), r.slot()), Before: before, After: actions.JSON(state), Request: actions.JSON(r),
		})
	}
	out.Shared = len(effects) == 0
	return effects, out, nil
}

func (s Shelf) doShare(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := readShare(e)
	if err != nil {
		return actions.Outcome{}, err
	}
	var expires time.Time
	if r.Expires != nil {
		expires = *r.Expires
	}
	change := connectors.Change(c.Sending)
	if r.Link != nil {
		p, created, err := s.Graph.CreateLink(ctx, change, r.Drive, r.Item, graph.NewLink{
			Type: r.Link.Type, Scope: r.Link.Scope, Recipients: r.To, ExpiresAt: expires, KeepInherited: true,
		})
		if err != nil {
			return actions.Outcome{}, err
		}
		return actions.Outcome{After: actions.JSON(accessOf(p)), AlreadySo: !created}, nil
	}
	given, err := s.Graph.Invite(ctx, change, r.Drive, r.Item, graph.Grant{
		Recipients: r.To, Roles: []string{r.Role}, SignIn: true, ExpiresAt: expires, KeepInherited: true,
	})
	if err != nil || len(given) == 0 {
		return actions.Outcome{}, err
	}
	return actions.Outcome{After: actions.JSON(accessOf(given[0]))}, nil
}

func (s Shelf) checkShare(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := readShare(e)
	if err != nil {
		return actions.Finding{}, err
	}
	list, err := s.access(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Finding{Answer: actions.CannotTell, Why: "the file is no longer to be seen"}, nil
	}
	if err != nil {
		return actions.Finding{}, err
	}
	for _, a := range list {
		if r.made(a) {
			return actions.Finding{Answer: actions.Happened, After: actions.JSON(a), Why: "the permission is there"}, nil
		}
	}
	return actions.Finding{Answer: actions.DidNot, Why: "the permission is not there"}, nil
}

func (s Shelf) undoShare(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := readShare(e)
	if err != nil {
		return actions.Inverse{}, err
	}
	after, err := actions.Kept[access](e.After, "state after")
	if err != nil {
		return actions.Inverse{}, err
	}
	list, err := s.access(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: gone(), Why: "the file is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	now := byID(list, after.ID)
	if now == nil {
		now = r.holder(list)
	}
	switch {
	case now == nil:
		return actions.Inverse{Changed: true, Present: gone(), Why: "the access has been taken away since"}, nil
	case !r.made(*now):
		return actions.Inverse{Changed: true, Present: actions.JSON(now), Why: "the permission has been changed since"}, nil
	}
	return s.takeBack(e, r, *now)
}

// takeBack is the inverse of a permission given: gone again, or as it was.
func (s Shelf) takeBack(e actions.Effect, r shareRequest, now access) (actions.Inverse, error) {
	before, err := actions.Kept[*access](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	target := e.Target
	if before == nil {
		target.ID = r.Drive + "/" + r.Item + "/" + now.ID
		return actions.Inverse{Present: actions.JSON(now), Effect: &actions.Effect{
			Action: "files.unshare", Class: actions.Writes, Target: target, Before: actions.JSON(now), After: gone(),
			Request: actions.JSON(unshareRequest{Drive: r.Drive, Item: r.Item, Permission: now.ID}),
		}}, nil
	}
	request, why := before.again()
	if why != "" {
		return actions.Inverse{Present: actions.JSON(now), Why: why}, nil
	}
	request.Drive, request.Item = r.Drive, r.Item
	return actions.Inverse{Present: actions.JSON(now), Widens: before.writes() && !now.writes(), Effect: &actions.Effect{
		Action: "files.share", Class: actions.Writes, Target: target, Before: actions.JSON(now), After: actions.JSON(before), Request: actions.JSON(request),
	}}, nil
}

// again is the request that gives the permission back, or why there is none.
func (a access) again() (shareRequest, string) {
	r := shareRequest{Role: "read", Expires: a.Expires}
	if a.writes() {
		r.Role = "write"
	}
	if a.Link == nil && (len(a.Roles) != 1 || a.Roles[0] != "read" && a.Roles[0] != "write") {
		return r, "Graph gives read and write only, not " + cmp.Or(strings.Join(a.Roles, " and "), "a role it does not tell")
	}
	for _, g := range a.To {
		to, ok := g.recipient()
		if !ok {
			return r, "Graph cannot give access to " + g.called() + ", which is a " + cmp.Or(g.Kind, "grantee without a kind")
		}
		r.To = append(r.To, to)
	}
	if a.Link == nil {
		if len(r.To) != 1 {
			return r, "Graph does not tell whom the permission was for"
		}
		return r, ""
	}
	r.Link = &link{Type: a.Link.Type, Scope: a.Link.Scope}
	switch {
	case a.Link.Type != "view" && a.Link.Type != "edit":
		return r, "Graph makes view and edit links only, not " + cmp.Or(a.Link.Type, "one of a type it does not tell")
	case !slices.Contains([]string{"anonymous", "organization", "users"}, a.Link.Scope):
		return r, "Graph makes no links of scope " + cmp.Or(a.Link.Scope, "it does not tell")
	case a.Link.Scope != "users":
		r.To = nil
	}
	return r, ""
}

// recipient is how a request names the grantee.
func (g grantee) recipient() (graph.Recipient, bool) {
	switch g.Kind {
	case "group":
		return graph.Recipient{ObjectID: g.ID}, connectors.IsGUID(g.ID)
	case "user", "siteUser":
		if g.Email != "" {
			return graph.Recipient{Email: g.Email}, true
		}
		return graph.Recipient{ObjectID: g.ID}, connectors.IsGUID(g.ID)
	}
	return graph.Recipient{}, false
}

// settleShare tells which permissions were really given.
func settleShare(out shared, effects []actions.Effect) shared {
	out.Given = []string{}
	for _, e := range effects {
		if a, err := actions.Kept[*access](e.After, "state after"); e.Status == actions.Done && err == nil && a != nil && a.ID != "" {
			out.Given = append(out.Given, a.ID)
		}
	}
	return out
}

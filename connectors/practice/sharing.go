package practice

import (
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"time"
)

func listPermissions(c *call) (reply, error) {
	i, err := c.readItem()
	if err != nil {
		return reply{}, err
	}
	tag := i.permissionTag()
	if m := c.r.Header.Get("If-None-Match"); m != "" && m == tag {
		return reply{status: http.StatusNotModified}, nil
	}
	out, err := page(c, i.effective(), paging{size: 1000, max: 1000}, func(s source) object {
		return c.selector(s.wire)
	})
	if err != nil {
		return out, err
	}
	return out.with("ETag", tag), nil
}

// permissionTag changes when a permission of the item or above it changes.
func (i *item) permissionTag() string {
	var all []string
	for _, s := range i.effective() {
		all = append(all, s.id, strings.Join(s.roles, ","))
	}
	return "\"" + hexID(all...)[:16] + "\""
}

func getPermission(c *call) (reply, error) {
	i, err := c.readItem()
	if err != nil {
		return reply{}, err
	}
	s, is := i.permission(c.args["permission"])
	if !is {
		return reply{}, notFound()
	}
	return c.entity(s.wire())
}

// own answers a permission of the item itself, for a write: inherited ones are
// changed on the ancestor [graph-docs permission-delete.md], and an owner
// keeps the item.
func (c *call) own() (*item, *permission, error) {
	i, err := c.item()
	if err != nil {
		return nil, nil, err
	}
	s, is := i.permission(c.args["permission"])
	if !is {
		return nil, nil, notFound()
	}
	if err := c.matches(i); err != nil {
		return nil, nil, err
	}
	if s.from != nil {
		return nil, nil, fail(http.StatusBadRequest, "invalidRequest", "The permission is inherited and can only be changed on the item it is inherited from.")
	}
	if slices.Contains(s.roles, "owner") {
		return nil, nil, fail(http.StatusForbidden, "accessDenied", "The permission of an owner can't be changed.")
	}
	return i, s.permission, nil
}

func deletePermission(c *call) (reply, error) {
	i, p, err := c.own()
	if err != nil {
		return reply{}, err
	}
	c.keepItem(i)
	i.perms = slices.DeleteFunc(slices.Clone(i.perms), func(o *permission) bool { return o == p })
	c.record(Change{Operation: "permission.delete", Target: i.target() + "/permissions/" + p.id, Before: p.canonical(), Status: http.StatusNoContent})
	return noContent(), nil
}

func roleList(roles []string) ([]string, error) {
	if len(roles) != 1 || (roles[0] != "read" && roles[0] != "write") {
		return nil, fail(http.StatusBadRequest, "invalidRequest", "The roles must be exactly one of read and write.")
	}
	return roles, nil
}

func patchPermission(c *call) (reply, error) {
	i, p, err := c.own()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Roles   []string   `json:"roles"`
		Expires *time.Time `json:"expirationDateTime"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	roles, err := roleList(in.Roles)
	if err != nil {
		return reply{}, err
	}
	if p.link != nil {
		return reply{}, fail(http.StatusBadRequest, "notSupported", "The role of a sharing link can't be changed; make another link.")
	}
	before := p.canonical()
	c.keepItem(i)
	p.roles = roles
	if in.Expires != nil {
		p.expires = in.Expires
	}
	c.record(Change{Operation: "permission.update", Target: i.target() + "/permissions/" + p.id, Before: before, After: p.canonical(), Status: http.StatusOK})
	return c.entity(source{p, nil}.wire())
}

type recipient struct {
	Email    string `json:"email"`
	Alias    string `json:"alias"`
	ObjectID string `json:"objectId"`
}

// identify answers the identity of a recipient: someone of the company by
// object id, alias or address, a group by object id, or any outside address.
func (c *call) identify(r recipient) (identity, error) {
	if g := c.w.groups[strings.ToLower(r.ObjectID)]; g != nil {
		return identity{kind: "group", id: g.ID, name: g.Name, login: "c:0t.c|tenant|" + g.ID}, nil
	}
	for _, name := range []string{r.ObjectID, r.Alias, r.Email} {
		if name != "" && c.w.userByName(name) != nil {
			return c.w.identityOf(name), nil
		}
	}
	if a, err := mail.ParseAddress(r.Email); err == nil && a.Address == r.Email {
		return c.w.identityOf(r.Email), nil
	}
	return identity{}, fail(http.StatusBadRequest, "invalidRequest", "One of the provided recipients is not valid.")
}

func (c *call) recipients(in []recipient) ([]identity, error) {
	var out []identity
	for _, r := range in {
		who, err := c.identify(r)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(out, func(o identity) bool { return o.login == who.login }) {
			out = append(out, who)
		}
	}
	return out, nil
}

type linkBody struct {
	Type       string      `json:"type"`
	Scope      string      `json:"scope"`
	Expires    *time.Time  `json:"expirationDateTime"`
	Password   string      `json:"password"`
	Recipients []recipient `json:"recipients"`
	Retain     *bool       `json:"retainInheritedPermissions"`
	Notify     bool        `json:"sendNotification"`
}

// createLink answers 201 with a new link, or 200 with the link of the same
// type, scope, people and expiry that is there [graph-docs driveitem-createlink.md].
func createLink(c *call) (reply, error) {
	i, err := c.item()
	if err != nil {
		return reply{}, err
	}
	var in linkBody
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	to, err := c.checkLink(&in)
	if err != nil {
		return reply{}, err
	}
	ask := linkAsk{kind: in.Type, scope: in.Scope, to: to, expires: in.Expires, password: in.Password != ""}
	if p := i.linkLike(ask); p != nil && !c.breaks(i, in.Retain) {
		return c.entity(source{p, nil}.wire())
	}
	c.keepItem(i)
	c.unlinkParents(i, in.Retain)
	p := c.w.link(i, ask)
	i.perms = append(slices.Clone(i.perms), p)
	c.record(Change{Operation: "permission.createLink", Target: i.target() + "/permissions/" + p.id, After: p.canonical(), Status: http.StatusCreated})
	out := source{p, nil}.wire()
	out["@odata.context"] = c.context()
	return created(out), nil
}

func (c *call) checkLink(in *linkBody) ([]identity, error) {
	if in.Scope == "" {
		in.Scope = "organization"
	}
	switch {
	case in.Type != "view" && in.Type != "edit":
		return nil, fail(http.StatusBadRequest, "invalidRequest", "The link type '%s' is not supported; expected view or edit.", in.Type)
	case !slices.Contains([]string{"anonymous", "organization", "users"}, in.Scope):
		return nil, fail(http.StatusBadRequest, "invalidRequest", "The link scope '%s' is not supported; expected anonymous, organization or users.", in.Scope)
	case in.Password != "":
		return nil, fail(http.StatusBadRequest, "notSupported", "Links with a password are supported for OneDrive Personal only.")
	case in.Scope != "users" && len(in.Recipients) > 0:
		return nil, fail(http.StatusBadRequest, "invalidRequest", "Recipients go with the link scope users.")
	case in.Expires != nil && !in.Expires.After(c.now):
		return nil, fail(http.StatusBadRequest, "invalidRequest", "The expiration is in the past.")
	}
	return c.recipients(in.Recipients)
}

// linkLike answers the item's link that ask would make again.
func (i *item) linkLike(ask linkAsk) *permission {
	for _, p := range i.perms {
		if p.link == nil || p.link.kind != ask.kind || p.link.scope != ask.scope || p.hasPassword {
			continue
		}
		if (p.expires == nil) != (ask.expires == nil) || p.expires != nil && !p.expires.Equal(*ask.expires) {
			continue
		}
		if slices.Equal(logins(p.to), logins(ask.to)) {
			return p
		}
	}
	return nil
}

func logins(to []identity) []string {
	out := []string{}
	for _, who := range to {
		out = append(out, who.login)
	}
	slices.Sort(out)
	return out
}

// breaks reports whether the call stops the item from inheriting.
func (c *call) breaks(i *item, retain *bool) bool {
	return retain != nil && !*retain && !i.broken
}

// unlinkParents stops the item from inheriting where the call asked for it:
// retainInheritedPermissions false.
func (c *call) unlinkParents(i *item, retain *bool) {
	if !c.breaks(i, retain) {
		return
	}
	i.broken = true
	c.record(Change{Operation: "permission.breakInheritance", Target: i.target(), Before: false, After: true, Status: http.StatusOK})
}

type inviteBody struct {
	Recipients []recipient `json:"recipients"`
	Roles      []string    `json:"roles"`
	SignIn     bool        `json:"requireSignIn"`
	Send       bool        `json:"sendInvitation"`
	Message    string      `json:"message"`
	Expires    *time.Time  `json:"expirationDateTime"`
	Password   string      `json:"password"`
	Retain     *bool       `json:"retainInheritedPermissions"`
}

// invite grants a role to people; someone who has one of their own gets the
// new role in its place [graph-docs driveitem-invite.md].
func invite(c *call) (reply, error) {
	i, err := c.item()
	if err != nil {
		return reply{}, err
	}
	var in inviteBody
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	roles, err := roleList(in.Roles)
	if err != nil {
		return reply{}, err
	}
	switch {
	case len(in.Recipients) == 0:
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "At least one recipient is required.")
	case len(in.Message) > 2000:
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "The message is longer than 2000 characters.")
	case in.Password != "":
		return reply{}, fail(http.StatusBadRequest, "notSupported", "A password is supported for OneDrive Personal only.")
	case !in.SignIn && !in.Send:
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "At least one of requireSignIn and sendInvitation must be true.")
	}
	to, err := c.recipients(in.Recipients)
	if err != nil {
		return reply{}, err
	}
	c.keepItem(i)
	c.unlinkParents(i, in.Retain)
	value := []object{}
	for _, who := range to {
		value = append(value, c.admit(i, who, roles, in.Expires).wire())
	}
	return ok(object{"@odata.context": c.context(), "value": value}), nil
}

// admit gives one identity its direct permission.
func (c *call) admit(i *item, who identity, roles []string, expires *time.Time) source {
	p := c.w.grant(who, roles...)
	p.expires = expires
	perms := slices.Clone(i.perms)
	var before any
	at := slices.IndexFunc(perms, func(o *permission) bool { return o.id == p.id })
	if at >= 0 {
		if slices.Contains(perms[at].roles, "owner") {
			return source{perms[at], nil}
		}
		before, perms[at] = perms[at].canonical(), p
	} else {
		perms = append(perms, p)
	}
	i.perms = perms
	c.record(Change{Operation: "permission.invite", Target: i.target() + "/permissions/" + p.id, Before: before, After: p.canonical(), Status: http.StatusOK})
	return source{p, nil}
}

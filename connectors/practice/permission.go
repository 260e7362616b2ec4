package practice

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// permission is one permission of an item, a grant or a link.
type permission struct {
	id          string
	roles       []string
	to          []identity
	link        *sharingLink
	expires     *time.Time
	hasPassword bool
	invited     string
}

type sharingLink struct {
	kind, scope, url string
	preventsDownload bool
}

// identity is who is granted something: kind is user, group or siteGroup.
type identity struct {
	kind, id, name, mail, login string
}

// grant makes the direct permission of one identity. Its id follows from the
// login name, so that granting twice meets the same permission, as in
// SharePoint.
func (w *world) grant(who identity, roles ...string) *permission {
	p := &permission{id: encodeLogin(who.login), roles: roles, to: []identity{who}}
	if strings.Contains(who.login, "#ext#") {
		p.invited = who.mail
	}
	return p
}

func encodeLogin(login string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(login))
}

// identityOf answers the identity of a user by object id, upn or address; an
// address that nobody here has is an outsider who has not been here yet.
func (w *world) identityOf(name string) identity {
	u := w.userByName(name)
	if u == nil {
		return identity{
			kind: "user", id: guid(w.company.TenantID, "user", strings.ToLower(name)), name: name, mail: name,
			login: "i:0#.f|membership|" + strings.ReplaceAll(strings.ToLower(name), "@", "_") + "#ext#@" + w.company.Domain,
		}
	}
	return identity{
		kind: "user", id: u.ID, name: u.Name, mail: u.Mail,
		login: "i:0#.f|membership|" + strings.ToLower(u.UPN),
	}
}

type linkAsk struct {
	kind, scope string
	to          []identity
	expires     *time.Time
	password    bool
}

// link makes a sharing link with an id and URL of its own.
func (w *world) link(it *item, ask linkAsk) *permission {
	w.nextID++
	id := guid(it.unique, "link", fmt.Sprint(w.nextID))
	role := "read"
	if ask.kind == "edit" {
		role = "write"
	}
	letter := map[string]string{".xlsx": ":x:", ".docx": ":w:", ".pptx": ":p:", ".pdf": ":b:"}[extension(it.name)]
	if letter == "" {
		letter = ":u:"
	}
	secret := base64.RawURLEncoding.EncodeToString([]byte(guid(id, "secret")))
	return &permission{
		id: id, roles: []string{role}, to: ask.to, expires: ask.expires, hasPassword: ask.password,
		link: &sharingLink{
			kind: ask.kind, scope: ask.scope,
			url: "https://" + it.drive.site.host + "/" + letter + "/g" + it.drive.site.path + "/E" + secret,
		},
	}
}

func extension(name string) string {
	if at := strings.LastIndexByte(name, '.'); at >= 0 {
		return strings.ToLower(name[at:])
	}
	return ""
}

// source says where an effective permission comes from; from is nil for the
// item's own.
type source struct {
	*permission
	from *item
}

// effective answers the item's own permissions and those it inherits, its own
// first.
func (i *item) effective() []source {
	var out []source
	for at := i; at != nil; at = at.parent {
		for _, p := range at.perms {
			if at == i {
				out = append(out, source{p, nil})
			} else if !slices.ContainsFunc(out, func(s source) bool { return s.id == p.id }) {
				out = append(out, source{p, at})
			}
		}
		if at.broken {
			break
		}
	}
	return out
}

func (i *item) permission(id string) (source, bool) {
	for _, s := range i.effective() {
		if s.id == id {
			return s, true
		}
	}
	return source{}, false
}

// wire is the permission as Graph sends it, with the deprecated pair
// grantedTo and grantedToIdentities that it still sends beside V2.
func (s source) wire() object {
	o := object{"id": s.id, "roles": s.roles}
	if s.from != nil {
		o["inheritedFrom"] = object{
			"driveId": s.from.drive.id, "driveType": s.from.drive.kind, "id": s.from.id,
			"path": drivePath(s.from), "name": s.from.name,
		}
	}
	if s.expires != nil {
		o["expirationDateTime"] = stamp(*s.expires)
	}
	if s.link == nil {
		who := s.to[0]
		o["grantedToV2"], o["grantedTo"] = who.v2(), who.v1()
		if s.invited != "" {
			o["invitation"] = object{"email": s.invited, "signInRequired": true}
		}
		return o
	}
	o["hasPassword"] = s.hasPassword
	o["shareId"] = "u!" + base64.RawURLEncoding.EncodeToString([]byte(s.link.url))
	o["link"] = object{
		"type": s.link.kind, "scope": s.link.scope, "webUrl": s.link.url, "preventsDownload": s.link.preventsDownload,
	}
	if s.link.scope == "users" {
		v2, v1 := []object{}, []object{}
		for _, who := range s.to {
			v2, v1 = append(v2, who.v2()), append(v1, who.v1())
		}
		o["grantedToIdentitiesV2"], o["grantedToIdentities"] = v2, v1
	}
	return o
}

func (i identity) v2() object {
	site := object{"id": fmt.Sprint(i.spNumber()), "displayName": i.name, "loginName": i.login}
	base := object{"id": i.id, "displayName": i.name}
	switch i.kind {
	case "siteGroup":
		return object{"siteGroup": object{"id": i.id, "displayName": i.name, "loginName": i.login}}
	case "group":
		return object{"group": base, "siteUser": site}
	}
	base["email"], site["email"] = i.mail, i.mail
	return object{"user": base, "siteUser": site}
}

func (i identity) v1() object {
	base := object{"displayName": i.name}
	if i.kind == "user" {
		base["id"], base["email"] = i.id, i.mail
	}
	return object{"user": base}
}

// spNumber is the identity's number in a site's user list.
func (i identity) spNumber() int {
	n := 10
	for _, c := range i.login {
		n = (n*31 + int(c)) % 9973
	}
	return n + 10
}

// canonical is the permission without what a write changes by itself.
func (p *permission) canonical() object {
	to := []string{}
	for _, who := range p.to {
		if who.mail != "" {
			to = append(to, strings.ToLower(who.mail))
		} else {
			to = append(to, who.name)
		}
	}
	slices.Sort(to)
	o := object{"roles": p.roles, "to": to}
	if p.link != nil {
		o["link"], o["scope"] = p.link.kind, p.link.scope
		o["prevents_download"], o["has_password"] = p.link.preventsDownload, p.hasPassword
	}
	if p.expires != nil {
		o["expires"] = stamp(*p.expires)
	}
	return o
}

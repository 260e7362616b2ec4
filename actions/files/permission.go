package files

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
)

// access is the state of one permission, as receipts keep it. Addresses of
// links are left out: who has one has the access.
type access struct {
	ID       string     `json:"id,omitempty"`
	Roles    []string   `json:"roles"`
	Link     *link      `json:"link,omitempty"`
	To       []grantee  `json:"to,omitempty"`
	Expires  *time.Time `json:"expires_at,omitempty"`
	Password bool       `json:"password,omitempty"`

	Inherited bool `json:"inherited,omitempty"`
	from      string
}

type link struct {
	Type             string `json:"type"`
	Scope            string `json:"scope"`
	PreventsDownload bool   `json:"prevents_download,omitempty"`
}

// grantee is whom a permission is for.
type grantee struct {
	Kind  string `json:"kind"`
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	Login string `json:"login,omitempty"`
}

func accessOf(p graph.Permission) access {
	a := access{ID: p.ID, Roles: append([]string{}, p.Roles...), Password: p.HasPassword, Inherited: p.Inherited, from: p.InheritedFrom}
	if p.Link != nil {
		a.Link = &link{Type: p.Link.Type, Scope: p.Link.Scope, PreventsDownload: p.Link.PreventsDownload}
	}
	people := slices.Clone(p.GrantedToIdentities)
	if p.GrantedTo != nil && p.GrantedTo.Kind != "" {
		people = append(people, *p.GrantedTo)
	}
	for _, i := range people {
		a.To = append(a.To, grantee{Kind: i.Kind, ID: i.ID, Name: i.Name, Email: i.Email, Login: i.LoginName})
	}
	if p.Link == nil && p.Invitation != nil && len(a.To) == 0 && p.Invitation.Email != "" {
		a.To = []grantee{{Kind: "user", Email: p.Invitation.Email}}
	}
	slices.Sort(a.Roles)
	slices.SortFunc(a.To, func(x, y grantee) int { return cmp.Compare(x.key(), y.key()) })
	if !p.ExpiresAt.IsZero() {
		a.Expires = new(p.ExpiresAt.UTC().Truncate(time.Second))
	}
	return a
}

// access lists who may do what with an item, in the order of their ids.
func (s Shelf) access(ctx context.Context, drive, item string) ([]access, error) {
	list, err := s.Graph.Permissions(ctx, drive, item)
	if err != nil {
		return nil, err
	}
	out := make([]access, 0, len(list))
	for _, p := range list {
		out = append(out, accessOf(p))
	}
	slices.SortFunc(out, func(a, b access) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func byID(list []access, id string) *access {
	for i := range list {
		if list[i].ID == id {
			return &list[i]
		}
	}
	return nil
}

// key tells grantees apart: two with the same key are one.
func (g grantee) key() string {
	return strings.ToLower(cmp.Or(g.Email, login(g.Login), g.ID, g.Name))
}

// login is the name in a SharePoint login, as in i:0#.f|membership|kim@x.example.
func login(s string) string { return s[strings.LastIndexByte(s, '|')+1:] }

// is reports whether the recipient of a request is this grantee.
func (g grantee) is(r graph.Recipient) bool {
	if r.ObjectID != "" && strings.EqualFold(g.ID, r.ObjectID) {
		return true
	}
	return r.Email != "" && (strings.EqualFold(g.Email, r.Email) || strings.EqualFold(login(g.Login), r.Email) ||
		strings.EqualFold(g.ID, r.Email))
}

// like reports whether two permissions give the same access to the same
// people, whatever their ids.
func (a access) like(b access) bool {
	same := slices.Equal(a.Roles, b.Roles) && a.Password == b.Password && (a.Link == nil) == (b.Link == nil) && sameTime(a.Expires, b.Expires)
	if !same || a.Link != nil && *a.Link != *b.Link {
		return false
	}
	return !a.named() || slices.EqualFunc(a.To, b.To, func(x, y grantee) bool { return x.key() == y.key() })
}

// named reports whether the permission is for the people it names. Of other
// links Graph may tell who has used them.
func (a access) named() bool { return a.Link == nil || a.Link.Scope == "users" }

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}

// owner reports whether the permission is an owner's, in Graph's word or in
// SharePoint's.
func (a access) owner() bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool {
		return strings.EqualFold(r, "owner") || strings.EqualFold(r, "sp.owner")
	})
}

// The ways in which a permission is given.
const (
	viaLink        = "link"
	viaUser        = "user"
	viaGroup       = "group"
	viaSiteGroup   = "site_group"
	viaApplication = "application"
	viaUnknown     = "unknown"
)

// via is the way in which the permission is given. A grantee in several clothes
// counts as the widest.
func (a access) via() string {
	if a.Link != nil {
		return viaLink
	}
	way := viaUnknown
	for _, g := range a.To {
		switch g.Kind {
		case "siteGroup", "sharePointGroup":
			return viaSiteGroup
		case "group":
			way = viaGroup
		case "application":
			way = viaApplication
		case "user", "siteUser":
			if way == viaUnknown {
				way = viaUser
			}
			if g.everyoneInside() || strings.EqualFold(g.Login, everyone) {
				way = viaGroup
			}
		}
	}
	return way
}

// writes reports whether the permission lets people change the file.
func (a access) writes() bool {
	return slices.ContainsFunc(a.Roles, func(r string) bool { return !strings.EqualFold(r, "read") })
}

// name says what the permission is, as a person would call it.
func (a access) name(file string) string {
	role := strings.Join(a.Roles, " and ")
	if a.Link == nil {
		return cmp.Or(role, "unknown") + " permission of " + a.people() + " on " + file
	}
	kind := cmp.Or(a.Link.Type, "sharing") + " link"
	switch a.Link.Scope {
	case "users":
		return kind + " for " + a.people() + " on " + file
	case "organization":
		return "organization-wide " + kind + " on " + file
	}
	return strings.TrimSpace(a.Link.Scope+" "+kind) + " on " + file
}

func (a access) people() string {
	switch len(a.To) {
	case 0:
		return "somebody"
	case 1:
		return a.To[0].called()
	case 2:
		return a.To[0].called() + " and " + a.To[1].called()
	}
	return a.To[0].called() + " and others"
}

func (g grantee) called() string {
	return cmp.Or(g.Email, g.Name, login(g.Login), g.ID, "somebody")
}

// The reaches of a permission, widest first.
const (
	anonymous    = "anonymous"
	external     = "external"
	organization = "organization"
	internal     = "internal"
)

// scope is how far a permission reaches.
func (s Shelf) scope(a access) (string, error) {
	if a.Link != nil && a.Link.Scope == anonymous {
		return anonymous, nil
	}
	reach := internal
	if a.Link != nil && a.Link.Scope == organization {
		reach = organization
	}
	for _, g := range a.To {
		out, err := s.outside(g)
		if err != nil {
			return "", err
		}
		if out {
			return external, nil
		}
		if g.everyoneInside() {
			reach = organization
		}
	}
	return reach, nil
}

// Logins of SharePoint's claims for everybody
// (learn.microsoft.com/sharepoint/default-user-groups).
const (
	everyone       = "c:0(.s|true"
	everyoneInside = "spo-grid-all-users/"
)

func (g grantee) everyoneInside() bool {
	return strings.Contains(strings.ToLower(g.Login), everyoneInside)
}

// outside reports whether a grantee is a guest or has an address elsewhere.
// Groups and applications count as inside: Graph does not tell their members
// here.
func (s Shelf) outside(g grantee) (bool, error) {
	l := strings.ToLower(g.Login)
	switch {
	case strings.Contains(l, "#ext#"), strings.Contains(l, "urn:spo:guest"), strings.Contains(l, "urn%3aspo%3aguest"), l == everyone:
		return true, nil
	case g.Kind != "user" && g.Kind != "siteUser", g.everyoneInside(), strings.HasSuffix(l, `sharepoint\system`), strings.HasSuffix(l, "|app@sharepoint"):
		return false, nil
	case len(s.OwnDomains) == 0:
		return false, problem(connectors.Invalid, "set the organization's own domains in the configuration", "it cannot be told who is outside: no own domain is known")
	}
	_, domain, _ := strings.Cut(cmp.Or(g.Email, login(g.Login)), "@")
	return !slices.ContainsFunc(s.OwnDomains, func(own string) bool { return strings.EqualFold(own, domain) }), nil
}

package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
)

// Identity is whom something is granted to.
type Identity struct {
	Kind      string // user, group, siteGroup, sharePointGroup, application, siteUser; empty: nobody named
	ID        string
	Name      string
	Email     string
	LoginName string // SharePoint's, where sent; that of a guest holds #ext#
}

// Link is the sharing link of a permission.
type Link struct {
	Type             string // view, edit, embed, …
	Scope            string // anonymous, organization, users, existingAccess
	WebURL           string
	PreventsDownload bool
	Application      string
}

// Invitation is how a permission was given.
type Invitation struct {
	Email          string
	SignInRequired bool
	RedeemedBy     string
}

// Permission is one entry of who may do what with an item. Inherited ones can
// only be removed where they stand, on InheritedFrom.
type Permission struct {
	ID                  string
	Roles               []string
	Link                *Link
	GrantedTo           *Identity
	GrantedToIdentities []Identity // of a link to named people
	Invitation          *Invitation
	Inherited           bool
	InheritedFrom       string // id of the item it stands on, if named
	ExpiresAt           time.Time
	HasPassword         bool
	ShareID             string
}

// UnmarshalJSON reads a permission in its present form and, where that is
// missing, the deprecated grantedTo and grantedToIdentities
// (learn.microsoft.com/graph/api/resources/permission).
func (p *Permission) UnmarshalJSON(b []byte) error {
	var w struct {
		ID         string        `json:"id"`
		Roles      []string      `json:"roles"`
		To         *identitySet  `json:"grantedToV2"`
		OldTo      *identitySet  `json:"grantedTo"`
		People     []identitySet `json:"grantedToIdentitiesV2"`
		OldPeople  []identitySet `json:"grantedToIdentities"`
		Expires    *time.Time    `json:"expirationDateTime"`
		Password   bool          `json:"hasPassword"`
		ShareID    string        `json:"shareId"`
		Invitation *struct {
			Email          string `json:"email"`
			SignInRequired bool   `json:"signInRequired"`
			RedeemedBy     string `json:"redeemedBy"`
		} `json:"invitation"`
		Inherited *struct {
			ID string `json:"id"`
		} `json:"inheritedFrom"`
		Link *struct {
			Type             string `json:"type"`
			Scope            string `json:"scope"`
			WebURL           string `json:"webUrl"`
			PreventsDownload bool   `json:"preventsDownload"`
			Application      struct {
				Name string `json:"displayName"`
			} `json:"application"`
		} `json:"link"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*p = Permission{ID: w.ID, Roles: w.Roles, HasPassword: w.Password, ShareID: w.ShareID, Inherited: w.Inherited != nil}
	if w.Inherited != nil {
		p.InheritedFrom = w.Inherited.ID
	}
	if w.Expires != nil && w.Expires.Year() > 1 { // year 1 means never
		p.ExpiresAt = *w.Expires
	}
	if l := w.Link; l != nil {
		p.Link = &Link{Type: l.Type, Scope: l.Scope, WebURL: l.WebURL, PreventsDownload: l.PreventsDownload, Application: l.Application.Name}
	}
	if i := w.Invitation; i != nil {
		p.Invitation = &Invitation{Email: i.Email, SignInRequired: i.SignInRequired, RedeemedBy: i.RedeemedBy}
	}
	if w.To == nil {
		w.To = w.OldTo
	}
	if w.To != nil {
		to := w.To.identity()
		p.GrantedTo = &to
	}
	if len(w.People) == 0 {
		w.People = w.OldPeople
	}
	for _, s := range w.People {
		p.GrantedToIdentities = append(p.GrantedToIdentities, s.identity())
	}
	return nil
}

// identitySet is one identity in up to six clothes.
type identitySet struct {
	User            *wireIdentity `json:"user"`
	Group           *wireIdentity `json:"group"`
	SiteGroup       *wireIdentity `json:"siteGroup"`
	SharePointGroup *wireIdentity `json:"sharePointGroup"`
	Application     *wireIdentity `json:"application"`
	SiteUser        *wireIdentity `json:"siteUser"`
}

type wireIdentity struct {
	ID        string `json:"id"`
	Name      string `json:"displayName"`
	Title     string `json:"title"` // of a sharePointGroup
	Email     string `json:"email"`
	UPN       string `json:"userPrincipalName"`
	LoginName string `json:"loginName"`
}

func (s identitySet) identity() Identity {
	kinds := []string{"user", "group", "siteGroup", "sharePointGroup", "application", "siteUser"}
	clothes := []*wireIdentity{s.User, s.Group, s.SiteGroup, s.SharePointGroup, s.Application, s.SiteUser}
	var out Identity
	for i, w := range clothes {
		if w == nil {
			continue
		}
		if out.Kind == "" {
			out.Kind, out.ID = kinds[i], w.ID
		}
		out.Name = first(out.Name, w.Name, w.Title)
		out.Email = first(out.Email, w.Email, w.UPN)
		out.LoginName = first(out.LoginName, w.LoginName)
	}
	return out
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// Permissions lists who may do what with an item, the inherited ones too.
//
// Source: learn.microsoft.com/graph/api/driveitem-list-permissions.
func (c *Client) Permissions(ctx context.Context, drive, item string) ([]Permission, error) {
	return list[Permission](ctx, c, connectors.Request{
		Op: "list permissions of item " + connectors.Plain(item), Path: itemPath(drive, item, "permissions"), Permission: filesRead,
	})
}

// DeletePermission removes a permission that stands on the item itself.
//
// Source: learn.microsoft.com/graph/api/permission-delete.
func (c *Client) DeletePermission(ctx context.Context, ch connectors.Change, drive, item, permission string) error {
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op:     "delete permission " + connectors.Plain(permission) + " of item " + connectors.Plain(item),
		Method: http.MethodDelete, Path: itemPath(drive, item, "permissions", permission), Permission: filesWrite,
	}, nil)
	return err
}

// Recipient is whom access is given: an address or an object id.
type Recipient struct {
	Email    string `json:"email,omitempty"`
	ObjectID string `json:"objectId,omitempty"`
}

// Grant is access given to people.
type Grant struct {
	Recipients    []Recipient
	Roles         []string // read, write
	SignIn        bool     // recipients must sign in
	Mail          bool     // send an invitation
	Message       string   // of the invitation, at most 2,000 characters
	ExpiresAt     time.Time
	KeepInherited bool // false ends inheritance on the item
}

// Invite gives people access to an item and answers their permissions. With
// several recipients some may fail; then the error is unsure.
//
// Source: learn.microsoft.com/graph/api/driveitem-invite.
func (c *Client) Invite(ctx context.Context, ch connectors.Change, drive, item string, g Grant) ([]Permission, error) {
	op := "invite to item " + connectors.Plain(item)
	if len(g.Recipients) == 0 || len(g.Roles) == 0 {
		return nil, invalid(op, "no recipient or no role")
	}
	body := map[string]any{
		"recipients": g.Recipients, "roles": g.Roles, "requireSignIn": g.SignIn, "sendInvitation": g.Mail,
		"retainInheritedPermissions": g.KeepInherited,
	}
	if g.Message != "" {
		body["message"] = g.Message
	}
	if !g.ExpiresAt.IsZero() {
		body["expirationDateTime"] = g.ExpiresAt.UTC().Format(time.RFC3339)
	}
	var out struct {
		Value []struct {
			Error *struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			} `json:"error"`
		} `json:"value"`
	}
	var raw json.RawMessage
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Path: itemPath(drive, item, "invite"), Permission: filesWrite, Body: body,
	}, &raw)
	if err != nil {
		return nil, err
	}
	var all struct {
		Value []Permission `json:"value"`
	}
	bad := func(code, message string, unsure bool) error {
		return &connectors.Error{
			Op: "graph: " + op, Code: connectors.Failed, Status: reply.Status, RequestID: reply.RequestID,
			ServiceCode: connectors.Plain(code), Message: connectors.Plain(message), Open: unsure,
		}
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, bad("", "the answer has another shape than expected: "+err.Error(), true)
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, bad("", "the answer has another shape than expected: "+err.Error(), true)
	}
	if len(out.Value) == 0 {
		return nil, unsaid(op, "to whom access was given", reply)
	}
	var failed error
	given := []Permission{}
	for i, v := range out.Value {
		if v.Error != nil {
			failed = bad(v.Error.Code, v.Error.Message, len(out.Value) > 1)
			continue
		}
		given = append(given, all.Value[i])
	}
	return given, failed
}

// NewLink is a sharing link to make.
type NewLink struct {
	Type          string // view, edit, embed
	Scope         string // anonymous, organization, users
	Recipients    []Recipient
	ExpiresAt     time.Time
	Password      connectors.Secret // personal OneDrive only
	KeepInherited bool
}

// CreateLink makes a sharing link, or answers the like one that is there:
// created is false then.
//
// Source: learn.microsoft.com/graph/api/driveitem-createlink.
func (c *Client) CreateLink(ctx context.Context, ch connectors.Change, drive, item string, l NewLink) (p Permission, created bool, err error) {
	op := "create link to item " + connectors.Plain(item)
	if !slices.Contains([]string{"view", "edit", "embed"}, l.Type) || !slices.Contains([]string{"anonymous", "organization", "users"}, l.Scope) {
		return p, false, invalid(op, "type %q and scope %q; expected view, edit or embed, and anonymous, organization or users", l.Type, l.Scope)
	}
	body := map[string]any{"type": l.Type, "scope": l.Scope, "retainInheritedPermissions": l.KeepInherited}
	if len(l.Recipients) > 0 {
		body["recipients"] = l.Recipients
	}
	if !l.ExpiresAt.IsZero() {
		body["expirationDateTime"] = l.ExpiresAt.UTC().Format(time.RFC3339)
	}
	if l.Password != "" {
		body["password"] = string(l.Password)
	}
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Path: itemPath(drive, item, "createLink"), Permission: filesWrite, Body: body,
	}, &p)
	if err == nil && p.ID == "" {
		err = unsaid(op, "which link was made", reply)
	}
	return p, reply.Status == http.StatusCreated, err
}

// External reports whether the identity is a guest by SharePoint's login name.
func (i Identity) External() bool { return strings.Contains(strings.ToLower(i.LoginName), "#ext#") }

package main

import (
	"context"
	"maps"
	"slices"

	"stanch/actions"
	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
)

// signedIn is an app whose token for one API was looked at.
type signedIn struct {
	API    string `json:"api"`
	Client string `json:"client"`
	Tenant string `json:"tenant"`
	// Person: somebody is signed in and not an app. What is held is then what
	// that person has let the client do.
	Person bool `json:"person"`

	held []actions.Permission
}

// tokens are what the tokens of a tenant's apps tell, by API.
type tokens map[string]signedIn

// look asks for a token of each API of which something is wanted, and of those
// that are there besides: what the app may do too much may be in these.
func (s appSet) look(ctx context.Context, wanted []string) (tokens, error) {
	all := tokens{}
	for _, name := range slices.Sorted(maps.Keys(s.apis())) {
		g, err := connectors.Granted(ctx, s.as(name), s.apis()[name])
		switch {
		case err != nil && slices.Contains(wanted, name):
			return nil, err
		case err != nil:
			continue
		}
		app := signedIn{API: name, Client: g.Client, Tenant: g.Tenant, Person: len(g.Scopes) > 0}
		for _, p := range append(g.Roles, g.Scopes...) {
			app.held = append(app.held, actions.Permission{API: name, Name: p})
		}
		all[name] = app
	}
	return all, nil
}

// held answers the permission by which needed is held; known is false where no
// token tells.
func (t tokens) held(needed actions.Permission) (by actions.Permission, is, known bool) {
	app, known := t[needed.API]
	i := slices.IndexFunc(app.held, needed.Same)
	if i < 0 {
		i = slices.IndexFunc(app.held, func(h actions.Permission) bool { return h.Covers(needed) })
	}
	if i < 0 {
		return by, false, known
	}
	return app.held[i], true, known
}

// lacks reports whether a token tells that needed is not held.
func (t tokens) lacks(needed actions.Permission) bool {
	_, is, known := t.held(needed)
	return known && !is
}

// lacking answers, of the apps that the operator's file names, whether they lack
// a permission. APIs of which no action of the build needs any may be closed to
// them.
func lacking(ctx context.Context, cfg *config.Config, catalog *actions.Catalog) (func(actions.Permission) bool, error) {
	if !cfg.HasTenant() {
		return nil, errNoTenant
	}
	who, err := signIn(cfg.Tenant)
	if err != nil {
		return nil, err
	}
	wanted := []string{}
	for a := range catalog.All() {
		for _, p := range a.Permissions {
			wanted = with(wanted, p.API)
		}
	}
	t, err := who.look(ctx, wanted)
	return t.lacks, err
}

// against holds what is needed against what tokens tell.
func (p *permissionSheet) against(t tokens) {
	for i, n := range p.Needed {
		by, is, known := t.held(n.is())
		switch {
		case !known:
			p.Needed[i].Held = heldUnknown
		case !is:
			p.Needed[i].Held = heldNo
		default:
			p.Needed[i].Held = heldYes
			if !by.Same(n.is()) {
				p.Needed[i].As = by.Name
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		p.Apps = append(p.Apps, t[name])
		for _, h := range t[name].held {
			if slices.ContainsFunc(p.Needed, func(n neededPermission) bool { return n.is().Covers(h) }) {
				continue
			}
			extra := extraPermission{API: name, Permission: h.Name}
			for _, n := range p.Needed {
				if n.As == h.Name && n.API == name {
					extra.Instead = n.Permission
				}
			}
			p.TooMuch = append(p.TooMuch, extra)
		}
	}
}

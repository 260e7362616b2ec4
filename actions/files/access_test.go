package files

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stanch/actions"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

const aGUID = "0f6f4b1e-3c2a-4a57-9d0b-1c5e7a9b2d03"

func person(mail string) *graph.Identity {
	return &graph.Identity{Kind: "user", ID: aGUID, Name: "Kim", Email: mail, LoginName: "i:0#.f|membership|" + mail}
}

func TestScopeOfAPermission(t *testing.T) {
	s := Shelf{OwnDomains: []string{"contoso.example", "contoso.onmicrosoft.example"}}
	link := func(scope string, people ...graph.Identity) graph.Permission {
		return graph.Permission{Link: &graph.Link{Type: "view", Scope: scope}, GrantedToIdentities: people}
	}
	to := func(i graph.Identity) graph.Permission { return graph.Permission{GrantedTo: &i} }
	for name, c := range map[string]struct {
		p    graph.Permission
		want string
	}{
		"anonymous link":                  {link("anonymous"), anonymous},
		"organization link":               {link("organization"), organization},
		"organization link used by guest": {link("organization", *person("kim@fabrikam.example")), external},
		"link for people inside":          {link("users", *person("a@contoso.example"), *person("b@contoso.example")), internal},
		"link for one outside":            {link("users", *person("a@contoso.example"), *person("kim@fabrikam.example")), external},
		"link that gives nothing":         {link("existingAccess"), internal},
		"inside":                          {to(*person("a@Contoso.Example")), internal},
		"second domain":                   {to(*person("a@contoso.onmicrosoft.example")), internal},
		"outside":                         {to(*person("kim@fabrikam.example")), external},
		"a domain that ends like ours":    {to(*person("a@evil-contoso.example")), external},
		"a domain below ours":             {to(*person("a@x.contoso.example")), external},
		"guest with our address":          {to(graph.Identity{Kind: "user", Email: "a@contoso.example", LoginName: "i:0#.f|membership|kim_x#EXT#@contoso.example"}), external},
		"guest by code":                   {to(graph.Identity{Kind: "siteUser", LoginName: "i:0i.t|membership|urn%3aspo%3aguest#kim@x.example"}), external},
		"user of whom nothing is told":    {to(graph.Identity{Kind: "user", Name: "Kim"}), external},
		"user by login alone":             {to(graph.Identity{Kind: "user", LoginName: "i:0#.f|membership|a@contoso.example"}), internal},
		"group":                           {to(graph.Identity{Kind: "group", ID: aGUID, Name: "finance"}), internal},
		"site group":                      {to(graph.Identity{Kind: "siteGroup", ID: "5", Name: "Visitors"}), internal},
		"application":                     {to(graph.Identity{Kind: "application", ID: aGUID, Name: "Flow"}), internal},
		"everyone":                        {to(graph.Identity{Kind: "siteUser", Name: "Everyone", LoginName: "c:0(.s|true"}), external},
		"everyone but guests":             {to(graph.Identity{Kind: "siteUser", LoginName: "c:0-.f|rolemanager|spo-grid-all-users/" + aGUID}), organization},
		"system account":                  {to(graph.Identity{Kind: "siteUser", LoginName: `SHAREPOINT\system`}), internal},
		"invitation not yet taken":        {graph.Permission{Invitation: &graph.Invitation{Email: "kim@fabrikam.example"}}, external},
	} {
		got, err := s.scope(accessOf(c.p))
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}

func TestWhatCannotBeGivenBackIsNamed(t *testing.T) {
	link := func(l graph.Link) graph.Permission {
		return graph.Permission{ID: "p", Roles: []string{"read"}, Link: &l}
	}
	to := func(i graph.Identity, roles ...string) graph.Permission {
		return graph.Permission{ID: "p", Roles: roles, GrantedTo: &i}
	}
	for name, c := range map[string]struct {
		p    graph.Permission
		want string
	}{
		"role of a person":       {to(*person("a@contoso.example"), "read"), ""},
		"role of a group":        {to(graph.Identity{Kind: "group", ID: aGUID}, "write"), ""},
		"role of a site group":   {to(graph.Identity{Kind: "siteGroup", ID: "5", Name: "Visitors"}, "read"), "permission: Graph cannot give access to Visitors"},
		"role of an application": {to(graph.Identity{Kind: "application", ID: aGUID}, "read"), "permission: Graph cannot give access"},
		"role of SharePoint":     {to(*person("a@contoso.example"), "sp.full control"), "permission: Graph gives read and write only"},
		"two roles":              {to(*person("a@contoso.example"), "write", "read"), "permission: Graph gives read and write only"},
		"role of nobody":         {graph.Permission{ID: "p", Roles: []string{"read"}}, "permission: Graph does not tell whom"},
		"link":                   {link(graph.Link{Type: "view", Scope: "anonymous", WebURL: "https://x"}), "link.url"},
		"link that shows only":   {link(graph.Link{Type: "view", Scope: "users", PreventsDownload: true}), "link.url link.prevents_download"},
		"embedding":              {link(graph.Link{Type: "embed", Scope: "anonymous"}), "permission: Graph makes view and edit links only, not embed"},
		"link that gives none":   {link(graph.Link{Type: "view", Scope: "existingAccess"}), "permission: Graph makes no links of scope existingAccess"},
	} {
		var got []string
		for _, l := range accessOf(c.p).lost("t") {
			if l.Field == "permission" {
				l.Field += ": " + l.Why
			}
			got = append(got, l.Field)
		}
		if text := strings.Join(got, " "); !strings.HasPrefix(text, c.want) || (c.want == "") != (text == "") {
			t.Errorf("%s: %q; want %q", name, text, c.want)
		}
	}
	with := link(graph.Link{Type: "view", Scope: "anonymous"})
	with.HasPassword = true
	if l := accessOf(with).lost("t"); len(l) != 2 || l[1].Field != "password" {
		t.Errorf("password: %+v", l)
	}
}

func TestTheAddressOfALinkIsNotKept(t *testing.T) {
	a := accessOf(graph.Permission{ID: "p", Link: &graph.Link{Type: "edit", Scope: "anonymous", WebURL: "https://secret.example/s"}, ShareID: "u!secret"})
	if strings.Contains(string(actions.JSON(a)), "secret") {
		t.Errorf("state: %s", actions.JSON(a))
	}
}

func TestLikePermissions(t *testing.T) {
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	base := graph.Permission{ID: "a", Roles: []string{"read"}, GrantedTo: person("kim@fabrikam.example")}
	for name, c := range map[string]struct {
		change func(*graph.Permission)
		want   bool
	}{
		"another id":     {func(p *graph.Permission) { p.ID = "b" }, true},
		"another case":   {func(p *graph.Permission) { p.GrantedTo.Email = "Kim@Fabrikam.example" }, true},
		"another role":   {func(p *graph.Permission) { p.Roles = []string{"write"} }, false},
		"another person": {func(p *graph.Permission) { p.GrantedTo = person("lee@fabrikam.example") }, false},
		"an end":         {func(p *graph.Permission) { p.ExpiresAt = at }, false},
		"a link":         {func(p *graph.Permission) { p.Link = &graph.Link{Type: "view", Scope: "users"} }, false},
	} {
		other := base
		other.GrantedTo = person("kim@fabrikam.example")
		c.change(&other)
		if got := accessOf(base).like(accessOf(other)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestASiteAboveProtectsWhatLiesBelow(t *testing.T) {
	for _, c := range []struct {
		siteURL, webURL, id, aliases string
	}{
		{"https://x.example/sites/a", "", "/sites/a", "https://x.example/sites/a"},
		{"https://x.example/sites/a/b/c", "", "/sites/a/b/c", "https://x.example/sites/a/b/c /sites/a/b /sites/a"},
		{"https://x.example/", "", "/", "https://x.example/"},
		{"https://x.example/sites/a%20b", "", "/sites/a b", "https://x.example/sites/a%20b https://x.example/sites/a b"},
		{"", "https://x.example/teams/t/Docs/f.txt", "/teams/t", ""},
		{"", "https://x.example/personal/p_x/Documents/f.txt", "/personal/p_x", ""},
		{"", "https://x.example/Shared%20Documents/a/b.txt", "", ""},
	} {
		s := subject{DriveItem: graph.DriveItem{SiteURL: c.siteURL, WebURL: c.webURL}}
		s.site = sitePath(s.DriveItem)
		if e := s.siteEntity(); e.ID != c.id || strings.Join(e.Aliases, " ") != c.aliases {
			t.Errorf("%s%s: %+v", c.siteURL, c.webURL, e)
		}
	}
}

// Whatever a reference says, it names a file in a folder of a site, or nothing.
func TestAGraveIsAPlaceOrAnError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		maybe := func(name string) *string {
			if rapid.Bool().Draw(t, "no "+name) {
				return nil
			}
			return new(rapid.OneOf(rapid.String(), rapid.Just("https://x.example/sites/a/_layouts/15/Doc.aspx"), rapid.Just("/sites/a")).Draw(t, name))
		}
		ref := actions.Ref[incident.File]{Text: rapid.OneOf(rapid.String(), rapid.Just("https://x.example/sites/a/Docs/f.txt")).Draw(t, "text")}
		if rapid.Bool().Draw(t, "record") {
			ref.Value = &incident.File{ID: ref.Text, URL: maybe("url"), Site: maybe("site"), Path: maybe("path")}
		}
		at, err := burial(ref)
		if err != nil {
			return
		}
		if u, err := url.Parse(at.Site); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			t.Fatalf("site %q: %v", at.Site, err)
		}
		if at.Name == "" || strings.Contains(at.Name, "/") || at.Dir == "" || strings.HasPrefix(at.Dir, "/") || !isWeb(at.address()) {
			t.Fatalf("grave: %+v", at)
		}
	})
}

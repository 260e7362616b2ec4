package practice

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (b *builder) addSite(field string, s Site) {
	if !strings.HasPrefix(s.Path, "/sites/") || s.Title == "" {
		b.fail("%s needs a title and a path like /sites/payroll", field)
		return
	}
	st := b.newSite(b.w.company.SharePoint, s.Path, s.Title, "")
	b.fill(field, st, s.Folders, s.Files)
}

func (b *builder) addOneDrive(field string, o OneDrive) {
	u := b.w.user(o.User)
	if u == nil {
		b.fail("%s.user %q is no user", field, o.User)
		return
	}
	host, tail, _ := strings.Cut(b.w.company.SharePoint, ".")
	path := "/personal/" + strings.NewReplacer("@", "_", ".", "_").Replace(strings.ToLower(u.UPN))
	st := b.newSite(host+"-my."+tail, path, u.Name, u.ID)
	b.fill(field, st, nil, o.Files)
}

// newSite makes a site with its library, whose root is granted to the site's
// groups, or for a OneDrive to its owner.
func (b *builder) newSite(host, path, title, owner string) *site {
	w, tenant := b.w, b.w.company.TenantID
	key := host + path
	st := &site{
		id:   host + "," + guid(tenant, "site", key) + "," + guid(tenant, "web", key),
		host: host, path: path, title: title, owner: owner, created: founded(),
	}
	d := &drive{name: "Documents", kind: "documentLibrary", site: st, owner: owner, library: "Shared Documents"}
	if owner != "" {
		d.name, d.kind, d.library = "OneDrive", "business", "Documents"
	}
	sum := sha256.Sum256([]byte(tenant + "\x00drive\x00" + key))
	d.id = "b!" + base64.RawURLEncoding.EncodeToString(append(sum[:], sum[:16]...))
	d.root = &item{
		name: "root", drive: d, folder: true, children: map[string]*item{}, owner: owner,
		created: founded(), modified: founded(), modifiedBy: owner, revision: 1,
	}
	b.w.identify(d.root, "root")
	if owner == "" {
		for n, g := range []struct{ name, role string }{{"Owners", "owner"}, {"Members", "write"}, {"Visitors", "read"}} {
			name := title + " " + g.name
			d.root.perms = append(d.root.perms, &permission{
				id: encodeLogin(name), roles: []string{g.role},
				to: []identity{{kind: "siteGroup", id: fmt.Sprint(n + 3), name: name, login: name}},
			})
		}
	} else {
		d.root.perms = []*permission{w.grant(w.identityOf(owner), "owner")}
	}
	st.drive = d
	w.sites[st.id], w.drives[d.id] = st, d
	return st
}

// identify gives i its ids, which follow from its library and key.
func (w *world) identify(i *item, key string) {
	sum := sha256.Sum256([]byte(i.drive.id + "\x00" + key))
	i.id = "01" + base32.StdEncoding.EncodeToString(sum[:20])
	i.unique = guid(i.drive.id, "item", key)
	w.items[i.drive.id+"/"+i.id] = i
	i.number = 1
	for p := i.parent; p != nil; p = p.parent {
		i.number = p.number
		if p.parent == nil {
			p.number++
		}
	}
}

func (b *builder) fill(field string, st *site, folders []Folder, files []File) {
	for i, f := range files {
		at := fmt.Sprintf("%s.files[%d]", field, i)
		parts := strings.Split(f.Path, "/")
		owner := b.w.user(f.Owner)
		if owner == nil {
			b.fail("%s.owner %q is no user", at, f.Owner)
			continue
		}
		if slices.ContainsFunc(parts, badName) {
			b.fail("%s.path %q is no path of a library: a name in it is empty or has one of \" * : < > ? \\ |", at, f.Path)
			continue
		}
		dir := b.mkdir(st.drive.root, parts[:len(parts)-1])
		it := b.add(dir, parts[len(parts)-1], owner.ID, f.Created)
		if it == nil {
			b.fail("%s.path %q stands twice", at, f.Path)
			continue
		}
		it.size, it.modified, it.modifiedBy = f.Size, f.Modified, owner.ID
		b.dress(at, it, f)
	}
	for i, f := range folders {
		at := fmt.Sprintf("%s.folders[%d]", field, i)
		dir := st.drive.root.find(f.Path)
		if f.Locked && dir == nil && !slices.ContainsFunc(strings.Split(f.Path, "/"), badName) {
			dir = b.mkdir(st.drive.root, strings.Split(f.Path, "/"))
		}
		if dir == nil || !dir.folder {
			b.fail("%s.path %q holds no file", at, f.Path)
			continue
		}
		if f.Locked {
			dir.broken = true
			dir.perms = append(dir.perms, slices.DeleteFunc(slices.Clone(st.drive.root.perms), func(p *permission) bool {
				return !slices.Contains(p.roles, "owner")
			})...)
		}
		for j, s := range f.Shares {
			b.share(fmt.Sprintf("%s.shares[%d]", at, j), dir, s)
		}
	}
}

// badName reports whether SharePoint refuses name.
func badName(name string) bool {
	return name == "" || name == "." || name == ".." || strings.ContainsAny(name, "\"*:<>?\\|/")
}

func (b *builder) mkdir(at *item, names []string) *item {
	for _, n := range names {
		next := at.children[strings.ToLower(n)]
		if next == nil {
			next = b.add(at, n, at.owner, founded())
			next.folder, next.children = true, map[string]*item{}
		}
		at = next
	}
	return at
}

func (b *builder) add(parent *item, name, owner string, created time.Time) *item {
	if parent.children[strings.ToLower(name)] != nil {
		return nil
	}
	it := &item{
		name: name, drive: parent.drive, parent: parent, owner: owner,
		created: created, modified: created, modifiedBy: owner, revision: 1,
	}
	b.w.identify(it, it.path())
	parent.children[strings.ToLower(name)] = it
	return it
}

// dress gives a file its label, retention label and permissions; its owner has
// one of its own.
func (b *builder) dress(at string, it *item, f File) {
	if f.Label != "" {
		l := b.w.label(f.Label)
		if l == nil {
			b.fail("%s.label %q is no label", at, f.Label)
			return
		}
		it.label, it.labelMethod = l.ID, "standard"
	}
	if f.Retention != "" {
		r, ok := b.w.retentions[strings.ToLower(f.Retention)]
		if !ok {
			b.fail("%s.retention %q is no retention label", at, f.Retention)
			return
		}
		it.retention = &retention{RetentionLabel: r, applied: f.Created, by: it.owner, explicit: true}
		it.retention.locked = it.retention.record()
	}
	it.perms = append(it.perms, b.w.grant(b.w.identityOf(it.owner), "owner"))
	for j, s := range f.Shares {
		b.share(fmt.Sprintf("%s.shares[%d]", at, j), it, s)
	}
}

func (b *builder) share(at string, it *item, s Share) {
	w := b.w
	if s.Role != "read" && s.Role != "write" {
		b.fail("%s.role is %q; expected read or write", at, s.Role)
	}
	var to []identity
	for _, address := range s.To {
		to = append(to, w.identityOf(address))
	}
	for _, name := range s.Groups {
		g := w.groupByName(name)
		if g == nil {
			b.fail("%s.groups names %q, which is no group", at, name)
			return
		}
		to = append(to, identity{kind: "group", id: g.ID, name: g.Name, login: "c:0t.c|tenant|" + g.ID})
	}
	switch s.Link {
	case "":
		for _, who := range to {
			p := w.grant(who, s.Role)
			p.expires = s.Expires
			it.perms = append(it.perms, p)
		}
	case "anonymous", "organization", "users":
		kind := map[string]string{"read": "view", "write": "edit"}[s.Role]
		p := w.link(it, linkAsk{kind: kind, scope: s.Link, to: to, expires: s.Expires})
		it.perms = append(it.perms, p)
	default:
		b.fail("%s.link is %q; expected anonymous, organization or users", at, s.Link)
	}
}

func (w *world) groupByName(name string) *group {
	for _, g := range w.groups {
		if strings.EqualFold(g.ID, name) || strings.EqualFold(g.Name, name) {
			return g
		}
	}
	return nil
}

package practice

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func notFound() *failure {
	return fail(http.StatusNotFound, "itemNotFound", "The resource could not be found.")
}

// drive answers the drive the path names.
func (c *call) drive() (*drive, error) {
	name := c.args["drive"]
	if who, is := strings.CutPrefix(name, "~user:"); is {
		u := c.w.user(who)
		if u == nil {
			return nil, fail(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", who)
		}
		for _, d := range c.w.drives {
			if d.owner == u.ID {
				return d, nil
			}
		}
		return nil, fail(http.StatusNotFound, "ResourceNotFound", "User's mysite not found.")
	}
	if at, is := strings.CutPrefix(name, "~site:"); is {
		s := c.w.site(at)
		if s == nil {
			return nil, notFound()
		}
		return s.drive, nil
	}
	if d := c.w.drives[name]; d != nil {
		return d, nil
	}
	return nil, notFound()
}

// site answers a site by id, by host:/path, or by host for the root.
func (w *world) site(name string) *site {
	if s := w.sites[name]; s != nil {
		return s
	}
	host, path, _ := strings.Cut(name, ":")
	for _, s := range w.sites {
		if strings.EqualFold(s.host, host) && strings.EqualFold(s.path, strings.TrimRight(path, "/")) {
			return s
		}
	}
	return nil
}

// item answers the item the path names as it is now.
func (c *call) item() (*item, error) {
	d, err := c.drive()
	if err != nil {
		return nil, err
	}
	id, path, below := strings.Cut(c.args["item"], ":/")
	at := c.w.items[d.id+"/"+id]
	if id == "" || id == "root" {
		at = d.root
	}
	if at != nil && below {
		at = at.find(path)
	}
	if at == nil || at.deleted {
		return nil, notFound()
	}
	return at, nil
}

// readItem answers the item as a read sees it, which may be stale.
func (c *call) readItem() (*item, error) {
	now, err := c.item()
	if err != nil {
		d, e := c.drive()
		if e != nil {
			return nil, e
		}
		if now = c.w.items[d.id+"/"+c.args["item"]]; now == nil {
			return nil, err
		}
	}
	if now = seen(c, now.target(), now); now.deleted {
		return nil, notFound()
	}
	return now, nil
}

func (c *call) keepItem(i *item) { c.keep(i.target(), i.clone()) }

// shared answers GET /shares/{token}/driveItem: any URL of an item, or of a
// sharing link to it, as base64url after "u!" [graph-docs shares-get.md].
func getShared(c *call) (reply, error) {
	invalid := fail(http.StatusBadRequest, "invalidRequest", "The sharing URL is not a valid encoding: expected u! and the URL in unpadded base64url.")
	text, is := strings.CutPrefix(c.args["share"], "u!")
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if !is || err != nil {
		return reply{}, invalid
	}
	u, err := url.Parse(string(raw))
	if err != nil || u.Host == "" {
		return reply{}, invalid
	}
	it := c.w.itemAt(u)
	if it == nil {
		return reply{}, notFound()
	}
	c.args["drive"], c.args["item"] = it.drive.id, it.id
	return getItem(c)
}

// itemAt finds the item of a SharePoint URL.
func (w *world) itemAt(u *url.URL) *item {
	for _, s := range w.sites {
		if !strings.EqualFold(s.host, u.Host) {
			continue
		}
		library := s.path + "/" + s.drive.library
		if len(u.Path) >= len(library) && strings.EqualFold(u.Path[:len(library)], library) &&
			(len(u.Path) == len(library) || u.Path[len(library)] == '/') {
			return s.drive.root.find(u.Path[len(library):])
		}
	}
	whole := (&url.URL{Scheme: "https", Host: u.Host, Path: u.Path}).String()
	for _, i := range w.items {
		for _, p := range i.perms {
			if p.link != nil && p.link.url == whole && !i.deleted {
				return i
			}
		}
	}
	return nil
}

func getSite(c *call) (reply, error) {
	s := c.w.site(c.args["site"])
	if s == nil {
		return reply{}, notFound()
	}
	return c.entity(object{
		"id": s.id, "displayName": s.title, "name": s.path[strings.LastIndexByte(s.path, '/')+1:], "webUrl": s.url(),
		"createdDateTime": stamp(s.created), "lastModifiedDateTime": stamp(s.created), "isPersonalSite": s.owner != "",
		"siteCollection": object{"hostname": s.host}, "root": object{},
	})
}

func (c *call) driveWire(d *drive) object {
	o := object{
		"id": d.id, "name": d.name, "driveType": d.kind, "webUrl": d.site.url() + "/" + escapePath(d.library),
		"createdDateTime": stamp(d.site.created), "lastModifiedDateTime": stamp(d.site.created),
	}
	if d.owner != "" {
		o["owner"] = object{"user": c.person(d.owner)}
	} else {
		o["owner"] = object{"group": object{"displayName": d.site.title + " Owners"}}
	}
	return o
}

func listDrives(c *call) (reply, error) {
	s := c.w.site(c.args["site"])
	if s == nil {
		return reply{}, notFound()
	}
	return page(c, []*drive{s.drive}, paging{size: 200, max: 999}, func(d *drive) object {
		return c.selector(func() object { return c.driveWire(d) })
	})
}

func getDrive(c *call) (reply, error) {
	d, err := c.drive()
	if err != nil {
		return reply{}, err
	}
	return c.entity(c.driveWire(d))
}

// person is an identity of a user for createdBy and the like.
func (c *call) person(id string) object {
	u := c.w.users[id]
	if u == nil {
		return object{"id": id, "displayName": "SharePoint App"}
	}
	return object{"id": u.ID, "displayName": u.Name, "email": u.Mail}
}

func escapePath(p string) string { return (&url.URL{Path: p}).EscapedPath() }

// drivePath is the path of parentReference and inheritedFrom.
func drivePath(i *item) string {
	return "/drives/" + i.drive.id + "/root:" + escapePath(prefixed(i.path()))
}

func prefixed(p string) string {
	if p == "" {
		return ""
	}
	return "/" + p
}

func (i *item) url() string {
	return i.drive.site.url() + escapePath("/"+i.drive.library+prefixed(i.path()))
}

func (c *call) itemWire(i *item) object {
	o := object{
		"id": i.id, "name": i.name, "size": i.size, "eTag": i.etag(), "cTag": i.ctag(), "webUrl": i.url(),
		"createdDateTime": stamp(i.created), "lastModifiedDateTime": stamp(i.modified),
		"createdBy": object{"user": c.person(i.owner)}, "lastModifiedBy": object{"user": c.person(i.modifiedBy)},
		"fileSystemInfo": object{"createdDateTime": stamp(i.created), "lastModifiedDateTime": stamp(i.modified)},
		"parentReference": object{
			"driveId": i.drive.id, "driveType": i.drive.kind, "siteId": i.drive.site.id,
		},
		"sharepointIds": object{
			"listId": guid(i.drive.id, "list"), "listItemId": itoa(i.number), "listItemUniqueId": i.unique,
			"siteId": strings.Split(i.drive.site.id, ",")[1], "webId": strings.Split(i.drive.site.id, ",")[2],
			"siteUrl": i.drive.site.url(), "tenantId": c.w.company.TenantID,
		},
	}
	if p := i.parent; p != nil {
		ref := o["parentReference"].(object)
		ref["id"], ref["name"], ref["path"] = p.id, p.name, drivePath(p)
	} else {
		o["root"] = object{}
	}
	if i.folder {
		o["folder"] = object{"childCount": len(i.children)}
	} else {
		o["file"] = object{
			"mimeType": mimeOf(i.name),
			"hashes":   object{"quickXorHash": i.contentHash()},
		}
	}
	if scope := i.sharedScope(); scope != "" {
		o["shared"] = object{"scope": scope}
	}
	return o
}

// sharedScope is the widest reach of the item's own links and grants.
func (i *item) sharedScope() string {
	scope := ""
	for _, p := range i.perms {
		switch {
		case p.link != nil && p.link.scope == "anonymous":
			return "anonymous"
		case p.link != nil && p.link.scope == "organization":
			scope = "organization"
		case scope == "" && !slices.Contains(p.roles, "owner"):
			scope = "users"
		}
	}
	return scope
}

func mimeOf(name string) string {
	switch extension(name) {
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case ".pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	case ".pdf":
		return "application/pdf"
	case ".csv":
		return "text/csv"
	case ".txt":
		return "text/plain"
	}
	return "application/octet-stream"
}

func getItem(c *call) (reply, error) {
	i, err := c.readItem()
	if err != nil {
		return reply{}, err
	}
	if m := c.r.Header.Get("If-None-Match"); m != "" && (m == i.etag() || m == i.ctag()) {
		return reply{status: http.StatusNotModified}, nil
	}
	expand, err := c.expands("retentionLabel", "children")
	if err != nil {
		return reply{}, err
	}
	o, f := c.selected(c.itemWire(i))
	if f != nil {
		return reply{}, f
	}
	if slices.Contains(expand, "retentionLabel") && i.retention != nil {
		o["retentionLabel"] = c.retentionWire(i)
	}
	if slices.Contains(expand, "children") {
		kids := []object{}
		for _, k := range i.kids() {
			kids = append(kids, c.itemWire(k))
		}
		o["children"] = kids
	}
	o["@odata.context"] = c.context() + "/$entity"
	return ok(o).with("ETag", i.etag()), nil
}

func listChildren(c *call) (reply, error) {
	i, err := c.readItem()
	if err != nil {
		return reply{}, err
	}
	if _, err := c.expands("retentionLabel"); err != nil {
		return reply{}, err
	}
	kids := i.kids()
	name, down := strings.CutSuffix(c.query.Get("$orderby"), " desc")
	name = strings.TrimSuffix(name, " asc")
	by := map[string]func(a, b *item) int{
		"":                     func(_, _ *item) int { return 0 },
		"name":                 func(a, b *item) int { return cmp.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) },
		"size":                 func(a, b *item) int { return cmp.Compare(a.size, b.size) },
		"lastModifiedDateTime": func(a, b *item) int { return a.modified.Compare(b.modified) },
	}
	order, known := by[name]
	if !known {
		return reply{}, badRequest("Sorting by '%s' is not supported; expected one of %s.", name, strings.Join(slices.Sorted(maps.Keys(by))[1:], ", "))
	}
	slices.SortStableFunc(kids, func(a, b *item) int {
		if down {
			a, b = b, a
		}
		return order(a, b)
	})
	return page(c, kids, paging{size: 200, max: 999}, func(k *item) object {
		return c.selector(func() object {
			o := c.itemWire(k)
			if c.query.Get("$expand") != "" && k.retention != nil {
				o["retentionLabel"] = c.retentionWire(k)
			}
			return o
		})
	})
}

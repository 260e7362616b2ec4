package practice

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// recycledAt is what the recycle bin keeps of what was deleted at once.
type recycledAt struct {
	id, dir string // dir as SharePoint tells it: from the host on, without slashes around
	at      time.Time
	by      string
}

// sharePointRoutes is what is served of SharePoint's own REST API: the recycle
// bin of a site. It is the only way to take something out of it, which Graph
// v1.0 does for personal OneDrive alone
// (learn.microsoft.com/previous-versions/office/sharepoint-visio/jj245382(v=office.15)).
// The page names no application permission; here it is full control. Real
// SharePoint also wants the app to have signed in with a certificate.
func sharePointRoutes() []route {
	roles := []string{"Sites.FullControl.All"}
	list := []string{"$filter", "$select", "$orderby", "$top"}
	var out []route
	for _, place := range []string{"sites", "personal"} {
		web := place + "/{site}/_api/web/"
		out = append(out,
			route{sharepoint, http.MethodGet, web + "RecycleBin", roles, list, cost{units: 2}, listRecycled},
			route{sharepoint, http.MethodPost, web + "RecycleBin('{entry}')/restore()", roles, nil, cost{units: 2}, restoreRecycled})
	}
	return out
}

// isSharePoint reports whether a path is of SharePoint's own REST API.
func isSharePoint(path string) bool { return strings.Contains(strings.ToLower(path), "/_api/web/") }

// recycled answers the site that the path names with what its recycle bin
// holds, newest first.
func (c *call) recycled() (*site, []*item, error) {
	path, _, _ := strings.Cut(strings.ToLower(c.r.URL.Path), "/_api/")
	sites := c.w.siteList()
	at := slices.IndexFunc(sites, func(s *site) bool { return strings.EqualFold(s.path, path) })
	if at < 0 {
		return nil, nil, fail(http.StatusNotFound, "-2147024894, System.IO.FileNotFoundException", "The site could not be found.")
	}
	st := sites[at]
	var bin []*item
	for _, i := range c.w.items {
		if i.bin != nil && i.drive.site == st {
			bin = append(bin, i)
		}
	}
	slices.SortFunc(bin, func(a, b *item) int {
		if d := b.bin.at.Compare(a.bin.at); d != 0 {
			return d
		}
		return strings.Compare(a.bin.id, b.bin.id)
	})
	return st, bin, nil
}

func (w *world) siteList() []*site {
	out := make([]*site, 0, len(w.sites))
	for _, s := range w.sites {
		out = append(out, s)
	}
	return out
}

// listRecycled answers the recycle bin; the only filter served is LeafName eq.
func listRecycled(c *call) (reply, error) {
	_, bin, err := c.recycled()
	if err != nil {
		return reply{}, err
	}
	if filter := c.query.Get("$filter"); filter != "" {
		name, is := strings.CutPrefix(filter, "LeafName eq '")
		name, ends := strings.CutSuffix(name, "'")
		if !is || !ends {
			return reply{}, fail(http.StatusBadRequest, "-1, Microsoft.SharePoint.Client.InvalidClientQueryException", "The expression \"%s\" is not valid.", filter)
		}
		name = strings.ReplaceAll(name, "''", "'")
		bin = slices.DeleteFunc(bin, func(i *item) bool { return !strings.EqualFold(i.name, name) })
	}
	if order := c.query.Get("$orderby"); order != "" && order != "DeletedDate desc" {
		return reply{}, fail(http.StatusBadRequest, "-1, Microsoft.SharePoint.Client.InvalidClientQueryException", "The order \"%s\" is not served here.", order)
	}
	top, _, _, f := c.window(paging{size: 100, max: 5000})
	if f != nil {
		return reply{}, f
	}
	out := []object{}
	for _, i := range bin[:min(top, len(bin))] {
		kind := 1
		if i.folder {
			kind = 5
		}
		o, f := c.selected(object{
			"Id": i.bin.id, "LeafName": i.name, "DirName": i.bin.dir, "Size": itoa(int(i.size)), "ItemType": kind, "ItemState": 1,
			"Title": i.name, "DeletedDate": i.bin.at.UTC().Format(time.RFC3339), "DeletedByEmail": "", "DeletedByName": i.bin.by, "AuthorEmail": c.w.mailOf(i.owner),
		})
		if f != nil {
			return reply{}, f
		}
		out = append(out, o)
	}
	return ok(object{"odata.metadata": c.origin() + "/_api/$metadata#SP.ApiData.RecycleBinItems", "value": out}), nil
}

func (w *world) mailOf(id string) string {
	if u := w.users[id]; u != nil {
		return u.Mail
	}
	return ""
}

// restoreRecycled puts an item back where it lay, with its permissions. What
// SharePoint answers for a name that is taken is not documented.
func restoreRecycled(c *call) (reply, error) {
	_, bin, err := c.recycled()
	if err != nil {
		return reply{}, err
	}
	at := slices.IndexFunc(bin, func(i *item) bool { return strings.EqualFold(i.bin.id, c.args["entry"]) })
	if at < 0 {
		return reply{}, fail(http.StatusNotFound, "-2147024894, System.IO.FileNotFoundException", "The recycle bin item does not exist.")
	}
	i := bin[at]
	if i.parent.deleted {
		return reply{}, fail(http.StatusNotFound, "-2147024893, System.IO.DirectoryNotFoundException", "The folder that would hold the item does not exist.")
	}
	if i.parent.children[strings.ToLower(i.name)] != nil {
		return reply{}, fail(http.StatusConflict, "-2130575257, Microsoft.SharePoint.SPException", "A file or folder with the name %s already exists.", i.name)
	}
	for k := range i.all() {
		c.keepItem(k)
		k.deleted, k.recycled = false, false
	}
	i.bin = nil
	i.parent.children[strings.ToLower(i.name)] = i
	c.record(Change{Operation: "item.restore", Target: i.target(), After: object{"name": i.name, "path": i.path()}, Status: http.StatusOK})
	return ok(object{"odata.metadata": c.origin() + "/_api/$metadata#Edm.Null", "odata.null": true}), nil
}

// ownHost reports whether a resource of a token is one of the company's hosts
// of SharePoint.
func (w *world) ownHost(resource string) bool {
	u, err := url.Parse(resource)
	return err == nil && slices.ContainsFunc(w.siteList(), func(s *site) bool { return strings.EqualFold(s.host, u.Host) })
}

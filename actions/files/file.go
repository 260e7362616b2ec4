package files

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

// subject is a file as the tenant has it now.
type subject struct {
	graph.DriveItem
	record incident.File    // as playbooks see it
	given  []string         // the names it was asked for by
	site   string           // path of its site; "" if nobody can tell
	entity []actions.Entity // the file and its site
}

// find looks up what a parameter names.
func (s Shelf) find(ctx context.Context, ref actions.Ref[incident.File]) (subject, error) {
	where, err := locate(ref)
	if err != nil {
		return subject{}, err
	}
	item, err := s.Graph.ResolveFile(ctx, where)
	if err != nil {
		return subject{}, err
	}
	out := subject{DriveItem: item, given: []string{ref.Text, where.URL}}
	if ref.Value != nil {
		out.record = *ref.Value
		out.given = append(out.given, ref.Value.ID)
	}
	out.site = sitePath(item)
	out.describe()
	out.entity = []actions.Entity{out.fileEntity(), out.siteEntity()}
	return out, nil
}

// locate reads what a parameter says of where the file is: a record of the
// evidence, a URL, or "<drive id>/<item id>".
func locate(ref actions.Ref[incident.File]) (graph.FileRef, error) {
	const expected = "expected a file of the evidence, its https address, or <drive id>/<item id>"
	if ref.Value == nil {
		text := strings.TrimSpace(ref.Text)
		if isWeb(text) {
			return graph.FileRef{URL: text}, nil
		}
		drive, item, cut := strings.Cut(text, "/")
		if !cut || drive == "" || item == "" || strings.Contains(item, "/") {
			return graph.FileRef{}, problem(connectors.Invalid, expected, "%q names no file", connectors.Plain(text))
		}
		return graph.FileRef{DriveID: drive, ItemID: item}, nil
	}
	f := ref.Value
	switch {
	case text(f.DriveID) != "" && text(f.ItemID) != "":
		return graph.FileRef{DriveID: *f.DriveID, ItemID: *f.ItemID}, nil
	case isWeb(text(f.URL)):
		return graph.FileRef{URL: *f.URL}, nil
	case isWeb(f.ID):
		return graph.FileRef{URL: f.ID}, nil
	case text(f.DeviceID) != "":
		return graph.FileRef{}, problem(connectors.Invalid, "act on the device instead, or filter such files out: file.device_id is set",
			"the file %s lies on a device, not in SharePoint or OneDrive", connectors.Plain(f.ID))
	}
	return graph.FileRef{}, problem(connectors.Invalid, expected, "the evidence does not say where the file %s lies", connectors.Plain(f.ID))
}

func isWeb(s string) bool { return len(s) > 8 && strings.EqualFold(s[:8], "https://") }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// key is the file's id in the tenant.
func (s subject) key() string { return s.DriveID + "/" + s.ID }

// library reports whether it is the root of a library, which holds all of it.
func (s subject) library() bool { return s.Folder && s.ParentID == "" }

func wholeLibrary(f subject) error {
	return problem(connectors.Refused, "name a file or folder in it", "%s is a whole library", connectors.Plain(f.WebURL))
}

// describe fills the record with what was looked up.
func (s *subject) describe() {
	f := &s.record
	if f.ID == "" {
		f.ID = s.key()
	}
	f.Name, f.DriveID, f.ItemID, f.Size = &s.Name, &s.DriveID, &s.DriveItem.ID, &s.Size
	if f.URL == nil && s.WebURL != "" {
		f.URL = &s.WebURL
	}
	if s.site != "" {
		f.Site = &s.site
	}
	if f.Path == nil {
		if path, is := strings.CutPrefix(urlPath(s.WebURL), strings.TrimSuffix(s.site, "/")+"/"); is && !strings.HasPrefix(path, "_layouts/") {
			f.Path = new("/" + path)
		}
	}
	f.Alerts = append([]string{}, f.Alerts...)
	f.Roles = append([]incident.Role{}, f.Roles...)
}

func (s subject) fileEntity() actions.Entity {
	names := append([]string{s.WebURL, unescaped(s.WebURL)}, s.given...)
	return actions.Entity{Kind: "file", ID: s.key(), Name: s.Name, Aliases: distinct(names, s.key(), s.Name)}
}

// siteEntity is the site that holds the file; a site above it protects it too.
func (s subject) siteEntity() actions.Entity {
	names := []string{s.SiteURL, unescaped(s.SiteURL)}
	for at := strings.LastIndexByte(s.site, '/'); at > 0; at = strings.LastIndexByte(s.site[:at], '/') {
		if above := s.site[:at]; strings.Count(above, "/") > 1 {
			names = append(names, above)
		}
	}
	return actions.Entity{Kind: "site", ID: s.site, Name: s.site, Aliases: distinct(names, s.site)}
}

// sitePath is the site as path on its host, as the evidence has it.
func sitePath(item graph.DriveItem) string {
	if item.SiteURL != "" {
		if p := strings.TrimSuffix(urlPath(item.SiteURL), "/"); p != "" {
			return p
		}
		return "/"
	}
	parts := strings.Split(strings.TrimPrefix(urlPath(item.WebURL), "/"), "/")
	if len(parts) > 2 {
		switch strings.ToLower(parts[0]) {
		case "sites", "teams", "personal":
			return "/" + parts[0] + "/" + parts[1]
		}
	}
	return ""
}

func urlPath(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Path
}

func unescaped(address string) string {
	s, err := url.PathUnescape(address)
	if err != nil {
		return address
	}
	return s
}

// distinct is names without the empty ones and those that stand in but.
func distinct(names []string, but ...string) []string {
	var out []string
	for _, n := range names {
		if n != "" && !slices.Contains(out, n) && !slices.Contains(but, n) {
			out = append(out, n)
		}
	}
	return out
}

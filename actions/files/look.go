package files

import (
	"context"
	"net/url"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

// Look answers a file or folder as evidence would have it, by its address, a
// sharing link, or <drive id>/<item id>. Its errors are those of the connectors;
// refused is a whole library.
func (s Shelf) Look(ctx context.Context, name string) (incident.File, error) {
	f, err := s.find(ctx, actions.Ref[incident.File]{Text: name})
	if err != nil {
		return incident.File{}, err
	}
	if f.library() {
		return incident.File{}, wholeLibrary(f)
	}
	address, err := s.address(ctx, f)
	if err != nil {
		return incident.File{}, err
	}
	out, err := incident.File{URL: &address, DriveID: &f.DriveID, ItemID: &f.ID}.AsEvidence()
	if err != nil {
		return out, problem(connectors.Failed, "name it as <drive id>/<item id>", "%s is no address of a file: %v", connectors.Plain(address), err)
	}
	if !f.Folder {
		out.Size = &f.Size
	}
	return out, nil
}

// address is where the file lies. What Office opens in the browser has another
// webUrl: that of a page, with the file in its query.
//
// Source: learn.microsoft.com/graph/api/resources/driveitem.
func (s Shelf) address(ctx context.Context, f subject) (string, error) {
	if !strings.Contains(f.WebURL, "/_layouts/") {
		return f.WebURL, nil
	}
	all, err := s.Graph.Libraries(ctx, f.SiteURL)
	if err != nil {
		return "", err
	}
	for _, l := range all {
		if l.ID == f.DriveID {
			_, folder, _ := strings.Cut(f.ParentPath, "root:")
			return strings.TrimRight(l.WebURL, "/") + folder + "/" + url.PathEscape(f.Name), nil
		}
	}
	return "", problem(connectors.NotFound, "name it by the address that SharePoint shows for it under details",
		"no library of %s is the one that the file %s lies in", connectors.Plain(f.SiteURL), connectors.Plain(f.Name))
}

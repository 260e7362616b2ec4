package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stanch/connectors"
)

// FileRef is a file as evidence names it, by ids or by address; what is known
// is given. Path is the path under Site when there is no URL.
type FileRef struct {
	URL     string
	Site    string
	Path    string
	DriveID string
	ItemID  string
}

// DriveItem is a file or folder in SharePoint or OneDrive.
type DriveItem struct {
	ID               string
	DriveID          string
	SiteID           string
	ListItemUniqueID string
	Name             string
	WebURL           string
	ETag             string
	Size             int64
	MimeType         string
	QuickXorHash     string // of the content, in base64; "" where Graph gives none
	Folder           bool
	SiteURL          string
	ParentID         string
	ParentPath       string // as Graph writes it: /drives/ID/root:/folder
	CreatedBy        Identity
	ModifiedBy       Identity
	CreatedAt        time.Time
	ModifiedAt       time.Time
}

// UnmarshalJSON reads a driveItem
// (learn.microsoft.com/graph/api/resources/driveitem).
func (d *DriveItem) UnmarshalJSON(b []byte) error {
	var w struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		WebURL string `json:"webUrl"`
		ETag   string `json:"eTag"`
		Size   int64  `json:"size"`
		File   *struct {
			MimeType string `json:"mimeType"`
			Hashes   struct {
				QuickXor string `json:"quickXorHash"`
			} `json:"hashes"`
		} `json:"file"`
		Folder *struct{} `json:"folder"`
		Parent struct {
			DriveID string `json:"driveId"`
			SiteID  string `json:"siteId"`
			ID      string `json:"id"`
			Path    string `json:"path"`
		} `json:"parentReference"`
		IDs struct {
			ListItemUniqueID string `json:"listItemUniqueId"`
			SiteURL          string `json:"siteUrl"`
		} `json:"sharepointIds"`
		CreatedBy  identitySet `json:"createdBy"`
		ModifiedBy identitySet `json:"lastModifiedBy"`
		CreatedAt  time.Time   `json:"createdDateTime"`
		ModifiedAt time.Time   `json:"lastModifiedDateTime"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*d = DriveItem{
		ID: w.ID, DriveID: w.Parent.DriveID, SiteID: w.Parent.SiteID, ListItemUniqueID: w.IDs.ListItemUniqueID,
		Name: w.Name, WebURL: w.WebURL, ETag: w.ETag, Size: w.Size, Folder: w.Folder != nil,
		SiteURL: w.IDs.SiteURL, ParentID: w.Parent.ID, ParentPath: w.Parent.Path,
		CreatedBy: w.CreatedBy.identity(), ModifiedBy: w.ModifiedBy.identity(), CreatedAt: w.CreatedAt, ModifiedAt: w.ModifiedAt,
	}
	if w.File != nil {
		d.MimeType, d.QuickXorHash = w.File.MimeType, w.File.Hashes.QuickXor
	}
	return nil
}

// Item reads a drive item by its ids.
//
// Source: learn.microsoft.com/graph/api/driveitem-get.
func (c *Client) Item(ctx context.Context, drive, item string) (DriveItem, error) {
	op := "get item " + connectors.Plain(item)
	d, err := c.item(ctx, connectors.Request{Op: op, Path: itemPath(drive, item), Permission: filesRead})
	if err != nil {
		return DriveItem{}, err
	}
	if d.ID != item {
		return DriveItem{}, other(op, item, d.ID, "")
	}
	return d, nil
}

// ResolveFile finds the drive item that evidence names: by its ids, else by
// its address, as a share and, where that finds nothing or is forbidden, by
// site, library and path.
//
// Source: learn.microsoft.com/graph/api/shares-get.
func (c *Client) ResolveFile(ctx context.Context, ref FileRef) (DriveItem, error) {
	if ref.DriveID != "" && ref.ItemID != "" {
		return c.Item(ctx, ref.DriveID, ref.ItemID)
	}
	address, err := ref.address()
	if err != nil {
		return DriveItem{}, err
	}
	d, err := c.item(ctx, connectors.Request{
		Op: "find file " + connectors.Plain(address.String()), Permission: filesWrite, // no less is listed
		Path: connectors.To("shares", shareToken(address.String()), "driveItem"),
	})
	first, is := errors.AsType[*connectors.Error](err)
	if !is || first.Code != connectors.NotFound && first.Code != connectors.Forbidden && first.Code != connectors.Invalid {
		return d, err
	}
	d, err = c.itemAt(ctx, address)
	if second, is := errors.AsType[*connectors.Error](err); is &&
		(second.Code == connectors.NotFound || second.Code == connectors.Forbidden || second.Code == connectors.Invalid) {
		return DriveItem{}, first
	}
	return d, err
}

// address is the URL of the file, its path decoded once.
func (ref FileRef) address() (*url.URL, error) {
	text := ref.URL
	if text == "" {
		text = ref.Path
		if !strings.HasPrefix(strings.ToLower(text), "https://") {
			if ref.Site == "" {
				return nil, invalid("find file", "neither drive and item id nor a URL nor site and path are known")
			}
			text = strings.TrimRight(ref.Site, "/") + "/" + escapePath(strings.Trim(ref.Path, "/"))
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path == "" || u.Path == "/" {
		return nil, invalid("find file", "%q is no https address of a file", connectors.Plain(text))
	}
	return u, nil
}

func escapePath(p string) string {
	if strings.Contains(p, "%") { // escaped already
		if _, err := url.PathUnescape(p); err == nil {
			return p
		}
	}
	return (&url.URL{Path: p}).EscapedPath()
}

// shareToken names an address for /shares.
func shareToken(address string) string {
	return "u!" + base64.RawURLEncoding.EncodeToString([]byte(address))
}

// itemAt finds a file by site, library and path.
func (c *Client) itemAt(ctx context.Context, u *url.URL) (DriveItem, error) {
	op := "find file " + connectors.Plain(u.String())
	var site struct {
		ID string `json:"id"`
	}
	if _, err := c.api.Read(ctx, connectors.Request{
		Op: op + ": site", Path: connectors.To("sites", u.Host).Colon(sitePath(u.Path)), Permission: sitesRead,
		Query: []connectors.Param{{Key: "$select", Value: "id"}},
	}, &site); err != nil {
		return DriveItem{}, err
	}
	drives, err := list[struct {
		ID     string `json:"id"`
		WebURL string `json:"webUrl"`
	}](ctx, c, connectors.Request{
		Op: op + ": libraries", Path: connectors.To("sites", site.ID, "drives"), Permission: filesRead,
		Query: []connectors.Param{{Key: "$select", Value: "id,webUrl"}},
	})
	if err != nil {
		return DriveItem{}, err
	}
	drive, rest := "", ""
	for _, d := range drives {
		lib, err := url.Parse(d.WebURL)
		if err != nil || !strings.EqualFold(lib.Host, u.Host) {
			continue
		}
		under, is := cutFold(u.Path, strings.TrimRight(lib.Path, "/")+"/")
		if is && (drive == "" || len(under) < len(rest)) {
			drive, rest = d.ID, under
		}
	}
	if drive == "" {
		return DriveItem{}, &connectors.Error{
			Op: "graph: " + op, Code: connectors.NotFound,
			Message: "no library of the site holds this path",
		}
	}
	return c.item(ctx, connectors.Request{Op: op, Path: connectors.To("drives", drive, "root").Colon(rest), Permission: filesRead})
}

// sitePath is the part of a server-relative path that names the site.
func sitePath(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 1 {
		switch strings.ToLower(parts[0]) {
		case "sites", "teams", "personal":
			return parts[0] + "/" + parts[1]
		}
	}
	return ""
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func (c *Client) item(ctx context.Context, r connectors.Request) (DriveItem, error) {
	r.Query = []connectors.Param{{
		Key:   "$select",
		Value: "id,name,webUrl,eTag,size,file,folder,parentReference,sharepointIds,createdBy,lastModifiedBy,createdDateTime,lastModifiedDateTime",
	}}
	var d DriveItem
	reply, err := c.api.Read(ctx, r, &d)
	if err == nil && (d.ID == "" || d.DriveID == "") {
		err = &connectors.Error{
			Op: "graph: " + r.Op, Code: connectors.Failed, RequestID: reply.RequestID,
			Message: "the answer names no drive item: id or parentReference.driveId is missing",
		}
	}
	return d, err
}

func itemPath(drive, item string, more ...string) connectors.Path {
	return connectors.To(append([]string{"drives", drive, "items", item}, more...)...)
}

// DeleteItem puts an item into the recycle bin, if it still has that etag;
// with an empty one, whatever it has become.
//
// Source: learn.microsoft.com/graph/api/driveitem-delete.
func (c *Client) DeleteItem(ctx context.Context, ch connectors.Change, drive, item, etag string) error {
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op: "delete item " + connectors.Plain(item), Method: http.MethodDelete, Path: itemPath(drive, item),
		Header: ifMatch(etag), Permission: filesWrite,
	}, nil)
	return err
}

// RestoreItem takes an item back out of the recycle bin. Microsoft documents
// it for personal OneDrive alone; elsewhere it is refused as invalid, and a
// person or SharePoint's own API must do it.
//
// Source: learn.microsoft.com/graph/api/driveitem-restore.
func (c *Client) RestoreItem(ctx context.Context, ch connectors.Change, drive, item string) (DriveItem, error) {
	var d DriveItem
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op: "restore item " + connectors.Plain(item), Method: http.MethodPost, Path: itemPath(drive, item, "restore"),
		Permission: filesWrite, Body: struct{}{},
	}, &d)
	return d, err
}

func ifMatch(etag string) http.Header {
	if etag == "" {
		return nil
	}
	return http.Header{"If-Match": {etag}}
}

package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"stanch/connectors"
)

// Library is a document library: the drive of a site or of a person.
type Library struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	WebURL string `json:"webUrl"`
}

func libraryFields() []connectors.Param {
	return []connectors.Param{{Key: "$select", Value: "id,name,webUrl"}}
}

// Libraries lists the document libraries of the site at an https address.
//
// Source: learn.microsoft.com/graph/api/site-getbypath, drive-list.
func (c *Client) Libraries(ctx context.Context, site string) ([]Library, error) {
	op := "list libraries of " + connectors.Plain(site)
	u, err := url.Parse(site)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, invalid(op, "%q is no https address of a site", connectors.Plain(site))
	}
	var found struct {
		ID string `json:"id"`
	}
	if _, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: connectors.To("sites", u.Host).Colon(u.Path), Permission: sitesRead,
		Query: []connectors.Param{{Key: "$select", Value: "id"}},
	}, &found); err != nil {
		return nil, err
	}
	return list[Library](ctx, c, connectors.Request{
		Op: op, Path: connectors.To("sites", found.ID, "drives"), Permission: filesRead, Query: libraryFields(),
	})
}

// OneDrive answers the library of a person, by object id or user principal
// name.
//
// Source: learn.microsoft.com/graph/api/drive-get.
func (c *Client) OneDrive(ctx context.Context, user string) (Library, error) {
	var d Library
	_, err := c.api.Read(ctx, connectors.Request{
		Op: "get OneDrive of " + connectors.Plain(user), Path: connectors.To("users", user, "drive"), Permission: filesRead, Query: libraryFields(),
	}, &d)
	return d, err
}

// ItemAt reads the item at a path in a library.
//
// Source: learn.microsoft.com/graph/api/driveitem-get.
func (c *Client) ItemAt(ctx context.Context, drive, path string) (DriveItem, error) {
	return c.item(ctx, connectors.Request{
		Op: "get item at " + connectors.Plain(path), Path: connectors.To("drives", drive, "root").Colon(path), Permission: filesRead,
	})
}

// Child reads what lies in a folder under a name.
//
// Source: learn.microsoft.com/graph/api/driveitem-get.
func (c *Client) Child(ctx context.Context, drive, folder, name string) (DriveItem, error) {
	return c.item(ctx, connectors.Request{
		Op: "get " + connectors.Plain(name) + " in folder " + connectors.Plain(folder), Path: itemPath(drive, folder).Colon(name), Permission: filesRead,
	})
}

// Search yields what Graph finds for text in a library: in names, but in
// metadata and content too, in Graph's order, until keep answers false. What
// was changed in the last minutes may not be found yet.
//
// Source: learn.microsoft.com/graph/api/driveitem-search.
func (c *Client) Search(ctx context.Context, drive, text string, keep func(DriveItem) bool) error {
	op := "search library for " + connectors.Plain(text)
	if strings.TrimSpace(text) == "" {
		return invalid(op, "there is no text to search for")
	}
	for page, err := range c.api.Pages(ctx, connectors.Request{
		Op: op, Permission: filesRead,
		Path: connectors.To("drives", drive, "root").Call("search", connectors.Param{Key: "q", Value: text}),
		Query: []connectors.Param{
			{Key: "$select", Value: "id,name,webUrl,size,file,folder,parentReference,createdBy,lastModifiedBy,createdDateTime,lastModifiedDateTime"},
			{Key: "$top", Value: "200"},
		},
	}) {
		if err != nil {
			return err
		}
		for _, raw := range page.Items {
			var d DriveItem
			if err := json.Unmarshal(raw, &d); err != nil {
				return &connectors.Error{
					Op: "graph: " + op, Code: connectors.Failed, RequestID: page.Reply.RequestID,
					Message: "an entry of the list has another shape than expected: " + connectors.Plain(err.Error()),
				}
			}
			if d.DriveID == "" {
				d.DriveID = drive
			}
			if !keep(d) {
				return nil
			}
		}
	}
	return nil
}

// MoveItem puts an item into another folder of its library, under a name; with
// an etag only if it still has it. A name that is taken there is a conflict.
// Its own permissions go along, those that it inherits become the folder's.
//
// Source: learn.microsoft.com/graph/api/driveitem-move.
func (c *Client) MoveItem(ctx context.Context, ch connectors.Change, drive, item, etag, folder, name string) (DriveItem, error) {
	op := "move item " + connectors.Plain(item)
	if folder == "" || name == "" {
		return DriveItem{}, invalid(op, "no folder or no name to move it to")
	}
	var d DriveItem
	_, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPatch, Path: itemPath(drive, item), Header: ifMatch(etag), Permission: filesWrite,
		Body: map[string]any{"name": name, "parentReference": map[string]string{"id": folder}},
	}, &d)
	if err == nil && d.ID != item {
		err = open(other(op, item, d.ID, ""))
	}
	return d, err
}

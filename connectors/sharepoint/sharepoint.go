// Package sharepoint is the client of SharePoint's own REST API: only what
// Microsoft Graph v1.0 has no call for, the recycle bin of a site.
//
// SharePoint takes the tokens of an app only if the app signed in with a
// certificate, and its application permissions are its own, beside those of
// Graph (learn.microsoft.com/sharepoint/dev/solution-guidance/security-apponly-azuread).
package sharepoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"stanch/connectors"
)

// fullControl is the application permission of the recycle bin: SharePoint
// documents none, and less than full control does not see what others deleted.
const fullControl = "Sites.FullControl.All"

// most is how many entries of one name are read of a recycle bin.
const most = 200

// Client is SharePoint for one tenant. It is safe for concurrent use.
type Client struct {
	cloud   connectors.Cloud
	cred    azcore.TokenCredential
	options *connectors.Options

	mu   sync.Mutex
	apis map[string]*connectors.Client // by host
}

// New answers a client of the cloud's SharePoint; nil options are the default
// ones.
func New(cloud connectors.Cloud, cred azcore.TokenCredential, o *connectors.Options) (*Client, error) {
	if cloud.SharePoint == "" {
		return nil, &connectors.Error{Op: "sharepoint", Code: connectors.Invalid, Message: "cloud " + cloud.Name + " has no SharePoint"}
	}
	return &Client{cloud: cloud, cred: cred, options: o, apis: map[string]*connectors.Client{}}, nil
}

// Recycled is an entry of a site's recycle bin.
type Recycled struct {
	ID        string // of the entry, a GUID
	Name      string
	Dir       string // folder that it lay in, from the host on, without slashes around
	Size      int64
	Folder    bool
	DeletedAt time.Time
	DeletedBy string // address; empty for an app
}

// Recycled lists what of that name is in the recycle bin of a site, newest
// first. More than 200 of one name are an error of code limit.
//
// Source: learn.microsoft.com/previous-versions/office/sharepoint-visio/jj245382(v=office.15).
func (c *Client) Recycled(ctx context.Context, site, name string) ([]Recycled, error) {
	op := "look for " + connectors.Plain(name) + " in the recycle bin of " + connectors.Plain(site)
	api, web, err := c.web(op, site)
	if err != nil {
		return nil, err
	}
	var body struct {
		Value []struct {
			ID        string      `json:"Id"`
			Name      string      `json:"LeafName"`
			Dir       string      `json:"DirName"`
			Size      json.Number `json:"Size"` // a text in OData 3, a number in 4
			Type      int         `json:"ItemType"`
			DeletedAt time.Time   `json:"DeletedDate"`
			DeletedBy string      `json:"DeletedByEmail"`
		} `json:"value"`
	}
	_, err = api.Read(ctx, connectors.Request{
		Op: op, Path: append(web, "RecycleBin").path(), Permission: fullControl,
		Query: []connectors.Param{
			{Key: "$filter", Value: "LeafName eq " + connectors.Quote(name)},
			{Key: "$select", Value: "Id,LeafName,DirName,Size,ItemType,DeletedDate,DeletedByEmail"},
			{Key: "$orderby", Value: "DeletedDate desc"},
			{Key: "$top", Value: fmt.Sprint(most)},
		},
	}, &body)
	if err != nil {
		return nil, hinted(err)
	}
	if len(body.Value) >= most {
		return nil, &connectors.Error{Op: "sharepoint: " + op, Code: connectors.Limit, Message: fmt.Sprintf("the bin holds %d or more of this name", most), Hint: "restore it by hand"}
	}
	out := []Recycled{}
	for _, v := range body.Value {
		size, err := v.Size.Int64()
		if err != nil {
			return nil, &connectors.Error{Op: "sharepoint: " + op, Code: connectors.Failed, Message: "an entry of the bin has no size"}
		}
		if strings.EqualFold(v.Name, name) {
			out = append(out, Recycled{ID: v.ID, Name: v.Name, Dir: strings.Trim(v.Dir, "/"), Size: size, Folder: v.Type == folderType, DeletedAt: v.DeletedAt, DeletedBy: v.DeletedBy})
		}
	}
	return out, nil
}

// folderType is SP.RecycleBinItemType.folder.
const folderType = 5

// Restore puts an entry of the recycle bin back where it lay. A name that is
// taken there is a conflict; an entry that is not there answers not_found.
//
// Source: learn.microsoft.com/previous-versions/office/sharepoint-visio/jj246549(v=office.15).
func (c *Client) Restore(ctx context.Context, ch connectors.Change, site, id string) error {
	op := "restore " + connectors.Plain(id) + " from the recycle bin of " + connectors.Plain(site)
	api, web, err := c.web(op, site)
	if err != nil {
		return err
	}
	var out struct {
		Null  bool `json:"odata.null"`
		Null4 bool `json:"@odata.null"` // in the fourth version of OData
	}
	reply, err := api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPost, Permission: fullControl,
		Path: web.path().Call("RecycleBin", connectors.Param{Value: id}).Call("restore"),
	}, &out)
	if err == nil && reply.Status == http.StatusOK && !out.Null && !out.Null4 {
		return &connectors.Error{
			Op: "sharepoint: " + op, Code: connectors.Failed, Status: reply.Status, RequestID: reply.RequestID, Open: true,
			Message: "the answer is not the empty one of a call that gives nothing back",
		}
	}
	return hinted(err)
}

// hinted says what a refused token most often means here.
func hinted(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.Unauthorized && e.Status != 0 {
		e.Hint = "SharePoint takes apps that sign in with a certificate only, not with a client secret"
	}
	return err
}

// segments are the parts of a path.
type segments []string

func (s segments) path() connectors.Path { return connectors.To(s...) }

// web answers the client for the site's host and the path of its web.
func (c *Client) web(op, site string) (*connectors.Client, segments, error) {
	u, err := url.Parse(site)
	ours := err == nil && u.Scheme == "https" && u.User == nil && u.Host != ""
	if ours && strings.HasPrefix(c.cloud.SharePoint, ".") {
		ours = c.cloud.OwnsSharePoint(u)
	}
	if !ours {
		return nil, nil, &connectors.Error{
			Op: "sharepoint: " + op, Code: connectors.Invalid, Message: fmt.Sprintf("%q is no site in the SharePoint of this cloud", connectors.Plain(site)),
		}
	}
	api, err := c.api(strings.ToLower(u.Host))
	web := segments{}
	for part := range strings.SplitSeq(u.Path, "/") {
		if part != "" {
			web = append(web, part)
		}
	}
	return api, append(web, "_api", "web"), err
}

// api answers the client for a host. A tenant's SharePoint has two: one for
// sites, one for OneDrive, with tokens of their own.
func (c *Client) api(host string) (*connectors.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.apis[host]; known != nil {
		return known, nil
	}
	at := host
	if !strings.HasPrefix(c.cloud.SharePoint, ".") { // one server is all hosts
		at = c.cloud.SharePoint
	}
	o := c.options.Copy()
	o.Cost = func(string, string) (string, int64) { return connectors.ClassSharePoint, 2 } // as a list or a change
	api, err := connectors.New(c.cloud, connectors.API{Name: "sharepoint", Base: "https://" + at, Scope: "https://" + host + "/.default"}, c.cred, &o)
	if err != nil {
		return nil, err
	}
	c.apis[host] = api
	return api, nil
}

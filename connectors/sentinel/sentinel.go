// Package sentinel is Microsoft Sentinel's API on Azure Resource Manager
// (Microsoft.SecurityInsights) as far as the actions and the feed use it, each
// call a typed method. Methods that change something take a connectors.Change
// and send one request, once.
//
// It knows nothing of playbooks, actions or the incident model: incidents,
// alerts and entities are given as the bytes the API sent.
package sentinel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"stanch/connectors"
)

// Version is the version of the API that is spoken
// (azure-rest-api-specs, Microsoft.SecurityInsights stable).
const Version = "2024-09-01"

// The least of Azure's built-in roles
// (learn.microsoft.com/azure/sentinel/roles).
const (
	reader    = "Microsoft Sentinel Reader"
	responder = "Microsoft Sentinel Responder"
)

// Workspace is where Sentinel is.
type Workspace struct {
	Subscription  string // a GUID
	ResourceGroup string
	Name          string // of the Log Analytics workspace
}

// Names of resource groups and workspaces
// (learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules).
var (
	groupForm     = regexp.MustCompile(`^[\p{L}\p{N}_().-]{1,89}[\p{L}\p{N}_()-]$|^[\p{L}\p{N}_()-]$`)
	workspaceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]$`)
)

// Valid says what of the workspace cannot be, naming the field as the
// operator's file does.
func (w Workspace) Valid() error {
	switch {
	case !connectors.IsGUID(w.Subscription):
		return fmt.Errorf("subscription is %q; expected the subscription's id, a GUID", connectors.Plain(w.Subscription))
	case !groupForm.MatchString(w.ResourceGroup):
		return fmt.Errorf("resource_group is %q; expected the name of the resource group, such as contoso-security", connectors.Plain(w.ResourceGroup))
	case !workspaceForm.MatchString(w.Name):
		return fmt.Errorf("workspace is %q; expected the name (not the id) of the Log Analytics workspace, such as contoso-sentinel", connectors.Plain(w.Name))
	}
	return nil
}

// Client is Sentinel in one workspace. It is safe for concurrent use.
type Client struct {
	api *connectors.Client
	at  Workspace
}

// New answers a client of the workspace in the cloud's Azure; nil options are
// the default ones. It asks nothing yet.
func New(cloud connectors.Cloud, cred azcore.TokenCredential, at Workspace, o *connectors.Options) (*Client, error) {
	if err := at.Valid(); err != nil {
		return nil, invalid("workspace", "%v", err)
	}
	api, err := connectors.New(cloud, cloud.Azure, cred, o)
	if err != nil {
		return nil, err
	}
	return &Client{api: api, at: at}, nil
}

// Workspace is where the client is at work.
func (c *Client) Workspace() Workspace { return c.at }

// path is the path of a resource of Microsoft.SecurityInsights.
func (c *Client) path(below ...string) connectors.Path {
	return connectors.To(append([]string{
		"subscriptions", c.at.Subscription, "resourceGroups", c.at.ResourceGroup,
		"providers", "Microsoft.OperationalInsights", "workspaces", c.at.Name, "providers", "Microsoft.SecurityInsights",
	}, below...)...)
}

func query(more ...connectors.Param) []connectors.Param {
	return append([]connectors.Param{{Key: "api-version", Value: Version}}, more...)
}

// invalid is an argument that no request can be made of.
func invalid(op, format string, args ...any) error {
	return &connectors.Error{Op: "sentinel: " + op, Code: connectors.Invalid, Message: fmt.Sprintf(format, args...)}
}

// unreadable is an answer of another shape than the API's.
func unreadable(op, what, reason, request string) error {
	return &connectors.Error{
		Op: "azure: " + op, Code: connectors.Failed, RequestID: request,
		Message: what + " of the answer cannot be read: " + reason,
	}
}

// open marks an error about the answer to a change: it may have taken effect.
func open(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is {
		e.Open = true
	}
	return err
}

// resource is what every answer about one thing has.
type resource struct {
	Name       string          `json:"name"`
	ETag       string          `json:"etag"`
	Properties json.RawMessage `json:"properties"`
}

// read decodes a resource and its properties. name is the one that was asked
// for, empty for one of a list.
func read(op, what, name string, raw json.RawMessage, request string, properties any) (resource, error) {
	var r resource
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, unreadable(op, what, connectors.Plain(err.Error()), request)
	}
	switch {
	case r.Name == "":
		return r, unreadable(op, what, "it has no name", request)
	case name != "" && !strings.EqualFold(name, r.Name):
		return r, &connectors.Error{
			Op: "azure: " + op, Code: connectors.Failed, RequestID: request,
			Message: fmt.Sprintf("the answer is about %q; asked was %q", connectors.Plain(r.Name), connectors.Plain(name)),
		}
	case len(r.Properties) == 0 || string(r.Properties) == "null":
		return r, unreadable(op, what, "it has no properties", request)
	}
	if err := json.Unmarshal(r.Properties, properties); err != nil {
		return r, unreadable(op, what, connectors.Plain(strings.TrimPrefix(err.Error(), "json: ")), request)
	}
	return r, nil
}

// get reads one resource.
func (c *Client) get(ctx context.Context, op string, below []string) (json.RawMessage, string, error) {
	var raw json.RawMessage
	reply, err := c.api.Read(ctx, connectors.Request{Op: op, Path: c.path(below...), Query: query(), Permission: reader}, &raw)
	return raw, reply.RequestID, err
}

// ask does one of the reads that the API has as a POST without body, and
// answers the list called key.
func (c *Client) ask(ctx context.Context, op, key string, below ...string) ([]json.RawMessage, error) {
	var out map[string]json.RawMessage
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Method: "POST", Reads: true, Path: c.path(below...), Query: query(), Permission: reader,
	}, &out)
	if err != nil {
		return nil, err
	}
	list := []json.RawMessage{}
	raw := out[key]
	if err := json.Unmarshal(raw, &list); err != nil || list == nil {
		reason := fmt.Sprintf("it has no list %q", key)
		if err != nil && len(raw) > 0 {
			reason = connectors.Plain(err.Error())
		}
		return nil, unreadable(op, "the list", reason, reply.RequestID)
	}
	if next := cmp.Or(string(out["nextLink"]), "null"); next != "null" && next != `""` {
		return nil, unreadable(op, "the list", "it goes on at another page, which this call has not", reply.RequestID)
	}
	return list, nil
}

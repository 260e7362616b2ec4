// Package activity is the Office 365 Management Activity API as far as the
// actions use it: subscriptions to content, its list, and the events of data loss
// prevention in it, each call a typed method. Methods that change something take
// a connectors.Change and send one request, once.
//
// What a policy matched, the content itself, comes with the events of DLP.All to
// whoever may read them. It never leaves this package: no type of it has room
// for it, and errors about content quote nothing that the service sent.
//
// It knows nothing of playbooks, actions or the incident model.
package activity

import (
	"context"
	"net/http"
	"strings"

	"stanch/connectors"
)

// Permissions of the Office 365 Management APIs, both of which DLP.All needs.
const (
	Read    = "ActivityFeed.Read"
	ReadDLP = "ActivityFeed.ReadDlp"
)

// ContentType is a kind of content that can be subscribed to.
type ContentType string

// The content types.
const (
	EntraID    ContentType = "Audit.AzureActiveDirectory"
	Exchange   ContentType = "Audit.Exchange"
	SharePoint ContentType = "Audit.SharePoint"
	General    ContentType = "Audit.General"
	DLP        ContentType = "DLP.All" // events of data loss prevention of all workloads
)

// permission is the least application permission for a content type.
func (t ContentType) permission() string {
	if t == DLP {
		return ReadDLP
	}
	return Read
}

// Client is the API for the tenant of its credential. It is safe for concurrent
// use. Content that it has read it keeps for a while: content never changes.
type Client struct {
	api  *connectors.Client
	of   connectors.API
	cred connectors.Credential
	kept *kept
	turn func(context.Context) error // before each request; nil: at once
}

// New answers a client of the cloud's API; nil options are the default ones. The
// tenant is the one that the credential's tokens are for.
func New(cloud connectors.Cloud, cred connectors.Credential, o *connectors.Options) (*Client, error) {
	api, err := connectors.New(cloud, cloud.Activity, cred, o)
	if err != nil {
		return nil, err
	}
	return &Client{api: api, of: cloud.Activity, cred: cred, kept: &kept{}}, nil
}

// Paced is the same client, which calls turn before each request and makes none
// where that fails.
func (c *Client) Paced(turn func(context.Context) error) *Client {
	out := *c
	out.turn = turn
	return &out
}

// waits for the turn of a request.
func (c *Client) waits(ctx context.Context) error {
	if c.turn == nil {
		return nil
	}
	return c.turn(ctx)
}

// request is a call below the feed of the tenant. The API asks for a tenant as
// PublisherIdentifier, by which it counts calls: that of who runs the code.
func (c *Client) request(ctx context.Context, op string, below ...string) (connectors.Request, error) {
	if err := c.waits(ctx); err != nil {
		return connectors.Request{}, err
	}
	grant, err := connectors.Granted(ctx, c.cred, c.of)
	if err != nil {
		return connectors.Request{}, err
	}
	if !connectors.IsGUID(grant.Tenant) {
		return connectors.Request{}, &connectors.Error{
			Op: "activity: " + op, Code: connectors.Failed, Message: "the token does not name its tenant", Hint: "see that tenant and cloud fit this API",
		}
	}
	return connectors.Request{
		Op: op, Path: connectors.To(append([]string{grant.Tenant, "activity", "feed"}, below...)...), Permission: Read,
		Query: []connectors.Param{{Key: publisher, Value: grant.Tenant}},
	}, nil
}

const publisher = "PublisherIdentifier"

// about makes a request one about a content type.
func about(r connectors.Request, t ContentType) connectors.Request {
	r.Permission = t.permission()
	r.Query = append([]connectors.Param{{Key: "contentType", Value: string(t)}}, r.Query...)
	return r
}

// Subscription is that this app gets content of a type.
type Subscription struct {
	Type    ContentType
	Enabled bool
}

type wireSubscription struct {
	Type   ContentType `json:"contentType"`
	Status text        `json:"status"`
}

func (w wireSubscription) typed() Subscription {
	return Subscription{Type: w.Type, Enabled: w.Status != "disabled"} // the page's own sample has one without status
}

// Subscriptions are those of this app.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#list-current-subscriptions.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	r, err := c.request(ctx, "list subscriptions", "subscriptions", "list")
	if err != nil {
		return nil, err
	}
	var wire []wireSubscription
	if _, err := c.api.Read(ctx, r, &wire); err != nil {
		return nil, explained(err, Read)
	}
	out := []Subscription{}
	for _, w := range wire {
		out = append(out, w.typed())
	}
	return out, nil
}

// Start subscribes this app to a content type; one that is subscribed to stays
// so. Content is gathered from then on, the first of it comes after up to twelve
// hours. It is not to be asked for again within fifteen minutes.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#start-a-subscription.
func (c *Client) Start(ctx context.Context, ch connectors.Change, t ContentType) (Subscription, error) {
	r, err := c.request(ctx, "start the subscription to "+connectors.Plain(string(t)), "subscriptions", "start")
	if err != nil {
		return Subscription{}, err
	}
	r.Method = http.MethodPost
	var wire wireSubscription
	reply, err := c.api.Send(ctx, ch, about(r, t), &wire)
	if err != nil {
		if serviceCode(err) == alreadyEnabled {
			return Subscription{Type: t, Enabled: true}, nil
		}
		return Subscription{}, explained(err, t.permission())
	}
	if !strings.EqualFold(string(wire.Type), string(t)) {
		return Subscription{}, &connectors.Error{
			Op: "activity: " + r.Op, Code: connectors.Failed, Status: reply.Status, RequestID: reply.RequestID, Open: true,
			Message: "the answer does not name the content that was asked for",
		}
	}
	return wire.typed(), nil
}

// Stop ends a subscription. What happens until it is started again is never
// served.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#stop-a-subscription.
func (c *Client) Stop(ctx context.Context, ch connectors.Change, t ContentType) error {
	r, err := c.request(ctx, "stop the subscription to "+connectors.Plain(string(t)), "subscriptions", "stop")
	if err != nil {
		return err
	}
	r.Method = http.MethodPost
	_, err = c.api.Send(ctx, ch, about(r, t), nil)
	return explained(err, t.permission())
}

// SensitiveTypes are the names of sensitive information types by their ids, in
// lower case.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference#retrieve-resource-friendly-names.
func (c *Client) SensitiveTypes(ctx context.Context) (map[string]string, error) {
	r, err := c.request(ctx, "list sensitive information types", "resources", "dlpSensitiveTypes")
	if err != nil {
		return nil, err
	}
	var wire []struct {
		ID   text `json:"id"`
		Name text `json:"name"`
	}
	if _, err := c.api.Read(ctx, r, &wire); err != nil {
		return nil, explained(err, Read)
	}
	out := map[string]string{}
	for _, w := range wire {
		if w.ID != "" && w.Name != "" {
			out[lower(w.ID)] = string(w.Name)
		}
	}
	return out, nil
}

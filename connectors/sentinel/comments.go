package sentinel

import (
	"context"
	"encoding/json"
	"net/http"
	"unicode/utf8"

	"stanch/connectors"
)

// MaxComment is the longest comment, in characters
// (learn.microsoft.com/azure/sentinel/sentinel-service-limits).
const MaxComment = 30_000

// Comment is a comment of an incident. Sentinel shows its text as HTML and
// Markdown.
type Comment struct {
	Name string // a GUID
	Text string
	Raw  json.RawMessage
}

// Comments lists the comments of an incident.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incident-comments/list.
func (c *Client) Comments(ctx context.Context, incident string) ([]Comment, error) {
	out := []Comment{}
	r := connectors.Request{
		Op: "list comments of incident " + connectors.Plain(incident), Path: c.path("incidents", incident, "comments"), Query: query(), Permission: reader,
	}
	for page, err := range c.api.Pages(ctx, r) {
		if err != nil {
			return nil, err
		}
		for _, raw := range page.Items {
			one, err := comment(r.Op, "", raw, page.Reply.RequestID)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// Comment reads one comment by its name.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incident-comments/get.
func (c *Client) Comment(ctx context.Context, incident, name string) (Comment, error) {
	op := "get comment " + connectors.Plain(name) + " of incident " + connectors.Plain(incident)
	raw, request, err := c.get(ctx, op, []string{"incidents", incident, "comments", name})
	if err != nil {
		return Comment{}, err
	}
	return comment(op, name, raw, request)
}

// PutComment writes a comment under a name, a GUID that the caller picks: doing
// it twice writes the same comment. An incident takes 100 comments.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incident-comments/create-or-update.
func (c *Client) PutComment(ctx context.Context, ch connectors.Change, incident, name, text string) (Comment, error) {
	op := "comment incident " + connectors.Plain(incident)
	if n := utf8.RuneCountInString(text); n == 0 || n > MaxComment {
		return Comment{}, invalid(op, "the comment has %d characters; expected 1 to %d", n, MaxComment)
	}
	if !connectors.IsGUID(name) {
		return Comment{}, invalid(op, "the name of the comment is %q; expected a GUID", connectors.Plain(name))
	}
	var raw json.RawMessage
	reply, err := c.api.Send(ctx, ch, connectors.Request{
		Op: op, Method: http.MethodPut, Path: c.path("incidents", incident, "comments", name), Query: query(), Permission: responder,
		Body: map[string]any{"properties": map[string]string{"message": text}},
	}, &raw)
	if err != nil {
		return Comment{}, err
	}
	out, err := comment(op, name, raw, reply.RequestID)
	return out, open(err)
}

func comment(op, name string, raw json.RawMessage, request string) (Comment, error) {
	var p struct {
		Message string `json:"message"`
	}
	r, err := read(op, "a comment", name, raw, request, &p)
	return Comment{Name: r.Name, Text: p.Message, Raw: raw}, err
}

// Relation joins an incident to another resource of the workspace, such as a
// bookmark.
type Relation struct {
	Name string
	To   string // id of the resource
	Type string
}

// Relations lists what an incident is related to.
//
// Source: learn.microsoft.com/rest/api/securityinsights/incident-relations/list.
func (c *Client) Relations(ctx context.Context, incident string) ([]Relation, error) {
	out := []Relation{}
	r := connectors.Request{
		Op: "list relations of incident " + connectors.Plain(incident), Path: c.path("incidents", incident, "relations"), Query: query(), Permission: reader,
	}
	for page, err := range c.api.Pages(ctx, r) {
		if err != nil {
			return nil, err
		}
		for _, raw := range page.Items {
			var p struct {
				To   string `json:"relatedResourceId"`
				Type string `json:"relatedResourceType"`
			}
			one, err := read(r.Op, "a relation", "", raw, page.Reply.RequestID, &p)
			if err != nil {
				return nil, err
			}
			out = append(out, Relation{Name: one.Name, To: p.To, Type: p.Type})
		}
	}
	return out, nil
}

package graph

import (
	"context"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
)

// MessagesTitled finds the messages of a mailbox, in whatever folder, that were
// received since a time and whose subject holds a text; the first come first. It
// finds what lies in Sent Items, too.
//
// Source: learn.microsoft.com/graph/api/user-list-messages.
func (c *Client) MessagesTitled(ctx context.Context, mailbox, part string, since time.Time) ([]Message, error) {
	op := "find messages about " + connectors.Plain(part) + " of " + connectors.Plain(mailbox)
	if part == "" {
		return nil, invalid(op, "no text is given that the subject is to hold")
	}
	wires, err := list[messageWire](ctx, c, connectors.Request{
		Op: op, Path: connectors.To("users", mailbox, "messages"), Header: immutable(), Permission: mailRead,
		Query: []connectors.Param{
			{Key: "$filter", Value: connectors.ChangedSince("receivedDateTime", since, "contains(subject,"+connectors.Quote(part)+")")},
			{Key: "$select", Value: messageFields},
			{Key: "$top", Value: "100"},
		},
	})
	var out []Message
	for _, w := range wires {
		if w.ID == "" {
			return nil, other(op, part, "", "")
		}
		if strings.Contains(strings.ToLower(w.Subject), strings.ToLower(part)) {
			out = append(out, w.message())
		}
	}
	slices.SortStableFunc(out, func(a, b Message) int { return a.ReceivedAt.Compare(b.ReceivedAt) })
	return out, err
}

// Written is what somebody has written in a mail.
type Written struct {
	Text string // without what is quoted, as plain text
	// Internal says that Exchange has authenticated the sender as one of the
	// organization.
	Internal bool
}

// authAs is the header in which Exchange says as whom it has authenticated the
// sender. What comes from outside cannot bring it: the header firewall drops it.
//
// Source: learn.microsoft.com/exchange/header-firewall-exchange-2013-help.
const authAs = "X-MS-Exchange-Organization-AuthAs"

// Written reads what somebody has written in a message of a mailbox.
//
// Source: learn.microsoft.com/graph/api/message-get,
// learn.microsoft.com/graph/api/resources/message (uniqueBody,
// internetMessageHeaders).
func (c *Client) Written(ctx context.Context, mailbox, id string) (Written, error) {
	op := "read message " + connectors.Plain(id)
	var w struct {
		ID   string `json:"id"`
		Body struct {
			Type string `json:"contentType"`
			Text string `json:"content"`
		} `json:"uniqueBody"`
		Headers []struct{ Name, Value string } `json:"internetMessageHeaders"`
	}
	head := immutable()
	head.Set("Prefer", head.Get("Prefer")+`, outlook.body-content-type="text"`)
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: messagePath(mailbox, id), Header: head, Permission: mailRead,
		Query: []connectors.Param{{Key: "$select", Value: "id,uniqueBody,internetMessageHeaders"}},
	}, &w)
	switch {
	case err != nil:
		return Written{}, err
	case w.ID != id:
		return Written{}, other(op, id, w.ID, reply.RequestID)
	case !strings.EqualFold(w.Body.Type, "text"):
		return Written{}, &connectors.Error{Op: "graph: " + op, Code: connectors.Failed, RequestID: reply.RequestID, Message: "the body is no text, as was asked for"}
	}
	said := 0
	out := Written{Text: w.Body.Text, Internal: true}
	for _, h := range w.Headers {
		if strings.EqualFold(h.Name, authAs) {
			said++
			out.Internal = out.Internal && strings.EqualFold(strings.TrimSpace(h.Value), "Internal")
		}
	}
	out.Internal = out.Internal && said == 1
	return out, nil
}

// Package notify holds the actions that tell people: in Microsoft Teams, in
// Slack, by mail, and other systems by a signed webhook; and that ask them.
//
// It reaches them through connectors/web, and through connectors/graph for mail,
// and knows nothing of playbooks, runs or the engine. Where a message goes is a
// channel of the operator's file, by its name; what it says may be an attacker's
// and is shown as plain text.
package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/web"
)

// Shelf is the actions that tell people.
type Shelf struct {
	Web   *web.Client
	Graph *graph.Client
}

const noUndo = "a message that was sent has been read, perhaps: it is not taken back"

type messageParams struct {
	Channel string            `json:"channel" doc:"channel of the operator's file"`
	Title   string            `json:"title,omitempty" doc:"first line, in bold; at most 150 characters are shown"`
	Text    string            `json:"text" doc:"the message, as plain text of one or more lines; at most 8,000 characters are shown"`
	Facts   map[string]string `json:"facts,omitempty" doc:"names and values below the text, in order of the names; at most 20"`
	Link    string            `json:"link,omitempty" doc:"https address that people can open, shown with its host"`
}

type told struct {
	Channel string `json:"channel" doc:"channel of the operator's file"`
	Sent    bool   `json:"sent" doc:"whether the message was taken"`
}

func (p messageParams) message() web.Message {
	return web.Message{Title: p.Title, Text: p.Text, Facts: web.FactsOf(p.Facts), Link: p.Link}
}

// request is a message as an effect keeps it.
type request struct {
	Kind    web.Kind      `json:"kind"`
	Channel string        `json:"channel"`
	Message messageParams `json:"message,omitzero"`
	Event   *web.Event    `json:"event,omitempty"`
	From    string        `json:"from,omitempty"` // of mail
	To      []string      `json:"to,omitempty"`
}

type sent struct {
	Sent bool      `json:"sent"`
	At   time.Time `json:"at,omitzero"`
}

// plan is the one effect of a message.
func (s Shelf) plan(c actions.Call, r request) ([]actions.Effect, told, error) {
	if err := s.Web.Channel(r.Kind, r.Channel); err != nil {
		return nil, told{}, err
	}
	return []actions.Effect{{
		Target: actions.Target{
			Kind: "message", ID: string(r.Kind) + "/" + r.Channel, Name: "message to " + r.Channel + " (" + string(r.Kind) + ")",
			Entities: []actions.Entity{{Kind: "channel", ID: r.Channel}},
		},
		Before: actions.JSON(sent{}), After: actions.JSON(sent{true, c.Now.UTC()}), Request: actions.JSON(r),
	}}, told{Channel: r.Channel, Sent: true}, nil
}

func (s Shelf) planMessage(c actions.Call, kind web.Kind, p messageParams) ([]actions.Effect, told, error) {
	if err := p.message().Valid("notify"); err != nil {
		return nil, told{}, err
	}
	return s.plan(c, request{Kind: kind, Channel: p.Channel, Message: p})
}

func (s Shelf) do(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[request](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	change := connectors.Change(c.Sending)
	switch r.Kind {
	case web.Teams:
		err = s.Web.Teams(ctx, change, r.Channel, r.Message.message())
	case web.Slack:
		err = s.Web.Slack(ctx, change, r.Channel, r.Message.message())
	case web.Webhook:
		if r.Event == nil {
			return actions.Outcome{}, unreadable("an event")
		}
		err = s.Web.Webhook(ctx, change, r.Channel, *r.Event)
	case web.Email:
		err = s.sendMail(ctx, change, r.From, r.To, r.Message.message())
	default:
		return actions.Outcome{}, unreadable("a kind of channel")
	}
	return actions.Outcome{}, err
}

// problem is an error of this side: nothing was sent.
func problem(hint, format string, args ...any) error {
	return &connectors.Error{Op: "notify", Code: connectors.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func unreadable(what string) error {
	return &connectors.Error{Op: "notify", Code: connectors.Invalid, Message: "the request of the effect names no " + what + ": it was kept by another version"}
}

// check cannot tell: a channel shows us nothing of what it got.
func (s Shelf) check(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
	return actions.Finding{Answer: actions.CannotTell, Why: "a channel does not show what came to it"}, nil
}

func settle(out told, effects []actions.Effect) told {
	out.Sent = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	return out
}

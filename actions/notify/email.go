package notify

import (
	"context"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/web"
)

const (
	mailThrottle = "graph.mail"
	mailSettles  = time.Minute // how long Exchange may not show in Sent Items what it has sent
)

// mailPermissions are those to send mail and to look for what was sent, or
// answered.
func mailPermissions(more ...string) []actions.Permission {
	var out []actions.Permission
	for _, name := range append([]string{"Mail.Send", "Mail.Read"}, more...) {
		out = append(out, actions.Permission{API: "graph", Name: name})
	}
	return out
}

// Email tells the people of a channel by mail.
func (s Shelf) Email() actions.Action {
	return actions.Spec[messageParams, told]{
		Doc:   "Tell the people of a channel by mail, from the channel's mailbox. All text is shown as it is: no formats, no links.",
		Class: actions.Writes, Throttle: mailThrottle, Permissions: mailPermissions(),
		Repeat:   actions.RepeatHarmless, // it is found in Sent Items; where that cannot be read, a second mail only annoys
		Settling: mailSettles,
		NoUndo:   noUndo,
		Source:   "https://learn.microsoft.com/graph/api/user-sendmail",
		Example:  "channel: officers\ntitle: A file was shared with everybody\ntext: \"${{ incident.title }}\"\nlink: \"${{ incident.url }}\"",
		Plan:     s.planMail, Do: s.do, Check: s.checkMail, Settle: settle,
	}.Action()
}

func (s Shelf) planMail(_ context.Context, c actions.Call, p messageParams) ([]actions.Effect, told, error) {
	if err := p.message().Valid("notify"); err != nil {
		return nil, told{}, err
	}
	from, to, err := s.Web.Mailbox(p.Channel)
	if err != nil {
		return nil, told{}, err
	}
	if len(to) == 0 {
		return nil, told{}, problem("give it `to` in the operator's file", "channel: %s names nobody to send mail to", connectors.Plain(p.Channel))
	}
	if strings.TrimSpace(p.Title) == "" { // a mail has a subject
		p.Title, _, _ = strings.Cut(strings.TrimSpace(p.Text), "\n")
	}
	return s.plan(c, request{Kind: web.Email, Channel: p.Channel, Message: p, From: from, To: to})
}

// sendMail sends a message as a mail that sentAt finds by the change's id.
func (s Shelf) sendMail(ctx context.Context, change connectors.Change, from string, to []string, m web.Message) error {
	subject, html := m.HTML()
	return s.Graph.SendMail(ctx, change, from, graph.Mail{Subject: subject, HTML: html, To: to, Mark: change.ID})
}

// checkMail looks into Sent Items for the mail of this effect.
func (s Shelf) checkMail(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[request](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	_, there, err := s.Graph.SentMarked(ctx, r.From, e.ID)
	if err != nil {
		return actions.Finding{}, err
	}
	return actions.InSentItems(there), nil
}

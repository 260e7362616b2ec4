package mail

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/web"
)

type sendParams struct {
	From    string            `json:"from" doc:"address of the mailbox it is sent from, in whose Sent Items it stays"`
	To      []string          `json:"to" doc:"addresses; with those of cc at most 20, and of the organization's own domains unless outside is true"`
	CC      []string          `json:"cc,omitempty" doc:"addresses of those who get a copy"`
	Subject string            `json:"subject" doc:"one line; at most 150 characters are sent"`
	Text    string            `json:"text" doc:"the mail, as plain text of one or more lines; at most 8,000 characters are sent"`
	Facts   map[string]string `json:"facts,omitempty" doc:"names and values below the text, in order of the names; at most 20"`
	Link    string            `json:"link,omitempty" doc:"https address that people can open, shown with its host"`
	Outside bool              `json:"outside,omitempty" weakens:"lets what the mail says leave the organization" doc:"true: people outside of the organization may get it; default false"`
}

type sent struct {
	Sent       bool     `json:"sent" doc:"whether Exchange has taken the mail"`
	Recipients []string `json:"recipients" doc:"addresses of to and cc"`
}

// sendRequest is a mail as an effect keeps it.
type sendRequest struct {
	From    string     `json:"from"`
	To      []string   `json:"to"`
	CC      []string   `json:"cc,omitempty"`
	Subject string     `json:"subject"`
	Text    string     `json:"text"`
	Facts   []web.Fact `json:"facts,omitempty"`
	Link    string     `json:"link,omitempty"`
}

type sending struct {
	Sent bool      `json:"sent"`
	At   time.Time `json:"at,omitzero"`
}

const maxRecipients = 20

// Send sends a mail.
func (s Shelf) Send() actions.Action {
	return actions.Spec[sendParams, sent]{
		Doc:   "Send a mail from a mailbox of the organization; what it says is shown as plain text.",
		Class: actions.Writes, Throttle: throttle,
		Permissions: append(permission("Mail.Send"), permission("Mail.Read")...),
		Repeat:      actions.RepeatHarmless, // it is found in Sent Items; where that cannot be read, a second mail only annoys
		Settling:    settles,
		NoUndo:      "a mail that was sent has been read, perhaps: it is not taken back",
		Source:      "https://learn.microsoft.com/graph/api/user-sendmail",
		Example:     "from: dlp-officers@contoso.example\nto: [dana.officer@contoso.example]\nsubject: A file of yours was shared\ntext: \"Please see ${{ incident.title }}.\"",
		Plan:        s.planSend, Do: s.doSend, Check: s.checkSend, Settle: settleSend,
	}.Action()
}

func (s Shelf) planSend(_ context.Context, c actions.Call, p sendParams) ([]actions.Effect, sent, error) {
	if err := s.valid(p); err != nil {
		return nil, sent{}, err
	}
	r := sendRequest{p.From, p.To, p.CC, p.Subject, p.Text, web.FactsOf(p.Facts), p.Link}
	all := slices.Concat(p.To, p.CC)
	name := "mail to " + all[0]
	if more := len(all) - 1; more > 0 {
		name += fmt.Sprintf(" and %d more", more)
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "mail", ID: strings.ToLower(p.From) + "/to/" + strings.ToLower(strings.Join(all, ",")), Name: name, Entities: []actions.Entity{mailboxEntity(p.From)}},
		Before: actions.JSON(sending{}), After: actions.JSON(sending{true, c.Now.UTC()}), Request: actions.JSON(r),
	}}, sent{true, all}, nil
}

// valid judges a mail before it is sent.
func (s Shelf) valid(p sendParams) error {
	all := slices.Concat(p.To, p.CC)
	switch {
	case !connectors.IsAddress(p.From):
		return problem(connectors.Invalid, "expected an address such as dlp-officers@contoso.example", "from: %q is no address", connectors.Plain(p.From))
	case len(p.To) == 0:
		return problem(connectors.Invalid, "name somebody", "to is empty")
	case len(all) > maxRecipients:
		return problem(connectors.Limit, "send it to a group", "to and cc have %d addresses; expected at most %d", len(all), maxRecipients)
	case strings.TrimSpace(p.Subject) == "":
		return problem(connectors.Invalid, "write one line", "subject is empty")
	}
	for i, a := range all {
		switch {
		case !connectors.IsAddress(a):
			return problem(connectors.Invalid, "expected an address such as ann@contoso.example", "to: %q is no address", connectors.Plain(a))
		case s.own(a) == "" && !p.Outside:
			return problem(connectors.Refused, "give outside: true, if that is meant", "to: %s is not of the organization's own domains", connectors.Plain(a))
		case slices.ContainsFunc(all[:i], func(b string) bool { return strings.EqualFold(a, b) }):
			return problem(connectors.Invalid, "keep one of them", "to: %s stands there twice", connectors.Plain(a))
		}
	}
	return (sendRequest{Text: p.Text, Facts: web.FactsOf(p.Facts), Link: p.Link}).message().Valid("mail")
}

func (r sendRequest) message() web.Message {
	return web.Message{Title: r.Subject, Text: r.Text, Facts: r.Facts, Link: r.Link}
}

func (s Shelf) doSend(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[sendRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	subject, html := r.message().HTML()
	err = s.Graph.SendMail(ctx, connectors.Change(c.Sending), r.From, graph.Mail{Subject: subject, HTML: html, To: r.To, CC: r.CC, Mark: e.ID})
	return actions.Outcome{}, err
}

// checkSend looks into Sent Items for the mail of this effect.
func (s Shelf) checkSend(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[sendRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	_, there, err := s.Graph.SentMarked(ctx, r.From, e.ID)
	if err != nil {
		return actions.Finding{}, err
	}
	return actions.InSentItems(there), nil
}

func settleSend(out sent, effects []actions.Effect) sent {
	out.Sent = happened(effects) > 0
	return out
}

// Package mail holds the actions on mails: in whose mailbox they lie, their
// content as evidence, their removal, and mails of our own.
//
// It reaches mailboxes through connectors/graph alone, keeps what it downloads
// in connectors/evidence, and knows nothing of playbooks, runs or the engine. A
// mail is named by its Message-ID header, which evidence gives; every copy of it
// in one mailbox is acted on.
package mail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/evidence"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

// Shelf is the actions on mails.
type Shelf struct {
	Graph *graph.Client
	// Evidence keeps what is downloaded; nil: nothing can be.
	Evidence *evidence.Vault
	// OwnDomains are the mail domains of the organization: mailboxes are looked
	// for there, and mails are sent there.
	OwnDomains []string
}

const (
	throttle = "graph.mail"
	settles  = time.Minute // how long Exchange may answer with the state before
)

func permission(name string) []actions.Permission {
	return []actions.Permission{{API: "graph", Name: name}}
}

// problem is an error of this side: nothing was sent.
func problem(code connectors.Code, hint, format string, args ...any) error {
	return &connectors.Error{Op: "mail", Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func notFound(err error) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return is && e.Code == connectors.NotFound
}

type onMessage struct {
	Message actions.Ref[incident.Message] `json:"message" entity:"message" doc:"message of the evidence, or with mailbox its Message-ID header, as <id@host>"`
	Mailbox string                        `json:"mailbox,omitempty" doc:"address of the mailbox it is looked for in; without it that of the evidence, else the sender's or a recipient's, if it is the organization's own"`
}

// subject is a mail with its copies in one mailbox.
type subject struct {
	mailbox string
	copies  []graph.Message
	record  incident.Message
}

// find looks a mail up in the first mailbox that has it.
func (s Shelf) find(ctx context.Context, p onMessage) (subject, error) {
	id, boxes, err := s.locate(p)
	if err != nil {
		return subject{}, err
	}
	for _, box := range boxes {
		copies, err := s.Graph.MessagesNamed(ctx, box, id)
		if err != nil && (!notFound(err) || len(boxes) == 1) {
			return subject{}, err
		}
		if len(copies) > 0 {
			return s.described(p, box, copies), nil
		}
	}
	return subject{}, problem(connectors.NotFound, "it may have been deleted for good, or lie in another mailbox: give mailbox",
		"no mail %s lies in the mailbox of %s", connectors.Plain(id), connectors.Plain(strings.Join(boxes, ", ")))
}

// locate reads which mail is meant, and in which mailboxes it may lie.
func (s Shelf) locate(p onMessage) (string, []string, error) {
	const expected = "expected a message of the evidence with internet_message_id, or its Message-ID header as <id@host>"
	id, boxes := strings.TrimSpace(p.Message.Text), []string{}
	if v := p.Message.Value; v != nil {
		if strings.HasPrefix(v.ID, "teams:") {
			return "", nil, problem(connectors.Invalid, "filter such messages out: their id begins with teams:", "message: %s is a message of Teams and no mail", connectors.Plain(v.ID))
		}
		id = text(v.InternetMessageID)
		boxes = append(boxes, text(v.Mailbox), s.own(text(v.Sender)))
		for _, r := range v.Recipients {
			boxes = append(boxes, s.own(r))
		}
	}
	if len(id) < 3 || len(id) > 998 || id[0] != '<' || id[len(id)-1] != '>' || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", nil, problem(connectors.Invalid, expected, "message: %q is no Message-ID", connectors.Plain(id))
	}
	if p.Mailbox != "" {
		boxes = []string{strings.TrimSpace(p.Mailbox)}
	}
	boxes = slices.DeleteFunc(boxes, func(b string) bool { return b == "" })
	if len(boxes) == 0 {
		return "", nil, problem(connectors.Invalid, "give mailbox, the address of the mailbox it lies in", "mailbox is missing: the evidence names none of the organization's own")
	}
	for _, b := range boxes {
		if !connectors.IsAddress(b) {
			return "", nil, problem(connectors.Invalid, "expected an address such as ann@contoso.example", "mailbox: %q is no address", connectors.Plain(b))
		}
	}
	return id, firsts(boxes), nil
}

// maxBoxes is in how many mailboxes a mail is looked for.
const maxBoxes = 10

// firsts is the first ones of a list, each once.
func firsts(boxes []string) []string {
	var out []string
	for _, b := range boxes {
		if !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, b) }) && len(out) < maxBoxes {
			out = append(out, b)
		}
	}
	return out
}

// own is the address if it is of the organization's own domains, else "".
func (s Shelf) own(a string) string {
	_, domain, is := strings.Cut(a, "@")
	if is && slices.ContainsFunc(s.OwnDomains, func(d string) bool { return strings.EqualFold(d, domain) }) {
		return a
	}
	return ""
}

// described is a mail with its record filled from what was found.
func (s Shelf) described(p onMessage, box string, copies []graph.Message) subject {
	slices.SortStableFunc(copies, func(a, b graph.Message) int { return strings.Compare(a.ID, b.ID) })
	out := subject{mailbox: box, copies: copies}
	m := copies[0]
	if p.Message.Value != nil {
		out.record = *p.Message.Value
	} else {
		out.record.ID = m.InternetID
	}
	r := &out.record
	r.InternetMessageID, r.Mailbox, r.Subject, r.Sender = &m.InternetID, &out.mailbox, &m.Subject, &m.From
	if len(r.Recipients) == 0 {
		r.Recipients = m.To
	}
	if r.ReceivedAt == nil && !m.ReceivedAt.IsZero() {
		r.ReceivedAt = &m.ReceivedAt
	}
	r.Alerts, r.Roles, r.Recipients = append([]string{}, r.Alerts...), append([]incident.Role{}, r.Roles...), append([]string{}, r.Recipients...)
	return out
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// target is a copy as an effect names it.
func (s subject) target(kind string, m graph.Message) actions.Target {
	name := m.Subject
	if name == "" {
		name = "mail without subject"
	}
	return actions.Target{
		Kind: kind, ID: strings.ToLower(s.mailbox) + "/" + m.ID, Name: name + " of " + s.mailbox,
		Entities: []actions.Entity{mailboxEntity(s.mailbox)},
	}
}

func mailboxEntity(box string) actions.Entity {
	e := actions.Entity{Kind: "mailbox", ID: strings.ToLower(box), Name: box}
	if e.ID != box {
		e.Aliases = []string{box}
	}
	return e
}

// Look answers a mailbox as evidence would have one, by the user principal name
// of whom it belongs to. Its errors are those of the connectors; not_found is a
// person without a mailbox, too.
func (s Shelf) Look(ctx context.Context, name string) (incident.Mailbox, error) {
	u, err := s.Graph.UserNamed(ctx, name)
	if err != nil {
		return incident.Mailbox{}, err
	}
	if _, err := s.Graph.MailFolder(ctx, u.ID, "inbox"); err != nil {
		return incident.Mailbox{}, err
	}
	return incident.Mailbox{Address: &u.Mail, UPN: &u.UPN, Name: &u.Name}.AsEvidence()
}

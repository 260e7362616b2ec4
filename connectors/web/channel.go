package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"stanch/connectors"
	"stanch/connectors/egress"
)

// Channel is where messages go. Whoever knows its address can post there, so
// the address is a secret.
type Channel struct {
	Kind Kind
	URL  connectors.Secret // https
	Key  connectors.Secret // that webhooks are signed with
	From string            // of email: address of the mailbox that sends
	To   []string          // of email: addresses that messages are sent to
}

// Kind is what a channel understands.
type Kind string

// The kinds of channels.
const (
	Teams   Kind = "teams"   // a workflow of Microsoft Teams that waits for a webhook request
	Slack   Kind = "slack"   // an incoming webhook of Slack
	Webhook Kind = "webhook" // JSON, signed as standardwebhooks.com says
	Email   Kind = "email"   // mail of a mailbox of the organization: not sent from here
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Teams, Slack, Webhook, Email} }

// valid judges a channel and answers its host:port, "" for one of mail.
func (c Channel) valid() (string, error) {
	if c.Kind == Email {
		for _, a := range append([]string{c.From}, c.To...) {
			if !connectors.IsAddress(a) {
				return "", fmt.Errorf("%q is no address; expected one such as dlp@contoso.example", connectors.Plain(a))
			}
		}
		return "", nil
	}
	u, err := url.Parse(string(c.URL))
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil:
		return "", fmt.Errorf("the address is not https://host/path, see where it is kept")
	case c.Kind != Teams && c.Kind != Slack && c.Kind != Webhook:
		return "", fmt.Errorf("kind %q is not known; expected teams, slack, webhook or email", connectors.Plain(string(c.Kind)))
	case c.Kind == Webhook && len(signingKey(c.Key)) < leastKey:
		return "", fmt.Errorf("the key that signs has less than %d bytes; `openssl rand -base64 32` makes one", leastKey)
	}
	at, err := egress.HostPort(u.Scheme, u.Host)
	if err != nil {
		return "", fmt.Errorf("the address is not https://host/path, see where it is kept")
	}
	return at, nil
}

// Channel reports why there is no channel of that name and kind.
func (c *Client) Channel(kind Kind, name string) error {
	_, err := c.channel(kind, name)
	return err
}

// Mailbox answers which mailbox a channel of mail sends from, and to whom.
func (c *Client) Mailbox(name string) (from string, to []string, err error) {
	found, err := c.channel(Email, name)
	return found.From, found.To, err
}

func (c *Client) channel(kind Kind, name string) (Channel, error) {
	op := "notify " + string(kind)
	found, known := c.o.Channels[name]
	switch {
	case !known && c.o.Else != nil && name != "":
		return c.o.Else(kind, name), nil
	case !known:
		return found, invalid(op, among(c.o.Channels, "channels"), "channel: there is no channel %q", connectors.Plain(name))
	case found.Kind != kind:
		return found, invalid(op, "use notify."+string(found.Kind), "channel: %s is a channel of kind %s", connectors.Plain(name), found.Kind)
	}
	return found, nil
}

// post sends a message to a channel. What comes back is an error unless accept
// takes it.
func (c *Client) post(ctx context.Context, change connectors.Change, name string, to Channel, head http.Header, body []byte, accept func(connectors.HTTPReply) bool) error {
	u, err := url.Parse(string(to.URL))
	if err != nil {
		return invalid("notify "+string(to.Kind), "see where it is kept", "channel %s: its address cannot be read", connectors.Plain(name))
	}
	hide := newMask(Auth{Secret: to.URL})
	for _, part := range append(strings.Split(u.Path, "/"), u.Query().Get("sig"), u.RequestURI()) {
		if len(part) >= 16 { // shorter ones are words that an error may need
			hide.forms = append(hide.forms, newMask(Auth{Secret: connectors.Secret(part)}).forms...)
		}
	}
	r := connectors.HTTPRequest{Op: string(to.Kind) + " to channel " + connectors.Plain(name), Method: http.MethodPost, URL: u, Header: head, Body: body, Bound: true}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	reply, err := c.notify.Send(ctx, change, r)
	if err != nil {
		return hide.err(err)
	}
	if reply.Status >= 200 && reply.Status <= 299 && accept(reply) {
		return nil
	}
	e := c.notify.Judge(r, reply, true)
	if reply.Status >= 200 && reply.Status <= 299 {
		e.Message, e.Open = "it answered "+http.StatusText(reply.Status)+" but not as "+string(to.Kind)+" does", true
		e.Hint = "see the address of the channel, and that no proxy answers in its place"
	} else if e.Code == connectors.Unauthorized || e.Code == connectors.Forbidden || e.Code == connectors.NotFound {
		e.Hint = "the address of the channel may have been renewed or its owner removed: make a new one and put it where the operator's file says"
	}
	return hide.err(e)
}

// page reports whether an answer is a page for people, as of a sign-in.
func page(reply connectors.HTTPReply) bool {
	return strings.Contains(strings.ToLower(reply.Header.Get("Content-Type")), "html") && bytes.Contains(bytes.ToLower(reply.Body), []byte("<html"))
}

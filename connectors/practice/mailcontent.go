package practice

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// attachment is the name of the file that goes with a mail which says so.
func (m *message) attachment() string {
	if m.html || !strings.Contains(m.Body, "attached") {
		return ""
	}
	return "document.txt"
}

// getMIME answers the message as it went over the wire [graph-docs
// message-get.md]. The audit has it, as Microsoft's has MailItemsAccessed.
func getMIME(c *call) (reply, error) {
	m, err := c.message()
	if err != nil {
		return reply{}, err
	}
	c.record(Change{Operation: "message.download", Target: m.target(), Before: object{"subject": m.Subject}, Status: http.StatusOK})
	return reply{status: http.StatusOK, body: []byte(m.mime())}.with("Content-Type", "text/plain"), nil
}

func (m *message) mime() string {
	kind := "text/plain"
	if m.html {
		kind = "text/html"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: %s\r\nDate: %s\r\nMIME-Version: 1.0\r\n",
		m.From, strings.Join(m.To, ", "), mime.QEncoding.Encode("utf-8", m.Subject), m.InternetID, m.SentAt.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	text := func() {
		fmt.Fprintf(&b, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n%s", kind, lines(m.Body))
	}
	name := m.attachment()
	if name == "" {
		text()
		return b.String()
	}
	boundary := "_" + hexID(m.userID, m.InternetID)[:30]
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\n", boundary, boundary)
	text()
	fmt.Fprintf(&b, "--%s\r\nContent-Type: text/plain; name=\"%s\"\r\nContent-Disposition: attachment; filename=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n\r\n%s--%s--\r\n",
		boundary, name, name, lines("The document of "+m.Subject+"\r\n"), boundary)
	return b.String()
}

// lines writes base64 in lines of 76 characters (RFC 2045).
func lines(text string) string {
	var b strings.Builder
	for code := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString([]byte(text))), 76) {
		b.Write(code)
		b.WriteString("\r\n")
	}
	return b.String()
}

// maxRecipients is how many a message may have [learn.microsoft.com, Exchange
// Online limits].
const maxRecipients = 500

type outgoing struct {
	Subject    string                                            `json:"subject"`
	Body       struct{ ContentType, Content string }             `json:"body"`
	To         []struct{ EmailAddress struct{ Address string } } `json:"toRecipients"`
	CC         []struct{ EmailAddress struct{ Address string } } `json:"ccRecipients"`
	Properties []struct{ ID, Value string }                      `json:"singleValueExtendedProperties"`
}

// sendMail takes a message, which lies in the mailboxes of those who have one
// here at once: 202 [graph-docs user-sendmail.md].
func sendMail(c *call) (reply, error) {
	u, err := c.userArg()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Message outgoing `json:"message"`
		Save    *bool    `json:"saveToSentItems"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	var to []string
	for _, r := range slices.Concat(in.Message.To, in.Message.CC) {
		a, err := mail.ParseAddress(r.EmailAddress.Address)
		if err != nil {
			return reply{}, fail(http.StatusBadRequest, "ErrorInvalidRecipients", "At least one recipient is not valid, '%s'.", r.EmailAddress.Address)
		}
		to = append(to, a.Address)
	}
	kind := strings.ToLower(in.Message.Body.ContentType)
	switch {
	case len(to) == 0 || len(to) > maxRecipients:
		return reply{}, fail(http.StatusBadRequest, "ErrorInvalidRecipients", "A message has 1 to %d recipients, not %d.", maxRecipients, len(to))
	case kind != "html" && kind != "text":
		return reply{}, badRequest("Requested value '%s' was not found.", in.Message.Body.ContentType)
	}
	c.t.serial++
	sent := Mail{
		InternetID: fmt.Sprintf("<%s@%s>", guid("sent", itoa(c.t.serial)), c.w.company.Domain), Subject: in.Message.Subject, From: u.Mail,
		To: to, Body: in.Message.Body.Content, SentAt: c.now.UTC(),
	}
	properties := map[string]string{}
	for _, p := range in.Message.Properties {
		if !propertyID.MatchString(p.ID) {
			return reply{}, badRequest("The extended property id '%s' is not valid.", p.ID)
		}
		properties[p.ID] = p.Value
	}
	put := func(owner *user, folder string) {
		m := &message{Mail: sent, userID: owner.ID, folder: folder, change: 1, html: kind == "html", born: folder}
		m.Mailbox, m.Folder, m.id = owner.UPN, folder, "AAMk"+hexID("sent", owner.ID, folder, sent.InternetID)
		if folder == "sentitems" {
			m.properties = properties
		} else {
			m.headers = []header{{authAs, "Internal"}, {"Message-ID", sent.InternetID}}
		}
		c.w.messages[m.id] = m
		c.tell(arrived(m))
	}
	if in.Save == nil || *in.Save {
		put(u, "sentitems")
	}
	for _, address := range to {
		if r := c.w.userByName(address); r != nil && !r.Guest {
			put(r, "inbox")
		}
	}
	c.record(Change{Operation: "message.send", Target: "/users/" + u.ID + "/messages", After: object{"subject": sent.Subject, "to": to}, Status: http.StatusAccepted})
	return reply{status: http.StatusAccepted}, nil
}

// propertyID is the id of an extended property that has a name [graph-docs
// resources/extended-properties-overview.md].
var propertyID = regexp.MustCompile(`^String \{[0-9a-fA-F-]{36}\} Name [A-Za-z0-9._-]+$`)

var byProperty = regexp.MustCompile(`^singleValueExtendedProperties/[Aa]ny\((\w+):\s*(\w+)/id eq '([^']*)' and (\w+)/value eq '([^']*)'\)$`)

// messageFilter is the $filter over messages: by fields, or by an extended
// property and its value [graph-docs singlevaluelegacyextendedproperty-get.md].
func (c *call) messageFilter() (func(*message) bool, error) {
	if p := byProperty.FindStringSubmatch(c.query.Get("$filter")); p != nil && p[1] == p[2] && p[2] == p[4] {
		return func(m *message) bool { return m.properties[p[3]] == p[5] && p[5] != "" }, nil
	}
	keep, err := c.filter(fields{"internetMessageId": nil, "subject": partField(), "conversationId": nil, "receivedDateTime": timeField(), "sentDateTime": timeField()})
	if err != nil {
		return nil, err
	}
	return func(m *message) bool {
		o := c.messageWire(m)
		return keep(func(p string) any { return o[p] })
	}, nil
}

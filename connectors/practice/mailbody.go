package practice

import (
	"cmp"
	"html"
	"regexp"
	"slices"
	"strings"
)

// asText is the preference for bodies without HTML [graph-docs message-get.md].
const asText = `outlook.body-content-type="text"`

// header is a line of a message's head as it was received.
type header struct{ name, value string }

// authAs says whom Exchange took the sender for: Internal if signed in to a
// mailbox of the organization, else Anonymous. Who sends from the Internet cannot
// say so: Exchange drops what such a message says of itself in headers of this
// prefix.
//
// Source: learn.microsoft.com/exchange/header-firewall-exchange-2013-help.
const (
	organization = "X-MS-Exchange-Organization-"
	authAs       = organization + "AuthAs"
)

// conversation is the id of the conversation in this mailbox.
func (m *message) conversation() string {
	return "AAQkAD" + hexID("conversation", m.userID, cmp.Or(m.thread, m.InternetID))[:34]
}

// asked adds what is answered only where $select names it: the head and the part
// of the body that is not quoted. What lies in Sent Items has no head
// [graph-docs resources/message.md].
func (c *call) asked(m *message, out object) {
	names := strings.Split(strings.ReplaceAll(c.query.Get("$select"), " ", ""), ",")
	if slices.Contains(names, "uniqueBody") {
		out["uniqueBody"] = c.bodyWire(m, cmp.Or(m.own, m.Body))
	}
	if slices.Contains(names, "internetMessageHeaders") && m.headers != nil {
		list := []object{}
		for _, h := range m.headers {
			list = append(list, object{"name": h.name, "value": h.value})
		}
		out["internetMessageHeaders"] = list
	}
}

// bodyWire is a text of the message, as HTML only if it is that and nothing else
// was preferred.
func (c *call) bodyWire(m *message, text string) object {
	switch {
	case !m.html:
		return object{"contentType": "text", "content": text}
	case c.prefers(asText):
		return object{"contentType": "text", "content": withoutTags(text)}
	}
	return object{"contentType": "html", "content": text}
}

var (
	unseen    = regexp.MustCompile(`(?is)<(head|script|style)\b.*?</(head|script|style)\s*>|<!--.*?-->`)
	lineEnd   = regexp.MustCompile(`(?i)<(br|hr)\b[^>]*>|</(p|div|tr|li|h[1-6]|blockquote)\s*>`)
	otherTags = regexp.MustCompile(`<[^>]*>`)
)

// withoutTags is HTML as text, about as Exchange makes it.
func withoutTags(s string) string {
	s = strings.Join(strings.Fields(unseen.ReplaceAllString(s, "")), " ")
	s = otherTags.ReplaceAllString(lineEnd.ReplaceAllString(s, "\r\n"), "")
	return html.UnescapeString(s)
}

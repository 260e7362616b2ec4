package practice

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// readMessage answers the message of the path, 404 where it is not in the
// user's mailbox.
func (c *call) message() (*message, error) {
	u, err := c.userArg()
	if err != nil {
		return nil, err
	}
	m := c.w.messages[c.args["message"]]
	if m == nil || m.userID != u.ID {
		return nil, fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	}
	return m, nil
}

func (m *message) target() string { return "/users/" + m.userID + "/messages/" + m.id }

func (m *message) wire() object {
	to := []object{}
	for _, a := range m.To {
		to = append(to, object{"emailAddress": object{"address": a, "name": a}})
	}
	from := object{"emailAddress": object{"address": m.From, "name": m.From}}
	return object{
		"@odata.etag": fmt.Sprintf("W/\"%s\"", hexID(m.id, itoa(m.change))[:24]), "id": m.id, "internetMessageId": m.InternetID,
		"subject": m.Subject, "parentFolderId": m.folder, "from": from, "sender": from, "toRecipients": to,
		"ccRecipients": []object{}, "bccRecipients": []object{}, "replyTo": []object{}, "hasAttachments": false,
		"sentDateTime": stamp(m.SentAt), "receivedDateTime": stamp(m.SentAt), "createdDateTime": stamp(m.SentAt),
		"bodyPreview": m.Body, "body": object{"contentType": "text", "content": m.Body}, "isRead": true, "isDraft": false,
		"importance": "normal", "categories": []string{},
	}
}

func listMessages(c *call) (reply, error) {
	u, err := c.userArg()
	if err != nil {
		return reply{}, err
	}
	keep, err := c.filter(fields{"internetMessageId": nil, "subject": nil, "receivedDateTime": timeField(), "sentDateTime": timeField()})
	if err != nil {
		return reply{}, err
	}
	list := []*message{}
	for _, m := range c.w.sortedMessages() {
		o := m.wire()
		if m.userID == u.ID && keep(func(p string) any { return o[p] }) {
			list = append(list, m)
		}
	}
	return page(c, list, paging{size: 10, max: 1000}, func(m *message) object { return c.selector(m.wire) })
}

func (w *world) sortedMessages() []*message {
	return slices.SortedFunc(maps.Values(w.messages), func(a, b *message) int {
		return cmp.Or(b.SentAt.Compare(a.SentAt), cmp.Compare(a.id, b.id))
	})
}

func getMessage(c *call) (reply, error) {
	m, err := c.message()
	if err != nil {
		return reply{}, err
	}
	return c.entity(m.wire())
}

// getMIME answers the message as it went over the wire [graph-docs
// message-get.md].
func getMIME(c *call) (reply, error) {
	m, err := c.message()
	if err != nil {
		return reply{}, err
	}
	text := fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: %s\r\nDate: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n",
		m.From, strings.Join(m.To, ", "), m.Subject, m.InternetID, m.SentAt.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"), m.Body)
	return reply{status: http.StatusOK, body: []byte(text)}.with("Content-Type", "text/plain"), nil
}

// moveMessage moves to another folder, which gives the message a new id.
func moveMessage(c *call) (reply, error) {
	m, err := c.message()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Destination string `json:"destinationId"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Destination == "" {
		return reply{}, fail(http.StatusBadRequest, "ErrorInvalidIdMalformed", "Id is malformed.")
	}
	target, before := m.target(), m.folder
	delete(c.w.messages, m.id)
	m.change++
	m.id, m.folder = "AAMk"+hexID(m.id, in.Destination, itoa(m.change)), in.Destination
	c.w.messages[m.id] = m
	c.record(Change{Operation: "message.move", Target: target, Before: before, After: in.Destination, Status: http.StatusCreated})
	out, err := c.entity(m.wire())
	out.status = http.StatusCreated
	return out, err
}

func deleteMessage(c *call) (reply, error) {
	m, err := c.message()
	if err != nil {
		return reply{}, err
	}
	delete(c.w.messages, m.id)
	c.record(Change{Operation: "message.delete", Target: m.target(), Before: object{"subject": m.Subject, "folder": m.folder}, Status: http.StatusNoContent})
	return noContent(), nil
}

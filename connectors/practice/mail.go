package practice

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// message answers the message of the path, by either of its ids, 404 where it
// is not in the user's mailbox.
func (c *call) message() (*message, error) {
	u, err := c.userArg()
	if err != nil {
		return nil, err
	}
	m := c.w.messageByID(c.args["message"])
	if m == nil || m.userID != u.ID {
		return nil, fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	}
	return m, nil
}

// readMessage is message as a read sees it.
func (c *call) readMessage() (*message, error) {
	m, err := c.message()
	if err != nil {
		return nil, err
	}
	return seen(c, m.target(), m), nil
}

// messageByID answers a message by the id that changes when it is moved, or by
// the immutable one.
func (w *world) messageByID(id string) *message {
	if m := w.messages[id]; m != nil {
		return m
	}
	for _, m := range w.messages {
		if m.immutable() == id {
			return m
		}
	}
	return nil
}

// immutable is the id that stays when the message is moved within its mailbox
// [graph-docs concepts/outlook-immutable-id.md].
func (m *message) immutable() string {
	return "AAkALgAAAAAAHYQDEapmEc2byACqAC" + hexID(m.userID, m.InternetID, m.born)[:24]
}

func (m *message) target() string { return "/users/" + m.userID + "/messages/" + m.immutable() }

// addresses are recipients as Graph writes them.
func addresses(list []string) []object {
	out := []object{}
	for _, a := range list {
		out = append(out, object{"emailAddress": object{"address": a, "name": a}})
	}
	return out
}

// messageWire is a message as the request asks for it: with immutable ids, if
// it prefers those.
func (c *call) messageWire(m *message) object {
	from := addresses([]string{m.From})[0]
	id := m.id
	if c.prefers(`IdType="ImmutableId"`) {
		id = m.immutable()
	}
	preview := []rune(m.Body)
	out := object{
		"@odata.etag": fmt.Sprintf("W/\"%s\"", hexID(m.id, itoa(m.change))[:24]), "id": id, "internetMessageId": m.InternetID,
		"subject": m.Subject, "parentFolderId": folderID(m.userID, m.folder), "from": from, "sender": addresses([]string{cmp.Or(m.sender, m.From)})[0], "toRecipients": addresses(m.To),
		"ccRecipients": []object{}, "bccRecipients": []object{}, "replyTo": []object{}, "hasAttachments": m.attachment() != "",
		"sentDateTime": stamp(m.SentAt), "receivedDateTime": stamp(m.SentAt), "createdDateTime": stamp(m.SentAt),
		"bodyPreview": string(preview[:min(255, len(preview))]), "body": c.bodyWire(m, m.Body), "isRead": true, "isDraft": false,
		"importance": "normal", "categories": []string{}, "conversationId": m.conversation(),
	}
	c.asked(m, out)
	return out
}

// prefers reports whether a Prefer header of the request says so.
func (c *call) prefers(what string) bool {
	return strings.Contains(strings.Join(c.r.Header.Values("Prefer"), ","), what)
}

func listMessages(c *call) (reply, error) {
	u, err := c.userArg()
	if err != nil {
		return reply{}, err
	}
	return c.listed(u, func(m *message) bool { return m.folder != dumpster })
}

// listed answers the messages of a mailbox that in lets through.
func (c *call) listed(u *user, in func(*message) bool) (reply, error) {
	keep, err := c.messageFilter()
	if err != nil {
		return reply{}, err
	}
	list := []*message{}
	for _, m := range c.w.sortedMessages() {
		if m.userID == u.ID && in(m) && keep(m) {
			list = append(list, m)
		}
	}
	return page(c, list, paging{size: 10, max: 1000}, func(m *message) object {
		return c.selector(func() object { return c.messageWire(m) })
	})
}

func (w *world) sortedMessages() []*message {
	return slices.SortedFunc(maps.Values(w.messages), func(a, b *message) int {
		return cmp.Or(b.SentAt.Compare(a.SentAt), cmp.Compare(a.id, b.id))
	})
}

func getMessage(c *call) (reply, error) {
	m, err := c.readMessage()
	if err != nil {
		return reply{}, err
	}
	out, err := c.entity(c.messageWire(m))
	if err == nil && c.prefers(asText) {
		out = out.with("Preference-Applied", asText)
	}
	return out, err
}

// moveMessage moves to another folder, by its id or well-known name, which
// gives the message a new id [graph-docs message-move.md].
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
	to := c.w.folder(m.userID, in.Destination)
	if to == "" {
		return reply{}, fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store.")
	}
	before := m.folder
	c.keep(m.target(), new(*m))
	delete(c.w.messages, m.id)
	m.change++
	m.id, m.folder = "AAMk"+hexID(m.id, to, itoa(m.change)), to
	c.w.messages[m.id] = m
	c.record(Change{Operation: "message.move", Target: m.target(), Before: before, After: to, Status: http.StatusCreated})
	out, err := c.entity(c.messageWire(m))
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

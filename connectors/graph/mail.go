package graph

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"stanch/connectors"
)

// Message is a mail in a mailbox. Its ID is immutable: it stays when the message
// is moved within the mailbox.
type Message struct {
	ID             string
	InternetID     string
	Subject        string
	FolderID       string
	From           string
	Sender         string   // who has sent it: another than From sends on behalf
	To             []string // and copies
	SentAt         time.Time
	ReceivedAt     time.Time
	HasAttachments bool
}

// MailFolder is a folder of a mailbox.
type MailFolder struct {
	ID     string `json:"id"`
	Name   string `json:"displayName"`
	Hidden bool   `json:"isHidden"`
}

// Well-known folders (learn.microsoft.com/graph/api/resources/mailfolder).
const (
	DeletedItems     = "deleteditems"
	RecoverableItems = "recoverableitemsdeletions"
	SentItems        = "sentitems"
)

const (
	mailRead  = "Mail.Read"
	mailWrite = "Mail.ReadWrite"
	mailSend  = "Mail.Send"

	messageFields = "id,internetMessageId,subject,parentFolderId,from,sender,toRecipients,ccRecipients,sentDateTime,receivedDateTime,hasAttachments"
)

type recipient struct {
	EmailAddress struct {
		Address string `json:"address"`
	} `json:"emailAddress"`
}

// messageWire is a message as Graph writes it
// (learn.microsoft.com/graph/api/resources/message).
type messageWire struct {
	ID             string      `json:"id"`
	InternetID     string      `json:"internetMessageId"`
	Subject        string      `json:"subject"`
	FolderID       string      `json:"parentFolderId"`
	From           recipient   `json:"from"`
	Sender         recipient   `json:"sender"`
	To             []recipient `json:"toRecipients"`
	CC             []recipient `json:"ccRecipients"`
	SentAt         time.Time   `json:"sentDateTime"`
	ReceivedAt     time.Time   `json:"receivedDateTime"`
	HasAttachments bool        `json:"hasAttachments"`
}

func (w messageWire) message() Message {
	m := Message{
		ID: w.ID, InternetID: w.InternetID, Subject: w.Subject, FolderID: w.FolderID, From: w.From.EmailAddress.Address, Sender: w.Sender.EmailAddress.Address,
		To: []string{}, SentAt: w.SentAt, ReceivedAt: w.ReceivedAt, HasAttachments: w.HasAttachments,
	}
	for _, r := range append(w.To, w.CC...) {
		m.To = append(m.To, r.EmailAddress.Address)
	}
	return m
}

// immutable asks for ids that stay when a message is moved
// (learn.microsoft.com/graph/outlook-immutable-id).
func immutable() http.Header { return http.Header{"Prefer": {`IdType="ImmutableId"`}} }

func messagePath(mailbox, id string, more ...string) connectors.Path {
	return connectors.To(append([]string{"users", mailbox, "messages", id}, more...)...)
}

// MessagesNamed finds the messages of a mailbox by their Message-ID header,
// angle brackets included: one in each folder that holds a copy, deleted items
// too, recoverable ones not.
//
// Source: learn.microsoft.com/graph/api/user-list-messages.
func (c *Client) MessagesNamed(ctx context.Context, mailbox, internetID string) ([]Message, error) {
	wires, err := list[messageWire](ctx, c, connectors.Request{
		Op: "find message " + connectors.Plain(internetID) + " of " + connectors.Plain(mailbox), Path: connectors.To("users", mailbox, "messages"),
		Header: immutable(), Permission: mailRead,
		Query: []connectors.Param{{Key: "$filter", Value: "internetMessageId eq " + connectors.Quote(internetID)}, {Key: "$select", Value: messageFields}},
	})
	var out []Message
	for _, w := range wires {
		if w.ID == "" || !strings.EqualFold(w.InternetID, internetID) {
			return nil, other("find message "+connectors.Plain(internetID), internetID, w.InternetID, "")
		}
		out = append(out, w.message())
	}
	return out, err
}

// Message reads a message of a mailbox by its immutable id.
//
// Source: learn.microsoft.com/graph/api/message-get.
func (c *Client) Message(ctx context.Context, mailbox, id string) (Message, error) {
	op := "get message " + connectors.Plain(id)
	var w messageWire
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: messagePath(mailbox, id), Header: immutable(), Permission: mailRead,
		Query: []connectors.Param{{Key: "$select", Value: messageFields}},
	}, &w)
	if err == nil && w.ID != id {
		return Message{}, other(op, id, w.ID, reply.RequestID)
	}
	return w.message(), err
}

// MailFolder reads a folder by its id or well-known name.
//
// Source: learn.microsoft.com/graph/api/mailfolder-get.
func (c *Client) MailFolder(ctx context.Context, mailbox, folder string) (MailFolder, error) {
	var f MailFolder
	op := "get mail folder " + connectors.Plain(folder)
	reply, err := c.api.Read(ctx, connectors.Request{
		Op: op, Path: connectors.To("users", mailbox, "mailFolders", folder), Header: immutable(), Permission: mailRead,
	}, &f)
	if err == nil && f.ID == "" {
		return f, other(op, folder, "", reply.RequestID)
	}
	return f, err
}

// MailFoldersNamed finds the folders below the root of a mailbox that have a
// name, hidden ones too.
//
// Source: learn.microsoft.com/graph/api/user-list-mailfolders.
func (c *Client) MailFoldersNamed(ctx context.Context, mailbox, name string) ([]MailFolder, error) {
	return list[MailFolder](ctx, c, connectors.Request{
		Op: "find mail folder " + connectors.Plain(name), Path: connectors.To("users", mailbox, "mailFolders"), Header: immutable(), Permission: mailRead,
		Query: []connectors.Param{{Key: "includeHiddenFolders", Value: "true"}, {Key: "$filter", Value: "displayName eq " + connectors.Quote(name)}},
	})
}

// MakeMailFolder makes a folder below the root of a mailbox, hidden from its owner
// or not, which nobody can change later. Its error is a conflict where there is one
// of that name.
//
// Source: learn.microsoft.com/graph/api/user-post-mailfolders.
func (c *Client) MakeMailFolder(ctx context.Context, change connectors.Change, mailbox, name string, hidden bool) (MailFolder, error) {
	op := "make mail folder " + connectors.Plain(name)
	var f MailFolder
	reply, err := c.api.Send(ctx, change, connectors.Request{
		Op: op, Method: http.MethodPost, Path: connectors.To("users", mailbox, "mailFolders"), Header: immutable(), Permission: mailWrite,
		Body: struct {
			Name   string `json:"displayName"`
			Hidden bool   `json:"isHidden"`
		}{name, hidden},
	}, &f)
	if err == nil && f.ID == "" {
		return f, open(other(op, name, "", reply.RequestID))
	}
	return f, err
}

// MoveMessage moves a message to another folder of its mailbox, by the folder's
// id, and answers it as it is there.
//
// Source: learn.microsoft.com/graph/api/message-move.
func (c *Client) MoveMessage(ctx context.Context, change connectors.Change, mailbox, id, folder string) (Message, error) {
	op := "move message " + connectors.Plain(id)
	var w messageWire
	reply, err := c.api.Send(ctx, change, connectors.Request{
		Op: op, Method: http.MethodPost, Path: messagePath(mailbox, id, "move"), Header: immutable(), Permission: mailWrite,
		Body: struct {
			Destination string `json:"destinationId"`
		}{folder},
	}, &w)
	if err == nil && w.ID == "" {
		return Message{}, open(other(op, id, w.ID, reply.RequestID))
	}
	return w.message(), err
}

// DownloadMessage copies a message as it went over the wire (RFC 5322, MIME).
//
// Source: learn.microsoft.com/graph/outlook-get-mime-message.
func (c *Client) DownloadMessage(ctx context.Context, change connectors.Change, mailbox, id string, to connectors.Copy) error {
	to.Mail = true
	_, err := c.api.Download(ctx, change, connectors.Request{
		Op: "download message " + connectors.Plain(id), Path: messagePath(mailbox, id, "$value"), Header: immutable(), Permission: mailRead,
	}, to)
	return err
}

// Mail is a message that is to be sent.
type Mail struct {
	Subject string
	HTML    string
	To, CC  []string
	// Mark is a text by which SentMarked finds it.
	Mark string
}

// markID is the extended property that holds a mail's mark. The set of
// properties is our own.
const markID = "String {5b1b8c9e-6f0e-4a8d-9d3b-7c1f2a4e6d80} Name stanch-effect"

// SendMail sends a message from a mailbox and keeps it in its Sent Items.
//
// Source: learn.microsoft.com/graph/api/user-sendmail.
func (c *Client) SendMail(ctx context.Context, change connectors.Change, from string, m Mail) error {
	type property struct {
		ID    string `json:"id"`
		Value string `json:"value"`
	}
	type body struct {
		Type    string `json:"contentType"`
		Content string `json:"content"`
	}
	type message struct {
		Subject    string      `json:"subject"`
		Body       body        `json:"body"`
		To         []recipient `json:"toRecipients"`
		CC         []recipient `json:"ccRecipients,omitempty"`
		Properties []property  `json:"singleValueExtendedProperties"`
	}
	_, err := c.api.Send(ctx, change, connectors.Request{
		Op: "send mail from " + connectors.Plain(from), Method: http.MethodPost, Path: connectors.To("users", from, "sendMail"), Permission: mailSend,
		Body: struct {
			Message message `json:"message"`
			Save    bool    `json:"saveToSentItems"`
		}{message{m.Subject, body{"HTML", m.HTML}, recipients(m.To), recipients(m.CC), []property{{markID, m.Mark}}}, true},
	}, nil)
	return err
}

func recipients(addresses []string) []recipient {
	var out []recipient
	for _, a := range addresses {
		var r recipient
		r.EmailAddress.Address = a
		out = append(out, r)
	}
	return out
}

// SentMarked reports whether the Sent Items of a mailbox hold a message that was
// sent with that mark, and when it was.
//
// Source: learn.microsoft.com/graph/api/singlevaluelegacyextendedproperty-get.
func (c *Client) SentMarked(ctx context.Context, mailbox, mark string) (at time.Time, there bool, err error) {
	found, err := list[messageWire](ctx, c, connectors.Request{
		Op: "look for a sent mail of " + connectors.Plain(mailbox), Path: connectors.To("users", mailbox, "mailFolders", SentItems, "messages"), Permission: mailRead,
		Query: []connectors.Param{
			{Key: "$filter", Value: fmt.Sprintf("singleValueExtendedProperties/Any(ep: ep/id eq %s and ep/value eq %s)", connectors.Quote(markID), connectors.Quote(mark))},
			{Key: "$select", Value: "id,sentDateTime"},
		},
	})
	if err != nil || len(found) == 0 {
		return time.Time{}, false, err
	}
	return found[0].SentAt, true, nil
}

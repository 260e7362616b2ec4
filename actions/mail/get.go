package mail

import (
	"context"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
)

type found struct {
	Message incident.Message `json:"message" doc:"the mail with what was looked up: mailbox, subject, sender, recipients"`
	Copies  []copyFound      `json:"copies" doc:"where it lies in the mailbox: one entry for each folder"`
}

type copyFound struct {
	ID          string    `json:"id" doc:"id of the copy, which stays when it is moved within the mailbox"`
	Folder      string    `json:"folder" doc:"name of the folder, as its owner sees it"`
	Sender      string    `json:"sender" doc:"address of the From header"`
	Recipients  []string  `json:"recipients" doc:"addresses of To and Cc"`
	SentAt      time.Time `json:"sent_at" doc:"when it was sent"`
	ReceivedAt  time.Time `json:"received_at" doc:"when it was received"`
	Attachments bool      `json:"attachments" doc:"whether it has attachments"`
}

// Get looks a mail up.
func (s Shelf) Get() actions.Action {
	return actions.Spec[onMessage, found]{
		Doc:   "Look a mail up in a mailbox by its Message-ID, with the folders it lies in.",
		Class: actions.Reads, Throttle: throttle, Permissions: permission("Mail.Read"),
		Source:  "https://learn.microsoft.com/graph/api/user-list-messages",
		Example: "message: \"${{ message }}\"",
		Read:    s.get,
	}.Action()
}

func (s Shelf) get(ctx context.Context, _ actions.Call, p onMessage) (found, error) {
	m, err := s.find(ctx, p)
	if err != nil {
		return found{}, err
	}
	out := found{Message: m.record, Copies: []copyFound{}}
	for _, c := range m.copies {
		folder, err := s.Graph.MailFolder(ctx, m.mailbox, c.FolderID)
		if err != nil {
			return found{}, err
		}
		out.Copies = append(out.Copies, copyFound{c.ID, folder.Name, c.From, c.To, c.SentAt, c.ReceivedAt, c.HasAttachments})
	}
	return out, nil
}

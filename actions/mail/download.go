package mail

import (
	"context"
	"io"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/evidence"
	"stanch/connectors/incident"
)

type downloaded struct {
	Message incident.Message `json:"message" doc:"the mail"`
	SHA256  string           `json:"sha256" doc:"SHA-256 of the mail in MIME, by which the evidence store names it; known once it is downloaded"`
	Size    int64            `json:"size" doc:"of the MIME, in bytes; 0 before it is downloaded"`
	Until   time.Time        `json:"until,omitzero" doc:"when the evidence store may delete it"`
}

type downloadRequest struct {
	Mailbox string `json:"mailbox"`
	Message string `json:"message"`
	Subject string `json:"subject"`
}

// keeping is the state of a mail in the evidence store.
type keeping struct {
	Kept   bool      `json:"kept"`
	SHA256 string    `json:"sha256,omitempty"`
	Size   int64     `json:"size,omitempty"`
	Until  time.Time `json:"until,omitzero"`
}

// Download puts a mail as it went over the wire into the evidence store.
func (s Shelf) Download() actions.Action {
	return actions.Spec[onMessage, downloaded]{
		Doc:   "Download a mail in MIME, attachments included, into the evidence store, encrypted, named by the SHA-256 of its content.",
		Class: actions.Writes, Throttle: throttle, Timeout: 10 * time.Minute, Settling: settles,
		Permissions: permission("Mail.Read"),
		// A second download keeps the same content under the same name and leaves
		// one more line in the tenant's audit log.
		Repeat:  actions.RepeatHarmless,
		Source:  "https://learn.microsoft.com/graph/outlook-get-mime-message",
		NoUndo:  "what was downloaded stays in the evidence store for its time; in the mailbox nothing was changed",
		Example: "message: \"${{ message }}\"",
		Plan:    s.planDownload, Do: s.doDownload, Check: s.checkDownload, Settle: settleDownload,
	}.Action()
}

func (s Shelf) planDownload(ctx context.Context, _ actions.Call, p onMessage) ([]actions.Effect, downloaded, error) {
	if err := s.Evidence.Ready(); err != nil {
		return nil, downloaded{}, err
	}
	m, err := s.find(ctx, p)
	if err != nil {
		return nil, downloaded{}, err
	}
	one := m.copies[0] // all are the same mail
	return []actions.Effect{{
		Target: m.target("evidence", one), Before: actions.JSON(keeping{}), After: actions.JSON(keeping{Kept: true}),
		Request: actions.JSON(downloadRequest{m.mailbox, one.ID, one.Subject}),
	}}, downloaded{Message: m.record}, nil
}

func (s Shelf) doDownload(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[downloadRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	about := evidence.About{
		Name: r.Subject, Type: "message/rfc822", Source: "graph:/users/" + r.Mailbox + "/messages/" + r.Message, Run: c.Run, Step: c.Step, Effect: e.ID,
	}
	item, err := s.Evidence.Fetch(ctx, about, func(into io.Writer) error {
		return s.Graph.DownloadMessage(ctx, connectors.Change(c.Sending), r.Mailbox, r.Message, connectors.Copy{Into: into, Most: s.Evidence.MaxSize()})
	})
	if err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{After: actions.JSON(keeping{true, item.SHA256, item.Size, item.Until})}, nil
}

// checkDownload cannot tell: it is kept by a name that only its content has.
func (s Shelf) checkDownload(_ context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	if _, err := actions.Kept[downloadRequest](e.Request, "request"); err != nil {
		return actions.Finding{}, err
	}
	return actions.Finding{Answer: actions.CannotTell, Why: "content is kept by its hash, which is known once it is downloaded"}, nil
}

// settleDownload fills the output with what is kept.
func settleDownload(out downloaded, effects []actions.Effect) downloaded {
	for _, e := range effects {
		if k, err := actions.Kept[keeping](e.After, "state after"); err == nil && e.Status == actions.Done {
			out.SHA256, out.Size, out.Until = k.SHA256, k.Size, k.Until
		}
	}
	return out
}

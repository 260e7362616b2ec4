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
		Plan:    s.planDownload, Do: s.doDownload, Check: actions.CheckKeeping[downloadRequest], Settle: settleDownload,
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
		Target: m.target("evidence", one), Before: actions.JSON(actions.Keeping{}), After: actions.JSON(actions.Keeping{Kept: true}),
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
	return actions.Outcome{After: actions.JSON(actions.Keeping{Kept: true, SHA256: item.SHA256, Size: item.Size, Until: item.Until})}, nil
}

// settleDownload fills the output with what is kept.
func settleDownload(out downloaded, effects []actions.Effect) downloaded {
	if k := actions.KeptContent(effects); k.Kept {
		out.SHA256, out.Size, out.Until = k.SHA256, k.Size, k.Until
	}
	return out
}

package mail

import (
	"context"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type moveParams struct {
	Message actions.Ref[incident.Message] `json:"message" entity:"message" doc:"message of the evidence, or with mailbox its Message-ID header, as <id@host>"`
	Mailbox string                        `json:"mailbox,omitempty" doc:"address of the mailbox it is looked for in; without it that of the evidence, else the sender's or a recipient's, if it is the organization's own"`
	Folder  string                        `json:"folder" doc:"folder it goes to: a well-known name such as junkemail or archive, or the name of a folder below the root of the mailbox, hidden ones too"`
}

type moved struct {
	Message incident.Message `json:"message" doc:"the mail"`
	Moved   int              `json:"moved" doc:"how many copies were moved now; 0 when all lay there already"`
}

// moveRequest moves one copy. Folders are ids.
type moveRequest struct {
	Mailbox string `json:"mailbox"`
	Message string `json:"message"`
	From    string `json:"from"`
	To      string `json:"to"`
}

// lying is where a copy lies.
type lying struct {
	Folder   string `json:"folder"` // as its owner sees it
	FolderID string `json:"folder_id"`
}

// Move moves a mail to another folder of its mailbox.
func (s Shelf) Move() actions.Action {
	return actions.Spec[moveParams, moved]{
		Doc:   "Move a mail to another folder of its mailbox, such as a hidden one for quarantine: every copy that the mailbox has.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 1}, Permissions: permission("Mail.ReadWrite"),
		Repeat:   actions.RepeatSame, // moving it to where it lies changes nothing
		Settling: settles,
		Source:   "https://learn.microsoft.com/graph/api/message-move",
		Example:  "message: \"${{ message }}\"\nfolder: Quarantine",
		Plan:     s.planMove, State: s.stateMove, Do: s.doMove, Check: s.checkMove, Undo: s.undoMove, Settle: settleMove,
	}.Action()
}

func (s Shelf) planMove(ctx context.Context, _ actions.Call, p moveParams) ([]actions.Effect, moved, error) {
	if strings.TrimSpace(p.Folder) == "" || len(p.Folder) > 255 || strings.Contains(p.Folder, "/") {
		return nil, moved{}, problem(connectors.Invalid, "expected a name such as Quarantine or junkemail", "folder: %q is no name of a folder", connectors.Plain(p.Folder))
	}
	m, err := s.find(ctx, onMessage{p.Message, p.Mailbox})
	if err != nil {
		return nil, moved{}, err
	}
	to, err := s.folder(ctx, m.mailbox, p.Folder)
	if err != nil {
		return nil, moved{}, err
	}
	effects, err := s.moves(ctx, m, to)
	return effects, moved{m.record, len(effects)}, err
}

// wellKnown are the folders that a mail may be moved to by their well-known name.
func wellKnown() []string {
	return []string{"inbox", "archive", "junkemail", graph.DeletedItems, graph.RecoverableItems}
}

// folder finds a folder of a mailbox by its well-known or own name.
func (s Shelf) folder(ctx context.Context, box, name string) (graph.MailFolder, error) {
	if slices.Contains(wellKnown(), strings.ToLower(name)) {
		return s.Graph.MailFolder(ctx, box, strings.ToLower(name))
	}
	named, err := s.Graph.MailFoldersNamed(ctx, box, name)
	switch {
	case err != nil:
		return graph.MailFolder{}, err
	case len(named) == 0:
		return graph.MailFolder{}, problem(connectors.NotFound, "make it first, or name one of "+strings.Join(wellKnown(), ", "),
			"folder: the mailbox of %s has no folder %q below its root", connectors.Plain(box), connectors.Plain(name))
	case len(named) > 1:
		return graph.MailFolder{}, problem(connectors.Invalid, "rename all but one", "folder: the mailbox of %s has %d folders %q", connectors.Plain(box), len(named), connectors.Plain(name))
	}
	return named[0], nil
}

// moves is one effect for each copy that lies elsewhere.
func (s Shelf) moves(ctx context.Context, m subject, to graph.MailFolder) ([]actions.Effect, error) {
	var effects []actions.Effect
	for _, c := range m.copies {
		if c.FolderID == to.ID {
			continue
		}
		from, err := s.Graph.MailFolder(ctx, m.mailbox, c.FolderID)
		if err != nil {
			return nil, err
		}
		effects = append(effects, actions.Effect{
			Target: m.target("message", c), Before: actions.JSON(lying{from.Name, from.ID}), After: actions.JSON(lying{to.Name, to.ID}),
			Request: actions.JSON(moveRequest{m.mailbox, c.ID, from.ID, to.ID}),
		})
	}
	return effects, nil
}

func (s Shelf) stateMove(ctx context.Context, _ actions.Call, p moveParams) (any, error) {
	return s.state(ctx, onMessage{p.Message, p.Mailbox})
}

// state is what approvers are shown of a mail.
func (s Shelf) state(ctx context.Context, p onMessage) (any, error) {
	m, err := s.find(ctx, p)
	if err != nil {
		return nil, err
	}
	type shown struct {
		Mailbox    string   `json:"mailbox"`
		Subject    string   `json:"subject"`
		Sender     string   `json:"sender"`
		Recipients []string `json:"recipients"`
		Folders    []string `json:"folders"` // ids
	}
	out := shown{m.mailbox, m.copies[0].Subject, m.copies[0].From, m.copies[0].To, []string{}}
	for _, c := range m.copies {
		out.Folders = append(out.Folders, c.FolderID)
	}
	return out, nil
}

func (s Shelf) doMove(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[moveRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	_, err = s.Graph.MoveMessage(ctx, connectors.Change(c.Sending), r.Mailbox, r.Message, r.To)
	return actions.Outcome{}, err
}

func (s Shelf) checkMove(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[moveRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	m, err := s.Graph.Message(ctx, r.Mailbox, r.Message)
	switch {
	case notFound(err):
		return actions.Finding{Answer: actions.CannotTell, Why: "the mail is not in the mailbox any more"}, nil
	case err != nil:
		return actions.Finding{}, err
	case m.FolderID == r.To:
		return actions.Finding{Answer: actions.Happened, Why: "the mail lies in the folder"}, nil
	case m.FolderID == r.From:
		return actions.Finding{Answer: actions.DidNot, Why: "the mail lies where it lay"}, nil
	}
	return actions.Finding{Answer: actions.CannotTell, Why: "the mail lies in another folder than it was moved from and to"}, nil
}

// undoMove moves the copy back, if it still lies where we put it.
func (s Shelf) undoMove(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[moveRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	m, err := s.Graph.Message(ctx, r.Mailbox, r.Message)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: actions.JSON(nil), Why: "the mail is not in the mailbox any more"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	switch m.FolderID {
	case r.From:
		return actions.Inverse{Why: "the mail is back already"}, nil
	case r.To:
	default:
		return actions.Inverse{Changed: true, Present: actions.JSON(lying{FolderID: m.FolderID}), Why: "somebody moved the mail on"}, nil
	}
	r.From, r.To = r.To, r.From
	return actions.Inverse{
		Present: actions.JSON(lying{FolderID: m.FolderID}), Widens: true, // its owner can read it again
		Effect: &actions.Effect{Action: "mail.move", Class: actions.Writes, Target: e.Target, Before: e.After, After: e.Before, Request: actions.JSON(r)},
	}, nil
}

func settleMove(out moved, effects []actions.Effect) moved {
	out.Moved = happened(effects)
	return out
}

// happened is how many effects have happened by us.
func happened(effects []actions.Effect) int {
	n := 0
	for _, e := range effects {
		if e.Status == actions.Done {
			n++
		}
	}
	return n
}

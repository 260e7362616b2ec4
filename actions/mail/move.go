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
	Create  string                        `json:"create,omitempty" enum:"hidden,shown" doc:"makes the folder below the root of the mailbox where there is none of that name: hidden from its owner, or shown; without it that is an error"`
	Folder  string                        `json:"folder" doc:"folder it goes to: a well-known name such as junkemail or archive, or the name of a folder below the root of the mailbox, hidden ones too"`
}

type moved struct {
	Message incident.Message `json:"message" doc:"the mail"`
	Moved   int              `json:"moved" doc:"how many copies were moved now; 0 when all lay there already"`
	Created bool             `json:"created" doc:"whether the folder was made now; undo leaves it"`
}

// moveRequest moves one copy. Folders are ids, or ToName is that of one that is
// made before.
type moveRequest struct {
	Mailbox string `json:"mailbox"`
	Message string `json:"message"`
	From    string `json:"from"`
	To      string `json:"to,omitempty"`
	ToName  string `json:"to_name,omitempty"`
}

// lying is where a copy lies.
type lying struct {
	Folder   string `json:"folder"` // as its owner sees it
	FolderID string `json:"folder_id,omitempty"`
}

// Move moves a mail to another folder of its mailbox.
func (s Shelf) Move() actions.Action {
	return actions.Spec[moveParams, moved]{
		Doc:   "Move a mail to another folder of its mailbox, such as a hidden one for quarantine: every copy that the mailbox has.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 2}, Permissions: permission("Mail.ReadWrite"),
		Repeat:   actions.RepeatSame, // moving it to where it lies changes nothing
		Settling: settles,
		Source:   "https://learn.microsoft.com/graph/api/message-move",
		Example:  "message: \"${{ message }}\"\nfolder: Quarantine\ncreate: hidden",
		Plan:     s.planMove, State: s.stateMove, Do: s.doMove, Check: s.checkMove, Undo: s.undoMove, Settle: settleMove,
	}.Action()
}

func (s Shelf) planMove(ctx context.Context, _ actions.Call, p moveParams) ([]actions.Effect, moved, error) {
	if strings.TrimSpace(p.Folder) == "" || len(p.Folder) > 255 || strings.Contains(p.Folder, "/") {
		return nil, moved{}, problem(connectors.Invalid, "expected a name such as Quarantine or junkemail", "folder: %q is no name of a folder", connectors.Plain(p.Folder))
	}
	if p.Create != "" && p.Create != hidden && p.Create != shown {
		return nil, moved{}, problem(connectors.Invalid, "expected hidden or shown", "create is %q", connectors.Plain(p.Create))
	}
	m, err := s.find(ctx, onMessage{p.Message, p.Mailbox})
	if err != nil {
		return nil, moved{}, err
	}
	to, err := s.folder(ctx, m.mailbox, p.Folder)
	if notFound(err) && p.Create != "" {
		effects, err := s.moves(ctx, m, graph.MailFolder{Name: p.Folder})
		return slices.Insert(effects, 0, making(folderRequest{m.mailbox, p.Folder, p.Create == hidden})), moved{m.record, len(effects), true}, err
	}
	if err != nil {
		return nil, moved{}, err
	}
	effects, err := s.moves(ctx, m, to)
	return effects, moved{m.record, len(effects), false}, err
}

// moves is one effect for each copy that lies elsewhere than in a folder; one
// without an id is made before.
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
		r := moveRequest{Mailbox: m.mailbox, Message: c.ID, From: from.ID, To: to.ID}
		if to.ID == "" {
			r.ToName = to.Name
		}
		effects = append(effects, actions.Effect{
			Target: m.target("message", c), Before: actions.JSON(lying{from.Name, from.ID}), After: actions.JSON(lying{to.Name, to.ID}),
			Request: actions.JSON(r),
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

// moving reads the request of an effect that moves a mail, with the id of the
// folder that it goes to; without one where that does not stand (yet).
func (s Shelf) moving(ctx context.Context, e actions.Effect) (moveRequest, error) {
	r, err := actions.Kept[moveRequest](e.Request, "request")
	if err != nil || r.ToName == "" {
		return r, err
	}
	to, err := s.folder(ctx, r.Mailbox, r.ToName)
	if notFound(err) {
		return r, nil
	}
	r.To, r.ToName = to.ID, ""
	return r, err
}

func (s Shelf) doMove(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	if f, is, err := makes(e); is {
		if err != nil {
			return actions.Outcome{}, err
		}
		return s.doFolder(ctx, c, f)
	}
	r, err := s.moving(ctx, e)
	if err != nil {
		return actions.Outcome{}, err
	}
	if r.To == "" {
		return actions.Outcome{}, &connectors.Error{
			Op: "mail", Code: connectors.Unavailable, Wait: settles / 4, Message: "folder: the mailbox does not show the folder " + connectors.Plain(r.ToName) + " that was made",
		}
	}
	_, err = s.Graph.MoveMessage(ctx, connectors.Change(c.Sending), r.Mailbox, r.Message, r.To)
	return actions.Outcome{}, err
}

func (s Shelf) checkMove(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	if f, is, err := makes(e); is {
		if err != nil {
			return actions.Finding{}, err
		}
		return s.checkFolder(ctx, f)
	}
	r, err := s.moving(ctx, e)
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
	if e.Target.Kind == "folder" {
		return actions.Inverse{Why: keptFolder}, nil
	}
	r, err := s.moving(ctx, e)
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
	out.Moved, out.Created = happened(effects), false
	if len(effects) > 0 && effects[0].Target.Kind == "folder" {
		out.Created = effects[0].Status == actions.Done
		out.Moved = happened(effects[1:])
	}
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

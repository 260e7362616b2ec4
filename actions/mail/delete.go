package mail

import (
	"context"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type deleteParams struct {
	Message actions.Ref[incident.Message] `json:"message" entity:"message" doc:"message of the evidence, or with mailbox its Message-ID header, as <id@host>"`
	Mailbox string                        `json:"mailbox,omitempty" doc:"address of the mailbox it is looked for in; without it that of the evidence, else the sender's or a recipient's, if it is the organization's own"`
	To      string                        `json:"to,omitempty" enum:"deleted_items,recoverable_items" default:"deleted_items" doc:"deleted_items: its owner sees it there; recoverable_items: its owner does not, until it is recovered"`
}

type deleted struct {
	Message incident.Message `json:"message" doc:"the mail as it was"`
	Deleted int              `json:"deleted" doc:"how many copies were deleted now; 0 when all were already"`
}

// Delete deletes a mail so that it can be restored.
func (s Shelf) Delete() actions.Action {
	return actions.Spec[deleteParams, deleted]{
		Doc:   "Delete a mail softly: every copy of the mailbox goes to Deleted Items, or to the recoverable items behind it, whose retention then applies.",
		Class: actions.Destroys, Throttle: throttle, Cost: actions.Cost{Look: 3, Send: 1}, Permissions: permission("Mail.ReadWrite"),
		Repeat:   actions.RepeatSame, // moving it to where it lies changes nothing
		Settling: settles,
		Source:   "https://learn.microsoft.com/graph/api/message-move",
		Example:  "message: \"${{ message }}\"\nto: recoverable_items",
		Plan:     s.planDelete, State: s.stateDelete, Do: s.doMove, Check: s.checkMove, Undo: s.undoMove, Settle: settleDelete,
	}.Action()
}

func (s Shelf) planDelete(ctx context.Context, _ actions.Call, p deleteParams) ([]actions.Effect, deleted, error) {
	folder := graph.DeletedItems
	switch p.To {
	case "", "deleted_items":
	case "recoverable_items":
		folder = graph.RecoverableItems
	default:
		return nil, deleted{}, problem(connectors.Invalid, "expected deleted_items or recoverable_items", "to is %q", connectors.Plain(p.To))
	}
	m, err := s.find(ctx, onMessage{p.Message, p.Mailbox})
	if err != nil {
		return nil, deleted{}, err
	}
	to, err := s.Graph.MailFolder(ctx, m.mailbox, folder)
	if err != nil {
		return nil, deleted{}, err
	}
	effects, err := s.moves(ctx, m, to)
	return effects, deleted{m.record, len(effects)}, err
}

func (s Shelf) stateDelete(ctx context.Context, _ actions.Call, p deleteParams) (any, error) {
	return s.state(ctx, onMessage{p.Message, p.Mailbox})
}

func settleDelete(out deleted, effects []actions.Effect) deleted {
	out.Deleted = happened(effects)
	return out
}

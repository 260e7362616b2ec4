package incidents

import (
	"context"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type commentParams struct {
	Incident string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Text     string `json:"text" doc:"the comment, plain text"`
}

type commented struct {
	Incident string `json:"incident" doc:"id of the incident"`
	Comments int    `json:"comments" doc:"number of comments it has now"`
	Added    bool   `json:"added" doc:"whether the comment was added"`
}

type commentRequest struct {
	Incident string `json:"incident"`
	Text     string `json:"text"`
}

// commentState counts comments; they have no ids.
type commentState struct {
	Comments int    `json:"comments"`
	Same     int    `json:"same"` // with our text
	Added    string `json:"added,omitempty"`
}

// Comment adds a comment to an incident.
func (s Shelf) Comment() actions.Action {
	return actions.Spec[commentParams, commented]{
		Doc:   "Add a comment to an incident.",
		Class: actions.Writes, Throttle: throttle, Elsewhere: azure(2, 1), Permissions: writes(),
		Writes:   []string{"comments"},
		Repeat:   actions.RepeatHarmless, // a second one says the same again
		Settling: settles, NoUndo: "a comment belongs to the record of an incident; Graph cannot remove one",
		Source:  "https://learn.microsoft.com/graph/api/security-incident-post-comments",
		Example: "incident: \"${{ incident.id }}\"\ntext: Access from outside was removed.",
		Plan:    s.planComment, Do: s.doComment, Check: s.checkComment, Settle: settleComment,
	}.Action()
}

func (s Shelf) planComment(ctx context.Context, _ actions.Call, p commentParams) ([]actions.Effect, commented, error) {
	text := strings.TrimSpace(p.Text)
	if text == "" {
		return nil, commented{}, problem("write something", "text is empty")
	}
	in, err := s.writable(ctx, p.Incident)
	if err != nil {
		return nil, commented{}, err
	}
	e, err := s.remark(ctx, in, text)
	if err != nil {
		return nil, commented{}, err
	}
	after, err := actions.Kept[commentState](e.After, "state after")
	return []actions.Effect{e}, commented{Incident: in.ID, Comments: after.Comments, Added: true}, err
}

// remark is the effect that adds a comment.
func (s Shelf) remark(ctx context.Context, in subject, text string) (actions.Effect, error) {
	if in.Source == incident.Sentinel {
		comments, err := s.sentinelComments(ctx, in.ID)
		if err != nil {
			return actions.Effect{}, err
		}
		in.Comments, text = comments, inert(text)
	}
	before := count(in.Comments, text)
	e := actions.Effect{
		Target: target(in.Incident, "comments"), Before: actions.JSON(before),
		After:   actions.JSON(commentState{Comments: before.Comments + 1, Same: before.Same + 1, Added: text}),
		Request: actions.JSON(commentRequest{Incident: in.ID, Text: text}),
		Own:     in.own("comments", []string{text}),
	}
	e.Target.Kind = "comment"
	return e, nil
}

func count(comments []incident.Comment, text string) commentState {
	s := commentState{Comments: len(comments)}
	for _, c := range comments {
		if plain(c.Text) == plain(text) {
			s.Same++
		}
	}
	return s
}

// plain is a text without regard to its white space, which Defender trims.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

func (s Shelf) doComment(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[commentRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	at, err := s.locate(r.Incident)
	if err != nil {
		return actions.Outcome{}, err
	}
	if at.source == incident.Sentinel {
		_, err = s.Sentinel.PutComment(ctx, connectors.Change(c.Sending), at.name, commentName(r.Incident, e.ID), r.Text)
		return actions.Outcome{}, err
	}
	_, err = s.Graph.CommentIncident(ctx, connectors.Change(c.Sending), at.name, r.Text)
	return actions.Outcome{}, err
}

// checkComment counts the comments with our text: as many as before, and it is
// not there; one more, and it is; still more, and others said the same
// meanwhile, perhaps in our place.
func (s Shelf) checkComment(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[commentRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	before, err := actions.Kept[commentState](e.Before, "state before")
	if err != nil {
		return actions.Finding{}, err
	}
	in, err := s.find(ctx, r.Incident)
	if err != nil {
		return actions.Finding{}, err
	}
	if in.Source == incident.Sentinel {
		return s.checkNamedComment(ctx, e, r, before)
	}
	now := count(in.Comments, r.Text)
	switch now.Same - before.Same {
	case 1:
		now.Added = r.Text
		return actions.Finding{Answer: actions.Happened, After: actions.JSON(now), Why: "the comment is there"}, nil
	case 0:
		return actions.Finding{Answer: actions.DidNot, Why: "the comment is not there"}, nil
	}
	return actions.Finding{Answer: actions.CannotTell, Why: "others wrote or removed the same comment meanwhile"}, nil
}

// settleComment tells whether the comment was really added.
func settleComment(out commented, effects []actions.Effect) commented {
	if !happened(effects) {
		out.Added = false
		out.Comments--
	}
	return out
}

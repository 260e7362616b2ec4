package mail

import (
	"context"
	"errors"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
)

// What mail.move may make a folder as.
const (
	hidden = "hidden"
	shown  = "shown"
)

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
		return graph.MailFolder{}, problem(connectors.NotFound, "give create: hidden to make it, or name one of "+strings.Join(wellKnown(), ", "),
			"folder: the mailbox of %s has no folder %q below its root", connectors.Plain(box), connectors.Plain(name))
	case len(named) > 1:
		return graph.MailFolder{}, problem(connectors.Invalid, "rename all but one", "folder: the mailbox of %s has %d folders %q", connectors.Plain(box), len(named), connectors.Plain(name))
	}
	return named[0], nil
}

// folderRequest makes a folder.
type folderRequest struct {
	Mailbox string `json:"mailbox"`
	Make    string `json:"make"`
	Hidden  bool   `json:"hidden"`
}

// standing is whether a mailbox has a folder.
type standing struct {
	Folder string `json:"folder"`
	Stands bool   `json:"stands"`
	Hidden bool   `json:"hidden,omitempty"`
}

// makes reads the request of an effect that makes a folder; false is one that
// moves a mail.
func makes(e actions.Effect) (folderRequest, bool, error) {
	if e.Target.Kind != "folder" {
		return folderRequest{}, false, nil
	}
	r, err := actions.Kept[folderRequest](e.Request, "request")
	return r, true, err
}

// making is the effect that makes a folder.
func making(r folderRequest) actions.Effect {
	return actions.Effect{
		Target: actions.Target{
			Kind: "folder", ID: strings.ToLower(r.Mailbox) + "/folder/" + r.Make, Name: "folder " + r.Make + " of " + r.Mailbox,
			Entities: []actions.Entity{mailboxEntity(r.Mailbox)},
		},
		Before: actions.JSON(standing{Folder: r.Make}), After: actions.JSON(standing{r.Make, true, r.Hidden}), Request: actions.JSON(r),
	}
}

// doFolder makes the folder, unless somebody has made one of that name meanwhile.
func (s Shelf) doFolder(ctx context.Context, c actions.Call, r folderRequest) (actions.Outcome, error) {
	_, err := s.Graph.MakeMailFolder(ctx, connectors.Change(c.Sending), r.Mailbox, r.Make, r.Hidden)
	e, is := errors.AsType[*connectors.Error](err)
	if !is || e.Code != connectors.Conflict || e.Open {
		return actions.Outcome{}, err
	}
	there, look := s.folder(ctx, r.Mailbox, r.Make)
	if look != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{AlreadySo: true, After: actions.JSON(standing{r.Make, true, there.Hidden})}, nil
}

func (s Shelf) checkFolder(ctx context.Context, r folderRequest) (actions.Finding, error) {
	named, err := s.Graph.MailFoldersNamed(ctx, r.Mailbox, r.Make)
	switch {
	case err != nil:
		return actions.Finding{}, err
	case len(named) == 0:
		return actions.Finding{Answer: actions.DidNot, Why: "the mailbox has no such folder"}, nil
	}
	return actions.Finding{Answer: actions.Happened, After: actions.JSON(standing{r.Make, true, named[0].Hidden}), Why: "the mailbox has the folder"}, nil
}

// keptFolder is why a folder that we made stays.
const keptFolder = "the folder stays: Graph deletes one with all that lies in it, and somebody may have put a mail there since; empty it does no harm"

package files

import (
	"context"
	"errors"
	"slices"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type deleted struct {
	File    incident.File `json:"file" doc:"the file as it was"`
	Deleted bool          `json:"deleted" doc:"whether it was deleted now; false when somebody had done it"`
}

type deleteRequest struct {
	Drive  string `json:"drive"`
	Item   string `json:"item"`
	Parent string `json:"parent"`
	ETag   string `json:"etag"`
}

// existing is the state of a file that is there.
type existing struct {
	Name       string    `json:"name"`
	URL        string    `json:"url"`
	Size       int64     `json:"size"`
	CreatedBy  string    `json:"created_by,omitempty"`
	ModifiedAt time.Time `json:"modified_at"`
}

// Delete puts a file into the recycle bin.
func (s Shelf) Delete() actions.Action {
	return actions.Spec[onFile, deleted]{
		Doc:   "Delete a file: it goes to the recycle bin of its site. Folders are refused.",
		Class: actions.Destroys, Throttle: throttle, Permissions: writesFiles(),
		Settling: sharingSettles, // Repeat: never, a person decides what nobody can tell
		Source:   "https://learn.microsoft.com/graph/api/driveitem-delete",
		NoUndo:   "Graph cannot take files of SharePoint or OneDrive for work out of the recycle bin; an owner of the site can, for 93 days",
		Example:  "file: \"${{ file }}\"",
		Plan:     s.planDelete, State: s.existing, Do: s.doDelete, Check: s.checkDelete, Settle: settleDelete,
	}.Action()
}

func (f subject) existing() existing {
	return existing{
		Name: f.Name, URL: f.WebURL, Size: f.Size, CreatedBy: orName(f.CreatedBy.Email, f.CreatedBy.Name), ModifiedAt: f.ModifiedAt,
	}
}

func (s Shelf) existing(ctx context.Context, _ actions.Call, p onFile) (any, error) {
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, err
	}
	return f.existing(), nil
}

func (s Shelf) planDelete(ctx context.Context, _ actions.Call, p onFile) ([]actions.Effect, deleted, error) {
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, deleted{}, err
	}
	if f.Folder {
		return nil, deleted{}, problem(connectors.Invalid, "name the files in it", "%s is a folder; deleting it would delete all it holds", connectors.Plain(f.Name))
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "file", ID: f.key(), Name: f.Name, Entities: f.entity},
		Before: actions.JSON(f.existing()), After: gone(),
		Request: actions.JSON(deleteRequest{Drive: f.DriveID, Item: f.ID, Parent: f.ParentID, ETag: f.ETag}),
	}}, deleted{File: f.record, Deleted: true}, nil
}

// doDelete deletes the file if it is still the one that was planned: a changed
// one has another etag, which answers conflict.
func (s Shelf) doDelete(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[deleteRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	err = s.Graph.DeleteItem(ctx, connectors.Change(c.Sending), r.Drive, r.Item, r.ETag)
	if notFound(err) && s.parentSeen(ctx, r) == nil {
		return actions.Outcome{AlreadySo: true}, nil
	}
	return actions.Outcome{}, err
}

var errNoParent = errors.New("the folder of the file is not known")

// parentSeen tells a file that is gone from one that is out of sight.
func (s Shelf) parentSeen(ctx context.Context, r deleteRequest) error {
	if r.Parent == "" {
		return errNoParent
	}
	_, err := s.Graph.Item(ctx, r.Drive, r.Parent)
	return err
}

func (s Shelf) checkDelete(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[deleteRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	_, err = s.Graph.Item(ctx, r.Drive, r.Item)
	switch {
	case err == nil:
		return actions.Finding{Answer: actions.DidNot, Why: "the file is still there"}, nil
	case !notFound(err):
		return actions.Finding{}, err
	}
	err = s.parentSeen(ctx, r)
	switch {
	case errors.Is(err, errNoParent) || notFound(err):
		return actions.Finding{Answer: actions.CannotTell, Why: "neither the file nor its folder can be seen: " + err.Error()}, nil
	case err != nil:
		return actions.Finding{}, err
	}
	return actions.Finding{Answer: actions.Happened, After: gone(), Why: "the file is gone, its folder is there"}, nil
}

// settleDelete tells whether the file was really deleted.
func settleDelete(out deleted, effects []actions.Effect) deleted {
	out.Deleted = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	return out
}

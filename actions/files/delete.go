package files

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
	"stanch/connectors/sharepoint"
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
	// What tells the file from others in the recycle bin.
	Grave grave     `json:"grave"`
	Size  int64     `json:"size"`
	Since time.Time `json:"since"` // it was there then
}

// existing is the state of a file that is there.
type existing struct {
	ID         string    `json:"id,omitempty"` // <drive id>/<item id>
	Name       string    `json:"name"`
	URL        string    `json:"url"`
	Size       int64     `json:"size"`
	CreatedBy  string    `json:"created_by,omitempty"`
	ModifiedAt time.Time `json:"modified_at"`
}

// Delete puts a file into the recycle bin.
func (s Shelf) Delete() actions.Action {
	return actions.Spec[onFile, deleted]{
		Doc: "Delete a file: it goes to the recycle bin of its site, from where files.restore and undo bring it back for 93 days. " +
			"Folders are refused, and what a retention label keeps.",
		Class: actions.Destroys, Throttle: throttle, Cost: actions.Cost{Look: 4, Send: 2}, Permissions: append(writesFiles(), restores(toUndo)...),
		Settling: sharingSettles, // Repeat: never, a person decides what nobody can tell
		Source:   "https://learn.microsoft.com/graph/api/driveitem-delete",
		Example:  "file: \"${{ file }}\"",
		Plan:     s.planDelete, State: s.existing, Do: s.doDelete, Check: s.checkDelete, Undo: s.undoDelete, Settle: settleDelete,
	}.Action()
}

func (f subject) existing() existing {
	return existing{
		ID: f.key(), Name: f.Name, URL: f.WebURL, Size: f.Size, CreatedBy: orName(f.CreatedBy.Email, f.CreatedBy.Name), ModifiedAt: f.ModifiedAt,
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
	if err := s.deletable(ctx, f); err != nil {
		return nil, deleted{}, err
	}
	request, err := s.deletion(ctx, f)
	if err != nil {
		return nil, deleted{}, err
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "file", ID: f.key(), Name: f.Name, Entities: f.entity},
		Before: actions.JSON(f.existing()), After: gone(), Request: actions.JSON(request),
	}}, deleted{File: f.record, Deleted: true}, nil
}

// deletable asks the retention label, so that nobody is asked to approve what
// cannot be.
func (s Shelf) deletable(ctx context.Context, f subject) error {
	l, err := s.retention(ctx, f.DriveID, f.ID)
	if err != nil || l == nil || !l.record() && (l.DeleteAllowed || l.Behavior == "doNotRetain") {
		return err
	}
	hint := "take the label off first, files.remove_retention_label, or move the file out of reach: files.quarantine"
	return problem(connectors.Refused, hint, "the retention label %s keeps %s from being deleted", connectors.Plain(l.Name), connectors.Plain(f.Name))
}

// deletion is the request that deletes the file, with what finds it again. The
// address of an Office file may be that of a page; that of its folder is not.
func (s Shelf) deletion(ctx context.Context, f subject) (deleteRequest, error) {
	r := deleteRequest{Drive: f.DriveID, Item: f.ID, Parent: f.ParentID, ETag: f.ETag, Size: f.Size, Since: f.ModifiedAt}
	if f.ParentID == "" {
		return r, nil
	}
	folder, err := s.Graph.Item(ctx, f.DriveID, f.ParentID)
	if err != nil {
		return r, err
	}
	// Without a sound address it can be deleted all the same; undo says then
	// that it does not know where to look.
	if u, bad := url.Parse(folder.WebURL); bad == nil && u.Host != "" {
		site := url.URL{Scheme: "https", Host: u.Host, Path: sitePath(folder)}
		r.Grave = grave{Site: site.String(), Dir: strings.Trim(u.Path, "/"), Name: f.Name}
	}
	return r, nil
}

// undoDelete restores the file if it is certain which entry of the recycle bin
// it is: the only one of its name, folder and size that was deleted since the
// file was last seen.
func (s Shelf) undoDelete(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[deleteRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[existing](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	no := func(why string) (actions.Inverse, error) { return actions.Inverse{Present: gone(), Why: why}, nil }
	there, err := s.Graph.Item(ctx, r.Drive, r.Item)
	switch {
	case err == nil:
		return actions.Inverse{Changed: true, Present: actions.JSON(subject{DriveItem: there}.existing()), Why: "the file is there again"}, nil
	case !notFound(err):
		return actions.Inverse{}, err
	case s.SharePoint == nil || r.Grave.Name == "":
		return no("where it lies in the recycle bin is not known; an owner of the site can restore it for 93 days")
	}
	if _, err := s.Graph.Child(ctx, r.Drive, r.Parent, r.Grave.Name); err == nil {
		return no("another file has its name in its folder now")
	} else if !notFound(err) {
		return actions.Inverse{}, err
	}
	bin, err := s.buried(ctx, r.Grave)
	if failed(err, connectors.Unauthorized) || failed(err, connectors.Forbidden) {
		return no("this app may not look into the recycle bin; an owner of the site can restore it for 93 days: " + err.Error())
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	bin = slices.DeleteFunc(bin, func(b sharepoint.Recycled) bool {
		return b.Size != r.Size || b.DeletedAt.Before(r.Since.Truncate(time.Second))
	})
	switch len(bin) {
	case 0:
		return no("it is no longer in the recycle bin of its site")
	case 1:
		return actions.Inverse{Present: gone(), Widens: true, Effect: &actions.Effect{
			Action: "files.restore", Class: actions.Writes, Target: e.Target, Before: gone(), After: actions.JSON(before),
			Request: actions.JSON(restoreRequest{grave: r.Grave, Entry: bin[0].ID, Drive: r.Drive, Item: r.Item}),
		}}, nil
	}
	return no("the recycle bin holds several such files, and nobody can tell which one was deleted here")
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
	return actions.Outcome{}, held(err)
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

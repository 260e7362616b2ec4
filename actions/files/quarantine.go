package files

import (
	"context"
	"path"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type quarantined struct {
	File    incident.File `json:"file" doc:"the file; its path and url are those in quarantine"`
	Folder  string        `json:"folder" doc:"the folder that it was moved to, in its library"`
	Moved   bool          `json:"moved" doc:"whether it was moved now; false when it lay there before"`
	Removed []string      `json:"removed" doc:"ids of the file's own permissions that were removed"`
}

// place is where a file lies and who has it by that.
type place struct {
	Name   string   `json:"name"`
	Folder string   `json:"folder"` // id
	Path   string   `json:"path"`   // of the folder, as Graph writes it
	Open   []access `json:"open"`   // permissions that it inherits there
}

type moveRequest struct {
	Drive  string `json:"drive"`
	Item   string `json:"item"`
	ETag   string `json:"etag,omitempty"`
	Folder string `json:"folder"`
	Name   string `json:"name"`
}

// QuarantineFolder is where files go that no configuration names another for.
const QuarantineFolder = "Quarantine"

// Quarantine moves a file to where hardly anybody has it.
func (s Shelf) Quarantine() actions.Action {
	return actions.Spec[onFile, quarantined]{
		Doc: "Move a file into the locked quarantine folder of its library, and take its own permissions and links away; the owner's stays. " +
			"Graph moves files within a library only, so each has its folder. It is the operator's: it must be there, must not inherit permissions, and be open to named people inside only.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 14, Send: 2}, Permissions: writesFiles(),
		Repeat:   actions.RepeatSame, // it lies in one place
		Settling: sharingSettles,
		Source:   "https://learn.microsoft.com/graph/api/driveitem-move",
		Example:  "file: \"${{ file }}\"",
		Plan:     s.planQuarantine, Do: s.doMove, Check: s.checkMove, Undo: s.undoMove, Settle: settleQuarantine,
		State: func(ctx context.Context, c actions.Call, p onFile) (any, error) {
			return s.sharing(ctx, c, unshareParams{File: p.File})
		},
	}.Action()
}

func (s Shelf) quarantineFolder() string {
	if s.QuarantineTo != "" {
		return strings.Trim(s.QuarantineTo, "/")
	}
	return QuarantineFolder
}

func (s Shelf) planQuarantine(ctx context.Context, _ actions.Call, p onFile) ([]actions.Effect, quarantined, error) {
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, quarantined{}, err
	}
	if f.Folder {
		return nil, quarantined{}, problem(connectors.Invalid, "name the files in it", "%s is a folder", connectors.Plain(f.Name))
	}
	dir, open, err := s.locked(ctx, f)
	if err != nil {
		return nil, quarantined{}, err
	}
	list, err := s.access(ctx, f.DriveID, f.ID)
	if err != nil {
		return nil, quarantined{}, err
	}
	out := quarantined{File: f.record, Folder: "/" + s.quarantineFolder(), Removed: []string{}}
	var effects []actions.Effect
	if f.ParentID != dir.ID {
		move, err := s.move(ctx, f, dir, list, open)
		if err != nil {
			return nil, quarantined{}, err
		}
		effects, out.Moved = append(effects, move), true
	}
	for _, a := range list {
		if !a.Inherited && !a.owner() {
			e := f.removal(a)
			e.Action = "files.unshare"
			effects, out.Removed = append(effects, e), append(out.Removed, a.ID)
		}
	}
	return effects, out, nil
}

// move is the effect that puts the file into the folder, under a name that is
// free there.
func (s Shelf) move(ctx context.Context, f subject, dir graph.DriveItem, list, open []access) (actions.Effect, error) {
	name, err := s.freeName(ctx, f, dir)
	if err != nil {
		return actions.Effect{}, err
	}
	inherited := slices.DeleteFunc(slices.Clone(list), func(a access) bool { return !a.Inherited })
	return actions.Effect{
		Target:  actions.Target{Kind: "file", ID: f.key(), Name: f.Name, Entities: f.entity},
		Before:  actions.JSON(place{Name: f.Name, Folder: f.ParentID, Path: f.ParentPath, Open: inherited}),
		After:   actions.JSON(place{Name: name, Folder: dir.ID, Path: strings.TrimSuffix(dir.ParentPath, "/") + "/" + dir.Name, Open: open}),
		Request: actions.JSON(moveRequest{Drive: f.DriveID, Item: f.ID, ETag: f.ETag, Folder: dir.ID, Name: name}),
	}, nil
}

// locked answers the quarantine folder of the file's library with who has it,
// if it is one.
func (s Shelf) locked(ctx context.Context, f subject) (graph.DriveItem, []access, error) {
	where := s.quarantineFolder()
	refused := func(format string, args ...any) error {
		return problem(connectors.Refused, "make the folder, stop it inheriting permissions and leave it to few; `quarantine` in the configuration names another", format, args...)
	}
	dir, err := s.Graph.ItemAt(ctx, f.DriveID, where)
	switch {
	case notFound(err):
		return dir, nil, refused("the library of %s has no folder %s to quarantine it in", connectors.Plain(f.Name), connectors.Plain(where))
	case err != nil:
		return dir, nil, err
	case !dir.Folder:
		return dir, nil, refused("%s is no folder", connectors.Plain(dir.WebURL))
	}
	list, err := s.access(ctx, dir.DriveID, dir.ID)
	if err != nil {
		return dir, nil, err
	}
	for _, a := range list {
		scope, err := s.scope(a)
		switch {
		case err != nil:
			return dir, nil, err
		case a.Inherited:
			return dir, nil, refused("%s is not locked: it inherits the %s", connectors.Plain(dir.WebURL), connectors.Plain(a.name(dir.Name)))
		case scope != internal || a.Link != nil:
			return dir, nil, refused("%s is not locked: there is the %s", connectors.Plain(dir.WebURL), connectors.Plain(a.name(dir.Name)))
		}
	}
	return dir, list, nil
}

// freeName is the file's name in the folder: its own, or where another file has
// that, with the end of its id.
func (s Shelf) freeName(ctx context.Context, f subject, dir graph.DriveItem) (string, error) {
	end := path.Ext(f.Name)
	for _, name := range []string{f.Name, strings.TrimSuffix(f.Name, end) + " " + f.ID[max(0, len(f.ID)-8):] + end} {
		_, err := s.Graph.Child(ctx, dir.DriveID, dir.ID, name)
		if notFound(err) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
	return "", problem(connectors.Conflict, "clear the folder", "%s holds files of both names that %s could have there", connectors.Plain(dir.WebURL), connectors.Plain(f.Name))
}

func (s Shelf) doMove(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[moveRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	_, err = s.Graph.MoveItem(ctx, connectors.Change(c.Sending), r.Drive, r.Item, r.ETag, r.Folder, r.Name)
	if conflict(err) {
		if now, look := s.Graph.Item(ctx, r.Drive, r.Item); look == nil && r.lies(now) {
			return actions.Outcome{AlreadySo: true}, nil
		}
	}
	return actions.Outcome{}, held(err)
}

// lies reports whether the item is where the request moves it.
func (r moveRequest) lies(d graph.DriveItem) bool {
	return d.ParentID == r.Folder && strings.EqualFold(d.Name, r.Name)
}

func (s Shelf) checkMove(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[moveRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	now, err := s.Graph.Item(ctx, r.Drive, r.Item)
	switch {
	case notFound(err):
		return actions.Finding{Answer: actions.CannotTell, Why: "the file is no longer to be seen"}, nil
	case err != nil:
		return actions.Finding{}, err
	case r.lies(now):
		return actions.Finding{Answer: actions.Happened, Why: "the file lies in the folder"}, nil
	}
	return actions.Finding{Answer: actions.DidNot, Why: "the file is " + connectors.Plain(now.WebURL)}, nil
}

// undoMove moves the file back to the folder it came from, if that is there
// still and has no other file of its name.
func (s Shelf) undoMove(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[moveRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[place](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	now, err := s.Graph.Item(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: gone(), Why: "the file is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	here := place{Name: now.Name, Folder: now.ParentID, Path: now.ParentPath}
	present := actions.JSON(here)
	if !r.lies(now) {
		return actions.Inverse{Changed: true, Present: present, Why: "the file is " + connectors.Plain(now.WebURL) + " now"}, nil
	}
	if _, err := s.Graph.Item(ctx, r.Drive, before.Folder); notFound(err) {
		return actions.Inverse{Present: present, Why: "the folder that it came from is gone: " + connectors.Plain(before.Path)}, nil
	} else if err != nil {
		return actions.Inverse{}, err
	}
	if _, err := s.Graph.Child(ctx, r.Drive, before.Folder, before.Name); err == nil {
		return actions.Inverse{Present: present, Why: "another file is called " + connectors.Plain(before.Name) + " where it came from"}, nil
	} else if !notFound(err) {
		return actions.Inverse{}, err
	}
	back := moveRequest{Drive: r.Drive, Item: r.Item, Folder: before.Folder, Name: before.Name}
	return actions.Inverse{Present: present, Widens: true, Effect: &actions.Effect{
		Action: "files.quarantine", Class: actions.Writes, Target: e.Target, Before: present, After: actions.JSON(before), Request: actions.JSON(back),
	}}, nil
}

// settleQuarantine tells what really was done.
func settleQuarantine(out quarantined, effects []actions.Effect) quarantined {
	out.Moved, out.Removed = false, []string{}
	for _, e := range effects {
		if e.Status != actions.Done {
			continue
		}
		if r, err := actions.Kept[unshareRequest](e.Request, "request"); err == nil && r.Permission != "" {
			out.Removed = append(out.Removed, r.Permission)
		} else {
			out.Moved = true
		}
	}
	return out
}

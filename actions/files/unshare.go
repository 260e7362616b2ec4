package files

import (
	"context"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type unshareParams struct {
	File        actions.Ref[incident.File] `json:"file" entity:"file" doc:"file of the evidence, its URL, or <drive id>/<item id>"`
	Permissions []string                   `json:"permissions" doc:"ids of the permissions to remove, as files.list_permissions lists them; at least one"`
	SiteGroups  bool                       `json:"site_groups,omitempty" doc:"take permissions of the site's own groups away, too: Graph cannot give them back, so without it they are refused"`
}

type unshared struct {
	File        incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size"`
	Removed     []string      `json:"removed" doc:"ids of the permissions that were removed"`
	AlreadyGone []string      `json:"already_gone" doc:"ids that the file no longer had"`
}

type unshareRequest struct {
	Drive      string `json:"drive"`
	Item       string `json:"item"`
	Permission string `json:"permission"`
}

// sharing is what approvers are shown of who may open a file.
type sharing struct {
	File        string   `json:"file"`
	URL         string   `json:"url"`
	Permissions []access `json:"permissions"`
}

// Unshare removes permissions from a file.
func (s Shelf) Unshare() actions.Action {
	return actions.Spec[unshareParams, unshared]{
		Doc: "Remove sharing links and permissions from a file. The owner's permission stays, and those of the site's groups unless site_groups says otherwise; " +
			"inherited ones cannot be removed here.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 6, Send: 5}, Also: throttleSharing, Permissions: writesFiles(),
		Repeat:   actions.RepeatSame, // an id names one permission: deleting it again finds nothing
		Settling: sharingSettles,
		Source:   "https://learn.microsoft.com/graph/api/permission-delete",
		Example:  "file: \"${{ file }}\"\npermissions: \"${{ map(filter(steps.access.permissions, .scope == 'anonymous'), .id) }}\"",
		Plan:     s.planUnshare, State: s.sharing, Do: s.doUnshare, Check: s.checkUnshare, Undo: s.undoUnshare,
		Settle: settleUnshare,
	}.Action()
}

func (s Shelf) planUnshare(ctx context.Context, _ actions.Call, p unshareParams) ([]actions.Effect, unshared, error) {
	if len(p.Permissions) == 0 {
		return nil, unshared{}, problem(connectors.Invalid, "name them, as files.list_permissions lists them; none never means all", "permissions is empty")
	}
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, unshared{}, err
	}
	if f.library() {
		return nil, unshared{}, wholeLibrary(f)
	}
	list, err := s.access(ctx, f.DriveID, f.ID)
	if err != nil {
		return nil, unshared{}, err
	}
	out := unshared{File: f.record, Removed: []string{}, AlreadyGone: []string{}}
	var effects []actions.Effect
	for i, id := range p.Permissions {
		if slices.Contains(p.Permissions[:i], id) {
			continue
		}
		a := byID(list, id)
		switch {
		case id == "":
			return nil, unshared{}, problem(connectors.Invalid, "", "permissions[%d] is empty", i)
		case a == nil:
			out.AlreadyGone = append(out.AlreadyGone, id)
			continue
		case a.owner():
			return nil, unshared{}, problem(connectors.Refused, "leave it out: filter by `not .owner`",
				"the %s is the owner's, which is never removed", connectors.Plain(a.name(f.Name)))
		case a.Inherited:
			return nil, unshared{}, inherited(f, *a)
		case a.via() == viaSiteGroup && !p.SiteGroups:
			return nil, unshared{}, problem(connectors.Refused, "leave it out: filter by `.via != 'site_group'`, or say site_groups: true",
				"the %s is that of a group of the site, which Graph cannot give back", connectors.Plain(a.name(f.Name)))
		}
		out.Removed = append(out.Removed, id)
		effects = append(effects, f.removal(*a))
	}
	return effects, out, nil
}

func inherited(f subject, a access) error {
	above := "the site"
	if a.from != "" {
		above = f.DriveID + "/" + a.from
	}
	return problem(connectors.Invalid, "remove it there, or leave it out: filter by `not .inherited`",
		"the %s is inherited from %s and cannot be removed from the file", connectors.Plain(a.name(f.Name)), above)
}

func (s subject) permission(name, id string) actions.Target {
	return actions.Target{Kind: "permission", ID: s.key() + "/" + id, Name: name, Entities: s.entity}
}

func (s subject) removal(a access) actions.Effect {
	target := s.permission(a.name(s.Name), a.ID)
	return actions.Effect{
		Target: target, Before: actions.JSON(a), After: gone(), Lost: a.lost(target.ID),
		Request: actions.JSON(unshareRequest{Drive: s.DriveID, Item: s.ID, Permission: a.ID}),
	}
}

// lost is what sharing the file again cannot give back.
func (a access) lost(target string) []actions.Lost {
	var out []actions.Lost
	add := func(field, why string) { out = append(out, actions.Lost{Target: target, Field: field, Why: why}) }
	if _, why := a.again(); why != "" {
		add("permission", why)
		return out
	}
	if a.Link == nil {
		return out
	}
	add("link.url", "a sharing link that is made again gets another address")
	if a.Password {
		add("password", "Graph does not tell a link's password")
	}
	if a.Link.PreventsDownload {
		add("link.prevents_download", "Graph makes no links that prevent downloads")
	}
	return out
}

func (s Shelf) sharing(ctx context.Context, _ actions.Call, p unshareParams) (any, error) {
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, err
	}
	list, err := s.access(ctx, f.DriveID, f.ID)
	return sharing{File: f.Name, URL: f.WebURL, Permissions: list}, err
}

func (s Shelf) doUnshare(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[unshareRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	err = s.Graph.DeletePermission(ctx, connectors.Change(c.Sending), r.Drive, r.Item, r.Permission)
	if notFound(err) {
		if _, err := s.Graph.Item(ctx, r.Drive, r.Item); err == nil {
			return actions.Outcome{AlreadySo: true}, nil
		}
	}
	return actions.Outcome{}, err
}

func (s Shelf) checkUnshare(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[unshareRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	list, err := s.access(ctx, r.Drive, r.Item)
	switch {
	case notFound(err):
		return actions.Finding{Answer: actions.CannotTell, Why: "the file is no longer to be seen"}, nil
	case err != nil:
		return actions.Finding{}, err
	case byID(list, r.Permission) != nil:
		return actions.Finding{Answer: actions.DidNot, Why: "the permission is still there"}, nil
	}
	return actions.Finding{Answer: actions.Happened, After: gone(), Why: "the permission is gone"}, nil
}

func (s Shelf) undoUnshare(ctx context.Context, c actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[unshareRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	before, err := actions.Kept[access](e.Before, "state before")
	if err != nil {
		return actions.Inverse{}, err
	}
	list, err := s.access(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: gone(), Why: "the file is gone"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	for _, a := range list {
		if !a.Inherited && (a.ID == before.ID || a.like(before)) {
			return actions.Inverse{Changed: true, Present: actions.JSON(a), Why: "this access is there again"}, nil
		}
	}
	request, why := before.again()
	if before.Expires != nil && !before.Expires.After(c.Now) {
		why = "it would have ended by itself at " + before.Expires.Format(time.RFC3339)
	}
	if why != "" {
		return actions.Inverse{Present: gone(), Why: why}, nil
	}
	request.Drive, request.Item = r.Drive, r.Item
	target := e.Target
	target.ID = r.Drive + "/" + r.Item + "/" + request.slot()
	before.ID = ""
	return actions.Inverse{Present: gone(), Widens: true, Effect: &actions.Effect{
		Action: "files.share", Class: actions.Writes, Target: target,
		Before: gone(), After: actions.JSON(before), Request: actions.JSON(request),
	}}, nil
}

// settleUnshare tells what really was removed.
func settleUnshare(out unshared, effects []actions.Effect) unshared {
	out.Removed = []string{}
	for _, e := range effects {
		id := e.Target.ID[strings.LastIndexByte(e.Target.ID, '/')+1:]
		if r, err := actions.Kept[unshareRequest](e.Request, "request"); err == nil {
			id = r.Permission
		}
		switch e.Status {
		case actions.Done:
			out.Removed = append(out.Removed, id)
		case actions.AlreadySo:
			out.AlreadyGone = append(out.AlreadyGone, id)
		}
	}
	return out
}

package files

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/sharepoint"
)

type restoreParams struct {
	File  actions.Ref[incident.File] `json:"file" entity:"file" doc:"the file as it was: a record of the evidence or of files.delete, or its https address"`
	Entry string                     `json:"entry,omitempty" doc:"id of the entry in the recycle bin, where it holds several of that name from that folder"`
}

type restored struct {
	File     incident.File `json:"file" doc:"the file"`
	Entry    string        `json:"entry,omitempty" doc:"id that it had in the recycle bin; absent when it was there before"`
	Restored bool          `json:"restored" doc:"whether it was restored now; false when it was there before"`
}

// grave is where a deleted file lay.
type grave struct {
	Site string `json:"site"` // https address
	Dir  string `json:"dir"`  // from the host on, without slashes around
	Name string `json:"name"`
}

type restoreRequest struct {
	grave
	Entry string `json:"entry"`
	Drive string `json:"drive,omitempty"`
	Item  string `json:"item,omitempty"`
}

// Restore takes a file out of the recycle bin.
func (s Shelf) Restore() actions.Action {
	return actions.Spec[restoreParams, restored]{
		Doc: "Take a deleted file out of the recycle bin of its site, back to where it was, with its permissions and links. " +
			"This is SharePoint's own API, which takes apps that sign in with a certificate only.",
		Class: actions.Writes, Throttle: throttle, Cost: actions.Cost{Look: 7, Send: 3},
		Permissions: append(restores(""), actions.Permission{API: "graph", Name: "Files.ReadWrite.All", When: toUndo}),
		Repeat:      actions.RepeatSame, // an entry leaves the bin once
		Settling:    sharingSettles,
		Source:      "https://learn.microsoft.com/previous-versions/office/sharepoint-visio/jj246549(v=office.15)",
		Example:     "file: \"${{ steps.gone.file }}\"",
		Plan:        s.planRestore, Do: s.doRestore, Check: s.checkRestore, Undo: s.undoRestore, Settle: settleRestore,
	}.Action()
}

func noSharePoint() error {
	return problem(connectors.Invalid, "sign in to a tenant with SharePoint", "the recycle bin cannot be reached: there is no connection to SharePoint")
}

// burial reads where the file of a parameter lay.
func burial(ref actions.Ref[incident.File]) (grave, error) {
	const expected = "expected the file's https address, or a record that has it: what is deleted is found by its place, not by ids"
	address, site, under := strings.TrimSpace(ref.Text), "", ""
	if f := ref.Value; f != nil {
		address, site, under = text(f.URL), text(f.Site), text(f.Path)
		if !isWeb(address) && isWeb(f.ID) {
			address = f.ID
		}
	}
	u, err := url.Parse(address)
	if err != nil || !isWeb(address) || u.Host == "" || u.User != nil {
		return grave{}, problem(connectors.Invalid, expected, "%q names no place", connectors.Plain(address))
	}
	whole := u.Path
	if strings.Contains(whole, "/_layouts/") { // a page that shows the file
		if site == "" || under == "" {
			return grave{}, problem(connectors.Invalid, expected, "%q is the address of a page, not of the file", connectors.Plain(address))
		}
		whole = strings.TrimSuffix(site, "/") + "/" + strings.Trim(under, "/")
	}
	if site == "" || isWeb(site) {
		site = sitePath(graph.DriveItem{WebURL: address})
	}
	dir, name := path.Split(strings.TrimSuffix(whole, "/"))
	if name == "" || strings.Trim(dir, "/") == "" {
		return grave{}, problem(connectors.Invalid, expected, "%q names no file in a library", connectors.Plain(address))
	}
	at := &url.URL{Scheme: "https", Host: u.Host, Path: site}
	return grave{Site: at.String(), Dir: strings.Trim(dir, "/"), Name: name}, nil
}

// address is the https address that the file had.
func (g grave) address() string {
	u, err := url.Parse(g.Site)
	if err != nil {
		return ""
	}
	u.Path = "/" + g.Dir + "/" + g.Name
	return u.String()
}

// buried lists the files of that name and folder in the bin, newest first.
func (s Shelf) buried(ctx context.Context, g grave) ([]sharepoint.Recycled, error) {
	if s.SharePoint == nil {
		return nil, noSharePoint()
	}
	list, err := s.SharePoint.Recycled(ctx, g.Site, g.Name)
	return slices.DeleteFunc(list, func(r sharepoint.Recycled) bool {
		return r.Folder || !strings.EqualFold(strings.Trim(r.Dir, "/"), g.Dir)
	}), err
}

// risen looks for the file itself, by its ids if they are known.
func (s Shelf) risen(ctx context.Context, r restoreRequest) (graph.DriveItem, error) {
	return s.Graph.ResolveFile(ctx, graph.FileRef{DriveID: r.Drive, ItemID: r.Item, URL: r.address()})
}

func (s Shelf) planRestore(ctx context.Context, _ actions.Call, p restoreParams) ([]actions.Effect, restored, error) {
	at, err := burial(p.File)
	if err != nil {
		return nil, restored{}, err
	}
	r := restoreRequest{grave: at}
	var record incident.File
	if p.File.Value != nil {
		record = *p.File.Value
		r.Drive, r.Item = text(record.DriveID), text(record.ItemID)
	}
	bin, err := s.buried(ctx, at)
	if err != nil {
		return nil, restored{}, err
	}
	there, err := s.risen(ctx, r)
	if err == nil && (len(bin) == 0 || r.Item != "") {
		f := subject{DriveItem: there, record: record, site: sitePath(there)}
		f.describe()
		return nil, restored{File: f.record}, nil
	}
	if err == nil {
		return nil, restored{}, problem(connectors.Conflict, "move or rename it first", "another file lies at %s", connectors.Plain(at.address()))
	}
	if !notFound(err) {
		return nil, restored{}, err
	}
	entry, err := choose(bin, at, p.Entry)
	if err != nil {
		return nil, restored{}, err
	}
	r.Entry = entry.ID
	f := at.subject(record, r)
	return []actions.Effect{{
		Target: actions.Target{Kind: "file", ID: f.entity[0].ID, Name: at.Name, Entities: f.entity},
		Before: gone(), After: actions.JSON(existing{Name: at.Name, URL: at.address(), Size: entry.Size}), Request: actions.JSON(r),
	}}, restored{File: f.record, Entry: entry.ID, Restored: true}, nil
}

// choose answers the entry to restore.
func choose(bin []sharepoint.Recycled, at grave, id string) (sharepoint.Recycled, error) {
	var told []string
	for _, r := range bin {
		if strings.EqualFold(r.ID, id) || id == "" && len(bin) == 1 {
			return r, nil
		}
		told = append(told, fmt.Sprintf("%s deleted %s", connectors.Plain(r.ID), r.DeletedAt.UTC().Format("2006-01-02 15:04:05")))
	}
	if len(bin) == 0 {
		return sharepoint.Recycled{}, problem(connectors.NotFound, "after 93 days, or when the bin was emptied, nothing brings it back",
			"the recycle bin of %s has no file %s from /%s", connectors.Plain(at.Site), connectors.Plain(at.Name), connectors.Plain(at.Dir))
	}
	if id != "" {
		return sharepoint.Recycled{}, problem(connectors.Invalid, "it has "+strings.Join(told, ", "), "the recycle bin has no entry %s of this file", connectors.Plain(id))
	}
	return sharepoint.Recycled{}, problem(connectors.Conflict, "give the one as `entry`: "+strings.Join(told[:min(len(told), 5)], ", "),
		"%d files called %s were deleted from that folder", len(bin), connectors.Plain(at.Name))
}

// subject describes a file that is not there.
func (g grave) subject(record incident.File, r restoreRequest) subject {
	f := subject{
		DriveItem: graph.DriveItem{Name: g.Name, WebURL: g.address(), DriveID: r.Drive, ID: r.Item, SiteURL: g.Site},
		record:    record, given: []string{record.ID},
	}
	f.site = sitePath(f.DriveItem)
	if record.ID == "" {
		f.record.ID = g.address()
	}
	f.record.Name, f.record.URL = &f.Name, new(cmp.Or(text(record.URL), f.WebURL))
	f.record.Alerts, f.record.Roles = append([]string{}, record.Alerts...), append([]incident.Role{}, record.Roles...)
	file := f.fileEntity()
	if r.Item == "" {
		file.ID = f.WebURL
	}
	f.entity = []actions.Entity{file, f.siteEntity()}
	return f
}

func (s Shelf) doRestore(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[restoreRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	if s.SharePoint == nil {
		return actions.Outcome{}, noSharePoint()
	}
	err = s.SharePoint.Restore(ctx, connectors.Change(c.Sending), r.Site, r.Entry)
	if err != nil && !notFound(err) {
		return actions.Outcome{}, err
	}
	if there, look := s.risen(ctx, r); look == nil {
		return actions.Outcome{AlreadySo: err != nil, After: actions.JSON(subject{DriveItem: there}.existing())}, nil
	}
	return actions.Outcome{}, err // what was restored and is not seen yet is as planned
}

func (s Shelf) checkRestore(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Finding, error) {
	r, err := actions.Kept[restoreRequest](e.Request, "request")
	if err != nil {
		return actions.Finding{}, err
	}
	bin, err := s.buried(ctx, r.grave)
	if err != nil {
		return actions.Finding{}, err
	}
	if slices.ContainsFunc(bin, func(b sharepoint.Recycled) bool { return strings.EqualFold(b.ID, r.Entry) }) {
		return actions.Finding{Answer: actions.DidNot, Why: "the file is still in the recycle bin"}, nil
	}
	there, err := s.risen(ctx, r)
	switch {
	case notFound(err):
		return actions.Finding{Answer: actions.CannotTell, Why: "the file is neither in the recycle bin nor where it was"}, nil
	case err != nil:
		return actions.Finding{}, err
	}
	return actions.Finding{Answer: actions.Happened, After: actions.JSON(subject{DriveItem: there}.existing()), Why: "the file is where it was"}, nil
}

// undoRestore deletes the file again.
func (s Shelf) undoRestore(ctx context.Context, _ actions.Call, e actions.Effect) (actions.Inverse, error) {
	r, err := actions.Kept[restoreRequest](e.Request, "request")
	if err != nil {
		return actions.Inverse{}, err
	}
	after, err := actions.Kept[existing](e.After, "state after")
	if err != nil {
		return actions.Inverse{}, err
	}
	if drive, item, is := strings.Cut(after.ID, "/"); is {
		r.Drive, r.Item = drive, item
	}
	if r.Item == "" {
		return actions.Inverse{Why: "which file came back was never seen: another one may lie there now"}, nil
	}
	item, err := s.Graph.Item(ctx, r.Drive, r.Item)
	if notFound(err) {
		return actions.Inverse{Changed: true, Present: gone(), Why: "the file is gone again"}, nil
	}
	if err != nil {
		return actions.Inverse{}, err
	}
	f := subject{DriveItem: item}
	request, err := s.deletion(ctx, f)
	if err != nil {
		return actions.Inverse{}, err
	}
	return actions.Inverse{Present: actions.JSON(f.existing()), Effect: &actions.Effect{
		Action: "files.delete", Class: actions.Destroys, Target: e.Target,
		Before: actions.JSON(f.existing()), After: gone(), Request: actions.JSON(request),
	}}, nil
}

// settleRestore tells whether the file was really restored.
func settleRestore(out restored, effects []actions.Effect) restored {
	out.Restored = slices.ContainsFunc(effects, func(e actions.Effect) bool { return e.Status == actions.Done })
	for _, e := range effects {
		after, err := actions.Kept[existing](e.After, "state after")
		if drive, item, is := strings.Cut(after.ID, "/"); err == nil && is && e.Status == actions.Done {
			out.File.DriveID, out.File.ItemID = &drive, &item
		}
	}
	return out
}

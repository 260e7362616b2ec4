package files

import (
	"context"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
)

type filePermissions struct {
	File        incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size"`
	Permissions []permission  `json:"permissions" doc:"who may do what with the file, inherited permissions too"`
}

type permission struct {
	ID            string      `json:"id" doc:"id of the permission on this file"`
	Scope         string      `json:"scope" enum:"anonymous,external,organization,internal" doc:"how far it reaches: anyone with the link, people of other organizations, the whole organization, named people and groups inside"`
	Via           string      `json:"via" enum:"link,user,group,site_group,application,unknown" doc:"how it is given: a sharing link, or directly to a person, a group of the directory, a group of the site, an application"`
	Roles         []string    `json:"roles" doc:"read, write, owner, or a role of SharePoint"`
	Link          *sharedLink `json:"link,omitempty" doc:"the sharing link; absent for a permission given to people directly"`
	Grantees      []string    `json:"grantees" doc:"addresses of the people it is for, names where there is no address"`
	Inherited     bool        `json:"inherited" doc:"whether it stands on a folder or site above; it cannot be removed from the file"`
	InheritedFrom string      `json:"inherited_from,omitempty" doc:"<drive id>/<item id> of the folder it stands on"`
	Owner         bool        `json:"owner" doc:"whether it is an owner's; it is never removed"`
	ExpiresAt     *time.Time  `json:"expires_at,omitempty" doc:"when it ends by itself"`
}

type sharedLink struct {
	Type             string `json:"type" doc:"view, edit, embed or another type of SharePoint's"`
	Scope            string `json:"scope" doc:"who the link is for: anonymous, organization or users"`
	PreventsDownload bool   `json:"prevents_download" doc:"whether it only shows the file"`
	Password         bool   `json:"password" doc:"whether it asks for a password"`
}

// ListPermissions tells who may do what with a file.
func (s Shelf) ListPermissions() actions.Action {
	return actions.Spec[onFile, filePermissions]{
		Doc:   "List who may do what with a file, and how far each permission reaches.",
		Class: actions.Reads, Throttle: throttle, Cost: actions.Cost{Look: 6}, Permissions: readsFiles(),
		Source:  "https://learn.microsoft.com/graph/api/driveitem-list-permissions",
		Example: "file: \"${{ file }}\"",
		Read:    s.listPermissions,
	}.Action()
}

func (s Shelf) listPermissions(ctx context.Context, _ actions.Call, p onFile) (filePermissions, error) {
	f, err := s.find(ctx, p.File)
	if err != nil {
		return filePermissions{}, err
	}
	list, err := s.access(ctx, f.DriveID, f.ID)
	if err != nil {
		return filePermissions{}, err
	}
	out := filePermissions{File: f.record, Permissions: []permission{}}
	for _, a := range list {
		scope, err := s.scope(a)
		if err != nil {
			return filePermissions{}, err
		}
		out.Permissions = append(out.Permissions, a.output(f, scope))
	}
	return out, nil
}

func (a access) output(f subject, scope string) permission {
	p := permission{
		ID: a.ID, Scope: scope, Via: a.via(), Roles: a.Roles, Grantees: []string{}, Inherited: a.Inherited, Owner: a.owner(), ExpiresAt: a.Expires,
	}
	if a.from != "" {
		p.InheritedFrom = f.DriveID + "/" + a.from
	}
	if a.Link != nil {
		p.Link = &sharedLink{Type: a.Link.Type, Scope: a.Link.Scope, PreventsDownload: a.Link.PreventsDownload, Password: a.Password}
	}
	for _, g := range a.To {
		p.Grantees = append(p.Grantees, g.called())
	}
	return p
}

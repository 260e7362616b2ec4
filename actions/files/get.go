package files

import (
	"context"
	"errors"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type onFile struct {
	File actions.Ref[incident.File] `json:"file" entity:"file" doc:"file of the evidence, its URL, or <drive id>/<item id>"`
}

type fileFound struct {
	File       incident.File `json:"file" doc:"the file with what was looked up: drive_id, item_id, size, label"`
	Label      *fileLabel    `json:"label,omitempty" doc:"sensitivity label of the organization; absent when there is none"`
	Unreadable string        `json:"unreadable,omitempty" doc:"why the label cannot be read, as for a file encrypted with a key of its own"`
	Retention  *retained     `json:"retention,omitempty" doc:"retention label; absent when there is none"`
	Folder     bool          `json:"folder" doc:"whether it is a folder"`
	CreatedBy  string        `json:"created_by,omitempty" doc:"address of who created it, else the name"`
	CreatedAt  time.Time     `json:"created_at" doc:"when it was created"`
	ModifiedBy string        `json:"modified_by,omitempty" doc:"address of who changed it last, else the name"`
	ModifiedAt time.Time     `json:"modified_at" doc:"when it was changed last"`
}

type fileLabel struct {
	ID     string `json:"id" doc:"GUID of the label"`
	Name   string `json:"name,omitempty" doc:"name of the label; absent when it is none of the organization's"`
	Method string `json:"method,omitempty" doc:"how it was set: standard, privileged or auto"`
}

// Get looks a file up.
func (s Shelf) Get() actions.Action {
	return actions.Spec[onFile, fileFound]{
		Doc:   "Look a file up in SharePoint or OneDrive, with its sensitivity label and its retention label.",
		Class: actions.Reads, Throttle: throttle, Cost: actions.Cost{Look: 5},
		Permissions: append(readsFiles(), actions.Permission{API: "graph", Name: "SensitivityLabels.Read.All"}),
		Source:      "https://learn.microsoft.com/graph/api/driveitem-get",
		Example:     "file: \"${{ file }}\"",
		Read:        s.get,
	}.Action()
}

func (s Shelf) get(ctx context.Context, _ actions.Call, p onFile) (fileFound, error) {
	f, err := s.find(ctx, p.File)
	if err != nil {
		return fileFound{}, err
	}
	out := fileFound{
		Folder: f.Folder, CreatedAt: f.CreatedAt, ModifiedAt: f.ModifiedAt,
		CreatedBy: orName(f.CreatedBy.Email, f.CreatedBy.Name), ModifiedBy: orName(f.ModifiedBy.Email, f.ModifiedBy.Name),
	}
	if !f.Folder {
		out.Label, err = s.label(ctx, f.DriveID, f.ID)
		if e, is := errors.AsType[*connectors.Error](err); is && (e.Code == connectors.Failed || e.Code == connectors.Invalid) {
			out.Unreadable, err = e.Error(), nil
		}
		if err != nil {
			return fileFound{}, err
		}
	}
	if out.Retention, err = s.retention(ctx, f.DriveID, f.ID); err != nil {
		return fileFound{}, err
	}
	if out.Label != nil {
		f.record.Label = new(orName(out.Label.Name, out.Label.ID))
	}
	out.File = f.record
	return out, nil
}

func orName(address, name string) string {
	if address != "" {
		return address
	}
	return name
}

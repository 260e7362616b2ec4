package files

import (
	"context"
	"io"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/evidence"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type downloaded struct {
	File     incident.File `json:"file" doc:"the file as it was downloaded"`
	SHA256   string        `json:"sha256" doc:"SHA-256 of the content, by which the evidence store names it; known once it is downloaded"`
	Size     int64         `json:"size" doc:"of the content, in bytes"`
	Compared bool          `json:"compared" doc:"whether the content has the hash that SharePoint gives of it; false where it gives none"`
	Until    time.Time     `json:"until,omitzero" doc:"when the evidence store may delete it"`
}

// downloadRequest names the content that was planned: a changed one has another
// hash.
type downloadRequest struct {
	Drive string `json:"drive"`
	Item  string `json:"item"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	Size  int64  `json:"size"`
	Hash  string `json:"hash,omitempty"` // QuickXorHash
}

const downloadTimeout = 10 * time.Minute

// Download puts the content of a file into the evidence store.
func (s Shelf) Download() actions.Action {
	return actions.Spec[onFile, downloaded]{
		Doc:   "Download a file into the evidence store, encrypted, named by the SHA-256 of its content. Folders are refused.",
		Class: actions.Writes, Throttle: throttle, Timeout: downloadTimeout, Settling: sharingSettles,
		Permissions: readsFiles(),
		// A second download keeps the same content under the same name and leaves
		// one more line in the tenant's audit log.
		Repeat:  actions.RepeatHarmless,
		Source:  "https://learn.microsoft.com/graph/api/driveitem-get-content",
		NoUndo:  "what was downloaded stays in the evidence store for its time; in the tenant nothing was changed",
		Example: "file: \"${{ file }}\"",
		Plan:    s.planDownload, State: s.existing, Do: s.doDownload, Check: actions.CheckKeeping[downloadRequest], Settle: settleDownload,
	}.Action()
}

func (s Shelf) planDownload(ctx context.Context, _ actions.Call, p onFile) ([]actions.Effect, downloaded, error) {
	if err := s.Evidence.Ready(); err != nil {
		return nil, downloaded{}, err
	}
	f, err := s.find(ctx, p.File)
	if err != nil {
		return nil, downloaded{}, err
	}
	if f.Folder {
		return nil, downloaded{}, problem(connectors.Invalid, "name the files in it", "%s is a folder; it has no content", connectors.Plain(f.Name))
	}
	if most := s.Evidence.MaxSize(); f.Size > most {
		return nil, downloaded{}, problem(connectors.Limit, "raise evidence.max_mb in the operator's file, if it is to be kept",
			"%s has %d bytes, an item of evidence at most %d", connectors.Plain(f.Name), f.Size, most)
	}
	return []actions.Effect{{
		Target: actions.Target{Kind: "evidence", ID: f.key() + "/content", Name: "content of " + f.Name, Entities: f.entity},
		Before: actions.JSON(actions.Keeping{}), After: actions.JSON(actions.Keeping{Kept: true, Size: f.Size}),
		Request: actions.JSON(downloadRequest{f.DriveID, f.DriveItem.ID, f.Name, f.MimeType, f.Size, f.QuickXorHash}),
	}}, downloaded{File: f.record, Size: f.Size}, nil
}

func (s Shelf) doDownload(ctx context.Context, c actions.Call, e actions.Effect) (actions.Outcome, error) {
	r, err := actions.Kept[downloadRequest](e.Request, "request")
	if err != nil {
		return actions.Outcome{}, err
	}
	about := evidence.About{Name: r.Name, Type: r.Type, Source: "graph:/drives/" + r.Drive + "/items/" + r.Item, Run: c.Run, Step: c.Step, Effect: e.ID}
	item, err := s.Evidence.Fetch(ctx, about, func(into io.Writer) error {
		hash := &graph.QuickXor{}
		to := connectors.Copy{Into: io.MultiWriter(into, hash), Most: s.Evidence.MaxSize()}
		if err := s.Graph.DownloadItem(ctx, connectors.Change(c.Sending), r.Drive, r.Item, to); err != nil {
			return err
		}
		if got := hash.Text(); r.Hash != "" && got != r.Hash {
			return problem(connectors.Conflict, "it is planned again with what the file is now",
				"the content has the hash %s and not %s: the file was changed since it was planned; nothing is kept", got, connectors.Plain(r.Hash))
		}
		return nil
	})
	if err != nil {
		return actions.Outcome{}, err
	}
	return actions.Outcome{After: actions.JSON(actions.Keeping{Kept: true, SHA256: item.SHA256, Size: item.Size, Compared: r.Hash != "", Until: item.Until})}, nil
}

// settleDownload fills the output with what is kept.
func settleDownload(out downloaded, effects []actions.Effect) downloaded {
	if k := actions.KeptContent(effects); k.Kept {
		out.SHA256, out.Size, out.Compared, out.Until = k.SHA256, k.Size, k.Compared, k.Until
	}
	return out
}

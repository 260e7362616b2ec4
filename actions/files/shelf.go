// Package files holds the actions on files in SharePoint and OneDrive: who may
// open them, their labels, where they lie, their existence.
//
// It reaches them through connectors/graph, and connectors/sharepoint for the
// recycle bin, keeps what it downloads in connectors/evidence, and knows nothing of
// playbooks, runs or the engine: each action reads the state before, names one
// effect per changing request, and tells by reading back what became of it.
package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/evidence"
	"stanch/connectors/graph"
	"stanch/connectors/sharepoint"
)

// Shelf is the actions on files.
type Shelf struct {
	Graph *graph.Client
	// OwnDomains are the mail domains of the organization. Whoever has an
	// address elsewhere is outside.
	OwnDomains []string
	// Evidence keeps what is downloaded; nil: nothing can be.
	Evidence *evidence.Vault
	// SharePoint is what Graph cannot do; without it nothing comes out of a
	// recycle bin.
	SharePoint *sharepoint.Client
	// QuarantineTo is the path, in each library, of the folder that
	// files.quarantine moves files to; empty means QuarantineFolder.
	QuarantineTo string
}

// How long reads may answer with the state before a change.
const (
	sharingSettles = 5 * time.Second // SharePoint's permissions and items
	labelSettles   = 10 * time.Minute
)

// throttle is SharePoint's allowance. Costs are its resource units: 1 to get an
// item, 2 to list, create, change or delete, 5 for anything about permissions;
// what a file's address needs more, where it is no share, comes rarely and is left
// out (learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online).
const throttle = connectors.ClassSharePoint

// What SharePoint allows fewer of than units: calls that change who has access to
// an item, of the app, and those that label one, of the whole tenant.
const (
	throttleSharing = "sharepoint.sharing"
	throttleLabel   = "sharepoint.label"
)

func readsFiles() []actions.Permission {
	return []actions.Permission{{API: "graph", Name: "Files.Read.All"}, {API: "graph", Name: "Sites.Read.All"}}
}

func writesFiles() []actions.Permission {
	return []actions.Permission{{API: "graph", Name: "Files.ReadWrite.All"}}
}

// toUndo is when a permission is needed that only the inverse asks for.
const toUndo = "to undo it"

// restores are the permissions to bring files back from a recycle bin.
func restores(when string) []actions.Permission {
	all := append(readsFiles(), actions.Permission{API: "sharepoint", Name: "Sites.FullControl.All"})
	for i := range all {
		all[i].When = when
	}
	return all
}

// problem is an error of this side: nothing was sent.
func problem(code connectors.Code, hint, format string, args ...any) error {
	return &connectors.Error{Op: "files", Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

func notFound(err error) bool { return failed(err, connectors.NotFound) }

func conflict(err error) bool { return failed(err, connectors.Conflict) }

func failed(err error, code connectors.Code) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return is && e.Code == code
}

// gone is the state of what is not there.
func gone() json.RawMessage { return json.RawMessage("null") }

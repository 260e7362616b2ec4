package files

import (
	"context"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
)

type findParams struct {
	Name    string `json:"name" doc:"words that the name of the file holds, in any case and order"`
	Site    string `json:"site,omitempty" doc:"https address of the site to look in; this or owner is needed"`
	Owner   string `json:"owner,omitempty" doc:"user principal name: without site, the OneDrive to look in; with it, who created the files"`
	Content bool   `json:"content,omitempty" doc:"take files whose content or metadata matches, too"`
	Limit   int    `json:"limit,omitempty" default:"100" doc:"most files answered, up to 1000"`
}

type filesFound struct {
	Files []foundFile `json:"files" doc:"the files found"`
	More  bool        `json:"more" doc:"whether there may be more: the limit was reached"`
}

type foundFile struct {
	File       incident.File `json:"file" doc:"the file, as other actions take it"`
	CreatedBy  string        `json:"created_by,omitempty" doc:"address of who created it, else the name"`
	ModifiedAt time.Time     `json:"modified_at" doc:"when it was changed last"`
}

const (
	limitGiven = 100
	limitMost  = 1000
	hitsMost   = 5000 // of the search, in all libraries
)

// Find searches for files.
func (s Shelf) Find() actions.Action {
	return actions.Spec[findParams, filesFound]{
		Doc:   "Find files by name in a site or in somebody's OneDrive, with the search of SharePoint: what was changed in the last minutes may not be found yet.",
		Class: actions.Reads, Throttle: throttle, Cost: actions.Cost{Look: 7}, Permissions: readsFiles(),
		Source:  "https://learn.microsoft.com/graph/api/driveitem-search",
		Example: "name: payroll november\nsite: https://contoso.sharepoint.com/sites/payroll",
		Read:    s.search,
	}.Action()
}

func (p findParams) valid() error {
	switch {
	case strings.TrimSpace(p.Name) == "":
		return problem(connectors.Invalid, "name a word of the file's name", "name is empty")
	case strings.ContainsAny(p.Name, `/\`):
		return problem(connectors.Invalid, "expected words of a file's name, not a path", "name is %q", connectors.Plain(p.Name))
	case p.Site == "" && p.Owner == "":
		return problem(connectors.Invalid, "name a site, or an owner for their OneDrive", "neither site nor owner is given")
	case p.Site != "" && !isWeb(p.Site):
		return problem(connectors.Invalid, "expected an address such as https://contoso.sharepoint.com/sites/payroll", "site is %q", connectors.Plain(p.Site))
	case p.Owner != "" && !strings.Contains(p.Owner, "@"):
		return problem(connectors.Invalid, "expected a user principal name", "owner is %q", connectors.Plain(p.Owner))
	case p.Limit < 0 || p.Limit > limitMost:
		return problem(connectors.Invalid, "expected 1 to 1000", "limit is %d", p.Limit)
	}
	return nil
}

// keeps reports whether a hit of the search is asked for.
func (p findParams) keeps(d graph.DriveItem) bool {
	name := strings.ToLower(d.Name)
	missing := func(word string) bool { return !strings.Contains(name, word) }
	return !d.Folder && (p.Site == "" || p.Owner == "" || strings.EqualFold(d.CreatedBy.Email, p.Owner)) &&
		(p.Content || !slices.ContainsFunc(strings.Fields(strings.ToLower(p.Name)), missing))
}

func (s Shelf) search(ctx context.Context, _ actions.Call, p findParams) (filesFound, error) {
	if err := p.valid(); err != nil {
		return filesFound{}, err
	}
	if p.Limit == 0 {
		p.Limit = limitGiven
	}
	libraries, err := s.libraries(ctx, p)
	if err != nil {
		return filesFound{}, err
	}
	out, hits := filesFound{Files: []foundFile{}}, 0
	for _, l := range libraries {
		err := s.Graph.Search(ctx, l.ID, p.Name, func(d graph.DriveItem) bool {
			hits++
			keep := p.keeps(d)
			if out.More = hits > hitsMost || keep && len(out.Files) == p.Limit; out.More {
				return false
			}
			if keep {
				out.Files = append(out.Files, hit(d))
			}
			return true
		})
		if err != nil {
			return filesFound{}, err
		}
		if out.More {
			break
		}
	}
	return out, nil
}

func hit(d graph.DriveItem) foundFile {
	f := subject{DriveItem: d, site: sitePath(d)}
	f.describe()
	return foundFile{File: f.record, CreatedBy: orName(d.CreatedBy.Email, d.CreatedBy.Name), ModifiedAt: d.ModifiedAt}
}

// libraries are those to look in.
func (s Shelf) libraries(ctx context.Context, p findParams) ([]graph.Library, error) {
	if p.Site != "" {
		return s.Graph.Libraries(ctx, p.Site)
	}
	l, err := s.Graph.OneDrive(ctx, p.Owner)
	return []graph.Library{l}, err
}

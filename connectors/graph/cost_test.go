package graph_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/practice"
)

// What a request costs is told of every address that Graph may name for the next
// page, also of one that is none of its own.
func TestTheNextPageIsCountedWhereverItIsSaidToBe(t *testing.T) {
	for next, units := range map[string]int64{
		"/drives/d/items/i/permissions?$skiptoken=2":             5,
		"/drives/d/items/i/permissions/?$skiptoken=2":            5,
		"/drives('d')/items('i')/permissions?$skiptoken=2":       5,
		"/drives/d/items/i/children/?$skiptoken=2":               2,
		"/drives/d/root/search(q='x')?$skiptoken=2":              2,
		"/drives/d/root/microsoft.graph.search(q='x')?$skip=200": 2,
		"drives":                 2,
		"sites":                  1,
		"shares?$skiptoken=2":    1,
		"/users/u/messages":      0,
		"?$skiptoken=2":          0,
		"/drives/d/items/i?$x=%": 1,
	} {
		c := scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if at, first := strings.CutSuffix(r.URL.Path, "/drives/d/items/i/permissions"); first && r.URL.RawQuery == "" {
				_, _ = fmt.Fprintf(w, `{"value":[],"@odata.nextLink":"https://%s%s%s"}`, r.Host, at, next)
				return
			}
			_, _ = fmt.Fprint(w, `{"value":[]}`)
		})
		var spent atomic.Int64
		ctx := connectors.NewReads(0).By(t.Context(), connectors.Reader{Run: "r", Now: time.Now(), Spends: func(class string, n int64) {
			if class != connectors.ClassSharePoint {
				t.Errorf("%s: counted as %s", next, class)
			}
			spent.Add(n)
		}})
		if _, err := c.Permissions(ctx, "d", "i"); err != nil || spent.Load() != 5+units {
			t.Errorf("%s: %d units are counted beyond the first page, not %d; %v", next, spent.Load()-5, units, err)
		}
	}
}

// What is told of the calls for files is what SharePoint counts, whatever they name.
func TestWhatCallsForFilesTellIsWhatIsCounted(t *testing.T) {
	s := start(t, practice.FullApp(), practice.Options{})
	d := s.shared(t)
	at, err := url.Parse(d.WebURL)
	if err != nil {
		t.Fatal(err)
	}
	site := "https://" + at.Host + "/" + strings.Join(strings.Split(at.Path, "/")[1:3], "/")
	for name, do := range map[string]func(context.Context) error{
		"an item": func(ctx context.Context) error { _, err := s.Item(ctx, d.DriveID, d.ID); return err },
		"a share": func(ctx context.Context) error {
			_, err := s.ResolveFile(ctx, graph.FileRef{URL: d.WebURL})
			return err
		},
		"none": func(ctx context.Context) error {
			_, err := s.ResolveFile(ctx, graph.FileRef{URL: d.WebURL + "x"})
			return err
		},
		"libraries": func(ctx context.Context) error { _, err := s.Libraries(ctx, site); return err },
		"a path": func(ctx context.Context) error {
			_, err := s.ItemAt(ctx, d.DriveID, "children/permissions (1)")
			return err
		},
		"a child":    func(ctx context.Context) error { _, err := s.Child(ctx, d.DriveID, d.ParentID, d.Name); return err },
		"a OneDrive": func(ctx context.Context) error { _, err := s.OneDrive(ctx, "sam.ortiz@contoso.example"); return err },
		"a search": func(ctx context.Context) error {
			return s.Search(ctx, d.DriveID, "what? (a) permissions", func(graph.DriveItem) bool { return true })
		},
		"all of it": func(ctx context.Context) error {
			return s.Search(ctx, d.DriveID, "e", func(graph.DriveItem) bool { return true })
		},
		"permissions": func(ctx context.Context) error { _, err := s.Permissions(ctx, d.DriveID, d.ID); return err },
		"a label":     func(ctx context.Context) error { _, err := s.ExtractLabel(ctx, d.DriveID, d.ID); return err },
		"a retention": func(ctx context.Context) error { _, err := s.RetentionLabel(ctx, d.DriveID, d.ID); return err },
		"labels":      func(ctx context.Context) error { _, err := s.Labels(ctx); return err },
		"a new link": func(ctx context.Context) error {
			_, _, err := s.CreateLink(ctx, effect(), d.DriveID, d.ID, graph.NewLink{Type: "view", Scope: "organization", KeepInherited: true})
			return err
		},
		"a lost grant": func(ctx context.Context) error { return s.DeletePermission(ctx, effect(), d.DriveID, d.ID, "none") },
		"a record": func(ctx context.Context) error {
			_, err := s.LockRecord(ctx, effect(), d.DriveID, d.ID, false)
			return err
		},
		"a download": func(ctx context.Context) error {
			return s.DownloadItem(ctx, effect(), d.DriveID, d.ID, connectors.Copy{Into: io.Discard, Most: 1 << 20})
		},
		"one forbidden": func(ctx context.Context) error { return s.DeleteItem(ctx, effect(), d.DriveID, d.ID, `"another"`) },
	} {
		var told atomic.Int64
		ctx := connectors.NewReads(0).By(t.Context(), connectors.Reader{Run: "r", Now: time.Now(), Spends: func(_ string, n int64) { told.Add(n) }})
		before := s.Tenant.Spent()["sharepoint"]
		err := do(ctx)
		if counted := s.Tenant.Spent()["sharepoint"] - before; counted != told.Load() {
			t.Errorf("%s: %d units are told, %d are counted; %v", name, told.Load(), counted, err)
		}
	}
}

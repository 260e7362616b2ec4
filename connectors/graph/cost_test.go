package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
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

package practicetest

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"stanch/connectors/practice"
)

//go:embed testdata/activity-feed.openapi.json
var activityFeed []byte

// feedSpec is the description of the Office 365 Management Activity API, see
// testdata/SOURCES.txt.
var feedSpec = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(activityFeed) })

// isFeed reports whether the call is one of that API.
func isFeed(x practice.Exchange) bool {
	return strings.HasPrefix(x.Request.URL.Path, "/api/") && strings.Contains(x.Request.URL.Path, "/activity/feed/")
}

package practicetest

import (
	_ "embed"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed testdata/activity-feed.openapi.json
var activityFeed []byte

// feedSpec is the description of the Office 365 Management Activity API, see
// testdata/SOURCES.txt.
var feedSpec = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(activityFeed) })

// isFeed reports whether a path is one of that API.
func isFeed(path string) bool {
	return strings.HasPrefix(path, "/api/") && strings.Contains(path, "/activity/feed/")
}

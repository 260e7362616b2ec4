package hunting_test

import (
	"strings"
	"testing"

	"stanch/actions/hunting"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func shelves(c shelftest.Clients) []any {
	return []any{hunting.Shelf{Graph: c.Graph, Logs: c.Logs, Activity: c.Activity}}
}

const feedOf = "/api/v1.0/" + practice.ContosoTenantID + "/activity/feed/subscriptions/"

func TestTheFeedIsBegunAndEnded(t *testing.T) {
	t.Run("begun", shelftest.Case{
		Action: "hunting.start_dlp_feed", Shelves: shelves, Method: "POST", Path: feedOf + "start", Begun: 1,
		Params: func(x *shelftest.Tenant) any {
			x.Call("POST", feedOf+"stop?contentType=DLP.All", "")
			return map[string]any{}
		},
	}.Check)
	t.Run("ended", shelftest.Case{
		Action: "hunting.stop_dlp_feed", Shelves: shelves, Method: "POST", Path: feedOf + "stop",
		Params: func(*shelftest.Tenant) any { return map[string]any{} },
	}.Check)
}

func TestACloudWithoutTheFeedIsTold(t *testing.T) {
	d := tenant(t).Open(hunting.Shelf{})
	for _, name := range []string{"hunting.start_dlp_feed", "hunting.stop_dlp_feed"} {
		if r := d.Do(name, map[string]any{}); shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), "has no Office 365 Management Activity API") {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}

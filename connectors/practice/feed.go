package practice

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The Office 365 Management Activity API, under /api/v1.0/{tenant}/activity/feed:
// subscriptions, the list of content, content of DLP.All and the names of
// sensitive information types. Webhooks of subscriptions are not here: an address
// is refused as one that could not be validated.
//
// [office-365-management-api, office-365-management-activity-api-reference.md]. The
// page tells no status of its errors; AF429 has been seen with 403
// [troubleshooting-the-office-365-management-activity-api.md].

const (
	feedRead = "ActivityFeed.Read"
	feedDLP  = "ActivityFeed.ReadDlp"

	dlpContent = "DLP.All"
	// feedKept is how long content can be had.
	feedKept = 7 * 24 * time.Hour
	// feedPage is how many contents a page lists. The API names no number.
	feedPage = 20
)

func feedContentTypes() []string {
	return []string{"Audit.AzureActiveDirectory", "Audit.Exchange", "Audit.SharePoint", "Audit.General", dlpContent}
}

// subscribed is an app's subscription to a type of content.
type subscribed struct {
	since   time.Time // content from then on is there
	enabled bool
}

func feedRoutes() []route {
	const root = "{tenant}/activity/feed/"
	roles := []string{feedRead, feedDLP}
	return []route{
		{activityFeed, http.MethodPost, root + "subscriptions/start", roles, nil, cost{}, startFeed},
		{activityFeed, http.MethodPost, root + "subscriptions/stop", roles, nil, cost{}, stopFeed},
		{activityFeed, http.MethodGet, root + "subscriptions/list", roles, nil, cost{}, listFeeds},
		{activityFeed, http.MethodGet, root + "subscriptions/content", roles, nil, cost{}, listFeedContent},
		{activityFeed, http.MethodGet, root + "audit/{content}", roles, nil, cost{}, getFeedContent},
		{activityFeed, http.MethodGet, root + "resources/dlpSensitiveTypes", roles, nil, cost{}, listSensitiveTypes},
	}
}

// isFeed reports whether a path is one of this API: it begins as those of
// Defender do.
func isFeed(path string) bool {
	s := strings.Split(strings.ToLower(path), "/")
	return len(s) > 5 && s[1] == "api" && (s[2] == "v1.0" || s[2] == "v1") && s[4] == "activity" && s[5] == "feed"
}

// feedSegments are those of a path of this API below its version.
func feedSegments(path string) []string { return strings.Split(strings.Trim(path, "/"), "/")[2:] }

// inTenant refuses a call for another tenant than the token's.
func (c *call) inTenant() *failure {
	switch id := c.args["tenant"]; {
	case len(id) != 36 || strings.Count(id, "-") != 4:
		return fail(http.StatusBadRequest, "AF20013", "The tenant ID passed in the URL (%s) is not a valid GUID.", id)
	case !strings.EqualFold(id, c.w.company.TenantID):
		return fail(http.StatusBadRequest, "AF20010", "The tenant ID passed in the URL (%s) does not match the tenant ID passed in the access token (%s).", id, c.w.company.TenantID)
	}
	return nil
}

// lacksFeed is the error of an app without a permission.
func (c *call) lacksFeed(role string) *failure {
	return fail(http.StatusForbidden, "AF10001", "The permission set (%s) sent in the request did not include the expected permission %s.",
		strings.Join(rolesFor(c.app, feedAudience), " "), role)
}

// feedType is the content type that the call is about; the app may have it.
func (c *call) feedType() (string, error) {
	if f := c.inTenant(); f != nil {
		return "", f
	}
	asked := c.query.Get("contentType")
	if asked == "" {
		return "", fail(http.StatusBadRequest, "AF20001", "Missing parameter: contentType.")
	}
	at := slices.IndexFunc(feedContentTypes(), func(t string) bool { return strings.EqualFold(t, asked) })
	if at < 0 {
		return "", fail(http.StatusBadRequest, "AF20020", "The specified content type is not valid.")
	}
	kind, role := feedContentTypes()[at], feedRead
	if kind == dlpContent {
		role = feedDLP
	}
	if !slices.Contains(c.app.Roles, role) {
		return "", c.lacksFeed(role)
	}
	return kind, nil
}

func feedKey(of App, kind string) string { return strings.ToLower(of.ID) + " " + kind }

// feedTarget is under what a subscription's state before a write is kept.
func feedTarget(key string) string { return "/activity/feed/" + key }

func feedWire(kind string) object {
	return object{"contentType": kind, "status": "enabled", "webhook": nil}
}

// startFeed begins a subscription. One that is enabled already is AF20024, which
// the page lacks (microsoft/coe-starter-kit issue 2807).
func startFeed(c *call) (reply, error) {
	kind, err := c.feedType()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Webhook *struct {
			Address string `json:"address"`
		} `json:"webhook"`
	}
	if len(c.body) > 0 {
		if err := c.decode(&in); err != nil {
			return reply{}, err
		}
	}
	if in.Webhook != nil {
		return reply{}, fail(http.StatusBadRequest, "AF20021", "The webhook endpoint (%s) could not be validated. The endpoint did not return HTTP 200.", in.Webhook.Address)
	}
	key := feedKey(c.app, kind)
	before := c.w.feeds[key]
	if before.enabled {
		return reply{}, fail(http.StatusBadRequest, "AF20024", "The subscription is already enabled. No property change.")
	}
	after := subscribed{since: c.now.UTC(), enabled: true}
	c.keep(feedTarget(key), before)
	c.w.feeds[key] = after
	c.record(Change{Operation: "feed.start", Target: "/activity/feed/" + kind, Before: before.enabled, After: true, Status: http.StatusOK})
	return ok(feedWire(kind)), nil
}

func stopFeed(c *call) (reply, error) {
	kind, err := c.feedType()
	if err != nil {
		return reply{}, err
	}
	key := feedKey(c.app, kind)
	if !c.w.feeds[key].enabled {
		return reply{}, noFeed()
	}
	c.keep(feedTarget(key), c.w.feeds[key])
	delete(c.w.feeds, key)
	c.record(Change{Operation: "feed.stop", Target: "/activity/feed/" + kind, Before: true, After: false, Status: http.StatusOK})
	return reply{status: http.StatusOK}, nil
}

func noFeed() *failure {
	return fail(http.StatusBadRequest, "AF20022", "No subscription found for the specified content type.")
}

func listFeeds(c *call) (reply, error) {
	if f := c.inTenant(); f != nil {
		return reply{}, f
	}
	out := []object{}
	for _, kind := range feedContentTypes() {
		key := feedKey(c.app, kind)
		if s := seen(c, feedTarget(key), c.w.feeds[key]); s.enabled {
			out = append(out, feedWire(kind))
		}
	}
	return ok(out), nil
}

// listFeedContent lists what became available in a window of 24 hours at most.
func listFeedContent(c *call) (reply, error) {
	kind, err := c.feedType()
	if err != nil {
		return reply{}, err
	}
	s := c.w.feeds[feedKey(c.app, kind)]
	if !s.enabled {
		return reply{}, noFeed()
	}
	from, to, f := c.feedWindow()
	if f != nil {
		return reply{}, f
	}
	var list []feedContent
	for _, x := range c.feedContents(kind) {
		if !x.created.Before(later(from, s.since)) && x.created.Before(to) && !x.created.After(c.now) {
			list = append(list, x)
		}
	}
	first := 0
	if page := c.query.Get("nextPage"); page != "" {
		if first = slices.IndexFunc(list, func(x feedContent) bool { return x.id == page }); first < 0 {
			return reply{}, fail(http.StatusBadRequest, "AF20031", "Invalid nextPage Input: %s.", page)
		}
	}
	out := []object{}
	for _, x := range list[first:min(first+feedPage, len(list))] {
		out = append(out, object{
			"contentType": kind, "contentId": x.id, "contentUri": c.feedRoot() + "audit/" + x.id,
			"contentCreated": feedStamp(x.created), "contentExpiration": feedStamp(x.created.Add(feedKept)),
		})
	}
	answer := ok(out)
	if first+feedPage < len(list) {
		answer = answer.with("NextPageUri", c.feedRoot()+"subscriptions/content?contentType="+kind+
			"&startTime="+from.Format("2006-01-02T15:04:05")+"&endTime="+to.Format("2006-01-02T15:04:05")+"&nextPage="+url.QueryEscape(list[first+feedPage].id))
	}
	return answer, nil
}

func feedStamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (c *call) feedRoot() string {
	return c.origin() + "/api/v1.0/" + c.w.company.TenantID + "/activity/feed/"
}

// feedWindow reads startTime and endTime; without them it is the last 24 hours.
func (c *call) feedWindow() (from, to time.Time, f *failure) {
	start, end := c.query.Get("startTime"), c.query.Get("endTime")
	if start == "" && end == "" {
		return c.now.UTC().Add(-24 * time.Hour), c.now.UTC(), nil
	}
	wrong := fail(http.StatusBadRequest, "AF20055", "Start time and end time must both be specified (or both omitted) and must be less than or equal to 24 hours apart, with the start time prior to end time and start time no more than 7 days in the past.")
	if start == "" || end == "" {
		return from, to, wrong
	}
	for _, x := range []struct {
		name, text string
		at         *time.Time
	}{{"startTime", start, &from}, {"endTime", end, &to}} {
		var err error
		for _, form := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05Z"} {
			if *x.at, err = time.Parse(form, x.text); err == nil {
				break
			}
		}
		if err != nil {
			return from, to, fail(http.StatusBadRequest, "AF20002", "Invalid parameter type: %s. Expected type: datetime", x.name)
		}
	}
	if !from.Before(to) || to.Sub(from) > 24*time.Hour || from.Before(c.now.Add(-feedKept)) {
		return from, to, wrong
	}
	return from, to, nil
}

// getFeedContent answers the events of one content.
func getFeedContent(c *call) (reply, error) {
	if f := c.inTenant(); f != nil {
		return reply{}, f
	}
	id := c.args["content"]
	if !strings.Contains(id, "$") {
		return reply{}, fail(http.StatusBadRequest, "AF20052", "Content ID %s in the URL is invalid.", id)
	}
	if !slices.Contains(c.app.Roles, feedDLP) {
		return reply{}, c.lacksFeed(feedDLP)
	}
	s := c.w.feeds[feedKey(c.app, dlpContent)]
	if !s.enabled {
		return reply{}, noFeed()
	}
	for _, x := range c.feedContents(dlpContent) {
		switch {
		case x.id != id || x.created.After(c.now) || x.created.Before(s.since):
		case !c.now.Before(x.created.Add(feedKept)):
			return reply{}, fail(http.StatusBadRequest, "AF20051", "Content requested with the key %s has already expired. Content older than 7 days cannot be retrieved.", id)
		default:
			return ok(x.records), nil
		}
	}
	return reply{}, fail(http.StatusNotFound, "AF20050", "The specified content (%s) does not exist.", id)
}

// takeFeed refuses what is beyond the requests of a minute.
func (l *limiter) takeFeed(c *call) *failure {
	const baseline = 2000
	w := l.windows["feed"]
	if w == nil || c.now.Sub(w.start) >= time.Minute {
		w = &window{start: c.now}
		l.windows["feed"] = w
	}
	if w.used++; l.scale == 0 || w.used <= baseline*l.scale {
		return nil
	}
	return fail(http.StatusForbidden, "AF429", "Too many requests. Method=%s, PublisherId=%s", c.r.Method, fmt.Sprintf("%.36s", c.query.Get("PublisherIdentifier")))
}

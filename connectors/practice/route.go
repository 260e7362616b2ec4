package practice

import (
	"net/http"
	"slices"
	"strings"
)

// route is one call of an API: its place, the application roles of which one
// is needed, and the query options its page documents.
type route struct {
	api     api
	method  string
	pattern string
	roles   []string
	options []string
	cost    cost
	do      func(*call) (reply, error)
}

// cost says what a call counts against, see limiter.
type cost struct {
	units   int
	sharing bool
	label   bool
}

// route finds the route for the path; the error says why there is none, as
// Graph and Defender do.
func (c *call) route(path string) (*route, error) {
	var segments []string
	var table []route
	switch {
	case strings.HasPrefix(path, "/v1.0/"), strings.HasPrefix(path, "/beta/"):
		_, rest, _ := strings.Cut(path[1:], "/")
		segments, table = normalize(rest), c.t.graph
	case apiOf(path) == azure:
		segments, table = strings.Split(strings.Trim(path, "/"), "/"), c.t.azure
	case isSharePoint(path):
		segments, table = strings.Split(strings.Trim(path, "/"), "/"), c.t.sharePoint
	case c.api == activityFeed:
		segments, table = feedSegments(path), c.t.feed
	case strings.HasPrefix(path, "/api/"):
		segments, table = strings.Split(strings.Trim(path[len("/api/"):], "/"), "/"), c.t.machines
	case strings.HasPrefix(path, "/v1/"):
		segments, table = strings.Split(strings.Trim(path[len("/v1/"):], "/"), "/"), c.t.logs
	default:
		return nil, fail(http.StatusNotFound, "ResourceNotFound", "There is nothing at %q: Graph is under /v1.0 and /beta, Defender under /api, Azure Resource Manager under /subscriptions, Log Analytics under /v1.", path)
	}
	var found bool
	for i := range table {
		args, is := match(table[i].pattern, segments)
		if !is {
			continue
		}
		found = true
		if table[i].method == c.r.Method {
			c.args, c.pattern = args, table[i].pattern
			return &table[i], nil
		}
	}
	if c.api == azure {
		return nil, c.noAzureRoute(path, found)
	}
	if found {
		return nil, fail(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	}
	if c.api == logs {
		return nil, fail(http.StatusNotFound, "PathNotFoundError", "The requested path does not exist")
	}
	if strings.HasPrefix(path, "/api/") {
		return nil, fail(http.StatusNotFound, "NotFound", "No HTTP resource was found that matches the request URI %q.", path)
	}
	return nil, badRequest("Resource not found for the segment '%s'.", segments[len(segments)-1])
}

// match compares segments with a pattern like drives/{drive}/items/{item}.
func match(pattern string, segments []string) (map[string]string, bool) {
	var args map[string]string // made for a first part that stands for something
	take := func(name, value string) {
		if args == nil {
			args = map[string]string{}
		}
		args[name] = value
	}
	n := 0
	for part := range strings.SplitSeq(pattern, "/") {
		if n == len(segments) {
			return nil, false
		}
		s := segments[n]
		n++
		if strings.HasPrefix(part, "{") {
			if s == "" {
				return nil, false
			}
			take(strings.Trim(part, "{}"), s)
		} else if name, value, is := indexed(part, s); is {
			take(name, value)
		} else if !strings.EqualFold(part, s) {
			return nil, false
		}
	}
	return args, n == len(segments)
}

// indexed matches a segment with a pattern like search(q='{q}'), whose value is
// an OData string.
func indexed(part, s string) (name, value string, is bool) {
	before, rest, is := strings.Cut(part, "{")
	name, after, ends := strings.Cut(rest, "}")
	if !is || !ends || len(s) < len(before)+len(after) || !strings.EqualFold(s[:len(before)], before) || !strings.HasSuffix(s, after) {
		return "", "", false
	}
	return name, strings.ReplaceAll(s[len(before):len(s)-len(after)], "''", "'"), true
}

// normalize splits a Graph path and folds the ways to address an item into
// drives/{drive}/items/{item}: a path in a library becomes an item ":/path"
// below root or below "{id}", a user's or site's drive a drive "~user:{id}" or
// "~site:{id}", a site by its URL "{host}:/{path}".
// [graph-docs concepts/onedrive-addressing-driveitems.md]
func normalize(path string) []string {
	var out []string
	for path != "" {
		prefix, inner, colon := strings.Cut(path, ":/")
		prefix = strings.TrimSuffix(prefix, ":")
		out = append(out, strings.Split(strings.Trim(prefix, "/"), "/")...)
		if !colon {
			break
		}
		inner, path, _ = strings.Cut(inner, ":/")
		inner = strings.TrimSuffix(inner, ":")
		last := len(out) - 1
		if strings.EqualFold(out[last], "root") && (last == 0 || !strings.EqualFold(out[last-1], "items")) {
			out = append(out[:last], "items", ":/"+inner)
		} else {
			out[last] += ":/" + inner
		}
	}
	return fold(out)
}

func fold(s []string) []string {
	if len(s) >= 3 && strings.EqualFold(s[2], "drive") {
		switch strings.ToLower(s[0]) {
		case "users":
			s = append([]string{"drives", "~user:" + s[1]}, s[3:]...)
		case "sites":
			s = append([]string{"drives", "~site:" + s[1]}, s[3:]...)
		}
	}
	if len(s) >= 3 && strings.EqualFold(s[0], "drives") && strings.EqualFold(s[2], "root") {
		s = slices.Concat(s[:2], []string{"items", "root"}, s[3:])
	}
	return s
}

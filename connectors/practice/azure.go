package practice

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
)

// sentinelVersions are the stable versions of Microsoft.SecurityInsights from
// the one on in which incidents stand as they do here
// [azure-rest-api-specs specification/securityinsights].
func sentinelVersions() []string {
	return []string{"2023-02-01", "2023-11-01", "2024-03-01", "2024-09-01", "2025-09-01"}
}

// Azure's built-in roles on Sentinel
// (learn.microsoft.com/azure/sentinel/roles).
const (
	sentinelReader      = "Microsoft Sentinel Reader"
	sentinelResponder   = "Microsoft Sentinel Responder"
	sentinelContributor = "Microsoft Sentinel Contributor"
)

// isAzureRole tells Azure's roles from those of app registrations.
func isAzureRole(role string) bool { return strings.Contains(role, " ") }

// authorizeAzure refuses a call for which the app has no role on the workspace.
// Azure names the action that it lacks, not the roles that have it.
func (c *call) authorizeAzure(rt *route) *failure {
	if slices.ContainsFunc(rt.roles, func(r string) bool { return slices.Contains(c.app.Roles, r) }) {
		return nil
	}
	scope := strings.TrimSuffix(c.r.URL.Path, "/")
	return fail(http.StatusForbidden, "AuthorizationFailed",
		"The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		c.app.ID, guid(c.app.ID, "principal"), azureAction(rt), scope)
}

// azureAction is the operation of Azure's access control that a call is.
func azureAction(rt *route) string {
	_, path, _ := strings.Cut(rt.pattern, "/providers/Microsoft.SecurityInsights/")
	kind := []string{"Microsoft.SecurityInsights"}
	for part := range strings.SplitSeq(path, "/") {
		if !strings.HasPrefix(part, "{") {
			kind = append(kind, part)
		}
	}
	verb := map[string]string{http.MethodGet: "read", http.MethodPost: "read", http.MethodPut: "write", http.MethodDelete: "delete"}[rt.method]
	return strings.Join(append(kind, verb), "/")
}

func azureUnauthorized(message string) string {
	switch {
	case strings.Contains(message, "empty"):
		return "AuthenticationFailed"
	case strings.Contains(message, "expired"):
		return "ExpiredAuthenticationToken"
	case strings.Contains(message, "audience"):
		return "InvalidAuthenticationTokenAudience"
	}
	return "InvalidAuthenticationToken"
}

// noAzureRoute says why there is no call at path.
func (c *call) noAzureRoute(path string, found bool) *failure {
	if found {
		return fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The HTTP method '%s' is not supported at this location.", c.r.Method)
	}
	return fail(http.StatusNotFound, "InvalidResourceType", "The resource type could not be found at '%s'.", path)
}

// inWorkspace does a call once its version and its place are those of the
// company's workspace.
func inWorkspace(do func(*call) (reply, error)) func(*call) (reply, error) {
	return func(c *call) (reply, error) {
		version := c.query.Get("api-version")
		if version == "" {
			return reply{}, fail(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
		}
		if !slices.Contains(sentinelVersions(), version) {
			return reply{}, fail(http.StatusBadRequest, "InvalidApiVersionParameter", "The api-version '%s' is invalid. The supported versions are '%s'.", version, strings.Join(sentinelVersions(), ","))
		}
		at := c.w.company.Sentinel
		if at == nil {
			at = &Workspace{}
		}
		switch {
		case !strings.EqualFold(c.args["sub"], at.Subscription):
			return reply{}, fail(http.StatusNotFound, "SubscriptionNotFound", "The subscription '%s' could not be found.", c.args["sub"])
		case !strings.EqualFold(c.args["group"], at.ResourceGroup):
			return reply{}, fail(http.StatusNotFound, "ResourceGroupNotFound", "Resource group '%s' could not be found.", c.args["group"])
		case !strings.EqualFold(c.args["workspace"], at.Name):
			return reply{}, fail(http.StatusNotFound, "ResourceNotFound", "The Resource 'Microsoft.OperationalInsights/workspaces/%s' under resource group '%s' was not found.", c.args["workspace"], at.ResourceGroup)
		}
		return do(c)
	}
}

// takeAzure counts the call against the subscription's bucket for its kind of
// request, and refuses it when that is empty
// (learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling).
func (l *limiter) takeAzure(c *call, rt *route) *failure {
	kind, size, fill := "writes", 200.0, 10.0
	switch rt.method {
	case http.MethodGet:
		kind, size, fill = "reads", 250, 25
	case http.MethodDelete:
		kind = "deletes"
	}
	if l.scale > 0 {
		size, fill = size*l.scale, fill*l.scale
	}
	key := "azure/" + c.app.ID + "/" + strings.ToLower(c.args["sub"]) + "/" + kind
	b := l.windows[key]
	if b == nil {
		b = &window{start: c.now}
		l.windows[key] = b
	}
	b.used = max(0, b.used-fill*c.now.Sub(b.start).Seconds())
	b.start = c.now
	if l.scale > 0 && b.used+1 > size {
		wait := int(math.Ceil((b.used + 1 - size) / fill))
		f := fail(http.StatusTooManyRequests, "SubscriptionRequestsThrottled",
			"Number of requests for subscription '%s' exceeded the limit for '%s'. Please try again after '%d' seconds.", c.args["sub"], kind, wait)
		f.header = http.Header{"Retry-After": {itoa(max(wait, 1))}}
		c.left = kind + " 0"
		return f
	}
	b.used = min(b.used+1, size)
	c.left = fmt.Sprintf("%s %d", kind, int(size-b.used))
	return nil
}

// azureHeaders are those of every answer of Azure Resource Manager.
func (c *call) azureHeaders(h http.Header) {
	h.Set("x-ms-request-id", c.id)
	h.Set("x-ms-correlation-request-id", c.id)
	if strings.EqualFold(c.r.Header.Get("x-ms-return-client-request-id"), "true") {
		h.Set("x-ms-client-request-id", c.clientID)
	}
	if kind, left, is := strings.Cut(c.left, " "); is {
		h.Set("x-ms-ratelimit-remaining-subscription-"+kind, left)
	}
}

// azurePage answers one page of a list as Azure Resource Manager does.
func azurePage[T any](c *call, list []T, size, most int, wire func(T) object) (reply, error) {
	p := paging{size: size, max: most}
	q := maps.Clone(c.query)
	c.query.Set("$skiptoken", q.Get("$skipToken")) // as window reads it
	top, _, offset, f := c.window(p)
	if f != nil {
		return reply{}, f
	}
	from := min(offset, len(list))
	to := min(from+top, len(list))
	value := make([]object, 0, to-from)
	for _, v := range list[from:to] {
		value = append(value, wire(v))
	}
	body := object{"value": value}
	if to < len(list) {
		q.Set("$skipToken", skipToken(to))
		body["nextLink"] = c.origin() + c.r.URL.EscapedPath() + "?" + strings.ReplaceAll(q.Encode(), "%24", "$")
	}
	return ok(body), nil
}

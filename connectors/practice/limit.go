package practice

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// limiter counts calls in fixed windows against the published limits.
//
// [graph-docs concepts/throttling-limits.md; sp-dev-docs
// how-to-avoid-getting-throttled; defender-docs common rate limitations]
type limiter struct {
	scale   float64
	windows map[string]*window
	spent   map[string]int64 // see Tenant.Spent
	serving map[string]int   // calls under way, by app and mailbox
}

type window struct {
	start time.Time
	used  float64
}

// quota is one published limit: so much in so long.
type quota struct {
	key    string
	amount float64
	per    time.Duration
	units  float64
}

// take counts the call and answers a 429 when a limit is passed. A throttled
// call counts too, as in SharePoint.
func (l *limiter) take(c *call, rt *route) *failure {
	if rt.api == azure {
		return l.takeAzure(c, rt)
	}
	if rt.api == activityFeed {
		return l.takeFeed(c)
	}
	if l.scale == 0 {
		return nil
	}
	if c.crowded {
		f := fail(http.StatusTooManyRequests, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
		f.header = http.Header{"Retry-After": {"1"}}
		return f
	}
	if f := l.hunting(c, rt); f != nil {
		return f
	}
	var wait time.Duration
	for _, q := range quotas(c, rt) {
		w := l.windows[q.key]
		if w == nil || c.now.Sub(w.start) >= q.per {
			w = &window{start: c.now}
			l.windows[q.key] = w
		}
		w.used += q.units
		if w.used > q.amount*l.scale {
			wait = max(wait, q.per-c.now.Sub(w.start))
		}
	}
	if wait == 0 {
		return nil
	}
	if identityProtection(rt) { // no Retry-After here [graph-docs concepts/throttling-limits.md]
		return fail(http.StatusTooManyRequests, "TooManyRequests", "Too many requests.")
	}
	code, text := "TooManyRequests", "Too many requests. Retry after the time named by Retry-After."
	if rt.pattern == huntingPattern {
		text = "You have run too many queries: at most 45 in a minute for each tenant. " + text
	}
	if rt.api == files || rt.api == sharepoint {
		code, text = "activityLimitReached", "The app or user has been throttled. Retry after the time named by Retry-After."
	}
	f := fail(http.StatusTooManyRequests, code, "%s", text)
	f.header = http.Header{"Retry-After": {itoa(int(math.Ceil(wait.Seconds())))}}
	return f
}

const (
	huntingPattern = "security/runHuntingQuery"
	cpuKey         = "hunting/cpu"
)

// spend counts what a call turned out to cost.
func (l *limiter) spend(key string, per time.Duration, units float64, now time.Time) {
	if l.scale == 0 {
		return
	}
	w := l.windows[key]
	if w == nil || now.Sub(w.start) >= per {
		w = &window{start: now.Truncate(per)}
		l.windows[key] = w
	}
	w.used += units
}

// hunting refuses a query of a tenant that has used up its processor time, until
// the next cycle of 15 minutes. The answer names the time in its text alone.
//
// [defender-docs defender-xdr/api-advanced-hunting.md]
func (l *limiter) hunting(c *call, rt *route) *failure {
	w := l.windows[cpuKey]
	if rt.pattern != huntingPattern || w == nil || w.used < cpuQuota*l.scale {
		return nil
	}
	next := w.start.Add(15 * time.Minute)
	if !c.now.Before(next) {
		return nil
	}
	return fail(http.StatusTooManyRequests, "TooManyRequests",
		"You have exceeded the processing resources that your tenant has for hunting. You can run queries again at %s.", next.UTC().Format(time.RFC3339))
}

func quotas(c *call, rt *route) []quota {
	app := c.app.ID
	if rt.api == defender {
		key := "mde/" + app + "/" + rt.method + rt.pattern
		return []quota{{key + "/m", 100, time.Minute, 1}, {key + "/h", 1500, time.Hour, 1}}
	}
	if rt.api == logs {
		return []quota{{"logs/" + app, 200, 30 * time.Second, 1}}
	}
	out := []quota{{"graph/" + app, 2000, time.Second, 1}}
	switch rt.api {
	case security:
		out = append(out, quota{"security/" + app, 150, time.Minute, 1})
		if rt.pattern == huntingPattern {
			out = append(out, quota{"hunting", 45, time.Minute, 1})
		}
	case directory:
		if identityProtection(rt) {
			// One request per second, of all apps of the tenant together. Scaled,
			// the second is, so that one passes at all.
			per := time.Duration(float64(time.Second) / c.t.limits.scale)
			return append(out, quota{"identity-protection", 1 / c.t.limits.scale, per, 1})
		}
		out = append(out, quota{"identity/" + app, 3500, 10 * time.Second, 1})
		if rt.method != http.MethodGet {
			out = append(out, quota{"identity-write/" + app, 3000, 150 * time.Second, 1})
		}
	case mailbox:
		out = append(out, quota{"outlook/" + app + "/" + c.args["user"], 10_000, 10 * time.Minute, 1})
	case files, sharepoint:
		out = append(out, quota{"spo/" + app, 1250, time.Minute, float64(rt.cost.units)})
		if rt.cost.sharing {
			out = append(out, quota{"spo-sharing/" + app, 300, 5 * time.Minute, 1})
		}
		if rt.cost.label {
			out = append(out, quota{"spo-label", 100, 5 * time.Minute, 1})
		}
	}
	return out
}

func identityProtection(rt *route) bool { return strings.HasPrefix(rt.pattern, "identityProtection/") }

func itoa(n int) string { return strconv.Itoa(n) }

package practice

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// limiter counts calls in fixed windows against the published limits.
//
// [graph-docs concepts/throttling-limits.md; sp-dev-docs
// how-to-avoid-getting-throttled; defender-docs common rate limitations]
type limiter struct {
	scale   float64
	windows map[string]*window
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
	if l.scale == 0 {
		return nil
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
	code, text := "TooManyRequests", "Too many requests. Retry after the time named by Retry-After."
	if rt.api == files {
		code, text = "activityLimitReached", "The app or user has been throttled. Retry after the time named by Retry-After."
	}
	f := fail(http.StatusTooManyRequests, code, "%s", text)
	f.header = http.Header{"Retry-After": {itoa(int(math.Ceil(wait.Seconds())))}}
	return f
}

func quotas(c *call, rt *route) []quota {
	app := c.app.ID
	if rt.api == defender {
		key := "mde/" + app + "/" + rt.method + rt.pattern
		return []quota{{key + "/m", 100, time.Minute, 1}, {key + "/h", 1500, time.Hour, 1}}
	}
	out := []quota{{"graph/" + app, 2000, time.Second, 1}}
	switch rt.api {
	case security:
		out = append(out, quota{"security/" + app, 150, time.Minute, 1})
	case directory:
		out = append(out, quota{"identity/" + app, 3500, 10 * time.Second, 1})
		if rt.method != http.MethodGet {
			out = append(out, quota{"identity-write/" + app, 3000, 150 * time.Second, 1})
		}
	case mailbox:
		out = append(out, quota{"outlook/" + app + "/" + c.args["user"], 10_000, 10 * time.Minute, 1})
	case files:
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

func itoa(n int) string { return strconv.Itoa(n) }

package connectors

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// MaxWait caps what a service may ask us to wait.
const MaxWait = 10 * time.Minute

// retryAfter reads how long the service asks to wait: Retry-After in seconds
// (also with a fraction) or as a date, retry-after-ms, x-ms-retry-after-ms and
// RateLimit-Reset in seconds; the largest counts, at most MaxWait. A date is
// taken against the answer's own Date, so that clocks need not agree. What is
// negative or cannot be read does not count.
//
// Source: learn.microsoft.com/graph/throttling, and for RateLimit-Reset
// learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	var longest time.Duration
	found := false
	count := func(name string, unit time.Duration) {
		for _, v := range h.Values(name) {
			d, ok := duration(strings.TrimSpace(v), unit, now)
			if ok {
				longest, found = max(longest, d), true
			}
		}
	}
	count("Retry-After", time.Second)
	count("Retry-After-Ms", time.Millisecond)
	count("X-Ms-Retry-After-Ms", time.Millisecond)
	count("RateLimit-Reset", time.Second)
	return min(longest, MaxWait), found
}

// duration reads a number of units or a date.
func duration(text string, unit time.Duration, now time.Time) (time.Duration, bool) {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		if math.IsNaN(n) || n < 0 || math.IsInf(n, 0) {
			return 0, false
		}
		if n >= float64(MaxWait)/float64(unit) {
			return MaxWait, true
		}
		return time.Duration(math.Ceil(n * float64(unit))), true
	}
	at, err := http.ParseTime(text)
	if err != nil || at.Before(now) {
		return 0, false
	}
	return min(at.Sub(now), MaxWait), true
}

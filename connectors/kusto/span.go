package kusto

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var spanForm = regexp.MustCompile(`^(-?)(?:(\d{1,7})\.)?(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?$`)

// Span reads a timespan in Kusto's form, [-]d.hh:mm:ss.fffffff. Ok is false for
// what is none, or beyond 292 years.
func Span(text string) (d time.Duration, ok bool) {
	m := spanForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	fraction := m[6] + strings.Repeat("0", 9-len(m[6]))
	for _, part := range []struct {
		digits string
		unit   time.Duration
	}{{m[2], 24 * time.Hour}, {m[3], time.Hour}, {m[4], time.Minute}, {m[5], time.Second}, {fraction, 1}} {
		n, _ := strconv.ParseInt("0"+part.digits, 10, 64)
		next := d + time.Duration(n)*part.unit
		if next < d || n > int64(1<<63-1)/int64(part.unit) {
			return 0, false
		}
		d = next
	}
	if m[1] == "-" {
		d = -d
	}
	return d, true
}

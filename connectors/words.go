package connectors

import (
	"strings"
	"time"
)

// IsGUID reports whether s is a GUID as Microsoft's APIs write ids: 36
// characters, hexadecimal digits of either case and four dashes.
func IsGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, r := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (r == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// IsAddress reports whether s is one plain mail address in ASCII, without a name,
// comments or quotes.
func IsAddress(s string) bool {
	name, domain, is := strings.Cut(s, "@")
	return is && name != "" && strings.Contains(domain, ".") && len(s) <= 254 &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("<>()[]\\,;:\"/?%", r) }) && !strings.Contains(domain, "@")
}

// ChangedSince is an OData filter for what changed at a time or after, told by
// one of its fields, and fulfils another filter; "" for all where neither is
// given. Microsoft's APIs tell times to 100 ns.
func ChangedSince(field string, since time.Time, filter string) string {
	return changed(field, "ge", since, filter)
}

// ChangedBefore is, likewise, a filter for what changed before a time.
func ChangedBefore(field string, before time.Time, filter string) string {
	return changed(field, "lt", before, filter)
}

func changed(field, compared string, at time.Time, filter string) string {
	if at.IsZero() {
		return filter
	}
	changed := field + " " + compared + " " + at.UTC().Format("2006-01-02T15:04:05.9999999Z")
	if filter == "" {
		return changed
	}
	return changed + " and (" + filter + ")"
}

package practice

import "slices"

// Route is a served call, for tests.
type Route struct {
	Method, Pattern string
	Roles           []string
	Defender, Azure bool
}

func Routes() []Route {
	var out []Route
	for _, r := range slices.Concat(graphRoutes(), defenderRoutes(), sentinelRoutes()) {
		out = append(out, Route{r.method, r.pattern, r.roles, r.api == defender, r.api == azure})
	}
	return out
}

// Sending reports whether notifications are on their way just now.
func (t *Tenant) Sending() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sending
}

// Glob is the pattern language of faults.
func Glob(pattern, text string) bool { return glob(pattern, text) }

// Normalize folds the ways to address an item.
func Normalize(path string) []string { return normalize(path) }

// ParseFilter parses a filter over two properties.
func ParseFilter(text string) error {
	c := &call{query: map[string][]string{"$filter": {text}}}
	f, err := c.filter(fields{"status": incidentStatuses(), "createdDateTime": timeField(), "name": nil})
	if err == nil {
		f(func(string) any { return nil })
		f(func(string) any { return "2026-01-02T03:04:05Z" })
	}
	return err
}

package practice

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// checkOptions refuses the query options a call's page does not document.
func checkOptions(q url.Values, allowed []string) *failure {
	for key, values := range q {
		if !strings.HasPrefix(key, "$") {
			continue // Graph ignores custom options
		}
		if !slices.Contains(allowed, key) {
			return badRequest("The query option '%s' is not supported by this resource.", key)
		}
		if len(values) > 1 {
			return badRequest("Query option '%s' was specified more than once, but it must be specified at most once.", key)
		}
	}
	return nil
}

// paging is how a collection is cut into pages.
type paging struct {
	size int // entries of a page without $top
	max  int // highest $top
	// total makes $top a limit on the whole answer, as Defender has it, instead
	// of the size of a page.
	total bool
}

// page answers one page of list as the body of a collection.
func page[T any](c *call, list []T, p paging, wire func(T) object) (reply, error) {
	top, skip, offset, f := c.window(p)
	if f != nil {
		return reply{}, f
	}
	body := object{"@odata.context": c.context()}
	if c.query.Get("$count") == "true" {
		body["@odata.count"] = len(list)
	}
	from := min(skip+offset, len(list))
	to := min(from+top, len(list))
	value := make([]object, 0, to-from)
	for _, v := range list[from:to] {
		value = append(value, wire(v))
	}
	body["value"] = value
	if to < len(list) && (!p.total || c.query.Get("$top") == "") {
		next := c.origin() + c.r.URL.EscapedPath() + "?"
		q := url.Values{}
		for k, v := range c.query {
			if k != "$skip" && k != "$skiptoken" {
				q[k] = v
			}
		}
		q.Set("$skiptoken", skipToken(to))
		body["@odata.nextLink"] = next + strings.ReplaceAll(q.Encode(), "%24", "$")
	}
	return ok(body), nil
}

func skipToken(at int) string { return base64.RawURLEncoding.EncodeToString([]byte("at:" + itoa(at))) }

// window reads $top, $skip and $skiptoken.
func (c *call) window(p paging) (top, skip, offset int, f *failure) {
	top = p.size
	for key, at := range map[string]*int{"$top": &top, "$skip": &skip} {
		text := c.query.Get(key)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || (key == "$top" && n == 0) {
			return 0, 0, 0, badRequest("Invalid value '%s' for %s query option found. The %s query option requires a non-negative integer value.", text, key, key)
		}
		*at = n
	}
	if top > p.max {
		return 0, 0, 0, badRequest("The limit of '%d' for Top query has been exceeded. The value from the incoming request is '%d'.", p.max, top)
	}
	if token := c.query.Get("$skiptoken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		text, is := strings.CutPrefix(string(raw), "at:")
		n, bad := strconv.Atoi(text)
		if err != nil || !is || bad != nil || n < 0 {
			return 0, 0, 0, badRequest("The $skiptoken is not valid.")
		}
		offset = n
	}
	return top, skip, offset, nil
}

// context is the @odata.context of the answer.
func (c *call) context() string {
	path := c.r.URL.EscapedPath()
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if c.api == defender {
		name := "Machines"
		if strings.Contains(strings.ToLower(rest), "machineactions") {
			name = "MachineActions"
		}
		return c.origin() + "/api/$metadata#" + name
	}
	return c.origin() + "/" + version + "/$metadata#" + rest
}

// entity answers one object with its context and $select applied.
func (c *call) entity(o object) (reply, error) {
	o, f := c.selected(o)
	if f != nil {
		return reply{}, f
	}
	suffix := "/$entity"
	if c.api == defender || c.r.Method != "GET" {
		suffix = ""
	}
	o["@odata.context"] = c.context() + suffix
	return ok(o), nil
}

// selected keeps the properties that $select names; id and annotations stay.
func (c *call) selected(o object) (object, *failure) {
	text := c.query.Get("$select")
	if text == "" {
		return o, nil
	}
	out := object{}
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, badRequest("Parsing OData Select and Expand failed: Term '%s' is not valid in a $select or $expand expression.", text)
		}
		if v, is := o[name]; is {
			out[name] = v
		}
	}
	for k, v := range o {
		if k == "id" || strings.HasPrefix(k, "@") {
			out[k] = v
		}
	}
	return out, nil
}

// selector is selected for the entries of a list.
func (c *call) selector(wire func() object) object {
	o, f := c.selected(wire())
	if f != nil {
		return wire()
	}
	return o
}

// expands answers the properties of $expand, each of which must be allowed.
func (c *call) expands(allowed ...string) ([]string, error) {
	text := c.query.Get("$expand")
	if text == "" {
		return nil, nil
	}
	var out []string
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if !slices.Contains(allowed, name) {
			return nil, badRequest("Parsing OData Select and Expand failed: Property '%s' can't be expanded here.", name)
		}
		out = append(out, name)
	}
	return out, nil
}

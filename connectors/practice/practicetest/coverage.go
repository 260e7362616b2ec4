package practicetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"stanch/connectors/practice"
)

// Coverage notes which operations and fields of the descriptions of Graph, Sentinel
// and the activity feed are among the calls that it is shown. The zero value has seen none; it is
// safe for concurrent use.
type Coverage struct {
	mu         sync.Mutex
	operations map[string]bool            // method and path
	fields     map[string]map[string]bool // by direction and type: whether a field was seen
	kinds      map[string]map[string]bool // by direction and base type: whether a type that extends it was seen
}

// Directions of what is seen.
const (
	sent     = "sent"
	answered = "answered"
)

// Add takes in a call that succeeded; others it passes over. Its error is that of a
// description that cannot be read or a body that is no JSON.
func (c *Coverage) Add(x practice.Exchange) error {
	path, op, err := described(x)
	if op == nil || x.Status >= http.StatusBadRequest {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.operations == nil {
		c.operations, c.fields, c.kinds = map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}
	}
	name := x.Request.Method + " " + shortened(path)
	c.operations[name] = true
	if op.RequestBody != nil {
		if err := c.body(sent, name, op.RequestBody.Value.Content, x.RequestBody); err != nil {
			return err
		}
	}
	if answer := answerOf(op, x.Status); answer != nil {
		return c.body(answered, name, answer.Value.Content, x.Body)
	}
	return nil
}

// shortened leaves out of a path of Sentinel in which workspace it is, and of the
// activity feed in which tenant.
func shortened(path string) string {
	if feed, is := strings.CutPrefix(path, "/{tenantId}/activity/feed/"); is {
		return "Activity /" + feed
	}
	_, in, is := strings.Cut(path, "/providers/Microsoft.SecurityInsights/")
	if !is {
		return path
	}
	return "Sentinel /" + in
}

func (c *Coverage) body(direction, op string, content openapi3.Content, raw []byte) error {
	media := content["application/json"]
	if media == nil || len(raw) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	c.note(direction, op, media.Schema, present(v))
	return nil
}

// note takes in a value of a schema, whose own name counts before that of where it
// stands.
func (c *Coverage) note(direction, at string, ref *openapi3.SchemaRef, v any) {
	name := at
	if ref.Ref != "" {
		name = strings.TrimPrefix(ref.Ref, components)
	}
	s := ref.Value
	switch v := v.(type) {
	case []any:
		for _, in := range v {
			if s.Items != nil {
				c.note(direction, name, s.Items, in)
			}
		}
	case map[string]any:
		if s.Discriminator != nil {
			c.kind(direction, name, s, v)
			if as, of := derived(s, v); of != nil {
				name, s = as, of
			}
		}
		known, _ := properties(s)
		of := c.fields[direction+" "+name]
		if of == nil {
			of = map[string]bool{}
			c.fields[direction+" "+name] = of
		}
		for key, in := range known {
			if key == "@odata.type" { // which says of what type it is, no more
				continue
			}
			value, has := v[key]
			of[key] = of[key] || has
			if has {
				c.note(direction, name+"."+key, in, value)
			}
		}
	}
}

// kind notes which of the types that extend one a value is of.
func (c *Coverage) kind(direction, name string, s *openapi3.Schema, v map[string]any) {
	of := c.kinds[direction+" "+name]
	if of == nil {
		of = map[string]bool{}
		c.kinds[direction+" "+name] = of
	}
	for _, to := range s.Discriminator.Mapping {
		as := strings.TrimPrefix(to.Ref, components)
		if _, noted := of[as]; !noted {
			of[as] = false
		}
	}
	if as, is := derived(s, v); is != nil {
		of[as] = true
	}
}

// NeverSeen tells what of the descriptions was not among the calls: operations, and
// of the types that were the fields that were not. What is below a field or a type
// that was never seen is not told.
func (c *Coverage) NeverSeen() (string, error) {
	all, err := operations()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	missing := slices.DeleteFunc(slices.Clone(all), func(op string) bool { return c.operations[op] })
	fmt.Fprintf(&b, "operations: %d of %d\n", len(missing), len(all))
	for _, op := range missing {
		fmt.Fprintf(&b, "  %s\n", op)
	}
	for _, direction := range []string{sent, answered} {
		never(&b, "fields that were never "+direction, direction, c.fields)
		never(&b, "types that were never "+direction, direction, c.kinds)
	}
	return b.String(), nil
}

// never writes of each name in a direction what was not seen of it.
func never(b *strings.Builder, title, direction string, of map[string]map[string]bool) {
	var lines []string
	total, missing := 0, 0
	for _, name := range slices.Sorted(maps.Keys(of)) {
		short, is := strings.CutPrefix(name, direction+" ")
		if !is {
			continue
		}
		unseen := slices.DeleteFunc(slices.Sorted(maps.Keys(of[name])), func(part string) bool { return of[name][part] })
		total, missing = total+len(of[name]), missing+len(unseen)
		if len(unseen) > 0 {
			lines = append(lines, "  "+short+": "+strings.Join(unseen, " "))
		}
	}
	if total == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s: %d of %d\n%s\n", title, missing, total, strings.Join(lines, "\n"))
}

// operations are all that the descriptions have, as method and path.
func operations() ([]string, error) {
	var out []string
	for _, of := range []func() (*openapi3.T, error){spec, azureSpec, feedSpec} {
		doc, err := of()
		if err != nil {
			return nil, err
		}
		for path, item := range doc.Paths.Map() {
			for method := range item.Operations() {
				out = append(out, method+" "+shortened(path))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

package practice

import (
	"net/http"
	"slices"
	"strings"
)

// maxComment is the longest comment, in characters. Graph documents none; this
// is Sentinel's, where comments are synchronised to [azure-docs
// sentinel-service-limits.md].
const maxComment = 30_000

// enumOf answers the member of an enum as the CSDL writes it; the docs'
// samples also send PascalCase.
func enumOf(property string, members []string, v any) (string, error) {
	s, _ := v.(string)
	for _, m := range members {
		if strings.EqualFold(m, s) && m != "unknownFutureValue" {
			return m, nil
		}
	}
	return "", badRequest("Invalid value '%v' for property '%s'; expected one of %s.", v, property, strings.Join(members, ", "))
}

// edits reads the properties of a PATCH, each checked, none applied yet.
func (c *call) edits(enums map[string][]string, others ...string) (object, error) {
	var in object
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	out := object{}
	for key, v := range in {
		members, is := enums[key]
		switch {
		case strings.HasPrefix(key, "@"):
			continue
		case is:
			m, err := enumOf(key, members, v)
			if err != nil {
				return nil, err
			}
			out[key] = m
		case !slices.Contains(others, key):
			return nil, badRequest("The property '%s' can't be updated.", key)
		case key == "assignedTo":
			if _, is := v.(string); !is && v != nil {
				return nil, badRequest("Invalid value for property 'assignedTo'.")
			}
			if out[key] = v; v == "" {
				out[key] = nil
			}
		case key == "customTags":
			tags, err := tagList(v)
			if err != nil {
				return nil, err
			}
			out[key] = tags
		}
	}
	if len(out) == 0 {
		return nil, badRequest("The request has no property to update.")
	}
	return out, nil
}

// tagList is a whole new list of tags, each once.
func tagList(v any) ([]any, error) {
	list, is := v.([]any)
	if !is {
		return nil, badRequest("Invalid value for property 'customTags'; expected a list of texts.")
	}
	out := []any{}
	for _, t := range list {
		s, is := t.(string)
		if !is || strings.TrimSpace(s) == "" {
			return nil, badRequest("Invalid value for property 'customTags'; expected a list of texts.")
		}
		if !slices.Contains(out, any(s)) {
			out = append(out, s)
		}
	}
	return out, nil
}

// patchIncident changes what the docs list as updatable
// [graph-docs security-incident-update.md].
func patchIncident(c *call) (reply, error) {
	i, err := c.incident()
	if err != nil {
		return reply{}, err
	}
	in, err := c.edits(map[string][]string{
		"classification": classifications(), "determination": determinations(),
		"status": {"active", "inProgress", "resolved", "redirected"},
	}, "assignedTo", "customTags")
	if err != nil {
		return reply{}, err
	}
	if in["status"] == "redirected" && i.body["redirectIncidentId"] == nil {
		return reply{}, badRequest("An incident is redirected only to another incident.")
	}
	c.keep(i.target(), i.clone())
	before := c.edit(i.body, in)
	c.record(Change{Operation: "incident.update", Target: i.target(), Before: before, After: in, Status: http.StatusOK})
	return c.entity(c.incidentWire(i, false))
}

// edit applies in to body and answers what was before.
func (c *call) edit(body, in object) object {
	before := object{}
	for key, v := range in {
		before[key] = body[key]
		body[key] = v
	}
	body["lastUpdateDateTime"] = stamp(c.now)
	if _, is := body["lastModifiedBy"]; is {
		body["lastModifiedBy"] = "API-" + c.app.Name
	}
	return before
}

func patchAlert(c *call) (reply, error) {
	a, err := c.alert()
	if err != nil {
		return reply{}, err
	}
	in, err := c.edits(map[string][]string{
		"classification": classifications(), "determination": determinations(), "status": {"new", "inProgress", "resolved"},
	}, "assignedTo")
	if err != nil {
		return reply{}, err
	}
	c.keep(a.target(), a.clone())
	was := a.body["status"]
	before := c.edit(a.body, in)
	if s := in["status"]; s == "resolved" && was != "resolved" {
		a.body["resolvedDateTime"] = stamp(c.now)
	} else if s != nil && s != "resolved" {
		a.body["resolvedDateTime"] = nil
	}
	c.record(Change{Operation: "alert.update", Target: a.target(), Before: before, After: in, Status: http.StatusOK})
	return c.entity(c.alertWire(a))
}

// comment reads the alertComment of the body.
func (c *call) comment() (string, error) {
	var in struct {
		Comment string `json:"comment"`
	}
	if err := c.decode(&in); err != nil {
		return "", err
	}
	if n := len([]rune(in.Comment)); strings.TrimSpace(in.Comment) == "" || n > maxComment {
		return "", badRequest("The comment must have 1 to %d characters; it has %d.", maxComment, n)
	}
	return in.Comment, nil
}

// addComment appends to the comments and answers the whole list, as the API
// does.
func (c *call) addComment(body object, text string) []any {
	comments, _ := body["comments"].([]any)
	comments = append(slices.Clone(comments), object{
		"@odata.type": "#microsoft.graph.security.alertComment", "comment": text,
		"createdByDisplayName": "API-" + c.app.Name, "createdDateTime": stamp(c.now),
	})
	body["comments"], body["lastUpdateDateTime"] = comments, stamp(c.now)
	return comments
}

func commentIncident(c *call) (reply, error) {
	i, err := c.incident()
	if err != nil {
		return reply{}, err
	}
	text, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	c.keep(i.target(), i.clone())
	list := c.addComment(i.body, text)
	c.record(Change{Operation: "incident.comment", Target: i.target(), After: object{"comment": text}, Status: http.StatusOK})
	return ok(object{"@odata.context": c.context(), "value": deepCopy(list)}), nil
}

func commentAlert(c *call) (reply, error) {
	a, err := c.alert()
	if err != nil {
		return reply{}, err
	}
	text, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	c.keep(a.target(), a.clone())
	list := c.addComment(a.body, text)
	c.record(Change{Operation: "alert.comment", Target: a.target(), After: object{"comment": text}, Status: http.StatusOK})
	return ok(object{"@odata.context": c.context(), "value": deepCopy(list)}), nil
}

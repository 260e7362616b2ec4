package practice

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// maxSentinelComments is how many comments an incident takes
// (learn.microsoft.com/azure/sentinel/sentinel-service-limits).
const maxSentinelComments = 100

type sentinelComment struct {
	id, message, author string
	created, modified   string
}

// sentinelComments are the incident's comments on Sentinel's side, after new
// ones of the other side have come over. A comment that is changed or deleted
// here stays there as it was.
func (i *incident) sentinelComments() []sentinelComment {
	there := listOf(i.body["comments"])
	for n := i.sentinel.imported; n < len(there); n++ {
		c, _ := there[n].(object)
		at := textOf(c["createdDateTime"])
		i.sentinel.comments = append(i.sentinel.comments, sentinelComment{
			id: guid(i.name, "comment", itoa(n)), message: textOf(c["comment"]), author: textOf(c["createdByDisplayName"]), created: at, modified: at,
		})
	}
	i.sentinel.imported = len(there)
	return i.sentinel.comments
}

func (s sentinelComment) wire(at *Workspace, i *incident) object {
	return object{
		"id": at.id("Incidents/" + i.name + "/Comments/" + s.id), "name": s.id, "type": "Microsoft.SecurityInsights/Incidents/Comments",
		"etag": guid(s.id, s.message, s.modified),
		"properties": object{
			"message": s.message, "createdTimeUtc": s.created, "lastModifiedTimeUtc": s.modified, "author": object{"name": s.author},
		},
	}
}

// onComment is the incident of the path, as this call sees it, and the place of
// its comment, -1 if there is none.
func (c *call) onComment(i *incident) int {
	return slices.IndexFunc(i.sentinelComments(), func(s sentinelComment) bool { return strings.EqualFold(s.id, c.args["comment"]) })
}

func (c *call) noComment() *failure {
	return fail(http.StatusNotFound, "NotFound", "Incident comment '%s' was not found.", c.args["comment"])
}

func listSentinelComments(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	i = seen(c, i.target(), i)
	list := slices.Clone(i.sentinelComments())
	slices.Reverse(list) // the newest first
	if c.query.Get("$filter") != "" || c.query.Get("$orderby") != "" {
		return reply{}, sentinelBad("Comments can't be filtered or ordered here.")
	}
	return azurePage(c, list, 50, 1000, func(s sentinelComment) object { return s.wire(c.w.company.Sentinel, i) })
}

func getSentinelComment(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	i = seen(c, i.target(), i)
	n := c.onComment(i)
	if n < 0 {
		return reply{}, c.noComment()
	}
	return ok(i.sentinel.comments[n].wire(c.w.company.Sentinel, i)), nil
}

// putSentinelComment makes a comment under the name of the path, or changes its
// text.
func putSentinelComment(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		ETag       string `json:"etag"`
		Properties struct {
			Message string `json:"message"`
		} `json:"properties"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	text := in.Properties.Message
	if n := len([]rune(text)); strings.TrimSpace(text) == "" || n > maxComment {
		return reply{}, sentinelBad("The message must have 1 to %d characters; it has %d.", maxComment, n)
	}
	n := c.onComment(i)
	at := c.w.company.Sentinel
	if n < 0 && len(i.sentinel.comments) >= maxSentinelComments {
		return reply{}, sentinelBad("Incident '%s' has %d comments, the most it can have.", i.name, maxSentinelComments)
	}
	if n >= 0 && in.ETag != "" && in.ETag != i.sentinel.comments[n].wire(at, i)["etag"] {
		return reply{}, fail(http.StatusConflict, "Conflict", "Newer version of resource '%s' exists. Data was not saved", c.args["comment"])
	}
	c.keep(i.target(), i.clone())
	now := stamp(c.now)
	status, before := http.StatusOK, any(nil)
	if n >= 0 {
		s := &i.sentinel.comments[n]
		before = object{"comment": s.message}
		s.message, s.modified = text, now
		i.body["lastUpdateDateTime"] = now
	} else {
		status, n = http.StatusCreated, len(i.sentinel.comments)
		i.sentinel.comments = append(i.sentinel.comments, sentinelComment{
			id: strings.ToLower(c.args["comment"]), message: text, author: c.app.Name, created: now, modified: now,
		})
		c.addComment(i.body, text)
		i.sentinel.imported++
	}
	c.record(Change{Operation: "sentinel.comment.write", Target: i.target(), Before: before, After: object{"comment": text}, Status: status})
	out := ok(i.sentinel.comments[n].wire(at, i))
	out.status = status
	return out, nil
}

func deleteSentinelComment(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	n := c.onComment(i)
	if n < 0 {
		return noContent(), nil
	}
	c.keep(i.target(), i.clone())
	text := i.sentinel.comments[n].message
	i.sentinel.comments = slices.Delete(i.sentinel.comments, n, n+1)
	i.body["lastUpdateDateTime"] = stamp(c.now)
	c.record(Change{Operation: "sentinel.comment.delete", Target: i.target(), Before: object{"comment": text}, Status: http.StatusOK})
	return reply{status: http.StatusOK}, nil
}

func (c *call) relationWire(i *incident, name string) object {
	at, to := c.w.company.Sentinel, i.sentinel.relations[name]
	parts := strings.Split(to, "/")
	kind := "unknown"
	if len(parts) > 2 {
		kind = parts[len(parts)-2]
	}
	return object{
		"id": at.id("Incidents/" + i.name + "/relations/" + name), "name": name, "type": "Microsoft.SecurityInsights/Incidents/relations",
		"etag": `"` + guid(name, to) + `"`,
		"properties": object{
			"relatedResourceId": to, "relatedResourceName": parts[len(parts)-1], "relatedResourceType": "Microsoft.SecurityInsights/" + kind,
		},
	}
}

func listRelations(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	i = seen(c, i.target(), i)
	if c.query.Get("$filter") != "" || c.query.Get("$orderby") != "" {
		return reply{}, sentinelBad("Relations can't be filtered or ordered here.")
	}
	return azurePage(c, slices.Sorted(maps.Keys(i.sentinel.relations)), 50, 1000, func(name string) object { return c.relationWire(i, name) })
}

func getRelation(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	i = seen(c, i.target(), i)
	if _, is := i.sentinel.relations[c.args["relation"]]; !is {
		return reply{}, fail(http.StatusNotFound, "NotFound", "Relation '%s' was not found.", c.args["relation"])
	}
	return ok(c.relationWire(i, c.args["relation"])), nil
}

func putRelation(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Properties struct {
			To string `json:"relatedResourceId"`
		} `json:"properties"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	to, name := in.Properties.To, c.args["relation"]
	if !strings.HasPrefix(strings.ToLower(to), strings.ToLower(c.w.company.Sentinel.id(""))) {
		return reply{}, sentinelBad("The related resource '%s' is none of this workspace.", to)
	}
	before, is := i.sentinel.relations[name]
	c.keep(i.target(), i.clone())
	if i.sentinel.relations == nil {
		i.sentinel.relations = map[string]string{}
	}
	i.sentinel.relations[name], i.body["lastUpdateDateTime"] = to, stamp(c.now)
	out, was := ok(c.relationWire(i, name)), any(nil)
	if out.status = http.StatusCreated; is {
		out.status, was = http.StatusOK, object{"relatedResourceId": before}
	}
	c.record(Change{Operation: "sentinel.relation.write", Target: i.target(), Before: was, After: object{"relatedResourceId": to}, Status: out.status})
	return out, nil
}

func deleteRelation(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	to, is := i.sentinel.relations[c.args["relation"]]
	if !is {
		return noContent(), nil
	}
	c.keep(i.target(), i.clone())
	delete(i.sentinel.relations, c.args["relation"])
	i.body["lastUpdateDateTime"] = stamp(c.now)
	c.record(Change{Operation: "sentinel.relation.delete", Target: i.target(), Before: object{"relatedResourceId": to}, Status: http.StatusOK})
	return reply{status: http.StatusOK}, nil
}

package practice

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

func sentinelBad(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "BadRequest", format, args...)
}

// sentinelOrder are the properties that incidents can be ordered by.
func sentinelOrder() []string {
	return []string{"properties/createdTimeUtc", "properties/lastModifiedTimeUtc", "properties/incidentNumber", "properties/severity", "properties/status", "properties/title"}
}

// property reads properties/x/y of a resource.
func property(o object, path string) any {
	var v any = o
	for part := range strings.SplitSeq(path, "/") {
		in, is := v.(object)
		if !is {
			return nil
		}
		v = in[part]
	}
	return v
}

func listSentinelIncidents(c *call) (reply, error) {
	keep, err := c.filter(fields{
		"name": nil, "properties/title": nil, "properties/createdTimeUtc": timeField(), "properties/lastModifiedTimeUtc": timeField(),
		"properties/severity": {"High", "Medium", "Low", "Informational"}, "properties/status": {"New", "Active", "Closed"},
		"properties/classification": {"Undetermined", "TruePositive", "BenignPositive", "FalsePositive"},
		"properties/incidentNumber": bareField(), "properties/providerIncidentId": nil,
		"properties/owner/objectId": nil, "properties/owner/userPrincipalName": nil, "properties/owner/assignedTo": nil, "properties/owner/email": nil,
	})
	if err != nil {
		return reply{}, err
	}
	by, down, f := c.orderBy(sentinelOrder())
	if f != nil {
		return reply{}, f
	}
	var list []object
	for _, all := range []map[string]*incident{c.w.incidents, c.w.ownIncidents} {
		for i := range maps.Values(all) {
			o := c.sentinelWire(seen(c, i.target(), i))
			if keep(func(p string) any { return property(o, p) }) {
				list = append(list, o)
			}
		}
	}
	slices.SortFunc(list, func(a, b object) int {
		order := compareJSON(property(a, by), property(b, by))
		if down {
			order = -order
		}
		return cmp.Or(order, strings.Compare(textOf(a["name"]), textOf(b["name"])))
	})
	return azurePage(c, list, 50, 1000, func(o object) object { return o })
}

func compareJSON(a, b any) int {
	if x, is := a.(int); is {
		y, _ := b.(int)
		return cmp.Compare(x, y)
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// orderBy reads $orderby of one property; without it the newest stand first.
func (c *call) orderBy(allowed []string) (by string, down bool, f *failure) {
	text := strings.TrimSpace(c.query.Get("$orderby"))
	if text == "" {
		return allowed[0], true, nil
	}
	by, direction, _ := strings.Cut(text, " ")
	direction = strings.ToLower(strings.TrimSpace(direction))
	if !slices.Contains(allowed, by) || !slices.Contains([]string{"", "asc", "desc"}, direction) {
		return "", false, sentinelBad("The $orderby expression '%s' is not valid; expected one of %s with asc or desc.", text, strings.Join(allowed, ", "))
	}
	return by, direction == "desc", nil
}

func getSentinelIncident(c *call) (reply, error) {
	i, err := c.sentinelIncident()
	if err != nil {
		return reply{}, err
	}
	return ok(c.sentinelWire(seen(c, i.target(), i))), nil
}

// sentinelPut is what a PUT of an incident may write.
type sentinelPut struct {
	ETag       string `json:"etag"`
	Properties *struct {
		Title          string `json:"title"`
		Description    string `json:"description"`
		Severity       string `json:"severity"`
		Status         string `json:"status"`
		Classification string `json:"classification"`
		Reason         string `json:"classificationReason"`
		Comment        string `json:"classificationComment"`
		First          string `json:"firstActivityTimeUtc"`
		Last           string `json:"lastActivityTimeUtc"`
		Labels         []struct {
			Name string `json:"labelName"`
		} `json:"labels"`
		Owner *sentinelOwner `json:"owner"`
	} `json:"properties"`
}

type sentinelOwner struct {
	ObjectID string `json:"objectId"`
	Email    string `json:"email"`
	Name     string `json:"assignedTo"`
	UPN      string `json:"userPrincipalName"`
}

// putSentinelIncident replaces what can be written of an incident, or makes
// one: what the body leaves out is cleared.
func putSentinelIncident(c *call) (reply, error) {
	var in sentinelPut
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	i, _ := c.sentinelIncident()
	if i != nil {
		if f := c.fresh(i, in.ETag); f != nil {
			return reply{}, f
		}
	}
	if f := in.valid(); f != nil {
		return reply{}, f
	}
	status := http.StatusOK
	if i == nil {
		var f *failure
		if i, f = c.newOwnIncident(); f != nil {
			return reply{}, f
		}
		status = http.StatusCreated
	} else {
		c.keep(i.target(), i.clone())
	}
	changes, side, f := c.sentinelChanges(i, in)
	if f != nil {
		return reply{}, f
	}
	if status == http.StatusCreated {
		c.w.ownIncidents[i.name] = i
	}
	before := c.edit(i.body, changes)
	i.sentinel = side
	c.record(Change{Operation: "sentinel.incident.update", Target: i.target(), Before: before, After: changes, Status: status})
	out := ok(c.sentinelWire(i))
	out.status = status
	return out, nil
}

// fresh compares the etag that a PUT brings, in its body or in If-Match, with
// that of the incident. Sentinel refuses an update without etag, too
// (github.com/azsec/azure-sentinel-tools issue 4).
func (c *call) fresh(i *incident, etag string) *failure {
	if h := c.r.Header.Get("If-Match"); h != "" && h != "*" && h != i.etag() {
		return fail(http.StatusPreconditionFailed, "PreconditionFailed", "The condition '%s' of If-Match is not met: the resource has been changed.", h)
	} else if h != "" && etag == "" {
		return nil
	}
	if etag != i.etag() {
		return fail(http.StatusConflict, "Conflict", "Newer version of resource '%s' exists. Data was not saved", i.name)
	}
	return nil
}

// valid checks what the swagger and the rules of closing ask for. Which reason
// goes with which classification is as the portal offers them; the documents
// do not say it.
func (in sentinelPut) valid() *failure {
	p := in.Properties
	if p == nil {
		return sentinelBad("Missing required property 'properties'.")
	}
	reasons := map[string][]string{
		"": {""}, "Undetermined": {""}, "TruePositive": {"SuspiciousActivity"}, "BenignPositive": {"SuspiciousButExpected"},
		"FalsePositive": {"IncorrectAlertLogic", "InaccurateData"},
	}
	switch allowed, known := reasons[p.Classification]; {
	case p.Title == "":
		return sentinelBad("Missing required property 'title'.")
	case !slices.Contains([]string{"High", "Medium", "Low", "Informational"}, p.Severity):
		return sentinelBad("Invalid value '%s' for property 'severity'.", p.Severity)
	case !slices.Contains([]string{"New", "Active", "Closed"}, p.Status):
		return sentinelBad("Invalid value '%s' for property 'status'.", p.Status)
	case !known:
		return sentinelBad("Invalid value '%s' for property 'classification'.", p.Classification)
	case !slices.Contains(allowed, p.Reason):
		return sentinelBad("Classification '%s' can't have the classification reason '%s'.", p.Classification, p.Reason)
	case p.Status == "Closed" && p.Classification == "":
		return sentinelBad("A closed incident must have a classification.")
	case len([]rune(p.Description)) > 5000:
		return sentinelBad("The description is longer than 5000 characters.")
	}
	for _, t := range []string{p.First, p.Last} {
		if _, err := time.Parse(time.RFC3339, t); t != "" && err != nil {
			return sentinelBad("'%s' is no time.", t)
		}
	}
	for _, l := range p.Labels {
		if strings.TrimSpace(l.Name) == "" {
			return sentinelBad("Missing required property 'labelName'.")
		}
	}
	return nil
}

// newOwnIncident is an incident that Sentinel alone has, named by the path.
func (c *call) newOwnIncident() (*incident, *failure) {
	name := strings.ToLower(c.args["incident"])
	if len(name) != 36 || strings.Count(name, "-") != 4 {
		return nil, sentinelBad("The incident id '%s' is no GUID.", name)
	}
	c.w.nextNumber++
	body := object{"id": name, "createdDateTime": stamp(c.now), "lastUpdateDateTime": stamp(c.now)}
	c.w.defaults(body, name)
	body["incidentWebUrl"] = nil
	return &incident{body: body, name: name, number: c.w.nextNumber}, nil
}

// sentinelChanges says in Graph's words what a PUT changes, and what Sentinel's
// side is then. What a value stands for on the other side stays as it is there
// while Sentinel's own does not change.
func (c *call) sentinelChanges(i *incident, in sentinelPut) (object, sentinelSide, *failure) {
	p, b := in.Properties, i.body
	want := object{"displayName": p.Title, "description": nil}
	if p.Description != "" {
		want["description"] = p.Description
	}
	if p.Severity != sentinelSeverity(textOf(b["severity"])) {
		want["severity"] = strings.ToLower(p.Severity)
	}
	if p.Status != sentinelStatus(textOf(b["status"])) {
		want["status"] = map[string]string{"New": "active", "Active": "inProgress", "Closed": "resolved"}[p.Status]
	}
	class := cmp.Or(p.Classification, "Undetermined")
	if now, _ := sentinelClass(textOf(b["classification"])); class != now {
		want["classification"] = map[string]string{
			"Undetermined": "unknown", "TruePositive": "truePositive", "FalsePositive": "falsePositive", "BenignPositive": "informationalExpectedActivity",
		}[class]
		want["determination"] = "unknown"
	}
	system := append(listOf(b["systemTags"]), "redirected")
	tags := []any{}
	for _, l := range p.Labels {
		if !slices.Contains(system, any(l.Name)) && !slices.Contains(tags, any(l.Name)) {
			tags = append(tags, l.Name)
		}
	}
	want["customTags"] = tags
	owner, f := c.ownerOf(p.Owner, textOf(b["assignedTo"]))
	if f != nil {
		return nil, sentinelSide{}, f
	}
	want["assignedTo"] = owner
	changes := object{}
	for key, v := range want {
		if canonical(v) != canonical(b[key]) {
			changes[key] = v
		}
	}
	side := i.sentinel.clone()
	side.closing, side.reason = p.Comment, ""
	if p.Reason == "IncorrectAlertLogic" { // all others follow from the classification
		side.reason = p.Reason
	}
	first, last := c.activity(i)
	for n, t := range []string{p.First, p.Last} {
		if t != []string{first, last}[n] {
			side.activity[n] = t
		}
	}
	return changes, side, nil
}

// ownerOf finds who is meant; nil is nobody.
func (c *call) ownerOf(o *sentinelOwner, now string) (any, *failure) {
	if o == nil || *o == (sentinelOwner{}) {
		return nil, nil
	}
	if o.ObjectID == "" && o.UPN == "" && o.Email == "" && o.Name == now {
		return now, nil
	}
	u := c.w.userByName(cmp.Or(o.ObjectID, o.UPN, o.Email, o.Name))
	if u == nil {
		return nil, sentinelBad("The owner '%s' was not found in the directory.", cmp.Or(o.ObjectID, o.UPN, o.Email, o.Name))
	}
	if c.w.userByName(now) == u {
		return now, nil
	}
	return u.UPN, nil
}

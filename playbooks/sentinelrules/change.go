package sentinelrules

import (
	"encoding/json"
	"strings"
)

// updates are the changes of an incident for which Sentinel asks rules of
// updates; the model's names.
func updates() string {
	return `any(event.changes, # in ["status", "assigned_to", "severity", "alerts", "tags", "comments"])`
}

// changed carries over a condition about a property that has changed.
func (t *translation) changed(raw json.RawMessage) (expr, *Note) {
	var p struct {
		Name string `json:"propertyName"`
		How  string `json:"changeType"`
		comparison
	}
	if err := strictly(raw, &p); err != nil {
		return expr{}, unread("PropertyChanged", err)
	}
	part := strings.TrimSpace("condition " + p.Name + " changed " + strings.TrimPrefix(p.How, "Changed"))
	name := map[string]string{"IncidentSeverity": "severity", "IncidentStatus": "status", "IncidentOwner": "assigned_to"}[p.Name]
	if name == "" {
		return expr{}, off(part, "Sentinel has no such condition", "write the rule's `if` by hand")
	}
	has := expr{quote(name) + " in event.changes", "and"}
	switch {
	case p.How == "":
		return has, nil
	case p.How == "ChangedFrom":
		return expr{}, off(part, "an event tells which fields changed and what they are now, not what they were", `say what they are now: "`+name+`" in event.changes and incident.`+name+" == …")
	case p.How != "ChangedTo":
		return expr{}, off(part, "this kind of change is not known", "write the rule's `if` by hand")
	}
	words, is := wordsOf(p.Name)
	if !is {
		return expr{}, off(part, "in which of its names Sentinel compares an owner is not documented", `compare the user principal name: "assigned_to" in event.changes and incident.assigned_to == "…"`)
	}
	op, negative, why := p.check(part)
	if why != nil {
		return expr{}, why
	}
	to, why := p.choice(part, words, op, negative)
	if why != nil {
		return expr{}, why
	}
	return joined("and", []expr{has, to}), nil
}

// added carries over a condition about something that was added.
func (t *translation) added(raw json.RawMessage) (expr, *Note) {
	var p struct {
		List string `json:"arrayType"`
		How  string `json:"changeType"`
	}
	if err := strictly(raw, &p); err != nil {
		return expr{}, unread("PropertyArrayChanged", err)
	}
	part := "condition " + p.List + " " + p.How
	switch {
	case p.How != "Added":
		return expr{}, off(part, "this kind of change is not known", "write the rule's `if` by hand")
	case p.List == "Alerts":
		return expr{"len(event.new_alerts) > 0", "and"}, nil
	case p.List == "Labels":
		return expr{}, off(part, "an event tells that tags changed, not that one was added", `if one that was removed may count, too: "tags" in event.changes`)
	case p.List == "Comments":
		return expr{}, off(part, "an event tells that comments changed, not that one was added", `if one that was removed may count, too: "comments" in event.changes`)
	}
	return expr{}, off(part, "an event does not tell of them", "ask for new alerts: len(event.new_alerts) > 0")
}

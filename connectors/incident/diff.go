package incident

import (
	"reflect"
	"slices"
	"strings"
)

// Change says that one field differs between two states of an incident. A text
// has Before and After; a list has what was added, removed and altered: tags,
// names and comment texts as they are, alerts by id, evidence as list/id such
// as files/https://….
type Change struct {
	Field   string   `json:"field"`
	Before  string   `json:"before,omitempty"`
	After   string   `json:"after,omitempty"`
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Altered []string `json:"altered,omitempty"`
}

// Written holds what Stanch itself last wrote to an incident, by field of the
// model: for status, severity, classification, determination, assigned_to and
// title the value as text ("" for nobody), for tags all tags that stood after
// the write, for comments the texts that were added. Lists are []string; as
// JSON a Written reads back with the same meaning.
type Written map[string]any

// Diff lists the fields in which after differs from before, sorted by name.
// What own holds is no difference: neither a field that has the value written,
// nor an alert that took over the incident's status, classification,
// determination or owner, as Defender lets them. Dates of the last update,
// conflicts, addresses and ids are no differences either, so that the empty
// result means: nothing happened to the incident. What another source tells of
// alerts is the field details, by the ids of the alerts; that it is gone is no
// difference.
func Diff(before, after Incident, own Written) []Change {
	var changes []Change
	text := func(field, old, now string) {
		wrote, known := own[field].(string)
		if old != now && (!known || wrote != now) {
			changes = append(changes, Change{Field: field, Before: old, After: now})
		}
	}
	text("assigned_to", deref(before.AssignedTo), deref(after.AssignedTo))
	text("classification", string(before.Classification), string(after.Classification))
	text("description", deref(before.Description), deref(after.Description))
	text("determination", string(before.Determination), string(after.Determination))
	text("redirected_to", deref(before.RedirectedTo), deref(after.RedirectedTo))
	text("severity", string(before.Severity), string(after.Severity))
	text("status", string(before.Status), string(after.Status))
	text("title", before.Title, after.Title)

	list := func(c Change, changed bool) {
		if changed {
			changes = append(changes, c)
		}
	}
	list(sets("policies", before.Policies, after.Policies))
	list(sets("service_sources", words(before.ServiceSources), words(after.ServiceSources)))
	list(sets("system_tags", before.SystemTags, after.SystemTags))
	if tags, wrote := own.texts("tags"); !wrote || !sameSet(tags, after.Tags) {
		list(sets("tags", before.Tags, after.Tags))
	}
	list(diffComments(before.Comments, after.Comments, own))
	list(diffAlerts(before.Alerts, after.Alerts, own))
	list(diffDetails(before.Alerts, after.Alerts))
	list(diffEvidence(before.Evidence, after.Evidence))
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Field, b.Field) })
	return changes
}

// texts reads a list of texts, also as JSON decoding leaves it.
func (w Written) texts(field string) ([]string, bool) {
	switch v := w[field].(type) {
	case []string:
		return v, true
	case []any:
		texts := make([]string, 0, len(v))
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, false
			}
			texts = append(texts, s)
		}
		return texts, true
	}
	return nil, false
}

// Holds reports whether an incident has in a field what was written to it.
// Comments are added, not held.
func (w Written) Holds(in Incident, field string) bool {
	if tags, is := w.texts(field); is && field == "tags" {
		return sameSet(tags, in.Tags)
	}
	value := map[string]string{
		"status": string(in.Status), "severity": string(in.Severity), "classification": string(in.Classification),
		"determination": string(in.Determination), "assigned_to": deref(in.AssignedTo), "title": in.Title,
	}
	wrote, is := w[field].(string)
	now, known := value[field]
	return is && known && wrote == now
}

// sets compares two lists as sets. It reports whether they differ.
func sets(field string, old, now []string) (Change, bool) {
	c := Change{Field: field, Added: without(now, old), Removed: without(old, now)}
	return c, len(c.Added)+len(c.Removed) > 0
}

func sameSet(a, b []string) bool { return len(without(a, b))+len(without(b, a)) == 0 }

// without lists what a has and b lacks, sorted, each once.
func without(a, b []string) []string {
	have := make(map[string]bool, len(b))
	for _, s := range b {
		have[s] = true
	}
	var rest []string
	for _, s := range a {
		if !have[s] {
			rest = append(rest, s)
		}
	}
	return unique(rest)
}

// diffComments counts comments, so that a text said twice is two of them.
func diffComments(old, now []Comment, own Written) (Change, bool) {
	count := map[string]int{}
	for _, c := range now {
		count[c.Text]++
	}
	for _, c := range old {
		count[c.Text]--
	}
	wrote, _ := own.texts("comments")
	for _, text := range wrote {
		if count[text] > 0 {
			count[text]--
		}
	}
	c := Change{Field: "comments"}
	for text, n := range count {
		for range n {
			c.Added = append(c.Added, text)
		}
		for range -n {
			c.Removed = append(c.Removed, text)
		}
	}
	slices.Sort(c.Added)
	slices.Sort(c.Removed)
	return c, len(c.Added)+len(c.Removed) > 0
}

func diffAlerts(old, now []Alert, own Written) (Change, bool) {
	c := Change{Field: "alerts"}
	known := make(map[string]Alert, len(old))
	for _, a := range old {
		known[a.ID] = a
	}
	for _, a := range now {
		was, found := known[a.ID]
		delete(known, a.ID)
		switch {
		case !found:
			c.Added = append(c.Added, a.ID)
		case !sameAlert(was, a, own):
			c.Altered = append(c.Altered, a.ID)
		}
	}
	for id := range known {
		c.Removed = append(c.Removed, id)
	}
	slices.Sort(c.Removed)
	return c, len(c.Added)+len(c.Removed)+len(c.Altered) > 0
}

// sameAlert leaves out dates of changes, what followed the incident, and what
// another source tells.
func sameAlert(old, now Alert, own Written) bool {
	old, now = old.Bare(), now.Bare()
	old.UpdatedAt, old.ResolvedAt = now.UpdatedAt, now.ResolvedAt
	if own["status"] == string(now.Status) {
		old.Status = now.Status
	}
	if own["classification"] == string(now.Classification) {
		old.Classification = now.Classification
	}
	if own["determination"] == string(now.Determination) {
		old.Determination = now.Determination
	}
	if wrote, ok := own["assigned_to"].(string); ok && wrote == deref(now.AssignedTo) {
		old.AssignedTo = now.AssignedTo
	}
	return reflect.DeepEqual(old, now)
}

func diffEvidence(old, now Evidence) (Change, bool) {
	c := Change{Field: "evidence"}
	known := itemsOf(old)
	for id, item := range itemsOf(now) {
		was, found := known[id]
		delete(known, id)
		switch {
		case !found:
			c.Added = append(c.Added, id)
		case !reflect.DeepEqual(was, item):
			c.Altered = append(c.Altered, id)
		}
	}
	for id := range known {
		c.Removed = append(c.Removed, id)
	}
	slices.Sort(c.Added)
	slices.Sort(c.Altered)
	slices.Sort(c.Removed)
	return c, len(c.Added)+len(c.Removed)+len(c.Altered) > 0
}

// itemsOf lists all evidence by list and id.
func itemsOf(e Evidence) map[string]any {
	items := map[string]any{}
	lists := reflect.ValueOf(e)
	for f := range lists.NumField() {
		name := lists.Type().Field(f).Tag.Get("json")
		for i := range lists.Field(f).Len() {
			item := lists.Field(f).Index(i).Interface()
			items[name+"/"+itemID(item)] = item
		}
	}
	return items
}

// Of is the part of the evidence that an alert names.
func (e Evidence) Of(alert string) Evidence {
	lists := reflect.ValueOf(&e).Elem()
	for f := range lists.NumField() {
		all := lists.Field(f)
		some := reflect.MakeSlice(all.Type(), 0, all.Len())
		for i := range all.Len() {
			if alerts, is := all.Index(i).FieldByName("Alerts").Interface().([]string); is && slices.Contains(alerts, alert) {
				some = reflect.Append(some, all.Index(i))
			}
		}
		all.Set(some)
	}
	return e
}

// NewAlerts lists the ids of the alerts that the changes added.
func NewAlerts(changes []Change) []string {
	for _, c := range changes {
		if c.Field == "alerts" {
			return append([]string{}, c.Added...)
		}
	}
	return []string{}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func words[S ~string](list []S) []string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = string(s)
	}
	return texts
}

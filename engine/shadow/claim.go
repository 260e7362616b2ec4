package shadow

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
)

// claim is one thing that was done, or would have been.
type claim struct {
	of    string // what is counted together: an action, or a field of an incident
	what  string // of one incident, the same thing has the same text
	class actions.Class
	shown string // for people
	field bool   // it is a field of an incident, which people's work shows, too
	after json.RawMessage
	at    time.Time // when it was done; zero: not known
}

// claimsOf are what the effects of a run come to, each once, of those that count.
func claimsOf(r engine.Run, counts func(actions.Status) bool) []claim {
	var all []claim
	for _, s := range r.Steps {
		for _, e := range s.Effects {
			if e.Status == actions.Refused && r.Mode != engine.ModeLive { // the step fails there: those behind are not sent
				break
			}
			if !counts(e.Status) {
				continue
			}
			for _, c := range claims(e) {
				if s.FinishedAt != nil {
					c.at = *s.FinishedAt
				}
				all = merged(all, c)
			}
		}
	}
	return all
}

// merged adds a claim; the last of one thing counts.
func merged(all []claim, c claim) []claim {
	if i := find(all, c.what); i >= 0 {
		all[i] = c
		return all
	}
	return append(all, c)
}

func find(all []claim, what string) int {
	return slices.IndexFunc(all, func(c claim) bool { return c.what == what })
}

// planned reports whether an effect would have been done.
func planned(s actions.Status) bool { return s == actions.Planned }

// done reports whether the world is, or was until it was taken back, as the effect
// makes it. Of what is open or unknown nobody can tell.
func done(s actions.Status) bool {
	return s == actions.Done || s == actions.AlreadySo || s == actions.Undone
}

// claims are what one effect comes to. Of an incident each field is one, and of
// tags each tag.
func claims(e engine.StepEffect) []claim {
	if e.Target.Kind != "incident" {
		name := e.Target.Name
		if name == "" {
			name = e.Target.ID
		}
		return []claim{{of: e.Action, what: e.Action + "\x00" + e.Target.ID, class: e.Class, shown: e.Action + " on " + name, after: e.After}}
	}
	var before, after map[string]any
	if json.Unmarshal(e.Before, &before) != nil || json.Unmarshal(e.After, &after) != nil {
		return nil
	}
	var all []claim
	for _, field := range fields() {
		now, is := after[field]
		if !is {
			continue
		}
		if field == "tags" {
			all = append(all, tags(texts(before[field]), texts(now))...)
			continue
		}
		value, _ := now.(string)
		all = append(all, set(field, value))
	}
	return all
}

// fields are those of an incident that actions and people write.
func fields() []string {
	return []string{"status", "classification", "determination", "severity", "assigned_to", "tags"}
}

func set(field, value string) claim {
	return claim{of: field, what: field + "=" + incident.Fold(value), class: actions.Writes, field: true, shown: field + " " + value}
}

// tags are the tags that were added and taken away.
func tags(before, after []string) []claim {
	var all []claim
	change := func(sign string, have, had []string) {
		for _, t := range have {
			if !slices.Contains(had, t) {
				all = append(all, claim{of: "tags", what: "tags" + sign + t, class: actions.Writes, field: true, shown: "tag " + sign + t})
			}
		}
	}
	change("+", after, before)
	change("-", before, after)
	return all
}

func texts(v any) []string {
	list, _ := v.([]any)
	var all []string
	for _, item := range list {
		if s, is := item.(string); is {
			all = append(all, s)
		}
	}
	return all
}

// changed are what happened to an incident between two revisions, whoever did it.
func changed(before, after incident.Incident) []claim {
	var all []claim
	for _, c := range incident.Diff(before, after, nil) {
		switch {
		case c.Field == "tags":
			all = append(all, tags(c.Removed, c.Added)...)
		case slices.Contains(fields(), c.Field):
			all = append(all, set(c.Field, c.After))
		}
	}
	return all
}

// says reports whether an action says something in words, which are not compared.
func says(action string) bool {
	shelf, _, _ := strings.Cut(action, ".")
	return shelf == "notify" || shelf == "http" || action == "incidents.comment" || action == "mail.send"
}

// same reports whether two effects on one thing leave it alike. Times differ from
// run to run.
func same(a, b claim) bool {
	if a.field || says(a.of) {
		return true
	}
	var x, y any
	if len(a.after) > 0 && json.Unmarshal(a.after, &x) != nil || len(b.after) > 0 && json.Unmarshal(b.after, &y) != nil {
		return false
	}
	return reflect.DeepEqual(timeless(x), timeless(y))
}

// timeless is a value with every time made the same.
func timeless(v any) any {
	switch x := v.(type) {
	case string:
		if _, err := time.Parse(time.RFC3339, x); err == nil {
			return time.Time{}
		}
	case []any:
		for i := range x {
			x[i] = timeless(x[i])
		}
	case map[string]any:
		for key := range x {
			x[key] = timeless(x[key])
		}
	}
	return v
}

// Package dlp tells which events of the audit log are an alert's, and what they
// tell of it: policy and rule, sensitive information types, what was done, and
// what people said against the policy. It is pure: it reads nothing, and asks
// nobody. What a policy matched is not in the events that it is given.
package dlp

import (
	"cmp"
	"slices"
	"strings"

	"stanch/connectors/activity"
	"stanch/connectors/incident"
)

// Alert is what the events of an alert tell of it.
type Alert struct {
	ID             string                   `json:"id" doc:"id of the alert"`
	Title          string                   `json:"title" doc:"name of the alert"`
	FoundBy        string                   `json:"found_by" enum:"id,object,nothing" doc:"how its events were told: by its id, by what it is about and when, or not at all: they may come later"`
	Events         int                      `json:"events" doc:"how many events it has"`
	Policy         incident.Policy          `json:"policy" doc:"the policy and rule that matched, of several the most severe of the policy that the alert names"`
	Rules          []MatchedRule            `json:"rules" doc:"every rule that matched"`
	SensitiveTypes []incident.SensitiveType `json:"sensitive_types" doc:"sensitive information types that were found, over all files and messages of the alert"`
	Activities     []incident.Activity      `json:"activities" doc:"what happened, oldest first, at most the last 500"`
	Overrides      []incident.Override      `json:"overrides" doc:"what people said against the policy, oldest first"`
}

// MatchedRule is a rule that matched.
type MatchedRule struct {
	PolicyID *string  `json:"policy_id,omitempty" doc:"id of the policy"`
	Policy   *string  `json:"policy,omitempty" doc:"name of the policy"`
	ID       *string  `json:"id,omitempty" doc:"id of the rule"`
	Name     *string  `json:"name,omitempty" doc:"name of the rule"`
	Severity *string  `json:"severity,omitempty" doc:"Low, Medium or High"`
	Mode     *string  `json:"mode,omitempty" doc:"whether it is enforced, as the log calls it, such as Enable"`
	Actions  []string `json:"actions" doc:"what it did, such as BlockAccess"`
}

const mostOfDetails = 500 // activities and overrides of one alert

// Tell answers what events tell of the alert; those of others are left out. They
// are in order of time.
func (x Subject) Tell(all []activity.Record) Alert {
	out := Alert{
		ID: x.Alert.ID, Title: x.Alert.Title, FoundBy: "nothing", Policy: x.Alert.Policy,
		Rules: []MatchedRule{}, SensitiveTypes: []incident.SensitiveType{}, Activities: []incident.Activity{}, Overrides: []incident.Override{},
	}
	var mine []activity.Record
	for _, r := range all {
		byID := x.has(r)
		if !byID && !x.fits(r) {
			continue
		}
		if mine = append(mine, r); byID {
			out.FoundBy = "id"
		} else if out.FoundBy == "nothing" {
			out.FoundBy = "object"
		}
	}
	out.Events = len(mine)
	for _, r := range mine {
		out.add(r)
	}
	out.Activities = out.Activities[max(0, len(out.Activities)-mostOfDetails):]
	out.Overrides = out.Overrides[max(0, len(out.Overrides)-mostOfDetails):]
	out.SensitiveTypes = typesOf(mine)
	slices.SortStableFunc(out.Rules, func(a, b MatchedRule) int { return cmp.Compare(severity(b), severity(a)) })
	if len(out.Rules) > 0 {
		worst := x.worst(out.Rules)
		out.Policy = incident.Policy{ID: cmp.Or(worst.PolicyID, out.Policy.ID), Name: cmp.Or(worst.Policy, out.Policy.Name), Rule: cmp.Or(worst.Name, out.Policy.Rule)}
	}
	return out
}

// worst is the most severe rule of the policy that the alert names; where none is
// of that, of all. They are sorted by severity.
func (x Subject) worst(rules []MatchedRule) MatchedRule {
	if name := x.Alert.Policy.Name; name != nil {
		for _, r := range rules {
			if r.Policy != nil && incident.Fold(*r.Policy) == incident.Fold(*name) {
				return r
			}
		}
	}
	return rules[0]
}

// Found is what the events tell as the model has it. Complete says that all of
// the log was looked through. False: they tell nothing.
func (a Alert) Found(complete bool) (incident.Found, bool) {
	if a.Events == 0 {
		return incident.Found{}, false
	}
	return incident.Found{
		Details: incident.Details{From: incident.AuditLog, FoundBy: a.FoundBy, Events: int64(a.Events), Complete: complete},
		Policy:  a.Policy, SensitiveTypes: a.SensitiveTypes, UserActivity: told(a.Activities[len(a.Activities)-1].Operation),
		Activities: a.Activities, Overrides: a.Overrides,
	}, true
}

// Nameless reports whether a type is told by its id alone.
func (a Alert) Nameless() bool {
	return slices.ContainsFunc(a.SensitiveTypes, func(t incident.SensitiveType) bool { return t.Name == "" })
}

// Name gives names to types that are told by their ids alone; known are names by
// ids in lower case. What is not known is called by its id.
func (a Alert) Name(known map[string]string) {
	for i, t := range a.SensitiveTypes {
		if t.Name == "" && t.ID != nil {
			a.SensitiveTypes[i].Name = cmp.Or(known[strings.ToLower(*t.ID)], *t.ID)
		}
	}
}

// add takes over what one event tells.
func (a *Alert) add(r activity.Record) {
	act := incident.Activity{At: r.At, Operation: r.Operation, Workload: r.Workload, User: r.User, Object: r.Object, IP: r.IP}
	if r.File != nil {
		act.Object = cmp.Or(r.File.URL, r.Object)
	}
	if r.Mail != nil {
		act.Object = cmp.Or(r.Mail.MessageID, r.Object)
	}
	if r.Endpoint != nil {
		act.Device = r.Endpoint.Device
	}
	a.Activities = append(a.Activities, act)
	if e := r.Exception; e != nil {
		a.Overrides = append(a.Overrides, incident.Override{
			At: r.At, User: r.User, Reason: e.Reason, FalsePositive: e.FalsePositive, Justification: e.Justification, Rules: append([]string{}, e.Rules...),
		})
	}
	for _, p := range r.Policies {
		for _, rule := range p.Rules {
			a.rule(p, rule)
		}
	}
}

// rule adds a rule, once, with all that it did.
func (a *Alert) rule(p activity.Policy, r activity.Rule) {
	i := slices.IndexFunc(a.Rules, func(x MatchedRule) bool { return same(x.PolicyID, p.ID) && same(x.ID, r.ID) && same(x.Name, r.Name) })
	if i < 0 {
		i = len(a.Rules)
		a.Rules = append(a.Rules, MatchedRule{
			PolicyID: told(p.ID), Policy: told(p.Name), ID: told(r.ID), Name: told(r.Name), Severity: told(r.Severity), Mode: told(r.Mode), Actions: []string{},
		})
	}
	for _, did := range r.Actions {
		if !slices.Contains(a.Rules[i].Actions, did) {
			a.Rules[i].Actions = append(a.Rules[i].Actions, did)
		}
	}
}

// told is a text that may be absent.
func told(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func same(a *string, b string) bool { return a == nil && b == "" || a != nil && *a == b }

// severity orders rules.
func severity(r MatchedRule) int {
	if r.Severity == nil {
		return 0
	}
	return slices.Index([]string{"low", "medium", "high"}, strings.ToLower(*r.Severity)) + 1
}

// typesOf counts sensitive information: of each thing as its last match saw it,
// and of a type that several rules found, the most.
func typesOf(events []activity.Record) []incident.SensitiveType {
	last := map[string]map[string]incident.SensitiveType{} // by thing, then type
	var order []string
	for _, r := range events {
		if r.Operation != activity.RuleMatch {
			continue
		}
		key := thing(r)
		if last[key] == nil {
			order = append(order, key)
		}
		last[key] = typesIn(r)
	}
	sum := map[string]incident.SensitiveType{}
	for _, key := range order {
		for name, t := range last[key] {
			have, is := sum[name]
			if !is {
				sum[name] = t
				continue
			}
			have.Count, have.UniqueCount = plus(have.Count, t.Count), plus(have.UniqueCount, t.UniqueCount)
			have.Confidence, have.Name = most(have.Confidence, t.Confidence), cmp.Or(have.Name, t.Name)
			sum[name] = have
		}
	}
	out := []incident.SensitiveType{}
	for _, t := range sum {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b incident.SensitiveType) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(typeKey(a), typeKey(b)))
	})
	return out
}

func typeKey(t incident.SensitiveType) string {
	if t.ID != nil {
		return strings.ToLower(*t.ID)
	}
	return "name " + t.Name
}

// typesIn are the types of one event.
func typesIn(r activity.Record) map[string]incident.SensitiveType {
	var all []activity.SensitiveType
	if r.Endpoint != nil {
		all = append(all, r.Endpoint.Types...)
	}
	for _, p := range r.Policies {
		for _, rule := range p.Rules {
			all = append(all, rule.Types...)
		}
	}
	out := map[string]incident.SensitiveType{}
	for _, t := range all {
		x := incident.SensitiveType{ID: told(t.ID), Name: t.Name, Count: t.Count, UniqueCount: t.Unique, Confidence: t.Confidence}
		if x.ID == nil && x.Name == "" {
			continue
		}
		if have, is := out[typeKey(x)]; is {
			x.Count, x.UniqueCount, x.Confidence = most(have.Count, x.Count), most(have.UniqueCount, x.UniqueCount), most(have.Confidence, x.Confidence)
			x.Name = cmp.Or(have.Name, x.Name)
		}
		out[typeKey(x)] = x
	}
	return out
}

func plus(a, b *int64) *int64 {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return new(*a + *b)
}

func most(a, b *int64) *int64 {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	return new(max(*a, *b))
}

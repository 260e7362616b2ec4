package incidents

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"stanch/connectors/activity"
	"stanch/connectors/incident"
)

// dlpSubject is an alert by what its events can be told: its ids, or else the
// things that it is about, its time and its policy. The id that events of one
// incident share has been seen to be the alert's, but no page says so.
type dlpSubject struct {
	alert    incident.Alert
	ids      map[string]bool
	things   map[string]bool // keys of files and messages
	from, to time.Time
}

// around is how far from an alert's first and last activity an event of it may
// lie: alerts are told their time by another clock than the log.
const around = 10 * time.Minute

func subjectOf(in incident.Incident, a incident.Alert) dlpSubject {
	x := dlpSubject{alert: a, ids: names(a), things: map[string]bool{}, from: a.CreatedAt, to: a.CreatedAt}
	if a.FirstActivityAt != nil {
		x.from = *a.FirstActivityAt
	}
	if a.LastActivityAt != nil {
		x.to = *a.LastActivityAt
	}
	x.from, x.to = x.from.Add(-around), x.to.Add(around)
	devices := map[string]string{}
	for _, d := range in.Evidence.Devices {
		if d.Name != nil {
			devices[d.ID] = *d.Name
		}
	}
	mine := in.Evidence.Of(a.ID)
	for _, f := range mine.Files {
		switch {
		case f.URL != nil:
			x.things[addressKey(*f.URL)] = true
		case f.Path != nil && f.DeviceID != nil && devices[*f.DeviceID] != "":
			x.things[pathKey(devices[*f.DeviceID], *f.Path)] = true
		}
	}
	for _, m := range mine.Messages {
		if m.InternetMessageID != nil {
			x.things[mailKey(*m.InternetMessageID)] = true
		}
	}
	return x
}

// names are the ids of an alert at its product and in Defender, without what
// Defender puts before the product's.
func names(a incident.Alert) map[string]bool {
	out := map[string]bool{plainID(a.ID): true}
	if a.ProviderID != nil {
		out[plainID(*a.ProviderID)] = true
	}
	delete(out, "")
	return out
}

func plainID(id string) string {
	return strings.TrimPrefix(strings.ToLower(strings.TrimSpace(id)), "dl")
}

// Keys are equal for equal things, however alert and log write them.
func addressKey(address string) string {
	parts := strings.Split(address, "/")
	for i, part := range parts { // each by itself: a file may be called "100%"
		if plain, err := url.PathUnescape(part); err == nil {
			parts[i] = plain
		}
	}
	return "file " + incident.Fold(strings.Join(parts, "/"))
}

func pathKey(device, path string) string {
	host, _, _ := strings.Cut(device, ".")
	return "path " + incident.Fold(host) + " " + incident.Fold(path)
}

func mailKey(id string) string {
	return "mail " + strings.ToLower(strings.Trim(strings.TrimSpace(id), "<>"))
}

// thing is the key of what an event is about.
func thing(r activity.Record) string {
	switch {
	case r.Mail != nil && r.Mail.MessageID != "":
		return mailKey(r.Mail.MessageID)
	case r.File != nil && r.File.URL != "":
		return addressKey(r.File.URL)
	case r.Endpoint != nil:
		return pathKey(r.Endpoint.Device, r.Object)
	}
	return addressKey(r.Object)
}

// has reports whether an event is the alert's by its id.
func (x dlpSubject) has(r activity.Record) bool { return x.ids[plainID(r.Incident)] }

// fits reports whether an event is about a thing of the alert, in its time and,
// as far as the alert tells one, of its policy. What is taken back later than
// the alert's last activity belongs to it, too.
func (x dlpSubject) fits(r activity.Record) bool {
	switch {
	case !x.things[thing(r)], r.At.Before(x.from), r.At.After(x.to) && r.Operation == activity.RuleMatch:
		return false
	case x.alert.Policy.Name == nil:
		return true
	}
	return slices.ContainsFunc(r.Policies, func(p activity.Policy) bool { return incident.Fold(p.Name) == incident.Fold(*x.alert.Policy.Name) })
}

// told is what the events tell of the alert.
func (x dlpSubject) told(all []activity.Record) dlpAlert {
	out := dlpAlert{
		ID: x.alert.ID, Title: x.alert.Title, FoundBy: "nothing", Policy: x.alert.Policy,
		Rules: []dlpRule{}, SensitiveTypes: []dlpType{}, Activities: []dlpActivity{}, Overrides: []dlpOverride{},
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
	slices.SortStableFunc(out.Rules, func(a, b dlpRule) int { return cmp.Compare(severity(b), severity(a)) })
	if len(out.Rules) > 0 {
		worst := out.Rules[0]
		out.Policy = incident.Policy{ID: cmp.Or(worst.PolicyID, out.Policy.ID), Name: cmp.Or(worst.Policy, out.Policy.Name), Rule: cmp.Or(worst.Name, out.Policy.Rule)}
	}
	return out
}

// add takes over what one event tells.
func (a *dlpAlert) add(r activity.Record) {
	act := dlpActivity{At: r.At, Operation: r.Operation, Workload: r.Workload, User: r.User, Object: r.Object, IP: r.IP}
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
		a.Overrides = append(a.Overrides, dlpOverride{
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
func (a *dlpAlert) rule(p activity.Policy, r activity.Rule) {
	i := slices.IndexFunc(a.Rules, func(x dlpRule) bool { return same(x.PolicyID, p.ID) && same(x.ID, r.ID) && same(x.Name, r.Name) })
	if i < 0 {
		i = len(a.Rules)
		a.Rules = append(a.Rules, dlpRule{
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
func severity(r dlpRule) int {
	if r.Severity == nil {
		return 0
	}
	return slices.Index([]string{"low", "medium", "high"}, strings.ToLower(*r.Severity)) + 1
}

// typesOf counts sensitive information: of each thing as its last match saw it,
// and of a type that several rules found, the most.
func typesOf(events []activity.Record) []dlpType {
	last := map[string]map[string]dlpType{} // by thing, then type
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
	sum := map[string]dlpType{}
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
	out := []dlpType{}
	for _, t := range sum {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b dlpType) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(typeKey(a), typeKey(b)))
	})
	return out
}

func typeKey(t dlpType) string {
	if t.ID != nil {
		return strings.ToLower(*t.ID)
	}
	return "name " + t.Name
}

// typesIn are the types of one event.
func typesIn(r activity.Record) map[string]dlpType {
	var all []activity.SensitiveType
	if r.Endpoint != nil {
		all = append(all, r.Endpoint.Types...)
	}
	for _, p := range r.Policies {
		for _, rule := range p.Rules {
			all = append(all, rule.Types...)
		}
	}
	out := map[string]dlpType{}
	for _, t := range all {
		x := dlpType{ID: told(t.ID), Name: t.Name, Count: t.Count, UniqueCount: t.Unique, Confidence: t.Confidence}
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

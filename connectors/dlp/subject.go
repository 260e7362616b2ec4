package dlp

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"stanch/connectors/activity"
	"stanch/connectors/incident"
)

// Subject is an alert of an incident by what its events can be told: its ids, or else the
// things that it is about, its time and its policy. The id that events of one
// incident share has been seen to be the alert's, but no page says so.
type Subject struct {
	Alert    incident.Alert  // as its own source tells it
	From, To time.Time       // in which its events are
	ids      map[string]bool // its own, at its product and in Defender
	things   map[string]bool // keys of files and messages
}

// around is how far from an alert's first and last activity an event of it may
// lie: alerts are told their time by another clock than the log.
const around = 10 * time.Minute

// Subjects are the alerts of an incident that are of data loss prevention.
func Subjects(in incident.Incident) []Subject {
	all := []Subject{}
	for _, a := range in.Alerts {
		if a.ServiceSource == incident.DataLossPrevention || a.DetectionSource == "microsoftDataLossPrevention" {
			all = append(all, subjectOf(in, a))
		}
	}
	return all
}

// Named is the alert of an incident that has an id, whatever it is of: its own or
// that of its product, with or without what Defender puts before it.
func Named(in incident.Incident, id string) (Subject, bool) {
	for _, a := range in.Alerts {
		if names(a)[plainID(id)] {
			return subjectOf(in, a), true
		}
	}
	return Subject{}, false
}

func subjectOf(in incident.Incident, a incident.Alert) Subject {
	x := Subject{Alert: a.Bare(), ids: names(a), things: map[string]bool{}, From: a.CreatedAt, To: a.CreatedAt}
	if a.FirstActivityAt != nil {
		x.From = *a.FirstActivityAt
	}
	if a.LastActivityAt != nil {
		x.To = *a.LastActivityAt
	}
	x.From, x.To = x.From.Add(-around), x.To.Add(around)
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
func (x Subject) has(r activity.Record) bool { return x.ids[plainID(r.Incident)] }

// fits reports whether an event is about a thing of the alert, in its time and,
// as far as the alert tells one, of its policy. What is taken back later than
// the alert's last activity belongs to it, too.
func (x Subject) fits(r activity.Record) bool {
	switch {
	case !x.things[thing(r)], r.At.Before(x.From), r.At.After(x.To) && r.Operation == activity.RuleMatch:
		return false
	case x.Alert.Policy.Name == nil:
		return true
	}
	return slices.ContainsFunc(r.Policies, func(p activity.Policy) bool { return incident.Fold(p.Name) == incident.Fold(*x.Alert.Policy.Name) })
}

// Index finds the alerts that an event is one of, however many there are.
type Index struct {
	all []Subject
	by  map[string][]int // ids and things
}

// NewIndex makes an index of alerts, which are not changed after.
func NewIndex(all []Subject) Index {
	x := Index{all, map[string][]int{}}
	for i, s := range all {
		for id := range s.ids {
			x.by["id "+id] = append(x.by["id "+id], i)
		}
		for key := range s.things {
			x.by[key] = append(x.by[key], i)
		}
	}
	return x
}

// Of answers which of the alerts an event is one of, by their places.
func (x Index) Of(r activity.Record) []int {
	found := slices.Clone(x.by["id "+plainID(r.Incident)])
	for _, i := range x.by[thing(r)] {
		if x.all[i].fits(r) && !slices.Contains(found, i) {
			found = append(found, i)
		}
	}
	return found
}

// Slim is an event without what tells nothing of an alert, such as who got a
// message and what it was called.
func Slim(r activity.Record) activity.Record {
	if r.File != nil {
		r.File = &activity.File{URL: r.File.URL}
	}
	if r.Mail != nil {
		r.Mail = &activity.Mail{MessageID: r.Mail.MessageID}
	}
	if r.Endpoint != nil {
		r.Endpoint = &activity.Endpoint{Device: r.Endpoint.Device, Types: r.Endpoint.Types}
	}
	policies := make([]activity.Policy, len(r.Policies))
	for i, p := range r.Policies {
		rules := make([]activity.Rule, len(p.Rules))
		for n, rule := range p.Rules {
			rule.Overridden, rule.Conditions, rule.Properties = nil, nil, nil
			rules[n] = rule
		}
		policies[i] = activity.Policy{ID: p.ID, Name: p.Name, Rules: rules}
	}
	r.Policies = policies
	return r
}

package incidents

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/incident"
)

type ofDetails struct {
	Incident string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Alert    string `json:"alert,omitempty" doc:"only this alert of it, by its id; default all of data loss prevention"`
}

type dlpDetails struct {
	Alerts   []dlpAlert `json:"alerts" doc:"the alerts of data loss prevention, in the order of the incident, with what the audit log tells of them"`
	Complete bool       `json:"complete" doc:"false where an alert began before what the log still has (seven days), or some of that could not be read"`
}

// dlpAlert is what the events of an alert tell of it. What its policy matched is
// not among it, nor anywhere else on this side.
type dlpAlert struct {
	ID             string          `json:"id" doc:"id of the alert"`
	Title          string          `json:"title" doc:"name of the alert"`
	FoundBy        string          `json:"found_by" enum:"id,object,nothing" doc:"how its events were told: by its id, by what it is about and when, or not at all: they may come later"`
	Events         int             `json:"events" doc:"how many events it has"`
	Policy         incident.Policy `json:"policy" doc:"the policy and rule that matched, of several the most severe"`
	Rules          []dlpRule       `json:"rules" doc:"every rule that matched"`
	SensitiveTypes []dlpType       `json:"sensitive_types" doc:"sensitive information types that were found, over all files and messages of the alert"`
	Activities     []dlpActivity   `json:"activities" doc:"what happened, oldest first, at most the last 500"`
	Overrides      []dlpOverride   `json:"overrides" doc:"what people said against the policy, oldest first"`
}

type dlpRule struct {
	PolicyID *string  `json:"policy_id,omitempty" doc:"id of the policy"`
	Policy   *string  `json:"policy,omitempty" doc:"name of the policy"`
	ID       *string  `json:"id,omitempty" doc:"id of the rule"`
	Name     *string  `json:"name,omitempty" doc:"name of the rule"`
	Severity *string  `json:"severity,omitempty" doc:"Low, Medium or High"`
	Mode     *string  `json:"mode,omitempty" doc:"whether it is enforced, as the log calls it, such as Enable"`
	Actions  []string `json:"actions" doc:"what it did, such as BlockAccess"`
}

type dlpType struct {
	ID          *string `json:"id,omitempty" doc:"id of the sensitive information type"`
	Name        string  `json:"name" doc:"its name, such as Credit Card Number; its id where nobody knows it"`
	Count       *int64  `json:"count,omitempty" doc:"number of matches"`
	UniqueCount *int64  `json:"unique_count,omitempty" doc:"number of different matches"`
	Confidence  *int64  `json:"confidence,omitempty" doc:"highest confidence in percent"`
}

type dlpActivity struct {
	At        time.Time `json:"at" doc:"when it was"`
	Operation string    `json:"operation" doc:"DlpRuleMatch, DlpRuleUndo (what a rule did was taken back) or DlpInfo (called a false positive)"`
	Workload  string    `json:"workload" doc:"where, such as SharePoint, OneDrive, Exchange, MicrosoftTeams or Endpoint"`
	User      string    `json:"user" doc:"user principal name or address of who did it; empty where the log does not say"`
	Object    string    `json:"object" doc:"what it was done to: address of a file, id of a message, path on a device"`
	IP        string    `json:"ip" doc:"address it was done from; empty where the log does not say"`
	Device    string    `json:"device" doc:"device it was done on; empty for the cloud"`
}

type dlpOverride struct {
	At            time.Time `json:"at" doc:"when it was"`
	User          string    `json:"user" doc:"who said it; empty where the log does not say"`
	Reason        string    `json:"reason" doc:"Override, Document Change or Policy Change; empty where the log does not say"`
	FalsePositive bool      `json:"false_positive" doc:"whether it was called a false positive"`
	Justification string    `json:"justification" doc:"what the user gave as justification, in the user's words"`
	Rules         []string  `json:"rules" doc:"ids of the rules it was about"`
}

const (
	detailsTake   = 2 * time.Minute
	mostOfDetails = 500 // activities and overrides of one alert
)

// DlpDetails reads what the audit log tells of an incident's alerts.
func (s Shelf) DlpDetails() actions.Action {
	return actions.Spec[ofDetails, dlpDetails]{
		Doc:   "Read what the audit log tells of an incident's alerts of data loss prevention: policy and rule, sensitive information types with counts and confidence, what was done, and why a user overrode the policy. It has nothing of what a policy matched.",
		Class: actions.Reads, Throttle: "activity", Cost: actions.Cost{Look: 12}, Timeout: detailsTake, Permissions: append(reads(), readsFeed()...),
		Source:  "https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema",
		Example: "incident: \"${{ incident.id }}\"",
		Read:    s.dlpDetails,
	}.Action()
}

func readsFeed() []actions.Permission {
	return []actions.Permission{{API: "activity", Name: activity.Read}, {API: "activity", Name: activity.ReadDLP}}
}

// hasFeed refuses what needs the activity feed where the cloud has none.
func (s Shelf) hasFeed() error {
	if s.Activity == nil {
		return problem("use hunting.alert_activity where it is available", "the cloud of this tenant has no Office 365 Management Activity API")
	}
	return nil
}

func (s Shelf) dlpDetails(ctx context.Context, call actions.Call, p ofDetails) (dlpDetails, error) {
	if err := s.hasFeed(); err != nil {
		return dlpDetails{}, err
	}
	in, err := s.Whole(ctx, p.Incident)
	if err != nil {
		return dlpDetails{}, err
	}
	subjects, err := p.of(in)
	if err != nil || len(subjects) == 0 {
		return dlpDetails{Alerts: []dlpAlert{}, Complete: true}, err
	}
	from := call.Now
	for _, x := range subjects {
		if x.from.Before(from) {
			from = x.from
		}
	}
	out := dlpDetails{Complete: true}
	if earliest := activity.Available(call.Now); from.Before(earliest) {
		from, out.Complete = earliest, false
	}
	events, err := s.Activity.DLP(ctx, from, call.Now)
	if err != nil {
		return dlpDetails{}, s.unsubscribed(err)
	}
	out.Complete = out.Complete && events.Unreadable == 0
	for _, x := range subjects {
		out.Alerts = append(out.Alerts, x.told(events.Records))
	}
	return out, s.named(ctx, &out)
}

// of are the alerts that are asked for.
func (p ofDetails) of(in incident.Incident) ([]dlpSubject, error) {
	var out []dlpSubject
	for _, a := range in.Alerts {
		dlp := a.ServiceSource == incident.DataLossPrevention || a.DetectionSource == "microsoftDataLossPrevention"
		if p.Alert == "" && dlp || p.Alert != "" && names(a)[plainID(p.Alert)] {
			out = append(out, subjectOf(in, a))
		}
	}
	if p.Alert != "" && len(out) == 0 {
		return nil, problem("take it from incident.alerts", "incident %s has no alert %q", in.ID, p.Alert)
	}
	return out, nil
}

// named gives names to types that the log tells by their ids alone.
func (s Shelf) named(ctx context.Context, d *dlpDetails) error {
	nameless := func(t dlpType) bool { return t.Name == "" }
	if !slices.ContainsFunc(d.Alerts, func(a dlpAlert) bool { return slices.ContainsFunc(a.SensitiveTypes, nameless) }) {
		return nil
	}
	known, err := s.Activity.SensitiveTypes(ctx)
	if err != nil {
		return err
	}
	for _, a := range d.Alerts {
		for i, t := range a.SensitiveTypes {
			if nameless(t) && t.ID != nil {
				a.SensitiveTypes[i].Name = *t.ID
				if name := known[strings.ToLower(*t.ID)]; name != "" {
					a.SensitiveTypes[i].Name = name
				}
			}
		}
	}
	return nil
}

// unsubscribed says how to begin where nobody has.
func (s Shelf) unsubscribed(err error) error {
	if e, is := errors.AsType[*connectors.Error](err); is && activity.NoSubscription(err) {
		e.Hint = "run hunting.start_dlp_feed once; the first events come after up to twelve hours"
	}
	return err
}

package incidents

import (
	"context"
	"errors"
	"slices"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/dlp"
	"stanch/connectors/incident"
)

type ofDetails struct {
	Incident string `json:"incident" doc:"id of the incident, such as defender/123 or sentinel/workspace/guid"`
	Alert    string `json:"alert,omitempty" doc:"only this alert of it, by its id; default all of data loss prevention"`
}

type dlpDetails struct {
	Alerts   []dlp.Alert `json:"alerts" doc:"the alerts of data loss prevention, in the order of the incident, with what the audit log tells of them"`
	Complete bool        `json:"complete" doc:"false where an alert began before what the log still has (seven days), or some of that could not be read"`
}

const detailsTake = 2 * time.Minute

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
		return dlpDetails{Alerts: []dlp.Alert{}, Complete: true}, err
	}
	from := call.Now
	for _, x := range subjects {
		if x.From.Before(from) {
			from = x.From
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
		out.Alerts = append(out.Alerts, x.Tell(events.Records))
	}
	return out, s.named(ctx, &out)
}

// of are the alerts that are asked for.
func (p ofDetails) of(in incident.Incident) ([]dlp.Subject, error) {
	if p.Alert == "" {
		return dlp.Subjects(in), nil
	}
	x, is := dlp.Named(in, p.Alert)
	if !is {
		return nil, problem("take it from incident.alerts", "incident %s has no alert %q", in.ID, p.Alert)
	}
	return []dlp.Subject{x}, nil
}

// named gives names to types that the log tells by their ids alone.
func (s Shelf) named(ctx context.Context, d *dlpDetails) error {
	if !slices.ContainsFunc(d.Alerts, dlp.Alert.Nameless) {
		return nil
	}
	known, err := s.Activity.SensitiveTypes(ctx)
	if err != nil {
		return err
	}
	for _, a := range d.Alerts {
		a.Name(known)
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

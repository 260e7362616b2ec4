package incident

import (
	"encoding/json"
	"reflect"
	"slices"
	"time"
)

// How much of what another source tells of an alert the model holds.
const (
	mostActivities = 50
	mostOverrides  = 20
	longestSaid    = 1000 // characters of a justification
)

// Activity is something that was done, as the audit log has it.
type Activity struct {
	At        time.Time `json:"at" doc:"when it was"`
	Operation string    `json:"operation" doc:"DlpRuleMatch, DlpRuleUndo (what a rule did was taken back) or DlpInfo (called a false positive)"`
	Workload  string    `json:"workload" doc:"where, such as SharePoint, OneDrive, Exchange, MicrosoftTeams or Endpoint"`
	User      string    `json:"user" doc:"user principal name or address of who did it; empty where the log does not say"`
	Object    string    `json:"object" doc:"what it was done to: address of a file, id of a message, path on a device"`
	IP        string    `json:"ip" doc:"address it was done from; empty where the log does not say"`
	Device    string    `json:"device" doc:"device it was done on; empty for the cloud"`
}

// Override is what a person said against a policy.
type Override struct {
	At            time.Time `json:"at" doc:"when it was"`
	User          string    `json:"user" doc:"who said it; empty where the log does not say"`
	Reason        string    `json:"reason" doc:"Override, Document Change or Policy Change; empty where the log does not say"`
	FalsePositive bool      `json:"false_positive" doc:"whether it was called a false positive"`
	Justification string    `json:"justification" doc:"what the user gave as justification, in the user's words"`
	Rules         []string  `json:"rules" doc:"ids of the rules it was about"`
}

// DetailSource is where details of an alert come from.
type DetailSource string

// AuditLog is the Office 365 Management Activity API, DLP.All.
const AuditLog DetailSource = "audit_log"

// Values lists the known sources of details.
func (DetailSource) Values() []string { return []string{string(AuditLog)} }

// Details says where the fields of an alert come from that its source does not
// tell.
type Details struct {
	From     DetailSource `json:"from" doc:"where they come from"`
	FoundBy  string       `json:"found_by" doc:"id: the events name the alert; object: they were told by what the alert is about and when"`
	Events   int64        `json:"events" doc:"how many events of the audit log they are from"`
	Complete bool         `json:"complete" doc:"false where some of the log could not be had: it keeps seven days"`
	Fields   []string     `json:"fields" doc:"fields of the alert that come from there, such as policy.rule"`
}

// Found is what another source tells of an alert.
type Found struct {
	Details        Details // without Fields
	Policy         Policy
	SensitiveTypes []SensitiveType
	UserActivity   *string
	Activities     []Activity // oldest first
	Overrides      []Override // oldest first
}

// The fields of an alert that another source may fill.
const (
	fieldPolicyID     = "policy.id"
	fieldPolicyName   = "policy.name"
	fieldPolicyRule   = "policy.rule"
	fieldTypes        = "sensitive_types"
	fieldUserActivity = "user_activity"
	fieldActivities   = "activities"
	fieldOverrides    = "overrides"
)

// Bare is the alert as its own source tells it.
func (a Alert) Bare() Alert {
	if a.Details == nil {
		return a
	}
	for _, field := range a.Details.Fields {
		switch field {
		case fieldPolicyID:
			a.Policy.ID = nil
		case fieldPolicyName:
			a.Policy.Name = nil
		case fieldPolicyRule:
			a.Policy.Rule = nil
		case fieldTypes:
			a.SensitiveTypes = []SensitiveType{}
		case fieldUserActivity:
			a.UserActivity = nil
		case fieldActivities:
			a.Activities = []Activity{}
		case fieldOverrides:
			a.Overrides = []Override{}
		}
	}
	a.Details = nil
	return a
}

// With is the alert with what another source tells in the fields that its own
// leaves open. What was filled before is filled anew. Id and rule of a policy are
// taken only where that is the policy that the alert names.
func (a Alert) With(f Found) Alert {
	a = a.Bare()
	d := f.Details
	d.Fields = []string{}
	fill := func(field string, at **string, from *string) {
		if *at == nil && from != nil && *from != "" {
			*at = from
			d.Fields = append(d.Fields, field)
		}
	}
	if p := f.Policy; a.Policy.Name == nil || p.Name == nil || Fold(*a.Policy.Name) == Fold(*p.Name) {
		fill(fieldPolicyID, &a.Policy.ID, p.ID)
		fill(fieldPolicyName, &a.Policy.Name, p.Name)
		fill(fieldPolicyRule, &a.Policy.Rule, p.Rule)
	}
	if len(a.SensitiveTypes) == 0 && len(f.SensitiveTypes) > 0 {
		a.SensitiveTypes = slices.Clone(f.SensitiveTypes)
		d.Fields = append(d.Fields, fieldTypes)
	}
	fill(fieldUserActivity, &a.UserActivity, f.UserActivity)
	if len(a.Activities) == 0 && len(f.Activities) > 0 {
		a.Activities = slices.Clone(f.Activities[max(0, len(f.Activities)-mostActivities):])
		d.Fields = append(d.Fields, fieldActivities)
	}
	if len(a.Overrides) == 0 && len(f.Overrides) > 0 {
		a.Overrides = overrides(f.Overrides)
		d.Fields = append(d.Fields, fieldOverrides)
	}
	a.Details = &d
	return a
}

func overrides(all []Override) []Override {
	last := slices.Clone(all[max(0, len(all)-mostOverrides):])
	for i, o := range last {
		if said := []rune(o.Justification); len(said) > longestSaid {
			last[i].Justification = string(said[:longestSaid]) + "…"
		}
		last[i].Rules = append([]string{}, o.Rules...)
	}
	return last
}

// found is what was filled into an alert.
func (a Alert) found() Found {
	f := Found{Details: *a.Details}
	for _, field := range a.Details.Fields {
		switch field {
		case fieldPolicyID:
			f.Policy.ID = a.Policy.ID
		case fieldPolicyName:
			f.Policy.Name = a.Policy.Name
		case fieldPolicyRule:
			f.Policy.Rule = a.Policy.Rule
		case fieldTypes:
			f.SensitiveTypes = a.SensitiveTypes
		case fieldUserActivity:
			f.UserActivity = a.UserActivity
		case fieldActivities:
			f.Activities = a.Activities
		case fieldOverrides:
			f.Overrides = a.Overrides
		}
	}
	return f
}

// Bare is the incident as its own source tells it.
func (i Incident) Bare() Incident {
	return i.each(Alert.Bare)
}

// Keeping is the incident with the details that its alerts had in an earlier
// state: its source does not tell them. Those of a policy are kept as long as its
// source names the same.
func (i Incident) Keeping(before Incident) Incident {
	had := map[string]Alert{}
	for _, a := range before.Alerts {
		if a.Details != nil {
			had[a.ID] = a
		}
	}
	if len(had) == 0 {
		return i
	}
	return i.each(func(a Alert) Alert {
		was, is := had[a.ID]
		if !is {
			return a
		}
		f := was.found()
		if deref(was.Bare().Policy.Name) != deref(a.Policy.Name) {
			f.Policy = Policy{}
		}
		return a.With(f)
	})
}

// With is the incident with what another source tells of its alerts, by their
// ids.
func (i Incident) With(found map[string]Found) Incident {
	return i.each(func(a Alert) Alert {
		if f, is := found[a.ID]; is {
			return a.With(f)
		}
		return a
	})
}

// each gives every alert its new form.
func (i Incident) each(form func(Alert) Alert) Incident {
	alerts := make([]Alert, len(i.Alerts))
	for n, a := range i.Alerts {
		alerts[n] = form(a)
	}
	i.Alerts, i.Policies = alerts, policiesOf(alerts)
	return i
}

// policiesOf are the names of the policies of alerts.
func policiesOf(alerts []Alert) []string {
	names := []string{}
	for _, a := range alerts {
		if a.Policy.Name != nil {
			names = append(names, *a.Policy.Name)
		}
	}
	return unique(names)
}

// diffDetails tells of which alerts another source tells something else.
func diffDetails(old, now []Alert) (Change, bool) {
	c := Change{Field: "details"}
	known := map[string]Alert{}
	for _, a := range old {
		if a.Details != nil {
			known[a.ID] = a
		}
	}
	for _, a := range now {
		was, had := known[a.ID]
		switch {
		case a.Details == nil:
		case !had:
			c.Added = append(c.Added, a.ID)
		case !reflect.DeepEqual(was.found(), a.found()):
			c.Altered = append(c.Altered, a.ID)
		}
	}
	return c, len(c.Added)+len(c.Altered) > 0
}

// NewDetails lists the ids of the alerts of which the changes say that another
// source tells something new.
func NewDetails(changes []Change) []string {
	for _, c := range changes {
		if c.Field == "details" {
			return unique(append(append([]string{}, c.Added...), c.Altered...))
		}
	}
	return []string{}
}

// FoundDigest is text that is equal for equal details of an incident's alerts.
func (i Incident) FoundDigest() ([]byte, error) {
	all := map[string]Found{}
	for _, a := range i.Alerts {
		if a.Details != nil {
			all[a.ID] = a.found()
		}
	}
	return json.Marshal(all)
}

package incidents

import (
	"context"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/sentinel"
)

type listParams struct {
	Source        string     `json:"source,omitempty" default:"defender" enum:"defender,sentinel" doc:"whose incidents"`
	ChangedSince  *time.Time `json:"changed_since,omitempty" doc:"only those that changed at this time or later"`
	Status        string     `json:"status,omitempty" enum:"active,inProgress,resolved" doc:"only those of this status"`
	Severity      string     `json:"severity,omitempty" enum:"informational,low,medium,high" doc:"only those of this severity"`
	AssignedTo    string     `json:"assigned_to,omitempty" doc:"only those that this person works on, by user principal name"`
	Tag           string     `json:"tag,omitempty" doc:"only those with this tag"`
	Policy        string     `json:"policy,omitempty" doc:"only those in which this DLP policy matched; of Defender only"`
	ServiceSource string     `json:"service_source,omitempty" doc:"only those with an alert of this product, such as dataLossPrevention"`
	Limit         int        `json:"limit,omitempty" default:"50" doc:"most incidents that are answered, 1 to 500"`
}

type listed struct {
	Incidents []summary `json:"incidents" doc:"the incidents, without alerts and evidence, in the order of the source"`
	More      bool      `json:"more" doc:"whether there are more than the limit"`
}

// summary is an incident without what can be long.
type summary struct {
	ID             string                   `json:"id" doc:"id of the incident"`
	Title          string                   `json:"title" doc:"name of the incident"`
	Severity       incident.Severity        `json:"severity" doc:"highest impact"`
	Status         incident.Status          `json:"status" doc:"where the work on it stands"`
	Classification incident.Classification  `json:"classification" doc:"verdict"`
	AssignedTo     *string                  `json:"assigned_to,omitempty" doc:"who works on it; absent when nobody does"`
	Tags           []string                 `json:"tags" doc:"tags set by people and by Stanch"`
	Policies       []string                 `json:"policies" doc:"DLP policies that matched; of Sentinel always empty, since its list does not tell"`
	ServiceSources []incident.ServiceSource `json:"service_sources" doc:"products whose alerts it joins"`
	CreatedAt      time.Time                `json:"created_at" doc:"when it was opened"`
	UpdatedAt      time.Time                `json:"updated_at" doc:"when it last changed"`
	URL            *string                  `json:"url,omitempty" doc:"its page in the portal"`
}

// mostListed bounds the output of one step.
const mostListed = 500

// List finds incidents by what the queue of the portal filters by.
func (s Shelf) List() actions.Action {
	return actions.Spec[listParams, listed]{
		Doc:   "List incidents by status, severity, owner, tag, policy, product and time of the last change.",
		Class: actions.Reads, Throttle: throttle, Permissions: reads(),
		Elsewhere: actions.Elsewhere{Class: "azure", Param: "source", First: string(incident.Sentinel)},
		Source:    "https://learn.microsoft.com/graph/api/security-list-incidents",
		Example:   "status: active\nservice_source: dataLossPrevention\nlimit: 20",
		Read:      s.list,
	}.Action()
}

func (s Shelf) list(ctx context.Context, _ actions.Call, p listParams) (listed, error) {
	if err := p.fill(); err != nil {
		return listed{}, err
	}
	out := listed{Incidents: []summary{}}
	take := func(in incident.Incident) (full bool) {
		if !p.fits(in) {
			return false
		}
		if len(out.Incidents) == p.Limit {
			out.More = true
			return true
		}
		out.Incidents = append(out.Incidents, summary{
			ID: in.ID, Title: in.Title, Severity: in.Severity, Status: in.Status, Classification: in.Classification, AssignedTo: in.AssignedTo,
			Tags: in.Tags, Policies: in.Policies, ServiceSources: in.ServiceSources, CreatedAt: in.CreatedAt, UpdatedAt: in.UpdatedAt, URL: in.URL,
		})
		return false
	}
	if p.Source == string(incident.Sentinel) {
		return out, s.eachOfSentinel(ctx, p, take)
	}
	return out, s.eachOfDefender(ctx, p, take)
}

// fill checks the params and gives them their defaults.
func (p *listParams) fill() error {
	for _, x := range []struct {
		name  string
		value *string
		words []string
	}{
		{"source", &p.Source, incident.Source("").Values()},
		{"status", &p.Status, statuses()},
		{"severity", &p.Severity, []string{"informational", "low", "medium", "high"}},
	} {
		word, err := known(x.name, *x.value, x.words)
		if err != nil {
			return err
		}
		if word != nil {
			*x.value = *word
		}
	}
	if p.Source == "" {
		p.Source = string(incident.Defender)
	}
	if p.Limit == 0 {
		p.Limit = 50
	}
	switch {
	case p.Limit < 1 || p.Limit > mostListed:
		return problem("ask for less, and for what changed since the last time", "limit is %d; expected 1 to %d", p.Limit, mostListed)
	case p.Policy != "" && p.Source == string(incident.Sentinel):
		return problem("list those of Defender, which Sentinel has, too", "policy: the list of Sentinel does not tell which policy matched")
	}
	return nil
}

// fits looks at what the services do not filter by.
func (p listParams) fits(in incident.Incident) bool {
	source := func(s incident.ServiceSource) bool { return strings.EqualFold(string(s), p.ServiceSource) }
	return (p.Tag == "" || slices.Contains(in.Tags, p.Tag)) &&
		(p.Policy == "" || slices.ContainsFunc(in.Policies, func(name string) bool { return incident.Fold(name) == incident.Fold(p.Policy) })) &&
		(p.ServiceSource == "" || slices.ContainsFunc(in.ServiceSources, source))
}

// filter joins comparisons of properties with values, as OData.
func filter(properties [][2]string) string {
	var parts []string
	for _, p := range properties {
		if p[1] != "" {
			parts = append(parts, p[0]+" eq "+connectors.Quote(p[1]))
		}
	}
	return strings.Join(parts, " and ")
}

func (p listParams) since() time.Time {
	if p.ChangedSince == nil {
		return time.Time{}
	}
	return *p.ChangedSince
}

func (s Shelf) eachOfDefender(ctx context.Context, p listParams, take func(incident.Incident) bool) error {
	q := graph.IncidentQuery{Since: p.since(), Filter: filter([][2]string{{"status", p.Status}, {"severity", p.Severity}, {"assignedTo", p.AssignedTo}})}
	for page, err := range s.Graph.Incidents(ctx, q) {
		if err == nil && len(page.Faulty) > 0 {
			err = page.Faulty[0].Err
		}
		if err != nil {
			return err
		}
		for _, one := range page.Incidents {
			in, err := incident.FromGraph(one.Raw)
			if err != nil {
				return unreadable(err)
			}
			if take(in) {
				return nil
			}
		}
	}
	return nil
}

func (s Shelf) eachOfSentinel(ctx context.Context, p listParams, take func(incident.Incident) bool) error {
	if err := s.inWorkspace(""); err != nil {
		return err
	}
	var wish sentinel.Properties
	fields{Status: &p.Status, Severity: &p.Severity}.onto(&wish)
	q := sentinel.Query{Since: p.since(), Filter: filter([][2]string{
		{"properties/status", wish.Status}, {"properties/severity", wish.Severity}, {"properties/owner/userPrincipalName", p.AssignedTo},
	})}
	for page, err := range s.Sentinel.Incidents(ctx, q) {
		if err == nil && len(page.Faulty) > 0 {
			err = page.Faulty[0].Err
		}
		if err != nil {
			return err
		}
		for _, one := range page.Incidents {
			in, err := s.modelOf(one)
			if err != nil {
				return err
			}
			if take(in) {
				return nil
			}
		}
	}
	return nil
}

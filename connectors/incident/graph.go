package incident

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of one incident body. What is larger is refused, never cut: Defender
// itself closes an incident to further alerts long before.
const (
	MaxBody     = 64 << 20 // bytes
	MaxAlerts   = 5_000
	MaxEvidence = 100_000 // evidence in all alerts, before duplicates are joined
)

// ErrPartial is wrapped by FromGraph's error for an incident whose alerts go
// on at another page: mapping it would lose them.
var ErrPartial = errors.New("the alerts of the incident go on at another page (alerts@odata.nextLink); fetch the rest and add it to alerts")

// dlpTitle is how Purview names its alerts. The policy ends at the first
// delimiter, not at the last: its name is an administrator's and may hold
// parentheses, what follows is a subject or file name of the attacker's choice.
var dlpTitle = regexp.MustCompile(`(?s)^DLP policy \((.+?)\) matched for (?:email with subject|document) \(`)

// FromGraph maps an incident of the Graph security API, v1.0, read with
// $expand=alerts, onto the model; without alerts their list is empty. What is
// missing, null or not known yet is survived; what has the wrong type, stands
// twice or is beyond the limits is an error that names every place
// (*BodyError) or line and column. See MAPPING.md.
//
// Source: https://learn.microsoft.com/graph/api/resources/security-incident
func FromGraph(body []byte) (Incident, error) {
	i, err := fromGraph(body)
	if err != nil {
		return Incident{}, fmt.Errorf("graph incident: %w", err)
	}
	return i, nil
}

func fromGraph(body []byte) (Incident, error) {
	if len(body) > MaxBody {
		return Incident{}, fmt.Errorf("the body has %d bytes, at most %d are read", len(body), MaxBody)
	}
	if hint := notJSON(body); hint != "" {
		return Incident{}, errors.New(hint)
	}
	root, err := parse(body)
	if err != nil {
		return Incident{}, err
	}
	fields, err := incidentFields(root)
	if err != nil {
		return Incident{}, err
	}
	rep := &report{}
	o := &object{report: rep, fields: fields, index: -1}
	if err := withinLimits(o); err != nil {
		return Incident{}, err
	}
	if link := o.text("alerts@odata.nextLink"); link != nil {
		return Incident{}, ErrPartial
	}
	i := readIncident(o)
	m := mapper{}
	for _, a := range o.objects("alerts") {
		m.addAlert(a)
	}
	if err := rep.err(); err != nil {
		return Incident{}, err
	}
	m.settle(&i)
	return i, nil
}

// readIncident maps what is not in the alerts.
func readIncident(o *object) Incident {
	i := Incident{
		ID: NewID(Defender, o.word("id")), Source: Defender,
		Title:          o.word("displayName"),
		Description:    o.text("description"),
		Severity:       choice[Severity](o, "severity"),
		Status:         choice[Status](o, "status"),
		Classification: choice[Classification](o, "classification"),
		Determination:  choice[Determination](o, "determination"),
		AssignedTo:     o.text("assignedTo"),
		Tags:           o.texts("customTags"),
		SystemTags:     o.texts("systemTags"),
		URL:            o.text("incidentWebUrl"),
		Comments:       comments(o),
	}
	i.CreatedAt, i.UpdatedAt = dates(o)
	if id := o.text("redirectIncidentId"); id != nil {
		i.RedirectedTo = new(NewID(Defender, *id))
	}
	return i
}

// dates reads creation and last update; one stands for the other if missing.
func dates(o *object) (created, updated time.Time) {
	c, u := o.when("createdDateTime"), o.when("lastUpdateDateTime")
	if c, u = cmp.Or(c, u), cmp.Or(u, c); c != nil {
		created, updated = *c, *u
	}
	return created, updated
}

// comments reads also the names that Microsoft's samples show.
func comments(o *object) []Comment {
	list := []Comment{}
	for _, c := range o.objects("comments") {
		list = append(list, Comment{
			Text:      c.word("comment"),
			Author:    c.first("createdByDisplayName", "createdBy"),
			CreatedAt: cmp.Or(c.when("createdDateTime"), c.when("createdTime")),
		})
	}
	return list
}

// mapper gathers the alerts of one incident and what they saw.
type mapper struct {
	sightings
	alerts map[string][]Alert // by id
}

func (m *mapper) addAlert(o *object) {
	a := readAlert(o)
	if a.ID == "" {
		o.report.add(o.path("id"), "want the id of the alert, got none")
	}
	if m.alerts == nil {
		m.alerts = map[string][]Alert{}
	}
	m.alerts[a.ID] = append(m.alerts[a.ID], a)
	for _, e := range o.objects("evidence") {
		s := seen{
			alert: a.ID, at: a.CreatedAt,
			verdict: choiceOf[Verdict](e, "verdict"), roles: choices[Role](e, "roles"),
		}
		if at := e.when("createdDateTime"); at != nil {
			s.at = *at
		}
		m.add(e, s)
	}
}

func readAlert(o *object) Alert {
	a := Alert{
		ID:              o.word("id"),
		ProviderID:      o.text("providerAlertId"),
		Title:           o.word("title"),
		Description:     o.text("description"),
		Category:        o.text("category"),
		ServiceSource:   choice[ServiceSource](o, "serviceSource"),
		DetectionSource: choice[DetectionSource](o, "detectionSource"),
		Severity:        choice[Severity](o, "severity"),
		Status:          choice[AlertStatus](o, "status"),
		Classification:  choice[Classification](o, "classification"),
		Determination:   choice[Determination](o, "determination"),
		AssignedTo:      o.text("assignedTo"),
		SystemTags:      o.texts("systemTags"),
		Policy:          Policy{ID: o.text("alertPolicyId")},
		SensitiveTypes:  []SensitiveType{},
		ResolvedAt:      o.when("resolvedDateTime"),
		FirstActivityAt: o.when("firstActivityDateTime"),
		LastActivityAt:  o.when("lastActivityDateTime"),
		URL:             o.text("alertWebUrl"),
		MitreTechniques: o.texts("mitreTechniques"),
		Comments:        comments(o),
	}
	if list := o.texts("categories"); a.Category == nil && len(list) > 0 {
		a.Category = &list[0]
	}
	a.CreatedAt, a.UpdatedAt = dates(o)
	// The enum has it as a detection source only; parsers in the field met it here.
	if strings.EqualFold(string(a.ServiceSource), "microsoftDataLossPrevention") {
		a.ServiceSource = DataLossPrevention
	}
	if a.ServiceSource == DataLossPrevention || a.DetectionSource == "microsoftDataLossPrevention" {
		if parts := dlpTitle.FindStringSubmatch(a.Title); parts != nil {
			a.Policy.Name = &parts[1]
		}
	}
	return a
}

// settle joins what the alerts say and completes the incident.
func (m *mapper) settle(i *Incident) {
	i.Alerts, i.ServiceSources = []Alert{}, []ServiceSource{}
	i.Conflicts = []Conflict{}
	for id, versions := range m.alerts {
		a, conflicts := latest(id, versions)
		i.Alerts = append(i.Alerts, a)
		i.Conflicts = append(i.Conflicts, conflicts...)
		if a.ServiceSource != "unknown" {
			i.ServiceSources = append(i.ServiceSources, a.ServiceSource)
		}
	}
	slices.SortFunc(i.Alerts, func(a, b Alert) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	i.ServiceSources, i.Policies = unique(i.ServiceSources), policiesOf(i.Alerts)
	if i.CreatedAt.IsZero() && len(i.Alerts) > 0 {
		i.CreatedAt = i.Alerts[0].CreatedAt
		for _, a := range i.Alerts {
			i.UpdatedAt = slices.MaxFunc([]time.Time{i.UpdatedAt, a.UpdatedAt}, time.Time.Compare)
		}
	}
	evidence, conflicts := m.evidence()
	i.Evidence = evidence
	i.Conflicts = append(i.Conflicts, conflicts...)
	slices.SortStableFunc(i.Conflicts, func(a, b Conflict) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID),
			strings.Compare(a.Field, b.Field), strings.Compare(a.Kept, b.Kept), strings.Compare(a.Dropped, b.Dropped))
	})
	i.Conflicts = slices.Compact(i.Conflicts)
	fillLists(i)
}

// latest picks the newest version of an alert that the body holds several
// times, and tells where others of the same time differ.
func latest(id string, versions []Alert) (Alert, []Conflict) {
	if len(versions) == 1 {
		return versions[0], nil
	}
	slices.SortStableFunc(versions, func(a, b Alert) int {
		return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), bytes.Compare(encode(a), encode(b)))
	})
	var conflicts []Conflict
	kept := reflect.ValueOf(versions[0])
	for _, v := range versions[1:] {
		if !v.UpdatedAt.Equal(versions[0].UpdatedAt) {
			break
		}
		for f := range kept.NumField() {
			have, other := encode(kept.Field(f).Interface()), encode(reflect.ValueOf(v).Field(f).Interface())
			if !bytes.Equal(have, other) {
				name, _, _ := strings.Cut(kept.Type().Field(f).Tag.Get("json"), ",")
				conflicts = append(conflicts, Conflict{
					Kind: "alert", ID: id, Field: name, Kept: shorten(string(have)), Dropped: shorten(string(other)),
				})
			}
		}
	}
	return versions[0], conflicts
}

// encode writes a part of the model, which can always be written.
func encode(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

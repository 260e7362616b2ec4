package incident

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SentinelBody is one incident of Microsoft Sentinel as its API sent it, which
// takes four calls: the incident, and where they were asked for its alerts,
// entities and comments.
type SentinelBody struct {
	Workspace string            `json:"-"` // name of the workspace it was read from
	Incident  json.RawMessage   `json:"incident"`
	Alerts    []json.RawMessage `json:"alerts"`
	Entities  []json.RawMessage `json:"entities"`
	Comments  []json.RawMessage `json:"comments"`
}

// FromSentinel maps an incident of Microsoft Sentinel, API version 2024-09-01,
// onto the model, under the rules of FromGraph. Sentinel does not say which
// alert named an entity: only where there is one alert is it that. See
// MAPPING.md.
//
// Source: https://learn.microsoft.com/rest/api/securityinsights/incidents/get
func FromSentinel(body SentinelBody) (Incident, error) {
	i, err := fromSentinel(body)
	if err != nil {
		return Incident{}, fmt.Errorf("sentinel incident: %w", err)
	}
	return i, nil
}

func fromSentinel(body SentinelBody) (Incident, error) {
	if body.Workspace == "" || strings.Contains(body.Workspace, "/") {
		return Incident{}, fmt.Errorf("workspace: want the name of the workspace, got %s", quote(body.Workspace))
	}
	size := len(body.Incident)
	for _, list := range [][]json.RawMessage{body.Alerts, body.Entities, body.Comments} {
		for _, raw := range list {
			size += len(raw)
		}
	}
	if size > MaxBody {
		return Incident{}, fmt.Errorf("the bodies have %d bytes, at most %d are read", size, MaxBody)
	}
	if len(body.Alerts) > MaxAlerts || len(body.Entities) > MaxEvidence {
		return Incident{}, fmt.Errorf("the incident has %d alerts with %d entities, at most %d and %d are read; nothing was mapped",
			len(body.Alerts), len(body.Entities), MaxAlerts, MaxEvidence)
	}
	if hint := notJSON(body.Incident); hint != "" {
		return Incident{}, errors.New(hint)
	}
	if _, err := parse(body.Incident); err != nil {
		return Incident{}, err
	}
	all, err := json.Marshal(body)
	if err != nil {
		return Incident{}, fmt.Errorf("not JSON: %w", errors.Unwrap(err))
	}
	root, err := parse(all)
	if err != nil {
		return Incident{}, err
	}
	rep := &report{}
	o := &object{report: rep, fields: root.(map[string]any), index: -1}
	head := o.object("incident")
	if err := sentinelIncident(head); err != nil {
		return Incident{}, err
	}
	i := readSentinel(body.Workspace, head)
	i.Comments = sentinelComments(o)
	m := mapper{}
	for _, a := range o.objects("alerts") {
		m.addSentinelAlert(a)
	}
	m.addEntities(o.objects("entities"))
	if err := rep.err(); err != nil {
		return Incident{}, err
	}
	m.settle(&i)
	for _, product := range head.object("properties").object("additionalData").texts("alertProductNames") {
		if source := sourceOfProduct(product); source != "unknown" {
			i.ServiceSources = append(i.ServiceSources, source)
		}
	}
	i.ServiceSources = unique(i.ServiceSources)
	return i, rep.err()
}

// sentinelIncident tells an incident of Sentinel from what else an API sends.
func sentinelIncident(o *object) error {
	switch {
	case o == nil:
		return errors.New("want one incident as JSON object")
	case has(o.fields, "error") && !has(o.fields, "name"):
		return fmt.Errorf("this is an error answer of Azure (code %s), not an incident", quote(o.object("error").word("code")))
	case has(o.fields, "value") && !has(o.fields, "name"):
		return fmt.Errorf("this is a list answer: value holds %s; give one element of value", describe(o.fields["value"]))
	case has(o.fields, "displayName") && !has(o.fields, "properties"):
		return errors.New("this is an incident of the Graph security API; want one of Sentinel")
	case o.object("properties") == nil:
		return errors.New("properties: an incident of Sentinel has properties, this body has none")
	case o.word("name") == "" || strings.Contains(o.word("name"), "/"):
		return errors.New("name: an incident of Sentinel has a name (a GUID), this body has none")
	}
	return nil
}

// readSentinel maps what is not in alerts, entities and comments.
func readSentinel(workspace string, o *object) Incident {
	p := o.object("properties")
	i := Incident{
		ID: NewID(Sentinel, workspace+"/"+strings.ToLower(o.word("name"))), Source: Sentinel,
		Title: p.word("title"), Description: p.text("description"), Severity: choice[Severity](p, "severity"),
		Status: sentinelStatus(p.word("status")), Classification: sentinelClassification(p.word("classification")),
		Determination: sentinelDetermination(p.word("classificationReason")), URL: p.text("incidentUrl"),
		AssignedTo: p.object("owner").first("userPrincipalName", "email", "assignedTo"),
		Tags:       []string{}, SystemTags: []string{},
	}
	for _, l := range p.objects("labels") {
		name, kind := l.text("labelName"), l.word("labelType")
		switch {
		case name == nil:
		case strings.EqualFold(kind, "AutoAssigned"):
			i.SystemTags = append(i.SystemTags, *name)
		case !slices.Contains(i.Tags, *name):
			i.Tags = append(i.Tags, *name)
		}
	}
	c, u := p.when("createdTimeUtc"), p.when("lastModifiedTimeUtc")
	if c, u = cmp.Or(c, u), cmp.Or(u, c); c != nil {
		i.CreatedAt, i.UpdatedAt = *c, *u
	}
	return i
}

// The words of Sentinel and of the model, as the Defender XDR connector
// translates them
// (learn.microsoft.com/azure/sentinel/microsoft-365-defender-sentinel-integration).
// A word that is not known is kept.

func sentinelStatus(word string) Status {
	switch strings.ToLower(word) {
	case "new":
		return "active"
	case "active":
		return "inProgress"
	case "closed":
		return "resolved"
	case "":
		return "unknown"
	}
	return Status(word)
}

func sentinelClassification(word string) Classification {
	switch strings.ToLower(word) {
	case "", "undetermined":
		return "unknown"
	case "benignpositive":
		return "informationalExpectedActivity"
	}
	return parseEnum[Classification](word)
}

// sentinelDetermination keeps the reason, which has no word in the model.
func sentinelDetermination(reason string) Determination {
	if reason == "" {
		return "unknown"
	}
	return Determination(strings.ToLower(reason[:1]) + reason[1:])
}

// Product is a name by which alerts call a product.
type Product struct {
	Name   string // in small letters
	Source ServiceSource
}

// Products are the names of Microsoft's products, of which some have had
// several.
//
// Source: learn.microsoft.com/azure/sentinel/microsoft-365-defender-sentinel-integration,
// learn.microsoft.com/azure/sentinel/create-incidents-from-alerts.
func Products() []Product {
	return []Product{
		{"microsoft data loss prevention", DataLossPrevention},
		{"microsoft defender xdr", "microsoft365Defender"},
		{"microsoft 365 defender", "microsoft365Defender"},
		{"microsoft xdr", "microsoft365Defender"},
		{"microsoft defender for endpoint", "microsoftDefenderForEndpoint"},
		{"microsoft defender advanced threat protection", "microsoftDefenderForEndpoint"},
		{"microsoft defender for identity", "microsoftDefenderForIdentity"},
		{"azure advanced threat protection", "microsoftDefenderForIdentity"},
		{"microsoft defender for cloud apps", "microsoftDefenderForCloudApps"},
		{"microsoft cloud app security", "microsoftDefenderForCloudApps"},
		{"microsoft defender for office 365", "microsoftDefenderForOffice365"},
		{"office 365 advanced threat protection", "microsoftDefenderForOffice365"},
		{"microsoft entra id protection", "azureAdIdentityProtection"},
		{"azure active directory identity protection", "azureAdIdentityProtection"},
		{"microsoft defender for cloud", "microsoftDefenderForCloud"},
		{"azure security center", "microsoftDefenderForCloud"},
		{"microsoft sentinel", "microsoftSentinel"},
		{"azure sentinel", "microsoftSentinel"},
		{"microsoft insider risk management", "microsoftInsiderRiskManagement"},
		{"microsoft 365 insider risk management", "microsoftInsiderRiskManagement"},
	}
}

// sourceOfProduct is the service source of a product as alerts name it.
func sourceOfProduct(product string) ServiceSource {
	name := strings.ToLower(product)
	if name == "" || name == "unknown" {
		return "unknown"
	}
	for _, p := range Products() {
		if p.Name == name {
			return p.Source
		}
	}
	return parseEnum[ServiceSource](product)
}

// sentinelComments are the comments, the oldest first.
func sentinelComments(o *object) []Comment {
	list := []Comment{}
	for _, c := range o.objects("comments") {
		p := c.object("properties")
		list = append(list, Comment{
			Text: p.word("message"), Author: p.object("author").first("userPrincipalName", "email", "name"), CreatedAt: p.when("createdTimeUtc"),
		})
	}
	slices.SortStableFunc(list, func(a, b Comment) int {
		if a.CreatedAt == nil || b.CreatedAt == nil {
			return 0
		}
		return a.CreatedAt.Compare(*b.CreatedAt)
	})
	return list
}

func (m *mapper) addSentinelAlert(o *object) {
	p := o.object("properties")
	a := Alert{
		Title: p.word("alertDisplayName"), ProviderID: p.text("providerAlertId"), Description: p.text("description"),
		ServiceSource: sourceOfProduct(p.word("productName")), DetectionSource: "unknown", Severity: choice[Severity](p, "severity"),
		Status: choice[AlertStatus](p, "status"), Classification: "unknown", Determination: "unknown",
		FirstActivityAt: p.when("startTimeUtc"), LastActivityAt: p.when("endTimeUtc"), URL: p.text("alertLink"),
		SensitiveTypes: []SensitiveType{}, SystemTags: []string{}, MitreTechniques: []string{}, Comments: []Comment{},
	}
	if id := cmp.Or(p.text("systemAlertId"), o.text("name")); id != nil {
		a.ID = *id
	} else {
		o.report.add(o.path("name"), "want the id of the alert, got none")
	}
	if a.Title == "" {
		a.Title = p.word("friendlyName")
	}
	if tactics := p.texts("tactics"); len(tactics) > 0 {
		a.Category = &tactics[0]
	}
	if at := cmp.Or(p.when("timeGenerated"), p.when("processingEndTime"), p.when("startTimeUtc")); at != nil {
		a.CreatedAt, a.UpdatedAt = *at, *at
	}
	if a.ServiceSource == DataLossPrevention {
		a.DetectionSource = "microsoftDataLossPrevention"
		if parts := dlpTitle.FindStringSubmatch(a.Title); parts != nil {
			a.Policy.Name = &parts[1]
		}
	}
	if m.alerts == nil {
		m.alerts = map[string][]Alert{}
	}
	m.alerts[a.ID] = append(m.alerts[a.ID], a)
}

// onlyAlert is the alert if there is one, and when it was.
func (m *mapper) onlyAlert() (id string, at time.Time) {
	if len(m.alerts) == 1 {
		for _, versions := range m.alerts {
			id, at = versions[0].ID, versions[0].CreatedAt
		}
	}
	return id, at
}

package practice

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// incident is a Graph incident body without its alerts, kept as it came so
// that nothing of it is lost.
type incident struct {
	body   object
	alerts []string
	// What only Sentinel's side knows, see sentinel.go.
	name     string // there
	number   int    // there
	sentinel sentinelSide
}

type alert struct {
	body object
}

func (i *incident) id() string     { return i.body["id"].(string) }
func (i *incident) target() string { return "/security/incidents/" + i.id() }
func (a *alert) id() string        { return a.body["id"].(string) }
func (a *alert) target() string    { return "/security/alerts_v2/" + a.id() }

func (i *incident) clone() *incident {
	out := *i
	out.body, out.alerts, out.sentinel = deepCopy(i.body).(object), slices.Clone(i.alerts), i.sentinel.clone()
	return &out
}

func (a *alert) clone() *alert { return &alert{body: deepCopy(a.body).(object)} }

// newest orders bodies newest first, the documented order of both lists.
func newest(a, b object) int {
	return cmp.Or(
		strings.Compare(textOf(b["createdDateTime"]), textOf(a["createdDateTime"])),
		cmp.Compare(number(b["id"]), number(a["id"])),
		strings.Compare(textOf(b["id"]), textOf(a["id"])))
}

func number(v any) int { n, _ := strconv.Atoi(textOf(v)); return n }

func severities() []string {
	return []string{"unknown", "informational", "low", "medium", "high", "unknownFutureValue"}
}

func classifications() []string {
	return []string{"unknown", "falsePositive", "truePositive", "informationalExpectedActivity", "unknownFutureValue"}
}

func determinations() []string {
	return []string{
		"unknown", "apt", "malware", "securityPersonnel", "securityTesting", "unwantedSoftware", "other", "multiStagedAttack",
		"compromisedAccount", "phishing", "maliciousUserActivity", "notMalicious", "notEnoughDataToValidate", "confirmedActivity",
		"lineOfBusinessApplication", "unknownFutureValue",
	}
}

func incidentStatuses() []string {
	return []string{"active", "resolved", "inProgress", "redirected", "unknownFutureValue", "awaitingAction"}
}

func alertStatuses() []string {
	return []string{"unknown", "new", "inProgress", "resolved", "unknownFutureValue"}
}

func serviceSources() []string {
	return []string{
		"unknown", "microsoftDefenderForEndpoint", "microsoftDefenderForIdentity", "microsoftDefenderForCloudApps",
		"microsoftDefenderForOffice365", "microsoft365Defender", "azureAdIdentityProtection", "microsoftAppGovernance",
		"dataLossPrevention", "unknownFutureValue", "microsoftDefenderForCloud", "microsoftSentinel",
		"microsoftInsiderRiskManagement", "microsoftThreatIntelligence", "microsoftSecurityForAI",
	}
}

// hidden are the enum members behind unknownFutureValue, which are sent only
// with Prefer: include-unknown-enum-members.
func hidden(property, value string) bool {
	var all []string
	switch property {
	case "status":
		all = incidentStatuses()
	case "serviceSource":
		all = serviceSources()
	case "detectionSource":
		return strings.HasPrefix(value, "microsoftDefenderForCloud") || slices.Contains([]string{
			"microsoftSentinel", "scheduledAlerts", "nrtAlerts", "builtInMl", "microsoftInsiderRiskManagement",
			"microsoftThreatIntelligence", "microsoftDefenderForAIServices", "securityCopilot",
		}, value)
	case "remediationStatus":
		all = []string{"unknownFutureValue", "active", "pendingApproval", "declined", "unremediated", "running", "partiallyRemediated"}
	}
	at := slices.Index(all, "unknownFutureValue")
	return at >= 0 && slices.Index(all, value) > at
}

// veil replaces hidden enum members unless the client asked for them.
func (c *call) veil(v any) any {
	for _, p := range c.r.Header.Values("Prefer") {
		if strings.Contains(p, "include-unknown-enum-members") {
			return v
		}
	}
	return veiled(v)
}

func veiled(v any) any {
	switch v := v.(type) {
	case object:
		for k, in := range v {
			if s, is := in.(string); is {
				if hidden(k, s) {
					v[k] = "unknownFutureValue"
				}
			} else {
				v[k] = veiled(in)
			}
		}
	case []any:
		for k, in := range v {
			v[k] = veiled(in)
		}
	}
	return v
}

func (c *call) incidentWire(i *incident, withAlerts bool) object {
	o := deepCopy(i.body).(object)
	if withAlerts {
		alerts := []any{}
		for _, id := range i.alerts {
			a := c.w.alerts[id]
			alerts = append(alerts, deepCopy(seen(c, a.target(), a).body))
		}
		o["alerts"] = alerts
	}
	return c.veil(o).(object)
}

func listIncidents(c *call) (reply, error) {
	expand, err := c.expands("alerts")
	if err != nil {
		return reply{}, err
	}
	keep, err := c.filter(fields{
		"assignedTo": nil, "classification": classifications(), "createdDateTime": timeField(), "determination": determinations(),
		"lastUpdateDateTime": timeField(), "severity": severities(), "status": incidentStatuses(),
	})
	if err != nil {
		return reply{}, err
	}
	var list []*incident
	for i := range maps.Values(c.w.incidents) {
		i = seen(c, i.target(), i)
		if keep(func(p string) any { return i.body[p] }) {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *incident) int { return newest(a.body, b.body) })
	return page(c, list, paging{size: 50, max: 50}, func(i *incident) object { return c.incidentWire(i, len(expand) > 0) })
}

func (c *call) incident() (*incident, error) {
	if i := c.w.incidents[c.args["id"]]; i != nil {
		return i, nil
	}
	return nil, fail(http.StatusNotFound, "NotFound", "Incident with ID %s was not found.", c.args["id"])
}

func getIncident(c *call) (reply, error) {
	i, err := c.incident()
	if err != nil {
		return reply{}, err
	}
	expand, err := c.expands("alerts")
	if err != nil {
		return reply{}, err
	}
	return c.entity(c.incidentWire(seen(c, i.target(), i), len(expand) > 0))
}

func listAlerts(c *call) (reply, error) {
	keep, err := c.filter(fields{
		"assignedTo": nil, "classification": classifications(), "determination": determinations(), "createdDateTime": timeField(),
		"lastUpdateDateTime": timeField(), "severity": severities(), "serviceSource": serviceSources(), "status": alertStatuses(),
	})
	if err != nil {
		return reply{}, err
	}
	var list []*alert
	for a := range maps.Values(c.w.alerts) {
		a = seen(c, a.target(), a)
		if keep(func(p string) any { return a.body[p] }) {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *alert) int { return newest(a.body, b.body) })
	return page(c, list, paging{size: 100, max: 1000}, c.alertWire)
}

func (c *call) alertWire(a *alert) object { return c.veil(deepCopy(a.body)).(object) }

func (c *call) alert() (*alert, error) {
	if a := c.w.alerts[c.args["id"]]; a != nil {
		return a, nil
	}
	return nil, fail(http.StatusNotFound, "NotFound", "Alert with ID %s was not found.", c.args["id"])
}

func getAlert(c *call) (reply, error) {
	a, err := c.alert()
	if err != nil {
		return reply{}, err
	}
	return c.entity(c.alertWire(seen(c, a.target(), a)))
}

package practice

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// incident is a Graph incident body without its alerts, kept as it came so
// that nothing of it is lost.
type incident struct {
	body   object
	alerts []string
}

type alert struct {
	body object
}

func (i *incident) id() string     { return i.body["id"].(string) }
func (i *incident) target() string { return "/security/incidents/" + i.id() }
func (a *alert) id() string        { return a.body["id"].(string) }
func (a *alert) target() string    { return "/security/alerts_v2/" + a.id() }

func (i *incident) clone() *incident {
	return &incident{body: deepCopy(i.body).(object), alerts: slices.Clone(i.alerts)}
}

func (a *alert) clone() *alert { return &alert{body: deepCopy(a.body).(object)} }

// addIncident puts a Graph incident body, with its alerts, into the company.
// With now, what times are missing become now, and an id that is taken is
// replaced by a new one, which makes the incident a new one; without, the body
// must be complete.
func (w *world) addIncident(raw json.RawMessage, now *time.Time) (string, error) {
	var body object
	if err := json.Unmarshal(raw, &body); err != nil || body == nil {
		return "", fmt.Errorf("not a JSON object of an incident: %s", describe(raw, 0, orNull(err)))
	}
	delete(body, "@odata.context")
	id, is := body["id"].(string)
	if body["id"] != nil && !is {
		return "", fmt.Errorf("id is no text")
	}
	list, is := body["alerts"].([]any)
	if body["alerts"] != nil && !is {
		return "", fmt.Errorf("alerts is no list")
	}
	taken := w.incidents[id] != nil
	if (taken || id == "") && now == nil {
		return "", fmt.Errorf("id %q is missing or stands twice", id)
	}
	for n, v := range list {
		if a, is := v.(object); !is || (a["id"] != nil && text2(a["id"]) == "") {
			return "", fmt.Errorf("alerts[%d] is no alert", n)
		}
	}
	if taken {
		delete(body, "createdDateTime")
		delete(body, "lastUpdateDateTime")
	}
	delete(body, "alerts")
	if err := dateIncident(body, now); err != nil {
		return "", err
	}
	if taken || id == "" {
		id = w.freshIncidentID()
		body["id"] = id
	}
	w.defaults(body, id)
	in := &incident{body: body}
	for n, v := range list {
		in.alerts = append(in.alerts, w.addAlert(v.(object), in, n, taken))
	}
	w.incidents[id] = in
	return id, nil
}

func orNull(err error) error {
	if err == nil {
		return fmt.Errorf("null")
	}
	return err
}

func text2(v any) string { s, _ := v.(string); return s }

func (w *world) freshIncidentID() string {
	for {
		w.nextID++
		if id := itoa(w.nextID); w.incidents[id] == nil {
			return id
		}
	}
}

func dateIncident(body object, now *time.Time) error {
	for _, key := range []string{"createdDateTime", "lastUpdateDateTime"} {
		switch v := body[key].(type) {
		case nil:
			if now == nil {
				return fmt.Errorf("%s is missing", key)
			}
			body[key] = stamp(*now)
		case string:
			if _, err := time.Parse(time.RFC3339, v); err != nil {
				return fmt.Errorf("%s is %q; expected a time like 2026-01-02T03:04:05Z", key, v)
			}
		default:
			return fmt.Errorf("%s is no text", key)
		}
	}
	return nil
}

// defaults sets what Graph always sends.
func (w *world) defaults(body object, id string) {
	body["incidentWebUrl"] = "https://security.microsoft.com/incidents/" + id + "?tid=" + w.company.TenantID
	for key, v := range map[string]any{
		"@odata.type": "#microsoft.graph.security.incident", "tenantId": w.company.TenantID, "status": "active",
		"severity": "medium", "classification": "unknown", "determination": "unknown", "assignedTo": nil,
		"redirectIncidentId": nil, "customTags": []any{}, "systemTags": []any{}, "comments": []any{}, "displayName": "",
		"description": nil, "lastModifiedBy": nil, "resolvingComment": nil, "summary": nil,
	} {
		if _, is := body[key]; !is {
			body[key] = v
		}
	}
}

func (w *world) addAlert(body object, in *incident, n int, taken bool) string {
	id := text2(body["id"])
	if id == "" || w.alerts[id] != nil || taken {
		id = "dl" + guid("alert", in.id(), itoa(n))
		body["id"], body["providerAlertId"] = id, id[2:]
	}
	body["incidentId"] = in.id()
	body["incidentWebUrl"] = in.body["incidentWebUrl"]
	body["alertWebUrl"] = "https://security.microsoft.com/alerts/" + id + "?tid=" + w.company.TenantID
	for key, v := range map[string]any{
		"@odata.type": "#microsoft.graph.security.alert", "tenantId": w.company.TenantID, "status": "new",
		"classification": "unknown", "determination": "unknown", "assignedTo": nil, "comments": []any{}, "evidence": []any{},
		"createdDateTime": in.body["createdDateTime"], "lastUpdateDateTime": in.body["lastUpdateDateTime"],
		"resolvedDateTime": nil, "systemTags": []any{}, "severity": in.body["severity"],
	} {
		if body[key] == nil {
			body[key] = v
		}
	}
	w.alerts[id] = &alert{body: body}
	return id
}

// newest orders bodies newest first, the documented order of both lists.
func newest(a, b object) int {
	return cmp.Or(
		strings.Compare(text2(b["createdDateTime"]), text2(a["createdDateTime"])),
		cmp.Compare(number(b["id"]), number(a["id"])),
		strings.Compare(text2(b["id"]), text2(a["id"])))
}

func number(v any) int { n, _ := strconv.Atoi(text2(v)); return n }

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

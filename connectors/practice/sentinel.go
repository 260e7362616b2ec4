package practice

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The Defender XDR connector keeps an incident equal on both sides
// [defender-docs sentinel/microsoft-365-defender-sentinel-integration.md]: here
// there is one incident, in Graph's words, and Sentinel shows it in its own.
// What Sentinel alone knows stands in sentinelSide.

const workspacePath = "subscriptions/{sub}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/{workspace}/providers/Microsoft.SecurityInsights/"

// sentinelRoutes is every call of Microsoft.SecurityInsights served
// [azure-rest-api-specs securityinsights stable/2024-09-01 Incidents.json,
// AutomationRules.json], with the roles of which one is needed.
func sentinelRoutes() []route {
	read := []string{sentinelReader, sentinelResponder, sentinelContributor}
	write := []string{sentinelResponder, sentinelContributor}
	list := []string{"$filter", "$orderby", "$top", "$skipToken"}
	at := func(method, path string, roles, options []string, do func(*call) (reply, error)) route {
		return route{azure, method, workspacePath + path, roles, options, cost{}, inWorkspace(do)}
	}
	const one, note, link = "incidents/{incident}", "incidents/{incident}/comments/{comment}", "incidents/{incident}/relations/{relation}"
	return []route{
		at(http.MethodGet, "incidents", read, list, listSentinelIncidents),
		at(http.MethodGet, one, read, nil, getSentinelIncident),
		at(http.MethodPut, one, write, nil, putSentinelIncident),
		at(http.MethodPost, one+"/alerts", read, nil, listSentinelAlerts),
		at(http.MethodPost, one+"/entities", read, nil, listSentinelEntities),
		at(http.MethodPost, one+"/bookmarks", read, nil, listSentinelBookmarks),
		at(http.MethodGet, one+"/comments", read, list, listSentinelComments),
		at(http.MethodGet, note, read, nil, getSentinelComment),
		at(http.MethodPut, note, write, nil, putSentinelComment),
		at(http.MethodDelete, note, write, nil, deleteSentinelComment),
		at(http.MethodGet, one+"/relations", read, list, listRelations),
		at(http.MethodGet, link, read, nil, getRelation),
		at(http.MethodPut, link, write, nil, putRelation),
		at(http.MethodDelete, link, write, nil, deleteRelation),
		at(http.MethodGet, "automationRules", read, []string{"$skipToken"}, listRules),
		at(http.MethodGet, "automationRules/{rule}", read, nil, getRule),
	}
}

// sentinelSide is what of an incident Sentinel alone knows.
type sentinelSide struct {
	comments  []sentinelComment
	imported  int               // how many of the other side's comments stand in comments
	reason    string            // classificationReason, where it is not the usual one
	closing   string            // classificationComment
	relations map[string]string // related resource by name
	activity  [2]string         // first and last, where they were written
}

func (s sentinelSide) clone() sentinelSide {
	s.comments, s.relations = slices.Clone(s.comments), maps.Clone(s.relations)
	return s
}

// sentinelState is what of that a state holds, nil if there is nothing: no ids,
// no times.
func (i *incident) sentinelState() object {
	texts, related := []any{}, []any{}
	for _, c := range i.sentinelComments() {
		texts = append(texts, c.message)
	}
	s := i.sentinel
	for _, name := range slices.Sorted(maps.Keys(s.relations)) {
		related = append(related, s.relations[name])
	}
	if s.reason == "" && s.closing == "" && len(related) == 0 && slices.Equal(texts, comments(i.body)) {
		return nil
	}
	return object{"reason": s.reason, "closing_comment": s.closing, "comments": texts, "relations": related}
}

func contosoWorkspace() *Workspace {
	return &Workspace{
		Subscription: ContosoSubscription, ResourceGroup: ContosoResourceGroup, Name: ContosoWorkspace,
		AutomationRules: []json.RawMessage{
			json.RawMessage(`{"name":"3b1de2f2-97d4-4a37-8f5c-0e6a2b8c1d01","properties":{"displayName":"DLP: payroll goes to the officers","order":10,
				"triggeringLogic":{"isEnabled":true,"triggersOn":"Incidents","triggersWhen":"Created","conditions":[
					{"conditionType":"Property","conditionProperties":{"propertyName":"IncidentTitle","operator":"Contains","propertyValues":["Payroll"]}},
					{"conditionType":"Property","conditionProperties":{"propertyName":"AlertProductNames","operator":"Contains","propertyValues":["Microsoft Data Loss Prevention"]}}]},
				"actions":[{"order":1,"actionType":"ModifyProperties","actionConfiguration":{"severity":"High","labels":[{"labelName":"payroll"}]}},
					{"order":2,"actionType":"AddIncidentTask","actionConfiguration":{"title":"Ask the owner","description":"Ask whether the file was shared on purpose."}}]}}`),
			json.RawMessage(`{"name":"3b1de2f2-97d4-4a37-8f5c-0e6a2b8c1d02","properties":{"displayName":"Reopened incidents","order":20,
				"triggeringLogic":{"isEnabled":false,"triggersOn":"Incidents","triggersWhen":"Updated","conditions":[
					{"conditionType":"PropertyChanged","conditionProperties":{"propertyName":"IncidentStatus","changeType":"ChangedFrom","operator":"Equals","propertyValues":["Closed"]}},
					{"conditionType":"Boolean","conditionProperties":{"operator":"Or","innerConditions":[
						{"conditionType":"Property","conditionProperties":{"propertyName":"IncidentSeverity","operator":"Equals","propertyValues":["High"]}},
						{"conditionType":"PropertyArrayChanged","conditionProperties":{"arrayType":"Labels","changeType":"Added"}}]}}]},
				"actions":[{"order":1,"actionType":"RunPlaybook","actionConfiguration":{"logicAppResourceId":"/subscriptions/` + ContosoSubscription + `/resourceGroups/` + ContosoResourceGroup + `/providers/Microsoft.Logic/workflows/tell-the-officers","tenantId":"` + ContosoTenantID + `"}}]}}`),
		},
	}
}

// The workspace of the built-in company.
const (
	ContosoSubscription  = "6f0d6c1a-2f4e-4b0c-9a43-7d1e5c3b8a20"
	ContosoResourceGroup = "contoso-security"
	ContosoWorkspace     = "contoso-sentinel"
)

func (b *builder) addSentinel(c Company) {
	at := c.Sentinel
	if at == nil {
		return
	}
	for field, v := range map[string]string{"subscription": at.Subscription, "resource_group": at.ResourceGroup, "name": at.Name} {
		if v == "" {
			b.fail("sentinel.%s is missing", field)
		}
	}
	for i, raw := range at.AutomationRules {
		var rule object
		if err := json.Unmarshal(raw, &rule); err != nil || rule["properties"] == nil {
			b.fail("sentinel.automation_rules[%d] is no object with properties", i)
			continue
		}
		name := textOf(rule["name"])
		if name == "" {
			name = guid(c.TenantID, "automation rule", itoa(i))
		}
		rule["id"], rule["name"], rule["type"] = at.id("automationRules/"+name), name, "Microsoft.SecurityInsights/automationRules"
		rule["etag"] = `"` + guid(name, string(raw)) + `"`
		b.w.rules = append(b.w.rules, rule)
	}
}

// id is the whole id of a resource of the workspace.
func (at *Workspace) id(below string) string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.OperationalInsights/workspaces/%s/providers/Microsoft.SecurityInsights/%s",
		at.Subscription, at.ResourceGroup, at.Name, below)
}

func listRules(c *call) (reply, error) {
	return azurePage(c, c.w.rules, 100, 100, func(r object) object { return deepCopy(r).(object) })
}

func getRule(c *call) (reply, error) {
	for _, r := range c.w.rules {
		if strings.EqualFold(textOf(r["name"]), c.args["rule"]) {
			return ok(deepCopy(r)), nil
		}
	}
	return reply{}, fail(http.StatusNotFound, "NotFound", "Automation rule '%s' was not found.", c.args["rule"])
}

// sentinelIncident answers the incident of the path.
func (c *call) sentinelIncident() (*incident, error) {
	name := strings.ToLower(c.args["incident"])
	if i := c.w.sentinelIncident(name); i != nil {
		return i, nil
	}
	return nil, fail(http.StatusNotFound, "NotFound", "Incident '%s' was not found.", c.args["incident"])
}

func (w *world) sentinelIncident(name string) *incident {
	if i := w.ownIncidents[name]; i != nil {
		return i
	}
	for _, i := range w.incidents {
		if i.name == name {
			return i
		}
	}
	return nil
}

// etag changes with everything that is written on either side, as Sentinel's
// does for comments, too (github.com/briandelmsft/SentinelAutomationModules
// issue 211).
func (i *incident) etag() string {
	s := i.sentinel
	return `"` + guid(i.name, canonical(i.body), fmt.Sprint(len(i.alerts), s.reason, s.closing, s.activity, s.relations), fmt.Sprint(i.sentinelComments())) + `"`
}

// sentinelClass is Sentinel's word of a classification of Graph, and the reason
// that stands there for every determination.
func sentinelClass(classification string) (class, reason string) {
	switch classification {
	case "truePositive":
		return "TruePositive", "SuspiciousActivity"
	case "falsePositive":
		return "FalsePositive", "InaccurateData"
	case "informationalExpectedActivity":
		return "BenignPositive", "SuspiciousButExpected"
	}
	return "Undetermined", ""
}

func sentinelStatus(status string) string {
	switch status {
	case "resolved", "redirected":
		return "Closed"
	case "inProgress", "awaitingAction":
		return "Active"
	}
	return "New"
}

func sentinelSeverity(severity string) string {
	switch severity {
	case "high", "medium", "low":
		return strings.ToUpper(severity[:1]) + severity[1:]
	}
	return "Informational"
}

// sentinelWire is the incident as Sentinel shows it.
func (c *call) sentinelWire(i *incident) object {
	at, b := c.w.company.Sentinel, i.body
	id := at.id("Incidents/" + i.name)
	labels := []object{}
	for _, t := range listOf(b["customTags"]) {
		labels = append(labels, object{"labelName": t, "labelType": "User"})
	}
	for _, t := range listOf(b["systemTags"]) {
		labels = append(labels, object{"labelName": t, "labelType": "AutoAssigned"})
	}
	if b["status"] == "redirected" {
		labels = append(labels, object{"labelName": "redirected", "labelType": "AutoAssigned"})
	}
	first, last := c.activity(i)
	p := object{
		"title": textOf(b["displayName"]), "severity": sentinelSeverity(textOf(b["severity"])), "status": sentinelStatus(textOf(b["status"])),
		"owner": c.ownerWire(textOf(b["assignedTo"])), "labels": labels, "firstActivityTimeUtc": first, "lastActivityTimeUtc": last,
		"lastModifiedTimeUtc": b["lastUpdateDateTime"], "createdTimeUtc": b["createdDateTime"], "incidentNumber": i.number,
		"additionalData": c.additionalData(i), "relatedAnalyticRuleIds": []any{},
		"incidentUrl":  "https://portal.azure.com/#asset/Microsoft_Azure_Security_Insights/Incident" + id,
		"providerName": "Microsoft XDR", "providerIncidentId": i.id(),
	}
	if _, own := c.w.ownIncidents[i.name]; own {
		p["providerName"], p["providerIncidentId"] = "Azure Sentinel", itoa(i.number)
	}
	if text := textOf(b["description"]); text != "" {
		p["description"] = text
	}
	class, reason := sentinelClass(textOf(b["classification"]))
	if class != "Undetermined" || p["status"] == "Closed" {
		p["classification"] = class
	}
	if i.sentinel.reason != "" {
		reason = i.sentinel.reason
	}
	if reason != "" {
		p["classificationReason"] = reason
	}
	if i.sentinel.closing != "" {
		p["classificationComment"] = i.sentinel.closing
	}
	return object{
		"id": id, "name": i.name, "etag": i.etag(), "type": "Microsoft.SecurityInsights/Incidents", "properties": p,
	}
}

func listOf(v any) []any { l, _ := v.([]any); return l }

// activity is the time of the first and the last thing that happened.
func (c *call) activity(i *incident) (first, last string) {
	for _, id := range i.alerts {
		b := c.w.alerts[id].body
		if t := textOf(b["firstActivityDateTime"]); t != "" && (first == "" || t < first) {
			first = t
		}
		last = max(last, textOf(b["lastActivityDateTime"]))
	}
	for n, v := range []*string{&first, &last} {
		if i.sentinel.activity[n] != "" {
			*v = i.sentinel.activity[n]
		}
		if *v == "" {
			*v = textOf(i.body["createdDateTime"])
		}
	}
	return first, last
}

func (c *call) additionalData(i *incident) object {
	products, tactics := []string{}, []string{}
	for _, id := range i.alerts {
		p := c.alertEntity(c.w.alerts[id])["properties"].(object)
		products = append(products, p["productName"].(string))
		tactics = append(tactics, p["tactics"].([]string)...)
	}
	slices.Sort(products)
	slices.Sort(tactics)
	out := object{
		"alertsCount": len(i.alerts), "bookmarksCount": 0, "commentsCount": len(i.sentinelComments()),
		"alertProductNames": slices.Compact(products), "tactics": slices.Compact(tactics),
	}
	if url := textOf(i.body["incidentWebUrl"]); url != "" {
		out["providerIncidentUrl"] = url
	}
	return out
}

// ownerWire is who works on an incident, as far as the directory knows.
func (c *call) ownerWire(name string) object {
	out := object{"objectId": nil, "email": nil, "assignedTo": nil, "userPrincipalName": nil}
	if name == "" {
		return out
	}
	if u := c.w.userByName(name); u != nil {
		return object{"objectId": u.ID, "email": u.Mail, "assignedTo": u.Name, "userPrincipalName": u.UPN, "ownerType": "User"}
	}
	out["assignedTo"], out["ownerType"] = name, "Unknown"
	return out
}

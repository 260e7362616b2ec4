package sentinelrules_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

type object = map[string]any

// dice makes rules and incidents. Wild incidents have what the model has not.
type dice struct {
	*rand.Rand
	wild bool
}

var words = []string{
	"Payroll", "payroll-2026.xlsx", "Scanner", "known scanner", "Über", "dana", "omar.officer", "contoso.example", "10.0.0.7", "10.0.0.70",
	"https://contoso.example/a", "red", "blue", "2024", "2023", "host-1", "host-10", `say "no"`, `c:\temp\a b`, "S-1-5-21-1", "${{ x }}", "Exfiltration", "Discovery", "it's",
}

var products = []string{
	"Microsoft Data Loss Prevention", "Microsoft Defender for Cloud", "Microsoft Defender for Cloud Apps", "Azure Sentinel", "Acme Guard", "acme guard pro",
}

func pick[T any](d dice, list []T) T { return list[d.IntN(len(list))] }

// cased is a text in some case.
func (d dice) cased(s string) string {
	switch d.IntN(3) {
	case 0:
		return strings.ToUpper(s)
	case 1:
		return strings.ToLower(s)
	}
	return s
}

// value is one that a rule compares with: a word, or a part of one.
func (d dice) value(of []string) string {
	runes := []rune(pick(d, of))
	from := d.IntN(len(runes))
	switch d.IntN(4) {
	case 0:
		runes = runes[from:]
	case 1:
		runes = runes[:from+1]
	}
	return d.cased(string(runes))
}

var operators = []string{"Equals", "Contains", "StartsWith", "EndsWith"}

// less are properties of which the model may have less than Sentinel.
var less = []string{"AccountName", "FileName", "FileHashValue", "IncidentTactics", "ProcessCommandLine"}

func (d dice) comparison(property string) object {
	op := pick(d, operators)
	if d.IntN(3) == 0 && !slices.Contains(less, property) {
		op = "Not" + op
	}
	from := words
	switch property {
	case "AlertProductNames":
		from = products
	case "IncidentSeverity":
		from = []string{"High", "Medium", "Low", "Informational"}
	case "IncidentStatus":
		from = []string{"New", "Active", "Closed"}
	}
	values := []string{}
	for range 1 + d.IntN(3) {
		v := d.value(from)
		if property == "IncidentSeverity" || property == "IncidentStatus" {
			op, v = strings.Replace(strings.Replace(strings.Replace(op, "Contains", "Equals", 1), "StartsWith", "Equals", 1), "EndsWith", "Equals", 1), d.cased(pick(d, from))
		}
		if property == "AlertProductNames" && len(v) < 5 { // by a letter or two the several names of a product differ
			v = pick(d, products)
		}
		values = append(values, v)
	}
	return object{"propertyName": property, "operator": op, "propertyValues": values}
}

// carried answers a maker of conditions that can be carried over.
func (d dice) carried() func(when string, depth int) object {
	var properties []string
	for p := range identifiers {
		properties = append(properties, p)
	}
	properties = append(properties, "IncidentTitle", "IncidentDescription", "IncidentSeverity", "IncidentStatus", "IncidentLabel", "IncidentTactics", "AlertProductNames")
	slices.Sort(properties)
	var one func(when string, depth int) object
	one = func(when string, depth int) object {
		kind := d.IntN(10)
		switch {
		case kind < 2 && depth < 3:
			inner := []object{}
			for range 2 + d.IntN(2) {
				inner = append(inner, one(when, depth+1))
			}
			return object{"conditionType": "Boolean", "conditionProperties": object{"operator": pick(d, []string{"And", "Or", "Or"}), "innerConditions": inner}}
		case kind == 2:
			return object{"conditionType": "PropertyArray", "conditionProperties": object{
				"arrayType": "IncidentLabels", "arrayConditionType": "AnyItem",
				"itemConditions": []object{{"conditionType": "Property", "conditionProperties": d.comparison("IncidentLabel")}},
			}}
		case kind < 6 && when == "Updated":
			switch d.IntN(4) {
			case 0:
				return object{"conditionType": "PropertyArrayChanged", "conditionProperties": object{"arrayType": "Alerts", "changeType": "Added"}}
			case 1:
				return object{"conditionType": "PropertyChanged", "conditionProperties": object{"propertyName": pick(d, []string{"IncidentOwner", "IncidentStatus", "IncidentSeverity"})}}
			}
			c := d.comparison(pick(d, []string{"IncidentStatus", "IncidentSeverity"}))
			c["changeType"] = "ChangedTo"
			return object{"conditionType": "PropertyChanged", "conditionProperties": c}
		}
		return object{"conditionType": "Property", "conditionProperties": d.comparison(pick(d, properties))}
	}
	return one
}

// any answers a maker of all kinds of conditions, also those that cannot be
// carried over.
func (d dice) any() func(when string, depth int) object {
	carried := d.carried()
	return func(when string, depth int) object {
		switch d.IntN(12) {
		case 0:
			return object{"conditionType": "Property", "conditionProperties": d.comparison("IncidentProviderName")}
		case 1:
			c := d.comparison(pick(d, less))
			c["operator"] = "NotContains"
			return object{"conditionType": "Property", "conditionProperties": c}
		case 2:
			c := d.comparison("IncidentStatus")
			c["changeType"] = "ChangedFrom"
			return object{"conditionType": "PropertyChanged", "conditionProperties": c}
		case 3:
			return object{"conditionType": "PropertyArrayChanged", "conditionProperties": object{"arrayType": pick(d, []string{"Labels", "Tactics", "Comments"}), "changeType": "Added"}}
		}
		return carried(when, depth)
	}
}

func (d dice) rule(condition func(when string, depth int) object) object {
	when := pick(d, []string{"Created", "Updated"})
	conditions := []object{}
	for range d.IntN(3) {
		conditions = append(conditions, condition(when, 1))
	}
	logic := object{"isEnabled": d.IntN(12) > 0, "triggersOn": "Incidents", "triggersWhen": when, "conditions": conditions}
	switch d.IntN(12) {
	case 0:
		logic["expirationTimeUtc"] = "2026-06-01T11:59:59Z"
	case 1:
		logic["expirationTimeUtc"] = "2026-06-01T12:00:01Z"
	}
	return object{"name": "73e01a99-5cd7-4139-a149-9f2736ff2ab5", "properties": object{
		"displayName": "Rule " + d.value(words), "order": 1 + d.IntN(1000), "triggeringLogic": logic,
		"actions": []object{{"order": 1, "actionType": "ModifyProperties", "actionConfiguration": object{"labels": []object{{"labelName": "x"}}}}},
	}}
}

// event is one that happens to an incident; false if nothing has.
func (d dice) event(t *testing.T) (happened, bool) {
	now := d.incident()
	if d.IntN(2) == 0 {
		return offered(t, nil, now)
	}
	return offered(t, now, d.later(now))
}

func (d dice) incident() object {
	p := object{
		"title": pick(d, words) + " " + pick(d, words), "severity": pick(d, []string{"High", "Medium", "Low", "Informational"}),
		"status": pick(d, []string{"New", "Active", "Closed"}), "labels": d.labels(d.IntN(3)),
		"createdTimeUtc": "2026-06-01T09:00:00Z", "lastModifiedTimeUtc": "2026-06-01T10:00:00Z",
	}
	if d.IntN(2) == 0 {
		p["description"] = pick(d, words)
	}
	if d.IntN(2) == 0 {
		p["owner"] = object{"userPrincipalName": pick(d, words) + "@contoso.example"}
	}
	alerts := []object{}
	for i := range d.IntN(3) {
		alerts = append(alerts, d.alert(i))
	}
	return object{
		"incident": object{"name": "73e01a99-5cd7-4139-a149-9f2736ff2ab5", "properties": p},
		"alerts":   alerts, "entities": d.entities(), "comments": []object{},
	}
}

func (d dice) labels(n int) []object {
	list := []object{}
	for _, i := range d.Perm(len(words))[:n] {
		list = append(list, object{"labelName": words[i], "labelType": pick(d, []string{"User", "AutoAssigned"})})
	}
	return list
}

func (d dice) alert(i int) object {
	tactics := []string{pick(d, []string{"Exfiltration", "Discovery"})}
	if d.wild {
		tactics = append(tactics, "Impact", "Collection")
	}
	return object{"name": fmt.Sprintf("alert-%d", i), "kind": "SecurityAlert", "properties": object{
		"systemAlertId": fmt.Sprintf("alert-%d", i), "alertDisplayName": pick(d, words), "productName": pick(d, products), "tactics": tactics,
		"severity": "High", "status": "New", "timeGenerated": "2026-06-01T09:00:00Z",
	}}
}

// entities are of every kind, none, one or two; what names one is its alone.
func (d dice) entities() []object {
	list := []object{}
	add := func(kind string, entity func(i int, unique string) object) {
		for n, at := range d.Perm(len(words))[:d.IntN(3)] {
			list = append(list, object{"id": fmt.Sprintf("/e/%s-%d", kind, n), "name": fmt.Sprintf("%s-%d", kind, n), "kind": kind, "properties": entity(n, words[at])})
		}
	}
	add("Account", func(i int, name string) object {
		p := object{"accountName": name, "upnSuffix": pick(d, []string{"contoso.example", "fabrikam.example"}), "aadUserId": fmt.Sprintf("0000000%d-aaaa-4bbb-8ccc-0123456789ab", i+1)}
		if d.IntN(2) == 0 {
			p["sid"] = fmt.Sprintf("S-1-5-21-%d", i+1)
		}
		if d.wild && d.IntN(2) == 0 {
			delete(p, "upnSuffix")
		}
		return p
	})
	add("Host", func(_ int, name string) object {
		return object{"hostName": strings.ReplaceAll(name, ".", "-"), "dnsDomain": "contoso.example"}
	})
	add("Ip", func(i int, _ string) object {
		return object{"address": []string{"10.0.0.7", "10.0.0.70"}[i]}
	})
	add("Url", func(_ int, name string) object { return object{"url": name} })
	add("Mailbox", func(_ int, name string) object {
		return object{"mailboxPrimaryAddress": name + "@contoso.example", "upn": name + "@contoso.example", "displayName": name}
	})
	add("MailMessage", func(i int, name string) object {
		return object{"internetMessageId": fmt.Sprintf("<%d@x>", i), "subject": name, "recipient": pick(d, words), "p2Sender": "a@x"}
	})
	add("CloudApplication", func(i int, name string) object { return object{"appId": i + 1, "appName": name} })
	add("Process", func(i int, name string) object {
		p := object{"processId": fmt.Sprint(i + 1), "commandLine": name}
		if d.wild && i == 0 {
			p["processId"] = "0x17"
		}
		return p
	})
	add("File", func(i int, name string) object {
		return object{"fileName": strings.NewReplacer("/", "-", `\`, "-").Replace(name), "directory": fmt.Sprintf(`C:\data-%d`, i), "fileHashEntityIds": []string{fmt.Sprintf("/e/FileHash-%d", i)}}
	})
	for i := range 2 {
		if slices.ContainsFunc(list, func(o object) bool { return o["name"] == fmt.Sprintf("File-%d", i) }) {
			algorithm := "SHA256"
			if d.wild && i == 0 {
				algorithm = "MD5"
			}
			list = append(list, object{"id": fmt.Sprintf("/e/FileHash-%d", i), "name": fmt.Sprintf("FileHash-%d", i), "kind": "FileHash", "properties": object{
				"algorithm": algorithm, "hashValue": strings.Repeat(fmt.Sprint(i+1), 64),
			}})
		}
	}
	return list
}

// later is the incident after some changes.
func (d dice) later(o object) object {
	p := object{}
	for k, v := range o["incident"].(object)["properties"].(object) {
		p[k] = v
	}
	after := object{"incident": object{"name": o["incident"].(object)["name"], "properties": p}, "alerts": o["alerts"], "entities": o["entities"], "comments": o["comments"]}
	for range 1 + d.IntN(3) {
		switch d.IntN(8) {
		case 0:
			p["status"] = pick(d, []string{"New", "Active", "Closed"})
		case 1:
			p["severity"] = pick(d, []string{"High", "Medium", "Low", "Informational"})
		case 2:
			p["owner"] = object{"userPrincipalName": "somebody@contoso.example"}
		case 3:
			p["title"] = pick(d, words)
		case 4:
			p["description"] = pick(d, words)
		case 5:
			p["labels"] = append(slices.Clone(p["labels"].([]object)), object{"labelName": "new", "labelType": "User"})
		case 6:
			n := len(after["alerts"].([]object))
			after["alerts"] = append(slices.Clone(after["alerts"].([]object)), d.alert(n))
		case 7:
			after["comments"] = []object{{"name": "c", "properties": object{"message": "seen", "createdTimeUtc": "2026-06-01T10:00:00Z"}}}
		}
	}
	return after
}

package sentinelrules

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"stanch/connectors/incident"
)

// field is where the model has a property that Sentinel compares.
type field struct {
	list  string // what the incident has several of; "": it has it once
	text  string // the property in small letters, "" where it is absent
	fewer string // what of the property the model has not
}

// fieldOf answers where the model has a property; see connectors/incident,
// MAPPING.md.
func fieldOf(property string) (field, bool) {
	of := func(list, name string) field {
		return field{list: "evidence." + list, text: "lower(." + name + ` ?? "")`}
	}
	part := func(list, name, separator string) field {
		return field{list: "evidence." + list, text: "(first(split(lower(." + name + ` ?? ""), "` + separator + `")) ?? "")`}
	}
	but := func(f field, fewer string) field {
		f.fewer = fewer
		return f
	}
	f, known := map[string]field{
		"IncidentTitle":           {text: "lower(incident.title)"},
		"IncidentDescription":     {text: `lower(incident.description ?? "")`},
		"IncidentLabel":           {list: "concat(incident.tags, incident.system_tags)", text: "lower(#)"},
		"IncidentTactics":         but(field{list: "incident.alerts", text: `lower(.category ?? "")`}, "of an alert with several tactics it has the first"),
		"AccountAadUserId":        of("users", "entra_id"),
		"AccountName":             but(part("users", "upn", "@"), "it has the name of accounts with a user principal name"),
		"AccountSid":              of("users", "sid"),
		"AccountUPNSuffix":        {list: "evidence.users", text: `(.upn != nil ? lower(.domain ?? "") : "")`},
		"CloudApplicationAppId":   of("apps", "app_id"),
		"CloudApplicationAppName": of("apps", "name"),
		"FileName":                but(of("files", "name"), "executables of processes are no files in it"),
		"FileHashValue":           but(of("files", "sha256"), "it has the SHA-256 of files"),
		"HostName":                part("devices", "name", "."),
		"IPAddress":               of("ips", "address"),
		"MailboxDisplayName":      of("mailboxes", "name"),
		"MailboxPrimaryAddress":   of("mailboxes", "address"),
		"MailboxUPN":              of("mailboxes", "upn"),
		"MailMessageRecipient":    {list: "flatten(map(evidence.messages, .recipients))", text: "lower(#)"},
		"MailMessageSubject":      of("messages", "subject"),
		"ProcessCommandLine":      but(of("processes", "command_line"), "processes without a decimal id are not in it"),
		"Url":                     of("urls", "url"),
	}[property]
	return f, known
}

// unsupported says what to do about a property that the model has not.
func unsupported(part, property string) *Note {
	do := "ask for something else that tells these incidents, such as their title, policies or evidence"
	switch property {
	case "IncidentProviderName":
		do = "compare incident.source, which is defender or sentinel"
	case "IncidentRelatedAnalyticRuleIds", "AlertAnalyticRuleIds":
		do = "ask for the titles of the rule's alerts: any(incident.alerts, .title == \"…\"); DLP incidents have no analytics rule"
	case "IncidentUpdatedBySource":
		do = "leave it out if it stands against loops: what Stanch itself wrote is no update to it"
	case "IncidentCustomDetailsKey", "IncidentCustomDetailsValue":
		do = "look the incident up in the playbook that runs; the model keeps no custom details"
	}
	return off(part, "the incident model does not have it", do)
}

// word is one that a property can have.
type word struct{ sentinel, ours string }

type choices struct {
	text  string
	words []word
}

func (c choices) names() []string {
	var all []string
	for _, w := range c.words {
		all = append(all, w.sentinel)
	}
	return all
}

// wordsOf are the properties that have one of a few words.
func wordsOf(property string) (choices, bool) {
	switch property {
	case "IncidentSeverity":
		return choices{"incident.severity", []word{{"High", "high"}, {"Medium", "medium"}, {"Low", "low"}, {"Informational", "informational"}}}, true
	case "IncidentStatus":
		return choices{"incident.status", []word{{"New", "active"}, {"Active", "inProgress"}, {"Closed", "resolved"}}}, true
	}
	return choices{}, false
}

// products compares the names of the products of the alerts. The model has one
// word for all names that a product has had.
func (c comparison) products(op string, negative bool) expr {
	named := func(name string) bool {
		return slices.ContainsFunc(incident.Products(), func(p incident.Product) bool { return strings.EqualFold(p.Name, name) })
	}
	var sources []string
	for _, p := range incident.Products() {
		if s := quote(string(p.Source)); c.fits(op, p.Name) && !slices.Contains(sources, s) {
			sources = append(sources, s)
		}
	}
	asNamed := !slices.ContainsFunc(c.Values, func(v string) bool { return !named(v) })
	if len(sources) == 1 && asNamed && !negative {
		return expr{sources[0] + " in incident.service_sources", "and"}
	}
	var parts []expr
	if len(sources) > 0 {
		parts = append(parts, expr{"# in [" + strings.Join(sources, ", ") + "]", "and"})
	}
	if len(sources) == 0 || op != "Equals" && (negative || !asNamed) { // other products are called as they are
		parts = append(parts, c.holds(op, "lower(#)"))
	}
	some := map[bool]string{false: "any", true: "none"}[negative]
	return expr{some + "(incident.service_sources, " + joined("or", parts).text + ")", ""}
}

// array carries over a condition about each item of a list.
func (t *translation) array(raw json.RawMessage, depth int) (expr, *Note) {
	var a struct {
		List  string      `json:"arrayType"`
		Which string      `json:"arrayConditionType"`
		Items []condition `json:"itemConditions"`
	}
	if err := strictly(raw, &a); err != nil {
		return expr{}, unread("PropertyArray", err)
	}
	part := "condition " + a.List + " " + a.Which
	if a.List != "IncidentLabels" && a.List != "Labels" {
		return expr{}, off(part, "the incident model does not have it", "look the incident up in the playbook that runs; the model keeps no custom details")
	}
	if a.Which != "AnyItem" || len(a.Items) == 0 {
		return expr{}, off(part, "it does not say what is asked of any one tag", "write the rule's `if` by hand")
	}
	q, why := item(part, a.Items, "and", depth+1)
	if why != nil {
		return expr{}, why
	}
	return expr{"any(concat(incident.tags, incident.system_tags), " + q.text + ")", ""}, nil
}

// item carries over what is asked of one tag.
func item(part string, list []condition, op string, depth int) (expr, *Note) {
	var parts []expr
	for _, c := range list {
		switch {
		case c.Type == "Property":
			var p struct {
				Name string `json:"propertyName"`
				comparison
			}
			if err := strictly(c.Parts, &p); err != nil {
				return expr{}, unread("Property", err)
			}
			positive, negative, why := p.check(part)
			if why != nil {
				return expr{}, why
			}
			if p.Name != "IncidentLabel" {
				return expr{}, off(part, fmt.Sprintf("of a tag it asks %q", p.Name), "write the rule's `if` by hand")
			}
			q := p.holds(positive, "lower(#)")
			if negative {
				q = not(q)
			}
			parts = append(parts, q)
		case c.Type == "Boolean" && depth <= deepest:
			var b struct {
				Op    string      `json:"operator"`
				Inner []condition `json:"innerConditions"`
			}
			if err := strictly(c.Parts, &b); err != nil {
				return expr{}, unread("Boolean", err)
			}
			inner := strings.ToLower(b.Op)
			if inner != "and" && inner != "or" || len(b.Inner) == 0 {
				return expr{}, off(part, fmt.Sprintf("it is %q of %d conditions", b.Op, len(b.Inner)), "write the rule's `if` by hand")
			}
			q, why := item(part, b.Inner, inner, depth+1)
			if why != nil {
				return expr{}, why
			}
			parts = append(parts, q)
		default:
			return expr{}, off(part, "of a tag it asks a condition of the kind "+quote(c.Type), "write the rule's `if` by hand")
		}
	}
	return joined(op, parts), nil
}

// canonical are addresses as the model writes them.
func canonical(values []string) []string {
	var out []string
	for _, v := range values {
		if ip, err := netip.ParseAddr(strings.TrimSpace(v)); err == nil {
			v = ip.Unmap().String()
		}
		out = append(out, v)
	}
	return out
}

// quote is a text as the language writes one, without what opens an expression
// in other texts.
func quote(s string) string { return strings.ReplaceAll(strconv.Quote(s), "${{", `$\u007b{`) }

package sentinelrules_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"stanch/playbooks"
	"stanch/playbooks/sentinelrules"
)

func file(t *testing.T, name string, o sentinelrules.Options) []sentinelrules.Rule {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := sentinelrules.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	o.Now = today
	return sentinelrules.Translate(sources, o)
}

func noted(r sentinelrules.Rule, effect, part string) bool {
	return slices.ContainsFunc(r.Notes, func(n sentinelrules.Note) bool {
		return n.Effect == effect && strings.Contains(n.Part, part) && n.Why != "" && n.Do != ""
	})
}

func TestDocumentedRules(t *testing.T) {
	rules := file(t, "documented.json", sentinelrules.Options{Known: []string{"tell-the-officers"}})
	want := []string{
		`rule: planned-penetration-test
title: "Planned penetration test"
order: 10
expires: "2026-06-30T18:00:00Z"
on: [created]

if: >-
  any(evidence.ips, lower(.address ?? "") in ["192.0.2.10", "2001:db8::1"])
  and lower(incident.title) contains "brute force"

then:
  - update: {"classification": "informationalExpectedActivity", "status": "resolved"}
  - comment: "Known: $${{ not evaluated }}"
  - tag: ["pentest"]
`, `rule: escalate
title: "Escalate"
order: 11
on: [updated]

if: >-
  "severity" in event.changes and incident.severity == "high"
  and (incident.status == "active" or len(event.new_alerts) > 0)

then:
  - update: {"status": "inProgress"}
  - assign: "dana.officer@contoso.example"
  - run: "tell-the-officers"
`, `any(concat(incident.tags, incident.system_tags), not (lower(#) contains "2024"))`,
		`none(concat(incident.tags, incident.system_tags), lower(#) contains "2024")`,
	}
	for i, r := range rules {
		if !r.Enabled || len(r.Notes) > 0 || !strings.Contains(string(r.Text), want[i]) {
			t.Errorf("%s: enabled %t, notes %+v\n%s\nwant\n%s", r.Title, r.Enabled, r.Notes, r.Text, want[i])
		}
		if again, found := playbooks.Format("r.yaml", r.Text); len(found) > 0 || !bytes.Equal(again, r.Text) {
			t.Errorf("%s is not in the form of stanch fmt:\n%s", r.Name, again)
		}
	}
}

// The page's own example: any individual tag, and the collection of all tags.
func TestTagsOneByOneAndTogether(t *testing.T) {
	text, err := os.ReadFile("testdata/documented.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Value []json.RawMessage }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule int
		tags []string
		want bool
	}{{2, []string{"2024", "2023"}, true}, {2, []string{"2023", "2022"}, true}, {3, []string{"2024", "2023"}, false}, {3, []string{"2023", "2022"}, true}} {
		r, _ := imported(t, list.Value[c.rule])
		labels := []object{}
		for _, tag := range c.tags {
			labels = append(labels, object{"labelName": tag, "labelType": "User"})
		}
		h, _ := offered(t, nil, object{
			"incident": object{"name": "73e01a99-5cd7-4139-a149-9f2736ff2ab5", "properties": object{"title": "x", "severity": "High", "status": "New", "labels": labels}},
			"alerts":   []object{}, "entities": []object{}, "comments": []object{},
		})
		if v := decides(t, r, h); v.Matched != c.want {
			t.Errorf("%s of %v: %t", r.Title, c.tags, v.Matched)
		}
	}
}

func TestTheSampleOfTheAPI(t *testing.T) {
	rules := file(t, "sentinel_automationRule_put.json", sentinelrules.Options{})
	r := rules[0]
	if len(rules) != 1 || r.Enabled || r.Name != "suspicious-user-sign-in-events" || r.Order != 1 {
		t.Errorf("%+v", r)
	}
	for _, n := range [][2]string{
		{sentinelrules.Off, "IncidentRelatedAnalyticRuleIds"}, {sentinelrules.LeftOut, "AddIncidentTask"}, {sentinelrules.Off, "actions"},
	} {
		if !noted(r, n[0], n[1]) {
			t.Errorf("no note %v in %+v", n, r.Notes)
		}
	}
	if !strings.Contains(string(r.Text), "enabled: false") || !strings.Contains(string(r.Text), "Reset user passwords") {
		t.Errorf("%s", r.Text)
	}
}

// properties are all that a condition can name (AutomationRules.json, 2024-09-01).
const properties = `IncidentTitle IncidentDescription IncidentSeverity IncidentStatus IncidentRelatedAnalyticRuleIds IncidentTactics IncidentLabel
IncidentProviderName IncidentUpdatedBySource IncidentCustomDetailsKey IncidentCustomDetailsValue AccountAadTenantId AccountAadUserId AccountName
AccountNTDomain AccountPUID AccountSid AccountObjectGuid AccountUPNSuffix AlertProductNames AlertAnalyticRuleIds AzureResourceResourceId
AzureResourceSubscriptionId CloudApplicationAppId CloudApplicationAppName DNSDomainName FileDirectory FileName FileHashValue HostAzureID HostName
HostNetBiosName HostNTDomain HostOSVersion IoTDeviceId IoTDeviceName IoTDeviceType IoTDeviceVendor IoTDeviceModel IoTDeviceOperatingSystem IPAddress
MailboxDisplayName MailboxPrimaryAddress MailboxUPN MailMessageDeliveryAction MailMessageDeliveryLocation MailMessageRecipient MailMessageSenderIP
MailMessageSubject MailMessageP1Sender MailMessageP2Sender MalwareCategory MalwareName ProcessCommandLine ProcessId RegistryKey RegistryValueData Url`

// Every property is carried over, or the rule is off and the report names it.
func TestEveryPropertyIsCarriedOverOrTold(t *testing.T) {
	carried := 0
	for _, p := range strings.Fields(properties) {
		for _, op := range []string{"Equals", "NotContains"} {
			value := map[string]string{"IncidentSeverity": "High", "IncidentStatus": "Closed"}[p]
			if value == "" {
				value = "something"
			}
			d := rule(object{"conditionType": "Property", "conditionProperties": object{"propertyName": p, "operator": op, "propertyValues": []string{value}}})
			_, out := imported(t, d)
			if out.Enabled {
				carried++
			}
			if has := strings.Contains(string(out.Text), "\nif: "); has != out.Enabled || out.Enabled == noted(out, sentinelrules.Off, p) {
				t.Errorf("%s %s: enabled %t, %+v\n%s", p, op, out.Enabled, out.Notes, out.Text)
			}
		}
	}
	if carried != 24+24-5 { // of the five that the model has less of, only the positive
		t.Errorf("%d conditions are carried over", carried)
	}
}

// rule is one that tags incidents for which conditions hold.
func rule(conditions ...object) object {
	return object{"name": "73e01a99-5cd7-4139-a149-9f2736ff2ab5", "properties": object{
		"displayName": "One", "order": 1,
		"triggeringLogic": object{"isEnabled": true, "triggersOn": "Incidents", "triggersWhen": "Created", "conditions": conditions},
		"actions":         []object{{"order": 1, "actionType": "ModifyProperties", "actionConfiguration": object{"labels": []object{{"labelName": "x"}}}}},
	}}
}

func TestConditionsThatAreNotCarriedOver(t *testing.T) {
	property := func(p object) object { return object{"conditionType": "Property", "conditionProperties": p} }
	deep := property(object{"propertyName": "IncidentTitle", "operator": "Equals", "propertyValues": []string{"x"}})
	for range 10 {
		deep = object{"conditionType": "Boolean", "conditionProperties": object{"operator": "And", "innerConditions": []object{deep, deep}[:1]}}
	}
	long := []string{}
	for range 300 {
		long = append(long, strings.Repeat("x", 20)+string(rune('a'+len(long)%26))+strings.Repeat("y", len(long)))
	}
	for name, c := range map[string]struct {
		condition object
		why       string
	}{
		"no value":         {property(object{"propertyName": "IncidentTitle", "operator": "Equals", "propertyValues": []string{}}), "no value"},
		"empty value":      {property(object{"propertyName": "IncidentTitle", "operator": "Contains", "propertyValues": []string{"a", ""}}), "an empty one"},
		"unknown operator": {property(object{"propertyName": "IncidentTitle", "operator": "Matches", "propertyValues": []string{"a"}}), `operator "Matches"`},
		"unknown word":     {property(object{"propertyName": "IncidentSeverity", "operator": "Equals", "propertyValues": []string{"High", "Critical"}}), `"Critical" fits none`},
		"more than known":  {property(object{"propertyName": "IncidentTitle", "operator": "Equals", "propertyValues": []string{"a"}, "scope": "b"}), `unknown field "scope"`},
		"wrong shape":      {property(object{"propertyName": "IncidentTitle", "operator": "Equals", "propertyValues": "a"}), "cannot be read"},
		"unknown kind":     {object{"conditionType": "Moon", "conditionProperties": object{}}, "not known"},
		"no parts":         {object{"conditionType": "Property"}, "cannot be read"},
		"custom details":   {object{"conditionType": "PropertyArray", "conditionProperties": object{"arrayType": "CustomDetails", "arrayConditionType": "AnyItem", "itemConditions": []object{}}}, "model does not have"},
		"too deep":         {deep, "more than 8 deep"},
		"too long":         {property(object{"propertyName": "IncidentTitle", "operator": "Equals", "propertyValues": long}), "at most 4096"},
		"changed from":     {object{"conditionType": "PropertyChanged", "conditionProperties": object{"propertyName": "IncidentStatus", "changeType": "ChangedFrom", "operator": "Equals", "propertyValues": []string{"Closed"}}}, "not what they were"},
		"owner to":         {object{"conditionType": "PropertyChanged", "conditionProperties": object{"propertyName": "IncidentOwner", "changeType": "ChangedTo", "operator": "Equals", "propertyValues": []string{"x"}}}, "not documented"},
		"tag added":        {object{"conditionType": "PropertyArrayChanged", "conditionProperties": object{"arrayType": "Labels", "changeType": "Added"}}, "not that one was added"},
		"one of two": {object{"conditionType": "Boolean", "conditionProperties": object{"operator": "Or", "innerConditions": []object{
			property(object{"propertyName": "IncidentTitle", "operator": "Equals", "propertyValues": []string{"x"}}),
			property(object{"propertyName": "MalwareName", "operator": "Equals", "propertyValues": []string{"x"}}),
		}}}, "not all of its conditions"},
	} {
		_, out := imported(t, rule(c.condition))
		said := ""
		for _, n := range out.Notes {
			said += n.Part + ": " + n.Why + "\n"
		}
		if out.Enabled || out.Text == nil || !strings.Contains(said, c.why) {
			t.Errorf("%s: enabled %t; no %q in\n%s", name, out.Enabled, c.why, said)
		}
	}
}

func TestActions(t *testing.T) {
	modify := func(order int, p object) object {
		return object{"order": order, "actionType": "ModifyProperties", "actionConfiguration": p}
	}
	runs := func(app string) object {
		return object{"order": 5, "actionType": "RunPlaybook", "actionConfiguration": object{"logicAppResourceId": app}}
	}
	for name, c := range map[string]struct {
		actions []object
		then    string
		note    string // effect: part
	}{
		"joined":            {[]object{modify(1, object{"status": "Active"}), modify(2, object{"classification": "TruePositive"})}, "- update: {\"classification\": \"truePositive\", \"status\": \"inProgress\"}\n", ""},
		"the later counts":  {[]object{modify(2, object{"status": "Closed"}), modify(1, object{"status": "Active"})}, "- update: {\"status\": \"resolved\"}\n", ""},
		"a playbook within": {[]object{modify(1, object{"status": "Active"}), runs("/x/workflows/tell"), modify(9, object{"status": "Closed"})}, "- update: {\"status\": \"inProgress\"}\n  - run: \"tell-them\"\n", "not enabled: action update twice"},
		"of a template":     {[]object{runs("[concat('/subscriptions/x/workflows/', 'Tell')]")}, "- run: \"tell-them\"\n", ""},
		"no playbook":       {[]object{modify(1, object{"status": "Active"}), runs("/x/workflows/other")}, "- update: {\"status\": \"inProgress\"}\n", "not enabled: action RunPlaybook other"},
		"severity":          {[]object{modify(1, object{"severity": "Low", "status": "Active"})}, "- update: {\"status\": \"inProgress\"}\n", "left out: action severity Low"},
		"undetermined":      {[]object{modify(1, object{"status": "Closed", "classification": "Undetermined"})}, "- update: {\"status\": \"resolved\"}\n", ""},
		"reason":            {[]object{modify(1, object{"classification": "FalsePositive", "classificationReason": "IncorrectAlertLogic"})}, "- update: {\"classification\": \"falsePositive\"}\n", "left out: action classificationReason"},
		"unknown word":      {[]object{modify(1, object{"status": "Gone"})}, "- comment: ", "not enabled: action status Gone"},
		"owner by id":       {[]object{modify(1, object{"owner": object{"objectId": "o-1"}})}, "- comment: ", "left out: action owner"},
		"owner by mail":     {[]object{modify(1, object{"owner": object{"email": "jo@contoso.example"}})}, "- assign: \"jo@contoso.example\"\n", ""},
		"group":             {[]object{modify(1, object{"owner": object{"ownerType": "Group", "email": "g@contoso.example"}, "status": "Active"})}, "- update", "left out: action owner"},
		"a tag that opens":  {[]object{modify(1, object{"labels": []object{{"labelName": "${{ x }}"}, {"labelName": "y"}}})}, "- tag: [\"y\"]\n", "left out: action labels"},
		"unknown":           {[]object{{"order": 1, "actionType": "Sing"}}, "- comment: ", "not enabled: action Sing"},
		"wrong shape":       {[]object{modify(1, object{"labels": "x"})}, "- comment: ", "not enabled: action ModifyProperties"},
		"none":              {[]object{}, "- comment: ", "not enabled: actions"},
	} {
		doc := rule()
		doc["properties"].(object)["actions"] = c.actions
		_, out := imported(t, doc)
		effect, part, _ := strings.Cut(c.note, ": ")
		if !strings.Contains(string(out.Text), c.then) || c.note == "" && len(out.Notes) > 0 || c.note != "" && !noted(out, effect, part) || out.Enabled == hasOff(out) {
			t.Errorf("%s: enabled %t, notes %+v\n%s", name, out.Enabled, out.Notes, out.Text)
		}
	}
}

func TestOrdersAndNamesAreTheirOwn(t *testing.T) {
	var docs []object
	for i, order := range []int{7, 3, 3, 1000} {
		d := rule()
		d["properties"].(object)["order"] = order
		d["name"] = "id-" + string(rune('a'+i))
		docs = append(docs, d)
	}
	alerts := rule()
	alerts["properties"].(object)["triggeringLogic"].(object)["triggersOn"] = "Alerts"
	raw := must(json.Marshal(append(docs, alerts)))
	sources, err := sentinelrules.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	out := sentinelrules.Translate(sources, sentinelrules.Options{Now: today})
	got := ""
	var rules []*playbooks.Rule
	for _, r := range out {
		got += strings.TrimSpace(strings.Join([]string{r.ID, r.Name}, " ")) + "; "
		if r.Text != nil {
			one, _ := playbooks.LoadRule(r.Name, r.Text)
			rules = append(rules, one)
		}
	}
	if want := "73e01a99-5cd7-4139-a149-9f2736ff2ab5; id-b one-2; id-c one-3; id-a one-4; id-d one-5; "; got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if found := playbooks.CheckRules(rules, playbooks.World{}, today); len(found) > 0 {
		t.Error(found[0].Text())
	}
	if out[0].Text != nil || !noted(out[0], sentinelrules.Skipped, "Alerts") || !noted(out[1], sentinelrules.Differs, "order") || noted(out[3], sentinelrules.Differs, "order") {
		t.Errorf("%+v", out)
	}
}

func TestRead(t *testing.T) {
	one := string(must(json.Marshal(rule())))
	for text, n := range map[string]int{
		one: 1, "[" + one + "," + one + "]": 2, `{"value":[` + one + `]}`: 1, `{"value":[]}`: 0, "\ufeff" + one: 1,
		`{"$schema":"x","resources":[{"type":"Microsoft.OperationalInsights/workspaces/providers/automationRules","name":"[concat('w','/Microsoft.SecurityInsights/73e01a99-5cd7-4139-a149-9f2736ff2ab5')]",` + one[1:len(one)-1] + `},{"type":"x/y"}]}`: 1,
	} {
		got, err := sentinelrules.Read([]byte(text))
		if err != nil || len(got) != n {
			t.Errorf("%s: %d rules, %v", text, len(got), err)
		}
	}
	for text, want := range map[string]string{
		"":                  "got nothing",
		"rule: x":           "not JSON",
		`{"name":"x"}`:      "properties: an automation rule has properties",
		`{"properties":{}}`: "properties.triggeringLogic",
		`{"value":[{}]}`:    "value[0]: properties",
		`{"properties":{"triggeringLogic":{"isEnabled":"yes"}}}`: "properties.triggeringLogic.isEnabled: a string stands where an automation rule has true or false",
		`{"properties":{"order":"1","triggeringLogic":{}}}`:      "properties.order: a string stands where an automation rule has a whole number",
		`{"properties":{"triggeringLogic":{}}}`:                  "properties.displayName",
		`7`:                                                      "the text: a number stands",
	} {
		if _, err := sentinelrules.Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

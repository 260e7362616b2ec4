package playbooks

import (
	"strings"
	"testing"
	"time"
)

// ruleFindings loads and checks rules that stand together.
func ruleFindings(texts ...string) []Finding {
	w := testWorld()
	w.Calls = map[string]Source{"contain": {}, "tell": {}}
	var findings []Finding
	w.Lists, findings = LoadLists([]Source{{"training.yaml", []byte(trainingSites)}})
	var rules []*Rule
	for i, text := range texts {
		if text == "" {
			continue
		}
		r, found := LoadRule(string(rune('a'+i))+".yaml", []byte(text))
		findings = append(findings, found...)
		if r != nil {
			rules = append(rules, r)
		}
	}
	return append(findings, CheckRules(rules, w, time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC))...)
}

const trainingRule = `rule: close-training-site
title: DLP incidents that touch only the training site
order: 20
enabled: true
expires: "2027-03-31"
on: [created]
if: >-
  "dataLossPrevention" in incident.service_sources
  and len(evidence.files) > 0
  and all(evidence.files, (.site ?? "") in lists.training_sites)
then:
  - update: {status: resolved, classification: falsePositive, determination: notMalicious}
  - tag: [auto-closed]
  - assign: dana@contoso.example
  - comment: Closed ${{ incident.id }}
  - suppress: true
`

func TestAGoodRuleHasNoFindings(t *testing.T) {
	other := "rule: contain-all\norder: 30\nif: incident.severity == \"high\"\nthen:\n  - run: contain\n"
	ways := "rule: ways\norder: 40\nif: incident.severity == \"low\"\nthen:\n  - run: [contain, tell]\n  - run: {parallel: [contain, tell]}\n"
	if found := ruleFindings(trainingRule, other, ways); len(found) > 0 {
		t.Error(allText(found))
	}
}

func TestWhatIsWrongWithRulesIsSaid(t *testing.T) {
	rule := func(body string) string { return "rule: a-rule\norder: 5\n" + body }
	for name, c := range map[string]struct {
		rules []string
		want  string
	}{
		"no keys":                 {[]string{"title: x\n"}, "E202 a rule needs the key then"},
		"unknown key":             {[]string{rule("iff: true\nthen: [{tag: [a]}]\n")}, `E201 a rule has no key "iff"`},
		"name":                    {[]string{"rule: A_b\norder: 1\nthen: [{tag: [a]}]\n"}, "E205 a rule cannot be called"},
		"order":                   {[]string{"rule: a\norder: first\nthen: [{tag: [a]}]\n"}, "E203 order is a whole number"},
		"event":                   {[]string{rule("on: [closed]\nthen: [{tag: [a]}]\n")}, `E204 on has no "closed"`},
		"expiry a date":           {[]string{rule("expires: 2027-03-31\nthen: [{tag: [a]}]\n")}, "E203 expires is a text"},
		"expiry nothing":          {[]string{rule("expires: soon\nthen: [{tag: [a]}]\n")}, `E204 expires "soon" is neither`},
		"expired":                 {[]string{rule("expires: \"2026-05-31\"\nthen: [{tag: [a]}]\n")}, "W661 the rule has expired"},
		"condition":               {[]string{rule("if: incident.severty == \"high\"\nthen: [{tag: [a]}]\n")}, "E304"},
		"enum of condition":       {[]string{rule("if: incident.severity == \"hgih\"\nthen: [{tag: [a]}]\n")}, "E311"},
		"list":                    {[]string{rule("if: '\"a\" in lists.training'\nthen: [{tag: [a]}]\n")}, "E304 lists has no field `training`"},
		"no run yet":              {[]string{rule("if: run.mode == \"live\"\nthen: [{tag: [a]}]\n")}, "E303"},
		"nothing to do":           {[]string{rule("then: []\n")}, "E204 then is empty"},
		"empty entry":             {[]string{rule("then: [{}]\n")}, "E204 an entry of then is empty"},
		"two in one":              {[]string{rule("then: [{tag: [a], suppress: true}]\n")}, "E208 an entry of then does one thing"},
		"unknown action":          {[]string{rule("then: [{tags: [a]}]\n")}, "did you mean tag?"},
		"unknown field":           {[]string{rule("then: [{update: {severity: high}}]\n")}, `E201 update has no key "severity"`},
		"unknown value":           {[]string{rule("then: [{update: {status: closed}}]\n")}, "E204 status is one of active, inProgress, resolved"},
		"unknown is none":         {[]string{rule("then: [{update: {classification: unknown}}]\n")}, "E204 classification is one of"},
		"unknown playbook":        {[]string{rule("then: [{run: kontain}]\n")}, "did you mean contain?"},
		"unknown in order":        {[]string{rule("then: [{run: [tell, kontain]}]\n")}, "3:21-3:28 E420 there is no playbook \"kontain\""},
		"unknown at once":         {[]string{rule("then: [{run: {parallel: [kontain, tell]}}]\n")}, "did you mean contain?"},
		"none in order":           {[]string{rule("then: [{run: []}]\n")}, "E204 run names no playbook"},
		"none at once":            {[]string{rule("then: [{run: {parallel: []}}]\n")}, "E204 parallel names no playbook"},
		"neither way":             {[]string{rule("then: [{run: {in_order: [tell]}}]\n")}, `E201 run has no key "in_order"`},
		"run twice":               {[]string{rule("then: [{run: [tell, tell]}]\n")}, `E206 run names "tell" twice`},
		"a playbook's name":       {[]string{rule("then: [{run: [Tell_them]}]\n")}, "E205 a playbook cannot be called"},
		"runs behind":             {[]string{rule("if: incident.severity == \"low\"\nthen: [{suppress: true}, {run: {parallel: [contain, tell]}}]\n")}, "E661 nothing runs behind suppress"},
		"suppress no":             {[]string{rule("if: incident.severity == \"low\"\nthen: [{suppress: false}]\n")}, "E204 suppress is true"},
		"suppress without reason": {[]string{rule("on: [created]\nif: incident.severity == \"low\"\nthen: [{suppress: {for: 7d}}]\n")}, "reason"},
		"suppress twice ended":    {[]string{rule("if: incident.severity == \"low\"\nthen: [{suppress: {reason: x, for: 7d, until: \"2027-01-01\"}}]\n")}, "E208 suppress has both for and until"},
		"suppress for how long":   {[]string{rule("if: incident.severity == \"low\"\nthen: [{suppress: {reason: x, for: 7}}]\n")}, "E209 for has no unit"},
		"suppress until when":     {[]string{rule("if: incident.severity == \"low\"\nthen: [{suppress: {reason: x, until: soon}}]\n")}, "E204 until \"soon\" is neither a day nor a time"},
		"run behind":              {[]string{rule("if: incident.severity == \"low\"\nthen: [{suppress: true}, {run: contain}]\n")}, "E661 nothing runs behind suppress"},
		"suppress always":         {[]string{rule("then: [{suppress: true}]\n")}, "W662 the rule holds for every incident"},
		"suppress true":           {[]string{rule("if: true\nthen: [{suppress: true}]\n")}, "W662 the rule holds for every incident"},
		"update twice":            {[]string{rule("then: [{assign: a}, {assign: b}]\n")}, "E206 then has assign twice"},
		"same name":               {[]string{rule("then: [{tag: [a]}]\n"), "rule: a-rule\norder: 6\nthen: [{tag: [a]}]\n"}, "E206 the name a-rule is taken by a.yaml"},
		"same order":              {[]string{rule("then: [{tag: [a]}]\n"), "rule: b-rule\norder: 5\nthen: [{tag: [a]}]\n"}, "E662 the rule a-rule (a.yaml) has the order 5 too"},
		"hidden by the same condition": {[]string{
			rule("if: incident.severity == \"low\"\nthen: [{suppress: true}]\n"),
			"rule: b-rule\norder: 6\nif: incident.severity  ==  'low'\nthen: [{run: contain}]\n",
		}, "W663 this never happens: for all such incidents the rule a-rule (order 5)"},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			for _, f := range ruleFindings(c.rules...) {
				said += brief(f)
			}
			if !strings.Contains(said, c.want) {
				t.Errorf("no %q in\n%s", c.want, said)
			}
		})
	}
}

// What does not hold hides nothing.
func TestARuleThatDoesNotHoldHidesNothing(t *testing.T) {
	run := "rule: b-rule\norder: 6\nif: incident.severity == \"low\"\nthen: [{run: contain}]\n"
	for _, first := range []string{
		"enabled: false\nif: incident.severity == \"low\"\n", "on: [updated]\nif: incident.severity == \"low\"\n",
		"if: incident.severity == \"high\"\n",
	} {
		if found := ruleFindings("rule: a-rule\norder: 5\n"+first+"then: [{suppress: true}]\n", run); len(found) > 0 {
			t.Errorf("%s:\n%s", first, allText(found))
		}
	}
}

func TestARuleSaysWhyItHolds(t *testing.T) {
	r, _ := LoadRule("r.yaml", []byte("rule: r\norder: 1\nexpires: \"2027-03-31\"\non: [created]\nif: incident.severity == \"high\"\nthen: [{tag: [a]}]\n"))
	if found := CheckRules([]*Rule{r}, testWorld(), time.Unix(0, 0)); len(found) > 0 {
		t.Fatal(allText(found))
	}
	ev := exampleEvent(t)
	names, err := NewOffer(ev).RuleNames()
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2027, 3, 31, 23, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		kind    string
		now     time.Time
		matched bool
		because string
	}{
		"as wanted":    {"created", day, true, "if is true"},
		"another kind": {"updated", day, false, "on is created; this one was updated"},
		"a day later":  {"created", day.Add(time.Hour), false, "expired"},
	} {
		ev.Kind = c.kind
		if v, err := r.Matches(ev, names, nil, c.now); err != nil || v.Matched != c.matched || !strings.Contains(v.Because, c.because) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

func TestASuppressionHasAReasonAndAnEnd(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]Suppress{
		"true":                               {},
		"{reason: x}":                        {Reason: "x"},
		"{reason: x, for: 36h}":              {Reason: "x", For: 36 * time.Hour},
		"{reason: x, until: \"2026-06-30\"}": {Reason: "x", Until: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)},
	} {
		r, found := LoadRule("r.yaml", []byte("rule: r\norder: 1\nif: incident.severity == \"low\"\nthen: [{suppress: "+text+"}]\n"))
		if len(found) > 0 || *r.Then[0].Suppress != want {
			t.Errorf("%s: %+v\n%s", text, r.Then[0].Suppress, allText(found))
		}
		if end, lasts := r.Then[0].Suppress.End(now); lasts != (want.For > 0 || !want.Until.IsZero()) || lasts && !end.After(now) {
			t.Errorf("%s ends %v, %t", text, end, lasts)
		}
	}
}

func TestARuleSaysWhichPartDoesNotHold(t *testing.T) {
	r, _ := LoadRule("r.yaml", []byte("rule: r\norder: 1\nif: incident.title != \"\" and incident.severity == \"informational\"\nthen: [{tag: [a]}]\n"))
	if found := CheckRules([]*Rule{r}, testWorld(), time.Unix(0, 0)); len(found) > 0 {
		t.Fatal(allText(found))
	}
	ev := exampleEvent(t)
	names, err := NewOffer(ev).RuleNames()
	if err != nil {
		t.Fatal(err)
	}
	if v, err := r.Judge(ev, names, nil, time.Now()); err != nil || v.Matched || !strings.HasSuffix(v.Because, `: incident.severity == "informational" is false (incident.severity is "high")`) {
		t.Errorf("%+v, %v", v, err)
	}
}

// What may be a secret is not told with the part that read it.
func TestARuleTellsNoSecret(t *testing.T) {
	r, _ := LoadRule("r.yaml", []byte("rule: r\norder: 1\nif: incident.title == \"x\"\nthen: [{tag: [a]}]\n"))
	if found := CheckRules([]*Rule{r}, testWorld(), time.Unix(0, 0)); len(found) > 0 {
		t.Fatal(allText(found))
	}
	const secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
	names := map[string]any{"incident": map[string]any{"title": "token " + secret}}
	v, err := r.Judge(Event{Trigger: "incident", Kind: "created"}, names, nil, time.Now())
	if err != nil || v.Matched || strings.Contains(v.Because, secret) || !strings.Contains(v.Because, "incident.title is [secret]") {
		t.Errorf("%+v, %v", v, err)
	}
}

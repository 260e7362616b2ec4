package playbooks

import (
	"slices"
	"strings"
	"testing"
)

// always is a playbook with conditions in blocks inside each other.
func conditions(nested ...string) string {
	b := "playbook: p\non: {manual: {}}\nparams: {n: {type: integer, default: 3}, on: {type: boolean, default: true}}\nsteps:\n"
	indent := "  "
	for _, c := range nested {
		b += indent + "- if: >-\n" + indent + "    " + c + "\n" + indent + "  steps:\n"
		indent += "    "
	}
	return b + indent + "- stop: ${{ params.n }} ${{ params.on }}\n"
}

func TestConditionsThatDecideNothing(t *testing.T) {
	for _, c := range []struct {
		nested []string
		want   string // what is told, "" nothing
	}{
		{[]string{"true"}, "the condition is always true"},
		{[]string{"not true or false"}, "the condition is always false"},
		{[]string{`incident.severity == "high" and incident.severity == "low"`}, "the condition is always false"},
		{[]string{`incident.severity == "high" or incident.severity != "high"`}, "the condition is always true"},
		{[]string{`incident.severity in ["high", "medium"] and incident.severity == "low"`}, "the condition is always false"},
		{[]string{`incident.severity in ["high", "medium"] and incident.severity != "low"`}, "this part of the condition is always true here"},
		{[]string{`incident.severity == "high"`, `incident.severity in ["high", "medium"]`}, "the condition is always true"},
		{[]string{`incident.severity == "high"`, `incident.severity != "high"`}, "the condition is always false"},
		{[]string{`incident.severity != "high"`, `incident.severity == "high" or params.n > 1`}, "this part of the condition is always false here"},
		{[]string{`"high" == incident.severity`, `not (incident.severity == "high")`}, "the condition is always false"},
		{[]string{"params.n > 10", "params.n > 5"}, "the condition is always true"},
		{[]string{"params.n > 10", "params.n < 5"}, "the condition is always false"},
		{[]string{"params.n >= 10", "10 > params.n"}, "the condition is always false"},
		{[]string{"params.n > 5 and params.n < 3"}, "the condition is always false"},
		{[]string{"params.n > 5 or params.n <= 5"}, "the condition is always true"},
		{[]string{"params.n == 3", "params.n in [1, 2]"}, "the condition is always false"},
		{[]string{"params.n > -1", "params.n == -2"}, "the condition is always false"},
		{[]string{"len(evidence.files) > 0", "len(evidence.files) == 0"}, "the condition is always false"},
		{[]string{"len(evidence.files) < 0"}, "the condition is always false"},
		{[]string{"len(evidence.files) >= 0"}, "the condition is always true"},
		{[]string{`any(evidence.files, .label == "x")`, "len(evidence.files) > 0"}, "the condition is always true"},
		{[]string{"params.on", "params.on"}, "the condition is always true"},
		{[]string{"params.on", "not params.on"}, "the condition is always false"},
		{[]string{`external("a@b.example")`, `external("a@b.example") and params.n > 1`}, "this part of the condition is always true here"},

		{[]string{`incident.severity == "high"`, `incident.status == "active"`}, ""},
		{[]string{`incident.severity != "high" and incident.severity != "low"`}, ""},
		{[]string{`incident.severity in ["high", "medium"]`, `incident.severity == "high"`}, ""},
		{[]string{`incident.severity == "high" or params.on`, `incident.severity == "high"`}, ""},
		{[]string{"params.n > 5", "params.n > 10"}, ""},
		{[]string{"params.n > 5 and params.n < 30"}, ""},
		{[]string{"params.n >= 5", "params.n > 5"}, ""},
		{[]string{"params.n >= 5", "params.n == 5"}, ""},
		{[]string{"not (params.on and params.n > 3)", "params.on"}, ""},
		{[]string{`now() - incident.created_at > duration("1h")`, `now() - incident.created_at > duration("1h")`}, ""},
		{[]string{`len(evidence.files) > 0 and all(evidence.files, .label == "x")`}, ""},
		{[]string{`incident.assigned_to == nil or incident.assigned_to endsWith "@x.example"`}, ""},
		{[]string{`incident.assigned_to != "a"`, `incident.assigned_to == nil`}, ""},
	} {
		findings := findingsOf(conditions(c.nested...))
		got := ""
		for _, f := range findings {
			if f.Code == "W512" {
				got += f.Message
			} else {
				t.Errorf("%v: %s", c.nested, f.Text())
			}
		}
		if got != c.want {
			t.Errorf("%v:\ngot  %s\nwant %s", c.nested, got, c.want)
		}
	}
}

// What a step or a turn changes is not known any more.
func TestConditionsOverWhatChanges(t *testing.T) {
	for name, steps := range map[string]string{
		"a var that is set anew": `
  - set:
      n: 1
  - if: vars.n > 3
    stop: x
  - set:
      n: 5
  - if: vars.n > 3
    stop: x
`,
		"a var of a repeat": `
  - set:
      n: 1
  - if: vars.n > 3
    stop: x
  - repeat:
      steps:
        - if: vars.n > 3
          stop: x
        - set:
            n: vars.n + 1
      until: vars.n > 3
      times: 9
`,
		"an item of a loop around another": `
  - for_each: evidence.files
    as: file
    steps:
      - if: file.label == "x"
        stop: x
  - for_each: evidence.files
    as: file
    steps:
      - if: file.label == "x"
        stop: x
`,
	} {
		findings := findingsOf("playbook: p\non: {manual: {}}\nsteps:" + steps)
		if slices.ContainsFunc(findings, func(f Finding) bool { return true }) {
			t.Errorf("%s:\n%s", name, allText(findings))
		}
	}
}

// A stop before tells what holds behind it.
func TestConditionsBehindAStop(t *testing.T) {
	findings := findingsOf("playbook: p\non: {manual: {}}\nsteps:\n  - if: incident.severity == \"low\"\n    stop: x\n  - if: incident.severity == \"low\"\n    stop: y\n")
	if len(findings) != 1 || findings[0].Code != "W512" || !strings.HasSuffix(findings[0].Message, "always false") {
		t.Errorf("%s", allText(findings))
	}
}

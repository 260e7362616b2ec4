package playbooks

import (
	"strings"
	"testing"
)

// A name without ${{ }} is text; who wrote it meant its value. Text that only
// looks like a name is left alone.
func TestNamesWithoutBracesAreWarnedOf(t *testing.T) {
	for with, want := range map[string]bool{
		`{incident: "${{ incident.id }}", text: incident.title}`:       true,
		`{incident: incident.id, text: x}`:                             true,
		`{incident: "${{ incident.id }}", text: incident.assigned_to}`: true,
		`{incident: "${{ incident.id }}", text: contoso.example}`:      false,
		`{incident: "${{ incident.id }}", text: incident.closed}`:      false,
		`{incident: "${{ incident.id }}", text: incident}`:             false,
	} {
		src := "playbook: a\non: {incident: {}}\nsteps:\n  - uses: incidents.comment\n    with: " + with + "\n"
		_, findings := LoadAll([]Source{{File: "a.yaml", Text: []byte(src)}}, testWorld())
		got := false
		for _, f := range findings {
			got = got || f.Code == "W527"
		}
		if got != want {
			t.Errorf("%s: warned %v, want %v: %v", with, got, want, findings)
		}
	}
}

// A request to one path starts one playbook.
func TestTwoWebhooksOfOnePathAreAFinding(t *testing.T) {
	_, findings := loadArchive(t, `
-- a.yaml --
playbook: a
on: {webhook: {path: dlp}}
steps: [{stop: Done}]
-- b.yaml --
playbook: b
on: {webhook: {path: dlp}}
steps: [{stop: Done}]
-- c.yaml --
playbook: c
on: {webhook: {path: dlp/more}}
steps: [{stop: Done}]
`)
	if len(findings) != 1 || findings[0].Code != "E206" || findings[0].File != "b.yaml" || !strings.Contains(findings[0].Message, "a.yaml") {
		t.Errorf("findings %v", findings)
	}
}

// What engineers write from habit of other languages is answered with ours.
func TestHintsForHabitsOfOtherLanguages(t *testing.T) {
	for condition, hint := range map[string]string{
		`incident.assigned_to == null`:                     "== nil",
		`incident.assigned_to is None`:                     "nil",
		`incident.severity == "high" AND now() != now()`:   "write `and`",
		`incident.severity == high`:                        `"high"`,
		`evidence.files.length > 0`:                        "len(evidence.files)",
		`incident.severity == "high" or lists.sites == []`: "lists/sites.yaml",
	} {
		src := "playbook: a\non: {incident: {}}\nsteps:\n  - if: " + condition + "\n    stop: Done\n"
		w := testWorld()
		w.Lists = map[string]List{}
		_, findings := LoadAll([]Source{{File: "a.yaml", Text: []byte(src)}}, w)
		found := false
		for _, f := range findings {
			found = found || strings.Contains(f.Hint, hint)
		}
		if !found {
			t.Errorf("%s: no hint with %s in %v", condition, hint, findings)
		}
	}
}

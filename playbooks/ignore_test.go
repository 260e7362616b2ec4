package playbooks

import (
	"slices"
	"testing"
)

const deleting = "playbook: p\non: {manual: {}}\nsteps:\n"

// Each text has one W504 on the line of `uses`.
func TestIgnores(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string // codes left
		reason     string
	}{
		{"at the end of the line", deleting + "  - uses: files.delete # stanch:ignore W504 a test file\n    with: {file: x}\n", nil, "a test file"},
		{"on the line above", deleting + "  # stanch:ignore W504 a test file\n  - uses: files.delete\n    with: {file: x}\n", nil, "a test file"},
		{"with comments between", deleting + "  # stanch:ignore W504 a test file\n  # and more\n  - uses: files.delete\n    with: {file: x}\n", nil, "a test file"},
		{"without a blank", deleting + "  #stanch:ignore W504 a test file\n  - uses: files.delete\n    with: {file: x}\n", nil, "a test file"},
		{"in small letters", deleting + "  - uses: files.delete # stanch:ignore w504 a test file\n    with: {file: x}\n", nil, "a test file"},
		{"several codes", deleting + "  - uses: files.delete # stanch:ignore W504 , W511 a test file\n    with: {file: x}\n", []string{"W533"}, "a test file"},
		{"another code", deleting + "  - uses: files.delete # stanch:ignore W511 a test file\n    with: {file: x}\n", []string{"W504", "W533"}, ""},
		{"another line", deleting + "  - uses: files.delete\n    with: {file: x} # stanch:ignore W504 a test file\n", []string{"W504", "W533"}, ""},
		{"a blank line between", deleting + "  # stanch:ignore W504 a test file\n\n  - uses: files.delete\n    with: {file: x}\n", []string{"W533", "W504"}, ""},
		{"at the end of the file", deleting + "  - uses: files.delete\n    with: {file: x}\n# stanch:ignore W504 a test file", []string{"W504", "W533"}, ""},
		{"no reason", deleting + "  - uses: files.delete # stanch:ignore W504\n    with: {file: x}\n", []string{"W504", "W530"}, ""},
		{"a dash is no reason", deleting + "  - uses: files.delete # stanch:ignore W504 --\n    with: {file: x}\n", []string{"W504", "W530"}, ""},
		{"nothing at all", deleting + "  - uses: files.delete # stanch:ignore\n    with: {file: x}\n", []string{"W504", "W530"}, ""},
		{"an unknown code", deleting + "  - uses: files.delete # stanch:ignore W999 a test file\n    with: {file: x}\n", []string{"W504", "W531"}, ""},
		{"an error", deleting + "  - uses: files.delete # stanch:ignore W504,E401 a test file\n    with: {file: x}\n", []string{"W532"}, "a test file"},
		{"its own kind", deleting + "  - uses: files.delete # stanch:ignore W504,W533 a test file\n    with: {file: x}\n", []string{"W532"}, "a test file"},
		{"not the first word", deleting + "  - uses: files.delete # see stanch:ignore W504 a test file\n    with: {file: x}\n", []string{"W504"}, ""},
		{"a longer word", deleting + "  - uses: files.delete # stanch:ignored W504 a test file\n    with: {file: x}\n", []string{"W504"}, ""},
		{"inside a text in quotes", deleting + "  - uses: files.delete\n    title: \"x # stanch:ignore W504 a test file\"\n    with: {file: x}\n", []string{"W504"}, ""},
		{"inside a block", deleting + "  - title: |\n      x\n      # stanch:ignore W504 a test file\n    uses: files.delete\n    with: {file: x}\n", []string{"W504"}, ""},
		{"inside a folded block with its indentation said", deleting + "  - title: >2-\n        x\n      # stanch:ignore W504 a test file\n    uses: files.delete\n    with: {file: x}\n", []string{"W504"}, ""},
		{"inside a block at the end", deleting + "  - uses: files.delete\n    with: {file: x}\n    title: |+\n      x\n\n      # stanch:ignore W504 a test file", []string{"W504"}, ""},
		{"below a block", deleting + "  - title: |\n      x\n    # stanch:ignore W504 a test file\n    uses: files.delete\n    with: {file: x}\n", nil, "a test file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, findings := LoadAndCheck("p.yaml", []byte(c.text), testWorld())
			if got := codesOf(findings); !slices.Equal(got, c.want) {
				t.Errorf("findings %v, want %v\n%s", got, c.want, allText(findings))
			}
			suppressed := slices.ContainsFunc(p.Suppressed, func(s Suppressed) bool { return s.Code == "W504" && s.Reason == c.reason })
			if suppressed != (c.reason != "") {
				t.Errorf("suppressed: %v", p.Suppressed)
			}
		})
	}
}

func codesOf(findings []Finding) []string {
	var codes []string
	for _, f := range findings {
		codes = append(codes, f.Code)
	}
	return codes
}

// An expression over several lines has its finding on one of them, where no
// comment can stand.
func TestIgnoreMeansAWholeText(t *testing.T) {
	const tail = "\n    uses: incidents.resolve\n    with: {incident: \"${{ incident.id }}\", classification: falsePositive}\n"
	for _, text := range []string{
		"  # stanch:ignore W320 both are meant\n  - if: >-\n      incident.id != \"x\" and\n      incident.severity == incident.severity" + tail,
		"  - if: >- # stanch:ignore W320 both are meant\n      incident.id != \"x\" and\n      incident.severity == incident.severity" + tail,
		"  # stanch:ignore W320 both are meant\n  - if: incident.id != \"x\" and\n      incident.severity == incident.severity" + tail,
	} {
		if findings := findingsOf(deleting + text); len(findings) > 0 {
			t.Errorf("%s\n%s", text, allText(findings))
		}
	}
}

// What is broken hides warnings, so no comment is called unused then; errors
// stay.
func TestIgnoresBesideErrors(t *testing.T) {
	got := codesOf(findingsOf(deleting + "  # stanch:ignore W504 a test file\n  - uses: files.get\n    with: {file: 5}\n  - stop: ${{ x }} # stanch:ignore E303 because\n"))
	if want := []string{"E402", "E303", "W532"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

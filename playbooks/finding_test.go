package playbooks

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func findingsOf(text string) []Finding {
	_, findings := LoadAndCheck("book.yaml", []byte(text), testWorld())
	return findings
}

func TestAFindingShowsItsPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"playbook: p\non: {manual: {}}\nsteps:\n  - stop: é ${{ incident.titel }}\n", `book.yaml:4:26: error[E304] incident has no field ` + "`titel`" + `
    - stop: é ${{ incident.titel }}
                           ^^^^^
  hint: did you mean ` + "`title`" + `?`},
		{"playbook: p\non: {manual: {}}\nsteps:\n  - stop: x\n  - id: Bad\tName\n    stop: x\n", "book.yaml:5:9: error[E205] a step cannot be called \"Bad\\tName\"\n    - id: Bad\tName\n          ^^^^^^^^\n  hint: lower case letters, digits and _, beginning with a letter, at most 64"},
		{"playbook: p\non: {manual: {}}\nsteps:\n  - stop: x\n  \t \n    if: 5\n", "book.yaml:5:3: error[E108] a tab in the indentation\n  \n    ^\n  hint: indent with spaces"},
		{"playbook: p\non: {manual: {}}\nsteps:\n  - stop: x\n  - stop: \x1b[31m\n", "book.yaml:5:11: error[E101] control character U+001B\n    - stop: ?[31m\n            ^\n  hint: delete it, or write it as an escape in double quotes: \"\\u001b\""},
	} {
		findings := findingsOf(c.text)
		i := slices.IndexFunc(findings, func(f Finding) bool { return f.Severity == SeverityError })
		if i < 0 || findings[i].Text() != c.want {
			t.Errorf("got\n%s\nwant\n%s", allText(findings), c.want)
		}
	}
}

func TestALongLineIsCut(t *testing.T) {
	long := strings.Repeat("a", 5000)
	text := findingsOf("playbook: p\non: {manual: {}}\nsteps:\n  - stop: " + long + " ${{ incident.titel }} " + long + "\n")[0].Text()
	lines := strings.Split(text, "\n")
	if len(lines) < 3 || len(lines[1]) > 200 {
		t.Fatalf("%.300s", text)
	}
	if at := strings.Index(lines[1], "titel"); at < 0 || strings.Index(lines[2], "^^^^^") != at {
		t.Errorf("the mark is not below the word:\n%s", text)
	}
}

func TestFindingsAsJSON(t *testing.T) {
	got, err := json.Marshal(findingsOf("playbook: p\non: {manual: {}}\nsteps:\n  - stap: x\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"file":"book.yaml","line":4,"column":5,"end_line":4,"end_column":9,"code":"E201","severity":"error",` +
		`"message":"a step has no key \"stap\"","hint":"did you mean stop?"}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFindingsAreSorted(t *testing.T) {
	findings := findingsOf("steps:\n  - stop: ${{ a + b }} ${{ c }}\n  - fial: x\nplaybook: X\non: {}\n")
	if len(findings) < 5 {
		t.Fatalf("only %d findings:\n%s", len(findings), allText(findings))
	}
	if !slices.IsSortedFunc(findings, func(a, b Finding) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	}) {
		t.Errorf("not sorted:\n%s", allText(findings))
	}
}

func TestEachCodeIsExplained(t *testing.T) {
	for code, title := range ProblemCodes() {
		e, ok := Explain(code)
		if !ok || !strings.EqualFold(e.Title, title) {
			t.Errorf("%s: title %q, explained as %q", code, title, e.Title)
		}
	}
	all := Explanations()
	if len(all) < 70 {
		t.Errorf("%d explanations", len(all))
	}
	if _, ok := Explain("e201"); !ok {
		t.Error("a code is not found in lower case")
	}
	if _, ok := Explain("codes"); ok {
		t.Error("the head of the page is taken for a code")
	}
}

// What looks like a secret is told without being shown, in any form.
func TestSecretsAreNotShown(t *testing.T) {
	const secret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqbyJ9.c2lnbmF0dXJl"
	findings := findingsOf("playbook: p\non: {manual: {}}\nsteps:\n  - stop: 'a é " + secret + "'\n")
	if len(findings) != 1 || findings[0].Code != "W516" {
		t.Fatalf("%s", allText(findings))
	}
	raw, err := json.Marshal(findings)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{findings[0].Text(), findings[0].Source(), string(raw)} {
		if strings.Contains(text, "eyJ") {
			t.Errorf("shown: %s", text)
		}
	}
}

package playbooks

import (
	"slices"
	"strings"
	"testing"
)

// Who looks up a code finds a playbook that has just this finding, and one that
// shows the way out and has none.
func TestEachPageShowsItsFindingAndTheWayOut(t *testing.T) {
	for _, e := range Explanations() {
		t.Run(e.Code, func(t *testing.T) {
			if e.Bad == "" || e.Good == "" {
				t.Fatalf("codes/%s.md: no examples: it needs ## Bad and ## Good, each with a ```yaml block", e.Code)
			}
			bad, good := examples(e)
			found := false
			for _, f := range bad {
				found = found || f.Code == e.Code
				if f.Code != e.Code {
					t.Errorf("the bad example has another finding too:\n%s", f.Text())
				}
			}
			if !found {
				t.Error("the bad example has not the finding")
			}
			if len(good) > 0 {
				t.Errorf("the good example has findings:\n%s", allText(good))
			}
		})
	}
}

// examples are the findings of a page's examples, each beside the other playbook
// if there is one.
func examples(e Explanation) (bad, good []Finding) {
	if strings.Contains(e.Bad, "\ncases:") { // a page about test files
		return caseFindings("bad_test.yaml", e.Bad), caseFindings("good_test.yaml", e.Good)
	}
	if KindOfFile([]byte(e.Bad)) == ListFile {
		_, bad = LoadList("bad.yaml", []byte(e.Bad))
		_, good = LoadList("good.yaml", []byte(e.Good))
		return bad, good
	}
	if KindOfFile([]byte(e.Bad)) == RuleFile {
		return ruleFindings(e.Bad, e.With), ruleFindings(e.Good, e.With)
	}
	if e.With == "" {
		_, bad = LoadAndCheck("bad.yaml", []byte(e.Bad), testWorld())
		_, good = LoadAndCheck("good.yaml", []byte(e.Good), testWorld())
		return bad, good
	}
	beside := Source{"beside.yaml", []byte(e.With)}
	_, bad = LoadAll([]Source{{"bad.yaml", []byte(e.Bad)}, beside}, testWorld())
	_, good = LoadAll([]Source{{"good.yaml", []byte(e.Good)}, beside}, testWorld())
	return bad, good
}

func TestPagesAreComplete(t *testing.T) {
	entries, err := codePages.ReadDir("codes")
	if err != nil {
		t.Fatal(err)
	}
	all := Explanations()
	if len(all) != len(entries) {
		t.Errorf("%d pages, %d explanations: a file of codes is not named by its code", len(entries), len(all))
	}
	for _, e := range all {
		if e.Text == "" || e.Title == "" || strings.HasPrefix(e.Title, "#") {
			t.Errorf("codes/%s.md: no title or no text", e.Code)
		}
		if !strings.Contains(e.Page(), "## Suppress") {
			t.Errorf("%s: the page does not say whether it can be suppressed", e.Code)
		}
	}
	if !slices.IsSortedFunc(all, func(a, b Explanation) int { return strings.Compare(a.Code, b.Code) }) {
		t.Error("out of order")
	}
}

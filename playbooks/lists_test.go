package playbooks

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const trainingSites = "name: training_sites\ntitle: Sites for exercises\ntype: string\nitems: [/sites/training, /sites/demo]\n"

func listsWorld(t *testing.T) World {
	t.Helper()
	lists, findings := LoadLists([]Source{
		{File: "training.yaml", Text: []byte(trainingSites)},
		{File: "owners.yaml", Text: []byte("name: owners\ntype: {site: string, upn: string, until: \"time?\"}\nitems:\n  - {site: /sites/pay, upn: dana@contoso.example}\n")},
	})
	if len(findings) > 0 {
		t.Fatal(allText(findings))
	}
	w := testWorld()
	w.Lists = lists
	return w
}

// A playbook asks its lists by name, knows their types, and carries along those
// that it names.
func TestPlaybooksAskListsByName(t *testing.T) {
	p, findings := LoadAndCheck("p.yaml", []byte(`playbook: p
on: {incident: {if: "any(incident.tags, # in lists.training_sites)"}}
steps:
  - stop: ${{ find(lists.owners, .site == "/sites/pay")?.upn ?? "nobody" }}
`), listsWorld(t))
	if len(findings) > 0 {
		t.Fatal(allText(findings))
	}
	if len(p.Lists) != 2 || p.Lists[0].Name != "owners" {
		t.Fatalf("lists %v", p.Lists)
	}
	ev := exampleEvent(t)
	ev.Incident = []byte(strings.Replace(string(ev.Incident), `"tags":null`, `"tags":["/sites/demo"]`, 1))
	names, err := p.EventNames(ev)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Matches(ev, names, nil, time.Unix(2, 0)); err != nil || !v.Matched {
		t.Errorf("%+v, %v", v, err)
	}
	names["params"] = map[string]any{}
	got, err := p.Steps[0].Text.Eval(Env{Names: names})
	if diff := cmp.Diff(any("dana@contoso.example"), got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestWhatIsWrongWithAListIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"":                                                                     "E103",
		"name: a\ntype: string\n":                                              "E202 a list needs the key items",
		"name: A-b\ntype: string\nitems: [a]\n":                                `E205 a list cannot be called "A-b"`,
		"name: a\ntype: strng\nitems: [a]\n":                                   `E204 type: there is no type "strng"`,
		"name: a\ntype: any\nitems: [a]\n":                                     "E641 the items of a list cannot be any",
		"name: a\ntype: integer\nitems: [1, b]\n":                              `E402 an item is the text "b"; expected integer`,
		"name: a\ntype: string\nitems: [yes, b]\n":                             "E114",
		"name: a\ntype: string\nitems: [b, c, b]\n":                            "W641 the same item stands on line 3",
		"name: a\ntype: string\nitems: []\n":                                   "W642 the list is empty",
		"name: a\ntype: string\nitems: b\n":                                    "E203 items is a list",
		"name: a\ntype: {x: string}\nitems: [{y: b}]\n":                        "E404 an item needs x (string)",
		"name: a\ntype: {x: string}\nitems: [{x: b, xx: c}]\n":                 `E405 an item has no "xx"`,
		"name: a\ntype: string\nitems: [\"${{ now() }}\"]\nother: 5\n":         `E201 a list has no key "other"`,
		"name: a\ntype: string\nitems: [" + strings.Repeat("a,", 10_001) + "]": "E204 the list has 10001 items",
	} {
		l, findings := LoadList("l.yaml", []byte(text))
		said := ""
		for _, f := range findings {
			said += brief(f)
		}
		if !strings.Contains(said, want) {
			t.Errorf("%.60q (%s): no %q in\n%s", text, l.Name, want, said)
		}
	}
	_, findings := LoadLists([]Source{{"a.yaml", []byte(trainingSites)}, {"b.yaml", []byte(trainingSites)}})
	if len(findings) != 1 || !strings.Contains(findings[0].Message, "is also in a.yaml") {
		t.Errorf("%v", findings)
	}
}

func TestAnUnknownListIsAFinding(t *testing.T) {
	_, findings := LoadAndCheck("p.yaml", []byte("playbook: p\non: {manual: {}}\nsteps:\n  - stop: ${{ len(lists.training_site) }}\n"), listsWorld(t))
	if len(findings) != 1 || !strings.Contains(findings[0].Hint, "did you mean `training_sites`?") {
		t.Error(allText(findings))
	}
}

package review

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stanch/actions"
	"stanch/actions/devices"
	"stanch/actions/files"
	"stanch/actions/incidents"
	"stanch/actions/users"
	"stanch/playbooks"
)

const base = `playbook: contain
title: Contain
status: stable
owner: dlp@contoso.example
on:
  incident: {events: [created], if: 'incident.severity in ["high"] and len(evidence.files) < 20'}
  manual: {}
params:
  ask_above: {type: integer, default: 10, minimum: 0}
guardrails:
  max_targets: {files: 50}
  protect: {users: ["breakglass@contoso.example"]}
steps:
  - id: shared
    set:
      files: filter(evidence.files, .url != nil)
  - if: len(vars.files) == 0
    stop: Nothing is shared.
  - id: gate
    if: len(vars.files) > params.ask_above
    approve:
      ask: Go on?
      targets: vars.files
      approvers: [dlp-officers]
      quorum: 2
      timeout: 4h
  - id: contain
    for_each: vars.files
    as: file
    steps:
      - id: access
        uses: files.list_permissions
        with: {file: "${{ file }}"}
      - uses: files.unshare
        with: {file: "${{ file }}", permissions: "${{ map(steps.access.permissions, .id) }}"}
        timeout: 1m
  - id: told
    uses: incidents.comment
    with: {incident: "${{ incident.id }}", text: "Removed ${{ steps.contain.succeeded }}"}
`

func load(t *testing.T, file, text string) *playbooks.Playbook {
	t.Helper()
	catalog, err := actions.Collect(files.Shelf{}, incidents.Shelf{}, users.Shelf{}, devices.Shelf{})
	if err != nil {
		t.Fatal(err)
	}
	p, findings := playbooks.LoadAndCheck(file, []byte(text), playbooks.World{Catalog: catalog})
	for _, f := range findings {
		if f.Severity == playbooks.SeverityError {
			t.Fatal(f.Text())
		}
	}
	return p
}

// edited is base with one part replaced.
func edited(t *testing.T, pairs ...string) string {
	t.Helper()
	text := base
	for i := 0; i < len(pairs); i += 2 {
		if strings.Count(text, pairs[i]) != 1 {
			t.Fatalf("%q is %d times in the playbook", pairs[i], strings.Count(text, pairs[i]))
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

func told(d Diff) []string {
	out := []string{}
	for _, c := range d.Changes {
		out = append(out, c.Severity+" "+c.Where+": "+c.What)
	}
	return out
}

// Each edit, and what a reviewer is told of it. The other way round it is the
// opposite, which the second severity says.
func TestWhatAReviewerIsToldOfAChange(t *testing.T) {
	for name, c := range map[string]struct {
		edit []string
		back string // severity of going back
		want []string
	}{
		"a severity more": {
			[]string{`["high"]`, `["high", "medium"]`},
			Narrows,
			[]string{`widens on.incident.if: the condition of the trigger incident is looser: incident.severity in ["high"] and len(evidence.files) < 20 is now incident.severity in ["high", "medium"] and len(evidence.files) < 20`},
		},
		"a bound that lets more through": {
			[]string{"< 20'", "< 200'"},
			Narrows,
			[]string{`widens on.incident.if: the condition of the trigger incident is looser: incident.severity in ["high"] and len(evidence.files) < 20 is now incident.severity in ["high"] and len(evidence.files) < 200`},
		},
		"one test wider, one gone": {
			[]string{`["high"] and len(evidence.files) < 20`, `["high", "low"]`},
			Narrows,
			[]string{`widens on.incident.if: the condition of the trigger incident is looser: incident.severity in ["high"] and len(evidence.files) < 20 is now incident.severity in ["high", "low"]`},
		},
		"one test wider, one narrower": {
			[]string{`["high"] and len(evidence.files) < 20`, `["high", "low"] and len(evidence.files) < 5`},
			Widens,
			[]string{`widens on.incident.if: the condition of the trigger incident is another: incident.severity in ["high"] and len(evidence.files) < 20 is now incident.severity in ["high", "low"] and len(evidence.files) < 5`},
		},
		"an event more":    {[]string{"events: [created]", "events: [created, updated]"}, Narrows, []string{`widens on.incident.events: events: created is now created, updated`}},
		"no manual start":  {[]string{"  manual: {}\n", ""}, Widens, []string{`narrows on.manual: no longer starts when a person starts it on one incident`}},
		"a default":        {[]string{"default: 10", "default: 100"}, Widens, []string{`widens params.ask_above: the default of ask_above: 10 is now 100`}},
		"a looser cap":     {[]string{"files: 50", "files: 500"}, Narrows, []string{`widens guardrails.max_targets.files: a looser cap on files: 500, was 50`}},
		"nobody protected": {[]string{`["breakglass@contoso.example"]`, `["x@contoso.example"]`}, Widens, []string{`widens guardrails.protect.users: breakglass@contoso.example is no longer protected`, `narrows guardrails.protect.users: x@contoso.example is protected`}},
		"a smaller quorum": {[]string{"quorum: 2", "quorum: 1"}, Narrows, []string{`widens gate: approve gate needs 1 people, was 2`}},
		"more approvers":   {[]string{"[dlp-officers]", "[dlp-officers, helpdesk]"}, Narrows, []string{`widens gate: approve gate may also be approved by helpdesk`}},
		"asked less often": {
			[]string{"len(vars.files) > params.ask_above", "len(vars.files) > params.ask_above and incident.severity == 'low'"},
			Narrows,
			[]string{`widens gate.if: the condition of approve gate is tighter: len(vars.files) > params.ask_above is now len(vars.files) > params.ask_above and incident.severity == 'low'`},
		},
		"no approval": {
			[]string{base[strings.Index(base, "  - id: gate"):strings.Index(base, "  - id: contain")], ""},
			Narrows,
			[]string{`widens gate: approve gate is gone: nobody is asked there`, `widens contain/1: files.unshare is no longer covered by the approval gate`},
		},
		"no stop": {
			[]string{"  - if: len(vars.files) == 0\n    stop: Nothing is shared.\n", ""},
			Narrows,
			[]string{`widens 1: stop at 1 is gone: it goes on there`},
		},
		"fewer targets": {
			[]string{".url != nil)", ".url != nil and .label == nil)"},
			Widens,
			[]string{`narrows shared: vars.files: filter(evidence.files, .url != nil) is now filter(evidence.files, .url != nil and .label == nil)`},
		},
		"all files": {[]string{"filter(evidence.files, .url != nil)", "evidence.files"}, Narrows, []string{`widens shared: vars.files: filter(evidence.files, .url != nil) is now evidence.files`}},
		"a new effect": {
			[]string{"  - id: told", "  - uses: incidents.tag\n    with: {incident: \"${{ incident.id }}\", add: [x]}\n  - id: told"},
			Narrows,
			[]string{`widens 4: a new effect: incidents.tag (writes), nobody is asked before`},
		},
		"an effect out of the approval's cover": {
			[]string{
				"      targets: vars.files\n", "      targets: vars.files\n      covers: [label]\n", "        timeout: 1m\n",
				"        timeout: 1m\n      - id: label\n        uses: files.set_sensitivity_label\n        with: {file: \"${{ file }}\", label: Secret}\n",
			},
			Narrows,
			[]string{
				`widens contain/1: files.unshare is no longer covered by the approval gate`,
				`widens contain/label: a new effect: files.set_sensitivity_label (writes), after the approval gate`,
			},
		},
		"a silent yes is no yes": {[]string{"timeout: 4h", "timeout: 4h\n      on_timeout: stop"}, Neutral, []string{`neutral gate: approve gate without an answer: reject is now stop`}},
		"a text":                 {[]string{"Removed $", "Took away $"}, Neutral, []string{"neutral told: text of incidents.comment: Removed ${{ steps.contain.succeeded }} is now Took away ${{ steps.contain.succeeded }}"}},
		"a timeout":              {[]string{"timeout: 1m", "timeout: 2m"}, Neutral, []string{"neutral contain/1: the timeout: 1m is now 2m"}},
		"other permissions":      {[]string{`map(steps.access.permissions, .id)`, `map(filter(steps.access.permissions, .scope == 'anonymous'), .id)`}, Widens, []string{"widens contain/1: permissions of files.unshare: ${{ map(steps.access.permissions, .id) }} is now ${{ map(filter(steps.access.permissions, .scope == 'anonymous'), .id) }}"}},
		"goes on":                {[]string{"    as: file\n", "    as: file\n    on_error: continue\n"}, Narrows, []string{"widens contain: if it fails: fail is now continue"}},
		"a draft":                {[]string{"status: stable", "status: draft"}, Widens, []string{"narrows status: the status stable is now draft"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := load(t, "a.yaml", base), load(t, "b.yaml", edited(t, c.edit...))
			d := Compare(a, b)
			if got := told(d); !slices.Equal(got, c.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
			}
			if back := Compare(b, a); back.Severity != c.back {
				t.Errorf("going back is %s, want %s: %q", back.Severity, c.back, told(back))
			}
		})
	}
}

// To listen to what the audit log tells of alerts, too, is to start more often.
func TestTheEventsOfAlertsAreCompared(t *testing.T) {
	of := func(alert string) *playbooks.Playbook {
		return load(t, "a.yaml", "playbook: told\ntitle: Told\nstatus: stable\nowner: dlp@contoso.example\non: {alert: "+alert+"}\nsteps:\n  - stop: It is told.\n")
	}
	a, b, c := of("{}"), of("{events: [created, detailed]}"), of("{events: [detailed]}")
	d := Compare(a, b)
	if got := told(d); !slices.Equal(got, []string{"widens on.alert.events: events: created is now created, detailed"}) {
		t.Errorf("%q", got)
	}
	if back := Compare(b, a); back.Severity != Narrows {
		t.Errorf("going back is %s", back.Severity)
	}
	for want, p := range map[string]*playbooks.Playbook{"an alert is new": a, "an alert is new, or the audit log tells more of it": b, "the audit log tells more of an alert": c} {
		if got := New(p).Starts; !slices.Contains(got, want) {
			t.Errorf("it starts when %q, want %q", got, want)
		}
	}
}

// What does not change the meaning is no difference.
func TestWhatIsNoDifference(t *testing.T) {
	for name, edit := range map[string][]string{
		"a comment":           {"steps:\n  - id: shared", "# why\nsteps:\n  - id: shared # here"},
		"quotes and brackets": {`'incident.severity in ["high"] and len(evidence.files) < 20'`, `"(incident.severity in ['high']) && len( evidence.files )<20"`},
		"the order of keys":   {"      ask: Go on?\n      targets: vars.files\n", "      targets: vars.files\n      ask: Go on?\n"},
		"block style":         {"guardrails:\n  max_targets: {files: 50}", "guardrails:\n  max_targets:\n    files: 50"},
		"a written default":   {"quorum: 2", "quorum: 2\n      on_timeout: reject"},
		"the order of and":    {`incident.severity in ["high"] and len(evidence.files) < 20`, `len(evidence.files) < 20 and incident.severity in ["high"]`},
		"a renamed id":        {"id: access", "id: rights", "steps.access", "steps.rights"},
		"a renamed loop":      {"id: contain\n", "id: close\n", "steps.contain", "steps.close"},
		"an id for a step":    {"  - if: len(vars.files) == 0\n", "  - id: nothing\n    if: len(vars.files) == 0\n"},
		"a renamed approval":  {"id: gate", "id: ask"},
		"a renamed item": {
			"as: file\n", "as: item\n", `files.list_permissions
        with: {file: "${{ file }}"}`, `files.list_permissions
        with: {file: "${{ item }}"}`, `{file: "${{ file }}", permissions`, `{file: "${{ item }}", permissions`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := load(t, "a.yaml", base), load(t, "b.yaml", edited(t, edit...))
			if d := Compare(a, b); !d.Same() {
				t.Errorf("%q", told(d))
			}
		})
	}
}

// Every good playbook of the language means the same as itself, and not the same
// as another.
func TestEveryPlaybookMeansTheSameAsItself(t *testing.T) {
	all, err := filepath.Glob("../testdata/good/*.yaml")
	if err != nil || len(all) < 10 {
		t.Fatalf("%d playbooks, %v", len(all), err)
	}
	catalog, err := actions.Collect(files.Shelf{}, incidents.Shelf{}, users.Shelf{}, devices.Shelf{})
	if err != nil {
		t.Fatal(err)
	}
	var before *playbooks.Playbook
	compared := 0
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := playbooks.LoadAndCheck(file, text, playbooks.World{Catalog: catalog})
		q, findings := playbooks.LoadAndCheck(file, text, playbooks.World{Catalog: catalog})
		if playbooks.HasErrors(findings) {
			continue // it needs more of the world than there is here
		}
		if d := Compare(p, q); !d.Same() {
			t.Errorf("%s is not itself: %q", file, told(d))
		}
		if before != nil && Compare(before, p).Same() {
			t.Errorf("%s and %s are the same", before.File, file)
		}
		before = p
		compared++
	}
	if compared < 10 {
		t.Errorf("only %d playbooks were compared", compared)
	}
}

// A sheet names every effect, with what covers it.
func TestASheetNamesEveryEffect(t *testing.T) {
	s := New(load(t, "a.yaml", base))
	got := []string{}
	for _, e := range s.Effects {
		got = append(got, e.Path+" "+e.Action+" on "+e.Kind+" "+e.Target+" after "+strings.Join(e.Approvals, ","))
	}
	want := []string{"contain/1 files.unshare on file ${{ file }} after gate", "told incidents.comment on incident ${{ incident.id }} after "}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if !slices.Equal(s.Unguarded, []string{"told (incidents.comment)"}) || len(s.Approvals) != 1 || len(s.NotUndone) != 1 {
		t.Errorf("%+v", s)
	}
}

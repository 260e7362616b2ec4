package playbooks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// loadArchive loads the *.yaml files of an archive as one set.
func loadArchive(t *testing.T, text string) (map[string]*Playbook, []Finding) {
	t.Helper()
	var files []Source
	for _, f := range txtar.Parse([]byte(text)).Files {
		files = append(files, Source{f.Name, f.Data})
	}
	books, findings := LoadAll(files, testWorld())
	byID := map[string]*Playbook{}
	for _, b := range books {
		if b != nil {
			byID[b.ID] = b
		}
	}
	return byID, findings
}

const caller = `
-- main.yaml --
playbook: main
status: stable
on: {incident: {}}
steps:
  - id: sub
    call: notify
    with: {who: "${{ incident.assigned_to ?? 'nobody' }}", files: "${{ evidence.files }}"}
  - uses: incidents.comment
    with: {incident: "${{ incident.id }}", text: "${{ steps.sub.told }} of ${{ steps.sub.count }}"}
-- notify.yaml --
playbook: notify
on: {incident: {}}
params:
  who: {type: string, default: nobody}
  files: {type: [string], default: []}
steps:
  - id: tell
    uses: incidents.comment
    with: {incident: "${{ incident.id }}", text: "${{ params.who }}"}
outputs:
  told: params.who
  count: len(params.files)
`

// A called playbook is checked once, its params and outputs are typed, and the
// caller knows all that it may come to call.
func TestPlaybooksCallEachOther(t *testing.T) {
	books, findings := loadArchive(t, strings.Replace(caller, `"${{ evidence.files }}"`, `"${{ map(evidence.files, .id) }}"`, 1))
	if len(findings) > 0 {
		t.Fatalf("findings:\n%s", allText(findings))
	}
	main, notify := books["main"], books["notify"]
	if main.Steps[0].Call.Book != notify {
		t.Error("the call does not lead to the playbook of the set")
	}
	if len(main.Calls) != 1 || main.Calls[0] != notify || len(notify.Calls) != 0 {
		t.Errorf("calls %v and %v", main.Calls, notify.Calls)
	}
	if got, want := main.Steps[0].OutputType().String(), "{told: string, count: integer}"; got != want {
		t.Errorf("output %s, want %s", got, want)
	}
}

func TestCallsHaveFindings(t *testing.T) {
	for name, c := range map[string]struct {
		replace []string
		want    []string
	}{
		"the params' types":    {nil, []string{"main.yaml:7:72 E314 expected [string]?, got [file]"}},
		"an unknown id":        {[]string{"call: notify", "call: notfy"}, []string{`main.yaml:6:11 E420 there is no playbook "notfy" (did you mean notify?)`}},
		"an unknown param":     {[]string{"files: \"${{ evidence.files }}\"", "whom: x"}, []string{`main.yaml:7:60 E405 notify has no "whom": it has who, files (did you mean who?)`}},
		"a param left out":     {[]string{"{type: string, default: nobody}", "{type: string}", "playbook: notify\non: {incident: {}}", "playbook: notify", "incident: \"${{ incident.id }}\", text: \"${{ params.who }}\"", "incident: i-1, text: x", "who: \"${{ incident.assigned_to ?? 'nobody' }}\", files: \"${{ evidence.files }}\"", ""}, []string{"main.yaml:7:11 E404 notify needs who (string)"}},
		"an unknown output":    {[]string{"files: \"${{ evidence.files }}\"", "files: []", "steps.sub.told", "steps.sub.tld"}, []string{"main.yaml:9:65 E304 `steps.sub` has no field `tld` (did you mean `told`?)"}},
		"an early end":         {[]string{"files: \"${{ evidence.files }}\"", "files: []", "steps:\n  - id: tell", "steps:\n  - {if: params.who == \"x\", stop: no}\n  - id: tell"}, []string{"main.yaml:9:55 E416 a value that may be absent (string?) cannot stand in text (say what stands there if it is absent: ?? \"none\")", "main.yaml:9:80 E416 a value that may be absent (integer?) cannot stand in text (say what stands there if it is absent: ?? \"none\")"}},
		"errors in the other":  {[]string{"files: \"${{ evidence.files }}\"", "files: []", "told: params.who", "told: params.whi"}, []string{"main.yaml:6:11 E423 the playbook notify has errors: notify.yaml:11:16 the playbook has no param whi", "notify.yaml:11:16 E304 the playbook has no param whi (did you mean who?)"}},
		"a ring":               {[]string{"files: \"${{ evidence.files }}\"", "files: []", "    uses: incidents.comment\n    with: {incident: \"${{ incident.id }}\", text: \"${{ params.who }}\"}", "    call: main"}, []string{"main.yaml:6:11 E423 the playbook notify has errors: notify.yaml:8:11 playbooks call each other in a ring: main → notify → main", "notify.yaml:8:11 E421 playbooks call each other in a ring: main → notify → main (use repeat to run steps again)"}},
		"what the event lacks": {[]string{"files: \"${{ evidence.files }}\"", "files: []", "with: {incident: \"${{ incident.id }}\", text: \"${{ params.who }}\"}", "with: {incident: \"${{ incident.id }}\", text: \"${{ event.kind }}\"}"}, nil},
		"an id twice":          {[]string{"-- notify.yaml --", "-- other.yaml --\nplaybook: main\non: {manual: {}}\nsteps: [{stop: x}]\n-- notify.yaml --", "files: \"${{ evidence.files }}\"", "files: []"}, []string{"main.yaml:1:11 E206 the id main is taken by other.yaml (every playbook has an id of its own: rename one of them)", "other.yaml:1:11 E206 the id main is taken by main.yaml (every playbook has an id of its own: rename one of them)"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, findings := loadArchive(t, strings.NewReplacer(c.replace...).Replace(caller))
			var got []string
			for _, f := range findings {
				line := fmt.Sprintf("%s:%d:%d %s %s", f.File, f.Line, f.Column, f.Code, f.Message)
				if f.Hint != "" {
					line += " (" + f.Hint + ")"
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nine playbooks in a row may call each other, ten not; the chain is named.
func TestCallsGoEightDeep(t *testing.T) {
	chainOf := func(n int) string {
		var b strings.Builder
		for i := range n {
			step := "stop: done"
			if i < n-1 {
				step = fmt.Sprintf("call: b%d", i+1)
			}
			fmt.Fprintf(&b, "-- b%d.yaml --\nplaybook: b%d\non: {manual: {}}\nsteps:\n  - %s\n", i, i, step)
		}
		return b.String()
	}
	books, findings := loadArchive(t, chainOf(9))
	if len(findings) > 0 || len(books["b0"].Calls) != 8 {
		t.Errorf("%d calls, findings:\n%s", len(books["b0"].Calls), allText(findings))
	}
	_, findings = loadArchive(t, chainOf(10))
	i := slices.IndexFunc(findings, func(f Finding) bool { return f.Code == "E422" })
	if want := "more than 8 calls in each other: b0 → b1 → b2 → b3 → b4 → b5 → b6 → b7 → b8 → b9"; i < 0 || findings[i].Message != want {
		t.Errorf("findings:\n%s", allText(findings))
	}
}

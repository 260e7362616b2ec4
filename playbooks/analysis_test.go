package playbooks

import (
	"slices"
	"strings"
	"testing"
)

const cursor = "‸"

// atCursor takes the cursor out of a text.
func atCursor(t *testing.T, text string) (string, Position) {
	t.Helper()
	before, after, ok := strings.Cut(text, cursor)
	if !ok {
		t.Fatal("no cursor")
	}
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return before + after, Position{line, column}
}

const editedHead = `playbook: edited
on: {incident: {}}
params:
  limit: {type: integer, default: 3, description: How many.}
steps:
  - id: access
    uses: files.list_permissions
    with: {file: x}
  - set:
      shared: filter(evidence.files, len(.alerts) > 0)
`

// What is offered at the cursor, in texts that are good and in texts that are
// being typed. A wanted label with a - before it must not be offered.
func TestCompletionOffersWhatMayStandThere(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"top-level keys":          {"playbook: x\n‸\nsteps: []\n", "title on params guardrails timeout -playbook -steps -uses"},
		"a key half typed":        {"playbook: x\nti‸\nsteps: []\n", "title on"},
		"triggers":                {"playbook: x\non:\n  ‸\n", "incident alert schedule hunting webhook manual"},
		"triggers in flow":        {"playbook: x\non: {‸}\n", "incident manual"},
		"keys of a trigger":       {"playbook: x\non: {incident: {‸", "events changes if"},
		"a word of a list":        {"playbook: x\non: {incident: {events: [‸", "created updated"},
		"keys of a step":          {editedHead + "  - id: x\n    ‸\n", "uses set for_each stop if -id"},
		"keys of a step at once":  {editedHead + "  - ‸\n", "id uses set for_each stop if"},
		"keys of a kind":          {editedHead + "  - uses: files.get\n    ‸\n", "with retry timeout for on_error -set -collect -uses"},
		"keys above the kind":     {editedHead + "  - ‸\n    uses: files.get\n", "id if title -set"},
		"keys of a loop":          {editedHead + "  - for_each: evidence.files\n    ‸\n    steps: []\n", "as index collect max_parallel -with"},
		"keys of approve":         {editedHead + "  - approve:\n      ask: x\n      ‸\n", "approvers targets quorum timeout -ask"},
		"actions":                 {editedHead + "  - uses: ‸\n", "files.get files.unshare incidents.tag"},
		"actions half typed":      {editedHead + "  - uses: fil‸\n", "files.get files.unshare"},
		"params of an action":     {editedHead + "  - uses: files.share\n    with:\n      ‸\n", "file with role quiet"},
		"params in flow":          {editedHead + "  - uses: files.share\n    with: {file: x, ‸}\n", "role quiet -file"},
		"params in open flow":     {editedHead + "  - uses: files.share\n    with: {file: x, ‸\n", "role quiet -file"},
		"values of an enum":       {editedHead + "  - uses: files.share\n    with: {role: ‸}\n", "read write"},
		"status":                  {"playbook: x\nstatus: ‸\n", "draft test stable deprecated"},
		"on_error":                {editedHead + "  - uses: files.get\n    on_error: ‸\n", "fail continue rollback"},
		"types":                   {"playbook: x\nparams:\n  a: {type: ‸", "string integer duration user file"},
		"names":                   {editedHead + "  - if: ‸\n    stop: x\n", "incident evidence steps vars params filter not -item"},
		"names without a step":    {editedHead + "  - if: ‸\n", "incident steps vars len"},
		"fields":                  {editedHead + "  - if: incident.‸\n    stop: x\n", "severity title alerts -incident"},
		"fields half typed":       {editedHead + "  - if: incident.sev‸\n    stop: x\n", "severity"},
		"steps":                   {editedHead + "  - if: steps.‸\n    stop: x\n", "access"},
		"output of a step":        {editedHead + "  - if: len(steps.access.‸\n    stop: x\n", "permissions"},
		"vars":                    {editedHead + "  - if: len(vars.‸) > 0\n    stop: x\n", "shared -shared2"},
		"params in expressions":   {editedHead + "  - if: params.‸ > 1\n    stop: x\n", "limit"},
		"fields of an item":       {editedHead + "  - if: any(steps.access.permissions, .‸\n    stop: x\n", "scope roles id"},
		"fields of a var's item":  {editedHead + "  - if: any(vars.shared, .‸)\n    stop: x\n", "name path"},
		"fields of an inner item": {editedHead + "  - if: any(evidence.files, any(evidence.users, .‸))\n    stop: x\n", "upn"},
		"a let":                   {editedHead + "  - if: let n = 1; n > ‸\n    stop: x\n", "n incident"},
		"an enum compared":        {editedHead + "  - if: incident.severity == ‸\n    stop: x\n", `"high" "medium"`},
		"an enum in a text":       {editedHead + "  - if: incident.severity == \"‸\n    stop: x\n", "high medium -incident"},
		"an enum in a list":       {editedHead + "  - if: 'incident.severity in [\"high\", \"‸'\n    stop: x\n", "high medium"},
		"in a template":           {editedHead + "  - uses: files.get\n    with: {file: \"${{ ‸ }}\"}\n", "evidence steps"},
		"in an open template":     {editedHead + "  - uses: files.get\n    with: {file: \"${{ incident.‸\n  - stop: x\n", "severity"},
		"in a plain template":     {editedHead + "  - stop: ${{ incident.‸\n  - stop: y\n", "severity title"},
		"in text of a template":   {editedHead + "  - stop: \"Closed ‸\"\n", "-incident -severity"},
		"in folded text":          {editedHead + "  - if: >-\n      incident.title == \"x\"\n      and incident.‸\n    stop: x\n", "severity"},
		"a loop's item":           {editedHead + "  - for_each: evidence.files\n    as: file\n    steps:\n      - if: file.‸\n        stop: x\n", "name"},
		"collect":                 {editedHead + "  - for_each: evidence.files\n    steps:\n      - id: inner\n        uses: files.get\n        with: {file: \"${{ item }}\"}\n    collect:\n      a: steps.inner.‸\n", "label size"},
		"set":                     {editedHead + "  - set:\n      a: ‸\n", "incident vars"},
		"the trigger's condition": {"playbook: x\non:\n  incident:\n    if: incident.‸\nsteps: []\n", "severity"},
		"covers":                  {editedHead + "  - approve: {ask: x, approvers: [a], covers: [‸]}\n", "access"},
		"a broken file":           {"playbook: x\n  broken: {\n" + editedHead[17:] + "  - if: steps.‸\n    stop: x\n", "access"},
		"with before uses":        {editedHead + "  - id: x\n    with: {file: \"${{ evidence.‸\n", "files users -incident"},
		"a comment":               {editedHead + "  # incident.‸\n", "-severity -incident -id"},
		"other letters":           {editedHead + "  - if: incident.title == \"größe🙂\" and incident.‸\n    stop: x\n", "severity"},
	} {
		t.Run(name, func(t *testing.T) {
			text, at := atCursor(t, c.text)
			var got []string
			for _, o := range Complete("x.yaml", []byte(text), at, testWorld()) {
				got = append(got, o.Label)
			}
			for _, want := range strings.Fields(c.want) {
				if not, ok := strings.CutPrefix(want, "-"); ok {
					if slices.Contains(got, not) {
						t.Errorf("%s is offered among %v", not, got)
					}
				} else if !slices.Contains(got, want) {
					t.Errorf("%s is not offered, only %v", want, got)
				}
			}
		})
	}
}

package playbooks

import (
	"strings"
	"testing"
)

const caseBook = `playbook: example
on: {incident: {}, manual: {}}
params:
  least: {type: integer, default: 1}
steps:
  - id: now_open
    uses: incidents.get
    with: {incident: "${{ incident.id }}"}
  - if: len(evidence.files) < params.least
    stop: nothing
  - id: gate
    approve:
      ask: Go on?
      approvers: [dlp-officers]
outputs:
  status: steps.now_open.status
`

// caseFindings loads and checks a test file of caseBook.
func caseFindings(file, text string) []Finding {
	f, findings := LoadCases(file, []byte(text))
	if f == nil || HasErrors(findings) {
		return findings
	}
	book, _ := LoadAndCheck("example.yaml", []byte(caseBook), testWorld())
	return append(findings, CheckCases(f, book, testWorld())...)
}

// Every mistake in a test file is told at its place, before anything is run.
func TestBadCases(t *testing.T) {
	head := "playbook: example.yaml\ncases:\n  - name: one\n    event: {incident: x.json}\n"
	for _, c := range []struct{ text, want string }{
		{"", `bad_test.yaml:1:1: error[E103]`},
		{"playbook: example.yaml\n", `error[E202] a test file needs the key cases`},
		{"playbook: example.yaml\ncases: []\n", `error[E204] cases is empty`},
		{"playbook: example.yaml\ncase: []\n", `2:1: error[E201] a test file has no key "case"`},
		{head, `error[E202] an entry of cases needs the key expect`},
		{head + "    expect: {statsu: failed}\n", "5:14: error[E201] expect has no key \"statsu\""},
		{head + "    expect: {status: done}\n", `5:22: error[E204] status is one of succeeded, failed`},
		{head + "    expect: {check: outputs.sttus == 1}\n", "5:29: error[E304]"},
		{head + "    expect: {check: 'len(outputs.status)'}\n", "error[E309]"},
		{head + "    now: tomorrow\n    expect: {}\n", `5:10: error[E402] now`},
		{head + "    cancel: {after: 5}\n    expect: {}\n", `error[E209] after has no unit: 5`},
		{head + "    approvals: {gaet: {outcome: approved}}\n    expect: {}\n", "5:17: error[E601]"},
		{head + "    approvals: {gate: {outcome: maybe}}\n    expect: {}\n", `error[E204] outcome is one of approved`},
		{head + "    approvals: {gate: {by: [a]}}\n    expect: {}\n", `error[E202] an answer at gate needs the key outcome`},
		{head + "    actions: {incidents.gte: {}}\n    expect: {}\n", "5:15: error[E601]"},
		{head + "    actions: {incidents.get: {error: {code: down}}}\n    expect: {}\n", `error[E204] incidents.get fails with the code "down"`},
		{head + "    actions: {incidents.get: [{output: {}, practice: true}]}\n    expect: {}\n", `either output and effects, or error, or practice`},
		{head + "    params: {most: 1}\n    expect: {}\n", `error[E601] case "one" gives the param most`},
		{head + "    expect: {outputs: {state: 1}}\n", `error[E601] case "one" expects the output state`},
		{head + "    expect: {effects: [{action: incidents.get}]}\n", `which only reads`},
		{head + "    expect: {steps: {now_open: ok}}\n", `a step's status is one of`},
		{head + "    expect: {}\n  - name: one\n    event: {incident: x.json}\n    expect: {}\n", `error[E206] two cases are called "one"`},
		{head + "    events: [{name: a, at: \"2026-01-02T03:04:05Z\", after: 1h}]\n    expect: {}\n", `both at and after`},
		{"playbook: example.yaml\ncases:\n  - name: one\n    event: {incident: x.json, row: {}}\n    expect: {}\n", `several at once: incident, row`},
	} {
		got := allText(caseFindings("bad_test.yaml", c.text))
		if !strings.Contains(got, c.want) {
			t.Errorf("%s\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
}

// The sheet of syntax reads without a finding.
func TestAGoodCaseHasNoFindings(t *testing.T) {
	const text = `playbook: example.yaml
cases:
  - name: everything
    event: {incident: {fixture: x.json, set: {severity: low, evidence.files: []}}, kind: updated, changes: [severity], new_alerts: [a1]}
    mode: live
    now: "2026-03-02T09:00:00Z"
    params: {least: 2}
    lists: {training_sites: [a, b]}
    actions:
      incidents.get:
        - {error: {code: throttled, retry_after: 2s}, times: 2}
        - {with: {incident: defender/1}, output: {id: defender/1}}
        - practice: true
    faults: [{method: GET, path: /v1.0/**, status: 503, times: 1}]
    approvals: {gate: [{outcome: approved, by: [a@contoso.example], after: 5m, reason: fine}, {outcome: timed_out}]}
    events: [{name: owner-replied, key: k, after: 1h, data: {keep: true}}]
    cancel: {after: 3h, by: operator:alice}
    expect:
      status: succeeded
      steps: {gate: succeeded, "1": skipped}
      all_steps: {now_open: succeeded}
      path: [now_open, gate]
      outputs: {status: null}
      effects:
        contains: [{action: files.unshare, target: "*Payroll*", times: 2, after: {x: null}}]
      error: {step: gate, code: timeout, message: "*late*"}
      reason: "No *"
      check:
        - outputs.status == "active"
        - steps.gate.outcome == "approved"
`
	for _, f := range caseFindings("good_test.yaml", text) {
		t.Error(f.Text())
	}
}

func FuzzLoadCases(f *testing.F) {
	f.Add([]byte("playbook: a.yaml\ncases:\n  - name: n\n    event: {incident: x}\n    expect: {effects: [], check: [1, true]}\n"))
	f.Add([]byte("playbook: [a]\ncases: {a: b}\n"))
	book, _ := LoadAndCheck("example.yaml", []byte(caseBook), testWorld())
	f.Fuzz(func(_ *testing.T, text []byte) {
		if c, findings := LoadCases("f_test.yaml", text); c != nil && !HasErrors(findings) {
			CheckCases(c, book, testWorld())
		}
	})
}

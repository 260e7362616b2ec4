package rehearse_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine/rehearse"
	"stanch/playbooks"
)

type thing struct {
	ID string `json:"id" entity:"file" doc:"which"`
}

type seen struct {
	ID    string `json:"id" doc:"which"`
	Count int    `json:"count" doc:"how many"`
}

// catalog is a world of counters, which the actions really change.
func catalog(world map[string]int) *actions.Catalog {
	read := actions.Spec[thing, seen]{
		Doc: "Read a counter.", Class: actions.Reads,
		Read: func(_ context.Context, _ actions.Call, p thing) (seen, error) { return seen{p.ID, world[p.ID]}, nil },
	}
	count := actions.Spec[thing, seen]{
		Doc: "Count.", Class: actions.Writes, NoUndo: "what is counted is counted",
		Plan: func(_ context.Context, _ actions.Call, p thing) ([]actions.Effect, seen, error) {
			entity := actions.Entity{Kind: "file", ID: p.ID}
			return []actions.Effect{{Target: actions.Target{Kind: "counter", ID: p.ID, Name: p.ID, Entities: []actions.Entity{entity}}}}, seen{p.ID, world[p.ID] + 1}, nil
		},
		Do: func(_ context.Context, _ actions.Call, e actions.Effect) (actions.Outcome, error) {
			world[e.Target.ID]++
			return actions.Outcome{}, nil
		},
		Check: func(_ context.Context, _ actions.Call, _ actions.Effect) (actions.Finding, error) {
			return actions.Finding{Answer: actions.CannotTell}, nil
		},
	}
	both := count
	both.Plan = func(ctx context.Context, c actions.Call, p thing) ([]actions.Effect, seen, error) {
		first, out, err := count.Plan(ctx, c, thing{ID: p.ID + "-first"})
		second, _, also := count.Plan(ctx, c, p)
		third, _, last := count.Plan(ctx, c, thing{ID: p.ID + "-last"})
		return slices.Concat(first, second, third), out, errors.Join(err, also, last)
	}
	return actions.Of(map[string]actions.Action{"things.get": read.Action(), "things.count": count.Action(), "things.count_around": both.Action()})
}

func options() rehearse.Options {
	return rehearse.Options{
		Desk: func(func() time.Time) (rehearse.Desk, error) {
			world := map[string]int{}
			return rehearse.Desk{
				Catalog: catalog(world), Reset: func() error { clear(world); return nil },
				Inject: func(string, []byte) error { return nil }, Faults: func([]byte) error { return nil },
			}, nil
		},
		Read: os.ReadFile,
	}
}

// suite makes a suite of a playbook and its cases.
func suite(t *testing.T, book, cases string) rehearse.Suite {
	t.Helper()
	w := playbooks.World{Catalog: catalog(nil)}
	p, findings := playbooks.LoadAndCheck("book.yaml", []byte(book), w)
	f, more := playbooks.LoadCases("book_test.yaml", []byte(cases))
	if f != nil && p != nil {
		more = append(more, playbooks.CheckCases(f, p, w)...)
	}
	for _, f := range append(findings, more...) {
		if f.Severity == playbooks.SeverityError {
			t.Fatal(f.Text())
		}
	}
	return rehearse.Suite{Cases: f, Book: playbooks.Source{File: "book.yaml", Text: []byte(book)}, Checked: p}
}

const book = `playbook: book
status: stable
on: {incident: {if: incident.severity == "high"}, manual: {}}
params:
  most: {type: integer, default: 1}
guardrails: {max_targets: {files: 3}}
steps:
  - id: before
    uses: things.get
    with: {id: a}
  - if: steps.before.count > params.most
    stop: enough
  - wait: 3d
  - id: gate
    approve: {ask: Go on, approvers: [officers], timeout: 30d}
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 2
    steps:
      - uses: things.count
        with: {id: "${{ file.id }}"}
        retry: {attempts: 3, initial: 1h, jitter: none}
outputs:
  counted: steps.each.succeeded
`

const cases = `playbook: book.yaml
cases:
  - name: after three days and a yes it counts
    event: {incident: {severity: high, evidence: {files: [{id: a}, {id: b}]}}}
    approvals: {gate: {outcome: approved, after: 7d}}
    expect:
      status: succeeded
      outputs: {counted: 2}
      effects: [{action: things.count, target: a}, {action: things.count, target: b}]
      check: run.started_at + duration("10d") <= now()
  - name: the service is down for an hour
    event: {incident: {severity: high, evidence: {files: [{id: a}]}}}
    actions: {things.count: [{error: {code: unavailable}, times: 2}, {effects: [{}]}]}
    approvals: {gate: {outcome: approved}}
    expect: {status: succeeded, effects: [{action: things.count}]}
  - name: nobody knows whether it was counted
    event: {incident: {severity: high, evidence: {files: [{id: a}]}}}
    actions: {things.count: [{error: {code: timeout, happened: yes}, times: 1}, {effects: [{}]}]}
    approvals: {gate: {outcome: approved}}
    expect: {status: succeeded, effects: [{action: things.count, times: 1}]}
  - name: enough is enough
    event: {incident: {severity: high}}
    actions: {things.get: {count: 2}}
    expect: {status: succeeded, reason: enough, effects: []}
  - name: two are not too many
    event: {incident: {severity: high}}
    actions: {things.get: {count: 1}}
    approvals: {gate: {outcome: rejected}}
    expect: {status: rejected, effects: []}
  - name: silence is a no
    event: {incident: {severity: high, evidence: {files: [{id: a}]}}}
    approvals: {gate: {outcome: timed_out}}
    expect: {status: rejected, effects: []}
  - name: a cancel ends it
    event: {incident: {severity: high, evidence: {files: [{id: a}]}}}
    cancel: {after: 1d}
    expect: {status: cancelled, effects: []}
  - name: it waits for people
    event: {incident: {severity: high}}
    expect: {status: waiting, steps: {gate: waiting}}
  - name: a low one starts nothing
    event: {incident: {severity: low}}
    expect: {status: not_started}
`

// Days of waits, back-offs and approvals take no time, and the same cases come
// to the same, on one lane or on many.
func TestCasesPassInVirtualTimeHoweverManyLanes(t *testing.T) {
	s := []rehearse.Suite{suite(t, book, cases)}
	var first string
	for _, lanes := range []int{1, 3, 1, 8} {
		o := options()
		o.Lanes = lanes
		report, err := rehearse.Run(t.Context(), s, o)
		if err != nil {
			t.Fatal(err)
		}
		var told strings.Builder
		for _, r := range report.Results {
			if r.Status != rehearse.Passed {
				t.Errorf("%s: %s\n%s", r.Name, r.Status, r.Message)
			}
			fmt.Fprintln(&told, r.Name, r.Status, r.Run.Status, r.Run.FinishedAt)
			for _, step := range r.Run.Steps {
				fmt.Fprintln(&told, step.Path, step.Status, step.StartedAt, step.FinishedAt)
			}
		}
		if first == "" {
			first = told.String()
		}
		if told.String() != first {
			t.Errorf("%d lanes:\n%s\nfirst:\n%s", lanes, told.String(), first)
		}
	}
}

// A case that cannot come to an end says what it waits for.
func TestACaseThatWaitsForeverIsStoppedByName(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"    event: {incident: {severity: high}}\n    expect: {}\n", "the run asks at gate"},
		{"    event: {incident: {severity: high}}\n    actions: {things.get: {with: {id: b}, output: {}}}\n    expect: {}\n", "no answer left for things.get"},
		{"    event: {incident: nowhere.json}\n    expect: {}\n", "fixture:"},
		{"    event: {incident: {severty: high}}\n    expect: {}\n", "severty"},
		{"    event: {incident: {severity: high}}\n    params: {most: x}\n    expect: {}\n", "most"},
		{"    event: {incident: {severity: high}}\n    approvals: {gate: {outcome: approved, by: [eve@x.example]}}\n    expect: {status: failed}\n", "expected failed"},
		{"    event: {incident: {severity: high, evidence: {files: [{id: a}, {id: b}]}}}\n    approvals: {gate: {outcome: approved, by: [eve@x.example]}}\n    expect: {steps: {each/0: skipped}}\n", "step each[1]/0:"},
	} {
		s := suite(t, book, "playbook: book.yaml\ncases:\n  - name: one\n"+c.given)
		report, err := rehearse.Run(t.Context(), []rehearse.Suite{s}, options())
		if err != nil {
			t.Fatal(err)
		}
		if r := report.Results[0]; r.Status == rehearse.Passed || !strings.Contains(r.Message, c.want) {
			t.Errorf("%s: %s: %s\nwant %q", c.given, r.Status, r.Message, c.want)
		}
	}
}

// Coverage names what no case reached, with its line.
func TestCoverage(t *testing.T) {
	report, err := rehearse.Run(t.Context(), []rehearse.Suite{suite(t, book, cases)}, options())
	if err != nil {
		t.Fatal(err)
	}
	c := report.Coverage[0]
	if c.Steps.Percent() != 100 || len(c.Missing) != 1 || c.Missing[0].Line != 17 || c.Missing[0].Way != "for_each=none" {
		t.Errorf("steps %v, branches %v, missing %+v", c.Steps, c.Branches, c.Missing)
	}
}

// A change that takes a guard away is told unless a case notices it.
func TestMutantsThatNobodyNotices(t *testing.T) {
	few := cases[:strings.Index(cases, "  - name: silence")] // nobody tries the trigger, the timeout or the cap
	s := []rehearse.Suite{suite(t, book, few)}
	report, err := rehearse.Run(t.Context(), s, options())
	if err != nil || report.Failed() {
		t.Fatal(err, report.Results)
	}
	m, err := rehearse.Mutate(t.Context(), s, report.Results, options())
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, x := range m.Survivors {
		told = append(told, fmt.Sprintf("%s %d %s %s", x.Class, x.Line, x.Path, x.Change))
	}
	all := strings.Join(told, "\n")
	for _, want := range []string{"guard 3 on.incident", "no limit of files"} {
		if !strings.Contains(all, want) {
			t.Errorf("not told: %s, in\n%s", want, all)
		}
	}
	for _, not := range []string{"nobody is asked", "the run does not end here"} {
		if strings.Contains(all, not) {
			t.Errorf("a case notices %q:\n%s", not, all)
		}
	}
	if m.Noticed == 0 || m.Tried != m.Noticed+len(m.Survivors) {
		t.Errorf("%+v", m)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rehearse.Run(ctx, []rehearse.Suite{suite(t, book, cases)}, options()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What a report says is fit for JSON.
func TestPointsAreToldInWords(t *testing.T) {
	p := rehearse.Point{Line: 3, Path: "gate", Way: "if=false"}
	raw, err := json.Marshal(p)
	if err != nil || string(raw) != `{"line":3,"path":"gate","branch":"if=false"}` || p.String() != "gate never finds its condition false" {
		t.Errorf("%s %s %v", raw, p, err)
	}
}

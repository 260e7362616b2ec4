package engine

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/playbooks"
)

type fuzzParams struct {
	Thing string `json:"thing" doc:"what"`
}

type fuzzResult struct {
	Value string `json:"value" doc:"what it is"`
}

func fuzzCatalog() *actions.Catalog {
	change := actions.Spec[fuzzParams, fuzzResult]{
		Doc: "Change a thing.", Class: actions.Writes, Settling: time.Second,
		Undo: func(context.Context, actions.Call, actions.Effect) (actions.Inverse, error) { panic("not pure") },
		Plan: func(context.Context, actions.Call, fuzzParams) ([]actions.Effect, fuzzResult, error) {
			panic("not pure")
		},
		Do:    func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) { panic("not pure") },
		Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) { panic("not pure") },
	}
	return actions.Of(map[string]actions.Action{
		"things.put": change.Action(),
		"things.get": actions.Spec[fuzzParams, fuzzResult]{
			Doc: "Get a thing.", Class: actions.Reads,
			Read: func(context.Context, actions.Call, fuzzParams) (fuzzResult, error) { panic("not pure") },
		}.Action(),
	})
}

// fuzzBook has every kind of step.
const fuzzBook = `
playbook: fuzz
title: Fuzz
status: stable
on: {manual: {}}
timeout: 1h
steps:
  - id: got
    uses: things.get
    with: {thing: x}
    retry: {attempts: 3, jitter: none}
    on_error: continue
  - set: {n: 1}
  - id: gate
    approve: {ask: Well, approvers: [a@c.example, b@c.example], quorum: 2, timeout: 10m, on_reject: continue}
  - id: block
    if: steps.got != nil
    steps:
      - id: put
        uses: things.put
        with: {thing: "${{ steps.got.value }}"}
      - if: vars.n > 0
        steps:
          - set: {m: vars.n + 1}
        else:
          - fail: No
    on_error: continue
  - id: each
    for_each: "['a', 'b', 'c']"
    steps:
      - id: inner
        uses: things.put
        with: {thing: "${{ item }}"}
      - if: item == "b"
        stop: Two
    collect: {v: item}
    on_error: continue
  - id: par
    parallel:
      - set: {left: 1}
      - id: right
        uses: things.put
        with: {thing: w}
  - approve: {ask: Well, approvers: [a@c.example]}
  - if: vars.n == 3
    stop: Three
on_failure:
  - id: late
    uses: things.put
    with: {thing: z}
outputs: {n: vars.n, left: vars.left}
`

// flowBook has every kind of step that lets time pass, goes round, calls or
// tidies up.
const flowBook = `
playbook: flow
title: Flow
status: stable
on: {manual: {}}
timeout: 3h
steps:
  - set: {n: 0}
  - id: tidied
    timeout: 40m
    steps:
      - id: slept
        wait: 10m
      - id: put
        uses: things.put
        with: {thing: a}
        on_error:
          steps:
            - set: {n: 1}
            - if: error.code == "invalid"
              stop: Enough
        finally:
          - uses: things.put
            with: {thing: b}
    on_error:
      steps:
        - fail: Worse
    finally:
      - wait: 2m
      - id: tidies
        for_each: "['a', 'b']"
        steps:
          - uses: things.put
            with: {thing: "${{ item }}"}
          - wait: 1m
  - id: poll
    timeout: 1h
    repeat:
      times: 3
      every: 5m
      steps:
        - id: got
          uses: things.get
          with: {thing: x}
        - set: {n: vars.n + 1}
        - id: items
          timeout: 7m
          for_each: "['a', 'b']"
          steps:
            - wait: 4m
            - uses: things.put
              with: {thing: "${{ item }}"}
              for: 1h
            - if: item == "b"
              fail: Bad
          on_error: continue
      until: vars.n > 1 and steps.got.value == "v"
    on_error: continue
  - id: sub
    call: other
    with: {n: "${{ vars.n }}"}
    timeout: 90m
    on_error:
      steps:
        - approve: {ask: Well, approvers: [a@c.example], timeout: 5m, on_reject: continue}
  - id: reply
    wait: {event: replied, key: x, timeout: 10m, on_timeout: continue}
    finally:
      - set: {n: 5}
  - wait: {until: "${{ event.at + duration('2h') }}"}
on_failure:
  - id: late
    uses: things.put
    with: {thing: z}
    finally:
      - wait: 1m
finally:
  - uses: things.put
    with: {thing: "${{ error?.code ?? 'none' }}"}
outputs: {n: vars.n}
`

const calledBook = `
playbook: other
title: Other
status: stable
params: {n: {type: integer}}
timeout: 30m
steps:
  - id: deep
    steps:
      - set: {m: params.n + 1}
      - uses: things.put
        with: {thing: c}
      - if: vars.m > 3
        stop: Enough
    finally:
      - wait: 1m
  - wait: 20m
on_failure:
  - uses: things.put
    with: {thing: "${{ error.step }}"}
finally:
  - uses: things.put
    with: {thing: d}
outputs: {m: vars.m}
`

func fuzzRun(t testing.TB, text, mode string) *runContext {
	t.Helper()
	world := playbooks.World{Catalog: fuzzCatalog(), Calls: map[string]playbooks.Source{"other": {File: "other.yaml", Text: []byte(calledBook)}}}
	book, findings := playbooks.LoadAndCheck("fuzz.yaml", []byte(text), world)
	for _, f := range findings {
		if playbooks.HasErrors([]playbooks.Finding{f}) {
			t.Fatal(f.Text())
		}
	}
	raw, err := json.Marshal(incident.Incident{ID: "i/1", Source: "i", Title: "T", Severity: "low"})
	if err != nil {
		t.Fatal(err)
	}
	e := New(nil, nil, fuzzCatalog(), Options{})
	head := Head{StartedBy: "x", Event: playbooks.Event{ID: "e", Trigger: "manual", Kind: "manual", At: fuzzEpoch(), Incident: raw}}
	run, err := e.newContext(RunHead{ID: "r", Playbook: "fuzz", Mode: mode, BegunAt: fuzzEpoch()}, head, newOutline(book))
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func fuzzEpoch() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"

	"stanch/actions"
)

func benchHead(steps string) string {
	return "playbook: bench\ntitle: Bench\nstatus: stable\non: {manual: {}}\nsteps:\n" + steps
}

// The playbooks that are measured: ten steps that read, ten with one effect each.
func linearBook() string  { return benchHead(strings.Repeat("  - uses: bench.read\n", 10)) }
func effectsBook() string { return benchHead(strings.Repeat("  - uses: bench.write\n", 10)) }
func fanoutBook(items int) string {
	return benchHead(fmt.Sprintf("  - for_each: 1..%d\n    max_parallel: 64\n    steps:\n      - uses: bench.read\n", items))
}

// Those that wait: for a time, and for an answer.
func waitingBook() string { return benchHead("  - wait: 4h\n") }

func askingBook() string {
	return benchHead("  - approve: {ask: Wait, approvers: [nobody@stanch.invalid], timeout: 4h, on_timeout: reject}\n")
}

type benchNothing struct{}

type benchDone struct {
	Done bool `json:"done" doc:"true"`
}

// benchCatalog holds actions that do nothing, so that only the engine and the
// store are measured.
func benchCatalog(steps *atomic.Int64) *actions.Catalog {
	return actions.Of(map[string]actions.Action{
		"bench.read": actions.Spec[benchNothing, benchDone]{
			Doc: "Do nothing.", Class: actions.Reads,
			Read: func(context.Context, actions.Call, benchNothing) (benchDone, error) {
				steps.Add(1)
				return benchDone{true}, nil
			},
		}.Action(),
		"bench.write": actions.Spec[benchNothing, benchDone]{
			Doc: "Do nothing, as an effect.", Class: actions.Writes, NoUndo: "nothing was done",
			Plan: func(context.Context, actions.Call, benchNothing) ([]actions.Effect, benchDone, error) {
				return []actions.Effect{{
					Target: actions.Target{Kind: "file", ID: "x", Name: "x", Entities: []actions.Entity{{Kind: "file", ID: "x"}}},
					Before: json.RawMessage(`{"shared":true}`), After: json.RawMessage(`{"shared":false}`),
				}}, benchDone{true}, nil
			},
			Do: func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) {
				steps.Add(1)
				return actions.Outcome{}, nil
			},
			Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
				return actions.Finding{Answer: actions.Happened}, nil
			},
		}.Action(),
	})
}

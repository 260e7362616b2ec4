package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stanch/actions"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
)

// teller tells one run of the demo to a newcomer, and gives the approvers'
// answers.
type teller struct {
	stage *stage
	scene *scene
	told  map[string]int  // effects told, by action
	seen  map[string]bool // effects, approvals
	err   error
}

// most is how many effects of one action are told one by one.
const most = 4

func (t *teller) line(pieces ...any) {
	t.stage.mu.Lock()
	defer t.stage.mu.Unlock()
	t.stage.sh.out.Line(append([]any{fmt.Sprintf("  [%s] ", t.scene.tag)}, pieces...)...)
}

// tell tells what is new in the run.
func (t *teller) tell(ctx context.Context, r engine.Run) {
	for _, step := range r.Steps {
		for i, e := range step.Effects {
			t.effect(fmt.Sprintf("%s#%d", step.Path, i), e)
		}
		if a := step.Approval; a != nil && a.Status == "waiting" && !t.seen[a.ID] {
			t.seen[a.ID] = true
			if err := t.answer(ctx, *a); err != nil {
				t.err = err
			}
		}
	}
}

func (t *teller) effect(key string, e engine.StepEffect) {
	if e.Status == actions.Open && !t.seen["open "+e.Action] {
		t.seen["open "+e.Action] = true
		t.line(status("open"), "  ", e.Action, "  ", targetName(e.Target), ": ", e.Why, "; looking until it is certain")
	}
	if e.Status != actions.Done && e.Status != actions.AlreadySo && e.Status != actions.Unknown || t.seen[key] {
		return
	}
	t.seen[key] = true
	t.told[e.Action]++
	if n := t.told[e.Action]; n > most {
		return
	}
	t.line(status(string(e.Status)), "  ", e.Action, "  ", became(e))
}

// became says in one line what an effect changed. The incident needs no name:
// every line of the demo has one.
func became(e engine.StepEffect) string {
	after := brief(e.After)
	switch {
	case strings.HasPrefix(e.Action, "incidents."):
		return after
	case after == "-":
		return targetName(e.Target)
	}
	return targetName(e.Target) + ": " + brief(e.Before) + " → " + after
}

// answer says yes for the people who are asked.
func (t *teller) answer(ctx context.Context, a engine.Approval) error {
	people := t.stage.desk.approvers(a)
	if len(people) < a.Quorum {
		return fmt.Errorf("approval %s wants %d people and has %d", a.ID, a.Quorum, len(people))
	}
	t.line(terminal.Text{Style: terminal.Yellow, Text: "asks"}, "  ", strings.Join(a.Approvers, ", "), ": ", a.Ask,
		fmt.Sprintf(" (%s must agree; nothing is touched until then)", plural2(a.Quorum, "person", "people")))
	for _, who := range people[:a.Quorum] {
		d := engine.Decision{Approval: a.ID, By: who, Via: operator(), Approve: true, Reason: "answered by the demo"}
		if _, err := t.stage.desk.engine.Decide(ctx, d); err != nil {
			return err
		}
		t.line(terminal.Text{Style: terminal.Green, Text: "yes"}, "   ", who, " (the demo answers for them)")
	}
	return nil
}

func plural2(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// approvers are the people who may answer.
func (d *desk) approvers(a engine.Approval) []string {
	var people []string
	for _, who := range a.Approvers {
		if members, is := d.cfg.Groups[who]; is {
			people = append(people, members...)
		} else {
			people = append(people, who)
		}
	}
	return people
}

// end tells how the run ended.
func (t *teller) end(r engine.Run) {
	for _, name := range sortedKeys(t.told) {
		if n := t.told[name]; n > most {
			t.line(status("done"), fmt.Sprintf("  %s  … and %d more", name, n-most))
		}
	}
	text := ""
	for _, name := range sortedKeys(r.Outputs) {
		var v any
		if json.Unmarshal(r.Outputs[name], &v) == nil {
			text += fmt.Sprintf(", %s: %v", name, v)
		}
	}
	t.line(status(r.Status), "  run ", r.ID, text, because(r.Reason))
}

package triggers_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/engine"
	"stanch/playbooks"
	"stanch/triggers"
)

// slow waits until it is told to go on.
const slow = `playbook: slow
title: Wait for a word
status: stable
on: {manual: {}}
steps:
  - wait: {event: go-on, key: "${{ incident.id }}"}
`

// withSlow has a second playbook, which takes its time.
func (d *rulesDesk) withSlow(text string) {
	d.t.Helper()
	book, findings := playbooks.LoadAndCheck("slow.yaml", []byte(text), d.engine.World())
	if playbooks.HasErrors(findings) {
		d.t.Fatal(findings[0].Text())
	}
	d.set.Books = append(d.set.Books, book)
}

// until waits for a run to be as it should.
func (d *rulesDesk) until(run string, so func(engine.Run) bool) engine.Run {
	d.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for patience := time.After(20 * time.Second); ; {
		r, err := d.engine.Run(d.t.Context(), run)
		if err != nil {
			d.t.Fatal(err)
		}
		if so(r) {
			return r
		}
		select {
		case <-again.C:
		case <-patience:
			d.t.Fatalf("run %s is %s and waits for %q: %+v", run, r.Status, r.WaitsFor, r.Steps)
		}
	}
}

func (d *rulesDesk) goOn() {
	d.t.Helper()
	if _, err := d.engine.Post(d.t.Context(), engine.Message{Name: "go-on", Key: "defender/" + payroll}); err != nil {
		d.t.Fatal(err)
	}
}

// begunBy is the run that a step of a run of rules began.
func begunBy(t *testing.T, r engine.Run, step int) string {
	t.Helper()
	var out struct{ Run string }
	if err := json.Unmarshal(r.Steps[step].Output, &out); err != nil || out.Run == "" {
		t.Fatalf("step %d began %q (%v)", step, out.Run, err)
	}
	return out.Run
}

// In order, a playbook begins when the one before has ended, and what follows
// when the last has.
func TestPlaybooksInOrderWaitForEachOther(t *testing.T) {
	d := newRulesDesk(t, engine.Options{},
		rule("ordered", 1, "then: [{run: [slow, seen]}]\n"), rule("after", 2, "then: [{tag: [after]}]\n"))
	d.withSlow(slow)
	rec := d.ask(d.event("created", "created"))
	if does := saidOf(rec, "ordered").Does; !slices.Equal(does, []string{"run: slow, to its end", "run: seen, to its end"}) {
		t.Errorf("it does %q", does)
	}
	waits := func(r engine.Run) bool {
		return len(r.WaitsFor) > 0 && strings.Contains(strings.Join(r.WaitsFor, " "), "the end of run ")
	}
	r := d.until(rec.Run, waits)
	if first := d.runs("slow"); len(first) != 1 || len(d.runs("seen")) != 0 || len(r.Steps) > 0 && r.Steps[0].Status == "succeeded" {
		t.Fatalf("while the first goes on: %v, %v, %+v", first, d.runs("seen"), r.Steps)
	}
	d.goOn()
	r = d.await(rec.Run)
	if r.Status != "succeeded" || len(r.Steps) != 3 {
		t.Fatalf("%s: %+v", r.Status, r.Steps)
	}
	one, two := d.await(begunBy(t, r, 0)), d.await(begunBy(t, r, 1))
	if one.Playbook.ID != "slow" || two.Playbook.ID != "seen" || two.StartedAt.Before(*one.FinishedAt) || r.Steps[2].StartedAt.Before(*two.FinishedAt) {
		t.Errorf("slow ended at %s, seen went from %s to %s, the tag began at %s", one.FinishedAt, two.StartedAt, two.FinishedAt, r.Steps[2].StartedAt)
	}
}

// However a playbook ends, the next begins.
func TestPlaybooksInOrderGoOnBehindAFailure(t *testing.T) {
	d := newRulesDesk(t, engine.Options{}, rule("ordered", 1, "then: [{run: [slow, seen]}]\n"))
	d.withSlow(strings.Replace(slow, `- wait: {event: go-on, key: "${{ incident.id }}"}`, "- fail: No", 1))
	r := d.await(d.ask(d.event("created", "created")).Run)
	if one, two := d.await(begunBy(t, r, 0)), d.await(begunBy(t, r, 1)); r.Status != "succeeded" || one.Status != "failed" || two.Status != "succeeded" {
		t.Errorf("slow %s, seen %s, the rules %s", one.Status, two.Status, r.Status)
	}
}

// At once, all begin, and nothing waits for them.
func TestPlaybooksInParallelBeginAtOnce(t *testing.T) {
	d := newRulesDesk(t, engine.Options{},
		rule("at-once", 1, "then: [{run: {parallel: [slow, seen]}}]\n"), rule("after", 2, "then: [{tag: [after]}]\n"))
	d.withSlow(slow)
	rec := d.ask(d.event("created", "created"))
	r := d.await(rec.Run)
	if r.Status != "succeeded" || len(r.Steps) != 3 {
		t.Fatalf("%s: %+v", r.Status, r.Steps)
	}
	if two := d.await(begunBy(t, r, 1)); two.Status != "succeeded" {
		t.Errorf("the second is %s", two.Status)
	}
	d.until(begunBy(t, r, 0), func(r engine.Run) bool { return r.Status == "waiting" })
	d.goOn()
	d.await(begunBy(t, r, 0))
}

// Whichever worker looks, the run that was begun is waited for, and none is begun
// twice.
func TestWhicheverWorkerLooksWaitsForTheSameRun(t *testing.T) {
	d := newRulesDesk(t, engine.Options{}, rule("ordered", 1, "then: [{run: [slow, seen]}]\n"))
	d.withSlow(slow)
	rec := d.ask(d.event("created", "created"))
	d.until(rec.Run, func(r engine.Run) bool { return len(r.WaitsFor) > 0 && len(d.runs("slow")) == 1 })
	next := engine.New(d.store, d.store, d.shelf, engine.Options{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- next.Work(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	d.goOn()
	if r := d.await(rec.Run); r.Status != "succeeded" || len(d.runs("slow")) != 1 || len(d.runs("seen")) != 1 {
		t.Errorf("%s; %d and %d runs", r.Status, len(d.runs("slow")), len(d.runs("seen")))
	}
}

// What was decided is told with what came of it, rule by rule in their order.
func TestWhatRulesDecidedIsTold(t *testing.T) {
	d := newDesk(t, tagging)
	set := &triggers.RuleSet{Engine: d.engine, Docs: d.store, Books: d.feed.Books, Rules: rulesOf(
		t, d.engine.World(),
		rule("third", 30, "if: incident.severity == \"high\" and incident.title == \"secret\"\nthen: [{tag: [never]}]\n"),
		rule("first", 10, "on: [created]\nif: incident.id == \"defender/40211\"\nthen: [{tag: [ruled]}, {suppress: {reason: A drill, for: 1d}}, {comment: Ruled}]\n"),
		rule("asleep", 15, "enabled: false\nthen: [{tag: [never]}]\n"),
		rule("old", 16, "expires: \"2020-01-01\"\nthen: [{tag: [never]}]\n"),
		rule("behind", 20, "if: incident.id == \"defender/40211\"\nthen: [{run: tagging}]\n"),
		rule("no-answer", 40, "if: 1 / len(incident.redirected_to ?? \"\") > 0\nthen: [{tag: [never]}]\n"),
	)}
	d.feed.Rules = set
	d.poll()
	d.runs("defender/40211")
	all, err := triggers.DecidedOver(t.Context(), d.engine, d.store, "40211")
	if err != nil || len(all) != 1 || all[0].Rules == nil {
		t.Fatalf("%+v (%v)", all, err)
	}
	got := all[0].Rules
	var order, outcomes []string
	for _, v := range got.Verdicts {
		order, outcomes = append(order, v.Rule), append(outcomes, v.Outcome)
	}
	if !slices.Equal(order, []string{"first", "asleep", "old", "behind", "third", "no-answer"}) ||
		!slices.Equal(outcomes, []string{"matched", "disabled", "expired", "matched", "not matched", "error"}) {
		t.Errorf("%q: %q", order, outcomes)
	}
	first := got.Verdicts[0]
	if got.Status != "succeeded" || got.Run == "" || got.Suppressed == nil || len(first.Does) != 3 {
		t.Fatalf("%+v", got)
	}
	if d := first.Does; d[0].Status != "succeeded" || d[1].What != "suppress" || d[1].Status != "done" || d[2].Status != "succeeded" {
		t.Errorf("%+v", first.Does)
	}
	if behind := got.Verdicts[3]; len(behind.Does) > 0 || len(behind.Leaves) != 1 || !strings.Contains(behind.Leaves[0], "the rule first suppresses playbooks") {
		t.Errorf("%+v", behind)
	}
	if third := got.Verdicts[4]; !strings.Contains(third.Because, `incident.title == "secret" is false (incident.title is "DLP policy`) {
		t.Errorf("%s", third.Because)
	}
	if all[0].Verdicts[0].Outcome != triggers.OutcomeSuppressed {
		t.Errorf("%+v", all[0].Verdicts)
	}
	others, err := triggers.DecidedOver(t.Context(), d.engine, d.store, "40212")
	if err != nil || others[0].Rules == nil || others[0].Rules.Run != "" || others[0].Rules.Verdicts[0].Outcome != "not matched" {
		t.Errorf("%+v (%v)", others, err)
	}
}

package engine_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// busy is a playbook that takes an hour for one incident.
func busy(when string) string {
	return `playbook: test
title: Test
status: stable
on:
  incident: {events: [created, updated], if: incident.severity == "high"}
concurrency: {when_busy: ` + when + `}
steps:
  - wait: 1h
  - uses: things.put
    with: {thing: "${{ event.id }}", value: done}
finally:
  - uses: things.put
    with: {thing: "${{ event.id }}-end", value: "${{ run.id }}"}
`
}

// offer begins a run for one more revision of the incident, so much later than
// the first.
func (b *bench) offer(book *playbooks.Playbook, id string) engine.Begun {
	b.t.Helper()
	ev := event(0)
	ev.ID = id
	begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: ev, Mode: engine.ModeLive, By: "trigger:incident"})
	if err != nil {
		b.t.Fatal(err)
	}
	return begun
}

// revise keeps a newer revision of the incident, as triggers do.
func (b *bench) revise(severity incident.Severity, at time.Time) {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"incident": incident.Incident{ID: "defender/7", Source: "defender", Title: "Test", Severity: severity, UpdatedAt: at}})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Put(b.t.Context(), engine.Document{Kind: engine.DocIncident, Key: "defender/7", Body: body, Version: engine.AnyVersion}); err != nil {
		b.t.Fatal(err)
	}
}

func TestSkipIsBusy(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
		book := b.load(busy("skip"))
		first := b.offer(book, "e1")
		if second := b.offer(book, "e2"); !second.Busy || second.Run != "" {
			t.Errorf("Start answers %+v", second)
		}
		b.await(first.Run)
		if third := b.offer(book, "e3"); third.Busy || !third.New {
			t.Errorf("Start answers %+v", third)
		}
	})
}

func TestTheQueueHasAnEnd(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), engine.Options{}, func(b *bench) {
		book := b.load(busy("queue"))
		for i := range 101 {
			if begun := b.offer(book, fmt.Sprint("e", i)); begun.Busy {
				t.Fatalf("run %d is busy", i)
			}
		}
		if begun := b.offer(book, "e101"); !begun.Busy {
			t.Errorf("Start answers %+v behind 100 that wait", begun)
		}
	})
}

func TestWhoHasWaitedAsksTheTriggerAgain(t *testing.T) {
	for name, c := range map[string]struct {
		revise func(*bench)
		status string
	}{
		"no revision":            {func(*bench) {}, "succeeded"},
		"still wanted":           {func(b *bench) { b.revise("high", time.Now()) }, "succeeded"},
		"no longer wanted":       {func(b *bench) { b.revise("low", time.Now()) }, "cancelled"},
		"an older revision kept": {func(b *bench) { b.revise("low", time.Time{}) }, "succeeded"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{})
			rehearse(t, w, engine.Options{}, func(b *bench) {
				book := b.load(busy("queue"))
				first, second := b.offer(book, "e1"), b.offer(book, "e2")
				if r, _ := b.engine.Run(b.t.Context(), second.Run); r.Status != "queued" {
					t.Fatalf("the second run is %s", r.Status)
				}
				<-time.After(time.Minute)
				c.revise(b)
				if r := b.await(first.Run); r.Status != "succeeded" {
					t.Errorf("the first run is %s (%v)", r.Status, r.Error)
				}
				r := b.await(second.Run)
				if r.Status != c.status || (w.get("e2") == "done") != (c.status == "succeeded") {
					t.Errorf("the second run is %s (%s), the world %v", r.Status, r.Reason, w.values)
				}
				if c.status == "cancelled" && (len(r.Steps) > 0 || !strings.Contains(r.Reason, `incident.severity == "high"`)) {
					t.Errorf("it ended because %q with steps %v", r.Reason, paths(r))
				}
			})
		})
	}
}

func TestReplaceLeavesTheNewest(t *testing.T) {
	w := newWorld(map[string]string{})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		// The first takes a while to tidy up: the others come before its end.
		book := b.load(strings.Replace(busy("replace"), "finally:\n", "finally:\n  - wait: 1m\n", 1))
		var runs []string
		for i := range 4 {
			runs = append(runs, b.offer(book, fmt.Sprint("e", i)).Run)
			if i == 0 {
				<-time.After(time.Minute)
			}
		}
		var statuses []string
		for _, id := range runs {
			statuses = append(statuses, b.await(id).Status)
		}
		if !slices.Equal(statuses, []string{"cancelled", "cancelled", "cancelled", "succeeded"}) {
			t.Errorf("the runs are %v", statuses)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		var order []string
		for _, c := range w.audit {
			order = append(order, c.thing)
		}
		if want := []string{"e0-end", "e3", "e3-end"}; !slices.Equal(order, want) {
			t.Errorf("the changes are %v, want %v: the first tidies up before the last begins", order, want)
		}
	})
}

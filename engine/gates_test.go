package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stanch/engine"
)

func TestApprovals(t *testing.T) {
	type word struct {
		by      string
		approve bool
		refused string
	}
	for name, c := range map[string]struct {
		quorum int
		words  []word
		by     string
		status string
	}{
		"one is enough":                {1, []word{{"dana@c.example", true, ""}}, "", "succeeded"},
		"two are needed":               {2, []word{{"dana@c.example", true, ""}, {"omar@c.example", true, ""}}, "", "succeeded"},
		"a person counts once":         {2, []word{{"dana@c.example", true, ""}, {"DANA@c.example", true, "has decided"}, {"omar@c.example", true, ""}}, "", "succeeded"},
		"one no is a no":               {2, []word{{"dana@c.example", true, ""}, {"omar@c.example", false, ""}}, "", "rejected"},
		"a stranger may not":           {1, []word{{"eve@evil.example", true, "not among the approvers"}, {"dana@c.example", false, ""}}, "", "rejected"},
		"who started it may not":       {1, []word{{"dana@c.example", true, "started"}, {"omar@c.example", true, ""}}, "dana@c.example", "succeeded"},
		"after the timeout it is over": {1, nil, "", "rejected"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{})
			rehearse(t, w, officers, func(b *bench) {
				book := b.load(strings.Replace(gated, "quorum: 1", fmt.Sprintf("quorum: %d", c.quorum), 1))
				by := c.by
				if by == "" {
					by = "tess"
				}
				begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: event(2), Mode: engine.ModeLive, By: "operator:" + by})
				if err != nil {
					t.Fatal(err)
				}
				b.until(begun.Run, "waiting")
				list, err := b.engine.Approvals(b.t.Context(), false)
				if err != nil || len(list) != 1 || len(list[0].Targets) != 2 || list[0].Step != "gate" {
					t.Fatalf("approvals are %+v (%v)", list, err)
				}
				for _, word := range c.words {
					_, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: list[0].ID, By: word.by, Approve: word.approve})
					if (err != nil) != (word.refused != "") || err != nil && !strings.Contains(err.Error(), word.refused) {
						t.Fatalf("the word of %s: %v, want %q", word.by, err, word.refused)
					}
				}
				if r := b.await(begun.Run); r.Status != c.status {
					t.Errorf("the run is %s (%v), want %s", r.Status, r.Error, c.status)
				}
				if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: list[0].ID, By: "omar@c.example", Approve: true}); !errors.Is(err, engine.ErrRefused) {
					t.Errorf("a word after the end: %v", err)
				}
			})
		})
	}
}

func TestATargetThatChangedSinceItWasShownIsAskedAgain(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(gated, 2)
		b.until(id, "waiting")
		w.mu.Lock()
		w.values["f1"] = "changed meanwhile"
		w.mu.Unlock()
		approve := func(reason string) {
			t.Helper()
			list, err := b.engine.Approvals(b.t.Context(), false)
			if err != nil || len(list) != 1 || list[0].Reason != reason {
				t.Fatalf("approvals are %+v (%v), want one for %s", list, err, reason)
			}
			if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: list[0].ID, By: "dana@c.example", Approve: true}); err != nil {
				t.Fatal(err)
			}
		}
		approve("gate")
		<-time.After(time.Minute)
		if w.values["f1"] != "changed meanwhile" || w.values["f0"] != "b" {
			t.Fatalf("the world is %v", w.values)
		}
		approve("changed")
		if r := b.await(id); r.Status != "succeeded" || w.values["f1"] != "b" {
			t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
		}
	})
}

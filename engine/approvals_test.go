package engine_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine"
)

// waiting answers the only question that is asked.
func (b *bench) waiting() engine.Approval {
	b.t.Helper()
	list, err := b.engine.Approvals(b.t.Context(), false)
	if err != nil || len(list) != 1 {
		b.t.Fatalf("approvals are %+v (%v), want one", list, err)
	}
	return list[0]
}

func (b *bench) decide(id, by string, yes bool) {
	b.t.Helper()
	if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: id, By: by, Approve: yes}); err != nil {
		b.t.Fatal(err)
	}
}

func TestAnAnswerCountsForTheQuestionThatWasSeen(t *testing.T) {
	w := newWorld(map[string]string{"x1": "a", "x2": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start("guardrails: {max_targets: {files: 0}}\nsteps:\n  - uses: things.both\n    with: {thing: x, value: b}\n", 0)
		b.until(id, "waiting")
		first := b.waiting()
		b.decide(first.ID, "dana@c.example", true)
		<-time.After(time.Second)
		if w.get("x1") != "b" || w.get("x2") != "a" {
			t.Fatal("the answer did not allow the one effect, or more than it")
		}
		// The same word again, as a script would repeat it, is for nothing else.
		if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: first.ID, By: "omar@c.example", Approve: true}); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("a second word on an answered question: %v", err)
		}
		<-time.After(time.Second)
		if w.get("x2") != "a" {
			t.Fatal("a question was answered by the answer to another one")
		}
		second := b.waiting()
		b.decide(second.ID, "dana@c.example", false)
		if r := b.await(id); r.Status != "failed" || w.values["x2"] != "a" {
			t.Errorf("the run is %s, the world %v", r.Status, w.values)
		}
	})
}

func TestACapAsksOnceForAllThatWait(t *testing.T) {
	w := newWorld(map[string]string{})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(`
guardrails: {max_targets: {files: 2}}
steps:
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 4
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
    on_error: continue
`, 8)
		<-time.After(time.Minute)
		q := b.waiting()
		if len(q.Targets) != 4 || q.Reason != "cap" || q.Run != id {
			t.Fatalf("the question is %+v", q)
		}
		b.decide(q.ID, "dana@c.example", true)
		<-time.After(time.Minute)
		if n := len(w.audit); n != 6 {
			t.Fatalf("%d changes after the answer for 4 beyond the cap of 2", n)
		}
		if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: q.ID, By: "omar@c.example", Approve: true}); err == nil {
			t.Error("the question was decided twice")
		}
		rest := b.waiting()
		if len(rest.Targets) != 2 || rest.ID == q.ID {
			t.Fatalf("the question is %+v", rest)
		}
		b.decide(rest.ID, "dana@c.example", false)
		if r := b.await(id); r.Status != "succeeded" || len(w.audit) != 6 {
			t.Errorf("the run is %s with %d changes", r.Status, len(w.audit))
		}
	})
}

func TestNobodyToAskIsANo(t *testing.T) {
	for name, left := range map[string][]string{"an empty group": nil, "only who started it": {"Tess"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"f0": "a"})
			groups := map[string][]string{"officers": {"dana@c.example"}}
			w.reading = func(string) error { groups["officers"] = left; return nil } // after the check
			rehearse(t, w, engine.Options{Groups: groups}, func(b *bench) {
				if r := b.run(gated, 1); r.Status != "rejected" || len(w.audit) != 0 {
					t.Errorf("the run is %s (%v) with changes %v", r.Status, r.Error, w.audit)
				}
			})
		})
	}
	t.Run("a cap", func(t *testing.T) {
		w := newWorld(map[string]string{"x": "a"})
		rehearse(t, w, engine.Options{}, func(b *bench) {
			r := b.run("guardrails: {max_targets: {files: 0}}\n"+putX, 0)
			if r.Status != "failed" || r.Error.Code != "refused" || len(w.audit) != 0 {
				t.Errorf("the run is %s (%v)", r.Status, r.Error)
			}
		})
	})
}

func TestWhatAnApprovalCoversIsNotDoneWithoutIt(t *testing.T) {
	gate := func(extra string) string {
		return `id: gate
approve: {ask: Well, targets: evidence.files, covers: [each], approvers: [officers], timeout: 1m` + extra + `}`
	}
	indent := func(n int, s string) string {
		return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n))
	}
	each := `
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
    on_error: continue
`
	for name, book := range map[string]string{
		"rejected, and the playbook goes on": "steps:\n  - " + indent(4, gate(", on_reject: continue")) + each,
		"rejected in a branch":               "steps:\n  - parallel:\n      - " + indent(8, gate(", on_reject: continue")) + "\n      - set: {a: 1}" + each,
		"not reached":                        "steps:\n  - steps:\n      - fail: Bad\n      - " + indent(8, gate("")) + "\n    on_error: continue" + each,
		"could not be asked":                 "steps:\n  - " + indent(4, strings.Replace(gate(""), "Well", "'${{ 1 / len(evidence.devices) }}'", 1)) + "\n    on_error: continue" + each,
		"not reached in a branch":            "steps:\n  - parallel:\n      - steps:\n          - fail: Bad\n          - " + indent(12, gate("")) + "\n    on_error: continue" + each,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"f0": "a"})
			rehearse(t, w, officers, func(b *bench) {
				r := b.run(book, 1)
				if len(w.audit) != 0 {
					t.Errorf("changes are %v; steps %v", w.audit, paths(r))
				}
				if s := step(t, r, "each[0]/0"); s.Error == nil || s.Error.Code != "refused" {
					t.Errorf("the covered step is %s: %v", s.Status, s.Error)
				}
			})
		})
	}
	for name, book := range map[string]string{
		"approved in a branch":                 "steps:\n  - parallel:\n      - " + indent(8, gate("")) + "\n      - set: {a: 1}" + each,
		"not needed":                           "steps:\n  - if: len(evidence.files) > 5\n    " + indent(4, gate("")) + each,
		"not needed, in a block":               "steps:\n  - if: len(evidence.files) > 5\n    steps:\n      - " + indent(8, gate("")) + each,
		"not needed, on the other side":        "steps:\n  - if: len(evidence.files) < 5\n    steps:\n      - set: {a: 1}\n    else:\n      - " + indent(8, gate("")) + each,
		"not needed, in a block of a branch":   "steps:\n  - parallel:\n      - if: len(evidence.files) > 5\n        steps:\n          - " + indent(12, gate("")) + each,
		"not needed, in a branch never opened": "steps:\n  - if: len(evidence.files) > 5\n    parallel:\n      - " + indent(8, gate("")) + each,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"f0": "a"})
			rehearse(t, w, officers, func(b *bench) {
				id := b.start(book, 1)
				<-time.After(time.Second)
				if list, _ := b.engine.Approvals(b.t.Context(), false); len(list) == 1 {
					b.decide(list[0].ID, "dana@c.example", true)
				}
				if r := b.await(id); r.Status != "succeeded" || len(w.audit) != 1 {
					t.Errorf("the run is %s (%v) with changes %v; steps %v", r.Status, r.Error, w.audit, paths(r))
				}
			})
		})
	}
}

func TestATargetThatChangesAgainAndAgainIsAskedAgainEachTime(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(gated, 1)
		seen := map[string]bool{}
		for i := range 3 {
			b.until(id, "waiting")
			q := b.waiting()
			if seen[q.ID] {
				t.Fatal("the same question twice")
			}
			seen[q.ID] = true
			w.set("f0", fmt.Sprint("changed ", i))
			b.decide(q.ID, "dana@c.example", true)
			<-time.After(time.Second)
			if len(w.audit) != 0 {
				t.Fatalf("an effect on a target that changed since it was shown: %v", w.audit)
			}
		}
		b.until(id, "waiting")
		b.decide(b.waiting().ID, "dana@c.example", true)
		if r := b.await(id); r.Status != "succeeded" || w.values["f0"] != "b" {
			t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
		}
	})
}

func TestOwnEffectsOnAnApprovedTargetAreNoDifference(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(gated+`      - uses: things.drop
        with: {thing: "${{ file }}"}
`, 1)
		b.until(id, "waiting")
		b.decide(b.waiting().ID, "dana@c.example", true)
		if r := b.await(id); r.Status != "succeeded" || w.values["f0"] != "gone" {
			t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
		}
	})
}

func TestAThrottledLookBeforeAskingIsWaitedFor(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	reads := 0
	w.reading = func(string) error {
		if reads++; reads < 4 {
			return &thingError{code: "throttled", after: time.Hour}
		}
		return nil
	}
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(gated, 1)
		<-time.After(4 * time.Hour)
		if reads != 4 {
			t.Fatalf("%d looks", reads)
		}
		b.decide(b.waiting().ID, "dana@c.example", true)
		if r := b.await(id); r.Status != "succeeded" {
			t.Errorf("the run is %s (%v)", r.Status, r.Error)
		}
	})
}

func TestAWordAtTheVeryInstantOfTheEndComesTooLate(t *testing.T) {
	for _, early := range []time.Duration{time.Nanosecond, 0} {
		w := newWorld(map[string]string{"f0": "a"})
		rehearse(t, w, officers, func(b *bench) {
			id := b.start(gated, 1)
			b.until(id, "waiting")
			q := b.waiting()
			<-time.After(time.Until(*q.ExpiresAt) - early)
			_, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: q.ID, By: "dana@c.example", Approve: true})
			if late := early == 0; errors.Is(err, engine.ErrRefused) != late {
				t.Errorf("%s before the end: %v", early, err)
			}
			want := map[bool]string{true: "rejected", false: "succeeded"}[early == 0]
			if r := b.await(id); r.Status != want {
				t.Errorf("%s before the end the run is %s, want %s", early, r.Status, want)
			}
		})
	}
}

func TestTargetsNamedTwiceAreShownOnce(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(`
steps:
  - set: {files: "concat(evidence.files, evidence.files)"}
  - approve:
      ask: Well
      targets: vars.files
      approvers: [officers]
  - for_each: vars.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
`, 2)
		b.until(id, "waiting")
		if q := b.waiting(); len(q.Targets) != 2 || len(q.Shown) != 2 {
			t.Errorf("targets are %v, shown %v", q.Targets, q.Shown)
		}
		if err := b.engine.Cancel(b.t.Context(), id, "tess", ""); err != nil {
			t.Fatal(err)
		}
		b.await(id)
	})
}

func TestAVoteOfOneWhoIsNoLongerAnApproverIsVoid(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	groups := map[string][]string{"officers": {"dana@c.example", "omar@c.example", "olga@c.example"}}
	rehearse(t, w, engine.Options{Groups: groups}, func(b *bench) {
		id := b.start(strings.Replace(gated, "quorum: 1", "quorum: 2", 1), 1)
		b.until(id, "waiting")
		q := b.waiting()
		b.decide(q.ID, "Dana@C.example", true)
		groups["officers"] = groups["officers"][1:]
		b.decide(q.ID, "omar@c.example", true)
		<-time.After(time.Minute)
		if len(w.audit) != 0 {
			t.Fatal("a void vote counted")
		}
		b.decide(q.ID, "olga@c.example", true)
		if r := b.await(id); r.Status != "succeeded" {
			t.Errorf("the run is %s", r.Status)
		}
	})
}

func TestAGateInsideALoop(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(`
steps:
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - set: {mine: "[file]"}
      - id: gate
        approve: {ask: "${{ file.id }}?", targets: vars.mine, approvers: [officers]}
      - for_each: vars.mine
        as: own
        steps:
          - uses: things.put
            with: {thing: "${{ own }}", value: b}
outputs: {n: steps.each.rejected}
`, 2)
		b.until(id, "waiting")
		list, err := b.engine.Approvals(b.t.Context(), false)
		if err != nil || len(list) != 2 {
			t.Fatalf("approvals are %v (%v)", list, err)
		}
		for _, q := range list {
			b.decide(q.ID, "omar@c.example", q.Ask == "f0?")
		}
		r := b.await(id)
		if r.Status != "succeeded" || outputs(t, r) != `{"n":1}` || !maps.Equal(w.values, map[string]string{"f0": "b", "f1": "a"}) {
			t.Errorf("the run is %s with %s, the world %v", r.Status, outputs(t, r), w.values)
		}
	})
}

func TestWhatACapAskedAboutIsBoundByAnApprovalToo(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start("guardrails: {max_targets: {files: 0}}\n"+gated, 1)
		b.until(id, "waiting")
		b.decide(b.waiting().ID, "dana@c.example", true)
		<-time.After(time.Second)
		w.set("f0", "changed")
		q := b.waiting()
		if q.Reason != "cap" {
			t.Fatalf("asked for %s", q.Reason)
		}
		b.decide(q.ID, "dana@c.example", true)
		<-time.After(time.Second)
		if q = b.waiting(); q.Reason != "changed" || len(w.audit) != 0 {
			t.Fatalf("asked for %s with changes %v", q.Reason, w.audit)
		}
		b.decide(q.ID, "dana@c.example", true)
		r := b.await(id)
		if r.Status != "succeeded" || step(t, r, "each[0]/0").Effects[0].Status != actions.Done {
			t.Errorf("the run is %s (%v)", r.Status, r.Error)
		}
	})
}

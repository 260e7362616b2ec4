package engine_test

import (
	"slices"
	"testing"
	"time"

	"stanch/engine"
)

// TestFlow holds what a playbook comes to where steps end early.
func TestFlow(t *testing.T) {
	for name, c := range map[string]struct {
		book   string
		files  int
		values map[string]string
		status string
		steps  []string
		output string
	}{
		"a stop in on_failure leaves the run failed": {
			book:   "steps:\n  - fail: Bad\non_failure:\n  - stop: Enough\n",
			status: "failed", steps: []string{"0 failed", "on_failure/0 succeeded"},
		},
		"outputs that cannot be computed fail the run, and on_failure runs": {
			book: `
steps:
  - set: {n: len(evidence.files)}
on_failure:
  - uses: things.put
    with: {thing: note, value: "${{ error.step }}"}
outputs: {n: 1 / vars.n}`,
			status: "failed", steps: []string{"0 succeeded", "on_failure/0 succeeded"},
		},
		"blocks say how they ended": {
			book: `
steps:
  - id: good
    steps:
      - set: {a: 1}
  - id: bad
    steps:
      - id: inner
        steps:
          - fail: Bad
    on_error: continue
  - fail: Over`,
			status: "failed", steps: []string{"good succeeded", "bad failed", "bad/inner failed", "bad/inner/0 failed", "2 failed"},
		},
		"what a branch found is seen after": {
			book: `
steps:
  - parallel:
      - id: left
        uses: things.get
        with: {thing: x}
      - steps:
          - id: right
            uses: things.get
            with: {thing: z}
          - parallel:
              - id: deep
                uses: things.get
                with: {thing: x}
outputs: {left: steps.left.value, right: steps.right.value, deep: steps.deep.length}`,
			values: map[string]string{"x": "a", "z": "bc"}, status: "succeeded", output: `{"left":"a","right":"bc","deep":1}`,
		},
		"a loop inside a branch keeps its vars": {
			book: `
steps:
  - parallel:
      - steps:
          - for_each: evidence.files
            as: file
            steps:
              - set: {v: file.id}
          - set: {n: len(evidence.files)}
outputs: {n: vars.n}`,
			files: 2, status: "succeeded", output: `{"n":2}`,
		},
		"a loop over a mapping": {
			book: `
steps:
  - set: {m: '{"b": 2, "a": 1}'}
  - id: all
    for_each: groupBy(evidence.files, .id)
    as: entry
    steps:
      - set: {k: entry.key, n: len(entry.value)}
    collect: {k: vars.k, n: vars.n}
outputs: {all: steps.all.items}`,
			files: 2, status: "succeeded", output: `{"all":[{"k":"f0","n":1},{"k":"f1","n":1}]}`,
		},
		"a rejection in one branch beats a stop in another": {
			book: `
steps:
  - parallel:
      - approve: {ask: Well, approvers: [officers], timeout: 1m, on_timeout: reject}
      - stop: Enough
  - fail: Never`,
			status: "rejected",
		},
		"a stop before a rejection does not beat it": {
			book: `
steps:
  - parallel:
      - stop: Enough
      - approve: {ask: Well, approvers: [officers], timeout: 1m, on_timeout: reject}
  - fail: Never`,
			status: "rejected",
		},
		"a stop in a branch ends the run and says why": {
			book: `
steps:
  - parallel:
      - set: {a: 1}
      - steps:
          - steps:
              - stop: Enough
  - fail: Never`,
			status: "succeeded", steps: []string{"0 succeeded"},
		},
		"nobody decided in time and the playbook goes on": {
			book: `
steps:
  - id: gate
    approve: {ask: Well, approvers: [officers], timeout: 1m, on_reject: continue}
outputs: {outcome: steps.gate.outcome}`,
			status: "succeeded", output: `{"outcome":"timed_out"}`,
		},
		"branches that fail under continue": {
			book: `
steps:
  - parallel:
      - fail: One
      - set: {b: 2}
    on_error: continue
outputs: {b: vars.b}`,
			status: "succeeded", output: `{"b":2}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(c.values)
			if c.values == nil {
				w.values = map[string]string{}
			}
			rehearse(t, w, officers, func(b *bench) {
				r := b.run(c.book, c.files)
				if r.Status != c.status {
					t.Errorf("the run is %s, want %s: %v; steps %v", r.Status, c.status, r.Error, paths(r))
				}
				for _, want := range c.steps {
					if !slices.Contains(paths(r), want) {
						t.Errorf("no %q in %v", want, paths(r))
					}
				}
				if c.output != "" && outputs(t, r) != canonical(t, c.output) {
					t.Errorf("outputs are %s, want %s", outputs(t, r), c.output)
				}
				if r.Status == "succeeded" && c.output == "" && r.Reason != "Enough" {
					t.Errorf("the reason is %q", r.Reason)
				}
			})
		})
	}
}

func TestTheTimeOfARunBoundsWhateverItWaitsFor(t *testing.T) {
	for name, book := range map[string]string{
		"an approval":            "steps:\n  - id: wait\n    approve: {ask: Well, approvers: [officers]}\n    on_error: continue\n",
		"approvals of a loop":    "steps:\n  - id: wait\n    for_each: evidence.files\n    steps:\n      - approve: {ask: Well, approvers: [officers]}\n    on_error: continue\n",
		"an approval in a block": "steps:\n  - id: wait\n    steps:\n      - approve: {ask: Well, approvers: [officers]}\n    on_error: continue\n",
		"a throttled effect":     "steps:\n  - id: wait\n    uses: things.put\n    with: {thing: slow, value: b}\n    on_error: continue\n",
		"branches":               "steps:\n  - id: wait\n    parallel:\n      - approve: {ask: Well, approvers: [officers]}\n      - approve: {ask: Well, approvers: [officers]}\n    on_error: continue\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"slow": "a"})
			for range 100 {
				w.faults["slow"] = append(w.faults["slow"], fault{err: &thingError{code: "throttled", after: time.Hour}})
			}
			rehearse(t, w, officers, func(b *bench) {
				begun := time.Now()
				id := b.start("timeout: 3h\n"+book+`
  - set: {never: 1}
on_failure:
  - for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: "${{ error.code }}"}
`, 2)
				<-time.After(3*time.Hour - time.Minute)
				b.until(id, "waiting")
				r := b.await(id)
				if took := time.Since(begun); took < 3*time.Hour || took > 3*time.Hour+time.Minute {
					t.Errorf("it took %s", took)
				}
				if r.Status != "failed" || r.Error == nil || r.Error.Code != "timeout" {
					t.Errorf("the run is %s: %v", r.Status, r.Error)
				}
				if w.values["f0"] != "timeout" || w.values["f1"] != "timeout" {
					t.Errorf("on_failure left %v; steps %v", w.values, paths(r))
				}
				if s := step(t, r, "wait"); s.Status == "cancelled" || s.Kind != "for_each" && s.Kind != "parallel" && s.Status != "failed" {
					t.Errorf("the step is %s", s.Status)
				}
				if list, err := b.engine.Approvals(b.t.Context(), false); err != nil || len(list) != 0 {
					t.Errorf("still asked: %+v %v", list, err)
				}
			})
		})
	}
}

func TestAQuestionIsOverWhenTheTimeOfItsRunIs(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), officers, func(b *bench) {
		id := b.start(`
timeout: 1h
steps:
  - id: gate
    approve: {ask: Well, approvers: [officers]}
on_failure:
  - id: late
    approve: {ask: And now, approvers: [officers]}
`, 0)
		b.until(id, "waiting")
		first, err := b.engine.Approvals(b.t.Context(), false)
		if err != nil || len(first) != 1 {
			t.Fatalf("approvals are %v (%v)", first, err)
		}
		<-time.After(time.Hour + time.Minute)
		list, err := b.engine.Approvals(b.t.Context(), false)
		if err != nil || len(list) != 1 || list[0].Step != "on_failure/late" {
			t.Fatalf("approvals are %+v (%v)", list, err)
		}
		if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: first[0].ID, By: "dana@c.example", Approve: true}); err == nil {
			t.Error("a question of a step that has failed was decided")
		}
		if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: list[0].ID, By: "dana@c.example", Approve: true}); err != nil {
			t.Error(err)
		}
		if r := b.await(id); r.Status != "failed" {
			t.Errorf("the run is %s", r.Status)
		}
	})
}

// TestCancelInEveryState marks a run in whatever it is doing: it ends as
// cancelled, begins nothing more, and what has begun gets its outcome.
func TestCancelInEveryState(t *testing.T) {
	for name, c := range map[string]struct {
		book   string
		fault  fault
		freeze bool
		after  time.Duration
		effect string
	}{
		"an open effect":             {book: putX, fault: fault{applied: true, err: &thingError{code: "timeout", unsure: true}}, after: 10 * time.Second, effect: "done"},
		"an open effect, not done":   {book: putX, fault: fault{err: &thingError{code: "timeout", unsure: true}}, after: 10 * time.Second, effect: "not_done"},
		"a throttled effect":         {book: putX, fault: fault{err: &thingError{code: "throttled", after: time.Hour}}, after: time.Minute, effect: "not_done"},
		"a request under way":        {book: putX, fault: fault{slow: 20 * time.Second}, after: 10 * time.Second, effect: "done"},
		"an effect held by a freeze": {book: putX, freeze: true, after: time.Minute, effect: "planned"},
		"children":                   {book: "steps:\n  - parallel:\n      - uses: things.put\n        with: {thing: x, value: b}\n      - approve: {ask: Well, approvers: [officers]}\n", fault: fault{slow: 20 * time.Second}, after: 10 * time.Second, effect: "done"},
		"on_failure":                 {book: "steps:\n  - fail: Bad\non_failure:\n  - uses: things.put\n    with: {thing: x, value: b}\n  - approve: {ask: Well, approvers: [officers]}\n", after: time.Minute, effect: "done"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			w.faults["x"] = []fault{c.fault}
			rehearse(t, w, officers, func(b *bench) {
				if c.freeze {
					if _, err := b.engine.Freeze(b.t.Context(), true, "tess", "drill"); err != nil {
						t.Fatal(err)
					}
				}
				id := b.start(c.book, 0)
				<-time.After(c.after)
				if err := b.engine.Cancel(b.t.Context(), id, "tess", "enough"); err != nil {
					t.Fatal(err)
				}
				r := b.await(id)
				if r.Status != "cancelled" {
					t.Errorf("the run is %s: %v", r.Status, r.Error)
				}
				for _, s := range r.Steps {
					for _, e := range s.Effects {
						if string(e.Status) != c.effect {
							t.Errorf("the effect at %s is %s, want %s", s.Path, e.Status, c.effect)
						}
					}
				}
				if w.changes()["x"] > 1 {
					t.Errorf("x was changed %d times", w.changes()["x"])
				}
				if list, err := b.engine.Approvals(b.t.Context(), false); err != nil || len(list) != 0 {
					t.Errorf("still asked: %+v %v", list, err)
				}
			})
		})
	}
}

// TestOnErrorThatStopsIsNoFault stops in an on_error, where something around
// tidies up: the run ends well, and is not stuck.
func TestOnErrorThatStopsIsNoFault(t *testing.T) {
	const stops = "- steps:\n    - fail: Bad\n  on_error:\n    steps:\n      - stop: Enough\n"
	for name, book := range map[string]string{
		"before finally of the playbook": "steps:\n  " + indented(stops, 2) + "\nfinally:\n  - uses: things.put\n    with: {thing: x, value: tidy}\n",
		"in finally of a step":           "steps:\n  - uses: things.put\n    with: {thing: x, value: tidy}\n    finally:\n      " + indented(stops, 6) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{})
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run(book, 0)
				if r.Status != "succeeded" || r.Error != nil || r.Reason != "Enough" || w.get("x") != "tidy" {
					t.Errorf("the run is %s: %v, because %q; steps %v", r.Status, r.Error, r.Reason, paths(r))
				}
			})
		})
	}
}

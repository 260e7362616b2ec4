package engine_test

import (
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine"
)

// rehearsed starts a run in a mode and answers what it comes to.
func (b *bench) rehearsed(text string, files int, mode string) engine.Run {
	b.t.Helper()
	begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: b.load(text), Event: event(files), Mode: mode, By: "operator:tess"})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.await(begun.Run)
}

// TestAPlanGoesAllTheWay plans what lets time pass, goes round and calls: it
// takes no time, changes nothing and shows every effect; what would need a live
// result says so.
func TestAPlanGoesAllTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		book    string
		calls   map[string]string
		status  string
		steps   []string
		planned []string // paths with a planned effect
		why     map[string]string
	}{
		"waits and turns": {
			book: `
steps:
  - wait: 5h
  - set: {n: 0}
  - id: count
    repeat:
      times: 3
      every: 1h
      steps:
        - set: {n: vars.n + 1}
        - uses: things.put
          with: {thing: "t${{ vars.n }}", value: b}
      until: vars.n == 2
  - id: poll
    repeat:
      times: 50
      every: 1h
      steps:
        - id: got
          uses: things.get
          with: {thing: there}
      until: steps.got.value == "other"
    on_error: continue
    finally:
` + put("tidy", 3) + put("z", 1),
			status: "succeeded", steps: []string{"count succeeded", "count#2/1 succeeded", "poll skipped", "poll#2/got succeeded", "poll/finally/0 succeeded"},
			planned: []string{"count#1/1", "count#2/1", "poll/finally/0", "4"}, why: map[string]string{"poll": "needs a live result"},
		},
		"calls": {
			book:   "steps:\n  - id: sub\n    call: other\n  - if: steps.sub.got == \"b\"\n    steps:\n" + put("z", 3),
			calls:  map[string]string{"other": "steps:\n" + put("inside", 1) + "  - id: got\n    uses: things.get\n    with: {thing: inside}\noutputs: {got: steps.got.value}\n"},
			status: "succeeded", planned: []string{"sub[0]/0"}, why: map[string]string{"sub": "needs a live result"},
		},
		"what fails is tidied up in the plan too": {
			book:   "steps:\n  - id: x\n    steps:\n      - fail: Bad\n    on_error:\n      steps:\n" + put("rescued", 4) + "    finally:\n" + put("tidy", 3),
			status: "succeeded", planned: []string{"x/on_error/0", "x/finally/0"},
		},
		"what no item of a loop can give is not known": {
			book: "steps:\n" + put("made", 1) + `
  - id: each
    for_each: '["made", "made"]'
    steps:
      - id: got
        uses: things.get
        with: {thing: made}
    collect: {value: steps.got.value}
  - id: follows
    set: {n: len(steps.each.items)}
  - id: some
    for_each: '["made", "there"]'
    steps:
      - id: it
        uses: things.get
        with: {thing: "${{ item }}"}
    collect: {value: steps.it.value}
  - if: len(steps.some.items) == 1
    steps:
` + put("z", 3),
			status: "succeeded", planned: []string{"0", "4/0"},
			why: map[string]string{"each": "needs a live result: what its items give", "follows": "needs a live result"},
		},
		"an event does not come in a plan": {
			book:   "steps:\n  - id: x\n    wait: {event: replied, key: a, timeout: 1h}\n" + put("z", 1),
			status: "succeeded", planned: []string{"1"}, why: map[string]string{"x": "needs a live result"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rehearse(t, newWorld(map[string]string{"there": "a"}), officers, func(b *bench) {
				b.calls = c.calls
				begun := time.Now()
				r := b.rehearsed(c.book, 0, engine.ModePlan)
				if took := time.Since(begun); r.Status != c.status || took > time.Minute || len(b.w.changes()) > 0 {
					t.Errorf("the plan is %s (%v) after %s, changes %v", r.Status, r.Error, took, b.w.changes())
				}
				for _, want := range c.steps {
					if !strings.Contains(strings.Join(paths(r), "\n")+"\n", want+"\n") {
						t.Errorf("no %q in %v", want, paths(r))
					}
				}
				for _, path := range c.planned {
					if s := step(t, r, path); len(s.Effects) != 1 || s.Effects[0].Status != actions.Planned {
						t.Errorf("the effects at %s are %+v", path, s.Effects)
					}
				}
				for path, why := range c.why {
					if s := step(t, r, path); s.Status != "skipped" || !strings.Contains(s.Why, why) {
						t.Errorf("%s is %s: %s", path, s.Status, s.Why)
					}
				}
			})
		})
	}
}

// TestGuardrailsOfAPlaybookThatIsCalledStandBesideThoseOfItsCaller: the stricter
// wins, whosever it is.
func TestGuardrailsOfAPlaybookThatIsCalledStandBesideThoseOfItsCaller(t *testing.T) {
	const body = "on: {incident: {events: [created]}}\nsteps:\n  - for_each: evidence.files\n    steps:\n      - uses: things.put\n        with: {thing: \"${{ item }}\", value: b}\n    on_error: continue\n"
	for name, c := range map[string]struct{ caller, called, want string }{
		"the caller protects": {"guardrails: {protect: {files: [f0]}}\n", "", "protected"},
		"the called protects": {"", "guardrails: {protect: {files: [f0]}}\n", "protected"},
		"the caller's cap":    {"guardrails: {max_targets: {files: 1}}\n", "guardrails: {max_targets: {files: 5}}\n", "no approval"},
		"the called's cap":    {"guardrails: {max_targets: {files: 5}}\n", "guardrails: {max_targets: {files: 1}}\n", "no approval"},
	} {
		t.Run(name, func(t *testing.T) {
			rehearse(t, newWorld(map[string]string{}), officers, func(b *bench) {
				b.calls = map[string]string{"other": c.called + body}
				id := b.start(c.caller+"steps:\n  - id: sub\n    call: other\n", 2)
				if c.want == "no approval" {
					decides(false)(b, id)
				}
				r := b.await(id)
				var said []string
				for _, s := range r.Steps {
					if s.Error != nil {
						said = append(said, s.Error.Message)
					}
				}
				if len(b.w.changes()) != 1 || !strings.Contains(strings.Join(said, "; "), c.want) {
					t.Errorf("%d things were changed; the steps say %q", len(b.w.changes()), said)
				}
			})
		})
	}
}

// TestAnApprovalCoversWhatIsCalled: what is called has no effect before the yes,
// and none on a target that has changed since.
func TestAnApprovalCoversWhatIsCalled(t *testing.T) {
	book := `
steps:
  - id: gate
    approve: {ask: Well, targets: evidence.files, approvers: [officers], covers: [each]}
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 1
    steps:
      - id: sub
        call: other
        with: {file: "${{ file }}"}
    on_error: continue
`
	for name, approve := range map[string]bool{"yes": true, "no": false} {
		t.Run(name, func(t *testing.T) {
			rehearse(t, newWorld(map[string]string{}), officers, func(b *bench) {
				b.calls = map[string]string{"other": "params: {file: {type: file}}\nsteps:\n  - uses: things.put\n    with: {thing: \"${{ params.file }}\", value: b}\n"}
				id := b.start(book, 2)
				b.until(id, "waiting")
				list, err := b.engine.Approvals(b.t.Context(), false)
				if err != nil || len(list) != 1 || len(b.w.changes()) != 0 || len(list[0].Shown) != 2 {
					t.Fatalf("%v changed, asked %+v (%v)", b.w.changes(), list, err)
				}
				b.w.set("f1", "changed meanwhile")
				decides(approve)(b, id)
				if !approve {
					if r := b.await(id); r.Status != "rejected" || len(b.w.changes()) != 0 {
						t.Errorf("the run is %s, the world %v", r.Status, b.w.values)
					}
					return
				}
				b.until(id, "waiting") // the second file is not as it was shown
				if list, err = b.engine.Approvals(b.t.Context(), false); err != nil || len(list) != 1 || list[0].Reason != "changed" || b.w.get("f0") != "b" || b.w.get("f1") != "changed meanwhile" {
					t.Fatalf("asked %+v (%v), the world %v", list, err, b.w.values)
				}
				decides(false)(b, id)
				if r := b.await(id); r.Status != "succeeded" || b.w.get("f1") != "changed meanwhile" {
					t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, b.w.values)
				}
			})
		})
	}
}

// TestAnUndoFindsEffectsWhereverTheyAre: in turns, in what is called, in what
// tidies up; of all of a step, too.
func TestAnUndoFindsEffectsWhereverTheyAre(t *testing.T) {
	book := "steps:\n  - set: {n: 0}\n  - id: r\n    repeat:\n      times: 2\n      steps:\n        - set: {n: vars.n + 1}\n" + put("turn${{ vars.n }}", 4) +
		"  - id: sub\n    call: other\n  - id: x\n    steps:\n      - fail: Bad\n    on_error:\n      steps:\n" + put("rescued", 4) + "    finally:\n" + put("tidy", 3) + "finally:\n" + put("final", 1)
	calls := map[string]string{"other": "steps:\n" + put("inside", 1) + "finally:\n" + put("inner", 1)}
	all := []string{"turn1", "turn2", "inside", "inner", "rescued", "tidy", "final"}
	for at, want := range map[string][]string{"": all, "r": {"turn1", "turn2"}, "r#2": {"turn2"}, "sub": {"inside", "inner"}, "x/finally": {"tidy"}, "finally": {"final"}} {
		t.Run("step "+at, func(t *testing.T) {
			rehearse(t, newWorld(map[string]string{}), officers, func(b *bench) {
				b.calls = calls
				r := b.run(book, 0)
				if r.Status != "succeeded" || len(b.w.changes()) != len(all) {
					t.Fatalf("the run is %s (%v), changes %v", r.Status, r.Error, b.w.changes())
				}
				begun, err := b.engine.Undo(b.t.Context(), r.ID, at, "tess")
				if err != nil {
					t.Fatal(err)
				}
				if u := b.await(begun.Run); u.Status != "succeeded" {
					t.Fatalf("the undo is %s (%v)", u.Status, u.Error)
				}
				for _, thing := range all {
					now := b.w.get(thing)
					if undone := now == ""; undone != strings.Contains(" "+strings.Join(want, " ")+" ", " "+thing+" ") {
						t.Errorf("%s is %q", thing, now)
					}
				}
			})
		})
	}
}

// TestARunGoesOnWithWhatItCalledAtItsBeginning: the texts of all that may be
// called are kept with the run.
func TestARunGoesOnWithWhatItCalledAtItsBeginning(t *testing.T) {
	rehearse(t, newWorld(map[string]string{}), officers, func(b *bench) {
		b.calls = map[string]string{"other": "steps:\n  - call: deep\n", "deep": "steps:\n" + put("old", 1)}
		id := b.start("steps:\n  - wait: 1h\n  - id: sub\n    call: other\n", 0)
		b.until(id, "waiting")
		b.end()
		b.engine = engine.New(b.store, b.store, b.w.catalog(), officers) // which knows none of them
		b.work()
		if r := b.await(id); r.Status != "succeeded" || b.w.get("old") != "b" {
			t.Errorf("the run is %s (%v), the world %v; steps %v", r.Status, r.Error, b.w.values, paths(r))
		}
	})
}

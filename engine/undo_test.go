package engine_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/playbooks"
)

const putAll = `
steps:
  - for_each: evidence.files
    as: file
    max_parallel: 1
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
`

// undo takes a run back and answers how that ended.
func (b *bench) undo(id string) engine.Run {
	b.t.Helper()
	begun, err := b.engine.Undo(b.t.Context(), id, "", "operator:tess")
	if err != nil {
		b.t.Fatal(err)
	}
	return b.await(begun.Run)
}

func undoItems(b *bench, id string) []string {
	b.t.Helper()
	plan, err := b.engine.PlanUndo(b.t.Context(), id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	var items []string
	for _, i := range plan.Items {
		items = append(items, i.Effect.Target.ID+" "+i.Status)
	}
	return items
}

func TestUndoGoesBackwards(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "x1": "a", "x2": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		r := b.run(`
steps:
  - id: z
    uses: things.put
    with: {thing: x, value: b}
  - id: a
    uses: things.both
    with: {thing: x, value: c}
  - id: m
    uses: things.put
    with: {thing: x, value: d}
`, 0)
		items := undoItems(b, r.ID)
		if want := []string{"x would_undo", "x2 would_undo", "x1 would_undo", "x changed_since"}; !slices.Equal(items, want) {
			t.Errorf("the plan is %v, want %v", items, want)
		}
		if u := b.undo(r.ID); u.Status != "succeeded" {
			t.Errorf("the undo is %s (%v)", u.Status, u.Error)
		}
		if want := map[string]string{"x": "a", "x1": "a", "x2": "a"}; !maps.Equal(w.values, want) {
			t.Errorf("the world is %v", w.values)
		}
	})
}

func TestAnUndoThatIsNotDoneAltogether(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a", "f2": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.run(putAll, 3).ID
		w.faults["f1"] = []fault{{err: &thingError{code: "forbidden"}}}
		u := b.undo(id)
		if u.Status != "failed" || u.Error == nil || !strings.Contains(u.Error.Message, "1 of 3") {
			t.Errorf("the undo is %s (%v)", u.Status, u.Error)
		}
		if want := map[string]string{"f0": "a", "f1": "b", "f2": "a"}; !maps.Equal(w.values, want) {
			t.Errorf("the world is %v", w.values)
		}
		if items := undoItems(b, id); !slices.Equal(items, []string{"f2 already_undone", "f1 would_undo", "f0 already_undone"}) {
			t.Errorf("the plan is %v", items)
		}
		if u := b.undo(id); u.Status != "succeeded" || w.values["f1"] != "a" {
			t.Errorf("the second undo is %s (%v)", u.Status, u.Error)
		}
		if _, err := b.engine.Undo(b.t.Context(), id, "", "operator:tess"); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("a third undo: %v", err)
		}
		if _, err := b.engine.Undo(b.t.Context(), u.ID, "", "operator:tess"); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("an undo of an undo: %v", err)
		}
	})
}

func TestAnUndoWhoseInverseGoesWrong(t *testing.T) {
	for name, c := range map[string]struct {
		faults []fault
		sent   int
	}{
		"throttled":          {[]fault{{err: &thingError{code: "throttled", after: time.Minute}}}, 2},
		"applied, then cut":  {[]fault{{applied: true, err: &thingError{code: "timeout", unsure: true}}}, 2},
		"cut before applied": {[]fault{{err: &thingError{code: "timeout", unsure: true}}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"f0": "a"})
			rehearse(t, w, engine.Options{}, func(b *bench) {
				id := b.run(putAll, 1).ID
				w.faults["f0"] = c.faults
				if u := b.undo(id); u.Status != "succeeded" || w.values["f0"] != "a" || w.changes()["f0"] != c.sent {
					t.Errorf("the undo is %s (%v), the world %v, changed %d times", u.Status, u.Error, w.values, w.changes()["f0"])
				}
				r, err := b.engine.Run(b.t.Context(), id)
				if err != nil || step(t, r, "0[0]/0").Effects[0].Status != actions.Undone {
					t.Errorf("the effect is not shown as undone (%v)", err)
				}
			})
		})
	}
}

func TestWhatIsUndoneByHandOrUnknownEndsAsAPersonSays(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.run(putAll, 1).ID
		w.goBlind("f0", fault{applied: true, err: &thingError{code: "timeout", unsure: true}})
		begun, err := b.engine.Undo(b.t.Context(), id, "", "operator:tess")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if err := b.engine.Resolve(b.t.Context(), begun.Run, "0", true, "dana"); err != nil {
			t.Fatal(err)
		}
		b.await(begun.Run)
		if items := undoItems(b, id); !slices.Equal(items, []string{"f0 already_undone"}) {
			t.Errorf("the plan is %v", items)
		}
	})
}

func TestUndoKeepsToTheGuardrails(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a", "f2": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.run(putAll, 3).ID
		o := officers
		o.Guardrails = playbooks.Guardrails{Protect: map[string][]string{"files": {"F1"}}, MaxTargets: map[string]int{"files": 1}}
		o.UndoAsks = true
		b.end()
		b.engine = engine.New(b.store, b.store, w.catalog(), o)
		b.work()
		if items := undoItems(b, id); !slices.Equal(items, []string{"f2 would_undo", "f1 refused", "f0 would_undo"}) {
			t.Errorf("the plan is %v", items)
		}
		begun, err := b.engine.Undo(b.t.Context(), id, "", "operator:dana@c.example")
		if err != nil {
			t.Fatal(err)
		}
		b.until(begun.Run, "waiting")
		q := b.waiting()
		if q.Reason != "gate" || len(q.Targets) != 3 {
			t.Fatalf("the question is %+v", q)
		}
		if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: q.ID, By: "dana@c.example", Approve: true}); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("who asked for the undo approved it: %v", err)
		}
		b.decide(q.ID, "omar@c.example", true)
		<-time.After(time.Minute)
		if q = b.waiting(); q.Reason != "cap" || w.values["f2"] != "a" || w.values["f0"] != "b" {
			t.Fatalf("the question is %+v, the world %v", q, w.values)
		}
		b.decide(q.ID, "omar@c.example", true)
		if u := b.await(begun.Run); u.Status != "failed" || w.values["f1"] != "b" || w.values["f0"] != "a" {
			t.Errorf("the undo is %s (%v), the world %v", u.Status, u.Error, w.values)
		}
	})
}

func TestAnEffectThatCannotBeReadDoesNotKeepTheOthersFromUndo(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		id := b.run(putAll, 2).ID
		w.reading = func(thing string) error {
			if thing == "f1" {
				return &thingError{code: "not_found"}
			}
			return nil
		}
		if items := undoItems(b, id); !slices.Equal(items, []string{"f1 unreadable", "f0 would_undo"}) {
			t.Errorf("the plan is %v", items)
		}
		if u := b.undo(id); u.Status != "failed" || w.values["f0"] != "a" {
			t.Errorf("the undo is %s (%v), the world %v", u.Status, u.Error, w.values)
		}
	})
}

func TestUndoWaitsForARunWithTheSameKey(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		const head = "concurrency: {key: all}\n"
		id := b.run(head+putAll, 1).ID
		book := b.load(head + "steps:\n  - approve: {ask: Well, approvers: [officers]}\n")
		ev := event(1)
		ev.ID = "e2"
		ev.Incident = []byte(strings.Replace(string(ev.Incident), "defender/7", "defender/8", 1))
		other, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: ev, Mode: engine.ModeLive, By: "trigger:incident"})
		if err != nil {
			t.Fatal(err)
		}
		b.until(other.Run, "waiting")
		begun, err := b.engine.Undo(b.t.Context(), id, "", "operator:tess")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if w.values["f0"] != "b" {
			t.Error("the undo did not wait")
		}
		b.decide(b.waiting().ID, "dana@c.example", true)
		b.await(other.Run)
		b.await(begun.Run)
		if w.values["f0"] != "a" {
			t.Errorf("the world is %v", w.values)
		}
	})
}

// TestPlan holds what a plan tells of what a live run would do.
func TestPlan(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a", "f2": "a"})
	o := officers
	o.Guardrails = playbooks.Guardrails{Protect: map[string][]string{"files": {"f2"}}}
	for _, mode := range []string{engine.ModePlan, engine.ModeShadow} {
		rehearse(t, w, o, func(b *bench) {
			book := b.load(`
guardrails: {max_targets: {files: 1}}
steps:
  - id: gate
    approve: {ask: Well, targets: evidence.files, covers: [each], approvers: [officers], timeout: 1m}
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 1
    steps:
      - id: put
        uses: things.put
        with: {thing: "${{ file }}", value: b}
    on_error: continue
  - id: made
    uses: things.get
    with: {thing: "not there yet"}
  - set: {n: 1 / (len(evidence.files) - 3)}
  - id: after
    if: len(evidence.files) > 0
    uses: things.put
    with: {thing: x, value: c}
    on_error: continue
outputs: {made: "steps.made.value", n: "vars.n"}
`)
			begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: event(3), Mode: mode, By: "operator:tess"})
			if err != nil {
				t.Fatal(err)
			}
			r := b.await(begun.Run)
			if r.Status != "succeeded" || len(w.audit) != 0 {
				t.Fatalf("the plan is %s (%v) with changes %v; %v", r.Status, r.Error, w.audit, paths(r))
			}
			for _, want := range []string{"gate succeeded", "each[0]/put succeeded", "each[1]/put succeeded", "each[2]/put failed", "made skipped", "3 skipped", "after succeeded"} {
				if !slices.Contains(paths(r), want) {
					t.Errorf("no %q in %v", want, paths(r))
				}
			}
			if a := step(t, r, "gate").Approval; a == nil || a.Status != "approved" || len(a.Targets) != 3 {
				t.Errorf("the approval is %+v", a)
			}
			if e := step(t, r, "each[0]/put").Effects[0]; e.Status != actions.Planned || string(e.Before) != `"a"` || string(e.After) != `"b"` || e.Why != "" {
				t.Errorf("the first effect is %+v", e)
			}
			if e := step(t, r, "each[1]/put").Effects[0]; e.Status != actions.Planned || !strings.Contains(e.Why, "cap of 1 files") {
				t.Errorf("the second effect is %+v", e)
			}
			if e := step(t, r, "each[2]/put").Effects[0]; e.Status != actions.Refused {
				t.Errorf("the third effect is %+v", e)
			}
			if s := step(t, r, "made"); !strings.HasPrefix(s.Why, "needs a live result") {
				t.Errorf("the read is %+v", s)
			}
		})
	}
	t.Run("what fails before any effect fails", func(t *testing.T) {
		rehearse(t, w, o, func(b *bench) {
			book := b.load("steps:\n  - uses: things.get\n    with: {thing: nothing}\n  - uses: things.put\n    with: {thing: f0, value: b}\n")
			begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: book, Event: event(0), Mode: engine.ModePlan, By: "operator:tess"})
			if err != nil {
				t.Fatal(err)
			}
			if r := b.await(begun.Run); r.Status != "failed" || r.Error.Code != "not_found" {
				t.Errorf("the plan is %s (%v)", r.Status, r.Error)
			}
		})
	})
}

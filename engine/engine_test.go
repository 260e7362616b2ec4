package engine_test

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/playbooks"
)

const putX = `
steps:
  - id: put
    uses: things.put
    with: {thing: x, value: b}
`

const dropX = `
steps:
  - id: drop
    uses: things.drop
    with: {thing: x}
`

func TestEffectOutcomes(t *testing.T) {
	lost := &thingError{code: "unavailable", unsure: true}
	busy := &thingError{code: "unavailable"}
	for name, c := range map[string]struct {
		book   string
		faults []fault
		status string
		effect actions.Status
		value  string
		sent   int
	}{
		"answered": {book: putX, status: "succeeded", effect: actions.Done, value: "b", sent: 1},
		"applied, then cut: read back, not sent again":  {book: putX, faults: []fault{{applied: true, err: lost}}, status: "succeeded", effect: actions.Done, value: "b", sent: 1},
		"cut before: read back, sent again":             {book: putX, faults: []fault{{err: lost}}, status: "succeeded", effect: actions.Done, value: "b", sent: 1},
		"destroys, applied, then cut":                   {book: dropX, faults: []fault{{applied: true, err: lost}}, status: "succeeded", effect: actions.Done, value: "gone", sent: 1},
		"destroys, cut before":                          {book: dropX, faults: []fault{{err: lost}}, status: "succeeded", effect: actions.Done, value: "gone", sent: 1},
		"throttled for an hour":                         {book: putX, faults: []fault{{err: &thingError{code: "throttled", after: time.Hour}}}, status: "succeeded", effect: actions.Done, value: "b", sent: 1},
		"unavailable twice, and certainly not done":     {book: putX, faults: []fault{{err: busy}, {err: busy}}, status: "succeeded", effect: actions.Done, value: "b", sent: 1},
		"unavailable for good":                          {book: putX, faults: []fault{{err: busy}, {err: busy}, {err: busy}}, status: "failed", effect: actions.NotDone, value: "a"},
		"forbidden":                                     {book: putX, faults: []fault{{err: &thingError{code: "forbidden"}}}, status: "failed", effect: actions.NotDone, value: "a"},
		"an error that does not say so is looked after": {book: putX, faults: []fault{{applied: true, err: errors.New("what?")}}, status: "succeeded", effect: actions.Done, value: "b", sent: 1},
		"never answered":                                {book: putX, faults: []fault{{err: lost}, {err: lost}, {err: lost}, {err: lost}}, status: "failed", effect: actions.NotDone, value: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			w.faults["x"] = c.faults
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run(c.book, 0)
				if r.Status != c.status || w.values["x"] != c.value || w.changes()["x"] != c.sent {
					t.Errorf("the run is %s (%v), x is %q, changed %d times; want %s, %q, %d", r.Status, r.Error, w.values["x"], w.changes()["x"], c.status, c.value, c.sent)
				}
				if got := r.Steps[0].Effects[0].Status; got != c.effect {
					t.Errorf("the effect is %s, want %s", got, c.effect)
				}
			})
		})
	}
}

func TestADestroyingEffectIsLookedForTwiceBeforeItIsSentAgain(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	w.faults["x"] = []fault{{err: &thingError{code: "timeout", unsure: true}}}
	rehearse(t, w, engine.Options{}, func(b *bench) {
		begun := time.Now()
		b.run(dropX, 0)
		// 30 s until no byte can be under way, and then two looks, each a settling
		// time of 3 s after what could have been.
		if took := time.Since(begun); took < 36*time.Second {
			t.Errorf("sent again after %s", took)
		}
	})
}

func TestWhatNobodyCanTellWaitsForAPerson(t *testing.T) {
	for _, happened := range []bool{true, false} {
		w := newWorld(map[string]string{"x": "a"})
		w.faults["x"] = []fault{{err: &thingError{code: "timeout", unsure: true}, slow: time.Second}}
		rehearse(t, w, engine.Options{}, func(b *bench) {
			w.incident = "defender/1"
			id := b.start(putX, 0)
			<-time.After(500 * time.Millisecond)
			w.mu.Lock()
			w.values["x"] = "somebody else's"
			w.mu.Unlock()
			r := b.until(id, "waiting")
			for step(t, r, "put").Status != "unknown" {
				<-time.After(time.Second)
				r = b.until(id, "waiting")
			}
			b.announced(true)
			if err := b.engine.Resolve(b.t.Context(), id, "put", happened, "dana"); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Millisecond)
			b.announced(happened)
			want := map[bool]string{true: "succeeded", false: "failed"}[happened]
			if r := b.await(id); r.Status != want {
				t.Errorf("resolved as happened=%v the run is %s, want %s", happened, r.Status, want)
			}
			if n := w.changes()["x"]; n != 0 {
				t.Errorf("x was changed %d times", n)
			}
		})
	}
}

func TestAFreezeStopsEffectsAndAThawLetsThemGoOn(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		if _, err := b.engine.Freeze(b.t.Context(), true, "tess", "drill"); err != nil {
			t.Fatal(err)
		}
		id := b.start(putX, 0)
		b.until(id, "waiting")
		<-time.After(5 * time.Minute)
		if w.values["x"] != "a" {
			t.Fatal("an effect in a freeze")
		}
		if _, err := b.engine.Freeze(b.t.Context(), false, "tess", "over"); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "succeeded" || w.values["x"] != "b" {
			t.Errorf("after the thaw the run is %s and x %q", r.Status, w.values["x"])
		}
	})
}

func TestCancelEndsAWaitingRun(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, engine.Options{Groups: map[string][]string{"officers": {"dana@c.example"}}}, func(b *bench) {
		id := b.start(gated, 1)
		b.until(id, "waiting")
		if err := b.engine.Cancel(b.t.Context(), id, "tess", "enough"); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "cancelled" || len(w.audit) != 0 {
			t.Errorf("the run is %s with changes %v", r.Status, w.audit)
		}
		if list, err := b.engine.Approvals(b.t.Context(), false); err != nil || len(list) != 0 {
			t.Errorf("still asked: %v %v", list, err)
		}
		if err := b.engine.Cancel(b.t.Context(), id, "tess", "again"); !errors.Is(err, engine.ErrEnded) {
			t.Errorf("a cancel of an ended run says %v", err)
		}
	})
}

const gated = `
steps:
  - id: gate
    approve:
      ask: "Change ${{ len(evidence.files) }} files?"
      targets: evidence.files
      approvers: [officers]
      quorum: 1
      timeout: 4h
      on_timeout: reject
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
`

var officers = engine.Options{Groups: map[string][]string{"officers": {"dana@c.example", "omar@c.example"}}}

func TestGuardrails(t *testing.T) {
	loop := `
steps:
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 1
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
    on_error: continue
`
	t.Run("a protected entity is refused, under every name", func(t *testing.T) {
		w := newWorld(map[string]string{})
		o := engine.Options{Guardrails: playbooks.Guardrails{Protect: map[string][]string{"files": {"F1"}}}}
		rehearse(t, w, o, func(b *bench) {
			r := b.run(loop, 3)
			if _, touched := w.values["f1"]; touched || len(w.audit) != 2 {
				t.Errorf("changes are %v", w.audit)
			}
			if s := step(t, r, "each[1]/0"); s.Error == nil || s.Error.Code != "refused" || s.Effects[0].Status != actions.Refused {
				t.Errorf("the step is %+v", s)
			}
		})
	})
	t.Run("a cap pauses and asks; the answer allows that effect, not more", func(t *testing.T) {
		w := newWorld(map[string]string{})
		rehearse(t, w, officers, func(b *bench) {
			id := b.start("guardrails: {max_targets: {files: 2}}\n"+loop, 4)
			for i, approve := range []bool{true, false} {
				b.until(id, "waiting")
				if n := len(w.audit); n != 2+i {
					t.Fatalf("%d changes before question %d", n, i)
				}
				list, err := b.engine.Approvals(b.t.Context(), false)
				if err != nil || len(list) != 1 || list[0].Reason != "cap" {
					t.Fatalf("approvals are %+v (%v)", list, err)
				}
				if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: list[0].ID, By: "dana@c.example", Approve: approve}); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
			}
			r := b.await(id)
			if len(w.audit) != 3 || step(t, r, "each[3]/0").Status != "failed" {
				t.Errorf("changes are %v, steps %v", w.audit, paths(r))
			}
		})
	})
}

func TestUndo(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "a", "f2": "a"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		r := b.run(`
steps:
  - for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: b}
  - uses: things.drop
    with: {thing: f2}
`, 3)
		w.values["f1"] = "somebody's"
		plan, err := b.engine.PlanUndo(b.t.Context(), r.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, i := range plan.Items {
			got = append(got, i.Effect.Target.ID+" "+i.Status)
		}
		slices.Sort(got)
		if want := []string{"f0 would_undo", "f1 changed_since", "f2 changed_since", "f2 no_inverse"}; !slices.Equal(got, want) {
			t.Fatalf("the plan is %v, want %v", got, want)
		}
		begun, err := b.engine.Undo(b.t.Context(), r.ID, "", "operator:tess")
		if err != nil {
			t.Fatal(err)
		}
		if u := b.await(begun.Run); u.Status != "succeeded" || u.Undoes != r.ID {
			t.Errorf("the undo is %s (%v)", u.Status, u.Error)
		}
		if want := map[string]string{"f0": "a", "f1": "somebody's", "f2": "gone"}; !maps.Equal(w.values, want) {
			t.Errorf("the world is %v, want %v", w.values, want)
		}
		again, err := b.engine.Run(b.t.Context(), r.ID)
		if err != nil || step(t, again, "0[0]/0").Effects[0].Status != actions.Undone {
			t.Errorf("the effect is not shown as undone (%v)", err)
		}
	})
}

func TestPlanChangesNothing(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: b.load(gated), Event: event(1), Mode: engine.ModePlan, By: "operator:tess"})
		if err != nil {
			t.Fatal(err)
		}
		r := b.await(begun.Run)
		if r.Status != "succeeded" || len(w.audit) != 0 {
			t.Errorf("the plan is %s (%v) with changes %v", r.Status, r.Error, w.audit)
		}
		e := step(t, r, "each[0]/0").Effects
		if len(e) != 1 || e[0].Status != actions.Planned || string(e[0].Before) != `"a"` || string(e[0].After) != `"b"` {
			t.Errorf("effects are %+v", e)
		}
		if a := step(t, r, "gate").Approval; a == nil || len(a.Targets) != 1 {
			t.Errorf("the plan does not list its approval: %+v", a)
		}
	})
}

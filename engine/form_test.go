package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

const formed = `
steps:
  - id: gate
    approve:
      ask: Well
      targets: evidence.files
      approvers: [officers]
      quorum: 2
      timeout: 10h
      remind: 2h
      form:
        reason: {type: string, required: true, description: what for}
        days: {type: integer, default: 30, minimum: 1, maximum: 90}
        kind: {type: string, enum: [legal, business], required: true}
        note: {type: string}
  - uses: things.put
    with: {thing: "${{ evidence.files[0] }}", value: "${{ steps.gate.reason }} ${{ steps.gate.days }} ${{ steps.gate.kind }}"}
    if: len(evidence.files) > 0
outputs: {gate: steps.gate}
`

func filled(reason, days, kind string) map[string]string {
	form := map[string]string{}
	for name, v := range map[string]string{"reason": reason, "days": days, "kind": kind} {
		if v != "" {
			form[name] = v
		}
	}
	return form
}

func TestWhoApprovesFillsInTheForm(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(formed, 1)
		b.until(id, "waiting")
		q := b.waiting()
		if len(q.Form) != 4 || q.Form[0].Name != "reason" || !q.Form[0].Required || q.Form[1].Type != "integer" || len(q.Form[2].Enum) != 2 {
			t.Fatalf("the form is %+v", q.Form)
		}
		decide := func(by string, yes bool, form map[string]string) error {
			_, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: q.ID, By: by, Approve: yes, Form: form})
			return err
		}
		more := filled("x", "3", "legal")
		more["kin"] = "y"
		for want, form := range map[string]map[string]string{
			"field reason is missing":   filled("", "3", "legal"),
			"field reason is empty":     filled(" ", "3", "legal"),
			"field kind is missing":     filled("x", "3", ""),
			"the least is 1":            filled("x", "0", "legal"),
			"the most is 90":            filled("x", "91", "legal"),
			"expected integer":          filled("x", "three", "legal"),
			"is one of legal, business": filled("x", "3", "other"),
			"no field kin":              more,
		} {
			if err := decide("dana@c.example", true, form); !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: the error is %v, want %q", form, err, want)
			}
		}
		if err := decide("dana@c.example", false, filled("x", "", "")); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("a rejection with a form: %v", err)
		}
		if err := decide("dana@c.example", true, filled("audit", "", "legal")); err != nil {
			t.Fatal(err)
		}
		if err := decide("omar@c.example", true, filled("other", "", "")); !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), "dana@c.example") {
			t.Errorf("another value than the one that was filled in: %v", err)
		}
		if q = b.waiting(); string(q.Decided[0].Form) != `{"days":30,"kind":"legal","reason":"audit"}` {
			t.Errorf("what was filled in is shown as %s", q.Decided[0].Form)
		}
		if err := decide("omar@c.example", true, filled("audit", "", "")); err != nil {
			t.Fatal(err)
		}
		r := b.await(id)
		if r.Status != "succeeded" || w.get("f0") != "audit 30 legal" {
			t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
		}
		const want = `{"by":["dana@c.example","omar@c.example"],"days":30,"kind":"legal","outcome":"approved","reason":"audit"}`
		if got := canonical(t, string(step(t, r, "gate").Output)); got != want {
			t.Errorf("the output is %s", got)
		}
	})
}

func TestAFormOfOneWhoMayNoLongerApproveIsNotTaken(t *testing.T) {
	groups := map[string][]string{"officers": {"dana@c.example", "omar@c.example", "eve@c.example"}}
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, engine.Options{Groups: groups}, func(b *bench) {
		id := b.start(formed, 1)
		b.until(id, "waiting")
		q := b.waiting()
		decide := func(by string, form map[string]string) error {
			_, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: q.ID, By: by, Approve: true, Form: form})
			return err
		}
		if err := decide("eve@c.example", filled("hers", "", "legal")); err != nil {
			t.Fatal(err)
		}
		groups["officers"] = groups["officers"][:2]
		if err := decide("dana@c.example", nil); !errors.Is(err, engine.ErrRefused) {
			t.Errorf("the form of one who has gone counts: %v", err)
		}
		if err := errors.Join(decide("dana@c.example", filled("ours", "5", "business")), decide("omar@c.example", nil)); err != nil {
			t.Fatal(err)
		}
		if r := b.await(id); r.Status != "succeeded" || w.get("f0") != "ours 5 business" {
			t.Errorf("the run is %s (%v), the world %v", r.Status, r.Error, w.values)
		}
	})
}

func TestAPlanGoesOnBehindAForm(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: b.load(formed), Event: event(1), Mode: engine.ModePlan, By: "operator:tess"})
		if err != nil {
			t.Fatal(err)
		}
		r := b.await(begun.Run)
		if r.Status != "succeeded" || len(step(t, r, "1").Effects) != 1 || len(w.audit) > 0 {
			t.Errorf("the plan is %s (%v), its steps %v", r.Status, r.Error, paths(r))
		}
	})
}

func TestWhoHasNotDecidedIsAskedAgain(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a"})
	rehearse(t, w, officers, func(b *bench) {
		id := b.start(formed, 1)
		<-time.After(time.Hour)
		for want := range 4 {
			if q := b.waiting(); q.Reminded != want || q.RemindAt == nil {
				t.Errorf("after %d times 2h: reminded %d times, next %v", want, q.Reminded, q.RemindAt)
			}
			b.end() // a worker that comes later goes on with it
			<-time.After(2 * time.Hour)
			b.work()
			<-time.After(time.Second)
		}
		r := b.await(id)
		if a := step(t, r, "gate").Approval; r.Status != "rejected" || a.Reminded != 4 {
			t.Errorf("the run is %s; the approval %+v", r.Status, a)
		}
		if n := len(b.audited("approval.reminded")); n != 4 {
			t.Errorf("%d reminders in the audit", n)
		}
	})
}

// audited answers the audit records of a kind.
func (b *bench) audited(kind string) []engine.Audit {
	b.t.Helper()
	var found []engine.Audit
	for cursor := ""; ; {
		page, err := b.store.Follow(b.t.Context(), cursor, 1000)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, r := range page.Records {
			var a engine.Audit
			if r.Kind == "audit" && json.Unmarshal(r.Body, &a) == nil && a.Kind == kind {
				found = append(found, a)
			}
		}
		if cursor = page.Cursor; !page.More {
			return found
		}
	}
}

// TestAnApprovalSurvivesTheWorker kills the worker at every act of a run that
// waits for two people and reminds them.
func TestAnApprovalSurvivesTheWorker(t *testing.T) {
	stride := 1
	if testing.Short() {
		stride = 5 // a dead worker asks for hours whether its store is back
	}
	for _, applied := range []bool{false, true} {
		for k := 1; k <= 5; k += stride {
			t.Run(fmt.Sprintf("applied=%v/%d", applied, k), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store, err := sqlitestore.OpenMemory(time.Now)
					if err != nil {
						t.Fatal(err)
					}
					defer store.Close()
					w := newWorld(map[string]string{"f0": "a"})
					m := &mortal{Store: store, left: k, applied: applied, dead: make(chan struct{})}
					first := &bench{t: t, w: w, store: store, engine: engine.New(m, store, w.catalog(), officers)}
					id := first.start(formed, 1)
					first.work()
					<-time.After(5 * time.Hour)
					first.stop()
					<-first.done
					second := &bench{t: t, w: w, store: store, engine: engine.New(store, store, w.catalog(), officers)}
					second.work()
					<-time.After(time.Minute)
					for _, by := range []string{"dana@c.example", "omar@c.example"} {
						d := engine.Decision{Approval: second.waiting().ID, By: by, Approve: true, Form: filled("audit", "", "legal")}
						if _, err := second.engine.Decide(t.Context(), d); err != nil {
							t.Fatal(err)
						}
					}
					r := second.await(id)
					second.end()
					a := step(t, r, "gate").Approval
					if r.Status != "succeeded" || w.get("f0") != "audit 30 legal" || a.Reminded != len(second.audited("approval.reminded")) {
						t.Errorf("the run is %s (%v), reminded %d times, the world %v", r.Status, r.Error, a.Reminded, w.values)
					}
				})
			})
		}
	}
}

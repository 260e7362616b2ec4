package triggers_test

import (
	"fmt"
	"slices"
	"testing"

	"stanch/engine"
)

// Wherever whoever asks rules dies, the next one decides as the first did: a
// suppression that the rules themselves set keeps nothing from running that they
// ran before it, and is not forgotten.
func TestARevisionIsRuledAlikeAfterACrash(t *testing.T) {
	for n := 1; n <= 2; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %v", n, after), func(t *testing.T) {
				d := newRulesDesk(t, engine.Options{},
					rule("runs", 1, "then: [{run: seen}]\n"),
					rule("known", 2, "on: [created]\nthen: [{suppress: {reason: A known scanner, for: 2h}}, {tag: [quiet]}]\n"))
				ev := d.event("created", "created")
				d.set.Docs = &dying{d.store, n, after}
				if _, err := d.set.Ask(t.Context(), ev); err == nil {
					t.Fatal("it has not died")
				}
				d.set.Docs = d.store
				rec := d.ask(ev)
				if v := saidOf(rec, "runs"); !slices.Equal(v.Does, []string{"run: seen"}) || len(v.Leaves) > 0 {
					t.Errorf("%+v", v)
				}
				if rec.Suppressed == nil || rec.Suppressed.Rule != "known" || rec.Run == "" {
					t.Fatalf("%+v", rec)
				}
				if r := d.await(rec.Run); r.Status != "succeeded" || len(r.Steps) != 2 || len(d.runs("seen")) != 1 || len(d.runs("rules")) != 1 {
					t.Errorf("%s, %d steps, %d and %d runs", r.Status, len(r.Steps), len(d.runs("seen")), len(d.runs("rules")))
				}
				if next := d.ask(d.event("updated/2", "updated", "severity")); next.Suppressed == nil || next.Run != "" {
					t.Errorf("the next revision: %+v", next)
				}
			})
		}
	}
}

package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stanch/engine"
)

// TestAForgottenEffectIsNamed lets the store forget a run whose effect the world
// has seen: the worker's own journal tells of it.
func TestAForgottenEffectIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		fault   []fault
		forgets bool
		want    string
	}{
		"that was done":              {forgets: true, want: "done"},
		"whose answer was not heard": {fault: []fault{{applied: true, err: &thingError{code: "timeout", unsure: true}}}, forgets: true, want: "done"},
		"that did not happen":        {fault: []fault{{err: &thingError{code: "timeout", unsure: true}}}, forgets: true, want: "not_done"},
		"unless the store knows it":  {},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "journal")
			w := newWorld(map[string]string{"x": "a"})
			w.faults["x"] = c.fault
			rehearse(t, w, engine.Options{Journal: file}, func(b *bench) {
				id := b.start(putX, 0)
				if c.fault != nil {
					b.until(id, "waiting") // until it may be looked at
				} else {
					b.await(id)
				}
				if c.forgets {
					b.end()
					if err := b.store.Empty(context.Background()); err != nil {
						t.Fatal(err)
					}
					b.work()
				}
				if err := b.engine.WentBack(b.t.Context(), "a drill", func(run string) bool { return run == id }); err != nil {
					t.Fatal(err)
				}
				if back := b.audited("store.back"); len(back) != 1 || back[0].Why != "a drill" {
					t.Errorf("the audit log says %+v", back)
				}
				told := b.audited("effect.forgotten")
				if !c.forgets {
					if len(told) > 0 {
						t.Errorf("an effect that is known is told as forgotten: %+v", told)
					}
					return
				}
				if len(told) != 1 || told[0].Status != c.want || told[0].Run != id || told[0].Step != "put" || !strings.Contains(told[0].Why, "forgotten") {
					t.Errorf("told: %+v", told)
				}
			})
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the journal: %v, %v", info, err)
			}
		})
	}
}

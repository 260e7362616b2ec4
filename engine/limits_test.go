package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"stanch/engine"
)

func TestLongAndDeepPlaybooks(t *testing.T) {
	deep := "steps:\n"
	for i := range 14 {
		deep += strings.Repeat(" ", 4*i) + "  - steps:\n" + strings.Repeat(" ", 4*i) + "      - set: {v: 1}\n"
	}
	wide := "steps:\n"
	for range 1990 {
		wide += "  - set: {v: 1}\n"
	}
	for name, c := range map[string]struct {
		book  string
		steps int
	}{
		"2,000 steps":   {wide + "  - uses: things.get\n    with: {thing: x}\n", 1991},
		"deep blocks":   {deep, 28},
		"loop in loop":  {"steps:\n  - for_each: evidence.files\n    as: a\n    steps:\n      - for_each: evidence.files\n        as: b\n        steps:\n          - for_each: evidence.files\n            as: c\n            steps:\n              - parallel:\n                  - uses: things.get\n                    with: {thing: x}\n", 1 + 5 + 25 + 125 + 125},
		"a wide loop":   {"steps:\n  - id: all\n    for_each: 1..500\n    as: n\n    max_parallel: 100\n    steps:\n      - uses: things.get\n        with: {thing: x}\n", 501},
		"nothing to do": {"steps:\n  - for_each: evidence.devices\n    steps:\n      - set: {v: 1}\n  - set: {w: 1}\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			rehearse(t, newWorld(map[string]string{"x": "a"}), engine.Options{}, func(b *bench) {
				r := b.run(c.book, 5)
				if r.Status != "succeeded" || len(r.Steps) != c.steps {
					t.Errorf("the run is %s (%v) with %d steps, want %d", r.Status, r.Error, len(r.Steps), c.steps)
				}
			})
		})
	}
}

func TestWhatIsTooLargeIsRefusedByName(t *testing.T) {
	w := newWorld(map[string]string{"huge": strings.Repeat("x", 9<<20), "large": strings.Repeat("x", 5<<20), "some": strings.Repeat("x", 70<<10)})
	get := func(id, thing string) string {
		return fmt.Sprintf("  - id: %s\n    uses: things.get\n    with: {thing: %s}\n", id, thing)
	}
	for name, c := range map[string]struct{ book, step string }{
		"an output":        {"steps:\n" + get("a", "huge"), "a"},
		"what a run gives": {"steps:\n" + get("a", "large") + get("b", "large") + "outputs: {a: steps.a.value, b: steps.b.value}\n", "outputs"},
		"a collected value": {
			"steps:\n  - for_each: evidence.files\n    steps:\n    " + strings.ReplaceAll(get("a", "some"), "\n    ", "\n        ") + "    collect: {v: steps.a.value}\n", "0[0]",
		},
		"vars": {"steps:\n" + get("a", "large") + get("b", "large") + "  - set: {a: steps.a.value, b: steps.b.value}\noutputs: {n: len(vars.a) + len(vars.b)}\n", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run(c.book, 1)
				if r.Status != "failed" || r.Error.Code != "limit" || r.Error.Step != c.step {
					t.Errorf("the run is %s: %+v", r.Status, r.Error)
				}
			})
		})
	}
}

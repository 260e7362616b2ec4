package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"stanch/engine"
)

// What the actions of a run answered, and what they were asked, is known
// afterwards: items, rounds and variables as they were then; of what failed for
// good, too; of what had effects, as they were planned.
func TestAnswersOfARun(t *testing.T) {
	w := newWorld(map[string]string{"f0": "a", "f1": "bb", "x": "one", "one": "two", "two": "three"})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		r := b.run(`
steps:
  - set: {at: "\"x\""}
  - id: hop
    repeat:
      times: 2
      until: vars.at == "never"
      steps:
        - id: next
          uses: things.get
          with: {thing: "${{ vars.at }}"}
        - set: {at: steps.next.value}
    on_error: continue
  - id: none
    uses: things.get
    with: {thing: nothing}
    on_error: continue
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: z}
`, 2)
		found, err := b.engine.Answers(b.t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, a := range found {
			what := string(a.Out)
			if a.Fault != nil {
				what = a.Fault.Code
			}
			if len(a.Effects) > 0 {
				what = string(a.Effects[0].Before) + " → " + string(a.Effects[0].After)
			}
			var asked struct{ Thing any }
			if err := json.Unmarshal(a.Params, &asked); err != nil {
				t.Fatal(err)
			}
			if file, is := asked.Thing.(map[string]any); is {
				asked.Thing = file["id"]
			}
			told = append(told, fmt.Sprintf("%s %s %s: %s", a.Step, a.Action, asked.Thing, what))
		}
		want := []string{
			`hop#1/next things.get x: {"value":"one","length":3}`,
			`hop#2/next things.get one: {"value":"two","length":3}`,
			`none things.get nothing: not_found`,
			`each[0]/0 things.put f0: "a" → "z"`,
			`each[1]/0 things.put f1: "bb" → "z"`,
		}
		if !slices.Equal(told, want) {
			t.Errorf("answered\n%s", strings.Join(told, "\n"))
		}
		if _, err := b.engine.Answers(b.t.Context(), "nobody"); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("of no run: %v", err)
		}
	})
}

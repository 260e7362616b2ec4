package engine_test

import (
	"maps"
	"slices"
	"testing"

	"stanch/engine"
)

func TestStepKinds(t *testing.T) {
	for name, c := range map[string]struct {
		book   string
		files  int
		values map[string]string
		status string
		steps  []string // path status
		world  map[string]string
		output string
	}{
		"reads and sets": {
			book: `
steps:
  - id: a
    uses: things.get
    with: {thing: x}
  - set: {n: steps.a.length + 1}
outputs: {n: vars.n}`,
			values: map[string]string{"x": "abc"}, status: "succeeded",
			steps: []string{"a succeeded", "1 succeeded"}, output: `{"n":4}`,
		},
		"if and else": {
			book: `
steps:
  - if: len(evidence.files) > 5
    steps:
      - uses: things.put
        with: {thing: x, value: many}
    else:
      - uses: things.put
        with: {thing: x, value: few}
  - if: len(evidence.files) > 5
    uses: things.put
    with: {thing: z, value: many}`,
			values: map[string]string{"x": "a"}, status: "succeeded", world: map[string]string{"x": "few"},
			steps: []string{"0 succeeded", "0/else/0 succeeded", "1 skipped"},
		},
		"for_each collects what succeeded, in order": {
			book: `
steps:
  - id: all
    for_each: evidence.files
    as: file
    steps:
      - id: got
        uses: things.get
        with: {thing: "${{ file }}"}
    collect: {v: steps.got.value}
    on_error: continue
outputs: {all: steps.all}`,
			files: 3, values: map[string]string{"f0": "a", "f2": "c"}, status: "succeeded",
			steps:  []string{"all succeeded", "all[0]/got succeeded", "all[1]/got failed", "all[2]/got succeeded"},
			output: `{"all":{"total":3,"succeeded":2,"failed":1,"skipped":0,"rejected":0,"items":[{"v":"a"},{"v":"c"}]}}`,
		},
		"an empty for_each joins at once": {
			book: `
steps:
  - id: all
    for_each: evidence.files
    steps:
      - uses: things.get
        with: {thing: "${{ item }}"}
outputs: {n: steps.all.total}`,
			status: "succeeded", steps: []string{"all succeeded"}, output: `{"n":0}`,
		},
		"a failing item fails the run, on_failure runs": {
			book: `
steps:
  - id: all
    for_each: evidence.files
    max_parallel: 1
    steps:
      - uses: things.get
        with: {thing: "${{ item }}"}
on_failure:
  - uses: things.put
    with: {thing: note, value: "${{ run.failed_step }}"}`,
			files: 3, values: map[string]string{"f0": "a"}, status: "failed", world: map[string]string{"note": "all[1]/0"},
			steps: []string{"all failed", "all[0]/0 succeeded", "all[1]/0 failed", "on_failure/0 succeeded"},
		},
		"parallel branches set vars that are seen after": {
			book: `
steps:
  - parallel:
      - id: l
        steps:
          - set: {left: '"a"'}
      - uses: things.put
        with: {thing: x, value: right}
outputs: {left: vars.left}`,
			values: map[string]string{}, status: "succeeded", world: map[string]string{"x": "right"}, output: `{"left":"a"}`,
		},
		"stop ends the run well": {
			book: `
steps:
  - if: len(evidence.files) == 0
    stop: Nothing to do.
  - uses: things.put
    with: {thing: x, value: b}`,
			values: map[string]string{"x": "a"}, status: "succeeded", world: map[string]string{"x": "a"},
			steps: []string{"0 succeeded"},
		},
		"fail ends the run badly": {
			book:   "steps:\n  - fail: Too bad\n",
			status: "failed", steps: []string{"0 failed"},
		},
		"a failed step under continue is absent below": {
			book: `
steps:
  - id: a
    uses: things.get
    with: {thing: x}
    on_error: continue
outputs: {got: steps.a != nil}`,
			values: map[string]string{}, status: "succeeded", steps: []string{"a failed"}, output: `{"got":false}`,
		},
		"a loop in batches": {
			book: `
steps:
  - id: all
    for_each: evidence.files
    as: some
    index: n
    batch: 2
    steps:
      - uses: things.put
        with: {thing: "batch${{ n }}", value: "${{ join(map(some, .id), '+') }}"}
    collect: {n: n, size: len(some)}
outputs: {all: steps.all}`,
			files: 5, values: map[string]string{}, status: "succeeded",
			world:  map[string]string{"batch0": "f0+f1", "batch1": "f2+f3", "batch2": "f4"},
			output: `{"all":{"total":3,"succeeded":3,"failed":0,"skipped":0,"rejected":0,"items":[{"n":0,"size":2},{"n":1,"size":2},{"n":2,"size":1}]}}`,
		},
		"nested loops": {
			book: `
steps:
  - for_each: evidence.files
    as: outer
    steps:
      - for_each: evidence.files
        as: inner
        index: n
        steps:
          - uses: things.put
            with: {thing: "${{ outer.id }}-${{ n }}", value: x}`,
			files: 2, values: map[string]string{}, status: "succeeded",
			world: map[string]string{"f0-0": "x", "f0-1": "x", "f1-0": "x", "f1-1": "x"},
			steps: []string{"0 succeeded", "0[0]/0 succeeded", "0[0]/0[0]/0 succeeded"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(maps.Clone(c.values))
			if w.values == nil {
				w.values = map[string]string{}
			}
			rehearse(t, w, engine.Options{}, func(b *bench) {
				r := b.run(c.book, c.files)
				if r.Status != c.status {
					t.Errorf("the run is %s, want %s: %v; steps %v", r.Status, c.status, r.Error, paths(r))
				}
				got := paths(r)
				for _, want := range c.steps {
					if !slices.Contains(got, want) {
						t.Errorf("no %q in %v", want, got)
					}
				}
				for thing, want := range c.world {
					if w.values[thing] != want {
						t.Errorf("%s is %q, want %q", thing, w.values[thing], want)
					}
				}
				if c.output != "" {
					if got := outputs(t, r); got != canonical(t, c.output) {
						t.Errorf("outputs are\n%s, want\n%s", got, canonical(t, c.output))
					}
				}
			})
		})
	}
}

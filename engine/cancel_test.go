package engine_test

import (
	"slices"
	"testing"
	"time"
)

// TestACancelTidiesUp cancels runs that have something to tidy up: what they were
// at ends, every finally around it runs, under guardrails as ever, and nothing
// else begins.
func TestACancelTidiesUp(t *testing.T) {
	for name, c := range map[string]struct {
		book      string
		calls     map[string]string
		files     int
		after     time.Duration
		terminate bool
		world     map[string]string
		steps     []string
		minutes   int // that the run lasts
	}{
		"a wait in blocks": {
			book: `
steps:
  - id: outer
    steps:
      - id: w
        wait: 5h
        finally:
          - uses: things.put
            with: {thing: one, value: a}
    on_error: continue
    finally:
      - uses: things.put
        with: {thing: two, value: "${{ error?.code ?? 'none' }}"}
  - uses: things.put
    with: {thing: never, value: a}
on_failure:
  - uses: things.put
    with: {thing: never, value: a}
finally:
  - uses: things.put
    with: {thing: three, value: a}`,
			after: time.Minute, minutes: 1, world: map[string]string{"one": "a", "two": "none", "three": "a", "never": ""},
			steps: []string{"outer cancelled", "outer/w cancelled", "finally/0 succeeded"},
		},
		"items, what they call, and loops that tidy up": {
			book: `
steps:
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 2
    steps:
      - id: sub
        call: other
        with: {name: "${{ file.id }}"}
    finally:
      - for_each: evidence.files
        as: file
        max_parallel: 1
        steps:
          - wait: 1m
          - uses: things.put
            with: {thing: "${{ file }}", value: tidy}`,
			calls: map[string]string{"other": "params: {name: {type: string}}\nsteps:\n  - wait: 3h\nfinally:\n  - uses: things.put\n    with: {thing: \"sub-${{ params.name }}\", value: done}\n"},
			files: 3, after: time.Minute, minutes: 4, world: map[string]string{"sub-f0": "done", "sub-f1": "done", "sub-f2": "", "f0": "tidy", "f1": "tidy", "f2": "tidy"},
			steps: []string{"each cancelled", "each[0]/sub cancelled", "each[0]/sub[0]/finally/0 succeeded", "each/finally/0 succeeded"},
		},
		"turns": {
			book:  "steps:\n  - id: r\n    repeat:\n      times: 100\n      every: 10m\n      steps:\n        - set: {a: 1}\n    finally:\n      - uses: things.put\n        with: {thing: one, value: a}\n",
			after: 15 * time.Minute, minutes: 15, world: map[string]string{"one": "a"}, steps: []string{"r cancelled", "r#2/0 succeeded", "r/finally/0 succeeded"},
		},
		"a finally that is at it already runs to its end": {
			book: `
steps:
  - id: f
    steps:
      - fail: Bad
    finally:
      - wait: 5m
      - uses: things.put
        with: {thing: one, value: "${{ error?.message ?? '' }}"}
  - uses: things.put
    with: {thing: never, value: a}
on_failure:
  - uses: things.put
    with: {thing: never, value: a}`,
			after: 2 * time.Minute, minutes: 5, world: map[string]string{"one": "Bad", "never": ""}, steps: []string{"f failed", "f/finally/1 succeeded"},
		},
		"tidying up takes ten minutes at most": {
			book: `
steps:
  - id: w
    wait: 5h
    finally:
      - wait: 9m
      - uses: things.put
        with: {thing: one, value: a}
finally:
  - wait: 9m
  - uses: things.put
    with: {thing: two, value: a}`,
			after: time.Minute, minutes: 11, world: map[string]string{"one": "a", "two": ""}, steps: []string{"w cancelled", "finally/0 cancelled"},
		},
		"terminate does not tidy up": {
			book:  "steps:\n  - id: w\n    wait: 5h\n    finally:\n      - uses: things.put\n        with: {thing: one, value: a}\nfinally:\n  - uses: things.put\n    with: {thing: two, value: a}\n",
			after: time.Minute, minutes: 1, terminate: true, world: map[string]string{"one": "", "two": ""}, steps: []string{"w cancelled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{})
			rehearse(t, w, officers, func(b *bench) {
				b.calls = c.calls
				begun := time.Now()
				id := b.start(c.book, c.files)
				<-time.After(c.after)
				end := b.engine.Cancel
				if c.terminate {
					end = b.engine.Terminate
				}
				if err := end(b.t.Context(), id, "tess", "enough"); err != nil {
					t.Fatal(err)
				}
				r := b.await(id)
				if took := time.Since(begun); took < time.Duration(c.minutes)*time.Minute || took > time.Duration(c.minutes)*time.Minute+30*time.Second {
					t.Errorf("it took %s, want %d minutes", took, c.minutes)
				}
				if r.Status != "cancelled" {
					t.Errorf("the run is %s: %v", r.Status, r.Error)
				}
				for thing, want := range c.world {
					if w.values[thing] != want {
						t.Errorf("%s is %q, want %q", thing, w.values[thing], want)
					}
				}
				got := paths(r)
				for _, want := range c.steps {
					if !slices.Contains(got, want) {
						t.Errorf("no %q in %v", want, got)
					}
				}
			})
		})
	}
}

package engine_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKindsOfFlow holds what the kinds of steps come to that let time pass, go
// round, call, and tidy up.
func TestKindsOfFlow(t *testing.T) {
	note := func(thing, value string) string {
		return "uses: things.put\n        with: {thing: " + thing + ", value: \"" + value + "\"}"
	}
	for name, c := range map[string]struct {
		book    string
		calls   map[string]string
		files   int
		values  map[string]string
		faults  map[string][]fault
		status  string
		steps   []string
		world   map[string]string
		output  string
		seconds int // that it takes
	}{
		"a wait for a duration": {
			book:   "steps:\n  - id: w\n    wait: 30m\n  - set: {after: now()}\noutputs: {late: vars.after >= event.at + duration('30m')}\n",
			status: "succeeded", steps: []string{"w succeeded", "1 succeeded"}, output: `{"late":true}`, seconds: 1800,
		},
		"a wait until a time": {
			book:   "steps:\n  - wait: {until: \"${{ event.at + duration('2h') }}\"}\n",
			status: "succeeded", steps: []string{"0 succeeded"}, seconds: 7200,
		},
		"a wait until a time that is past": {
			book:   "steps:\n  - wait: {until: \"${{ event.at - duration('2h') }}\"}\n",
			status: "succeeded", steps: []string{"0 succeeded"},
		},
		"turns carry vars, and forget what they found": {
			book: `
steps:
  - set: {n: 0}
  - id: poll
    repeat:
      steps:
        - set: {n: vars.n + 1}
        - id: state
          if: vars.n == 2
          uses: things.get
          with: {thing: x}
      until: vars.n > 2 and steps.state == nil
      every: 10m
      times: 5
outputs: {n: vars.n, rounds: steps.poll.rounds}`,
			values: map[string]string{"x": "a"}, status: "succeeded", seconds: 1200, output: `{"n":3,"rounds":3}`,
			steps: []string{"poll succeeded", "poll#1/0 succeeded", "poll#1/state skipped", "poll#2/state succeeded", "poll#3/state skipped"},
		},
		"turns that are used up": {
			book: `
steps:
  - id: poll
    repeat:
      steps:
        - uses: things.get
          with: {thing: x}
      until: len(evidence.files) > 5
      times: 3
on_failure:
  - uses: things.put
    with: {thing: note, value: "${{ error.code }} ${{ run.failed_step }}"}`,
			values: map[string]string{"x": "a"}, status: "failed", world: map[string]string{"note": "limit poll"},
			steps: []string{"poll failed", "poll#3/0 succeeded", "on_failure/0 succeeded"},
		},
		"turns without a condition": {
			book:   "steps:\n  - id: r\n    repeat:\n      times: 4\n      steps:\n        - set: {a: 1}\noutputs: {n: steps.r.rounds}\n",
			status: "succeeded", output: `{"n":4}`, steps: []string{"r#4/0 succeeded"},
		},
		"a loop in a turn": {
			book: `
steps:
  - id: r
    repeat:
      times: 2
      steps:
        - id: all
          for_each: evidence.files
          steps:
            - uses: things.put
              with: {thing: "${{ item }}", value: x}
      until: steps.all.succeeded == 5`,
			files: 2, values: map[string]string{}, status: "failed", steps: []string{"r#2/all[1]/0 succeeded", "r#1/all succeeded", "r failed"},
		},
		"a call gives its outputs, and keeps its names to itself": {
			book: `
steps:
  - set: {v: 1}
  - id: sub
    call: other
    with: {thing: x}
outputs: {got: steps.sub.got, v: vars.v}`,
			calls:  map[string]string{"other": "params: {thing: {type: string}, again: {type: boolean, default: true}}\nsteps:\n  - id: got\n    uses: things.get\n    with: {thing: \"${{ params.thing }}\"}\n  - set: {v: 7}\noutputs: {got: steps.got.value, again: params.again}\n"},
			values: map[string]string{"x": "abc"}, status: "succeeded", output: `{"got":"abc","v":1}`,
			steps: []string{"sub succeeded", "sub[0]/got succeeded", "sub[0]/1 succeeded"},
		},
		"a stop in what is called ends just that": {
			book:   "steps:\n  - id: sub\n    call: other\n  - set: {a: 1}\noutputs:\n  a: vars.a\n  got: steps.sub.got ?? 'nothing'\n",
			calls:  map[string]string{"other": "steps:\n  - if: run.mode == 'live'\n    stop: Enough\noutputs: {got: '\"b\"'}\n"},
			status: "succeeded", output: `{"a":1,"got":"nothing"}`, steps: []string{"sub succeeded", "1 succeeded"},
		},
		"what is called fails, and tidies up": {
			book: "steps:\n  - id: sub\n    call: other\n    on_error: continue\n  - uses: things.put\n    with: {thing: after, value: b}\n",
			calls: map[string]string{"other": `steps:
  - uses: things.get
    with: {thing: nothing}
on_failure:
  - uses: things.put
    with: {thing: failure, value: "${{ error.step }} ${{ run.failed_step }}"}
finally:
  - uses: things.put
    with: {thing: final, value: "${{ error?.code ?? 'none' }}"}
`},
			values: map[string]string{}, status: "succeeded", world: map[string]string{"failure": "sub[0]/0 sub[0]/0", "final": "not_found", "after": "b"},
			steps: []string{"sub failed", "sub[0]/0 failed", "sub[0]/on_failure/0 succeeded", "sub[0]/finally/0 succeeded", "1 succeeded"},
		},
		"on_error with steps goes on": {
			book: `
steps:
  - id: guarded
    steps:
      - uses: things.get
        with: {thing: nothing}
      - uses: things.put
        with: {thing: never, value: b}
    on_error:
      steps:
        - uses: things.put
          with: {thing: note, value: "${{ error.step }} ${{ error.code }}"}
    finally:
      - uses: things.put
        with: {thing: final, value: "${{ error?.code ?? 'none' }}"}
  - set: {a: 1}`,
			values: map[string]string{}, status: "succeeded", world: map[string]string{"note": "guarded/0 not_found", "final": "none", "never": ""},
			steps: []string{"guarded failed", "guarded/0 failed", "guarded/on_error/0 succeeded", "guarded/finally/0 succeeded", "1 succeeded"},
		},
		"a failure in on_error fails the step": {
			book: `
steps:
  - id: got
    uses: things.get
    with: {thing: nothing}
    on_error:
      steps:
        - fail: Worse
    finally:
      - uses: things.put
        with: {thing: final, value: "${{ error?.message ?? 'none' }}"}`,
			values: map[string]string{}, status: "failed", world: map[string]string{"final": "Worse"},
			steps: []string{"got failed", "got/on_error/0 failed", "got/finally/0 succeeded"},
		},
		"a failure in finally fails a step that had not failed": {
			book: `
steps:
  - id: got
    set: {a: 1}
    finally:
      - fail: Untidy
finally:
  - uses: things.put
    with: {thing: final, value: "${{ error?.message ?? 'none' }}"}`,
			values: map[string]string{}, status: "failed", world: map[string]string{"final": "Untidy"},
			steps: []string{"got failed", "got/finally/0 failed", "finally/0 succeeded"},
		},
		"a failure in finally hides no earlier one": {
			book: `
steps:
  - id: got
    uses: things.get
    with: {thing: nothing}
    finally:
      - fail: Untidy
on_failure:
  - uses: things.put
    with: {thing: note, value: "${{ error.code }}"}`,
			values: map[string]string{}, status: "failed", world: map[string]string{"note": "not_found"},
		},
		"finally of everything around a stop": {
			book: `
steps:
  - id: outer
    steps:
      - id: inner
        steps:
          - if: len(evidence.files) == 0
            stop: Enough
        finally:
          - ` + strings.ReplaceAll(note("one", "a"), "        with", "            with") + `
    finally:
      - ` + note("two", "b") + `
  - ` + strings.ReplaceAll(note("never", "b"), "        with", "    with") + `
finally:
  - ` + strings.ReplaceAll(note("three", "c"), "        with", "    with") + `
outputs: {n: 1}`,
			values: map[string]string{}, status: "succeeded", world: map[string]string{"one": "a", "two": "b", "three": "c", "never": ""}, output: `{}`,
			steps: []string{"outer succeeded", "outer/inner succeeded", "outer/inner/0 succeeded", "outer/inner/finally/0 succeeded", "outer/finally/0 succeeded", "finally/0 succeeded"},
		},
		"outputs are computed before finally, and on_failure comes before it": {
			book: `
steps:
  - set: {n: len(evidence.files)}
on_failure:
  - uses: things.put
    with: {thing: note, value: first}
finally:
  - uses: things.put
    with: {thing: note, value: second}
outputs: {n: 1 / vars.n}`,
			values: map[string]string{}, status: "failed", world: map[string]string{"note": "second"},
			steps: []string{"on_failure/0 succeeded", "finally/0 succeeded"},
		},
		"the time of a block is over, and its on_error goes on": {
			book: `
steps:
  - id: slow
    timeout: 10m
    steps:
      - wait: 1h
        on_error: continue
    on_error:
      steps:
        - uses: things.put
          with: {thing: note, value: "${{ error.code }} ${{ error.step }}"}
  - set: {a: 1}`,
			values: map[string]string{}, status: "succeeded", world: map[string]string{"note": "timeout slow/0"}, seconds: 600,
			steps: []string{"slow failed", "slow/0 failed", "1 succeeded"},
		},
		"the time of a loop is over in its items": {
			book: `
steps:
  - id: slow
    timeout: 10m
    for_each: evidence.files
    steps:
      - steps:
          - wait: 1h
            finally:
              - uses: things.put
                with: {thing: "${{ item }}", value: tidy}
        on_error: continue
    on_error: continue
outputs: {gone: steps.slow == nil}`,
			files: 2, values: map[string]string{}, status: "succeeded", world: map[string]string{"f0": "tidy", "f1": "tidy"}, seconds: 600, output: `{"gone":true}`,
			steps: []string{"slow failed", "slow[1]/0/0 failed", "slow[1]/0 failed", "slow[1]/0/0/finally/0 succeeded"},
		},
		"the time of what is called is over": {
			book:   "steps:\n  - id: sub\n    call: other\n    on_error: continue\n",
			calls:  map[string]string{"other": "timeout: 5m\nsteps:\n  - wait: 1h\non_failure:\n  - uses: things.put\n    with: {thing: note, value: \"${{ error.message }}\"}\n"},
			values: map[string]string{}, status: "succeeded", world: map[string]string{"note": "the time of other is over"}, seconds: 300,
			steps: []string{"sub failed", "sub[0]/0 failed", "sub[0]/on_failure/0 succeeded"},
		},
		"the time of a call is over: no on_failure there, but its finally": {
			book:   "steps:\n  - id: sub\n    call: other\n    timeout: 5m\n    on_error: continue\n",
			calls:  map[string]string{"other": "steps:\n  - wait: 1h\non_failure:\n  - uses: things.put\n    with: {thing: never, value: x}\nfinally:\n  - uses: things.put\n    with: {thing: final, value: x}\n"},
			values: map[string]string{}, status: "succeeded", world: map[string]string{"never": "", "final": "x"}, seconds: 300,
			steps: []string{"sub failed", "sub[0]/finally/0 succeeded"},
		},
		"an action is tidied up after": {
			book: `
steps:
  - uses: things.put
    with: {thing: x, value: b}
    finally:
      - uses: things.put
        with: {thing: z, value: "${{ error?.code ?? 'none' }}"}`,
			values: map[string]string{}, faults: map[string][]fault{"x": {{err: &thingError{code: "forbidden"}}}},
			status: "failed", world: map[string]string{"x": "", "z": "forbidden"}, steps: []string{"0 failed", "0/finally/0 succeeded"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(maps.Clone(c.values))
			if w.values == nil {
				w.values = map[string]string{}
			}
			maps.Copy(w.faults, c.faults)
			rehearse(t, w, officers, func(b *bench) {
				b.calls = c.calls
				begun := time.Now()
				r := b.run(c.book, c.files)
				if took := time.Since(begun); took < time.Duration(c.seconds)*time.Second || took > time.Duration(c.seconds)*time.Second*11/10+30*time.Second {
					t.Errorf("it took %s", took)
				}
				if r.Status != c.status {
					t.Errorf("the run is %s, want %s: %v", r.Status, c.status, r.Error)
				}
				got := paths(r)
				for _, want := range c.steps {
					if !slices.Contains(got, want) {
						t.Errorf("no %q in %v", want, got)
					}
				}
				for thing, want := range c.world {
					if w.values[thing] != want {
						t.Errorf("%s is %q, want %q; steps %v, %v", thing, w.values[thing], want, got, r.Error)
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

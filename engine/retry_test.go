package engine_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/engine"
)

// retry goes on with a run, which must be possible.
func (b *bench) retry(id, from string) string {
	b.t.Helper()
	begun, err := b.engine.Retry(b.t.Context(), engine.Retry{Run: id, From: from, By: "operator:rita", Reason: "again"})
	if err != nil {
		b.t.Fatal(err)
	}
	return begun.Run
}

// retryCase is a run that fails, what is mended then, and what a retry comes to.
type retryCase struct {
	book    string
	calls   map[string]string
	files   int
	values  map[string]string // before the first run
	mend    map[string]string // before the retry
	from    string
	fails   string // the step that fails first
	status  string // of the retry; default succeeded
	kept    []string
	changes map[string]int // of each thing, in both runs
	output  string
}

func retryCases() map[string]retryCase {
	return map[string]retryCase{
		"a list goes on from the step that failed": {
			book: `
steps:
  - id: read
    uses: things.get
    with: {thing: x}
  - set: {n: steps.read.length + 1}
  - id: done
    uses: things.put
    with: {thing: out, value: "${{ string(vars.n) }}"}
  - uses: things.get
    with: {thing: missing}
  - uses: things.put
    with: {thing: z, value: "${{ steps.done.value }}${{ steps.read.value }}"}
outputs: {n: vars.n, y: steps.done.value}
on_failure:
  - uses: things.put
    with: {thing: note, value: failed}
finally:
  - uses: things.put
    with: {thing: final, value: "${{ error?.code ?? 'none' }}"}`,
			values: map[string]string{"x": "abc"}, mend: map[string]string{"missing": "m", "x": "changed"}, fails: "3",
			kept: []string{"read", "1", "done"}, output: `{"n":4,"y":"4"}`,
			changes: map[string]int{"out": 1, "z": 1, "note": 1, "final": 2},
		},
		"three of five items failed": {
			book: `
steps:
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 5
    steps:
      - uses: things.put
        with: {thing: "${{ 'done-' + file.id }}", value: x}
      - id: got
        uses: things.get
        with: {thing: "${{ file }}"}
      - uses: things.put
        with: {thing: "${{ 'after-' + file.id }}", value: "${{ steps.got.value }}"}
    collect: {v: steps.got.value}
    on_error: continue
  - if: steps.each.failed > 0
    fail: Not all
outputs: {items: steps.each.items, failed: steps.each.failed}`,
			files: 5, values: map[string]string{"f1": "b", "f4": "e"}, mend: map[string]string{"f0": "a", "f2": "c", "f3": "d"}, fails: "1",
			kept: []string{
				"each[0]/0", "each[1]/0", "each[1]/got", "each[1]/2", "each[2]/0", "each[3]/0", "each[4]/0", "each[4]/got", "each[4]/2",
			},
			output: `{"failed":0,"items":[{"v":"a"},{"v":"b"},{"v":"c"},{"v":"d"},{"v":"e"}]}`,
			changes: map[string]int{
				"done-f0": 1, "done-f1": 1, "done-f2": 1, "done-f3": 1, "done-f4": 1,
				"after-f0": 1, "after-f1": 1, "after-f2": 1, "after-f3": 1, "after-f4": 1,
			},
		},
		"a loop that ended well is kept whole": {
			book: `
steps:
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - uses: things.put
        with: {thing: "${{ file }}", value: x}
    collect: {id: file.id}
  - uses: things.get
    with: {thing: missing}
outputs: {n: steps.each.succeeded, first: "first(steps.each.items)?.id"}`,
			files: 3, mend: map[string]string{"missing": "m"}, fails: "1", kept: []string{"each"}, output: `{"first":"f0","n":3}`,
			changes: map[string]int{"f0": 1, "f1": 1, "f2": 1},
		},
		"branches": {
			book: `
steps:
  - id: both
    parallel:
      - id: left
        steps:
          - set: {l: '"l"'}
          - id: put
            uses: things.put
            with: {thing: left, value: "${{ vars.l }}"}
      - steps:
          - uses: things.put
            with: {thing: right, value: x}
          - set: {r: '"r"'}
          - id: got
            uses: things.get
            with: {thing: missing}
outputs: {all: vars.l + vars.r + steps.got.value + steps.put.value}`,
			mend: map[string]string{"missing": "m"}, fails: "both[1]/1/got", kept: []string{"both[0]/left", "both[1]/1/0", "both[1]/1/1"},
			output: `{"all":"lrml"}`, changes: map[string]int{"left": 1, "right": 1},
		},
		"what is called": {
			book: `
steps:
  - id: sub
    call: other
    with: {name: nn}
  - uses: things.get
    with: {thing: never}
    on_error: continue
outputs: {o: steps.sub.o}`,
			calls: map[string]string{"other": `
params: {name: {type: string}}
steps:
  - uses: things.put
    with: {thing: "${{ params.name }}", value: called}
  - id: got
    uses: things.get
    with: {thing: missing}
outputs: {o: steps.got.value}
on_failure:
  - uses: things.put
    with: {thing: note, value: "${{ error.code }}"}
finally:
  - uses: things.put
    with: {thing: final, value: "${{ error?.code ?? 'none' }}"}`},
			mend: map[string]string{"missing": "m"}, fails: "sub[0]/got", kept: []string{"sub[0]/0"}, output: `{"o":"m"}`,
			changes: map[string]int{"nn": 1, "note": 1, "final": 2},
		},
		"a block brings what was set in it": {
			book: `
steps:
  - if: len(evidence.files) == 0
    steps:
      - set: {v: '"set"'}
      - id: got
        uses: things.get
        with: {thing: x}
      - id: turns
        repeat:
          times: 2
          every: 1h
          steps:
            - set: {t: 'vars.v + "!"'}
            - uses: things.put
              with: {thing: turn, value: "${{ vars.t }}"}
  - uses: things.get
    with: {thing: missing}
outputs:
  v: (vars.v ?? "") + (vars.t ?? "") + (steps.got?.value ?? "")`,
			values: map[string]string{"x": "a"}, mend: map[string]string{"missing": "m"}, fails: "1", kept: []string{"0"},
			output: `{"v":"setset!a"}`, changes: map[string]int{"turn": 1},
		},
		"turns that were done are not waited for": {
			book: `
steps:
  - set: {n: 0}
  - id: turns
    repeat:
      times: 3
      every: 1h
      steps:
        - set: {n: vars.n + 1}
        - uses: things.put
          with: {thing: "${{ 'turn' + string(vars.n) }}", value: x}
        - if: vars.n == 3
          uses: things.get
          with: {thing: missing}
outputs: {n: vars.n}`,
			mend: map[string]string{"missing": "m"}, fails: "turns#3/2", kept: []string{"0", "turns#1/0", "turns#1/1", "turns#2/0", "turns#2/1", "turns#3/0", "turns#3/1"},
			output: `{"n":3}`, changes: map[string]int{"turn1": 1, "turn2": 1, "turn3": 1},
		},
		"on_error is not taken for its step": {
			book: `
steps:
  - id: guarded
    steps:
      - uses: things.put
        with: {thing: a, value: x}
      - uses: things.get
        with: {thing: missing}
    on_error:
      steps:
        - uses: things.put
          with: {thing: rescue, value: x}
        - fail: Still bad
    finally:
      - uses: things.put
        with: {thing: tidy, value: x}
  - uses: things.put
    with: {thing: b, value: x}`,
			mend: map[string]string{"missing": "m", "tidy": "made anew"}, fails: "guarded/on_error/1", kept: []string{"guarded/0"},
			changes: map[string]int{"a": 1, "b": 1, "rescue": 1, "tidy": 2},
		},
		"what was rescued stays so": {
			book: `
steps:
  - id: guarded
    steps:
      - uses: things.get
        with: {thing: missing}
    on_error:
      steps:
        - set: {how: '"rescued"'}
        - uses: things.put
          with: {thing: rescue, value: x}
  - uses: things.get
    with: {thing: other}
outputs: {how: vars.how}`,
			mend: map[string]string{"missing": "m", "other": "o", "rescue": "mended"}, fails: "1", kept: []string{"guarded"},
			output: `{"how":"rescued"}`, changes: map[string]int{"rescue": 1},
		},
		"from an earlier step": {
			book: `
steps:
  - id: one
    uses: things.put
    with: {thing: a, value: x}
  - id: two
    uses: things.put
    with: {thing: b, value: x}
  - id: three
    uses: things.get
    with: {thing: missing}`,
			mend: map[string]string{"missing": "m", "a": "mended", "b": "mended"}, from: "two", fails: "three", kept: []string{"one"},
			changes: map[string]int{"a": 1, "b": 2},
		},
		"it fails again": {
			book: `
steps:
  - uses: things.put
    with: {thing: a, value: x}
  - uses: things.get
    with: {thing: missing}
on_failure:
  - uses: things.put
    with: {thing: note, value: "${{ run.id }}"}`,
			fails: "1", status: "failed", kept: []string{"0"}, changes: map[string]int{"a": 1, "note": 2},
		},
	}
}

// TestARetryKeepsWhatSucceeded goes on with runs that failed: what had succeeded
// is not done again, what comes behind sees it, and all else is done.
func TestARetryKeepsWhatSucceeded(t *testing.T) {
	for name, c := range retryCases() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{})
			maps.Copy(w.values, c.values)
			rehearse(t, w, engine.Options{}, func(b *bench) {
				b.calls = c.calls
				old := b.start(c.book, c.files)
				if r := b.await(old); r.Status != "failed" || step(t, r, c.fails).Status != "failed" {
					t.Fatalf("the first run is %s: %v; steps %v", r.Status, r.Error, paths(r))
				}
				for thing, value := range c.mend {
					w.set(thing, value)
				}
				began := time.Now()
				r := b.await(b.retry(old, c.from))
				c.judge(t, w, r, old)
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func (c retryCase) judge(t *testing.T, w *world, r engine.Run, old string) {
	t.Helper()
	want := c.status
	if want == "" {
		want = "succeeded"
	}
	if r.Status != want || r.Retries != old {
		t.Errorf("the retry of %q is %s, want %s: %v; steps %v", r.Retries, r.Status, want, r.Error, paths(r))
	}
	var kept []string
	for _, s := range r.Steps {
		if s.KeptFrom != "" {
			kept = append(kept, s.Path)
			if s.KeptFrom != old || s.Attempts != 0 || s.Why != "kept from run "+old {
				t.Errorf("step %s: kept from %q, %d attempts, why %q", s.Path, s.KeptFrom, s.Attempts, s.Why)
			}
		}
	}
	if !slices.Equal(kept, c.kept) {
		t.Errorf("kept %q, want %q", kept, c.kept)
	}
	if got := w.changes(); !maps.Equal(got, c.changes) {
		t.Errorf("changes %v, want %v", got, c.changes)
	}
	if got := outputs(t, r); c.output != "" && got != c.output {
		t.Errorf("outputs %s, want %s", got, c.output)
	}
}

// TestOnlyWhatDidNotEndWellIsRetried refuses all else, and says what to do.
func TestOnlyWhatDidNotEndWellIsRetried(t *testing.T) {
	refused := func(t *testing.T, b *bench, r engine.Retry, says string) {
		t.Helper()
		_, err := b.engine.Retry(b.t.Context(), r)
		if !errors.Is(err, engine.ErrRefused) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", r, err, says)
		}
	}
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, officers, func(b *bench) {
		if _, err := b.engine.Retry(b.t.Context(), engine.Retry{Run: "r00nothing"}); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("an unknown run: %v", err)
		}
		good := b.run("steps:\n  - uses: things.put\n    with: {thing: x, value: b}\n", 0)
		refused(t, b, engine.Retry{Run: good.ID}, "has succeeded, there is nothing to retry: `stanch runs resubmit "+good.ID)
		begun, err := b.engine.Undo(b.t.Context(), good.ID, "", "operator:tess")
		if err != nil {
			t.Fatal(err)
		}
		b.await(begun.Run)
		refused(t, b, engine.Retry{Run: begun.Run}, "was an undo")

		waits := b.another("steps:\n  - wait: 1h\n  - uses: things.get\n    with: {thing: missing}\n", 0)
		b.until(waits, "waiting")
		refused(t, b, engine.Retry{Run: waits}, "is still running; cancel it first: stanch runs cancel "+waits)
		b.await(waits)
		refused(t, b, engine.Retry{Run: waits, From: "2"}, `has no step "2" of its own list; run `+waits+" has reached 0, 1")
		again := b.retry(waits, "")
		b.await(again)
		refused(t, b, engine.Retry{Run: waits}, "was retried by run "+again+", which is failed: retry that")
		w.set("missing", "m")
		if r := b.await(b.retry(again, "")); r.Status != "succeeded" {
			t.Errorf("the retry of a retry is %s: %v", r.Status, r.Error)
		}
	})
}

// TestTwoWhoRetryStartOne presses twice.
func TestTwoWhoRetryStartOne(t *testing.T) {
	w := newWorld(map[string]string{})
	rehearse(t, w, engine.Options{}, func(b *bench) {
		old := b.run("steps:\n  - wait: 1h\n  - uses: things.get\n    with: {thing: missing}\n  - wait: 1h\n", 0)
		w.set("missing", "m")
		runs := make(chan engine.Begun, 2)
		for range 2 {
			go func() {
				begun, err := b.engine.Retry(b.t.Context(), engine.Retry{Run: old.ID, By: "operator:rita"})
				if err != nil {
					t.Error(err)
				}
				runs <- begun
			}()
		}
		one, other := <-runs, <-runs
		if one.Run != other.Run || one.New == other.New {
			t.Errorf("begun: %v and %v", one, other)
		}
		b.await(one.Run)
	})
}

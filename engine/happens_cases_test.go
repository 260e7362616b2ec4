package engine_test

import (
	"maps"
	"strings"
	"time"

	"stanch/engine"
)

// cells are the happenings by row and column; a cell that is not here is none.
func cells() map[string]happening {
	all := map[string]happening{}
	for row, columns := range map[string]map[string]happening{
		"action": actionCells(), "`set`": setCells(), "block, `if`": blockCells(), "`for_each`": eachCells(), "`parallel`": parallelCells(),
		"`approve`": approveCells(), "`wait`": waitCells(), "`repeat`": repeatCells(), "`call`": callCells(), "`stop`": stopCells(), "`fail`": failCells(),
		"`on_error: {steps}`": rescueCells(), "`on_error: rollback`": rollbackCells(), "`finally`": finallyCells(), "`on_failure`": failureCells(),
	} {
		for column, c := range columns {
			all[row+" × "+column] = c
		}
	}
	return all
}

// another runs a second playbook, on another event.
func (b *bench) another(text string, files int) string {
	b.t.Helper()
	ev := event(files)
	ev.ID = "e2"
	begun, err := b.engine.Start(b.t.Context(), engine.Start{Book: b.load(text), Event: ev, Mode: engine.ModeLive, By: "operator:tess"})
	if err != nil {
		b.t.Fatal(err)
	}
	return begun.Run
}

func cancelAfter(d time.Duration) func(*bench, string) {
	return func(b *bench, id string) {
		<-time.After(d) // virtual
		if err := b.engine.Cancel(b.t.Context(), id, "tess", "enough"); err != nil {
			b.t.Fatal(err)
		}
	}
}

// decides answers what is asked, once it is.
func decides(approve bool) func(*bench, string) {
	return func(b *bench, id string) {
		for range 1000 {
			list, err := b.engine.Approvals(b.t.Context(), false)
			if err != nil {
				b.t.Fatal(err)
			}
			for _, q := range list {
				if _, err := b.engine.Decide(b.t.Context(), engine.Decision{Approval: q.ID, By: "dana@c.example", Approve: approve}); err != nil {
					b.t.Fatal(err)
				}
				return
			}
			<-time.After(time.Second) // virtual
		}
		b.t.Fatal("nothing is asked")
	}
}

// is reports that things have values.
func is(want map[string]string) func(*bench, engine.Run) bool {
	return func(b *bench, _ engine.Run) bool {
		got := map[string]string{}
		for thing := range want {
			got[thing] = b.w.get(thing)
		}
		return maps.Equal(got, want)
	}
}

// without reports that no step at a path, or inside it, has begun.
func without(path string) func(*bench, engine.Run) bool {
	return func(_ *bench, r engine.Run) bool {
		for _, s := range r.Steps {
			if strings.HasPrefix(s.Path, path) {
				return false
			}
		}
		return true
	}
}

func both(a, b func(*bench, engine.Run) bool) func(*bench, engine.Run) bool {
	return func(w *bench, r engine.Run) bool { return a(w, r) && b(w, r) }
}

// put is an effect on a thing, indented so deep.
func put(thing string, depth int) string {
	in := strings.Repeat("  ", depth)
	return in + "- uses: things.put\n" + in + "  with: {thing: \"" + thing + "\", value: b}\n"
}

const askOfficers = "approve: {ask: Well, approvers: [officers], timeout: 1h}\n"

func actionCells() map[string]happening {
	covered := "steps:\n  - id: gate\n    approve: {ask: Well, targets: evidence.files, approvers: [officers], covers: [each], on_reject: continue}\n" +
		"  - id: each\n    for_each: evidence.files\n    steps:\n      - id: x\n        uses: things.put\n        with: {thing: \"${{ item }}\", value: b}\n"
	return map[string]happening{
		"cancel": {
			book: "steps:\n  - id: x\n    uses: things.put\n    with: {thing: x, value: b}\n", at: "x", do: cancelAfter(10 * time.Second),
			faults: map[string][]fault{"x": {{applied: true, err: &thingError{code: "timeout", unsure: true}}}},
			says:   "an effect under way gets its outcome first",
			shown: func(_ *bench, r engine.Run) bool {
				return len(r.Steps[0].Effects) == 1 && r.Steps[0].Effects[0].Status == "done"
			},
		},
		"failure inside": {
			book: "steps:\n  - id: x\n    uses: things.put\n    with: {thing: x, value: b}\n    retry: {attempts: 3}\n", at: "x",
			faults: map[string][]fault{"x": {{err: &thingError{code: "unavailable"}}, {err: &thingError{code: "forbidden"}}}},
			says:   "what passes is tried again first, as `retry` says",
			shown:  func(_ *bench, r engine.Run) bool { return r.Steps[0].Attempts == 2 },
		},
		"timeout": {
			book: "steps:\n  - id: x\n    uses: things.get\n    with: {thing: x}\n    timeout: 1s\n", at: "x", slow: true,
			says:  "of each attempt; a read is tried again",
			shown: func(_ *bench, r engine.Run) bool { return r.Steps[0].Attempts > 1 },
		},
		"rejection": {
			book: covered, files: 1, at: "each[0]/x", do: decides(false),
			says: "of what covers it: it has no effect", shown: is(map[string]string{"f0": ""}),
		},
		"crash": {book: "steps:\n  - id: x\n    uses: things.put\n    with: {thing: x, value: b}\n" + put("z", 1), at: "x"},
	}
}

func setCells() map[string]happening {
	return map[string]happening{
		"failure inside": {book: "steps:\n  - id: x\n    set: {n: 1 / len(evidence.files)}\n", at: "x"},
		"crash":          {book: "steps:\n  - id: x\n    set: {n: 1}\n" + put("n${{ vars.n }}", 1), at: "x"},
	}
}

func blockCells() map[string]happening {
	slow := "    steps:\n      - wait: 1h\n" + put("never", 3) + "    finally:\n" + put("tidy", 3)
	return map[string]happening{
		"cancel": {
			book: "steps:\n  - id: x\n" + slow + put("never", 1), at: "x", do: cancelAfter(time.Minute),
			says: "nothing behind begins, its `finally` runs", shown: is(map[string]string{"never": "", "tidy": "b"}),
		},
		"failure inside": {
			book: "steps:\n  - id: x\n    steps:\n      - fail: Bad\n    finally:\n" + put("tidy", 3) + put("never", 1), at: "x",
			says: "nothing behind begins, its `finally` runs", shown: is(map[string]string{"never": "", "tidy": "b"}),
		},
		"timeout": {
			book: "steps:\n  - id: x\n    timeout: 1m\n" + slow, at: "x",
			says:  "the step inside fails too, whatever its `on_error` says",
			shown: func(_ *bench, r engine.Run) bool { return r.Steps[1].Path == "x/0" && r.Steps[1].Status == "failed" },
		},
		"rejection": {
			book: "steps:\n  - id: x\n    steps:\n      - " + askOfficers + "    finally:\n" + put("tidy", 3) + put("never", 1), at: "x", do: decides(false),
			says: "nothing behind begins, its `finally` runs", shown: is(map[string]string{"never": "", "tidy": "b"}),
		},
		"crash": {book: "steps:\n  - id: x\n    if: len(evidence.files) == 2\n    steps:\n" + put("x", 3) + "    else:\n" + put("z", 3), at: "x"},
	}
}

func eachCells() map[string]happening {
	each := func(more, steps string) string {
		return "steps:\n  - id: x\n    for_each: evidence.files\n    as: file\n    max_parallel: 1\n" + more + "    steps:\n" + steps
	}
	wait := "      - wait: 1h\n"
	return map[string]happening{
		"cancel": {book: each("", wait), files: 3, at: "x", do: cancelAfter(time.Minute), says: "no further item begins", shown: without("x[1]")},
		"failure inside": {
			book: each("", "      - fail: Bad\n"), files: 3, at: "x", says: "no further item begins, unless `on_error: continue`",
			shown: both(without("x[1]"), func(b *bench, _ engine.Run) bool {
				r := b.await(b.another(each("    on_error: continue\n", "      - fail: Bad\n"), 3))
				return r.Status == "succeeded" && step(b.t, r, "x[2]/0").Status == "failed"
			}),
		},
		"timeout": {book: each("    timeout: 1m\n", wait), files: 3, at: "x", says: "the items under way fail, no further begins", shown: both(without("x[1]"), func(_ *bench, r engine.Run) bool {
			return r.Steps[1].Status == "failed"
		})},
		"rejection": {
			book: each("", "      - if: file.id == \"f0\"\n        "+askOfficers+put("${{ file.id }}", 3)) + "outputs: {n: steps.x.rejected}\n", files: 2, at: "x", do: decides(false),
			says: "the item ends, counted as rejected; the others go on",
			shown: func(b *bench, r engine.Run) bool {
				return b.w.get("f1") == "b" && b.w.get("f0") == "" && string(r.Outputs["n"]) == "1"
			},
		},
		"empty list": {
			book: each("", wait) + "outputs: {n: steps.x.total}\n", at: "x", says: "`total` is 0",
			shown: func(_ *bench, r engine.Run) bool { return string(r.Outputs["n"]) == "0" },
		},
		"crash": {book: each("", put("${{ file }}", 3)), at: "x"},
	}
}

func parallelCells() map[string]happening {
	branches := func(first string) string {
		return "steps:\n  - id: x\n    parallel:\n      - " + first + "      - steps:\n          - wait: 1m\n" + put("other", 5) + "%" + put("never", 1)
	}
	book := func(first, more string) string { return strings.Replace(branches(first), "%", more, 1) }
	wait := "wait: 1h\n"
	ends := "the other branches run to their end, nothing behind begins"
	return map[string]happening{
		"cancel":         {book: book(wait, ""), at: "x", do: cancelAfter(30 * time.Second), says: "every branch ends", shown: is(map[string]string{"other": "", "never": ""})},
		"failure inside": {book: book("fail: Bad\n", ""), at: "x", says: ends, shown: is(map[string]string{"other": "b", "never": ""})},
		"timeout":        {book: book(wait, "    timeout: 5m\n"), at: "x", says: "the branches under way fail", shown: is(map[string]string{"other": "b", "never": ""})},
		"rejection":      {book: book(askOfficers, ""), at: "x", do: decides(false), says: ends, shown: is(map[string]string{"other": "b", "never": ""})},
		"crash":          {book: strings.Replace(book("set: {a: 1}\n", ""), "wait: 1m", "wait: 5s", 1), at: "x"},
	}
}

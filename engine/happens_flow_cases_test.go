package engine_test

import (
	"slices"
	"strings"
	"time"

	"stanch/engine"
)

func approveCells() map[string]happening {
	x := "steps:\n  - id: x\n    " + askOfficers
	return map[string]happening{
		"cancel": {
			book: x, at: "x", do: cancelAfter(time.Minute), says: "it is no longer asked",
			shown: func(b *bench, _ engine.Run) bool {
				list, err := b.engine.Approvals(b.t.Context(), false)
				return err == nil && len(list) == 0
			},
		},
		"failure inside": {book: "steps:\n  - id: x\n    approve: {ask: \"${{ 1 / len(evidence.files) }}\", approvers: [officers]}\n", at: "x", says: "nobody is asked", shown: func(b *bench, _ engine.Run) bool {
			list, err := b.engine.Approvals(b.t.Context(), true)
			return err == nil && len(list) == 0
		}},
		"timeout": {
			book: x + put("never", 1), at: "x", says: "as `on_timeout` says, here `reject`", shown: is(map[string]string{"never": ""}),
		},
		"rejection": {book: x + put("never", 1), at: "x", do: decides(false), says: "in a `for_each` only the item ends", shown: func(b *bench, _ engine.Run) bool {
			b.another("steps:\n  - id: each\n    for_each: evidence.files\n    max_parallel: 1\n    steps:\n      - if: item.id == \"f0\"\n        "+askOfficers+put("${{ item }}", 3), 2)
			decides(false)(b, "")
			<-time.After(time.Minute) // virtual
			return b.w.get("never") == "" && b.w.get("f0") == "" && b.w.get("f1") == "b"
		}},
		"empty list": {
			book: "steps:\n  - id: x\n    approve: {ask: Well, targets: evidence.files, approvers: [officers]}\n  - for_each: evidence.files\n    steps:\n" + put("${{ item }}", 3), at: "x", do: decides(true),
			says: "it is asked all the same", shown: func(_ *bench, r engine.Run) bool {
				return r.Steps[0].Approval != nil && len(r.Steps[0].Approval.Decided) == 1
			},
		},
		"crash": {book: x + put("z", 1), at: "x"},
	}
}

func waitCells() map[string]happening {
	return map[string]happening{
		"cancel":         {book: "steps:\n  - id: x\n    wait: 1h\n" + put("never", 1), at: "x", do: cancelAfter(time.Minute), says: "nothing behind begins", shown: is(map[string]string{"never": ""})},
		"failure inside": {book: "steps:\n  - id: x\n    wait: {until: \"${{ date(incident.title) }}\"}\n", at: "x"},
		"timeout": {
			book: "steps:\n  - id: x\n    wait: {event: replied, key: a, timeout: 1m}\n" + put("never", 1), at: "x",
			says: "of an event, as `on_timeout` says, here `fail`", shown: is(map[string]string{"never": ""}),
		},
		"crash": {book: "steps:\n  - id: x\n    wait: 1m\n" + put("z", 1), at: "x"},
	}
}

func repeatCells() map[string]happening {
	turns := func(more, steps string) string {
		return "steps:\n  - id: x\n" + more + "    repeat:\n      times: 3\n      every: 10m\n      steps:\n" + strings.ReplaceAll("      "+steps, "\n      ", "\n        ") + put("never", 1)
	}
	no := without("x#2")
	return map[string]happening{
		"cancel":         {book: turns("", "  - set: {a: 1}\n"), at: "x", do: cancelAfter(time.Minute), says: "no further turn begins", shown: no},
		"failure inside": {book: turns("", "  - fail: Bad\n"), at: "x", says: "no further turn begins", shown: no},
		"timeout":        {book: turns("    timeout: 5m\n", "  - set: {a: 1}\n"), at: "x", says: "no further turn begins", shown: no},
		"rejection":      {book: turns("", "  - "+askOfficers), at: "x", do: decides(false), says: "no further turn begins", shown: no},
		"crash": {
			book: "steps:\n  - set: {n: 0}\n  - id: x\n    repeat:\n      times: 3\n      every: 2s\n      steps:\n        - set: {n: vars.n + 1}\n" + put("t${{ vars.n }}", 4) + "      until: vars.n == 2\n", at: "x",
		},
	}
}

func callCells() map[string]happening {
	called := func(steps string) map[string]string {
		return map[string]string{"other": "steps:\n  - " + steps + "on_failure:\n" + put("failed", 1) + "finally:\n" + put("final", 1)}
	}
	book := "steps:\n  - id: x\n    call: other\n" + put("never", 1)
	return map[string]happening{
		"cancel": {book: book, calls: called("wait: 1h\n"), at: "x", do: cancelAfter(time.Minute), says: "its `finally` runs, its `on_failure` does not", shown: is(map[string]string{"final": "b", "failed": "", "never": ""})},
		"failure inside": {
			book: book, calls: called("fail: Bad\n"), at: "x", says: "its `on_failure` and `finally` run first", shown: is(map[string]string{"final": "b", "failed": "b", "never": ""}),
		},
		"timeout": {
			book: strings.Replace(book, "call: other\n", "call: other\n    timeout: 1m\n", 1), calls: called("wait: 1h\n"), at: "x",
			says: "its `finally` runs, its `on_failure` only if the time was its own", shown: both(is(map[string]string{"final": "b", "failed": "", "never": ""}), func(b *bench, _ engine.Run) bool {
				b.calls = map[string]string{"other": "timeout: 1m\n" + called("wait: 1h\n")["other"]}
				return b.await(b.another(book, 0)).Status == "failed" && b.w.get("failed") == "b"
			}),
		},
		"rejection": {
			book: book, calls: called(askOfficers), at: "x", do: decides(false), says: "its `finally` runs, its `on_failure` does not", shown: is(map[string]string{"final": "b", "failed": "", "never": ""}),
		},
		"crash": {book: strings.Replace(book, "never", "z", 1), calls: called("wait: 5s\n"), at: "x"},
	}
}

func stopCells() map[string]happening {
	return map[string]happening{
		"failure inside": {book: "steps:\n  - id: x\n    stop: \"${{ 1 / len(evidence.files) }}\"\n", at: "x"},
		"crash":          {book: "steps:\n" + put("z", 1) + "  - id: x\n    stop: Enough\n", at: "x"},
	}
}

func failCells() map[string]happening {
	return map[string]happening{
		"failure inside": {book: "steps:\n  - id: x\n    fail: \"${{ 1 / len(evidence.files) }}\"\n", at: "x"},
		"crash":          {book: "steps:\n" + put("z", 1) + "  - id: x\n    fail: Bad\n", at: "x"},
	}
}

// guarded is a step that fails, and what is done about it.
func guarded(how string) string {
	return "steps:\n  - id: x\n    timeout: 10m\n    steps:\n" + put("done", 3) + "      - fail: Bad\n" + how
}

func rescueCells() map[string]happening {
	rescue := func(steps string) string {
		return guarded("    on_error:\n      steps:\n        - " + steps + put("rescued", 4) + "    finally:\n" + put("tidy", 3) + put("after", 1))
	}
	rest := is(map[string]string{"rescued": "", "tidy": "b", "after": ""})
	return map[string]happening{
		"cancel":         {book: rescue("wait: 1h\n"), at: "x", do: cancelAfter(time.Minute), says: "the rest of it does not run, `finally` does", shown: rest},
		"failure inside": {book: rescue("fail: Worse\n"), at: "x", says: "the rest of it does not run, `finally` does", shown: rest},
		"timeout": {
			book: rescue("wait: 1h\n"), at: "x", says: "the time of the step does not bound it; the list goes on", shown: is(map[string]string{"rescued": "b", "tidy": "b", "after": "b"}),
		},
		"rejection": {book: rescue(askOfficers), at: "x", do: decides(false), says: "the rest of it does not run, `finally` does", shown: rest},
		"crash":     {book: rescue("wait: 5s\n"), at: "x"},
	}
}

func rollbackCells() map[string]happening {
	back := "    on_error: rollback\n"
	return map[string]happening{
		"cancel": {
			book: guarded(back), at: "x", do: cancelAfter(10 * time.Second), faults: map[string][]fault{"done": {{}, {slow: 20 * time.Second}}},
			says: "an effect that is being undone gets its outcome", shown: is(map[string]string{"done": ""}),
		},
		"failure inside": {
			book: guarded(back), at: "x", faults: map[string][]fault{"done": {{}, {err: &thingError{code: "forbidden"}}}},
			says:  "what could not be undone is named",
			shown: func(_ *bench, r engine.Run) bool { return r.Error != nil && strings.Contains(r.Error.Message, "done") },
		},
		"timeout": {
			book: strings.Replace(guarded(back), "- fail: Bad", "- wait: 1h", 1), at: "x", says: "of the step: its effects are undone", shown: is(map[string]string{"done": ""}),
		},
		"rejection": {
			book: strings.Replace(guarded(back), "fail: Bad\n", askOfficers, 1), at: "x", do: decides(false), says: "nothing is undone", shown: is(map[string]string{"done": "b"}),
		},
		"empty list": {
			book: "steps:\n  - id: x\n    steps:\n      - if: len(evidence.files) == 0\n        fail: Bad\n" + put("never", 3) + back, at: "x", says: "of effects: there is nothing to undo",
			shown: func(_ *bench, r engine.Run) bool {
				return slices.ContainsFunc(r.Steps, func(s engine.Step) bool { return s.Path == "x/rollback" && s.Why == "nothing to undo" })
			},
		},
		"crash": {book: guarded(back), at: "x"},
	}
}

func finallyCells() map[string]happening {
	tidy := func(steps string) string {
		return "steps:\n  - id: x\n    timeout: 10m\n    steps:\n      - set: {a: 1}\n    finally:\n      - " + steps + put("tidy", 3) + put("after", 1)
	}
	rest := is(map[string]string{"tidy": "", "after": ""})
	return map[string]happening{
		"cancel":         {book: tidy("wait: 5m\n"), at: "x", do: cancelAfter(time.Minute), says: "it runs to its end", shown: is(map[string]string{"tidy": "b", "after": ""})},
		"failure inside": {book: tidy("fail: Bad\n"), at: "x", says: "the rest of it does not run", shown: rest},
		"timeout":        {book: tidy("wait: 1h\n"), at: "x", says: "nothing around bounds it", shown: is(map[string]string{"tidy": "b", "after": "b"})},
		"rejection":      {book: tidy(askOfficers), at: "x", do: decides(false), says: "the rest of it does not run", shown: rest},
		"crash":          {book: tidy("wait: 5s\n"), at: "x"},
	}
}

func failureCells() map[string]happening {
	failure := func(steps string) string {
		return "timeout: 10m\nsteps:\n  - fail: First\non_failure:\n  - id: x\n    " + steps + put("rest", 1) + "finally:\n" + put("tidy", 1)
	}
	first := func(_ *bench, r engine.Run) bool { return r.Error != nil && r.Error.Message == "First" }
	rest := is(map[string]string{"rest": "", "tidy": "b"})
	return map[string]happening{
		"cancel":         {book: failure("wait: 1h\n"), at: "on_failure/x", do: cancelAfter(time.Minute), says: "the rest of it does not run, `finally` does", shown: rest},
		"failure inside": {book: failure("fail: Second\n"), at: "on_failure/x", says: "the run names the first error, `finally` runs", shown: both(rest, first)},
		"timeout":        {book: failure("wait: 1h\n"), at: "on_failure/x", says: "the run's time does not bound it", shown: is(map[string]string{"rest": "b", "tidy": "b"})},
		"rejection":      {book: failure(askOfficers), at: "on_failure/x", do: decides(false), says: "the rest of it does not run, `finally` does", shown: both(rest, first)},
		"crash":          {book: failure("wait: 5s\n"), at: "on_failure/x"},
	}
}

package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"stanch/engine"
	"stanch/engine/sqlitestore"
)

// writer makes random playbooks in which every step has things of its own, so
// that the end does not depend on who is faster.
type writer struct {
	rt     *rapid.T
	n      int      // steps so far
	things []string // that have effects, for faults
	loops  []loop   // around
	gated  bool     // what destroys would have to be covered from here on
	calls  map[string]string
}

// loop is something around a step that runs it several times, and how that tells
// itself apart.
type loop struct {
	expr   string
	values []string
}

func (w *writer) name(kind string) string {
	w.n++
	return fmt.Sprintf("%s%d", kind, w.n)
}

func (w *writer) chance(percent int) bool {
	return rapid.IntRange(0, 99).Draw(w.rt, "chance") < percent
}

// thing names what a step acts upon; in a loop each item has its own.
func (w *writer) thing() string {
	text, names := w.apart(w.name("t"))
	w.things = append(w.things, names...)
	return text
}

// apart is a name of its own for each time that what is written here is run.
func (w *writer) apart(name string) (text string, names []string) {
	text, names = name, []string{name}
	for _, loop := range w.loops {
		text += "-${{ " + loop.expr + " }}"
		var items []string
		for _, n := range names {
			for _, v := range loop.values {
				items = append(items, n+"-"+v)
			}
		}
		names = items
	}
	return text, names
}

func (w *writer) list(depth int) string {
	var b strings.Builder
	for range rapid.IntRange(1, 3).Draw(w.rt, "steps") {
		b.WriteString("- " + indented(w.step(depth), 2) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func indented(s string, n int) string {
	return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n))
}

func (w *writer) step(depth int) string {
	simple := []func() string{w.set, w.read, w.effect, w.effect, w.effect, w.maybe, w.timed}
	if depth == 0 {
		return rapid.SampledFrom(simple).Draw(w.rt, "kind")()
	}
	kinds := append(simple, w.gate)
	deep := []func(int) string{w.block, w.either, w.branches, w.each, w.turns, w.rescued, w.tidied, w.call}
	if i := rapid.IntRange(0, len(kinds)+len(deep)-1).Draw(w.rt, "kind"); i < len(deep) {
		return deep[i](depth - 1)
	} else {
		return kinds[i-len(deep)]()
	}
}

func (w *writer) set() string {
	return fmt.Sprintf("set: {%s: len(evidence.files) + %d}", w.name("v"), w.n)
}

func (w *writer) read() string {
	s := fmt.Sprintf("id: %s\nuses: things.get\nwith: {thing: %s}\nretry: {attempts: 6}", w.name("s"), rapid.SampledFrom([]string{"there", "nowhere"}).Draw(w.rt, "read"))
	if w.chance(80) {
		s += "\non_error: continue"
	}
	return s
}

func (w *writer) effect() string {
	uses := rapid.SampledFrom([]string{"put", "same", "drop"}).Draw(w.rt, "uses")
	if w.gated && uses == "drop" {
		uses = "put"
	}
	s := fmt.Sprintf("id: %s\nuses: things.%s\nwith: {thing: \"%s\"", w.name("s"), uses, w.thing())
	if uses != "drop" {
		s += ", value: new"
	}
	return s + "}\nretry: {attempts: 6}"
}

// maybe ends something, at times.
func (w *writer) maybe() string {
	if w.chance(50) {
		return fmt.Sprintf("if: len(evidence.files) > %d\nfail: Bad", rapid.IntRange(1, 2).Draw(w.rt, "files"))
	}
	return fmt.Sprintf("if: len(evidence.files) > %d\nstop: Enough", rapid.IntRange(1, 2).Draw(w.rt, "files"))
}

func (w *writer) gate() string {
	w.gated = true
	return fmt.Sprintf("id: %s\napprove: {ask: Well, approvers: [officers], timeout: 2h}", w.name("g"))
}

func (w *writer) block(depth int) string {
	return fmt.Sprintf("id: %s\nsteps:\n  %s\non_error: continue", w.name("b"), indented(w.list(depth), 2))
}

func (w *writer) either(depth int) string {
	return fmt.Sprintf("if: len(evidence.files) > %d\nsteps:\n  %s\nelse:\n  %s", rapid.IntRange(1, 2).Draw(w.rt, "files"), indented(w.list(depth), 2), indented(w.list(depth), 2))
}

func (w *writer) branches(depth int) string {
	s := "parallel:"
	for range rapid.IntRange(1, 3).Draw(w.rt, "branches") {
		s += "\n  - steps:\n      " + indented(w.list(depth), 6)
	}
	return s + "\non_error: continue"
}

func (w *writer) each(depth int) string {
	loop := w.within(w.name("item"), ".id", "f0", "f1")
	defer w.without()
	return fmt.Sprintf("id: %s\nfor_each: evidence.files\nas: %s\nmax_parallel: %d\nsteps:\n  %s\ncollect: {id: %s.id}\non_error: continue",
		w.name("e"), loop, rapid.IntRange(1, 3).Draw(w.rt, "parallel"), indented(w.list(depth), 2), loop)
}

// within is a loop around what is written next, until without.
func (w *writer) within(name, field string, values ...string) string {
	w.loops = append(w.loops, loop{name + field, values})
	return name
}

func (w *writer) without() { w.loops = w.loops[:len(w.loops)-1] }

// timed is longer than it may be.
func (w *writer) timed() string {
	s := fmt.Sprintf("timeout: 2m\nsteps:\n  - wait: 1h\n    finally:\n      - %s", indented(w.effect(), 8))
	return s + "\non_error: continue"
}

func (w *writer) turns(depth int) string {
	n := w.name("turn")
	w.within("vars.", n, "1", "2")
	defer w.without()
	return fmt.Sprintf("steps:\n  - set: {%s: 0}\n  - id: %s\n    repeat:\n      times: 2\n      every: 20s\n      steps:\n        - set: {%s: vars.%s + 1}\n        %s",
		n, w.name("r"), n, n, indented(w.list(depth), 8))
}

func (w *writer) rescued(depth int) string {
	return fmt.Sprintf("id: %s\nsteps:\n  %s\non_error:\n  steps:\n    %s", w.name("b"), indented(w.list(depth), 2), indented(w.list(0), 4))
}

func (w *writer) tidied(depth int) string {
	return fmt.Sprintf("id: %s\nsteps:\n  %s\nfinally:\n  %s", w.name("b"), indented(w.list(depth), 2), indented(w.list(min(depth, 1)), 2))
}

// call calls a playbook of its own.
func (w *writer) call(depth int) string {
	text, names := w.apart("c")
	around := w.loops
	w.loops = []loop{{"params.name", names}}
	id := strings.ReplaceAll(w.name("called"), "called", "called-")
	body := fmt.Sprintf("on: {incident: {events: [created]}}\nparams: {name: {type: string, default: none}}\nsteps:\n  - set: {name: params.name}\n  %s\n", indented(w.list(depth), 2))
	if w.chance(50) {
		body += "on_failure:\n  " + indented(w.list(0), 2) + "\n"
	}
	if w.chance(50) {
		body += "finally:\n  " + indented(w.list(0), 2) + "\n"
	}
	w.calls[id] = body
	w.loops = around
	return fmt.Sprintf("id: %s\ncall: %s\nwith: {name: \"%s\"}", w.name("s"), id, text)
}

// ending is what a run comes to.
type ending struct {
	status, outputs string
	steps           []string
	values          map[string]string
	changes         map[string]int
	twice           []string
	err             error
	reached         bool // the crash
}

// play runs a playbook to its end on a store of its own; its worker dies at an
// act, if that is not 0, and another goes on.
func play(t *testing.T, c scenario, faults map[string][]fault, at crash) (e ending) {
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlitestore.OpenMemory(time.Now)
		if err != nil {
			e.err = err
			return
		}
		defer store.Close()
		w := newWorld(map[string]string{"there": "a"})
		for thing, list := range faults {
			w.faults[thing] = slices.Clone(list)
		}
		m := &mortal{Store: store, left: at.act, applied: at.applied, dead: make(chan struct{})}
		if at.act == 0 {
			m.left = 1 << 30
		}
		o := officers
		o.Workers = 3
		first := engine.New(m, store, w.catalog(), o)
		book := loadBook(t, callable(first.World(), c.calls), c.book)
		begun, err := first.Start(t.Context(), engine.Start{Book: book, Event: event(2), Mode: engine.ModeLive, By: "trigger:incident"})
		if err != nil {
			e.err = err
			return
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- first.Work(ctx) }()
		second := engine.New(store, store, w.catalog(), o)
		var run engine.Run
		for hours := 0; hours < 24*60*60; hours++ {
			select {
			case <-m.dead:
				if !e.reached {
					e.reached = true
					stop()
					<-done
					ctx, stop = context.WithCancel(t.Context())
					go func() { done <- second.Work(ctx) }()
				}
			default:
			}
			if run, e.err = second.Run(t.Context(), begun.Run); e.err != nil || run.Ended() {
				break
			}
			e.err = fmt.Errorf("the run is still %s after %d rounds: %v", run.Status, hours, run.WaitsFor)
			if hours > 3000 {
				break
			}
			list, err := second.Approvals(t.Context(), false)
			if err != nil {
				e.err = err
				break
			}
			for _, q := range list {
				if _, err := second.Decide(t.Context(), engine.Decision{Approval: q.ID, By: "dana@c.example", Approve: true}); err != nil {
					e.err = err
				}
			}
			<-time.After(10 * time.Second) // virtual
		}
		stop()
		<-done
		e.status, e.outputs = run.Status, outputs(t, run)
		for _, s := range run.Steps {
			line := s.Path + " " + s.Status
			for _, f := range s.Effects {
				line += " " + string(f.Status)
			}
			e.steps = append(e.steps, line)
		}
		e.values, e.changes, e.twice = w.values, w.changes(), w.twice()
	})
	return e
}

// TestACrashChangesNoEnd runs random playbooks under random faults, once
// undisturbed and once with a worker that dies at a random act: the end is the
// same, no effect happens twice, and no run is stuck.
func TestACrashChangesNoEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &writer{rt: rt, calls: map[string]string{}}
		text := "steps:\n  " + indented(w.list(3), 2) + "\non_failure:\n  - uses: things.put\n    with: {thing: note, value: \"${{ error.step }}\"}\noutputs: {n: len(evidence.files)}\n"
		faults := map[string][]fault{}
		for _, thing := range w.things {
			if rapid.IntRange(0, 2).Draw(rt, "faulty") == 0 {
				faults[thing] = rapid.SliceOfN(rapid.SampledFrom([]fault{
					{applied: true, err: &thingError{code: "timeout", unsure: true}},
					{err: &thingError{code: "unavailable", unsure: true}},
					{err: &thingError{code: "throttled", after: time.Minute}},
					{err: &thingError{code: "unavailable"}},
					{slow: 20 * time.Second},
				}), 0, 2).Draw(rt, "faults")
			}
		}
		c := scenario{book: text, calls: w.calls}
		want := play(t, c, faults, crash{})
		got := play(t, c, faults, crash{rapid.IntRange(1, 60).Draw(rt, "act"), rapid.Bool().Draw(rt, "applied")})
		for name, e := range map[string]ending{"undisturbed": want, "after a crash": got} {
			if e.err != nil || len(e.twice) > 0 {
				rt.Fatalf("%s: %v, twice %v\n%s\n%v", name, e.err, e.twice, text, w.calls)
			}
			for thing, n := range e.changes {
				if n > 1 {
					rt.Fatalf("%s: %s was changed %d times\n%s", name, thing, n, text)
				}
			}
		}
		if got.status != want.status || got.outputs != want.outputs || !maps.Equal(got.values, want.values) || !slices.Equal(got.steps, want.steps) {
			rt.Fatalf("the end is %s %s %v\n%v\nwant %s %s %v\n%v\n%s", got.status, got.outputs, got.values, got.steps, want.status, want.outputs, want.values, want.steps, text)
		}
	})
}

package engine_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/engine"
)

// aMinute lets things have so many units a minute.
func aMinute(units int64) engine.Options {
	return engine.Options{Workers: 4, Budgets: map[string]engine.Budget{
		"things": {Name: "contoso/things", Windows: []engine.Window{{Units: units, Per: time.Minute}}},
	}}
}

// second is the head of another playbook, whose runs do not wait for those of the first.
const second = "playbook: other\ntitle: Other\nstatus: stable\non:\n  incident: {events: [created]}\n"

// third is the head of yet another.
const third = "playbook: third\ntitle: Third\nstatus: stable\non:\n  incident: {events: [created]}\n"

const many = // % of them
"steps:\n  - for_each: 1..%\n    max_parallel: 32\n    steps:\n      - uses: things.get\n        with: {thing: x}\n"

func looks(n string) string { return strings.Replace(many, "%", n, 1) }

// All that an API allows is used, and no more, and who waits for it holds no
// worker.
func TestNoMoreIsAskedThanAnAPIAllows(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	var mu sync.Mutex
	var at []time.Time
	w.reading = func(string) error {
		mu.Lock()
		defer mu.Unlock()
		at = append(at, time.Now())
		return nil
	}
	rehearse(t, w, aMinute(60), func(b *bench) {
		begun := time.Now()
		id := b.start(looks("240"), 0)
		other := b.await(b.another(second+"steps:\n  - set: {n: 1}\n", 0)) // 32 wait meanwhile, of 4 goroutines
		if took := time.Since(begun); other.Status != "succeeded" || took > 2*time.Second {
			t.Errorf("a run that asks the API for nothing is %s after %s", other.Status, took)
		}
		if r := b.await(id); r.Status != "succeeded" {
			t.Fatalf("the run is %s: %v", r.Status, r.Error)
		}
		if took := time.Since(begun); took > 260*time.Second {
			t.Errorf("240 calls of 60 a minute took %s", took)
		}
	})
	for i := 60; i < len(at); i++ {
		if at[i].Sub(at[i-60]) < time.Minute {
			t.Fatalf("61 calls within %s, 60 a minute are allowed", at[i].Sub(at[i-60]))
		}
	}
}

// What a step has drawn and its calls did not use is there for others, where they
// tell what they use.
func TestWhatWasDrawnAndNotUsedIsGivenBack(t *testing.T) {
	for _, x := range []struct {
		why   string
		told  bool
		uses  int64
		least time.Duration // of 45 looks of 4 units, 60 a minute
		most  time.Duration
	}{
		{"all is used", true, 4, 2 * time.Minute, 4 * time.Minute},
		{"more is used than was drawn", true, 5, 2 * time.Minute, 4 * time.Minute},
		{"a quarter is used", true, 1, 0, time.Minute},
		{"nothing is used", true, 0, 0, time.Minute},
		{"nobody tells", false, 0, 2 * time.Minute, 4 * time.Minute},
	} {
		t.Run(x.why, func(t *testing.T) {
			w := newWorld(map[string]string{"x": "a"})
			w.uses = x.uses
			o := aMinute(60)
			things := o.Budgets["things"]
			things.Told = x.told
			o.Budgets["things"] = things
			rehearse(t, w, o, func(b *bench) {
				begun := time.Now()
				r := b.await(b.start(strings.ReplaceAll(looks("45"), "things.get", "things.search"), 0))
				if took := time.Since(begun); r.Status != "succeeded" || took < x.least || took > x.most {
					t.Errorf("it is %s after %s, not within %s to %s", r.Status, took, x.least, x.most)
				}
			})
		})
	}
}

// A call that costs more than the operator lets be used goes when nothing else
// does: it does not wait for ever.
func TestACallThatCostsMoreThanThereIs(t *testing.T) {
	w := newWorld(map[string]string{"x": "a"})
	rehearse(t, w, aMinute(1), func(b *bench) { // to put costs 2
		begun := time.Now()
		r := b.run("steps:\n  - uses: things.put\n    with: {thing: x, value: b}\n", 0)
		if r.Status != "succeeded" || w.changes()["x"] != 1 {
			t.Errorf("the run is %s (%v) after %s, changes %v", r.Status, r.Error, time.Since(begun), w.changes())
		}
		if took := time.Since(begun); took < time.Minute {
			t.Errorf("to look and to put took %s, one of them goes in a minute", took)
		}
	})
}

// What the API refuses as too many stops the others, too, and costs no attempt.
func TestOneRefusalStopsAll(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "z": "a"})
	var mu sync.Mutex
	refused := false
	var at []time.Time
	w.reading = func(thing string) error {
		mu.Lock()
		defer mu.Unlock()
		if thing == "x" && !refused {
			refused = true
			return &thingError{code: "throttled", after: 40 * time.Second}
		}
		at = append(at, time.Now())
		return nil
	}
	get := func(thing string) string {
		return "steps:\n  - id: s\n    uses: things.get\n    with: {thing: " + thing + "}\n    retry: {attempts: 1}\n"
	}
	rehearse(t, w, aMinute(600), func(b *bench) {
		begun := time.Now()
		first := b.start(get("x"), 0)
		<-time.After(time.Second) // virtual
		if r := b.await(b.another(second+get("z"), 0)); r.Status != "succeeded" {
			t.Errorf("the other run is %s: %v", r.Status, r.Error)
		}
		if r := b.await(first); r.Status != "succeeded" {
			t.Errorf("the run that was refused is %s: %v", r.Status, r.Error)
		}
		for _, a := range at {
			if a.Sub(begun) < 40*time.Second {
				t.Errorf("a call %s after one was refused for 40 s", a.Sub(begun))
			}
		}
	})
}

// What contains does not wait behind what only looks, and who waits says for what.
func TestContainingGoesBeforeLooking(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "z": "a"})
	rehearse(t, w, aMinute(60), func(b *bench) {
		id := b.start(looks("120"), 0)
		<-time.After(3 * time.Second) // virtual
		begun := time.Now()
		if r := b.await(b.another(second+"steps:\n  - uses: things.put\n    with: {thing: z, value: b}\n", 0)); r.Status != "succeeded" || w.changes()["z"] != 1 {
			t.Errorf("the run is %s (%v), changes %v", r.Status, r.Error, w.changes())
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %s to contain while 32 wait to look", took)
		}
		r, err := b.engine.Run(b.t.Context(), id)
		if err != nil || !slices.ContainsFunc(r.WaitsFor, func(on string) bool { return strings.Contains(on, "the turn at things, with ") }) {
			t.Errorf("the run waits for %q, %v", r.WaitsFor, err)
		}
		if r := b.await(id); r.Status != "succeeded" {
			t.Errorf("the other run is %s: %v", r.Status, r.Error)
		}
	})
}

// An action is counted as all classes that it names, and where it acts on what
// another API has, as those of that one.
func TestACallDrawsOnAllItIsCountedAs(t *testing.T) {
	const three = "steps:\n" +
		"  - {id: a, uses: things.same, with: {thing: %x, value: b}}\n" +
		"  - {id: b, uses: things.same, with: {thing: %v, value: b}}\n" +
		"  - {id: c, uses: things.same, with: {thing: %z, value: b}}\n"
	for name, c := range map[string]struct {
		on, class string
		units     int64
		waits     bool
	}{
		"looks and sends":           {"", "things", 9, false},
		"one too few":               {"", "things", 8, true},
		"sends alone":               {"", "things.rare", 3, false},
		"one send too many":         {"", "things.rare", 2, true},
		"nothing of another's":      {"", "other", 1, false},
		"elsewhere nothing of it":   {"far/", "things", 1, false},
		"elsewhere the other's":     {"far/", "other", 12, false},
		"elsewhere one too few":     {"far/", "other", 11, true},
		"elsewhere also the scarce": {"far/", "things.rare", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(map[string]string{c.on + "x": "a", c.on + "v": "a", c.on + "z": "a"})
			o := engine.Options{Budgets: map[string]engine.Budget{
				c.class: {Name: "contoso/" + c.class, Windows: []engine.Window{{Units: c.units, Per: time.Minute}}},
			}}
			rehearse(t, w, o, func(b *bench) {
				begun := time.Now()
				r := b.await(b.start(strings.ReplaceAll(three, "%", c.on), 0))
				if r.Status != "succeeded" {
					t.Fatalf("the run is %s: %v", r.Status, r.Error)
				}
				if took := time.Since(begun); c.waits != (took > 30*time.Second) {
					t.Errorf("it took %s; waits for its turn: %v", took, c.waits)
				}
			})
		})
	}
}

// Who has drawn on the scarce budget and waits at the other keeps what it has drawn.
func TestWhoWaitsAtAnotherBudgetKeepsWhatItHasDrawn(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "z": "a"})
	o := engine.Options{Budgets: map[string]engine.Budget{
		"things":      {Name: "contoso/things", Windows: []engine.Window{{Units: 6, Per: time.Minute}}},
		"things.rare": {Name: "contoso/things.rare", Windows: []engine.Window{{Units: 1, Per: time.Hour}}},
	}}
	rehearse(t, w, o, func(b *bench) {
		looks := "  - uses: things.get\n    with: {thing: z}\n"
		begun := time.Now()
		r := b.run("steps:\n"+strings.Repeat(looks, 4)+"  - uses: things.same\n    with: {thing: x, value: b}\n", 0)
		if took := time.Since(begun); r.Status != "succeeded" || took < 30*time.Second || took > 10*time.Minute {
			t.Errorf("the run is %s after %s; it needs a unit of the hour and waits a minute for those of the minute", r.Status, took)
		}
	})
}

// Who waits at the scarce budget has used up nothing of the other.
func TestWhoWaitsAtOneBudgetHasDrawnOnNoOther(t *testing.T) {
	w := newWorld(map[string]string{"x": "a", "v": "a", "z": "a"})
	minute := func(class string, units int64) engine.Budget {
		return engine.Budget{Name: "contoso/" + class, Windows: []engine.Window{{Units: units, Per: time.Minute}}}
	}
	o := engine.Options{Workers: 4, Budgets: map[string]engine.Budget{"things": minute("things", 6), "things.rare": minute("things.rare", 1)}}
	rehearse(t, w, o, func(b *bench) {
		put := func(thing string) string {
			return "steps:\n  - uses: things.same\n    with: {thing: " + thing + ", value: b}\n"
		}
		first := b.run(put("x"), 0)              // looks 1, sends 2
		waiting := b.another(second+put("v"), 0) // looks 1, waits to send
		<-time.After(3 * time.Second)            // virtual
		begun := time.Now()
		last := b.await(b.another(third+"steps:\n  - uses: things.get\n    with: {thing: z}\n", 0)) // looks 1: 5 of 6 are used
		if took := time.Since(begun); first.Status != "succeeded" || last.Status != "succeeded" || took > 5*time.Second {
			t.Errorf("the last run is %s after %s: who waits has drawn on the budget that it looks with", last.Status, took)
		}
		if r := b.await(waiting); r.Status != "succeeded" || w.changes()["v"] != 1 {
			t.Errorf("the run that waited is %s: %v", r.Status, r.Error)
		}
	})
}

package review

import (
	"cmp"
	"fmt"
	"slices"

	"stanch/playbooks"
)

// The severities of a change, the worst first.
const (
	Widens  = "widens"  // it may do more, to more, or with fewer people asked; also when nobody can tell
	Narrows = "narrows" // it does less, to less, or asks more
	Neutral = "neutral" // it does the same to the same
)

// Change is one difference in meaning.
type Change struct {
	Severity string `json:"severity"`
	Where    string `json:"where"` // path of a step, or key of the playbook; of the new one, where it is there
	Line     int    `json:"line"`  // in the new file; of a step that is gone, in the old one
	What     string `json:"what"`  // in one sentence
}

// Diff is what is different between two playbooks.
type Diff struct {
	Severity string   `json:"severity"` // the worst, neutral without changes
	Summary  string   `json:"summary"`
	Changes  []Change `json:"changes"` // the worst first
}

// Same reports whether both playbooks mean the same.
func (d Diff) Same() bool { return len(d.Changes) == 0 }

// Compare tells what b may do otherwise than a, both checked. Formatting,
// comments, the order of keys and ids of steps that are nothing but renamed
// make no difference. What cannot be told to be narrower counts as wider.
func Compare(a, b *playbooks.Playbook) Diff {
	c := &comparer{a: New(a), b: New(b), renamed: map[string]string{}}
	c.books[0], c.books[1] = a, b
	c.pairs = align(a, b)
	c.names()
	c.head(a, b)
	c.triggers(a, b)
	c.params(a, b)
	c.guardrails(a.Guardrails, b.Guardrails)
	for _, p := range c.pairs {
		c.step(p)
	}
	c.outputs(a, b)
	slices.SortStableFunc(c.changes, func(x, y Change) int {
		return cmp.Or(cmp.Compare(rank(x.Severity), rank(y.Severity)), cmp.Compare(x.Line, y.Line))
	})
	d := Diff{Severity: Neutral, Changes: slices.Clip(c.changes)}
	count := map[string]int{}
	for _, change := range d.Changes {
		count[change.Severity]++
	}
	if len(d.Changes) == 0 {
		d.Changes, d.Summary = []Change{}, "both mean the same"
		return d
	}
	d.Severity = d.Changes[0].Severity
	d.Summary = fmt.Sprintf("%d changes: %d may do more, %d do less, %d make no difference to what is touched",
		len(d.Changes), count[Widens], count[Narrows], count[Neutral])
	if len(d.Changes) == 1 {
		d.Summary = "1 change: " + map[string]string{
			Widens: "it may do more", Narrows: "it does less", Neutral: "it makes no difference to what is touched",
		}[d.Severity]
	}
	return d
}

func rank(severity string) int { return slices.Index([]string{Widens, Narrows, Neutral}, severity) }

// comparer collects the changes between two playbooks.
type comparer struct {
	books   [2]*playbooks.Playbook
	a, b    Sheet
	pairs   []pair
	renamed map[string]string // canonical names of the old one, as the new one calls them
	changes []Change
}

func (c *comparer) add(severity, where string, line int, format string, args ...any) {
	c.changes = append(c.changes, Change{severity, where, line, fmt.Sprintf(format, args...)})
}

// text adds a change of a text, if there is one.
func (c *comparer) text(where string, line int, what, a, b string) {
	if a != b {
		c.add(Neutral, where, line, "%s: %s", what, fromTo(a, b))
	}
}

// fromTo shows both values on one line.
func fromTo(a, b string) string {
	a, b = oneLine(a), oneLine(b)
	switch {
	case a == "":
		return fmt.Sprintf("now %s", b)
	case b == "":
		return fmt.Sprintf("no longer %s", a)
	}
	return fmt.Sprintf("%s is now %s", a, b)
}

// head compares what stands before the triggers.
func (c *comparer) head(a, b *playbooks.Playbook) {
	c.text("playbook", 0, "the id", a.ID, b.ID)
	c.text("title", 0, "the title", a.Title, b.Title)
	c.text("description", 0, "the description", a.Description, b.Description)
	c.text("owner", 0, "the owner", a.Owner, b.Owner)
	c.text("tags", 0, "the tags", sorted(a.Tags), sorted(b.Tags))
	live := []string{"draft", "test", "deprecated", "stable"}
	if x, y := slices.Index(live, a.Status), slices.Index(live, b.Status); x != y {
		severity := Narrows
		if y > x {
			severity = Widens
		}
		if min(x, y) == 2 { // both run live
			severity = Neutral
		}
		c.add(severity, "status", 0, "the status %s is now %s", a.Status, b.Status)
	}
	c.text("timeout", 0, "the timeout of a run", a.Timeout.Canonical(), b.Timeout.Canonical())
	c.text("concurrency", 0, "the concurrency key", c.new(a.Concurrency.Key.Canonical()), b.Concurrency.Key.Canonical())
	c.text("concurrency", 0, "when busy", a.Concurrency.WhenBusy, b.Concurrency.WhenBusy)
}

// guardrails compares the limits.
func (c *comparer) guardrails(a, b playbooks.Guardrails) {
	for _, kind := range keysOf(a.MaxTargets, b.MaxTargets) {
		x, had := a.MaxTargets[kind]
		y, has := b.MaxTargets[kind]
		switch {
		case !has:
			c.add(Widens, "guardrails.max_targets."+kind, 0, "no cap on %s any more; it was %d", kind, x)
		case !had:
			c.add(Narrows, "guardrails.max_targets."+kind, 0, "a cap on %s: at most %d", kind, y)
		case y > x:
			c.add(Widens, "guardrails.max_targets."+kind, 0, "a looser cap on %s: %d, was %d", kind, y, x)
		case y < x:
			c.add(Narrows, "guardrails.max_targets."+kind, 0, "a tighter cap on %s: %d, was %d", kind, y, x)
		}
	}
	for _, kind := range keysOf(a.Protect, b.Protect) {
		for _, gone := range missing(a.Protect[kind], b.Protect[kind]) {
			c.add(Widens, "guardrails.protect."+kind, 0, "%s is no longer protected", gone)
		}
		for _, more := range missing(b.Protect[kind], a.Protect[kind]) {
			c.add(Narrows, "guardrails.protect."+kind, 0, "%s is protected", more)
		}
	}
}

// outputs compares what a run answers.
func (c *comparer) outputs(a, b *playbooks.Playbook) {
	x, y := c.bindings(a.Outputs, true), c.bindings(b.Outputs, false)
	for _, name := range keysOf(x, y) {
		c.text("outputs."+name, 0, "the output "+name, x[name], y[name])
	}
}

// bindings are the canonical expressions of names.
func (c *comparer) bindings(all []playbooks.Binding, old bool) map[string]string {
	out := map[string]string{}
	for _, b := range all {
		out[b.Name] = b.Expr.Canonical()
		if old {
			out[b.Name] = c.new(out[b.Name])
		}
	}
	return out
}

// keysOf are the keys of two maps, each once, in order.
func keysOf[V any](a, b map[string]V) []string {
	all := []string{}
	for _, m := range []map[string]V{a, b} {
		for k := range m {
			if !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
	}
	slices.Sort(all)
	return all
}

// missing are the words of a that b has not.
func missing(a, b []string) []string {
	out := []string{}
	for _, w := range a {
		if !slices.Contains(b, w) {
			out = append(out, w)
		}
	}
	return out
}

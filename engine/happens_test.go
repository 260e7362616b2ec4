package engine_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// happening is what happens to a step of a kind: a cell of the manual's table
// under "What happens when".
type happening struct {
	book   string
	calls  map[string]string
	files  int
	faults map[string][]fault
	slow   bool // every read takes too long
	at     string
	do     func(b *bench, id string)
	says   string                                 // the cell, behind the statuses
	shown  func(b *bench, r engine.Run) (is bool) // that it is so
}

const manual = "../playbooks/reference.md"

// TestWhatHappensWhen proves every cell of the manual's table by running it. A
// cell holds how the step and the run end, and what else is to be seen;
// STANCH_REWRITE=1 writes the table as it is found.
func TestWhatHappensWhen(t *testing.T) {
	table := readTable(t, playbooks.Reference())
	found := map[string]string{}
	for _, row := range kindsOfSteps() {
		for _, column := range happenings() {
			name := row + " × " + column
			c, known := cells()[name]
			if !known {
				found[name] = "—"
			} else {
				t.Run(name, func(t *testing.T) {
					if column == "crash" {
						found[name] = c.crashes(t)
					} else {
						found[name] = c.happens(t)
					}
				})
			}
			if got := table[name]; got != found[name] && os.Getenv("STANCH_REWRITE") == "" {
				t.Errorf("%s: the manual says %q, it is %q", name, got, found[name])
			}
			delete(table, name)
		}
	}
	for name := range cells() {
		if _, asked := found[name]; !asked {
			t.Errorf("no cell of the table is %s", name)
		}
	}
	if os.Getenv("STANCH_REWRITE") != "" {
		writeTable(t, found)
	} else if len(table) > 0 {
		t.Errorf("the manual has cells that nothing proves: %v", table)
	}
}

// happens answers what the cell has to say.
func (c happening) happens(t *testing.T) (said string) {
	w := newWorld(map[string]string{"there": "a"})
	for thing, list := range c.faults {
		w.faults[thing] = slices.Clone(list)
	}
	if c.slow {
		w.reading = func(string) error {
			<-time.After(2 * time.Second) // virtual
			return &thingError{code: "failed"}
		}
	}
	rehearse(t, w, officers, func(b *bench) {
		b.calls = c.calls
		id := b.start(c.book, c.files)
		if c.do != nil {
			c.do(b, id)
		}
		r := b.await(id)
		said = ends(t, r, c.at)
		if c.says == "" {
			return
		}
		if c.shown(b, r) {
			said += "; " + c.says
		} else {
			t.Errorf("it is not so that %s: the run is %s (%v), steps %v, the world %v", c.says, r.Status, r.Error, paths(r), w.values)
		}
	})
	return said
}

// ends says how a step and its run have ended.
func ends(t *testing.T, r engine.Run, at string) string {
	s := step(t, r, at)
	said := "step `" + s.Status + "`"
	if s.Status == "failed" && s.Error != nil {
		said += " (" + s.Error.Code + ")"
	}
	return said + ", run `" + r.Status + "`"
}

// crashes kills a worker at every act of the run, before and after the store
// took it, and answers what the cell has to say if that changes nothing.
func (c happening) crashes(t *testing.T) string {
	s := scenario{book: c.book, calls: c.calls}
	want := play(t, s, c.faults, crash{})
	if want.err != nil {
		t.Fatal(want.err)
	}
	stride := 1
	if testing.Short() {
		stride = 5
	}
	for _, applied := range []bool{false, true} {
		for k := 1; ; k += stride {
			got := play(t, s, c.faults, crash{k, applied})
			if got.err != nil || len(got.twice) > 0 || got.status != want.status || !slices.Equal(got.steps, want.steps) || fmt.Sprint(got.values, got.changes) != fmt.Sprint(want.values, want.changes) {
				t.Fatalf("a crash at act %d: %s %v %v, twice %v (%v); undisturbed %s %v %v", k, got.status, got.steps, got.values, got.twice, got.err, want.status, want.steps, want.values)
			}
			if !got.reached {
				break
			}
		}
	}
	i := slices.IndexFunc(want.steps, func(line string) bool { return strings.HasPrefix(line, c.at+" ") })
	if i < 0 {
		t.Fatalf("no step %s in %v", c.at, want.steps)
	}
	said := fmt.Sprintf("step `%s`, run `%s`", strings.Fields(want.steps[i])[1], want.status)
	return said + ", as without; no effect twice"
}

func kindsOfSteps() []string {
	return []string{
		"action", "`set`", "block, `if`", "`for_each`", "`parallel`", "`approve`", "`wait`", "`repeat`", "`call`", "`stop`", "`fail`",
		"`on_error: {steps}`", "`on_error: rollback`", "`finally`", "`on_failure`",
	}
}

func happenings() []string {
	return []string{"cancel", "failure inside", "timeout", "rejection", "empty list", "crash"}
}

const tableHead = "## What happens when\n"

// readTable answers the cells of the manual's table by row and column.
func readTable(t *testing.T, text string) map[string]string {
	_, section, ok := strings.Cut(text, tableHead)
	if !ok {
		if os.Getenv("STANCH_REWRITE") == "" {
			t.Fatalf("%s has no section %s", manual, tableHead)
		}
		return nil
	}
	section, _, _ = strings.Cut(section, "\n## ")
	cells := map[string]string{}
	var columns []string
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		fields := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		if columns == nil {
			columns = fields
			continue
		}
		for i := 1; i < len(fields) && i < len(columns); i++ {
			cells[fields[0]+" × "+columns[i]] = fields[i]
		}
	}
	return cells
}

// writeTable puts the cells into the manual.
func writeTable(t *testing.T, found map[string]string) {
	raw, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	head, section, ok := strings.Cut(string(raw), tableHead)
	if !ok {
		t.Fatalf("%s has no section %s", manual, tableHead)
	}
	intro, rest, _ := strings.Cut(section, "\n## ")
	intro, _, _ = strings.Cut(intro, "\n|")
	var b strings.Builder
	b.WriteString(head + tableHead + intro + "\n| | " + strings.Join(happenings(), " | ") + " |\n|---" + strings.Repeat("|---", len(happenings())) + "|\n")
	for _, row := range kindsOfSteps() {
		b.WriteString("| " + row)
		for _, column := range happenings() {
			b.WriteString(" | " + found[row+" × "+column])
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n## " + rest)
	if err := os.WriteFile(manual, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

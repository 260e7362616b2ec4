package triggers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
	"stanch/engine"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
	"stanch/triggers"
)

// people is a query that answers these people, each with a number.
func people(names ...string) string {
	var cells []string
	for i, n := range names {
		cells = append(cells, fmt.Sprintf("%q, %d", n, i))
	}
	return "datatable(upn:string, n:long) [" + strings.Join(cells, ", ") + "]"
}

// hunting is a playbook that hunts once an hour. More is further lines of its
// trigger.
func hunting(t *testing.T, query, more string) *playbooks.Playbook {
	t.Helper()
	if !strings.Contains(more, "columns:") {
		more += "\n    columns: {upn: string, n: integer}"
	}
	return huntingAs(t, query, more)
}

func huntingAs(t *testing.T, query, more string) *playbooks.Playbook {
	t.Helper()
	catalog, err := actions.Collect()
	if err != nil {
		t.Fatal(err)
	}
	text := "playbook: hunt\nstatus: stable\nparams:\n  least: {type: integer, default: 1}\n  back: {type: duration, default: 36h}\non:\n  hunting:\n" +
		"    schedule: {cron: \"0 * * * *\"}\n    query: |\n      " + query + more + "\nsteps:\n  - stop: Found\n"
	book, findings := playbooks.LoadAndCheck("hunt.yaml", []byte(text), playbooks.World{Catalog: catalog})
	if playbooks.HasErrors(findings) {
		t.Fatalf("%s\n%s", findings[0].Text(), text)
	}
	return book
}

// hunter asks a practice tenant.
func hunter(x *shelftest.Tenant) *triggers.Hunter {
	return &triggers.Hunter{Graph: x.Full.Graph, Logs: x.Full.Logs, Workspace: practice.LogWorkspaceID(practice.ContosoTenantID)}
}

const byName = "\n    key: [upn]"

// rows are the keys that runs were begun for, each as often as that; without the
// tick under which it was seen first.
func rows(t *testing.T, store engine.Store) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, run := range begun(t, store) {
		key, _, _ := strings.Cut(run, "@")
		all[key]++
	}
	return all
}

func each(t *testing.T, store engine.Store, want int) {
	t.Helper()
	got := rows(t, store)
	for key, n := range got {
		if n != 1 {
			t.Errorf("%s began %d times", key, n)
		}
	}
	if len(got) != want {
		t.Errorf("%d rows began a run, want %d: %v", len(got), want, got)
	}
}

func last(t *testing.T, docs engine.Documents) triggers.Schedule {
	t.Helper()
	st, err := triggers.ScheduleOf(t.Context(), docs, "hunt", "hunting")
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// Two nodes hunt at the same moment: each person begins one run, however often
// the query finds them.
func TestEachRowBeginsOnce(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	onBothStores(t, march(2, 4, 30), func(t *testing.T, clock *dial, open func() keeper) {
		store := open()
		one, two := node(t, "one", store, clock), node(t, "two", open(), clock)
		one.Hunter, two.Hunter = hunter(x), hunter(x)
		hunts := func(at time.Time, names ...string) {
			book := hunting(t, people(names...), byName)
			one.Books, two.Books = []*playbooks.Playbook{book}, []*playbooks.Playbook{book}
			clock.turn(at)
			look(t, one, two)
			look(t, one, two) // who had to wait looks again
		}
		hunts(march(2, 4, 30), "a", "b")
		each(t, store, 0)
		hunts(march(2, 5, 0), "a", "b", "a")
		each(t, store, 2)
		if d := last(t, store).Last; d.Outcome != triggers.TickBegun || d.Runs != 2 || d.Hunted.Rows != 3 || d.Hunted.Known != 1 {
			t.Errorf("%+v %+v", d, d.Hunted)
		}
		hunts(march(2, 6, 0), "c", "b", "a") // with other numbers
		each(t, store, 3)
		hunts(march(2, 7, 0), "a")
		each(t, store, 3)
		if d := last(t, store).Last; d.Outcome != triggers.TickNothing || d.Runs != 0 || d.Hunted.Known != 1 {
			t.Errorf("%+v %+v", d, d.Hunted)
		}
	})
}

// dying is a node that ends at the n-th thing that it writes: before it is
// written, or right after.
type dying struct {
	engine.Documents
	left  int
	after bool
}

func (d *dying) Put(ctx context.Context, doc engine.Document) (int64, error) {
	if doc.Kind == "edition" {
		return d.Documents.Put(ctx, doc)
	}
	d.left--
	if d.left == 0 && !d.after || d.left < 0 {
		return 0, errDied
	}
	v, err := d.Documents.Put(ctx, doc)
	if d.left == 0 {
		return 0, errors.Join(errDied, err)
	}
	return v, err
}

// However a node ends in the middle of a hunt, the other one goes on, though the
// query finds them in another order, and not all of them at once: each row begins
// once.
func TestACrashInAHuntBeginsNothingTwice(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	for n := 1; n <= 7; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %v", n, after), func(t *testing.T) {
				clock := &dial{}
				clock.turn(march(2, 4, 30))
				store, err := sqlitestore.OpenMemory(clock.Now)
				if err != nil {
					t.Fatal(err)
				}
				defer store.Close()
				first := hunting(t, people("a", "b", "c"), byName)
				one, two := node(t, "one", store, clock, first), node(t, "two", store, clock)
				one.Hunter, two.Hunter = hunter(x), hunter(x)
				look(t, one)
				clock.turn(march(2, 5, 0))
				one.Docs = &dying{Documents: store, left: n, after: after}
				err = one.Look(t.Context())
				if n < 7 && err == nil && last(t, store).Failing == nil {
					t.Error("it did not end")
				}
				for hour, names := range [][]string{{"c"}, {"b", "c", "a"}, {"a", "b"}} {
					two.Books = []*playbooks.Playbook{hunting(t, people(names...), byName)}
					clock.turn(march(2, 7+2*hour, 0))
					look(t, two)
				}
				each(t, store, 3)
			})
		}
	}
}

// More rows than max_rows wait for the next time, and it is told how many.
func TestMoreThanMaxRowsWait(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, hunting(t, people("a", "b", "c", "d", "e"), byName+"\n    max_rows: 2"))
	for hour, want := range []struct{ runs, left int }{{2, 3}, {2, 1}, {1, 0}, {0, 0}} {
		clock.turn(march(2, 5+hour, 0))
		look(t, n)
		if d := last(t, store).Last; d.Runs != want.runs || d.Hunted.Left != want.left {
			t.Errorf("hour %d: %d runs, %d left; want %+v", hour, d.Runs, d.Hunted.Left, want)
		}
	}
	each(t, store, 5)
	if text := log.String(); strings.Count(text, "level=WARN") != 2 || !strings.Contains(text, "left=3") {
		t.Errorf("it says\n%s", text)
	}
}

// An answer that is cut is told, and so is how much of it waits.
func TestAnAnswerThatIsCutIsTold(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, huntingAs(t, "range n from 1 to 10001 step 1", "\n    columns: {n: integer}\n    max_rows: 3"))
	clock.turn(march(2, 5, 0))
	look(t, n)
	if d := last(t, store).Last; d == nil || d.Runs != 3 || !d.Hunted.Truncated || d.Hunted.Rows != 10_000 || d.Hunted.Left != 9_997 {
		t.Errorf("%+v %+v", d, d.Hunted)
	}
	if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, "truncated=true") {
		t.Errorf("it says\n%s", text)
	}
}

// alone is one node that hunts, at half past four.
func alone(t *testing.T, x *shelftest.Tenant, log *bytes.Buffer, book *playbooks.Playbook) (*dial, *sqlitestore.Store, *triggers.Schedules) {
	t.Helper()
	clock := &dial{}
	clock.turn(march(2, 4, 30))
	store, err := sqlitestore.OpenMemory(clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	n := node(t, "one", store, clock, book)
	n.Hunter = hunter(x)
	n.Log = slog.New(slog.NewTextHandler(log, nil))
	look(t, n)
	return clock, store, n
}

// start: batch begins one run for all that was found at a time, none for nothing.
func TestABatchIsOneRun(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, hunting(t, people("a", "b", "c"), "\n    start: batch\n    max_rows: 2\n    if: all(event.rows, .n < 9)"))
	clock.turn(march(2, 5, 0))
	look(t, n)
	if d := last(t, store).Last; d.Runs != 1 || d.Hunted.Left != 1 || d.Hunted.Rows != 3 {
		t.Errorf("%+v %+v", d, d.Hunted)
	}
	n.Books = []*playbooks.Playbook{hunting(t, people("a")+" | where n > 5", "\n    start: batch")}
	clock.turn(march(2, 6, 0))
	look(t, n)
	if d := last(t, store).Last; d.Runs != 0 || d.Outcome != triggers.TickNothing {
		t.Errorf("%+v", d)
	}
	if got := begun(t, store); !slices.Equal(got, []string{"hunt live hunting/2026-03-02T05:00:00Z"}) {
		t.Errorf("%q", got)
	}
}

// A row for which the condition does not hold is not remembered: it may hold
// another time.
func TestARowThatDoesNotMatchIsAskedAgain(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, hunting(t, people("a", "b"), byName+"\n    if: event.row.n >= params.least"))
	clock.turn(march(2, 5, 0))
	look(t, n)
	if d := last(t, store).Last; d.Runs != 1 || d.Hunted.NotMatched != 1 {
		t.Errorf("%+v %+v", d, d.Hunted)
	}
	n.Books = []*playbooks.Playbook{hunting(t, people("b", "a"), byName+"\n    if: event.row.n >= params.least")}
	clock.turn(march(2, 6, 0))
	look(t, n)
	each(t, store, 2)
}

// What is found every day stays known; what was not found for a month is new.
func TestTheMemoryOfRows(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, hunting(t, people("a"), byName))
	start := march(2, 5, 0)
	for day := range 65 {
		clock.turn(start.AddDate(0, 0, day))
		look(t, n)
	}
	each(t, store, 1)
	clock.turn(start.AddDate(0, 0, 96))
	look(t, n)
	if got := begun(t, store); len(got) != 2 {
		t.Errorf("after a month without it: %q", got)
	}
}

// Columns have their types, whatever the service calls them, and let hands over
// values of all types.
func TestTypedColumnsAndBoundValues(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	const query = `print upn = name, n = least, took = back, at = datetime(2026-03-01T10:00:00Z), share = 0.5, odd = true, tags = dynamic(["x", "y"]), maybe = int(null), since = ago(back) < now()`
	book := huntingAs(t, query, `
    let: {name: 'x" or true //', least: "${{ params.least }}", back: "${{ params.back }}"}
    columns: {upn: string, n: integer, took: duration, at: time, share: number, odd: boolean, tags: [string], maybe: "integer?"}
    if: event.row.took == duration("36h") and event.row.at < now() and event.row.upn == "x\" or true //" and event.row.odd and "y" in event.row.tags and event.row.maybe == nil`)
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, book)
	clock.turn(march(2, 5, 0))
	look(t, n)
	if st := last(t, store); st.Last == nil || st.Last.Runs != 1 {
		t.Errorf("%+v %+v", st.Failing, st.Last)
	}
}

// A query that answers other columns, or other types, is told; it begins nothing.
func TestAnswersThatDoNotFit(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, hunting(t, people("a")+" | project user = upn, n", byName))
	clock.turn(march(2, 5, 0))
	look(t, n)
	if f := last(t, store).Failing; f == nil || !strings.Contains(f.Error, "the query answers no column upn, which columns declares; its columns are user, n") {
		t.Errorf("%+v", f)
	}
	n.Books = []*playbooks.Playbook{hunting(t, `datatable(upn:string, n:long) ["a", 1, "b", long(null)]`, byName)}
	clock.turn(march(2, 7, 0))
	look(t, n)
	if d := last(t, store).Last; d == nil || d.Runs != 1 || d.Hunted.Unreadable != 1 || d.Hunted.Why != "row 2: n: is missing; expected integer" {
		t.Errorf("%+v %+v", d, d.Hunted)
	}
}

// A query that fails is told once, tried again later and later, and says so until
// it works; a tick is not lost by it.
func TestAQueryThatFailsIsTriedAgain(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, hunting(t, people("a"), byName))
	x.Break(shelftest.Fault{Method: "POST", Path: "/v1.0/security/runHuntingQuery", Times: 100, Status: 429, Headers: map[string]string{"Retry-After": "150"}})
	var tries []string
	at := march(2, 5, 0)
	for range 120 { // minutes
		clock.turn(at)
		before := 0
		if f := last(t, store).Failing; f != nil {
			before = f.Times
		}
		look(t, n)
		if f := last(t, store).Failing; f != nil && f.Times > before {
			tries = append(tries, at.Format("15:04"))
		}
		at = at.Add(time.Minute)
	}
	if want := []string{"05:00", "05:03", "05:06", "05:10", "05:18", "05:34", "06:06"}; !slices.Equal(tries, want) {
		t.Errorf("tried at %q, want %q", tries, want)
	}
	f := last(t, store).Failing
	if f == nil || !f.Since.Equal(march(2, 5, 0)) || !strings.Contains(f.Error, "throttled") && !strings.Contains(f.Error, "429") {
		t.Fatalf("%+v", f)
	}
	x.Break()
	clock.turn(f.RetryAt)
	look(t, n)
	if st := last(t, store); st.Failing != nil || st.Last == nil || st.Last.Runs != 1 {
		t.Errorf("%+v", st)
	}
	if text := log.String(); strings.Count(text, "could not be done") != 1 || strings.Count(text, "works again") != 1 {
		t.Errorf("it says\n%s", text)
	}
}

// source: logs asks the workspace.
func TestHuntingInLogAnalytics(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	var log bytes.Buffer
	clock, store, n := alone(t, x, &log, hunting(t, people("a"), byName+"\n    source: logs"))
	clock.turn(march(2, 5, 0))
	look(t, n)
	each(t, store, 1)
}

// A query waits for its turn at the API as the calls of runs do.
func TestAHuntWaitsForItsTurn(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	clock := &dial{}
	clock.turn(march(2, 4, 30))
	store, err := sqlitestore.OpenMemory(clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	catalog, err := actions.Collect()
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(store, store, catalog, engine.Options{Now: clock.Now, Budgets: map[string]engine.Budget{
		"graph.hunting": {Name: "hunts", Windows: []engine.Window{{Units: 10, Per: time.Hour}}},
	}})
	n := &triggers.Schedules{Engine: e, Docs: store, Books: []*playbooks.Playbook{hunting(t, people("a"), byName)}, Hunter: hunter(x), Holder: "one", Now: clock.Now}
	look(t, n)
	if _, err := store.Draw(t.Context(), engine.Draw{Budget: "hunts", Request: "r", Units: 10, Windows: []engine.Window{{Units: 10, Per: time.Hour}}}); err != nil {
		t.Fatal(err)
	}
	clock.turn(march(2, 5, 0))
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if err := n.Look(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with an empty budget: %v", err)
	}
	each(t, store, 0)
	clock.turn(march(2, 7, 0))
	look(t, n)
	each(t, store, 1)
}

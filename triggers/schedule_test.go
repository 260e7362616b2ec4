package triggers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"stanch/actions"
	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
	"stanch/triggers"
)

// dial is a clock that tests turn.
type dial struct{ at atomic.Int64 }

func (d *dial) Now() time.Time { return time.Unix(0, d.at.Load()).UTC() }

func (d *dial) turn(to time.Time) { d.at.Store(to.UnixNano()) }

type keeper interface {
	engine.Store
	engine.Documents
}

// onBothStores runs a test with nodes that share a store: in one process a file,
// in several a Redis.
func onBothStores(t *testing.T, begins time.Time, test func(t *testing.T, clock *dial, open func() keeper)) {
	t.Run("SQLite", func(t *testing.T) {
		clock := &dial{}
		clock.turn(begins)
		s, err := sqlitestore.OpenMemory(clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		test(t, clock, func() keeper { return s })
	})
	t.Run("Redis", func(t *testing.T) {
		server := redistest.Start(t, redistest.Options{})
		clock := &dial{}
		clock.turn(begins)
		test(t, clock, func() keeper {
			s, err := redisstore.Open(t.Context(), redisstore.Options{Addrs: []string{server.Addr()}, Work: true, Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		})
	})
}

// node is one process that serves schedules.
func node(t *testing.T, name string, store keeper, clock *dial, books ...*playbooks.Playbook) *triggers.Schedules {
	t.Helper()
	catalog, err := actions.Collect()
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(store, store, catalog, engine.Options{Now: clock.Now})
	return &triggers.Schedules{Engine: e, Docs: store, Books: books, Holder: name, Now: clock.Now}
}

// begun are the runs of a store: playbook, mode and what they are about, sorted.
func begun(t *testing.T, store engine.Store) []string {
	t.Helper()
	var all []string
	for cursor := ""; ; {
		page, err := store.Follow(t.Context(), cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Kind == "run" && r.Head != nil {
				all = append(all, r.Head.Playbook+" "+r.Head.Mode+" "+r.Head.Subject)
			}
		}
		if cursor = page.Cursor; !page.More {
			slices.Sort(all)
			return all
		}
	}
}

func look(t *testing.T, nodes ...*triggers.Schedules) {
	t.Helper()
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() {
			if err := n.Look(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// utc reads a time of March 2026.
func march(day, hour, minute int) time.Time {
	return time.Date(2026, 3, day, hour, minute, 0, 0, time.UTC)
}

// Two nodes look at the same moment, over the night in which Berlin's clock jumps:
// each tick begins once.
func TestTwoNodesOneTick(t *testing.T) {
	onBothStores(t, march(27, 12, 0), func(t *testing.T, clock *dial, open func() keeper) {
		book := scheduled(t, "nightly", `{cron: "30 2 * * *", zone: Europe/Berlin}`)
		store := open()
		one, two := node(t, "one", store, clock, book), node(t, "two", open(), clock, book)
		for at := march(27, 12, 0); at.Before(march(31, 12, 0)); at = at.Add(30 * time.Minute) {
			clock.turn(at)
			look(t, one, two)
		}
		want := []string{
			"nightly live schedule/2026-03-28T01:30:00Z", // 02:30 +0100
			"nightly live schedule/2026-03-29T01:00:00Z", // the jump
			"nightly live schedule/2026-03-30T00:30:00Z", // 02:30 +0200
			"nightly live schedule/2026-03-31T00:30:00Z",
		}
		if got := begun(t, store); !slices.Equal(got, want) {
			t.Errorf("the runs are\n%s", strings.Join(got, "\n"))
		}
		st, err := triggers.ScheduleOf(t.Context(), store, "nightly", "schedule")
		if err != nil || st.Last == nil || st.Last.Outcome != triggers.TickBegun || !st.Last.ScheduledAt.Equal(march(31, 0, 30)) || st.Last.Run == "" {
			t.Errorf("%+v (%v)", st.Last, err)
		}
	})
}

// forgetful is a node that ends right before it writes down what it has decided.
type forgetful struct {
	engine.Documents
	dies bool
}

var errDied = errors.New("the process is gone")

func (f *forgetful) Put(ctx context.Context, d engine.Document) (int64, error) {
	if f.dies && d.Kind == "schedule" {
		return 0, errDied
	}
	return f.Documents.Put(ctx, d)
}

// A node that is lost between a run and its own notes leaves a tick that another
// one decides again: no second run.
func TestACrashBetweenRunAndNoteBeginsNothingTwice(t *testing.T) {
	onBothStores(t, march(2, 4, 0), func(t *testing.T, clock *dial, open func() keeper) {
		book := scheduled(t, "nightly", `{cron: "0 5 * * *"}`)
		store := open()
		one, two := node(t, "one", store, clock, book), node(t, "two", open(), clock, book)
		docs := &forgetful{Documents: one.Docs}
		one.Docs = docs
		look(t, one)
		docs.dies = true
		clock.turn(march(2, 5, 0))
		if err := one.Look(t.Context()); !errors.Is(err, errDied) {
			t.Fatalf("the first node says %v", err)
		}
		if got := begun(t, store); len(got) != 1 {
			t.Fatalf("before the crash: %q", got)
		}
		clock.turn(march(2, 5, 1))
		look(t, two)
		if got := begun(t, store); len(got) != 1 {
			t.Errorf("after it: %q", got)
		}
		if st, err := triggers.ScheduleOf(t.Context(), store, "nightly", "schedule"); err != nil || !st.From.Equal(march(2, 5, 0)) || st.Last.Outcome != triggers.TickBegun {
			t.Errorf("%+v (%v)", st, err)
		}
	})
}

// While somebody holds a trigger, nobody else decides over it; who was lost holds
// it for half a minute at most.
func TestWhoIsLostIsTakenOverFrom(t *testing.T) {
	onBothStores(t, march(2, 4, 0), func(t *testing.T, clock *dial, open func() keeper) {
		book := scheduled(t, "nightly", `{cron: "0 5 * * *", misfire: skip}`)
		store := open()
		two := node(t, "two", open(), clock, book)
		look(t, two)
		clock.turn(march(2, 5, 0))
		if token, err := store.Hold(t.Context(), "timed/nightly/schedule", "one", 30*time.Second); err != nil || token == 0 {
			t.Fatalf("%d %v", token, err)
		}
		clock.turn(march(2, 5, 0).Add(29 * time.Second))
		look(t, two)
		if got := begun(t, store); len(got) != 0 {
			t.Fatalf("while it is held: %q", got)
		}
		clock.turn(march(2, 5, 0).Add(30 * time.Second))
		look(t, two)
		if got := begun(t, store); len(got) != 1 {
			t.Errorf("after half a minute: %q", got)
		}
	})
}

// A freeze holds ticks back; what of them is made up for, misfire says.
func TestAFreezeHoldsTicksBack(t *testing.T) {
	onBothStores(t, march(2, 4, 30), func(t *testing.T, clock *dial, open func() keeper) {
		store := open()
		n := node(t, "one", store, clock, scheduled(t, "hourly", `{cron: "0 * * * *"}`))
		look(t, n)
		if _, err := n.Engine.Freeze(t.Context(), true, "tess", "a look"); err != nil {
			t.Fatal(err)
		}
		for hour := 5; hour < 9; hour++ {
			clock.turn(march(2, hour, 0))
			look(t, n)
		}
		if got := begun(t, store); len(got) != 0 {
			t.Fatalf("while frozen: %q", got)
		}
		if _, err := n.Engine.Freeze(t.Context(), false, "tess", ""); err != nil {
			t.Fatal(err)
		}
		clock.turn(march(2, 8, 20))
		look(t, n)
		if got := begun(t, store); !slices.Equal(got, []string{"hourly live schedule/2026-03-02T08:00:00Z"}) {
			t.Errorf("thawed: %q", got)
		}
		if st, err := triggers.ScheduleOf(t.Context(), store, "hourly", "schedule"); err != nil || st.Last.Skipped != 3 {
			t.Errorf("%+v (%v)", st.Last, err)
		}
	})
}

// A schedule that is seen for the first time has missed nothing; one that was
// changed begins anew, and neither forgets what was decided.
func TestANewAndAChangedSchedule(t *testing.T) {
	onBothStores(t, march(2, 4, 30), func(t *testing.T, clock *dial, open func() keeper) {
		store := open()
		look(t, node(t, "one", store, clock, scheduled(t, "report", `{cron: "0 5 * * *"}`)))
		if got := begun(t, store); len(got) != 0 {
			t.Fatalf("at first sight: %q", got)
		}
		clock.turn(march(20, 4, 30)) // days later, with another schedule
		changed := node(t, "one", store, clock, scheduled(t, "report", `{cron: "*/30 * * * *", misfire: all}`))
		look(t, changed)
		clock.turn(march(20, 5, 0))
		look(t, changed)
		if got := begun(t, store); !slices.Equal(got, []string{"report live schedule/2026-03-20T05:00:00Z"}) {
			t.Errorf("%q", got)
		}
		clock.turn(march(22, 5, 0)) // a restart changes nothing
		look(t, node(t, "one", store, clock, scheduled(t, "report", `{cron: "*/30 * * * *", misfire: all}`)))
		if got := begun(t, store); len(got) != 1+2*48 {
			t.Errorf("%d runs after a restart", len(got))
		}
	})
}

// The status of a playbook and its condition decide as they do for incidents.
func TestStatusAndConditionOfASchedule(t *testing.T) {
	clock := &dial{}
	clock.turn(march(2, 4, 30))
	store, err := sqlitestore.OpenMemory(clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	book := func(id, status, condition string) *playbooks.Playbook {
		catalog, err := actions.Collect()
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("playbook: %s\nstatus: %s\non:\n  schedule: {cron: \"0 5 * * *\", if: %q}\nsteps:\n  - stop: Done\n", id, status, condition)
		b, findings := playbooks.LoadAndCheck(id+".yaml", []byte(text), playbooks.World{Catalog: catalog})
		if playbooks.HasErrors(findings) {
			t.Fatal(findings[0].Text())
		}
		return b
	}
	n := node(t, "one", store, clock,
		book("tried", "test", "true"), book("kept", "deprecated", "true"), book("later", "stable", "event.scheduled_at > now()"), book("broken", "stable", "1 / (len(event.id) - 20) == 1"),
	)
	look(t, n)
	clock.turn(march(2, 5, 0))
	look(t, n)
	if got := begun(t, store); !slices.Equal(got, []string{"kept live schedule/2026-03-02T05:00:00Z", "tried shadow schedule/2026-03-02T05:00:00Z"}) {
		t.Errorf("%q", got)
	}
	for id, want := range map[string]string{"tried": triggers.TickBegun, "later": triggers.TickNo, "broken": triggers.TickFailed} {
		st, err := triggers.ScheduleOf(t.Context(), store, id, "schedule")
		if err != nil || st.Last.Outcome != want || st.Last.Because == "" {
			t.Errorf("%s: %+v (%v)", id, st.Last, err)
		}
	}
}

// Two nodes serve for weeks, over two changes of the clock, with a draft among
// their playbooks: nobody looks but they themselves.
func TestNodesServeByThemselves(t *testing.T) {
	var log bytes.Buffer
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})
	synctest.Test(t, func(t *testing.T) {
		clock := func() time.Time {
			return time.Now().Add(march(6, 0, 0).Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
		}
		store, err := sqlitestore.OpenMemory(clock)
		if err != nil {
			t.Fatal(err)
		}
		catalog, err := actions.Collect()
		if err != nil {
			t.Fatal(err)
		}
		draft := scheduled(t, "draft", `{cron: "* * * * *"}`)
		draft.Status = "draft"
		books := []*playbooks.Playbook{
			draft, scheduled(t, "york", `{cron: "15 2 * * *", zone: America/New_York, jitter: 30m}`), scheduled(t, "berlin", `{cron: "15 2 * * *", zone: Europe/Berlin, dst: skip}`),
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, name := range []string{"one", "two"} {
			e := engine.New(store, store, catalog, engine.Options{Now: clock})
			s := &triggers.Schedules{Engine: e, Docs: store, Books: books, Holder: name, Now: clock, Log: slog.New(handler)}
			wg.Go(func() {
				if err := s.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		time.AfterFunc(25*24*time.Hour, stop)
		wg.Wait()
		synctest.Wait()
		count := map[string]int{}
		for _, run := range begun(t, store) {
			id, _, _ := strings.Cut(run, " ")
			count[id]++
		}
		// From the 6th to the 30th, Berlin without the 29th; New York on the 8th at
		// the jump.
		if count["york"] != 25 || count["berlin"] != 24 || count["draft"] != 0 {
			t.Errorf("%v", count)
		}
		if got := begun(t, store); !slices.Contains(got, "york live schedule/2026-03-08T07:00:00Z") {
			t.Errorf("%q", got)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if log.Len() > 0 {
		t.Errorf("it complains: %s", log.String())
	}
}

package redisstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"stanch/engine"
	"stanch/engine/history"
	"stanch/engine/redisstore"
)

// chaosLoss is a time in which a failover may have taken back what was
// acknowledged, and no other.
type chaosLoss struct{ from, to time.Time }

// rest ends the faults and lets everything come to rest: every run has ended.
func (c *chaos) rest() {
	c.driver.rest()
	c.world.rest()
	for _, p := range c.proxies {
		p.Pass()
	}
	for _, w := range c.workers {
		w.signal(syscall.SIGCONT)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	// What has gone back is frozen until somebody has looked.
	if _, err := c.driver.engine.Freeze(ctx, false, "operator:omar", "all is well"); err != nil {
		c.t.Errorf("thaw: %v", err)
	}
	begun := time.Now()
	live := slices.Clone(c.driver.begun)
	for len(live) > 0 && ctx.Err() == nil {
		c.driver.answer(ctx)
		live = slices.DeleteFunc(live, func(run string) bool {
			r, err := c.driver.engine.Run(ctx, run)
			forgotten := errors.Is(err, engine.ErrNotFound) && len(c.losses) > 0 // judge says whether it may be
			return forgotten || err == nil && r.Ended()
		})
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	for i, run := range live {
		if i == 10 {
			c.t.Errorf("law 10: %d more runs have not ended", len(live)-i)
			break
		}
		r, err := c.driver.engine.Run(c.t.Context(), run)
		c.t.Errorf("law 10: the run %s of %s has not ended within 2 minutes: it is %s, waits for %v (%v)", run, r.Playbook, r.Status, r.WaitsFor, err)
	}
	c.t.Logf("at rest after %s", time.Since(begun).Round(time.Millisecond))
	for _, w := range c.workers {
		if !w.running() {
			c.t.Errorf("a worker has ended of its own: see %s", w.log)
		} else if !w.end(syscall.SIGTERM, 12*time.Second) {
			c.t.Errorf("a worker has not ended within 12 s of SIGTERM: see %s", w.log)
		}
	}
	if err := c.driver.store.close(); err != nil {
		c.t.Error(err)
	}
}

// judge checks what was recorded against what is kept and what the world saw.
func (c *chaos) judge() {
	store, err := redisstore.Open(c.t.Context(), c.direct.options(false))
	if err != nil {
		c.t.Fatal(err)
	}
	defer store.Close()
	final := c.dump(store)
	var files [][]history.Line
	names, _ := filepath.Glob(filepath.Join(c.dir, "*.history"))
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			c.t.Fatal(err)
		}
		lines, err := history.Read(f)
		f.Close()
		if err != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
		files = append(files, lines)
	}
	lines := history.Merge(files...)
	begun := time.Now()
	found := history.Bounds{Late: 30 * time.Second}.Check(lines, final, c.world.seen())
	c.t.Logf("%d lines of history checked in %s", len(lines), time.Since(begun).Round(time.Millisecond))
	excused, shown := 0, 0
	for _, v := range found {
		if c.excuses(v, lines) {
			excused++
			continue
		}
		if shown++; shown <= 12 {
			c.t.Errorf("%s", chaosShow(v, lines))
		}
	}
	if shown > 12 {
		c.t.Errorf("%d violations in all", shown)
	}
	if shown > 0 {
		for _, l := range c.losses {
			c.t.Logf("what was said between %s and %s may be forgotten", l.from.Format("15:04:05.000"), l.to.Format("15:04:05.000"))
		}
	}
	if len(c.losses) > 0 {
		c.t.Logf("%d violations are the losses of failovers", excused)
	}
	c.changedOnce()
	c.outcomes(store, final)
	c.readLogs()
}

// readLogs looks for what a worker must never say.
func (c *chaos) readLogs() {
	for _, w := range c.workers {
		raw, err := os.ReadFile(w.log)
		if err != nil {
			c.t.Error(err)
		}
		for line := range strings.Lines(string(raw)) {
			for _, never := range []string{"DATA RACE", "panic", "a mistake in", "strand stopped"} {
				if strings.Contains(line, never) {
					c.t.Errorf("%s: %s", w.log, line)
				}
			}
		}
	}
}

// excuses reports whether a violation comes from what a failover took back: it
// shows an act that was acknowledged while one was under way.
func (c *chaos) excuses(v history.Violation, lines []history.Line) bool {
	if v.Law == 6 {
		return false
	}
	shown := v.Lines
	if v.Law == 9 && strings.Contains(v.Message, "under the cap") { // by what the run reserved before and after
		shown = nil
		for i := range lines {
			if lines[i].Run == v.Run && lines[i].Ev == "settle" {
				shown = append(shown, i)
			}
		}
	}
	for _, i := range shown {
		at := time.Unix(0, lines[i].At)
		for _, l := range c.losses {
			known := lines[i].End == history.OK || len(v.Lines) == 0 || v.Law == 9
			if known && !at.Before(l.from) && !at.After(l.to) {
				return true
			}
		}
	}
	return false
}

// dump reads all that is kept of every run.
func (c *chaos) dump(store *redisstore.Store) []engine.RunRecord {
	ids := map[string]bool{}
	for cursor, more := "", true; more; {
		page, err := store.Follow(c.t.Context(), cursor, 1000)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, r := range page.Records {
			if r.Kind == "run" {
				ids[r.Run] = true
			}
		}
		cursor, more = page.Cursor, page.More
	}
	final := []engine.RunRecord{}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		r, err := store.Run(c.t.Context(), id)
		if err != nil {
			c.t.Fatal(err)
		}
		final = append(final, r)
	}
	return final
}

// changedOnce looks for things that were changed by two effects: each step
// changes a thing of its own.
func (c *chaos) changedOnce() {
	if len(c.losses) > 0 {
		return
	}
	for thing, n := range c.world.things() {
		if n > 1 {
			c.t.Errorf("law 2: %s was changed by %d different effects of one step", thing, n)
		}
	}
}

// outcomes tells how runs ended, and refuses those that ended because of us.
func (c *chaos) outcomes(store *redisstore.Store, final []engine.RunRecord) {
	e := engine.New(store, store, chaosLink{c.world.addr}.catalog(), engine.Options{})
	n := map[string]int{}
	for i := range final {
		r, err := e.Run(c.t.Context(), final[i].ID)
		if err != nil {
			c.t.Errorf("run %s: %v", final[i].ID, err)
			continue
		}
		how := r.Status
		if r.Status == "failed" && r.Error != nil {
			how += ": " + r.Error.Code
			if !strings.HasPrefix(r.Error.Message, "no approval") {
				c.t.Logf("run %s of %s failed at %s: %s: %s", r.ID, r.Playbook.ID, r.Error.Step, r.Error.Code, r.Error.Message)
			}
		}
		n[how]++
	}
	for _, how := range slices.Sorted(maps.Keys(n)) {
		c.t.Logf("%5d %s", n[how], how)
	}
}

// chaosShow writes a violation with the lines that show it, and those of the
// same strand around them.
func chaosShow(v history.Violation, lines []history.Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "law %d: run %s strand %q: %s", v.Law, v.Run, v.Strand, v.Message)
	for n, i := range v.Lines {
		if n == 8 {
			break
		}
		l := lines[i]
		fmt.Fprintf(&b, "\n\t%7d %s", i, chaosLine(l))
	}
	return b.String()
}

func chaosLine(l history.Line) string {
	raw, err := json.Marshal(l)
	if err != nil {
		return err.Error()
	}
	return time.Unix(0, l.At).Format("15:04:05.000000 ") + string(raw[:min(len(raw), 500)])
}

func (d *chaosDriver) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("%d runs begun, %d busy; errors told to the driver: %v", len(d.begun), d.busy, d.failed)
}

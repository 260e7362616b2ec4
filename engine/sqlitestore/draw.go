package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"stanch/engine"
)

// Draw draws from a budget: see engine.Store.
func (s *Store) Draw(ctx context.Context, d engine.Draw) (drawn engine.Drawn, err error) {
	if err := d.Check(); err != nil {
		return drawn, err
	}
	err = s.act(ctx, func(t *tx) (err error) {
		drawn, err = t.drawOf(&d)
		return err
	})
	if err != nil {
		return engine.Drawn{}, fmt.Errorf("draw of %s: %w", d.Budget, err)
	}
	return drawn, nil
}

// budget is what is kept of one: no calls until paused, and the pace, in
// millionths, as of when it was cut.
type budget struct{ paused, pace, cut int64 }

const fullPace = 1_000_000 // of a pace

func (t *tx) drawOf(d *engine.Draw) (drawn engine.Drawn, err error) {
	if _, err := t.exec("DELETE FROM draws WHERE budget = ? AND until <= ?", d.Budget, t.now); err != nil {
		return drawn, err
	}
	b, err := t.budget(d)
	if err != nil {
		return drawn, err
	}
	drawn = engine.Drawn{At: at(t.now), Wait: time.Duration(max(0, b.paused-t.now)), Pace: float64(b.pace) / fullPace}
	if d.Units == 0 {
		drawn.Ahead, _, err = t.ahead(d, 1<<62)
		return drawn, err
	}
	turn, first, err := t.turn(d)
	if err != nil {
		return drawn, err
	}
	ahead, units, err := t.ahead(d, turn)
	if err != nil {
		return drawn, err
	}
	wait, used := b.paused-t.now, make([]int64, len(d.Windows))
	for i, stride := range d.Strides() {
		step := int64(float64(stride.Step) * fullPace / float64(b.pace))
		r, err := t.one("SELECT used FROM spent WHERE budget = ? AND per = ?", d.Budget, int64(d.Windows[i].Per))
		if err != nil {
			return drawn, err
		}
		used[i] = t.now
		if r != nil {
			used[i] = max(t.now, r.int(0))
		}
		wait = max(wait, used[i]+int64(float64(units)/float64(d.Units)*float64(step))-t.now-int64(stride.Slack))
		used[i] += step
	}
	drawn.Ahead = ahead
	if wait > 0 {
		drawn.Wait = (time.Duration(wait) + time.Millisecond - 1).Truncate(time.Millisecond)
		return drawn, t.waits(d, turn, first, drawn.Wait)
	}
	drawn.Go, drawn.Wait = true, 0
	return drawn, t.spend(d, used)
}

// budget answers how a budget stands, after what the API has said.
func (t *tx) budget(d *engine.Draw) (budget, error) {
	b := budget{pace: fullPace}
	r, err := t.one("SELECT paused, pace, cut FROM budgets WHERE name = ?", d.Budget)
	if err != nil {
		return b, err
	}
	if r != nil {
		b = budget{r.int(0), r.int(1), r.int(2)}
	}
	kept := b
	b.pace = min(fullPace, b.pace+int64(float64(t.now-b.cut)/float64(time.Minute)*engine.PaceBack*fullPace))
	if d.Pause > 0 {
		kept.paused = max(b.paused, t.now+int64(d.Pause))
	}
	if d.Refused && t.now-b.cut >= int64(engine.CutEvery) {
		kept.pace, kept.cut = max(int64(float64(b.pace)*engine.CutTo), int64(engine.LeastPace*fullPace)), t.now
		b.pace = kept.pace
	}
	b.paused = kept.paused
	if d.Pause == 0 && !d.Refused {
		return b, nil
	}
	_, err = t.exec("INSERT INTO budgets VALUES (?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET paused = excluded.paused, pace = excluded.pace, cut = excluded.cut",
		d.Budget, kept.paused, kept.pace, kept.cut)
	return b, err
}

// turn answers where a request stands among those who wait, by time.
func (t *tx) turn(d *engine.Draw) (turn int64, first bool, err error) {
	r, err := t.one("SELECT turn FROM draws WHERE budget = ? AND request = ?", d.Budget, d.Request)
	if err != nil || r != nil {
		if r != nil {
			turn = r.int(0)
		}
		return turn, false, err
	}
	if r, err = t.one("SELECT count(*) FROM draws WHERE budget = ? AND who = ?", d.Budget, d.By); err != nil {
		return 0, false, err
	}
	var longest time.Duration
	for _, s := range d.Strides() {
		longest = max(longest, s.Step)
	}
	return t.now + int64(d.Lag()) + r.int(0)*int64(longest), true, nil
}

// ahead answers how many wait before a turn, and how many units for.
func (t *tx) ahead(d *engine.Draw, turn int64) (count, units int64, err error) {
	r, err := t.one("SELECT count(*), coalesce(sum(units), 0) FROM draws WHERE budget = ? AND turn < ?", d.Budget, turn)
	if err != nil {
		return 0, 0, err
	}
	return r.int(0), r.int(1), nil
}

// waits gives a request its place, and says until when it is expected.
func (t *tx) waits(d *engine.Draw, turn int64, first bool, wait time.Duration) error {
	until := t.now + int64(wait+engine.GraceLeast+min(wait/2, engine.GraceMost))
	if !first {
		_, err := t.exec("UPDATE draws SET until = ? WHERE budget = ? AND request = ?", until, d.Budget, d.Request)
		return err
	}
	_, err := t.exec("INSERT INTO draws (budget, request, turn, until, units, who) VALUES (?, ?, ?, ?, ?, ?)", d.Budget, d.Request, turn, until, d.Units, d.By)
	return err
}

// spend takes the units.
func (t *tx) spend(d *engine.Draw, used []int64) error {
	if _, err := t.exec("DELETE FROM draws WHERE budget = ? AND request = ?", d.Budget, d.Request); err != nil {
		return err
	}
	for i, w := range d.Windows {
		_, err := t.exec("INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT(budget, per) DO UPDATE SET used = excluded.used", d.Budget, int64(w.Per), used[i])
		if err != nil {
			return err
		}
	}
	return nil
}

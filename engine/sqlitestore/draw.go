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
	if d.Back > 0 {
		if err := t.unspend(d); err != nil {
			return drawn, err
		}
	}
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
	wait := b.paused - t.now
	for _, w := range d.Windows {
		most := w.Units
		if turn > t.now {
			most = d.Most(w)
		}
		longer, err := t.fits(d, w, max(most*b.pace/fullPace, d.Units), units)
		if err != nil {
			return drawn, err
		}
		wait = max(wait, longer)
	}
	drawn.Ahead = ahead
	if wait > 0 {
		drawn.Wait = (time.Duration(wait) + time.Millisecond - 1).Truncate(time.Millisecond)
		return drawn, t.waits(d, turn, first, drawn.Wait)
	}
	drawn.Go, drawn.Wait = true, 0
	return drawn, t.spend(d)
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
	return t.now + int64(d.Lag()) + r.int(0)*int64(d.Step()), true, nil
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

// fits answers how long it takes until the call, behind so many units of others,
// fits into a window of which so much may be used.
func (t *tx) fits(d *engine.Draw, w engine.Window, most, before int64) (wait int64, err error) {
	per := int64(w.Per)
	length := per / engine.Parts
	if _, err := t.exec("DELETE FROM spent WHERE budget = ? AND per = ? AND (part + 1) * ? + ? <= ?", d.Budget, per, length, per, t.now); err != nil {
		return 0, err
	}
	var log [][2]int64
	over := before + d.Units - most
	err = t.each(func(r row) error {
		log = append(log, [2]int64{r.int(0), r.int(1)})
		over += r.int(1)
		return nil
	}, "SELECT part, units FROM spent WHERE budget = ? AND per = ? ORDER BY part", d.Budget, per)
	for _, l := range log {
		if over <= 0 {
			break
		}
		over -= l[1]
		wait = (l[0]+1)*length + per - t.now
	}
	if over > 0 {
		wait = max(wait, per+int64(float64(over)/float64(most)*float64(per)))
	}
	return wait, err
}

// spend takes the units.
func (t *tx) spend(d *engine.Draw) error {
	if _, err := t.exec("DELETE FROM draws WHERE budget = ? AND request = ?", d.Budget, d.Request); err != nil {
		return err
	}
	for _, w := range d.Windows {
		_, err := t.exec("INSERT INTO spent VALUES (?, ?, ?, ?) ON CONFLICT(budget, per, part) DO UPDATE SET units = units + excluded.units",
			d.Budget, int64(w.Per), t.now/(int64(w.Per)/engine.Parts), d.Units)
		if err != nil {
			return err
		}
	}
	return nil
}

// unspend lets units that were drawn and not used count no more.
func (t *tx) unspend(d *engine.Draw) error {
	for _, w := range d.Windows {
		_, err := t.exec("UPDATE spent SET units = max(0, units - ?) WHERE budget = ? AND per = ? AND part = ?",
			d.Back, d.Budget, int64(w.Per), d.At.UnixNano()/(int64(w.Per)/engine.Parts))
		if err != nil {
			return err
		}
	}
	return nil
}

package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"stanch/engine"
)

// Draw draws from a budget: see engine.Store. It needs no kept answer: a call
// that is counted twice makes a budget a little too strict.
func (s *Store) Draw(ctx context.Context, d engine.Draw) (drawn engine.Drawn, err error) {
	if err := d.Check(); err != nil {
		return drawn, err
	}
	const back = float64(engine.PaceBack) / float64(time.Minute/time.Microsecond)
	drawnAt := int64(0)
	if !d.At.IsZero() {
		drawnAt = d.At.UnixMicro()
	}
	args := []any{
		d.Budget, d.Request, d.Units, micros(d.Lag()), d.By, micros(d.Pause), flag(d.Refused),
		micros(engine.CutEvery), engine.CutTo, engine.LeastPace, strconv.FormatFloat(back, 'g', -1, 64),
		micros(engine.GraceLeast), micros(engine.GraceMost),
	}
	args = append(args, micros(d.Step()), engine.Parts, d.Back, drawnAt)
	for _, w := range d.Windows {
		args = append(args, micros(w.Per), d.Most(w), w.Units)
	}
	l, err := s.do(ctx, s.partOf("budget "+d.Budget), "draw", args...)
	if err == nil {
		drawn = engine.Drawn{At: at(l.int(0)), Go: l.text(1) == "1", Wait: time.Duration(l.int(2)) * time.Microsecond, Ahead: l.int(3)}
		if drawn.Pace, err = strconv.ParseFloat(l.text(4), 64); err == nil {
			err = l.err()
		}
	}
	if err != nil {
		return engine.Drawn{}, fmt.Errorf("draw of %s: %w", d.Budget, err)
	}
	return drawn, nil
}

package engine

import (
	"fmt"
	"time"

	"stanch/playbooks"
)

// wait lets time pass. It answers true when the move is complete.
func (st *state) wait(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if step.Wait.Event != "" {
		return st.waitEvent(m, step, path, p)
	}
	if !p.waits {
		until, err := st.waitsUntil(step.Wait)
		if err != nil {
			return false, st.broken(m, path, err)
		}
		return false, st.emit(m, fact{Kind: kWaits, Path: path, Until: until})
	}
	if st.now.Before(p.until) && !st.run.planning() { // waits of a plan take no time
		st.waitUntil(m, p.until, path+", until "+p.until.UTC().Format(time.RFC3339))
		return true, nil
	}
	return false, st.emit(m, fact{Kind: kDone, Path: path})
}

// waitsUntil answers the time for which a step waits.
func (st *state) waitsUntil(w *playbooks.Waiting) (time.Time, error) {
	if w.For != nil {
		d, err := st.duration(w.For, 0)
		return st.now.Add(d), err
	}
	v, err := w.Until.Eval(st.env())
	if err != nil {
		return time.Time{}, fmt.Errorf("until: %w", err)
	}
	until, ok := v.(time.Time)
	if !ok {
		return time.Time{}, &Fault{Code: "invalid", Message: fmt.Sprintf("until gave %T, not a time", v)}
	}
	return until, nil
}

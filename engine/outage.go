package engine

import "errors"

// silent notes that the store does not answer, or refuses everything, and says
// so once, whoever finds out first; the others wait in silence.
func (e *Engine) silent(err error) {
	e.mu.Lock()
	known := e.down
	e.down = true
	e.mu.Unlock()
	switch {
	case known:
	case errors.Is(err, ErrNewer):
		e.log.Error("a newer version has taken the store over; this one works no more: end it", "error", err)
	default:
		e.log.Error("the store does not answer; waiting", "error", err)
	}
}

// answers notes that the store has done what it was asked.
func (e *Engine) answers() {
	e.mu.Lock()
	was := e.down
	e.down = false
	e.mu.Unlock()
	if was {
		e.log.Info("the store answers again")
	}
}

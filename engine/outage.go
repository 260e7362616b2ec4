package engine

import "errors"

// unanswered notes that the store has not done one thing. Where it is known that
// some of it is silent, that is no news.
func (e *Engine) unanswered(err error) {
	e.mu.Lock()
	known := e.partly && !errors.Is(err, ErrNewer)
	e.mu.Unlock()
	if !known {
		e.silent(err)
	}
}

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

// answers notes that the store has done what it was asked, but for the part of it
// that is silent, if any.
func (e *Engine) answers(silent error) {
	e.mu.Lock()
	down, partly := e.down, e.partly
	e.down, e.partly = false, silent != nil
	e.mu.Unlock()
	switch {
	case silent != nil && (down || !partly):
		e.log.Warn("some of the store does not answer; the rest goes on", "error", silent)
	case silent != nil:
	case down:
		e.log.Info("the store answers again")
	case partly:
		e.log.Info("the whole store answers again")
	}
}

package engine

import (
	"errors"
	"maps"
)

// mostDamage is how much damage is told at most.
const mostDamage = 200

// damaged says once that a part of the store is damaged; what is whole goes on.
// passing says that claims tell of it for as long as it is there.
func (e *Engine) damaged(err error, passing bool) {
	if d, is := errors.AsType[Damage](err); is {
		err = d // once, not once for each who has met it
	}
	text := err.Error()
	e.mu.Lock()
	before, known := e.damage[text]
	if known || len(e.damage) < mostDamage {
		e.damage[text] = before || passing
	} else {
		known = true
	}
	e.mu.Unlock()
	if !known {
		e.log.Error("a part of the store cannot be worked on; the rest goes on", "error", err)
	}
}

// claimable notes what a claim has told of damage, and says once that none is
// left.
func (e *Engine) claimable(found []error) {
	for _, err := range found {
		e.damaged(err, true)
	}
	if len(found) > 0 {
		return
	}
	e.mu.Lock()
	known := len(e.damage)
	maps.DeleteFunc(e.damage, func(_ string, passing bool) bool { return passing })
	gone := known - len(e.damage)
	e.mu.Unlock()
	if gone > 0 {
		e.log.Info("all of the store can be worked on again")
	}
}

// silent notes that the store does not answer, or refuses everything, and says
// so once, whoever finds out first; the others wait in silence.
func (e *Engine) silent(err error) {
	if errors.Is(err, ErrDamaged) {
		e.damaged(err, false)
		return
	}
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

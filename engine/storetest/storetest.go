// Package storetest judges implementations of engine.Store and
// engine.Documents. Its cases are the laws of the engine as far as a store
// carries them, and the edges where stores have failed. It knows no
// implementation: a store's own test calls Run and nothing more.
package storetest

import (
	"sync"
	"testing"
	"time"

	"stanch/engine"
)

// Store is what is judged.
type Store interface {
	engine.Store
	engine.Documents
}

// Opened is a store to be judged, and how to lose it.
type Opened struct {
	Store Store
	// Again ends the use of the store, by Close or, if killed, as a kill of its
	// process would, and opens what is left. Where leases of a lost worker end
	// with their time only, it moves the clock, and sees to it that what is due by
	// then is. It is nil for a store that does not outlive its process.
	Again func(t *testing.T, killed bool) Store
	// Moved says that Again answers another store, to which everything was moved:
	// it keeps no answers to requests, and a run may lie where others about its
	// subject do not, so what it begins is found again only by itself.
	Moved bool
}

// Clock is the clock that a store under judgement goes by. It moves only when
// it is told to.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at a time.
func NewClock(now time.Time) *Clock { return &Clock{now: now} }

// Now answers the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// law is one case: a promise, and what has to hold for it.
type law struct {
	name    string
	promise string // shown when it is broken
	judge   func(*env)
	again   bool // needs a store that outlives its process
}

// Model judges a store by random acts alone, which are compared with a model.
func Model(t *testing.T, open func(t *testing.T, clock *Clock) Opened) { model(t, open) }

// Run judges the store that open opens, empty, once for each case. The store
// has to be open for work.
func Run(t *testing.T, open func(t *testing.T, clock *Clock) Opened) {
	var laws []law
	for _, some := range [][]law{beginLaws(), leaseLaws(), laneLaws(), settleLaws(), windowLaws(), timerLaws(), signalLaws(), cancelLaws(), underLaws(), freezeLaws(), capLaws(), budgetLaws(), keyLaws(), laterLaws(), documentLaws(), followLaws(), againLaws()} {
		laws = append(laws, some...)
	}
	for _, l := range laws {
		t.Run(l.name, func(t *testing.T) {
			clock := &Clock{now: time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC)}
			opened := open(t, clock)
			if l.again && opened.Again == nil {
				return // nothing of it outlives its process: there is nothing to judge
			}
			e := &env{T: t, clock: clock, s: opened.Store, again: opened.Again}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the promise: %s", l.promise)
				}
				if err := e.s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			l.judge(e)
			if !t.Failed() {
				e.streamIsState()
			}
		})
	}
	t.Run("Model", func(t *testing.T) { model(t, open) })
}

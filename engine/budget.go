package engine

import (
	"errors"
	"fmt"
	"time"
)

// A budget is what an API lets a tenant use: so many units in so much time, of
// all workers together. Every call draws its units before it is made.

// Budget is what may be used of a class of calls: its name in the store, such as
// the tenant's with the class, and how much of it in what time.
type Budget struct {
	Name    string
	Windows []Window
	// Told says that calls tell what they use of it (actions.Call.Spent): what a
	// step has drawn and does not use is given back.
	Told bool
}

// Draw asks for the units of a call, or tells what the API has said.
type Draw struct {
	Budget  string   // the tenant and the class of calls
	Request string   // of who asks: who was told to wait keeps a place by it
	Units   int64    // what the call costs; 0 asks for nothing
	Windows []Window // what may be used: none of them is exceeded
	Lane    int      // 0 goes first … 3 last
	By      string   // those of one go in turns with those of others

	// Pause is for how long the API wants no calls. Refused says that it has
	// refused one as too many: everybody goes slower from now on, and by and by
	// faster again.
	Pause   time.Duration
	Refused bool

	// Back is how many units of what was drawn at the time At were not used, and
	// count no more. What a window holds no more of is not given back to it. Units
	// are 0 then.
	Back int64
	At   time.Time
}

// Window is that so many units may be used in any time of that length.
type Window struct {
	Units int64
	Per   time.Duration
}

// Drawn answers Draw. Go says that the call may be made now; it has been counted.
// Else Wait is how long it takes, as things stand, until it is its turn: who asks
// again then, by the same request, goes before those who came later to the same
// lane. Who does not is forgotten soon after.
type Drawn struct {
	At    time.Time
	Go    bool
	Wait  time.Duration
	Ahead int64 // how many have their turn before it
	Pace  float64
}

// MaxWindows is how many windows a budget has at most.
const MaxWindows = 4

// Check answers why a draw is none, or nil.
func (d *Draw) Check() error {
	switch {
	case d.Budget == "":
		return errors.New("draw: Budget is empty")
	case d.Request == "" && d.Units > 0:
		return fmt.Errorf("draw of %s: Request is empty", d.Budget)
	case d.Lane < 0 || d.Lane >= Lanes:
		return fmt.Errorf("draw of %s: Lane is %d, it must be 0 to %d", d.Budget, d.Lane, Lanes-1)
	case d.Units < 0 || d.Pause < 0 || d.Back < 0:
		return fmt.Errorf("draw of %s: Units are %d, Back is %d and Pause is %s, they must not be negative", d.Budget, d.Units, d.Back, d.Pause)
	case d.Back > 0 && (d.Units > 0 || d.At.IsZero()):
		return fmt.Errorf("draw of %s: what is given Back needs the time At which it was drawn, and no Units", d.Budget)
	case (d.Units > 0 || d.Back > 0) && (len(d.Windows) == 0 || len(d.Windows) > MaxWindows):
		return fmt.Errorf("draw of %s: there are %d Windows, there must be 1 to %d", d.Budget, len(d.Windows), MaxWindows)
	}
	for _, w := range d.Windows {
		switch {
		case w.Per < time.Millisecond || w.Per > 31*24*time.Hour:
			return fmt.Errorf("draw of %s: a window of %s, it must be of 1 ms to 31 days", d.Budget, w.Per)
		case w.Units < 1 || w.Units > 1e12:
			return fmt.Errorf("draw of %s: a window of %d units, it must be of 1 to 1e12", d.Budget, w.Units)
		case w.Units < d.Units:
			return fmt.Errorf("draw of %s: the call costs %d units, and all that may be used in %s are %d: it would wait for ever", d.Budget, d.Units, w.Per, w.Units)
		}
	}
	return nil
}

// Parts is in how many parts of its length a window is counted. What was used in
// a part counts until the window has passed since the end of it, so that no time
// as long as the window has more in it than it may; of 41 parts 40 are used.
const Parts = 40

// Most is how much of a window may be in use after the call, before its turn has
// come: those of lower lanes leave some to those of higher ones, which may come
// when most of it is used up.
func (d *Draw) Most(w Window) int64 {
	left := [Lanes]float64{0, 0.1, 0.2, 0.4}[d.Lane]
	return max(w.Units-int64(float64(w.Units)*left), d.Units)
}

// Step is how long the call takes of the window that it takes longest of, were
// that used evenly.
func (d *Draw) Step() (step time.Duration) {
	for _, w := range d.Windows {
		step = max(step, time.Duration(float64(w.Per)*float64(d.Units)/float64(w.Units)))
	}
	return step
}

// Lag is by how much later those of a lower lane are taken to have come. The turn
// of who waits is when it came, or is taken to, and after those of the same one
// that wait already: so nobody waits for ever for who comes later.
func (d *Draw) Lag() time.Duration {
	return [Lanes]time.Duration{0, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}[d.Lane]
}

// How a budget goes slower: each time that the API refuses, but not twice within
// CutEvery, its pace falls to CutTo of what it was, not below LeastPace; every
// minute gives back PaceBack.
const (
	CutEvery  = 10 * time.Second
	CutTo     = 0.7
	LeastPace = 0.1
	PaceBack  = 0.1 // a minute
)

// Who waits is expected for so long after its turn: GraceLeast, and half as long
// as it waited, but not more than GraceMost.
const (
	GraceLeast = time.Second
	GraceMost  = 5 * time.Second
)

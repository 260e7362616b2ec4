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
	Ahead int64 // how many wait before it
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
	case d.Units < 0 || d.Pause < 0:
		return fmt.Errorf("draw of %s: Units are %d and Pause is %s, they must not be negative", d.Budget, d.Units, d.Pause)
	case d.Units > 0 && (len(d.Windows) == 0 || len(d.Windows) > MaxWindows):
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

// Stride is what a call costs in a window, as time: budgets are kept by the
// virtual scheduling of the generic cell rate algorithm (ITU-T I.371). A budget
// is used up until some time; each call moves that on by Step, and may be made
// while it is no later than Slack after now. With that no time as long as the
// window has more than its units in it, and 98 of 100 of them can be used
// without a pause.
type Stride struct{ Step, Slack time.Duration }

// spare is the part of a window that may be used at once: 1/50.
const spare = 50

// Strides answers what the call costs in each window, at least 1 µs.
func (d *Draw) Strides() []Stride {
	strides := make([]Stride, len(d.Windows))
	for i, w := range d.Windows {
		whole := float64(w.Per) * spare / (spare - 1)
		s := Stride{Step: time.Duration(float64(d.Units) * whole / float64(w.Units)), Slack: w.Per / (spare - 1)}
		if d.Units*spare > w.Units { // a large one: so many calls fit, and no part of one
			s.Step = time.Duration(whole / float64(w.Units/max(d.Units, 1)))
		}
		s.Step = max(s.Step.Truncate(time.Microsecond), time.Microsecond)
		s.Slack = max(s.Slack.Truncate(time.Microsecond), s.Step) - s.Step
		strides[i] = s
	}
	return strides
}

// Lag is by how much later those of a lower lane are taken to have come. Who waits
// goes by when it came, those of one who has many waiting one after another: so
// nobody waits for ever for who comes later.
func (d *Draw) Lag() time.Duration {
	return [Lanes]time.Duration{0, 15 * time.Second, time.Minute, 4 * time.Minute}[d.Lane]
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

package engine

import (
	"errors"
	"fmt"
)

// What every store refuses before it looks at what it keeps.

// Lanes is the number of lanes that runs are drawn from.
const Lanes = 4

// The bounds of an Open.
const (
	MaxChildren = 1_000_000
	MaxWindow   = 1024
)

// MaxClaim is how many strands one Claim leases at most.
const MaxClaim = 1000

// Check answers why a run cannot be begun so, or nil. Its Request is not looked
// at: runs of a settlement have none.
func (b *Begin) Check() error {
	switch {
	case b.Playbook == "":
		return errors.New("Playbook is empty")
	case b.Lane < 0 || b.Lane >= Lanes:
		return fmt.Errorf("Lane is %d, it must be 0 to %d", b.Lane, Lanes-1)
	case b.WhenBusy != "" && b.WhenBusy != "queue" && b.WhenBusy != "skip" && b.WhenBusy != "replace":
		return fmt.Errorf("WhenBusy is %q, it must be queue, skip or replace", b.WhenBusy)
	case b.After < 0:
		return fmt.Errorf("After is %s, it must not be negative", b.After)
	case b.After > 0 && b.Key != "":
		return errors.New("After does not go with a Key: who waits for a time holds no place in a queue")
	}
	return nil
}

// Check answers why a claim is none, or nil.
func (c *Claim) Check() error {
	switch {
	case c.Max < 1 || c.Max > MaxClaim:
		return fmt.Errorf("Max is %d, it must be 1 to %d", c.Max, MaxClaim)
	case c.Last <= 0:
		return fmt.Errorf("Last is %s, a lease must last", c.Last)
	}
	for lane := range Lanes {
		if c.Room != nil && c.Room[lane] < 0 {
			return fmt.Errorf("Room for lane %d is %d, it must not be negative", lane, c.Room[lane])
		}
	}
	return nil
}

// Check answers why a take is none, or nil.
func (t *Take) Check() error {
	switch {
	case t.Name == "":
		return errors.New("take: Name is empty")
	case t.Effect == "":
		return fmt.Errorf("take %s: Effect is empty", t.Name)
	case t.Window < 0:
		return fmt.Errorf("take %s: Window is %s", t.Name, t.Window)
	}
	return nil
}

// Check answers why a signal is none, or nil.
func (s *Signal) Check() error {
	switch {
	case s.Request == "":
		return errors.New("Request is empty")
	case s.Cancel != NotCancelled && s.Cancel != Cancelled && s.Cancel != Terminated:
		return fmt.Errorf("Cancel is %q, it must be cancel or terminate", s.Cancel)
	}
	return nil
}

// Check answers why a settlement is none, or nil.
func (s *Settlement) Check() error {
	if s.Request == "" {
		return errors.New("Request is empty")
	}
	if s.Under != NotCancelled && s.Under != Cancelled {
		return fmt.Errorf("Under is %q, it must be cancel or empty", s.Under)
	}
	for i := range s.Take {
		if err := s.Take[i].Check(); err != nil {
			return err
		}
		if s.Take[i].Back {
			return errors.New("take: Back does not go with a settlement")
		}
	}
	for i := range s.Begin {
		if err := s.Begin[i].Check(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		if s.Begin[i].Key != "" {
			return errors.New("begin: a run that a settlement begins takes no Key")
		}
	}
	for _, d := range s.Put {
		if d.Kind == "" {
			return errors.New("a document of Put has no Kind")
		}
	}
	return s.Then.check(s.Lease.Strand == "")
}

func (t *Then) check(root bool) error {
	set := 0
	for _, is := range []bool{t.Yield, t.Wait != nil, t.Open != nil, t.End != nil} {
		if is {
			set++
		}
	}
	switch {
	case set > 1:
		return errors.New("Then says more than one thing")
	case t.Open != nil:
		return t.Open.check()
	case t.End != nil:
		return t.End.check(root)
	}
	return nil
}

func (e *End) check(root bool) error {
	switch e.Outcome {
	case "succeeded", "failed", "rejected", "cancelled":
		return nil
	case "skipped":
		if !root {
			return nil
		}
	}
	return fmt.Errorf("Outcome %q is none", e.Outcome)
}

func (o *Open) check() error {
	switch {
	case o.Path == "":
		return errors.New("Open has no Path")
	case o.Count < 0 || o.Count > MaxChildren:
		return fmt.Errorf("Open of %s has Count %d, it must be 0 to %d", o.Path, o.Count, MaxChildren)
	case o.Count > 0 && (o.Window < 1 || o.Window > MaxWindow):
		return fmt.Errorf("Open of %s has Window %d, it must be 1 to %d", o.Path, o.Window, MaxWindow)
	case len(o.Items) != 0 && len(o.Items) != o.Count:
		return fmt.Errorf("Open of %s has %d items for %d children", o.Path, len(o.Items), o.Count)
	}
	return nil
}

package connectors

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Change bounds one changing request in time and identity. Every method that
// changes something takes one.
type Change struct {
	// ID is the effect's id, sent as client-request-id. Without one nothing is
	// sent.
	ID string
	// SendBy is when the first byte must have left; zero is no bound. A time
	// of this process carries its monotonic clock, and that decides.
	SendBy time.Time
	// DoneBy is when the request ends at the latest; zero is the client's
	// timeout alone.
	DoneBy time.Time
	// Frozen is asked at the last moment before the first byte leaves; what it
	// answers stops the request. It must be quick. Nil: nobody is asked.
	Frozen func() error
}

var (
	errTooLate = errors.New("its time to be sent has passed")
	errNoID    = errors.New("a changing request has no effect id")
)

// frozenError is what Frozen answered.
type frozenError struct{ error }

func (e frozenError) Unwrap() error { return e.error }

// may answers why the request must not be sent now, or nil.
func (c *Change) may() error {
	if !c.SendBy.IsZero() && !time.Now().Before(c.SendBy) {
		return errTooLate
	}
	if c.Frozen != nil {
		if err := c.Frozen(); err != nil {
			return frozenError{err}
		}
	}
	return nil
}

func (c *Change) valid() error {
	switch {
	case c.ID == "":
		return errNoID
	case len(c.ID) > 128:
		return fmt.Errorf("effect id of %d bytes; expected at most 128", len(c.ID))
	}
	for i := range len(c.ID) {
		if c.ID[i] <= ' ' || c.ID[i] > '~' {
			return fmt.Errorf("effect id %q: expected letters, digits and punctuation without spaces", c.ID)
		}
	}
	return nil
}

// until bounds ctx by the client's timeout and, for a change, by DoneBy.
func until(ctx context.Context, timeout time.Duration, change *Change) (context.Context, context.CancelFunc) {
	end := time.Now().Add(timeout)
	if change != nil && !change.DoneBy.IsZero() && change.DoneBy.Before(end) {
		end = change.DoneBy
	}
	return context.WithDeadline(ctx, end)
}

// newID makes a random request id in the form of a GUID (version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	x := hex.EncodeToString(b[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

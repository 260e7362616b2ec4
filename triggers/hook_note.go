package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/engine"
)

// docNote is a note that something is to be read: an incident by our id, or the
// incident of an alert. The same told again before it is read is one note.
const docNote = "told"

// alertNote begins the key of a note of an alert.
const alertNote = "alert/"

const (
	sweepNotes = 30 * time.Second // so often notes are looked for that nobody has told this node of
	firstLook  = 2 * time.Second  // until a note that could not be followed is tried again; then twice as long
	lastLook   = 2 * time.Minute
	appears    = 15 * time.Minute // in which what was told of has to be there
	keptNotes  = 7 * 24 * time.Hour
	mostNotes  = 100 // that are read of the store at once
)

// noted is the body of a note.
type noted struct {
	At time.Time `json:"at"` // when it was told
}

func (h *Hooks) note(ctx context.Context, key string) error {
	body, err := json.Marshal(noted{At: time.Now().UTC()})
	if err != nil {
		return err
	}
	if _, err := h.o.Docs.Put(ctx, engine.Document{Kind: docNote, Key: key, Body: body, Version: engine.AnyVersion, Expires: keptNotes}); err != nil {
		return fmt.Errorf("note %s: %w", key, err)
	}
	select {
	case h.pending <- struct{}{}:
	default: // somebody has been woken already
	}
	return nil
}

// again is when a note that could not be followed is tried again.
type again struct {
	next time.Time
	wait time.Duration
}

// Run follows notes until ctx ends: it reads the incidents that requests have
// told of. What is left then is followed after the next start.
func (h *Hooks) Run(ctx context.Context) error {
	if h.o.Incidents == nil {
		<-ctx.Done()
		return nil
	}
	waits := map[string]again{}
	for {
		next, err := h.follow(ctx, waits)
		if err != nil && ctx.Err() == nil {
			h.o.Log.Error("what hooks were told cannot be followed; trying again", "error", err)
			next = firstLook
		}
		t := time.NewTimer(next)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-h.pending:
		case <-t.C:
		}
		t.Stop()
	}
}

// follow goes through all notes, and answers after which time that is to be done
// again.
func (h *Hooks) follow(ctx context.Context, waits map[string]again) (time.Duration, error) {
	next, after := sweepNotes, ""
	seen := map[string]bool{}
	for {
		notes, err := h.o.Docs.Each(ctx, docNote, after, mostNotes)
		if err != nil {
			return 0, fmt.Errorf("what hooks were told: %w", err)
		}
		for _, d := range notes {
			after = d.Key
			seen[d.Key] = true
			if left := time.Until(waits[d.Key].next); left > 0 {
				next = min(next, left)
				continue
			}
			err := h.followOne(ctx, d)
			switch {
			case ctx.Err() != nil:
				return 0, ctx.Err()
			case err == nil:
				delete(waits, d.Key)
			default:
				wait := min(max(firstLook, 2*waits[d.Key].wait), lastLook)
				if waits[d.Key].wait == 0 {
					h.o.Log.Warn("what a hook was told of cannot be read now; it is tried again", "of", d.Key, "error", connectors.Plain(err.Error()))
				}
				wait = max(wait, retryAfter(err))
				waits[d.Key] = again{time.Now().Add(wait), wait}
				next = min(next, wait)
			}
		}
		if len(notes) < mostNotes {
			break
		}
	}
	for key := range waits {
		if !seen[key] {
			delete(waits, key)
		}
	}
	return next, nil
}

// errNotThere says that what was told of is not there yet.
var errNotThere = errors.New("it is not there yet")

// followOne reads what a note names and strikes the note out, unless it was told
// again meanwhile.
func (h *Hooks) followOne(ctx context.Context, d engine.Document) error {
	var n noted
	if err := json.Unmarshal(d.Body, &n); err != nil {
		return fmt.Errorf("note %s: %w", d.Key, err)
	}
	err := h.lookAt(ctx, d.Key)
	if missing(err) && time.Since(n.At) > appears {
		h.o.Log.Error("what a hook was told of is not there, and is given up", "of", d.Key)
		err = nil
	}
	if err != nil {
		return err
	}
	if err := h.o.Docs.Delete(ctx, docNote, d.Key, d.Version); err != nil && !errors.Is(err, engine.ErrConflict) {
		return fmt.Errorf("note %s: %w", d.Key, err)
	}
	return nil
}

func (h *Hooks) lookAt(ctx context.Context, key string) error {
	id := key
	if alert, is := strings.CutPrefix(key, alertNote); is {
		var err error
		if id, err = h.o.Incidents.OfAlert(ctx, alert); err != nil {
			return err
		}
		if id == "" {
			return errNotThere
		}
	}
	return h.o.Incidents.TakeIn(ctx, id)
}

func missing(err error) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return errors.Is(err, errNotThere) || is && e.Code == connectors.NotFound
}

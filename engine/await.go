package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// await registers the strand with the box that it is to be told about. The
// store has that before anybody looks into the box: so a message that came
// before is seen, and of one that comes later the strand is told.
func (h *holding) await(t *task) error {
	h.put = append(h.put, h.waiter(t.await, t.path))
	return h.record(fact{Kind: kAwait, Path: t.path, Await: t.await})
}

// waiter is how a step is registered.
func (h *holding) waiter(a *awaited, path string) Document {
	body, err := json.Marshal(waiter{Run: h.st.run.id, Strand: h.st.strand, Path: path})
	if err != nil { // three texts marshal
		panic(fmt.Sprintf("engine: waiter: %v", err))
	}
	return Document{Kind: docWaiter, Key: h.waiterKey(a, path), Body: body, Version: AnyVersion}
}

func (h *holding) waiterKey(a *awaited, path string) string {
	return box(a.Name, a.Key) + "/" + h.st.run.id + "/" + path
}

// look takes the oldest message of the box that the run has not had.
func (h *holding) look(work context.Context, t *task) error {
	looked := h.st.now
	backoff := pause()
	for {
		got, err := h.takeMessage(work, t)
		switch {
		case err == nil && got == nil:
			h.st.at(t.path).looked = looked
			return nil
		case err == nil:
			return h.record(fact{Kind: kReceived, Path: t.path, Mail: got})
		}
		h.e.unanswered(err)
		if d, _ := backoff.Next(); !sleep(work, d) {
			return ErrLeaseLost // or the worker ends: nothing is to be recorded
		}
	}
}

// takeMessage takes a message for the run. It takes it again if it did so for
// this very step and was lost before it could say so.
func (h *holding) takeMessage(ctx context.Context, t *task) (*Message, error) {
	in := box(t.await.Name, t.await.Key)
	all, err := h.e.messages(ctx, in)
	if err != nil {
		return nil, err
	}
	own := h.waiterKey(t.await, t.path)
	for _, m := range all {
		if !t.await.takes(m) {
			continue
		}
		key := in + "/" + m.ID + "/" + h.st.run.id
		_, err := h.e.docs.Put(ctx, Document{Kind: docTaken, Key: key, Body: []byte(own), Expires: keptMessage + time.Hour})
		if errors.Is(err, ErrConflict) {
			taken, err := h.e.docs.Get(ctx, docTaken, key)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return nil, err
			}
			if err != nil || string(taken.Body) != own {
				continue
			}
		} else if err != nil {
			return nil, fmt.Errorf("take message %s: %w", m.ID, err)
		}
		return &m, nil
	}
	return nil, nil
}

// unregister takes the steps of the strand that wait no more off the boxes.
func (h *holding) unregister(ends bool) {
	for path, p := range h.st.steps {
		if p.await == nil || p.unregistered || p.status == "" && !ends {
			continue
		}
		p.unregistered = true
		d := h.waiter(p.await, path)
		d.Expires = 1 // at once; who is told all the same hears no harm
		h.put = append(h.put, d)
	}
}

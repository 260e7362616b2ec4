package triggers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"stanch/engine"
)

const docPoisoned = "poisoned"

// Bounds of what is kept of unreadable incidents.
const (
	mostPoisoned = 1000
	keptPoisoned = 90 * 24 * time.Hour
	longReason   = 300
)

// Poisoned is an incident that could not be read, set aside with its reason.
type Poisoned struct {
	ID     string    `json:"id"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Digest string    `json:"digest"` // of its body
}

// AllPoisoned answers the incidents that are set aside because they cannot be
// read, in the order of their ids.
func AllPoisoned(ctx context.Context, docs engine.Documents) ([]Poisoned, error) {
	list, err := docs.Each(ctx, docPoisoned, "", mostPoisoned)
	if err != nil {
		return nil, fmt.Errorf("incidents set aside: %w", err)
	}
	all := make([]Poisoned, 0, len(list))
	for _, d := range list {
		var p Poisoned
		if err := json.Unmarshal(d.Body, &p); err != nil {
			return nil, fmt.Errorf("incident %s as it was set aside: %w", d.Key, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// loadPoisoned reads which incidents are set aside.
func (r *reading) loadPoisoned(ctx context.Context) error {
	all, err := AllPoisoned(ctx, r.feed.Docs)
	if err != nil {
		return err
	}
	r.known = make(map[string]string, len(all))
	for _, p := range all {
		r.known[p.ID] = p.Digest
	}
	return nil
}

// poison sets an incident aside so that the others go on.
func (r *reading) poison(ctx context.Context, g sighting, cause error) error {
	p := Poisoned{ID: g.id, Reason: cutReason(cause.Error()), At: r.now, Digest: digestOf(g.raw)}
	r.mu.Lock()
	told, full := r.known[g.id] == p.Digest, len(r.known) >= mostPoisoned
	if !told {
		r.known[g.id] = p.Digest
		r.polled.Poisoned++
	}
	r.mu.Unlock()
	if told {
		return nil
	}
	r.feed.Log.Error("an incident cannot be read and is set aside", "incident", p.ID, "error", p.Reason)
	if full {
		return nil
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = r.feed.Docs.Put(ctx, engine.Document{Kind: docPoisoned, Key: p.ID, Body: body, Version: engine.AnyVersion, Expires: keptPoisoned})
	if err != nil {
		return fmt.Errorf("set incident %s aside: %w", p.ID, err)
	}
	return nil
}

// readable forgets that an incident was set aside.
func (r *reading) readable(ctx context.Context, id string) error {
	r.mu.Lock()
	_, was := r.known[id]
	delete(r.known, id)
	r.mu.Unlock()
	if !was {
		return nil
	}
	if err := r.feed.Docs.Delete(ctx, docPoisoned, id, engine.AnyVersion); err != nil {
		return fmt.Errorf("take incident %s back: %w", id, err)
	}
	return nil
}

// cutReason makes a reason one line that is not long.
func cutReason(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > longReason {
		return string(r[:longReason]) + "…"
	}
	return s
}

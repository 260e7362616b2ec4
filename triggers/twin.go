package triggers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/incident"
	"stanch/engine"
)

// docTwin tells under which id an incident is kept that two sources have.
const docTwin = "twin"

// patience is how long Defender may not have an incident that Sentinel has from
// it, until it is taken as Sentinel's own.
const patience = 15 * time.Minute

// errWaits says that something else has to come first.
var errWaits = errors.New("Defender XDR does not answer it yet")

// twin is the body of a twin document, whose key is the other id.
type twin struct {
	Incident string    `json:"incident"`      // the id under which it is kept
	Seen     time.Time `json:"seen,omitzero"` // the newest change of the other that was followed
}

// twinOf answers what is kept of an id that is another's, too; nothing of others.
func twinOf(ctx context.Context, docs engine.Documents, id string) (twin, error) {
	var t twin
	doc, err := docs.Get(ctx, docTwin, id)
	if errors.Is(err, engine.ErrNotFound) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(doc.Body, &t)
	}
	if err != nil {
		return t, fmt.Errorf("under which id %s is kept: %w", id, err)
	}
	return t, nil
}

func (f *Feed) keepTwin(ctx context.Context, id string, t twin) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	if _, err := f.Docs.Put(ctx, engine.Document{Kind: docTwin, Key: id, Body: body, Version: engine.AnyVersion}); err != nil {
		return fmt.Errorf("under which id %s is kept: %w", id, err)
	}
	return nil
}

// carried reports whether an incident of Defender is kept as one of Sentinel,
// which told of it when Defender did not.
func (r *reading) carried(ctx context.Context, id string) (bool, error) {
	if r.feed.Sentinel == nil || strings.HasPrefix(id, "sentinel/") {
		return false, nil
	}
	t, err := twinOf(ctx, r.feed.Docs, id)
	return t.Incident != "", err
}

// takeTwin takes an incident of Sentinel that is one of Defender as that: what
// changed here is looked for there.
func (r *reading) takeTwin(ctx context.Context, g sighting) error {
	f := r.feed
	t, err := twinOf(ctx, f.Docs, g.id)
	switch {
	case err != nil:
		return err
	case t.Incident == g.id:
		return r.take(ctx, r.source, g)
	case t.Incident != "" && !g.at.After(t.Seen):
		return nil
	}
	known, err := f.load(ctx, g.twin)
	if err != nil {
		return err
	}
	if known.version == 0 || g.at.After(known.Incident.UpdatedAt) {
		there, err := f.defender().one(ctx, g.twin)
		if e, is := errors.AsType[*connectors.Error](err); is && e.Code == connectors.NotFound && r.waitedFor(g.id) {
			return r.adopt(ctx, g)
		}
		if err != nil {
			f.refused(ctx, err)
			return fmt.Errorf("%w: %w", errWaits, err)
		}
		if err := r.take(ctx, f.defender(), there); err != nil {
			return err
		}
	}
	return f.keepTwin(ctx, g.id, twin{Incident: g.twin, Seen: g.at})
}

func (r *reading) waitedFor(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, waits := r.mark.Aside[id]
	return waits && r.now.Sub(a.Since) >= patience
}

// adopt takes an incident as Sentinel's own, for good.
func (r *reading) adopt(ctx context.Context, g sighting) error {
	for _, id := range []string{g.twin, g.id} {
		if err := r.feed.keepTwin(ctx, id, twin{Incident: g.id}); err != nil {
			return err
		}
	}
	return r.take(ctx, r.source, g)
}

// sentinelID is our id of an incident of Sentinel, as the model gives it.
func sentinelID(workspace, name string) string {
	return incident.NewID(incident.Sentinel, workspace+"/"+strings.ToLower(name))
}

// nameIn is the last part of an incident's id: its name at its source.
func nameIn(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

package triggers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/playbooks"
)

// take looks what is new in one incident and begins the runs it asks for. The
// incident is kept after that, so that a crash between reads it again; the
// dedupe key of each run makes that harmless.
func (f *Feed) take(ctx context.Context, b graph.Incident, p *Polled) error {
	return f.takeIn(ctx, incident.NewID(incident.Defender, b.ID), b.Raw, func() (incident.Incident, error) { return incident.FromGraph(b.Raw) }, p)
}

// takeIn takes in an incident by our id and what its source sent, which read maps.
func (f *Feed) takeIn(ctx context.Context, id string, raw []byte, read func() (incident.Incident, error), p *Polled) error {
	sum := sha256.Sum256(raw)
	digest := hex.EncodeToString(sum[:])
	doc, err := f.Docs.Get(ctx, docIncident, id)
	var before stored
	switch {
	case errors.Is(err, engine.ErrNotFound):
	case err != nil:
		return fmt.Errorf("incident %s: %w", id, err)
	default:
		if err := json.Unmarshal(doc.Body, &before); err != nil {
			return fmt.Errorf("incident %s as stored: %w", id, err)
		}
		if before.Digest == digest {
			return nil
		}
	}
	in, err := read()
	if err != nil {
		_, native, _ := strings.Cut(id, "/")
		return f.poison(ctx, native, digest, err, p)
	}
	ev := playbooks.Event{Trigger: "incident", At: in.UpdatedAt}
	if doc.Version == 0 {
		ev.Kind, ev.ID = "created", "created"
		p.New++
	} else {
		own, err := f.own(ctx, in.ID)
		if err != nil {
			return err
		}
		changes := incident.Diff(before.Incident, in, own)
		if len(changes) == 0 {
			return f.keep(ctx, in, digest, doc.Version)
		}
		ev.Kind, ev.ID = "updated", "updated/"+in.UpdatedAt.UTC().Format(time.RFC3339Nano)+"/"+digest[:16]
		for _, c := range changes {
			ev.Changes = append(ev.Changes, c.Field)
		}
		ev.NewAlerts = incident.NewAlerts(changes)
		p.Changed++
	}
	if ev.Incident, err = json.Marshal(in); err != nil {
		return fmt.Errorf("incident %s: %w", in.ID, err)
	}
	offered := playbooks.NewOffer(ev)
	for _, book := range f.Books {
		if err := f.offer(ctx, book, offered, in, p); err != nil {
			return err
		}
	}
	return f.keep(ctx, in, digest, doc.Version)
}

// offer asks a playbook whether the event concerns it, and begins its run.
func (f *Feed) offer(ctx context.Context, book *playbooks.Playbook, offered *playbooks.Offer, in incident.Incident, p *Polled) error {
	if book.On.Incident == nil || book.Status == "draft" {
		return nil
	}
	ev := offered.Event()
	names, err := offered.Names(book)
	if err != nil {
		return fmt.Errorf("incident %s for %s: %w", in.ID, book.ID, err)
	}
	verdict, err := book.Matches(ev, names, f.Engine.World().OwnDomains, time.Now())
	if err != nil { // fail closed: a condition that cannot be decided starts nothing, and says so
		f.Log.Error("a trigger's condition failed", "playbook", book.ID, "incident", in.ID, "error", err)
		return nil
	}
	if !verdict.Matched {
		return nil
	}
	params, err := book.BindParams(nil)
	if err != nil {
		f.Log.Error("a playbook that a trigger starts needs defaults for its params", "playbook", book.ID, "error", err)
		return nil
	}
	begun, err := f.Engine.Start(ctx, engine.Start{
		Book: book, Event: ev, Params: params, Mode: engine.ModeLive, By: "trigger:incident", Lane: lane(in.Severity),
	})
	if err != nil {
		return err
	}
	if begun.Busy {
		f.Log.Info("no run begun: busy with this incident", "playbook", book.ID, "incident", in.ID, "when_busy", book.Concurrency.WhenBusy)
	}
	if begun.New {
		p.Started++
		f.Log.Info("run begun", "run", begun.Run, "playbook", book.ID, "incident", in.ID, "because", verdict.Because)
	}
	return nil
}

// lane of an incident: the more severe, the more often it is drawn.
func lane(s incident.Severity) int {
	switch s {
	case "high":
		return 0
	case "medium":
		return 1
	case "low":
		return 2
	}
	return 3
}

// own answers what Stanch itself last wrote to the incident.
func (f *Feed) own(ctx context.Context, id string) (incident.Written, error) {
	own := incident.Written{}
	for _, field := range []string{"status", "severity", "classification", "determination", "assigned_to", "title", "tags", "comments"} {
		doc, err := f.Docs.Get(ctx, engine.DocOwn, id+"/"+field)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("own writes to %s: %w", id, err)
		}
		var w engine.OwnWrite
		if err := json.Unmarshal(doc.Body, &w); err != nil {
			return nil, fmt.Errorf("own write to %s of %s: %w", field, id, err)
		}
		var v any
		if err := json.Unmarshal(w.Value, &v); err != nil {
			return nil, fmt.Errorf("own write to %s of %s: %w", field, id, err)
		}
		own[field] = v
	}
	return own, nil
}

func (f *Feed) keep(ctx context.Context, in incident.Incident, digest string, version int64) error {
	body, err := json.Marshal(stored{Incident: in, Digest: digest})
	if err != nil {
		return fmt.Errorf("incident %s: %w", in.ID, err)
	}
	_, err = f.Docs.Put(ctx, engine.Document{Kind: docIncident, Key: in.ID, Body: body, Version: version})
	if errors.Is(err, engine.ErrConflict) {
		return nil // another node took the same update
	}
	if err != nil {
		return fmt.Errorf("keep incident %s: %w", in.ID, err)
	}
	return nil
}

// Poisoned is an incident that could not be read, set aside with its reason.
type Poisoned struct {
	ID     string    `json:"id"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	Digest string    `json:"digest"`
}

// poison sets an incident aside so that the others go on.
func (f *Feed) poison(ctx context.Context, id, digest string, cause error, p *Polled) error {
	doc, err := f.Docs.Get(ctx, docPoisoned, id)
	if err == nil {
		var known Poisoned
		if json.Unmarshal(doc.Body, &known) == nil && known.Digest == digest {
			return nil
		}
	}
	p.Poisoned++
	f.Log.Error("an incident cannot be read and is set aside", "incident", id, "error", cause)
	body, err := json.Marshal(Poisoned{ID: id, Reason: cause.Error(), At: time.Now(), Digest: digest})
	if err != nil {
		return err
	}
	if _, err := f.Docs.Put(ctx, engine.Document{Kind: docPoisoned, Key: id, Body: body, Version: engine.AnyVersion}); err != nil {
		return fmt.Errorf("set incident %s aside: %w", id, err)
	}
	return nil
}

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"stanch/playbooks"
)

// DocIncident is the kind of document in which triggers keep the newest
// revision of an incident; its key is the incident's id, its body has it as
// `incident`.
const DocIncident = "incident"

// turnComes reports whether the run has waited for its key and its trigger is
// still to be asked whether it is wanted: the incident may have become another
// one meanwhile.
func (st *state) turnComes() bool {
	if st.above != nil || st.asked || !st.run.head.Queued || st.phase != "" || st.run.start.Retries != "" {
		return false // a retry is wanted by whoever asked for it, and part of it is done
	}
	on := st.run.book.On.Incident
	return st.run.start.Event.Trigger == "incident" && on != nil && on.If != nil
}

// askAgain asks the trigger's condition again, of the newest revision of the
// incident. A run that is no longer wanted, or of which that cannot be told, ends
// as cancelled: nothing of it has begun.
func (h *holding) askAgain(work context.Context) error {
	backoff := pause()
	for {
		newest, err := h.e.newestIncident(work, h.st.run)
		if err == nil {
			return h.record(h.verdict(newest))
		}
		h.e.unanswered(err)
		if d, _ := backoff.Next(); !sleep(work, d) {
			return ErrLeaseLost // or the worker ends: nothing is to be recorded
		}
	}
}

// verdict is what the trigger says of a newer revision; nil: there is none.
func (h *holding) verdict(newest json.RawMessage) fact {
	f := fact{Kind: kTurn}
	if newest == nil {
		return f
	}
	run := h.st.run
	ev := run.start.Event
	ev.Incident = newest
	names, err := run.book.EventNames(ev)
	var v playbooks.Verdict
	if err == nil {
		names["params"] = run.names["params"]
		v, err = run.book.Matches(ev, names, run.own, h.st.now)
	}
	switch {
	case err != nil:
		f.Ending, f.Why = cancelled, "when its turn came, its trigger gave no answer: "+message(err)
	case !v.Matched:
		f.Ending, f.Why = cancelled, "when its turn came, it was no longer wanted: "+v.Because
	}
	return f
}

// newestIncident answers the kept revision of the run's incident if it is newer
// than the one that the run was begun with.
func (e *Engine) newestIncident(ctx context.Context, run *runContext) (json.RawMessage, error) {
	type revision struct {
		ID        string    `json:"id"`
		UpdatedAt time.Time `json:"updated_at"`
	}
	var begun, kept revision
	if json.Unmarshal(run.start.Event.Incident, &begun) != nil {
		return nil, nil //nolint:nilerr // its event has none
	}
	doc, err := e.docs.Get(ctx, DocIncident, begun.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("incident %s: %w", begun.ID, err)
	}
	var stored struct {
		Incident json.RawMessage `json:"incident"`
	}
	if json.Unmarshal(doc.Body, &stored) != nil || json.Unmarshal(stored.Incident, &kept) != nil || !kept.UpdatedAt.After(begun.UpdatedAt) {
		return nil, nil //nolint:nilerr // what is kept cannot be read, or is no newer
	}
	return stored.Incident, nil
}

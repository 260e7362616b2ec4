package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"stanch/playbooks"
)

// Head is what a run was begun with and never changes.
type Head struct {
	Event     playbooks.Event `json:"event"`
	Params    json.RawMessage `json:"params,omitempty"`
	StartedBy string          `json:"started_by"`
	Undoes    string          `json:"undoes,omitempty"` // the run that an undo takes back

	Retries   string    `json:"retries,omitempty"`   // the run from whose failed step it goes on
	First     string    `json:"first,omitempty"`     // of the runs that retry each other; caps are this one's
	FirstAt   time.Time `json:"first_at,omitzero"`   // when that began: messages that came since are for this one, too
	Kept      string    `json:"kept,omitempty"`      // digest of what it takes over from Retries
	Resubmits string    `json:"resubmits,omitempty"` // the run that it begins again
	Behind    []string  `json:"behind,omitempty"`    // who started the runs before it: they approve nothing of it either
	Reason    string    `json:"reason,omitempty"`    // why, as whoever retried or resubmitted said
}

// startedBy reports whether a person started the run, or one before it whose
// params it has, however that is written: operator:alice is alice.
func (h Head) startedBy(person string) bool {
	for _, who := range append([]string{h.StartedBy, h.Event.By}, h.Behind...) {
		if _, name, ok := strings.Cut(who, ":"); ok {
			who = name
		}
		if who != "" && strings.EqualFold(who, person) {
			return true
		}
	}
	return false
}

// prepared completes what is asked of the store with the head and the audit of
// a run.
func prepared(b Begin, head Head) (Begin, error) {
	raw, err := json.Marshal(head)
	if err != nil {
		return b, err
	}
	if len(raw) > maxHead {
		return b, fmt.Errorf("%w: the event has %d bytes, at most %d are allowed", ErrRefused, len(raw), maxHead)
	}
	b.Request, b.Head = newID(), raw
	b.Audit = [][]byte{auditRecord(Audit{Kind: "run.begin", Playbook: b.Playbook, Edition: b.Edition, Mode: b.Mode, By: head.StartedBy, Subject: b.Subject, Follows: cmp.Or(head.Undoes, head.Retries, head.Resubmits), Why: head.Reason})}
	return b, nil
}

// maxHead bounds an event with its params.
const maxHead = 4 << 20

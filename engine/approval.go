package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// docApproval is the kind of document that lists a question; its key is the
// approval's id. The decision itself is a fact of the strand that asked.
const docApproval = "approval"

// Approval is a question as people see it. The questions about one cap of one
// run are one: its id changes when more effects join it, so that nobody allows
// what was not shown.
type Approval struct {
	ID        string           `json:"id"`
	Run       string           `json:"run"`
	Playbook  string           `json:"playbook"`
	Step      string           `json:"step"` // of several: the first
	Reason    string           `json:"reason"`
	Cap       string           `json:"cap,omitempty"` // files, users…: where the reason is a cap
	Ask       string           `json:"ask"`
	Targets   []actions.Entity `json:"targets"`
	Covers    []string         `json:"covers"`
	Effects   []string         `json:"effects,omitempty"` // the only ones that an answer allows
	Shown     []Shown          `json:"shown,omitempty"`
	Hash      string           `json:"hash"`
	Approvers []string         `json:"approvers"`
	Quorum    int              `json:"quorum"`
	Form      []FormField      `json:"form,omitempty"` // what whoever approves fills in
	Decided   []Decided        `json:"decided"`
	AskedAt   time.Time        `json:"asked_at"`
	ExpiresAt *time.Time       `json:"expires_at"`
	Reminded  int              `json:"reminded,omitempty"` // how often it was asked again
	RemindAt  *time.Time       `json:"remind_at,omitempty"`
	Status    string           `json:"status"` // waiting | approved | rejected | timed_out | cancelled
	Strand    string           `json:"strand,omitempty"`
	Key       string           `json:"key"`

	parts []Approval // of a question about a cap that several strands ask
}

// Decided is one person's word.
type Decided struct {
	By       string    `json:"by"`
	Via      string    `json:"via,omitempty"`
	Decision string    `json:"decision"` // approve | reject
	At       time.Time `json:"at"`
	Reason   string    `json:"reason,omitempty"`

	Form json.RawMessage `json:"form,omitempty"` // as it was filled in
}

// approvalID is short, and the same whenever the same question is meant.
func approvalID(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "a" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:11])
}

// askGate asks at an approve step: the targets with the state that approvers
// are to see, read now.
func (h *holding) askGate(work context.Context, t *task) error {
	a := t.step.Approve
	q := &Question{
		Key: gateKey, Reason: reasonGate, Ask: t.ask.text, Targets: t.ask.targets,
		Approvers: t.ask.approvers, Quorum: max(a.Quorum, 1), Covers: []string{},
		Remind: t.ask.remind, Form: formOf(a),
	}
	if t.ask.timeout > 0 {
		q.Expires = h.storeNow().Add(t.ask.timeout)
	}
	outline := h.st.outline
	for _, covered := range a.Covers {
		q.Covers = append(q.Covers, outline.paths[covered])
	}
	slices.SortFunc(q.Covers, outline.comparePlaces)
	for _, covered := range actionsOf(a.Covers) {
		name, kind, ok := covered.Action.EntityParam()
		if covered.Kind != playbooks.Action || !ok || kind != a.Entity || !covered.Action.HasState() {
			continue
		}
		if slices.ContainsFunc(q.Shown, func(s Shown) bool { return s.Action == covered.Uses }) {
			continue // two steps with the same action
		}
		for i, target := range t.ask.targets {
			state, err := h.stateOf(work, t, covered.Action, name, t.ask.params[i])
			if err != nil {
				return h.failed(work, t, -1, fmt.Errorf("the state of %s: %w", entityName(target), err))
			}
			q.Shown = append(q.Shown, Shown{Action: covered.Uses, Target: target.ID, State: state})
		}
	}
	return h.asked(t, q)
}

// actionsOf answers the actions among the steps, those of what is called too,
// each call once.
func actionsOf(steps []*playbooks.Step) []*playbooks.Step {
	var found []*playbooks.Step
	known := map[*playbooks.Playbook]bool{}
	var add func(_ string, s *playbooks.Step)
	add = func(_ string, s *playbooks.Step) {
		switch {
		case s.Kind == playbooks.Action:
			found = append(found, s)
		case s.Kind == playbooks.Call && s.Call.Book != nil && !known[s.Call.Book]:
			known[s.Call.Book] = true
			for _, list := range [][]*playbooks.Step{s.Call.Book.Steps, s.Call.Book.OnFailure, s.Call.Book.Finally} {
				playbooks.Walk(list, add)
			}
		}
	}
	for _, s := range steps {
		add("", s)
	}
	return found
}

// ask holds an effect until people have answered a question about it.
func (h *holding) ask(t *task, q *Question) error {
	if err := h.asked(t, q); err != nil {
		return err
	}
	return h.record(fact{Kind: kHeld, Path: t.path, Effect: t.effect, Key: q.Key, Why: q.Ask})
}

// asked records a question and lists it. One that nobody may answer is a no.
func (h *holding) asked(t *task, q *Question) error {
	if q.Targets == nil {
		q.Targets = []actions.Entity{}
	}
	if q.Approvers == nil {
		q.Approvers = []string{}
	}
	q.Hash = hashOf(*q, h.st.outline)
	if n := h.e.eligible(q.Approvers, h.st.run.start); n < q.Quorum && !h.st.run.planning() {
		q.Denied = fmt.Sprintf("It needs %d to approve, and there are %d who may.", q.Quorum, n)
	}
	a := (&questionState{Question: *q, at: h.storeNow()}).approval(h.st.run, h.st.strand, t.path)
	switch {
	case h.st.run.planning():
		a.Status = "approved"
	case q.Denied != "":
		a.Status = "rejected"
	}
	h.put = append(h.put, a.document())
	h.audit = append(h.audit, auditRecord(Audit{Kind: "approval.asked", Run: a.Run, Step: a.Step, Playbook: a.Playbook, Question: a.ID, Hash: a.Hash, Why: a.Ask, Status: a.Status}))
	h.e.log.Info("approval asked", "run", a.Run, "step", a.Step, "approval", a.ID)
	return h.record(fact{Kind: kAsked, Path: t.path, Question: q})
}

// document is how an approval is listed: as long as it waits, and a while after.
func (a Approval) document() Document {
	body, err := json.Marshal(a)
	if err != nil { // every field is ours and marshals
		panic(fmt.Sprintf("engine: approval: %v", err))
	}
	d := Document{Kind: docApproval, Key: a.ID, Body: body, Version: AnyVersion}
	if a.Status != "waiting" {
		d.Expires = 90 * 24 * time.Hour
	}
	return d
}

// closing lists the questions of the strand that are answered, or with the end
// of their step or strand no longer asked, as what became of them. The end of a
// run is audited.
func (h *holding) closing(then Then) {
	if end := then.End; end != nil && h.st.above == nil {
		h.audit = append(h.audit, auditRecord(Audit{Kind: "run.end", Run: h.st.run.id, Playbook: h.st.run.book.ID, By: h.st.run.start.StartedBy, Status: end.Outcome}))
	}
	if h.st.run.planning() {
		return
	}
	h.unregister(then.End != nil)
	for path, p := range h.st.steps {
		for _, key := range slices.Sorted(maps.Keys(p.ask)) {
			q := p.ask[key]
			outcome, _ := q.outcome(h.st.now)
			if outcome == "" && (then.End != nil || p.status != "") {
				outcome = "cancelled"
			}
			if outcome == "" || q.closed {
				continue
			}
			q.closed = true
			a := q.approval(h.st.run, h.st.strand, path)
			a.Status = outcome
			h.put = append(h.put, a.document())
		}
	}
}

func (q *questionState) approval(run *runContext, strand, path string) Approval {
	a := Approval{
		ID: approvalID(run.id, path, q.Key), Run: run.id, Playbook: run.book.ID, Step: path, Reason: q.Reason, Cap: q.Cap, Ask: q.Ask,
		Targets: q.Targets, Covers: q.Covers, Effects: q.Effects, Shown: q.Shown, Hash: q.Hash, Approvers: q.Approvers, Quorum: q.Quorum,
		AskedAt: q.at, Status: "waiting", Strand: strand, Key: q.Key, Decided: q.words(),
		Form: q.Form, Reminded: q.reminders,
	}
	if at := q.remindAt(); !at.IsZero() {
		a.RemindAt = &at
	}
	if !q.Expires.IsZero() {
		a.ExpiresAt = &q.Expires
	}
	return a
}

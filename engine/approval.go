package engine

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// docApproval is the kind of document that lists a question; its key is the
// approval's id. The decision itself is a fact of the strand that asked.
const docApproval = "approval"

// Approval is a question as people see it.
type Approval struct {
	ID        string           `json:"id"`
	Run       string           `json:"run"`
	Playbook  string           `json:"playbook"`
	Step      string           `json:"step"`
	Reason    string           `json:"reason"` // gate | cap | changed
	Ask       string           `json:"ask"`
	Targets   []actions.Entity `json:"targets"`
	Covers    []string         `json:"covers"`
	Shown     []Shown          `json:"shown,omitempty"`
	Hash      string           `json:"hash"`
	Approvers []string         `json:"approvers"`
	Quorum    int              `json:"quorum"`
	Decided   []Decided        `json:"decided"`
	AskedAt   time.Time        `json:"asked_at"`
	ExpiresAt *time.Time       `json:"expires_at"`
	Status    string           `json:"status"` // waiting | approved | rejected | timed_out | cancelled
	Strand    string           `json:"strand,omitempty"`
	Key       string           `json:"key"`
}

// Decided is one person's word.
type Decided struct {
	By       string    `json:"by"`
	Via      string    `json:"via,omitempty"`
	Decision string    `json:"decision"` // approve | reject
	At       time.Time `json:"at"`
	Reason   string    `json:"reason,omitempty"`
}

// approvalID is short, and the same whenever the same question is meant.
func approvalID(run, path, key string) string {
	sum := sha256.Sum256([]byte(run + "\x00" + path + "\x00" + key))
	return "a" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:11])
}

// askGate asks at an approve step: the targets with the state that approvers
// are to see, read now.
func (h *holding) askGate(ctx context.Context, t *task) error {
	a := t.step.Approve
	q := &Question{
		Key: gateKey, Reason: reasonGate, Ask: t.ask.text, Targets: t.ask.targets,
		Approvers: t.ask.approvers, Quorum: max(a.Quorum, 1), Covers: []string{},
	}
	if t.ask.timeout > 0 {
		q.Expires = h.storeNow().Add(t.ask.timeout)
	}
	playbooks.Walk(h.st.run.book.Steps, func(path string, s *playbooks.Step) {
		if slices.Contains(a.Covers, s) {
			q.Covers = append(q.Covers, path)
		}
	})
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for _, covered := range a.Covers {
		name, kind, ok := covered.Action.EntityParam()
		if covered.Kind != playbooks.Action || !ok || kind != a.Entity || !covered.Action.HasState() {
			continue
		}
		for i, target := range t.ask.targets {
			state, err := h.e.stateOf(ctx, h.call(t), covered.Action, name, t.ask.params[i])
			if err != nil {
				return h.failed(t, -1, fmt.Errorf("the state of %s: %w", entityName(target), err))
			}
			q.Shown = append(q.Shown, Shown{Action: covered.Uses, Target: target.ID, State: state})
		}
	}
	return h.asked(t, q)
}

// stateOf reads what approvers are shown of one target.
func (e *Engine) stateOf(ctx context.Context, c actions.Call, a actions.Action, param string, target json.RawMessage) (json.RawMessage, error) {
	params, err := json.Marshal(map[string]json.RawMessage{param: target})
	if err != nil {
		return nil, err
	}
	return a.State(ctx, c, params)
}

// show reads the state of a step's own target, as it would be shown now.
func (h *holding) show(ctx context.Context, t *task, a actions.Action, _ *actions.Entity) (json.RawMessage, error) {
	param, _, _ := a.EntityParam()
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	return h.e.stateOf(ctx, h.call(t), a, param, h.st.at(t.path).target)
}

// ask holds an effect until people have answered a question about it.
func (h *holding) ask(t *task, q *Question) error {
	if err := h.asked(t, q); err != nil {
		return err
	}
	return h.record(fact{Kind: kHeld, Path: t.path, Effect: t.effect, Key: q.Key, Why: q.Ask})
}

// asked records a question and lists it.
func (h *holding) asked(t *task, q *Question) error {
	if q.Targets == nil {
		q.Targets = []actions.Entity{}
	}
	if q.Approvers == nil {
		q.Approvers = []string{}
	}
	q.Hash = hashOf(*q)
	status := "waiting"
	if h.st.run.planning() {
		status = "approved"
	}
	a := Approval{
		ID: approvalID(h.st.run.id, t.path, q.Key), Run: h.st.run.id, Playbook: h.st.run.book.ID, Step: t.path,
		Reason: q.Reason, Ask: q.Ask, Targets: q.Targets, Covers: q.Covers, Shown: q.Shown, Hash: q.Hash,
		Approvers: q.Approvers, Quorum: q.Quorum, Decided: []Decided{}, AskedAt: h.storeNow(), Status: status,
		Strand: h.st.strand, Key: q.Key,
	}
	if !q.Expires.IsZero() {
		a.ExpiresAt = &q.Expires
	}
	h.put = append(h.put, a.document())
	h.audit = append(h.audit, auditRecord(Audit{Kind: "approval.asked", Run: a.Run, Step: a.Step, Playbook: a.Playbook, Question: a.ID, Hash: a.Hash, Why: a.Ask}))
	h.e.log.Info("approval asked", "run", a.Run, "step", a.Step, "approval", a.ID)
	return h.record(fact{Kind: kAsked, Path: t.path, Question: q})
}

func (a Approval) document() Document {
	body, err := json.Marshal(a)
	if err != nil { // every field is ours and marshals
		panic(fmt.Sprintf("engine: approval: %v", err))
	}
	return Document{Kind: docApproval, Key: a.ID, Body: body, Version: AnyVersion, Expires: 90 * 24 * time.Hour}
}

// hashOf binds an approval to its targets, the states shown and what it covers.
func hashOf(q Question) string {
	raw, err := json.Marshal(struct {
		Targets []actions.Entity
		Shown   []Shown
		Covers  []string
		Effects []string
	}{q.Targets, q.Shown, q.Covers, q.Effects})
	if err != nil {
		panic(fmt.Sprintf("engine: question: %v", err))
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// closing lists the questions of the strand that are answered, or with the end
// of the strand no longer asked, as what became of them.
func (h *holding) closing(then Then) {
	for path, p := range h.st.steps {
		for key, q := range p.ask {
			outcome, _ := q.outcome(h.st.now)
			if outcome == "" && then.End != nil {
				outcome = "cancelled"
			}
			if outcome == "" || q.closed || h.st.run.planning() {
				continue
			}
			q.closed = true
			a := q.approval(h.st.run, h.st.strand, path, key)
			a.Status = outcome
			h.put = append(h.put, a.document())
		}
	}
}

func (q *questionState) approval(run *runContext, strand, path, key string) Approval {
	a := Approval{
		ID: approvalID(run.id, path, key), Run: run.id, Playbook: run.book.ID, Step: path, Reason: q.Reason, Ask: q.Ask,
		Targets: q.Targets, Covers: q.Covers, Shown: q.Shown, Hash: q.Hash, Approvers: q.Approvers, Quorum: q.Quorum,
		AskedAt: q.at, Status: "waiting", Strand: strand, Key: key, Decided: q.words(),
	}
	if !q.Expires.IsZero() {
		a.ExpiresAt = &q.Expires
	}
	return a
}

func (q *questionState) words() []Decided {
	words := make([]Decided, 0, len(q.decisions))
	for i, d := range q.decisions {
		words = append(words, Decided{By: d.By, Via: d.Via, Decision: d.Decision, At: q.decidedAt[i], Reason: d.Why})
	}
	return words
}

// Approvals answers the questions that wait for people; all also those that
// were answered, as long as they are listed.
func (e *Engine) Approvals(ctx context.Context, all bool) ([]Approval, error) {
	found := []Approval{}
	for after := ""; ; {
		docs, err := e.docs.Each(ctx, docApproval, after, 500)
		if err != nil {
			return nil, fmt.Errorf("approvals: %w", err)
		}
		for _, d := range docs {
			after = d.Key
			var a Approval
			if err := json.Unmarshal(d.Body, &a); err != nil {
				return nil, fmt.Errorf("approval %s: %w", d.Key, err)
			}
			if a.Status != "waiting" && !all {
				continue
			}
			if a.Status == "waiting" {
				if a, err = e.refresh(ctx, a); err != nil {
					return nil, err
				}
				if a.Status != "waiting" && !all {
					continue
				}
			}
			found = append(found, a)
		}
		if len(docs) < 500 {
			return found, nil
		}
	}
}

// refresh reads the decisions of a waiting approval from its strand.
func (e *Engine) refresh(ctx context.Context, a Approval) (Approval, error) {
	_, q, ended, err := e.asked(ctx, a)
	switch {
	case errors.Is(err, ErrNotFound):
		a.Status = "cancelled"
		return a, nil
	case err != nil:
		return a, err
	}
	a.Decided = q.words()
	if outcome, _ := q.outcome(time.Now()); outcome != "" {
		a.Status = outcome
	} else if ended {
		a.Status = "cancelled"
	}
	return a, nil
}

// asked answers the question of an approval as its strand has it.
func (e *Engine) asked(ctx context.Context, a Approval) (seen int64, q *questionState, ended bool, err error) {
	run, err := e.store.Run(ctx, a.Run)
	if err != nil {
		return 0, nil, false, fmt.Errorf("run %s: %w", a.Run, err)
	}
	for _, s := range run.Strands {
		if s.Path != a.Strand {
			continue
		}
		for _, f := range s.Facts {
			body, err := decodeFact(f.Body)
			if err != nil {
				return 0, nil, false, err
			}
			switch {
			case body.Path != a.Step:
			case body.Kind == kAsked && body.Question.Key == a.Key:
				q = &questionState{Question: *body.Question, at: f.At}
			case body.Kind == kDecision && body.Key == a.Key && q != nil:
				q.decisions, q.decidedAt = append(q.decisions, body), append(q.decidedAt, f.At)
			}
		}
		if q != nil {
			return s.Seen, q, s.State == "ended", nil
		}
	}
	return 0, nil, false, fmt.Errorf("approval %s: %w", a.ID, ErrNotFound)
}

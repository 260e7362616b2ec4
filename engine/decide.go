package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Decision is one person's word on an approval.
type Decision struct {
	Approval string
	By       string // the person
	Via      string // how they are known: "operator:alice" reached the store directly
	Approve  bool
	Reason   string
	Form     map[string]string // what whoever approves fills in: fields as texts
}

// Decide records a decision. It refuses (ErrRefused) who is no approver, who
// decided already, who started the run, and what is no longer asked, and says
// which. The answer is the approval as it then is.
func (e *Engine) Decide(ctx context.Context, d Decision) (Approval, error) {
	a, err := e.lookFor(ctx, d.Approval)
	if err != nil {
		return a, err
	}
	if a.parts == nil {
		return e.decide(ctx, a, d)
	}
	for i, part := range a.parts {
		if a.parts[i], err = e.decide(ctx, part, d); err != nil {
			return a, fmt.Errorf("%d of %d effects were decided: %w", i, len(a.parts), err)
		}
	}
	a.Status, a.Decided = a.parts[0].Status, a.parts[0].Decided
	return a, nil
}

// lookFor answers an approval by its id. That of several is made of theirs, in
// the order in which they were asked: an id that was given out still names the
// ones that were there then.
func (e *Engine) lookFor(ctx context.Context, id string) (Approval, error) {
	doc, err := e.docs.Get(ctx, docApproval, id)
	var a Approval
	if err == nil {
		if err = json.Unmarshal(doc.Body, &a); err == nil {
			return a, nil
		}
	}
	if !errors.Is(err, ErrNotFound) {
		return a, fmt.Errorf("approval %s: %w", id, err)
	}
	list, err := e.Approvals(ctx, false)
	if err != nil {
		return a, err
	}
	for _, several := range list {
		if len(several.parts) == 0 {
			continue
		}
		a = several.parts[0]
		for _, part := range several.parts[1:] {
			if a = a.with(part); a.ID == id {
				return a, nil
			}
		}
	}
	return Approval{}, fmt.Errorf("approval %s: %w; what was asked about a cap has another id once some of it is answered: list the approvals again", id, ErrNotFound)
}

// joinedHash binds the parts of one question.
func joinedHash(parts []Approval) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p.Hash))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// decide records a decision on one question.
func (e *Engine) decide(ctx context.Context, a Approval, d Decision) (Approval, error) {
	for range 10 {
		r, err := e.asking(ctx, a.Run, nil)
		if err != nil {
			return a, err
		}
		q, over, err := r.question(a)
		if err != nil {
			return a, err
		}
		now, err := e.storeTime(ctx)
		if err != nil {
			return a, fmt.Errorf("approval %s: %w", a.ID, err)
		}
		if why := e.mayNotDecide(d, a, q, r.run, over, now); why != "" {
			return a, fmt.Errorf("%w: %s", ErrRefused, why)
		}
		f := fact{Kind: kDecision, Path: a.Step, Key: a.Key, Hash: q.Hash, By: d.By, Via: d.Via, Decision: "reject", Why: d.Reason, Void: e.void(q)}
		if f.Form, err = e.fillIn(ctx, r.run, a, q, d); err != nil {
			return a, err
		}
		if d.Approve {
			f.Decision = "approve"
		}
		signalled, err := e.store.Signal(ctx, Signal{
			Request: newID(), Run: a.Run, Strand: a.Strand, Body: f.encode(), Seen: r.strands[a.Strand].Seen,
			Audit: [][]byte{auditRecord(Audit{Kind: "approval.decision", Run: a.Run, Step: a.Step, Playbook: a.Playbook, By: d.By, Via: d.Via, Question: a.ID, Hash: q.Hash, Status: f.Decision, Why: d.Reason})},
		})
		switch {
		case errors.Is(err, ErrConflict):
			continue // somebody else decided, or the strand moved: look again
		case err != nil:
			return a, fmt.Errorf("approval %s: %w", a.ID, err)
		case !q.Expires.IsZero() && !signalled.At.Before(q.Expires):
			return a, fmt.Errorf("%w: approval %s: the word came too late", ErrRefused, a.ID)
		}
		return e.refresh(ctx, a, nil)
	}
	return a, fmt.Errorf("approval %s: %w: try again", a.ID, ErrConflict)
}

// StoreTime asks the store what time it is: what all nodes go by.
func (e *Engine) StoreTime(ctx context.Context) (time.Time, error) { return e.storeTime(ctx) }

// storeTime asks the store what time it is.
func (e *Engine) storeTime(ctx context.Context) (time.Time, error) {
	r, err := e.store.Renew(ctx, nil, e.o.Lease)
	return r.At, err
}

// mayNotDecide answers why the person may not decide now, or "".
func (e *Engine) mayNotDecide(d Decision, a Approval, q *questionState, run RunRecord, over string, now time.Time) string {
	outcome, by := q.outcome(now)
	switch {
	case outcome != "" && len(by) > 0:
		return fmt.Sprintf("approval %s was %s by %s", a.ID, outcome, strings.Join(by, " and "))
	case outcome != "":
		return fmt.Sprintf("approval %s is over: %s", a.ID, strings.ReplaceAll(outcome, "_", " "))
	case over != "":
		return fmt.Sprintf("approval %s is no longer asked: %s", a.ID, over)
	}
	same := func(p string) bool { return strings.EqualFold(p, d.By) }
	if d.By == "" || !slices.ContainsFunc(e.people(q.Approvers), same) {
		return fmt.Sprintf("%s is not among the approvers of %s: %s", d.By, a.ID, strings.Join(q.Approvers, ", "))
	}
	for _, earlier := range q.decisions {
		if same(earlier.By) {
			return fmt.Sprintf("%s has decided %s already (%s)", d.By, a.ID, earlier.Decision)
		}
	}
	var head Head
	if err := json.Unmarshal(run.Head, &head); err != nil {
		return fmt.Sprintf("it cannot be told who started run %s: %v", a.Run, err)
	}
	if head.startedBy(d.By) {
		return fmt.Sprintf("%s started run %s; who starts a run does not approve it", d.By, a.Run)
	}
	return ""
}

// people answers who the approvers are now: members of groups, and names.
func (e *Engine) people(approvers []string) []string {
	var people []string
	for _, who := range approvers {
		if members, ok := e.o.Groups[who]; ok {
			people = append(people, members...)
			continue
		}
		if strings.Contains(who, "@") {
			people = append(people, who)
		}
	}
	return people
}

// eligible answers how many people may decide on a run.
func (e *Engine) eligible(approvers []string, run Head) int {
	may := map[string]bool{}
	for _, p := range e.people(approvers) {
		if !run.startedBy(p) {
			may[strings.ToLower(p)] = true
		}
	}
	return len(may)
}

// void names those who approved and are no longer approvers.
func (e *Engine) void(q *questionState) []string {
	people := e.people(q.Approvers)
	var gone []string
	for _, d := range q.decisions {
		if d.Decision == "approve" && !slices.ContainsFunc(people, func(p string) bool { return strings.EqualFold(p, d.By) }) {
			gone = append(gone, d.By)
		}
	}
	return gone
}

package engine

import (
	"context"
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
}

// Decide records a decision. It refuses (ErrRefused) who is no approver, who
// decided already, who started the run, and what is no longer asked, and says
// which. The answer is the approval as it then is.
func (e *Engine) Decide(ctx context.Context, d Decision) (Approval, error) {
	doc, err := e.docs.Get(ctx, docApproval, d.Approval)
	if err != nil {
		return Approval{}, fmt.Errorf("approval %s: %w", d.Approval, err)
	}
	var a Approval
	if err := json.Unmarshal(doc.Body, &a); err != nil {
		return Approval{}, fmt.Errorf("approval %s: %w", d.Approval, err)
	}
	for range 10 {
		seen, q, ended, err := e.asked(ctx, a)
		if err != nil {
			return a, err
		}
		if why := e.mayNotDecide(ctx, d, a, q, ended); why != "" {
			return a, fmt.Errorf("%w: %s", ErrRefused, why)
		}
		f := fact{Kind: kDecision, Path: a.Step, Key: a.Key, By: d.By, Via: d.Via, Decision: "reject", Why: d.Reason, Void: e.void(q)}
		if d.Approve {
			f.Decision = "approve"
		}
		_, err = e.store.Signal(ctx, Signal{
			Request: newID(), Run: a.Run, Strand: a.Strand, Body: f.encode(), Seen: seen,
			Audit: [][]byte{auditRecord(Audit{Kind: "approval.decision", Run: a.Run, Step: a.Step, Playbook: a.Playbook, By: d.By, Via: d.Via, Question: a.ID, Hash: a.Hash, Status: f.Decision, Why: d.Reason})},
		})
		if errors.Is(err, ErrConflict) {
			continue // somebody else decided, or the strand moved: look again
		}
		if err != nil {
			return a, fmt.Errorf("approval %s: %w", a.ID, err)
		}
		return e.refresh(ctx, a)
	}
	return a, fmt.Errorf("approval %s: %w: try again", a.ID, ErrConflict)
}

// mayNotDecide answers why the person may not decide now, or "".
func (e *Engine) mayNotDecide(ctx context.Context, d Decision, a Approval, q *questionState, ended bool) string {
	if outcome, by := q.outcome(time.Now()); outcome != "" {
		if len(by) > 0 {
			return fmt.Sprintf("approval %s was %s by %s", a.ID, outcome, strings.Join(by, " and "))
		}
		return fmt.Sprintf("approval %s is over: %s", a.ID, strings.ReplaceAll(outcome, "_", " "))
	}
	if ended {
		return fmt.Sprintf("approval %s is no longer asked: its part of run %s has ended", a.ID, a.Run)
	}
	if len(q.Approvers) == 0 {
		return fmt.Sprintf("approval %s names no approvers, so nobody may decide it; cancel the run or mend the configuration", a.ID)
	}
	people := e.people(q.Approvers)
	if !slices.ContainsFunc(people, func(p string) bool { return strings.EqualFold(p, d.By) }) {
		return fmt.Sprintf("%s is not among the approvers of %s: %s", d.By, a.ID, strings.Join(q.Approvers, ", "))
	}
	for _, earlier := range q.decisions {
		if strings.EqualFold(earlier.By, d.By) {
			return fmt.Sprintf("%s has decided %s already (%s)", d.By, a.ID, earlier.Decision)
		}
	}
	if run, err := e.store.Run(ctx, a.Run); err == nil {
		var head Head
		if json.Unmarshal(run.Head, &head) == nil && sameperson(head.StartedBy, d.By) {
			return fmt.Sprintf("%s started run %s; who starts a run does not approve it", d.By, a.Run)
		}
	}
	return ""
}

func sameperson(started, by string) bool {
	_, name, ok := strings.Cut(started, ":")
	if !ok {
		name = started
	}
	return strings.EqualFold(name, by)
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

// Cancel marks a run: nothing more of it begins; what has begun gets its
// outcome.
func (e *Engine) Cancel(ctx context.Context, run, by, reason string) error {
	_, err := e.store.Signal(ctx, Signal{
		Request: newID(), Run: run, Cancel: Cancelled, Seen: AnyVersion,
		Audit: [][]byte{auditRecord(Audit{Kind: "run.cancel", Run: run, By: by, Why: reason})},
	})
	if err != nil {
		return fmt.Errorf("cancel run %s: %w", run, err)
	}
	return nil
}

// Freeze stops every effect that has not begun; Thaw lets them go on.
func (e *Engine) Freeze(ctx context.Context, on bool, by, reason string) (Frozen, error) {
	change := "thaw"
	if on {
		change = "freeze"
	}
	f, err := e.store.Freeze(ctx, Freeze{
		Request: newID(), Change: change, By: by, Reason: reason,
		Audit: [][]byte{auditRecord(Audit{Kind: change, By: by, Why: reason})},
	})
	if err != nil {
		return f, fmt.Errorf("%s: %w", change, err)
	}
	e.setFrozen(on)
	return f, nil
}

// Resolve tells what became of an unknown effect: a person has looked.
func (e *Engine) Resolve(ctx context.Context, run, step string, happened bool, by string) error {
	record, err := e.store.Run(ctx, run)
	if err != nil {
		return fmt.Errorf("run %s: %w", run, err)
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return err
	}
	for _, s := range states {
		p := s.st.steps[step]
		if p == nil {
			continue
		}
		for i, eff := range p.effects {
			if eff.Status != "unknown" {
				continue
			}
			f := fact{Kind: kResolve, Path: step, Effect: i, Happened: happened, By: by}
			status := "not done"
			if happened {
				status = "done"
			}
			_, err := e.store.Signal(ctx, Signal{
				Request: newID(), Run: run, Strand: s.record.Path, Body: f.encode(), Seen: s.record.Seen,
				Audit: [][]byte{auditRecord(Audit{Kind: "effect.resolve", Run: run, Step: step, Effect: eff.ID, Action: eff.Action, Target: &eff.Target, By: by, Status: status})},
			})
			if err != nil {
				return fmt.Errorf("resolve %s of run %s: %w", step, run, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: run %s has no unknown effect at step %q; `stanch runs show %s` names the steps", ErrRefused, run, step, run)
}

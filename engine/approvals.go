package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stanch/actions"
)

// Approvals answers the questions that wait for people, the oldest first; all
// also those that were answered, as long as they are listed.
func (e *Engine) Approvals(ctx context.Context, all bool) ([]Approval, error) {
	found := []Approval{}
	runs := map[string]*asking{}
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
			if a.Status == "waiting" {
				if a, err = e.refresh(ctx, a, runs); err != nil {
					return nil, err
				}
			}
			if a.Status == "waiting" || all {
				found = append(found, a)
			}
		}
		if len(docs) < 500 {
			return grouped(found), nil
		}
	}
}

// grouped makes one of the questions that wait about the same cap of a run.
func grouped(list []Approval) []Approval {
	slices.SortFunc(list, func(a, b Approval) int { return cmp.Or(a.AskedAt.Compare(b.AskedAt), strings.Compare(a.ID, b.ID)) })
	var out []Approval
	at := map[string]int{}
	for _, a := range list {
		name := a.Run + "/" + a.Cap
		i, known := at[name]
		switch {
		case a.Cap == "" || a.Status != "waiting":
			out = append(out, a)
		case !known:
			at[name] = len(out)
			out = append(out, a)
		default:
			out[i] = out[i].with(a)
		}
	}
	if out == nil {
		out = []Approval{}
	}
	return out
}

// with joins another question about the same cap.
func (a Approval) with(b Approval) Approval {
	if a.parts == nil {
		a.parts = []Approval{a}
		a.Targets, a.Covers, a.Effects = slices.Clone(a.Targets), slices.Clone(a.Covers), slices.Clone(a.Effects)
	}
	a.parts = append(a.parts, b)
	for _, target := range b.Targets {
		if !slices.ContainsFunc(a.Targets, func(known actions.Entity) bool { return known.Kind == target.Kind && known.ID == target.ID }) {
			a.Targets = append(a.Targets, target)
		}
	}
	for _, path := range b.Covers {
		if !slices.Contains(a.Covers, path) {
			a.Covers = append(a.Covers, path)
		}
	}
	a.Effects = append(a.Effects, b.Effects...)
	a.ID = approvalID(a.ID, b.ID)
	a.Hash = joinedHash(a.parts)
	reached, _, _ := strings.Cut(a.Ask, ". ") // the same for all of them
	a.Ask = fmt.Sprintf("%s. Allow these %d effects as well?", reached, len(a.Effects))
	return a
}

// asking is what the record of a run says of the questions in it.
type asking struct {
	run     RunRecord
	strands map[string]*StrandRecord
}

func (e *Engine) asking(ctx context.Context, id string, known map[string]*asking) (*asking, error) {
	if r := known[id]; r != nil {
		return r, nil
	}
	record, err := e.store.Run(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	r := &asking{run: record, strands: make(map[string]*StrandRecord, len(record.Strands))}
	for i := range record.Strands {
		r.strands[record.Strands[i].Path] = &record.Strands[i]
	}
	if known != nil {
		known[id] = r
	}
	return r, nil
}

// question answers the question of an approval as its strand has it, and why it
// is no longer asked, or "".
func (r *asking) question(a Approval) (q *questionState, over string, err error) {
	s := r.strands[a.Strand]
	if s == nil {
		return nil, "", fmt.Errorf("approval %s: %w", a.ID, ErrNotFound)
	}
	for _, f := range s.Facts {
		body, err := decodeFact(f.Body)
		switch {
		case err != nil:
			return nil, "", err
		case body.Path != a.Step:
		case body.Kind == kAsked && body.Question != nil && body.Question.Key == a.Key:
			q = &questionState{Question: *body.Question, at: f.At}
		case body.Kind == kReminded && body.Key == a.Key && q != nil:
			q.reminded, q.reminders = f.At, q.reminders+1
		case body.Kind == kDecision && body.Key == a.Key && q != nil:
			q.decisions, q.decidedAt = append(q.decisions, body), append(q.decidedAt, f.At)
		case body.Kind == kDone, body.Kind == kFailed, body.Kind == kSkipped:
			over = "step " + a.Step + " has ended"
		}
	}
	switch {
	case q == nil || q.Hash != a.Hash:
		return nil, "", fmt.Errorf("approval %s: %w", a.ID, ErrNotFound)
	case r.run.Cancel != NotCancelled || r.run.Status == "cancelled":
		over = "run " + a.Run + " was cancelled"
	case s.State == "ended":
		over = "its part of run " + a.Run + " has ended"
	}
	return q, over, nil
}

// refresh reads the decisions of a waiting approval from its strand. Whether its
// time is over is told by this machine's clock; Decide asks the store's.
func (e *Engine) refresh(ctx context.Context, a Approval, runs map[string]*asking) (Approval, error) {
	r, err := e.asking(ctx, a.Run, runs)
	var q *questionState
	over := ""
	if err == nil {
		q, over, err = r.question(a)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		a.Status = "cancelled"
		return a, nil
	case err != nil:
		return a, err
	}
	a.Decided = q.words()
	if outcome, _ := q.outcome(e.o.Now()); outcome != "" {
		a.Status = outcome
	} else if over != "" {
		a.Status = "cancelled"
	}
	return a, nil
}

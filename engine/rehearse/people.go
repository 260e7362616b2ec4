package rehearse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// people does what people do in the case by now. It answers when they do
// something next, and whether they have done something.
func (p *play) people(ctx context.Context) (due time.Time, acted bool, err error) {
	open, err := p.engine.Approvals(ctx, false)
	if err != nil {
		return due, false, err
	}
	for _, a := range open {
		q := p.answers[a.ID]
		if q == nil {
			if q, err = p.ask(a); err != nil {
				return due, false, err
			}
		}
		if q.answer == nil || q.given || q.answer.Outcome == "timed_out" {
			continue
		}
		if q.at.After(p.lane.now) {
			due = sooner(due, q.at)
			continue
		}
		if err := p.decide(ctx, q); err != nil {
			return due, false, err
		}
		acted = true
	}
	soon, more, err := p.outside(ctx)
	return sooner(due, soon), acted || more, err
}

// ask finds what the case says to a question.
func (p *play) ask(a engine.Approval) (*question, error) {
	q := &question{approval: a}
	p.answers[a.ID] = q
	key, list := p.answersAt(a.Step)
	if len(list) == 0 {
		if p.c.Expect.Status == "waiting" {
			return q, nil
		}
		return nil, &stuckError{fmt.Sprintf("the run asks at %s (%s) and the case does not say what people answer: add `approvals: {%s: {outcome: approved}}`", a.Step, a.Ask, static(a.Step))}
	}
	i := min(p.asked[key], len(list)-1)
	p.asked[key]++
	q.answer = &list[i]
	if q.answer.Outcome == "timed_out" && a.ExpiresAt == nil {
		return nil, &stuckError{fmt.Sprintf("the case lets the question at %s time out, and it has no timeout", a.Step)}
	}
	q.at = a.AskedAt.Add(q.answer.After)
	return q, nil
}

// answersAt answers what the case says for a step: by its whole path, without
// indices, or by its id.
func (p *play) answersAt(path string) (string, playbooks.CaseAnswer) {
	bare := static(path)
	for _, key := range []string{path, bare, bare[strings.LastIndexByte(bare, '/')+1:]} {
		if list, ok := p.c.Approvals[key]; ok {
			return key, list
		}
	}
	return "", nil
}

// indices are the parts of a path that tell items and rounds apart.
var indices = regexp.MustCompile(`\[[0-9]+\]|#[0-9]+`)

func static(path string) string { return indices.ReplaceAllString(path, "") }

// decide gives the word of everybody whom the case names, or of as many as are
// needed.
func (p *play) decide(ctx context.Context, q *question) error {
	q.given = true
	by := q.answer.By
	if len(by) == 0 {
		by = p.approvers(q)
	}
	for _, who := range by {
		_, err := p.engine.Decide(ctx, p.decision(q, who))
		if err != nil {
			return fmt.Errorf("the answer of %s at %s is refused: %w", who, q.approval.Step, err)
		}
	}
	return nil
}

func (p *play) decision(q *question, who string) engine.Decision {
	form := map[string]string{}
	for name, v := range q.answer.Form {
		if text, is := v.(string); is {
			form[name] = text
		} else {
			form[name] = compact(v)
		}
	}
	return engine.Decision{
		Approval: q.approval.ID, By: who, Via: "rehearsal", Approve: q.answer.Outcome == "approved", Reason: q.answer.Reason, Form: form,
	}
}

// approvers are the first people who may decide.
func (p *play) approvers(q *question) []string {
	groups := p.lane.o.World.Groups
	if groups == nil {
		groups = p.suite.groups(p.book)
	}
	var people []string
	for _, who := range q.approval.Approvers {
		if members, ok := groups[who]; ok {
			people = append(people, members...)
		} else {
			people = append(people, who)
		}
	}
	people = slices.DeleteFunc(people, func(who string) bool { return strings.EqualFold(who, p.event.By) })
	need := max(q.approval.Quorum, 1)
	if q.answer.Outcome == "rejected" {
		need = 1
	}
	return people[:min(need, len(people))]
}

// outside does what comes from outside by now: events and the cancel.
func (p *play) outside(ctx context.Context) (due time.Time, acted bool, err error) {
	for p.posted < len(p.c.Events) {
		next, at := p.nextEvent()
		if at.After(p.lane.now) {
			due = at
			break
		}
		if err := p.post(ctx, next); err != nil {
			return due, false, err
		}
		p.posted++
		acted = true
	}
	if x := p.c.Cancel; x != nil && !p.ended {
		at := x.At
		if at.IsZero() {
			at = p.started.Add(x.After)
		}
		if at.After(p.lane.now) {
			return sooner(due, at), acted, nil
		}
		p.ended, acted = true, true
		by := x.By
		if by == "" {
			by = "rehearsal"
		}
		if err := p.engine.Cancel(ctx, p.begun, by, "the case cancels the run"); err != nil && !errors.Is(err, engine.ErrEnded) {
			return due, false, err
		}
	}
	return due, acted, nil
}

// nextEvent is the earliest event that has not been posted.
func (p *play) nextEvent() (playbooks.CaseEventPosted, time.Time) {
	order := slices.Clone(p.c.Events)
	at := func(e playbooks.CaseEventPosted) time.Time {
		if e.At.IsZero() {
			return p.started.Add(e.After)
		}
		return e.At
	}
	slices.SortStableFunc(order, func(a, b playbooks.CaseEventPosted) int { return at(a).Compare(at(b)) })
	return order[p.posted], at(order[p.posted])
}

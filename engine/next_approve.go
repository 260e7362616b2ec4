package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// gateAsk is what Next knows of an approval to be asked.
type gateAsk struct {
	text      string
	targets   []actions.Entity
	params    []json.RawMessage // of each target: its JSON, as the covered actions take it
	approvers []string
	timeout   time.Duration
	remind    time.Duration
}

// approve asks, waits and takes the outcome.
func (st *state) approve(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	q := p.ask[gateKey]
	if q == nil {
		if st.now.Before(p.until) {
			st.waitUntil(m, p.until, "the next attempt of "+path)
			return true, nil
		}
		ask, err := st.gateAsk(step)
		if err != nil {
			return false, st.broken(m, path, err)
		}
		m.task = &task{kind: tAsk, path: path, step: step, ask: ask, attempt: p.attempt + 1}
		return true, nil
	}
	outcome, by := q.outcome(st.now)
	a := step.Approve
	var plan *playbooks.Approval
	if st.run.planning() {
		outcome, plan = "approved", a
	}
	switch next := q.remindAt(); {
	case outcome == "" && !next.IsZero() && !st.now.Before(next):
		m.task = &task{kind: tRemind, path: path, step: step}
		return true, nil
	case outcome == "":
		st.waitQuestion(m, q, path)
		return true, nil
	case outcome == "timed_out" && a.OnTimeout == "stop":
		return false, st.emit(m, fact{Kind: kStopped, Path: path, Ending: stopped, Why: "nobody decided in time"})
	case outcome == "approved", outcome == "timed_out" && a.OnTimeout == "approve", a.OnReject == "continue":
		out, err := q.output(outcome, by, plan)
		if err != nil {
			return false, err
		}
		return false, st.emit(m, fact{Kind: kDone, Path: path, Out: out, Why: outcome})
	}
	why := outcome
	if q.Denied != "" {
		why = q.Denied
	}
	return false, st.emit(m, fact{Kind: kStopped, Path: path, Ending: rejected, Why: why})
}

func (st *state) gateAsk(step *playbooks.Step) (*gateAsk, error) {
	a := step.Approve
	ask := &gateAsk{}
	v, err := a.Ask.Eval(st.env())
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	ask.text = fmt.Sprint(v)
	if a.Approvers != nil {
		if v, err = a.Approvers.Eval(st.env()); err != nil {
			return nil, fmt.Errorf("approvers: %w", err)
		}
		list, _ := v.([]any)
		for _, who := range list {
			ask.approvers = append(ask.approvers, fmt.Sprint(who))
		}
	}
	if a.Timeout != nil {
		if ask.timeout, err = st.duration(a.Timeout, 0); err != nil {
			return nil, fmt.Errorf("timeout: %w", err)
		}
	}
	if a.Remind != nil {
		if ask.remind, err = st.duration(a.Remind, 0); err != nil {
			return nil, fmt.Errorf("remind: %w", err)
		}
	}
	if a.Targets == nil {
		ask.targets = st.outline.undo.targets()
		return ask, nil
	}
	if v, err = a.Targets.Eval(st.env()); err != nil {
		return nil, fmt.Errorf("targets: %w", err)
	}
	return ask, ask.aim(a, v)
}

// aim takes in the targets, each once: a thing named twice is one thing, and one
// without an id can be bound to nothing.
func (ask *gateAsk) aim(a *playbooks.Approval, targets any) error {
	list, ok := targets.([]any)
	if !ok {
		return &Fault{Code: "invalid", Message: fmt.Sprintf("targets gave %T, not a list", targets)}
	}
	for i, item := range list {
		record, _ := item.(map[string]any)
		if a.Field != "" {
			record, _ = record[a.Field].(map[string]any)
		}
		e := entityOf(a.Entity, record)
		if e.ID == "" {
			return &Fault{Code: "invalid", Message: fmt.Sprintf("target %d is no %s with an id", i, a.Entity)}
		}
		if slices.ContainsFunc(ask.targets, func(known actions.Entity) bool { return known.ID == e.ID }) {
			continue
		}
		raw, err := playbooks.Encode(record)
		if err != nil {
			return fmt.Errorf("target %d: %w", i, err)
		}
		ask.targets, ask.params = append(ask.targets, e), append(ask.params, raw)
	}
	return nil
}

// entityOf names the entity that a record of the evidence is.
func entityOf(kind string, record map[string]any) actions.Entity {
	text := func(fields ...string) string {
		for _, f := range fields {
			if s, ok := record[f].(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	e := actions.Entity{Kind: kind, ID: text("id"), Name: text("name", "upn", "address", "subject", "url")}
	for _, alias := range []string{"upn", "url", "address", "site"} {
		if s := text(alias); s != "" && s != e.Name {
			e.Aliases = append(e.Aliases, s)
		}
	}
	return e
}

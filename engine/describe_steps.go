package engine

import (
	"context"

	"stanch/actions"
)

// steps describes the steps of a strand.
func (e *Engine) steps(ctx context.Context, s strandState) ([]Step, error) {
	steps := make([]Step, 0, len(s.st.steps))
	for path, p := range s.st.steps {
		d := Step{
			Path: path, ID: p.step.ID, Kind: string(p.step.Kind), Uses: p.step.Uses, Status: s.status(p),
			Attempts: p.attempt, Why: p.why, Error: p.fault,
		}
		if p.status == "succeeded" {
			d.Output, d.Error = p.out, nil
			d.Attempts++
		}
		if d.KeptFrom = p.keptOf; p.keptOf != "" {
			d.Attempts = 0
		}
		if !p.started.IsZero() {
			d.StartedAt = &p.started
		}
		if !p.finished.IsZero() {
			d.FinishedAt = &p.finished
		}
		if q := p.ask[gateKey]; q != nil {
			a := q.approval(s.st.run, s.record.Path, path)
			if outcome, _ := q.outcome(e.o.Now()); outcome != "" {
				a.Status = outcome
			}
			if s.st.run.planning() {
				a.Status = "approved"
			}
			d.Approval = &a
		}
		var err error
		if d.Effects, err = e.effects(ctx, s, p); err != nil {
			return nil, err
		}
		steps = append(steps, d)
	}
	return steps, nil
}

func (e *Engine) effects(ctx context.Context, s strandState, p *progress) ([]StepEffect, error) {
	var effects []StepEffect
	for _, eff := range p.effects {
		d := StepEffect{
			ID: eff.ID, Action: eff.Action, Class: eff.Class, Target: eff.Target, Before: eff.Before, After: eff.After,
			Status: eff.Status, Why: eff.why, Lost: eff.Lost, Undoes: eff.Undoes,
		}
		if eff.undoRun != "" {
			d.Until, d.UndoBy = &eff.ends, eff.undoRun
		}
		if eff.Status == actions.Done {
			undone, err := e.isUndone(ctx, eff.ID)
			if err != nil {
				return nil, err
			}
			if undone {
				d.Status = actions.Undone
			}
		}
		effects = append(effects, d)
	}
	return effects, nil
}

// status says a step's status in the words of the run JSON.
func (s strandState) status(p *progress) string {
	for _, e := range p.effects {
		if e.Status == actions.Unknown {
			return "unknown"
		}
	}
	switch {
	case p.status != "":
		return p.status
	case s.record.State == "ended":
		return "cancelled"
	case s.record.State == "waiting":
		return "waiting"
	case s.record.State == "due":
		return "queued"
	}
	return "running"
}

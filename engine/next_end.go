package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/playbooks"
)

// complete ends a strand whose list has been run to its end. What a run gives
// is computed here, and can fail it.
func (st *state) complete(m *move) error {
	if st.above != nil || st.phase != "" {
		st.ending = "succeeded"
		return nil
	}
	if left := st.leftOver(); len(left) > 0 {
		return st.failed(m, &Fault{Step: left[0], Code: "failed", Message: fmt.Sprintf("%d of %d effects were not taken back: %s", len(left), len(st.run.outline.undo.Effects), strings.Join(left, ", "))})
	}
	st.ending = "succeeded"
	if len(st.run.book.Outputs) == 0 {
		return nil
	}
	var err error
	if st.given, err = st.values(st.run.book.Outputs, maxOutput); err == nil {
		return nil
	}
	fault := faultOf("outputs", fmt.Errorf("outputs: %w", err))
	if st.needsLive(fault) {
		st.why = "the outputs need a live result"
		return nil
	}
	st.ending = ""
	return st.failed(m, fault)
}

// leftOver names the steps of an undo that failed.
func (st *state) leftOver() []string {
	if st.run.outline.undo == nil {
		return nil
	}
	var left []string
	for path, p := range st.steps {
		if p.status == "failed" {
			left = append(left, path)
		}
	}
	slices.SortFunc(left, comparePaths)
	return left
}

// finish ends the strand.
func (st *state) finish(m move) (move, error) {
	if err := st.giveUp(&m); err != nil {
		return m, err
	}
	outcome := st.ending
	r := result{Fault: st.fault, Why: st.why, Planned: st.planned && st.run.planning()}
	var err error
	switch {
	case st.above == nil:
		outcome, err = st.endRun(outcome, &r)
	case st.opener.Kind == playbooks.Parallel:
		outcome, err = st.endBranch(outcome, &r)
	default:
		outcome = st.endItem(outcome, &r)
	}
	m.then = &Then{End: &End{Outcome: outcome, Result: r.encode()}}
	return m, err
}

// giveUp says of effects that were once begun, did not happen and will not be
// tried again that they are not done.
func (st *state) giveUp(m *move) error {
	if st.open == nil { // none was begun
		return nil
	}
	for _, path := range slices.SortedFunc(maps.Keys(st.steps), comparePaths) {
		p := st.steps[path]
		for i := range p.effects {
			if e := &p.effects[i]; e.Status == actions.Planned && e.sent > 0 {
				if err := st.emit(m, fact{Kind: kResult, Path: path, Effect: i, Status: actions.NotDone, Why: "it did not happen and is not tried again"}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// endRun answers how the run ends.
func (st *state) endRun(outcome string, r *result) (string, error) {
	switch {
	case outcome == "cancelled":
		return outcome, nil
	case st.phase == onFailure:
		return "failed", nil
	case outcome == "stopped":
		return "succeeded", nil
	case len(st.given) == 0:
		return outcome, nil
	}
	return outcome, json.Unmarshal(st.given, &r.Outputs)
}

// endBranch answers how a branch of a parallel step ends, with what is seen
// after the step.
func (st *state) endBranch(outcome string, r *result) (string, error) {
	st.branchGates(r)
	if outcome == "stopped" {
		return "skipped", nil
	}
	if outcome != "succeeded" {
		return outcome, nil
	}
	r.Vars, r.Steps = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for name, v := range st.mine {
		raw, err := playbooks.Encode(v)
		if err != nil {
			return outcome, fmt.Errorf("%s: var %s: %w", st.strand, name, err)
		}
		r.Vars[name] = raw
	}
	for _, p := range st.steps {
		if p.status != "succeeded" || len(p.out) == 0 {
			continue
		}
		if p.step.Kind == playbooks.Parallel {
			var inner branches
			if err := json.Unmarshal(p.out, &inner); err != nil {
				return outcome, fmt.Errorf("%s: %w", p.path, err)
			}
			maps.Copy(r.Steps, inner.Steps)
		} else if p.step.ID != "" {
			r.Steps[p.step.ID] = p.out
		}
	}
	return outcome, nil
}

// branchGates tells what came of the approvals in a branch: they may cover
// steps behind it.
func (st *state) branchGates(r *result) {
	sameStrand(st.frames[0].list, func(s *playbooks.Step) {
		if s.Kind == playbooks.Approve {
			r.Gates = append(r.Gates, st.verdict(st.run.outline.paths[s]))
		}
	})
}

// endItem answers how an item of a loop ends, with what it collects.
func (st *state) endItem(outcome string, r *result) string {
	if outcome == "stopped" {
		return "skipped"
	}
	if outcome != "succeeded" || len(st.opener.Each.Collect) == 0 {
		return outcome
	}
	raw, err := st.values(st.opener.Each.Collect, maxCollect)
	if err != nil {
		fault := faultOf(st.strand, fmt.Errorf("collect: %w", err))
		if st.needsLive(fault) {
			r.Why = needsLive + ": " + fault.Message
			return "skipped"
		}
		r.Fault = fault
		return "failed"
	}
	r.Collect = raw
	return outcome
}

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

// complete answers how a playbook ended whose steps have all been run. What it
// gives is computed here, and can fail it.
func (st *state) complete() outcome {
	if left := st.leftOver(); len(left) > 0 {
		return outcome{ending: failed, fault: &Fault{Step: left[0], Code: "failed", Message: fmt.Sprintf("%d of %d effects were not taken back: %s", len(left), len(st.outline.undo.Effects), strings.Join(left, ", "))}}
	}
	o := outcome{ending: succeeded}
	if len(st.outline.book.Outputs) == 0 {
		return o
	}
	var err error
	if st.given, err = st.values(st.outline.book.Outputs, maxOutput); err == nil {
		return o
	}
	fault := faultOf(st.prefix+"outputs", fmt.Errorf("outputs: %w", err))
	if st.needsLive(fault) {
		o.why = "the outputs need a live result"
		return o
	}
	return outcome{ending: failed, fault: fault}
}

// leftOver names the steps of an undo that failed.
func (st *state) leftOver() []string {
	if st.outline.undo == nil {
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
	r := result{Fault: st.fault, Why: st.why, Planned: st.planned && st.run.planning(), Late: st.late, Marked: st.marked}
	var err error
	var ended string
	switch {
	case st.whole():
		ended, err = st.endBook(&r)
	case st.opener.Kind == playbooks.Parallel:
		ended, err = st.endBranch(&r)
	default:
		ended = st.endItem(&r)
	}
	if st.above != nil && st.outline.undo != nil && err == nil {
		r.Outputs, err = st.rolled().outputs()
	}
	m.then = &Then{End: &End{Outcome: ended, Result: r.encode()}}
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

// endBook answers how the run ends, or what it called. One that was stopped
// ends well, and gives nothing; a caller has to know that.
func (st *state) endBook(r *result) (string, error) {
	switch {
	case st.ending == stopped && st.above != nil:
		return string(skipped), nil
	case st.ending == stopped:
		return string(succeeded), nil
	case st.ending != succeeded || len(st.given) == 0:
		return string(st.ending), nil
	}
	return string(succeeded), json.Unmarshal(st.given, &r.Outputs)
}

// endBranch answers how a branch of a parallel step ends, with what is seen
// after the step.
func (st *state) endBranch(r *result) (string, error) {
	st.branchGates(r)
	if st.ending == stopped {
		return string(skipped), nil
	}
	outcome := string(st.ending)
	if st.ending != succeeded {
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
	for path, p := range st.steps {
		if strings.IndexByte(path[len(st.prefix):], '#') >= 0 {
			continue // a turn of a repeat keeps to itself what it finds
		}
		if p.brings != nil {
			maps.Copy(r.Steps, p.brings.Steps)
		}
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
	sameStrand(st.frames[0].list, func(s *playbooks.Step, _ bool) {
		if s.Kind == playbooks.Approve {
			r.Gates = append(r.Gates, st.verdict(st.outline.paths[s]))
		}
	})
}

// endItem answers how an item of a loop ends, with what it collects.
func (st *state) endItem(r *result) string {
	if st.ending == stopped {
		return string(skipped)
	}
	if st.ending != succeeded || len(st.opener.Each.Collect) == 0 {
		return string(st.ending)
	}
	raw, err := st.values(st.opener.Each.Collect, maxCollect)
	if err != nil {
		fault := faultOf(st.strand, fmt.Errorf("collect: %w", err))
		if st.needsLive(fault) {
			r.Why = NeedsLive + ": " + fault.Message
			return string(skipped)
		}
		r.Fault = fault
		return string(failed)
	}
	r.Collect = raw
	return string(succeeded)
}

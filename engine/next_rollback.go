package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stanch/actions"
	"stanch/playbooks"
)

// `on_error: rollback` is an on_error with a single step that nobody has
// written: it undoes what the step has changed, in a strand of its own, as an
// undo of the run would. Behind it the step has failed as it did.

// rollback is the name and the kind of that step.
const rollback = "rollback"

// rollingBack is the step of outlines for `on_error: rollback` of a step.
func rollingBack(of *playbooks.Step) *playbooks.Step {
	return &playbooks.Step{Name: rollback, Kind: rollback, Line: of.Line}
}

// rescue answers the list that is run when a step has failed, and the prefix of
// its steps' paths.
func (st *state) rescue(p *progress) ([]*playbooks.Step, string) {
	if p.step.OnError == rollback {
		return []*playbooks.Step{st.lookup(p.path + "/" + rollback)}, p.path + "/"
	}
	return p.step.Rescue, p.path + "/" + onError + "/"
}

// rollBack undoes what was done inside the step around this one. It answers true
// when the move is complete.
func (st *state) rollBack(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	switch {
	case p.opened:
		return false, st.rolledBack(m, path)
	case p.undo == nil:
		m.task = &task{kind: tGather, path: path, step: step, attempt: 1}
		return true, nil
	case len(p.undo.Effects) == 0:
		return false, st.emit(m, fact{Kind: kDone, Path: path, Why: "nothing to undo"})
	}
	if err := st.emit(m, fact{Kind: kOpened, Path: path, Count: 1}); err != nil {
		return false, err
	}
	m.then = &Then{Open: &Open{Path: path, Count: 1, Window: 1}}
	return true, nil
}

// undoes makes the strand one that undoes effects.
func (st *state) undoes() ([]*playbooks.Step, error) {
	path, _, _ := cutIndex(st.strand)
	p := st.above.steps[path]
	if p == nil || p.undo == nil || st.run.undoing == nil {
		return nil, fmt.Errorf("strand %q: it is not known what is to be undone", st.strand)
	}
	st.outline, st.static = st.run.undoing(*p.undo), ""
	st.vars, st.outs, st.names = map[string]any{}, map[string]any{}, maps.Clone(st.run.names)
	return st.outline.book.Steps, nil
}

// rolled is what a strand that undoes leaves.
type rolled struct {
	Undone int      `json:"undone"`
	Left   []string `json:"left"` // what was not taken back, and why
}

// rolled counts what the strand has taken back.
func (st *state) rolled() rolled {
	r := rolled{Left: []string{}}
	for i, eff := range st.outline.undo.Effects {
		p := st.steps[st.prefix+strconv.Itoa(i)]
		why := "it did not come to it"
		if p != nil {
			var is undone
			_ = json.Unmarshal(p.out, &is) // none: it failed
			switch {
			case p.status == string(succeeded) && (is.Status == "undone" || is.Status == "already_undone"):
				r.Undone++
				continue
			case p.status == string(succeeded):
				why = strings.TrimSuffix(strings.ReplaceAll(is.Status, "_", " ")+": "+is.Why, ": ")
			case p.fault != nil:
				why = p.fault.Message
			}
		}
		r.Left = append(r.Left, fmt.Sprintf("%s on %s (%s)", eff.Action, entityOfTarget(eff.Target), why))
	}
	return r
}

func entityOfTarget(t actions.Target) string {
	if t.Name != "" {
		return t.Name
	}
	return t.ID
}

func (r rolled) outputs() (map[string]json.RawMessage, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	return fields, json.Unmarshal(raw, &fields)
}

// rolledBack takes in how the strand that undoes has ended.
func (st *state) rolledBack(m *move, path string) error {
	if len(st.children) != 1 {
		return fmt.Errorf("step %s: claimed before its child had ended", path)
	}
	child := st.children[0]
	st.children = nil
	res, err := decodeResult(child.Result)
	if err != nil {
		return fmt.Errorf("%s: %w", childPath(path, 0), err)
	}
	var r rolled
	if err := errors.Join(json.Unmarshal(res.Outputs["undone"], &r.Undone), json.Unmarshal(res.Outputs["left"], &r.Left)); err != nil {
		return fmt.Errorf("%s: %w", childPath(path, 0), err)
	}
	f := fact{Kind: kDone, Path: path, Why: fmt.Sprintf("%d of %d effects were taken back", r.Undone, r.Undone+len(r.Left)), Marked: res.Marked}
	switch {
	case ending(child.Outcome) == cancelled:
		f.Kind, f.Ending = kStopped, cancelled
	case len(r.Left) > 0:
		message := fmt.Sprintf("rollback: partial: %s; left: %s", f.Why, strings.Join(r.Left, ", "))
		f.Kind, f.Fault = kFailed, &Fault{Step: path, Code: "failed", Message: message}
	}
	return st.emit(m, f)
}

// failedAsBefore answers how a step ends that was rolled back: as it had failed,
// with what was not taken back.
func (p *progress) failedAsBefore(o outcome) outcome {
	if o.ending == cancelled {
		return o
	}
	before := p.came
	before.forced = before.forced || o.forced
	if before.fault != nil && o.ending == failed && o.fault != nil {
		fault := *before.fault
		fault.Message += "; " + o.fault.Message
		before.fault, before.why = &fault, "rollback: partial"
	}
	return before
}

// undoOf answers the undo of what was done inside a step, newest first.
func undoOf(states []strandState, run, step string) undo {
	u := undo{Run: run, Effects: []actions.Effect{}}
	for _, d := range newestFirst(states, func(path string) bool { return inStep(path, step) && !inStep(path, step+"/"+rollback) }) {
		if d.effect.Undoes == "" {
			u.Effects = append(u.Effects, d.effect)
		}
	}
	return u
}

// newestFirst answers the effects that were done at paths, the newest first.
func newestFirst(states []strandState, at func(path string) bool) []doneEffect {
	var found []doneEffect
	for _, s := range states {
		for path, p := range s.st.steps {
			if !at(path) {
				continue
			}
			for _, eff := range p.effects {
				if eff.Status == actions.Done {
					found = append(found, doneEffect{step: path, at: eff.at, n: eff.n, effect: eff.Effect})
				}
			}
		}
	}
	outline := states[0].st.run.outline
	slices.SortFunc(found, func(a, b doneEffect) int { return outline.compareDone(b, a) })
	return found
}

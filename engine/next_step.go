package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"stanch/playbooks"
)

// condition decides `if`. It answers true when the step is settled by it.
func (st *state) condition(m *move, step *playbooks.Step, path string) (bool, error) {
	if step.If == nil {
		return false, nil
	}
	v, err := step.If.Eval(st.env())
	if err != nil {
		return true, st.broken(m, path, err)
	}
	yes, ok := v.(bool)
	switch {
	case !ok:
		return true, st.broken(m, path, fmt.Errorf("the condition gave %T, not true or false", v))
	case yes:
		return false, nil
	case len(step.Else) > 0:
		return true, st.enter(m, path, "else")
	}
	return true, st.emit(m, fact{Kind: kSkipped, Path: path, Why: notMet})
}

// notMet is why a step is skipped that was not to be run.
const notMet = "its condition is false"

// broken fails a step whose expression could not be evaluated: never a false.
// In a plan, what depends on effects that were not done is skipped.
func (st *state) broken(m *move, path string, err error) error {
	fault := faultOf(path, err)
	if st.needsLive(fault) {
		return st.emit(m, fact{Kind: kSkipped, Path: path, Why: NeedsLive + ": " + fault.Message})
	}
	return st.emit(m, fact{Kind: kFailed, Path: path, Fault: fault})
}

// NeedsLive is how it begins why a step of a plan was skipped: what it asks for
// only a run that acts can know.
const NeedsLive = "needs a live result"

// NoEvent is, behind NeedsLive, of a step that waits for an event.
const NoEvent = "a plan does not wait"

// needsLive reports whether something may fail only because the effects before
// it were planned and not done.
func (st *state) needsLive(f *Fault) bool {
	if !st.planned {
		return false
	}
	switch f.Code {
	case "not_found", "conflict", "invalid", "failed":
		return true
	}
	return false
}

// faultOf says an error in the language's codes.
func faultOf(path string, err error) *Fault {
	return &Fault{Step: path, Code: codeOf(err), Message: message(err)}
}

func (st *state) set(m *move, step *playbooks.Step, path string) error {
	out, err := st.values(step.Set, maxOutput)
	if err != nil {
		return st.broken(m, path, err)
	}
	return st.emit(m, fact{Kind: kDone, Path: path, Out: out})
}

// values evaluates bindings to one JSON record of at most so many bytes.
func (st *state) values(list []playbooks.Binding, most int) (json.RawMessage, error) {
	record := make(map[string]any, len(list))
	for _, b := range list {
		v, err := b.Expr.Eval(st.env())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name, err)
		}
		record[b.Name] = v
	}
	raw, err := playbooks.Encode(record)
	if err != nil {
		return nil, err
	}
	if len(raw) > most {
		return nil, tooLarge(len(raw), most)
	}
	return raw, nil
}

// Sizes of what a run may keep.
const (
	maxOutput  = 8 << 20
	maxCollect = 64 << 10
)

func tooLarge(n, most int) *Fault {
	return &Fault{Code: "limit", Message: fmt.Sprintf("it has %d bytes, at most %d are allowed", n, most)}
}

func (st *state) halt(m *move, step *playbooks.Step, path string) error {
	text := ""
	if step.Text != nil {
		v, err := step.Text.Eval(st.env())
		if err != nil {
			return st.broken(m, path, err)
		}
		text = fmt.Sprint(v)
	}
	if step.Kind == playbooks.Fail {
		return st.emit(m, fact{Kind: kFailed, Path: path, Fault: &Fault{Step: path, Code: "failed", Message: text}})
	}
	return st.emit(m, fact{Kind: kStopped, Path: path, Ending: stopped, Why: text})
}

// duration evaluates a duration of the playbook.
func (st *state) duration(t *playbooks.Template, otherwise time.Duration) (time.Duration, error) {
	if t == nil {
		return otherwise, nil
	}
	v, err := t.Eval(st.env())
	if err != nil {
		return 0, err
	}
	d, ok := v.(time.Duration)
	if !ok || d <= 0 {
		return 0, &Fault{Code: "invalid", Message: fmt.Sprintf("%v is not a duration such as 90s, 4h or 7d", v)}
	}
	return d, nil
}

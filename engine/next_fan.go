package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/playbooks"
)

// fan opens the children of a for_each or parallel step, and joins them.
func (st *state) fan(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if p.opened {
		return false, st.join(m, step, path, p)
	}
	due, err := st.deadline(step)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	open := &Open{Path: path, Failfast: step.OnError != "continue"}
	if step.Kind == playbooks.Parallel {
		open.Count, open.Window = len(step.Branches), len(step.Branches)
	} else {
		items, err := st.items(step)
		if err != nil {
			return false, st.broken(m, path, err)
		}
		open.Count, open.Window, open.Items = len(items), step.Each.MaxParallel, items
		if open.Window == 0 {
			open.Window = 8
		}
	}
	if err := st.emit(m, fact{Kind: kOpened, Path: path, Count: open.Count, Due: due}); err != nil {
		return false, err
	}
	if open.Count == 0 {
		st.children = []Ended{}
		return false, st.join(m, step, path, p)
	}
	m.then = &Then{Open: open}
	return true, nil
}

// maxItems is how many items one loop may have.
const maxItems = 1_000_000

func (st *state) items(step *playbooks.Step) ([][]byte, error) {
	v, err := step.Each.List.Eval(st.env())
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if record, is := v.(map[string]any); is {
		for _, key := range slices.Sorted(maps.Keys(record)) {
			list = append(list, map[string]any{"key": key, "value": record[key]})
		}
	} else if !ok {
		return nil, &Fault{Code: "invalid", Message: fmt.Sprintf("for_each got %T, not a list", v)}
	}
	if len(list) > maxItems {
		return nil, &Fault{Code: "limit", Message: fmt.Sprintf("for_each got %d items, at most %d are allowed", len(list), maxItems)}
	}
	if n := step.Each.Batch; n > 0 {
		var batches []any
		for chunk := range slices.Chunk(list, n) {
			batches = append(batches, chunk)
		}
		list = batches
	}
	items := make([][]byte, len(list))
	for i, item := range list {
		if items[i], err = playbooks.Encode(item); err != nil {
			return nil, fmt.Errorf("item %d: %w", i, err)
		}
	}
	return items, nil
}

// tally is what a for_each leaves.
type tally struct {
	Total     int               `json:"total"`
	Succeeded int               `json:"succeeded"`
	Failed    int               `json:"failed"`
	Skipped   int               `json:"skipped"`
	Rejected  int               `json:"rejected"`
	Items     []json.RawMessage `json:"items"`
}

// joined is what the children of a step come to.
type joined struct {
	tally
	branches
	fault   *Fault // of the first that failed
	ending  ending // stopped, rejected or cancelled, where a child was
	why     string
	gates   []gateVerdict
	planned bool
	unknown int       // items of which nobody knows what they give: only in a plan
	late    bool      // the time of one was over
	marked  time.Time // since when it is known that the run is cancelled
	outputs map[string]json.RawMessage
}

func (j *joined) add(path string, c Ended) error {
	r, err := decodeResult(c.Result)
	if err != nil {
		return fmt.Errorf("%s: %w", childPath(path, c.Index), err)
	}
	j.planned, j.late = j.planned || r.Planned, j.late || r.Late
	if !r.Marked.IsZero() && (j.marked.IsZero() || r.Marked.Before(j.marked)) {
		j.marked = r.Marked
	}
	j.gates = append(j.gates, r.Gates...)
	switch ending(c.Outcome) {
	case succeeded:
		j.Succeeded++
		if len(r.Collect) > 0 {
			j.Items = append(j.Items, r.Collect)
		}
		maps.Copy(j.Vars, r.Vars)
		maps.Copy(j.Steps, r.Steps)
		j.outputs = r.Outputs
	case failed:
		j.Failed++
		if j.fault == nil {
			j.fault = r.Fault
		}
		if j.fault == nil {
			j.fault = &Fault{Step: childPath(path, c.Index), Code: "failed", Message: "it failed and does not say why"}
		}
	case skipped:
		j.Skipped++
		if strings.HasPrefix(r.Why, NeedsLive) {
			j.unknown++
		}
		j.ends(stopped, r.Why)
	case rejected:
		j.Rejected++
		j.ends(rejected, r.Why)
	case cancelled:
		j.ends(cancelled, r.Why)
	}
	return nil
}

// ends takes in that a child ended early: a cancel weighs more than a rejection,
// and that more than a stop.
func (j *joined) ends(e ending, why string) {
	weight := map[ending]int{stopped: 1, rejected: 2, cancelled: 3}
	if weight[e] > weight[j.ending] {
		j.ending, j.why = e, why
	}
}

func (st *state) join(m *move, step *playbooks.Step, path string, p *progress) error {
	if st.children == nil {
		return fmt.Errorf("step %s: claimed before its children had ended", path)
	}
	j := joined{tally: tally{Total: p.count, Items: []json.RawMessage{}}}
	j.Vars, j.Steps = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	for _, c := range st.children {
		if err := j.add(path, c); err != nil {
			return err
		}
	}
	st.children = nil
	f := fact{Path: path, Gates: j.gates, Planned: j.planned, Marked: j.marked}
	raw, err := j.out(step)
	if err != nil {
		return err
	}
	f.Fault = j.fault
	if step.OnError == "continue" && step.Kind != playbooks.Call {
		f.Fault = nil // the others go on
	}
	switch {
	case j.ending == cancelled:
		f.Kind, f.Ending, f.Fault = kStopped, cancelled, nil
	case j.late && !p.deadline.IsZero() && !st.now.Before(p.deadline):
		f.Kind, f.Fault = kFailed, &Fault{Step: path, Code: "timeout", Message: "its time is over"}
	case len(raw) > maxOutput:
		f.Kind, f.Fault = kFailed, tooLarge(len(raw), maxOutput)
		f.Fault.Step = path
	case f.Fault != nil:
		f.Kind = kFailed
	case step.Kind == playbooks.Call && j.outputs == nil && j.ending == "" && len(step.Call.Book.Outputs) > 0:
		f.Kind, f.Why = kSkipped, NeedsLive+": what "+step.Call.Playbook+" gives" // only in a plan
	case step.Kind == playbooks.ForEach && j.unknown > 0 && j.unknown == j.Total:
		f.Kind, f.Why = kSkipped, NeedsLive+": what its items give"
	case step.Kind == playbooks.Parallel && j.ending != "", j.ending == rejected && step.Kind == playbooks.Call:
		f.Kind, f.Ending, f.Why = kStopped, j.ending, j.why
	default:
		f.Kind, f.Out = kDone, raw
	}
	return st.emit(m, f)
}

// out is the output of the step that opened the children.
func (j *joined) out(step *playbooks.Step) (json.RawMessage, error) {
	switch step.Kind {
	case playbooks.Parallel:
		return json.Marshal(j.branches)
	case playbooks.Call:
		if j.outputs == nil {
			return json.RawMessage("{}"), nil // it was stopped
		}
		return json.Marshal(j.outputs)
	}
	return json.Marshal(j.tally)
}

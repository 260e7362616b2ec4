package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// margin is how long after the end of a request nobody looks at what became
// of it: clocks differ, and a byte may still be under way.
const margin = 500 * time.Millisecond

func (st *state) action(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if p.prepared {
		return st.effect(m, step, path, p)
	}
	if st.now.Before(p.until) {
		st.waitUntil(m, p.until, "the next attempt of "+path)
		return true, nil
	}
	params := json.RawMessage("{}")
	if step.With != nil {
		v, err := step.With.Eval(st.env())
		if err != nil {
			return false, st.broken(m, path, err)
		}
		if params, err = playbooks.Encode(v); err != nil {
			return false, st.broken(m, path, err)
		}
	}
	timeout, err := st.duration(step.Timeout, step.Action.Timeout)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	m.task = &task{kind: tRead, path: path, step: step, params: params, attempt: p.attempt + 1, timeout: timeout}
	return true, nil
}

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

// effect moves the effects of a prepared step on, one after the other. It
// answers true when the move is complete.
func (st *state) effect(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	for i := range p.effects {
		e := &p.effects[i]
		switch e.Status {
		case actions.Done, actions.AlreadySo, actions.Undone:
			continue
		case actions.Planned:
			return st.send(m, step, path, i)
		case actions.Begun, actions.Open:
			look := e.until
			if e.Status == actions.Begun { // its worker was lost between intent and result
				look = later(e.doneBy.Add(margin), e.at.Add(step.Action.Settling))
			}
			if st.now.Before(look) {
				m.then = &Then{Wait: &Wait{For: look.Sub(st.now), On: "what became of " + path}}
				return true, nil
			}
			m.task = &task{kind: tCheck, path: path, step: step, effect: i, timeout: step.Action.Timeout}
			return true, nil
		case actions.Unknown:
			m.then = &Then{Wait: &Wait{Ever: true, On: "a person to say whether " + path + " happened"}}
			return true, nil
		default:
			code := "failed"
			if e.Status == actions.Refused {
				code = "refused"
			}
			return false, st.emit(m, fact{Kind: kFailed, Path: path, Attempt: p.attempt + 1, Fault: &Fault{Step: path, Code: code, Message: e.why}})
		}
	}
	effects := make([]actions.Effect, len(p.effects))
	for i, e := range p.effects {
		effects[i] = e.Effect
	}
	out, err := step.Action.Output(p.out, effects)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	return false, st.emit(m, fact{Kind: kDone, Path: path, Attempt: p.attempt + 1, Out: out})
}

func (st *state) send(m *move, step *playbooks.Step, path string, i int) (bool, error) {
	p := st.at(path)
	e := &p.effects[i]
	if q := p.ask[e.held]; q != nil {
		switch outcome, _ := q.outcome(st.now); outcome {
		case "":
			st.waitQuestion(m, q, path)
			return true, nil
		case "rejected", "timed_out":
			why := "no approval: " + outcome
			return false, st.emit(m, fact{Kind: kResult, Path: path, Effect: i, Status: actions.Refused, Why: why})
		}
	}
	if e.held == heldFrozen && !st.now.After(e.at) {
		// The end of the freeze wakes it; the time is for a thaw just missed.
		m.then = &Then{Wait: &Wait{For: 30 * time.Second, Thaw: true, On: "the end of the freeze"}}
		return true, nil
	}
	if st.now.Before(p.until) {
		st.waitUntil(m, p.until, "the next attempt of "+path)
		return true, nil
	}
	timeout, err := st.duration(step.Timeout, step.Action.Timeout)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	m.task = &task{kind: tSend, path: path, step: step, effect: i, timeout: timeout, attempt: p.attempt + 1}
	return true, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (st *state) waitQuestion(m *move, q *questionState, path string) {
	on := "approval at " + path
	if q.Expires.IsZero() {
		st.waitEver(m, on, false)
		return
	}
	st.waitUntil(m, q.Expires, on)
}

// outcome is approved, rejected, timed_out, or "" while nobody has decided.
// Each person counts once; a vote that was made void does not.
func (q *questionState) outcome(now time.Time) (string, []string) {
	yes := map[string]bool{}
	for i, d := range q.decisions {
		if !q.Expires.IsZero() && !q.decidedAt[i].Before(q.Expires) {
			break
		}
		for _, void := range d.Void {
			delete(yes, void)
		}
		if d.Decision == "reject" {
			return "rejected", []string{d.By}
		}
		yes[d.By] = true
		if len(yes) >= q.Quorum {
			return "approved", slices.Sorted(maps.Keys(yes))
		}
	}
	if !q.Expires.IsZero() && !now.Before(q.Expires) {
		return "timed_out", nil
	}
	return "", nil
}

// fan opens the children of a for_each or parallel step, and joins them.
func (st *state) fan(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if p.opened {
		return false, st.join(m, step, path, p)
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
	if err := st.emit(m, fact{Kind: kOpened, Path: path, Count: open.Count}); err != nil {
		return false, err
	}
	if open.Count == 0 {
		st.children = []Ended{}
		return false, st.join(m, step, path, p)
	}
	m.then = &Then{Open: open}
	return true, nil
}

func (st *state) items(step *playbooks.Step) ([][]byte, error) {
	v, err := step.Each.List.Eval(st.env())
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, &Fault{Code: "invalid", Message: fmt.Sprintf("for_each got %T, not a list", v)}
	}
	if n := step.Each.Batch; n > 0 {
		var batches []any
		for chunk := range slices.Chunk(list, n) {
			batches = append(batches, slices.Clone(chunk))
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

func (st *state) join(m *move, step *playbooks.Step, path string, p *progress) error {
	if st.children == nil {
		return fmt.Errorf("step %s: claimed before its children had ended", path)
	}
	children := st.children
	st.children = nil
	t := tally{Total: p.count, Items: []json.RawMessage{}}
	vars := map[string]json.RawMessage{}
	var fault *Fault
	stopped := ""
	for _, c := range children {
		r, err := decodeResult(c.Result)
		if err != nil {
			return fmt.Errorf("%s: %w", childPath(path, c.Index), err)
		}
		switch c.Outcome {
		case "succeeded":
			t.Succeeded++
			if len(r.Collect) > 0 {
				t.Items = append(t.Items, r.Collect)
			}
			maps.Copy(vars, r.Vars)
		case "failed":
			t.Failed++
			if fault == nil {
				fault = r.Fault
			}
		case "skipped":
			t.Skipped++
			stopped = "stopped"
		case "rejected":
			t.Rejected++
			stopped = "rejected"
		}
	}
	var out any = t
	if step.Kind == playbooks.Parallel {
		out = vars
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return err
	}
	switch {
	case len(raw) > maxOutput:
		return st.emit(m, fact{Kind: kFailed, Path: path, Fault: tooLarge(path, len(raw))})
	case fault != nil && step.OnError != "continue":
		return st.emit(m, fact{Kind: kFailed, Path: path, Fault: fault})
	}
	if err := st.emit(m, fact{Kind: kDone, Path: path, Out: raw}); err != nil {
		return err
	}
	if step.Kind == playbooks.Parallel && stopped != "" {
		return st.emit(m, fact{Kind: kStopped, Path: path, Status: actions.Status(stopped)})
	}
	return nil
}

// approve asks, waits and takes the outcome.
func (st *state) approve(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	q := p.ask[gateKey]
	if q == nil {
		ask, err := st.gateAsk(step)
		if err != nil {
			return false, st.broken(m, path, err)
		}
		m.task = &task{kind: tAsk, path: path, step: step, ask: ask}
		return true, nil
	}
	outcome, _ := q.outcome(st.now)
	if st.run.planning() {
		outcome = "approved"
	}
	switch {
	case outcome == "":
		st.waitQuestion(m, q, path)
		return true, nil
	case outcome == "approved",
		outcome == "timed_out" && step.Approve.OnTimeout == "approve",
		outcome == "rejected" && step.Approve.OnReject == "continue":
		out, err := json.Marshal(map[string]string{"outcome": outcome})
		if err != nil {
			return false, err
		}
		return false, st.emit(m, fact{Kind: kDone, Path: path, Out: out, Why: outcome})
	case outcome == "timed_out" && step.Approve.OnTimeout == "stop":
		return false, st.emit(m, fact{Kind: kStopped, Path: path, Status: "stopped", Why: "nobody decided in time"})
	}
	return false, st.emit(m, fact{Kind: kStopped, Path: path, Status: "rejected", Why: outcome})
}

// gateKey is the question of an approve step.
const gateKey = "gate"

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
	if a.Targets == nil {
		return ask, nil
	}
	if v, err = a.Targets.Eval(st.env()); err != nil {
		return nil, fmt.Errorf("targets: %w", err)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, &Fault{Code: "invalid", Message: fmt.Sprintf("targets gave %T, not a list", v)}
	}
	for i, item := range list {
		record, _ := item.(map[string]any)
		if a.Field != "" {
			record, _ = record[a.Field].(map[string]any)
		}
		if record == nil {
			return nil, &Fault{Code: "invalid", Message: fmt.Sprintf("target %d is no %s", i, a.Entity)}
		}
		raw, err := playbooks.Encode(record)
		if err != nil {
			return nil, fmt.Errorf("target %d: %w", i, err)
		}
		ask.targets = append(ask.targets, entityOf(a.Entity, record))
		ask.params = append(ask.params, raw)
	}
	return ask, nil
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

package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// state is what the facts of a strand amount to. It is built by applying them
// in order and is the whole input of next, which asks nobody else.
type state struct {
	run    *runContext
	strand string
	above  *state // of the strand that opened this one; nil for the root
	opener *playbooks.Step
	index  int // among its siblings

	frames []frame
	steps  map[string]*progress
	vars   map[string]any
	outs   map[string]any // steps.<id> as expressions see them
	names  map[string]any // the environment
	mine   map[string]any // vars set in this strand

	now      time.Time
	seen     int64
	cancel   Cancel
	lost     bool
	phase    string // "" | on_failure
	fault    *Fault // why the strand failed, or the run is in on_failure
	ending   string // outcome, once nothing more is to be run
	why      string
	children []Ended
}

// frame is a list of steps being run and how far it is.
type frame struct {
	list  []*playbooks.Step
	at    int
	path  string          // prefix of the steps' paths
	block *playbooks.Step // whose list it is; nil for the strand's own
	outer string          // path of block
}

// progress is what is known of one step.
type progress struct {
	begun    bool
	status   string // succeeded | failed | skipped | rejected; "" while under way
	attempt  int    // attempts that failed
	started  time.Time
	finished time.Time
	until    time.Time // not before
	branch   string
	opened   bool
	count    int
	out      json.RawMessage
	why      string
	fault    *Fault
	prepared bool
	effects  []effectState
	entity   *actions.Entity
	target   json.RawMessage // the entity parameter as the step gave it
	ask      map[string]*questionState
}

type effectState struct {
	actions.Effect
	doneBy   time.Time
	until    time.Time
	deadline time.Time
	looks    int
	why      string
	at       time.Time
	held     string // key of the question it waits for, or "frozen"
	// doubt is what is known of an earlier send without a certain answer:
	// not_done where a look did not see it, unknown where none could tell.
	doubt actions.Status
}

type questionState struct {
	Question
	at        time.Time
	decisions []fact
	decidedAt []time.Time
	closed    bool // listed as answered
}

// runContext is what all strands of a run share and never changes.
type runContext struct {
	id    string
	head  RunHead
	start Head
	book  *playbooks.Playbook
	names map[string]any
	own   []string
	gates map[*playbooks.Step][]*playbooks.Step // covered step → gates over it
	due   time.Time                             // the run's deadline; zero: none
}

// planning reports whether effects are only planned.
func (r *runContext) planning() bool { return r.head.Mode != ModeLive }

// newState makes the state of a strand before any fact.
func newState(run *runContext, strand string, above *state, item json.RawMessage) (*state, error) {
	st := &state{
		run: run, strand: strand, above: above,
		steps: map[string]*progress{}, vars: map[string]any{}, outs: map[string]any{},
		names: maps.Clone(run.names), mine: map[string]any{},
	}
	list := run.book.Steps
	prefix := ""
	if above != nil {
		opener, index, err := above.openerOf(strand)
		if err != nil {
			return nil, err
		}
		st.opener, st.index = opener, index
		maps.Copy(st.names, above.names)
		maps.Copy(st.vars, above.vars)
		maps.Copy(st.outs, above.outs)
		prefix = strand + "/"
		if opener.Kind == playbooks.Parallel {
			list = opener.Branches[index : index+1]
		} else {
			list = opener.Steps
			if err := st.bindItem(item); err != nil {
				return nil, err
			}
		}
	}
	st.names["vars"], st.names["steps"] = st.vars, st.outs
	st.frames = []frame{{list: list, path: prefix}}
	return st, nil
}

// openerOf answers the step of this strand that opened the child, and the
// child's number.
func (st *state) openerOf(child string) (*playbooks.Step, int, error) {
	path, index, ok := cutIndex(child)
	if !ok {
		return nil, 0, fmt.Errorf("strand %q: no index", child)
	}
	step, err := findStep(st, path)
	return step, index, err
}

func (st *state) bindItem(item json.RawMessage) error {
	each := st.opener.Each
	t, _ := each.List.Type().Elem()
	if each.Batch > 0 {
		t = playbooks.ListOf(t)
	}
	v, err := t.Decode(item)
	if err != nil {
		return fmt.Errorf("item of %s: %w", st.strand, err)
	}
	st.names[each.As] = v
	if each.Index != "" {
		st.names[each.Index] = st.index
	}
	return nil
}

func (st *state) env() playbooks.Env {
	return playbooks.Env{Names: st.names, Now: st.now, OwnDomains: st.run.own}
}

func (st *state) at(path string) *progress {
	p := st.steps[path]
	if p == nil {
		p = &progress{}
		st.steps[path] = p
	}
	return p
}

// apply takes in a fact that the store keeps.
func (st *state) apply(f Fact) error {
	body, err := decodeFact(f.Body)
	if err != nil {
		return err
	}
	st.seen = max(st.seen, f.N)
	return st.take(body, f.At)
}

// take takes in one fact body that was recorded at a time.
func (st *state) take(f fact, at time.Time) error {
	if f.Kind == kLost {
		st.lost = true
		return nil
	}
	p := st.at(f.Path)
	if !p.begun && f.Kind != kDecision && f.Kind != kResolve {
		p.begun, p.started = true, f.Started
		if p.started.IsZero() {
			p.started = at
		}
	}
	switch f.Kind {
	case kEntered:
		p.branch = f.Branch
	case kSkipped:
		p.status, p.why, p.finished = "skipped", f.Why, at
		st.absent(f.Path)
	case kDone:
		p.status, p.out, p.finished, p.why = "succeeded", f.Out, at, f.Why
		return st.output(f.Path, f.Out)
	case kFailed:
		p.status, p.fault, p.finished = "failed", f.Fault, at
		p.attempt = max(p.attempt, f.Attempt)
		if len(f.Out) > 0 {
			p.out = f.Out
			return st.output(f.Path, f.Out)
		}
		st.absent(f.Path)
	case kRetry:
		p.attempt, p.until, p.fault = f.Attempt, f.Until, f.Fault
		if f.Effect >= 0 && p.prepared && f.Effect < len(p.effects) {
			e := &p.effects[f.Effect]
			e.Status = actions.Planned
			if f.Status != "" {
				e.doubt = f.Status
			}
		}
	case kOpened:
		p.opened, p.count = true, f.Count
	case kPrepared:
		p.prepared, p.out, p.entity, p.target = true, f.Out, f.Entity, f.Target
		p.effects = make([]effectState, len(f.Effects))
		for i, e := range f.Effects {
			p.effects[i] = effectState{Effect: e}
		}
	case kAsked:
		if p.ask == nil {
			p.ask = map[string]*questionState{}
		}
		p.ask[f.Question.Key] = &questionState{Question: *f.Question, at: at}
	case kDecision:
		if q := p.ask[f.Key]; q != nil {
			q.decisions = append(q.decisions, f)
			q.decidedAt = append(q.decidedAt, at)
		}
	case kFailing:
		st.fail(f.Fault)
	case kStopped:
		st.ending, st.why = string(f.Status), f.Why
		if p.status == "" {
			p.status, p.finished, p.why = "rejected", at, f.Why
		}
	default:
		return st.takeEffect(p, f, at)
	}
	return nil
}

// takeEffect takes in a fact about one effect of a step.
func (st *state) takeEffect(p *progress, f fact, at time.Time) error {
	if f.Effect < 0 || f.Effect >= len(p.effects) {
		return fmt.Errorf("fact %s of %s: there is no effect %d", f.Kind, f.Path, f.Effect)
	}
	e := &p.effects[f.Effect]
	e.at = at
	switch f.Kind {
	case kIntent:
		e.Status, e.doneBy, e.held, e.looks = actions.Begun, at.Add(f.DoneIn), "", 0
		e.until, e.deadline = time.Time{}, time.Time{}
	case kOpen:
		e.Status, e.until, e.looks, e.why = actions.Open, f.Until, f.Looks, f.Why
		if !f.Deadline.IsZero() {
			e.deadline = f.Deadline
		}
		if f.Handle != nil {
			e.Handle = f.Handle
		}
	case kHeld:
		e.held, e.why = f.Key, f.Why
	case kResult:
		e.Status, e.why = f.Status, f.Why
		if f.After != nil {
			e.After = f.After
		}
		e.Lost = append(e.Lost, f.Lost...)
	case kResolve:
		e.Status = actions.NotDone
		if f.Happened {
			e.Status = actions.Done
		}
		e.why = "resolved by " + f.By
	default:
		return fmt.Errorf("fact of unknown kind %q: written by a newer version of stanch?", f.Kind)
	}
	return nil
}

// fail turns the root strand to on_failure.
func (st *state) fail(fault *Fault) {
	st.phase, st.fault = "on_failure", fault
	st.names["error"] = map[string]any{"step": fault.Step, "code": fault.Code, "message": fault.Message}
	if run, ok := st.names["run"].(map[string]any); ok {
		run = maps.Clone(run)
		run["failed_step"] = fault.Step
		st.names["run"] = run
	}
	st.frames = []frame{{list: st.run.book.OnFailure, path: "on_failure/"}}
}

// absent makes steps.<id> nil.
func (st *state) absent(path string) {
	if step, err := findStep(st, path); err == nil && step.ID != "" {
		st.outs[step.ID] = nil
	}
}

// output makes what a step gave visible to those after it.
func (st *state) output(path string, out json.RawMessage) error {
	step, err := findStep(st, path)
	if err != nil {
		return err
	}
	if step.Kind == playbooks.Set {
		var values map[string]json.RawMessage
		if err := json.Unmarshal(out, &values); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, b := range step.Set {
			v, err := b.Expr.Type().Decode(values[b.Name])
			if err != nil {
				return fmt.Errorf("%s: %s: %w", path, b.Name, err)
			}
			st.vars[b.Name], st.mine[b.Name] = v, v
		}
		return nil
	}
	if step.Kind == playbooks.Parallel {
		return st.merge(step, path, out)
	}
	if step.ID == "" || len(out) == 0 {
		return nil
	}
	v, err := step.OutputType().Decode(out)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	st.outs[step.ID] = v
	return nil
}

// merge makes what the branches of a parallel step set visible after it.
func (st *state) merge(step *playbooks.Step, path string, out json.RawMessage) error {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(out, &values); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var err error
	playbooks.Walk(step.Branches, func(_ string, s *playbooks.Step) {
		for _, b := range s.Set {
			raw, set := values[b.Name]
			if !set || err != nil {
				continue
			}
			var v any
			if v, err = b.Expr.Type().Decode(raw); err == nil {
				st.vars[b.Name], st.mine[b.Name] = v, v
			}
		}
	})
	return err
}

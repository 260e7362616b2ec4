package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// state is what the facts of a strand amount to. It is built by applying them
// in order and is the whole input of next, which asks nobody else.
type state struct {
	run    *runContext
	strand string
	prefix string // of the paths of its steps
	static string // the same without indices
	above  *state // of the strand that opened this one; nil for the root
	opener *playbooks.Step
	index  int // among its siblings

	frames []frame
	steps  map[string]*progress
	vars   map[string]any
	outs   map[string]any // steps.<id> as expressions see them
	names  map[string]any // the environment
	mine   map[string]any // vars set in this strand
	gates  map[string]gateVerdict

	now      time.Time
	seen     int64
	cancel   Cancel
	lost     bool
	late     bool   // the run's time no longer matters: it is in on_failure
	phase    string // "" | on_failure, of the root
	fault    *Fault // why the strand failed, or the run is in on_failure
	ending   string // outcome, once nothing more is to be run
	why      string
	given    json.RawMessage // the outputs of the run
	planned  bool            // in a plan: effects would have been done by now
	children []Ended
	open     *progress    // of the step whose effect was begun last
	fresh    *effectState // held by a fact that no store has yet
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
	step     *playbooks.Step
	path     string
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

	await        *awaited  // the messages it is registered for
	mail         *Message  // the one that it took
	looked       time.Time // when the box was last looked into; zero: since something came, not
	unregistered bool
}

type effectState struct {
	actions.Effect
	until    time.Time // nobody looks before
	deadline time.Time
	looks    int
	sent     int // intents
	failures int // of attempts, by which something was used up
	doubt    doubt
	why      string
	at       time.Time
	n        int64         // number of the last fact about it
	begun    time.Time     // when its last intent was recorded
	lasts    time.Duration // from then on; 0: until it is undone
	ends     time.Time     // when undoRun takes it back
	undoRun  string
	held     string // key of the question it waits for, or "frozen"
}

// without answers what an effect is that certainly did not happen this time: if
// it may have happened before, nobody can tell.
func (e *effectState) without(s actions.Status) actions.Status {
	if e.doubt == cannotSay {
		return actions.Unknown
	}
	return s
}

// settled reports whether what became of the effect is certain.
func (e *effectState) settled() bool {
	switch e.Status {
	case actions.Begun, actions.Open, actions.Unknown:
		return false
	}
	return true
}

// runContext is what all strands of a run share and never changes.
type runContext struct {
	id      string
	head    RunHead
	start   Head
	book    *playbooks.Playbook
	outline *outline
	names   map[string]any
	own     []string
	due     time.Time // the run's deadline; zero: none
}

// planning reports whether effects are only planned.
func (r *runContext) planning() bool { return r.head.Mode != ModeLive }

// newState makes the state of a strand before any fact.
func newState(run *runContext, strand string, above *state, item json.RawMessage) (*state, error) {
	st := &state{run: run, strand: strand, above: above, steps: map[string]*progress{}, mine: map[string]any{}}
	if above == nil {
		if strand != "" {
			return nil, fmt.Errorf("strand %q: nothing is known of the strand around it", strand)
		}
		st.vars, st.outs, st.names = map[string]any{}, map[string]any{}, maps.Clone(run.names)
		st.names["vars"], st.names["steps"] = st.vars, st.outs
		st.frames = []frame{{list: run.book.Steps}}
		return st, nil
	}
	path, index, ok := cutIndex(strand)
	step := above.lookup(path)
	if !ok || step == nil {
		return nil, fmt.Errorf("playbook %s has no strand %q", run.book.ID, strand)
	}
	st.opener, st.index = step, index
	st.prefix = strand + "/"
	st.static = above.static + path[len(above.prefix):] + "/"
	st.late, st.planned = above.late || above.phase != "", above.planned
	st.names, st.vars, st.outs = maps.Clone(above.names), maps.Clone(above.vars), maps.Clone(above.outs)
	list := step.Steps
	switch step.Kind {
	case playbooks.Parallel:
		if index >= len(step.Branches) {
			return nil, fmt.Errorf("playbook %s has no strand %q", run.book.ID, strand)
		}
		list = step.Branches[index : index+1]
	case playbooks.ForEach:
		if err := st.bindItem(item); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("playbook %s has no strand %q", run.book.ID, strand)
	}
	st.names["vars"], st.names["steps"] = st.vars, st.outs
	st.frames = []frame{{list: list, path: st.prefix}}
	return st, nil
}

// lookup answers the step of this strand at a path, or nil.
func (st *state) lookup(path string) *playbooks.Step {
	if st.strand == "" {
		return st.run.outline.steps[path]
	}
	rest, ok := strings.CutPrefix(path, st.prefix)
	if !ok {
		return nil
	}
	return st.run.outline.steps[st.static+rest]
}

func (st *state) bindItem(item json.RawMessage) error {
	each := st.opener.Each
	t := itemType(each.List.Type())
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

// itemType is the type of what a loop over t takes one by one.
func itemType(t playbooks.Type) playbooks.Type {
	elem, ok := t.Elem()
	switch {
	case t.IsMap():
		return playbooks.RecordOf("", playbooks.TypeField{Name: "key", Type: playbooks.StringType()}, playbooks.TypeField{Name: "value", Type: elem})
	case !ok:
		return playbooks.AnyType()
	}
	return elem
}

func (st *state) env() playbooks.Env {
	return playbooks.Env{Names: st.names, Now: st.now, OwnDomains: st.run.own}
}

// at answers what is known of the step at a path. The path must be one of the
// strand's.
func (st *state) at(path string) *progress {
	p := st.steps[path]
	if p == nil {
		p = &progress{step: st.lookup(path), path: path}
		st.steps[path] = p
	}
	return p
}

// durable tells the state that the store has all that was told to it.
func (st *state) durable() { st.fresh = nil }

// verdict answers what came of the approve step at a static path, as steps
// behind it in this strand, or below, see it.
func (st *state) verdict(gate string) gateVerdict {
	for s := st; s != nil; s = s.above {
		if rest, ok := strings.CutPrefix(gate, s.static); ok {
			v := gateVerdict{Path: gate}
			v.Outcome, v.Question = s.gate(gate, rest)
			return v
		}
	}
	return gateVerdict{Path: gate, Outcome: notAsked}
}

func (st *state) gate(gate, rest string) (string, *Question) {
	p := st.steps[st.prefix+rest]
	if p == nil || p.status == "" {
		if v, ok := st.gates[gate]; ok {
			return v.Outcome, v.Question
		}
		return st.passedBy(rest), nil
	}
	q := p.ask[gateKey]
	switch {
	case p.status == "skipped":
		return notNeeded, nil
	case q == nil || p.status == "failed":
		return notAsked, nil
	case p.status == "succeeded":
		return p.why, &q.Question
	}
	return "rejected", &q.Question
}

// passedBy tells a gate that the run did not need, because the condition of a
// block around it was false, from one that it did not get to.
func (st *state) passedBy(rest string) string {
	for i := 0; i < len(rest); {
		end := partEnd(rest, i)
		p := st.steps[st.prefix+rest[:end]]
		i = end + 1
		if p == nil {
			continue // a part that names no step
		}
		inElse := strings.HasPrefix(rest[min(i, len(rest)):], "else/")
		if p.status == "skipped" || p.branch != "" && inElse != (p.branch == "else") {
			return notNeeded
		}
	}
	return notAsked
}

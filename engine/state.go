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

	takes bool   // it continues a strand of the run before
	was   string // prefix of the paths that its steps have there

	outline *outline // of the playbook that it runs
	limits  []limit  // of the time of what is around the strand, the innermost first
	shelter bool     // something around it is a finally: it runs on when the run is cancelled

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
	marked   time.Time // since when it is known that the run is cancelled
	lost     bool
	asked    bool      // its trigger, whether a run that was queued is still wanted
	due      time.Time // of the run, or of what is called: its timeout
	phase    string    // "" | on_failure | finally, of the run or of what is called
	came     outcome   // in finally: how it ended before; in on_failure: why it failed
	ending   ending    // how the strand ends, once nothing more is to be run
	fault    *Fault    // why it failed
	why      string
	given    json.RawMessage // the outputs of the run, or of what is called
	late     bool            // its time, or that of something around it, was over
	planned  bool            // in a plan: effects would have been done by now
	children []Ended
	open     *progress    // of the step whose effect was begun last
	fresh    *effectState // held by a fact that no store has yet
}

// frame is a list of steps being run and how far it is.
type frame struct {
	list []*playbooks.Step
	at   int
	path string    // prefix of the steps' paths
	of   *progress // the step that it belongs to; nil for the strand's own
	part string    // "" for the body | on_error | finally; of a playbook also on_failure
}

// progress is what is known of one step.
type progress struct {
	step     *playbooks.Step
	path     string
	begun    bool
	part     string  // on_error | finally, once the body has ended and while they run
	came     outcome // how its body ended, and with on_error it so far
	rescued  bool    // its on_error was begun
	status   string  // succeeded | failed | skipped | rejected | cancelled; "" while under way
	exit     ending  // how the list ends that it stands in; "": it goes on
	forced   bool    // failed, whatever the on_error around say
	attempt  int     // attempts that failed
	started  time.Time
	finished time.Time
	until    time.Time // not before
	next     string    // what comes then; "": the next attempt
	deadline time.Time // of all of it
	branch   string
	opened   bool
	count    int
	round    int
	turn     string // of a repeat in a plan: what the last turn left
	waits    bool
	out      json.RawMessage
	why      string
	fault    *Fault
	prepared bool
	effects  []effectState
	entity   *actions.Entity
	target   json.RawMessage // the entity parameter as the step gave it
	ask      map[string]*questionState

	anew   bool      // it is not kept after all
	keptOf string    // the run in which it was done, of a step that is kept
	had    had       // the effects that it had there
	brings *branches // what the steps inside it set and found there

	undo         *undo     // of a rollback
	await        *awaited  // the messages it is registered for
	mail         *Message  // the one that it took
	looked       time.Time // when the box was last looked into; zero: since something came, not
	unregistered bool
}

type effectState struct {
	actions.Effect
	until    time.Time // nobody looks before
	deadline time.Time
	awaits   string // it has happened, and this is waited for
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
	drawn    int    // on so many budgets, before it had to wait
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

// runContext is what all strands of a run share and never changes, and what was
// found out of it.
type runContext struct {
	id      string
	head    RunHead
	start   Head
	book    *playbooks.Playbook
	outline *outline
	names   map[string]any
	own     []string
	due     time.Time // the run's deadline; zero: none
	undoing func(undo) *outline
	kept    *kept // what it takes over from the run that it retries
	items   *items
}

// capped is the run in whose name caps are taken: a retry has those of the run
// that it retries, so that none is passed by trying again.
func (r *runContext) capped() string {
	if r.start.First != "" {
		return r.start.First
	}
	return r.id
}

// planning reports whether effects are only planned.
func (r *runContext) planning() bool { return r.head.Mode != ModeLive }

// beganAt is when the first of the runs began that retry each other: a message
// that came since is for what that one asked for.
func (r *runContext) beganAt() time.Time {
	if r.start.First != "" {
		return r.start.FirstAt
	}
	return r.head.BegunAt
}

// newState makes the state of a strand before any fact.
func newState(run *runContext, strand string, above *state, item json.RawMessage) (*state, error) {
	st := &state{run: run, strand: strand, above: above, outline: run.outline, steps: map[string]*progress{}, mine: map[string]any{}}
	if above == nil {
		if strand != "" {
			return nil, fmt.Errorf("strand %q: nothing is known of the strand around it", strand)
		}
		st.vars, st.outs, st.names = map[string]any{}, map[string]any{}, maps.Clone(run.names)
		st.names["vars"], st.names["steps"] = st.vars, st.outs
		st.due = run.due
		st.frames, st.takes = []frame{{list: run.book.Steps}}, run.kept != nil
		return st, nil
	}
	path, index, ok := cutIndex(strand)
	step := above.lookup(path)
	if !ok || step == nil {
		return nil, fmt.Errorf("playbook %s has no strand %q", run.book.ID, strand)
	}
	st.opener, st.index = step, index
	st.prefix = strand + "/"
	st.outline, st.static = above.outline, above.static+turnless(path[len(above.prefix):])+"/"
	above.seek()
	st.limits, st.shelter = above.limited(), above.sheltered()
	st.marked, st.planned = above.marked, above.planned
	st.continues(item)
	st.names, st.vars, st.outs = maps.Clone(above.names), maps.Clone(above.vars), maps.Clone(above.outs)
	list, err := st.own(item)
	if err != nil {
		return nil, err
	}
	st.names["vars"], st.names["steps"] = st.vars, st.outs
	st.frames = []frame{{list: list, path: st.prefix}}
	return st, nil
}

// own answers the steps of a strand that another opened, and takes in its item.
func (st *state) own(item json.RawMessage) ([]*playbooks.Step, error) {
	switch step := st.opener; step.Kind {
	case playbooks.Parallel:
		if st.index < len(step.Branches) {
			return step.Branches[st.index : st.index+1], nil
		}
	case playbooks.ForEach:
		return step.Steps, st.bindItem(item)
	case playbooks.Call:
		if st.index == 0 {
			return st.called(item)
		}
	case rollback:
		if st.index == 0 {
			return st.undoes()
		}
	}
	return nil, fmt.Errorf("playbook %s has no strand %q", st.run.book.ID, st.strand)
}

// lookup answers the step of this strand at a path, or nil.
func (st *state) lookup(path string) *playbooks.Step {
	rest, ok := strings.CutPrefix(path, st.prefix)
	if !ok {
		return nil
	}
	return st.outline.steps[st.static+turnless(rest)]
}

// whole reports whether the strand runs a playbook: the run's, or one that is
// called, or an undo.
func (st *state) whole() bool {
	return st.above == nil || st.opener.Kind == playbooks.Call || st.opener.Kind == rollback
}

func (st *state) bindItem(item json.RawMessage) error {
	each := st.opener.Each
	t := itemType(each.List.Type())
	if each.Batch > 0 {
		t = playbooks.ListOf(t)
	}
	v, err := st.run.items.decode(st.strand, t, item)
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

func (st *state) applyAll(facts []Fact) error { return st.applyEach(facts, watch{}) }

// watch is called back while facts are taken in, as far as it asks to be.
type watch struct {
	before func(*state, fact)      // each fact
	after  func(*state, *progress) // each fact of a step
}

// applyEach takes in facts while somebody watches.
func (st *state) applyEach(facts []Fact, w watch) error {
	watched := w.before != nil || w.after != nil
	for _, f := range facts {
		var body fact
		if watched {
			var err error
			if body, err = decodeFact(f.Body); err != nil {
				return err
			}
		}
		if w.before != nil {
			w.before(st, body)
		}
		if err := st.apply(f); err != nil {
			return err
		}
		if p := st.steps[body.Path]; p != nil && w.after != nil {
			w.after(st, p)
		}
	}
	st.durable()
	return nil
}

package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"stanch/playbooks"
)

// A run that retries another takes over what had succeeded there: it is given to
// it at its beginning, as its edition is, so that what a strand keeps follows
// from what the run was begun with. A step that is kept is one fact: with its
// output, what it set, and the effects that it had.

// docKept is the kind of document that a run takes over from; its key is its
// digest.
const docKept = "kept"

// kept is what a run takes over from the one that it retries.
type kept struct {
	Of    string            `json:"of"`
	Steps map[string]fact   `json:"steps"` // by the step's path there
	Items map[string]string `json:"items"` // what the strands there began with, by their paths

	inside map[string]bool // paths in which something is kept
}

// had are the ids of effects by the run in which they were done.
type had map[string][]string

// all answers the ids, in an order that is always the same.
func (h had) all() []string {
	var ids []string
	for _, run := range slices.Sorted(maps.Keys(h)) {
		ids = append(ids, h[run]...)
	}
	return ids
}

// readKept makes what a run takes over from its document.
func readKept(body []byte) (*kept, error) {
	k := &kept{inside: map[string]bool{}}
	if err := json.Unmarshal(body, k); err != nil {
		return nil, err
	}
	for path, f := range k.Steps {
		if err := f.whole(); err != nil || f.Kind != kKept {
			return nil, fmt.Errorf("what is kept of %s is no such fact: %w", path, err)
		}
		for _, around := range around(path) {
			k.inside[around] = true
		}
	}
	return k, nil
}

// around answers a path and every path that it leads through.
func around(path string) []string {
	var all []string
	for i := range len(path) {
		if c := path[i]; c == '/' || c == '[' || c == '#' {
			all = append(all, path[:i])
		}
	}
	return append(all, path)
}

// begunWith names what a child strand of a step began with: one with another
// item continues nothing, and does all of it.
func begunWith(step *playbooks.Step, item []byte) string {
	switch step.Kind {
	case playbooks.Parallel:
		return "a branch"
	case playbooks.Call:
		var called callItem
		if json.Unmarshal(item, &called) != nil {
			return ""
		}
		item = called.Params // when its time is over is another thing
	}
	sum := sha256.Sum256(item)
	return hex.EncodeToString(sum[:16])
}

// continues says which strand of the run before this one takes over from: the
// one at its place, if it began with the same.
func (st *state) continues(item []byte) {
	if before := st.above.before(st.strand); before != "" {
		what, began := st.run.kept.Items[before]
		st.takes, st.was = began && what == begunWith(st.opener, item), before+"/"
	}
}

// before is the path that a path of this strand has in the run before; "" where
// it continues none.
func (st *state) before(path string) string {
	if st.run.kept == nil || !st.takes {
		return ""
	}
	return st.was + path[len(st.prefix):]
}

// keeps answers the fact by which the step at a path is taken over, if it is.
func (st *state) keeps(path string) (fact, bool) {
	before := st.before(path)
	if before == "" {
		return fact{}, false
	}
	f, ok := st.run.kept.Steps[before]
	f.Path = path
	return f, ok
}

// keepsIn reports whether anything is kept inside a path.
func (st *state) keepsIn(path string) bool {
	before := st.before(path)
	return before != "" && st.run.kept.inside[before]
}

// keep takes a step over, if it is kept. It answers true twice when that is to
// be looked at first: what it did may have been taken back since.
func (st *state) keep(m *move, step *playbooks.Step, path string, p *progress) (kept, wait bool, err error) {
	f, ok := st.keeps(path)
	switch {
	case !ok || p.anew:
		return false, false, nil
	case len(f.Had) == 0:
		return true, false, st.emit(m, f)
	}
	m.task = &task{kind: tKeep, path: path, step: step}
	return true, true, nil
}

// keep records that a step is taken over, unless one of the effects that it had
// was taken back since: then it is done anew.
func (h *holding) keep(work context.Context, t *task) error {
	f, ok := h.st.keeps(t.path)
	if !ok {
		return fmt.Errorf("step %s: nothing of it is kept", t.path)
	}
	backoff, effects := pause(), f.Had.all()
	for i := 0; i < len(effects); {
		is, err := h.e.isUndone(work, effects[i])
		switch {
		case err == nil && is:
			return h.record(fact{Kind: kAnew, Path: t.path, Why: "what it did in run " + f.Run + " was taken back"})
		case err == nil:
			i++
			continue
		}
		h.e.log.Warn("it cannot be read whether an effect was taken back; waiting", "run", h.lease.Run, "step", t.path, "error", err)
		if d, _ := backoff.Next(); !sleep(work, d) {
			return ErrLeaseLost // or the worker ends: nothing is to be recorded
		}
	}
	return h.record(f)
}

// takenOver takes in that a step is kept.
func (st *state) takenOver(p *progress, f fact) error {
	if f.Fault == nil {
		if err := st.output(p, f.Out); err != nil {
			return err
		}
	}
	if f.Brings != nil {
		if err := st.bring(p.step, f.Brings); err != nil {
			return &outputError{fmt.Errorf("what %s gave: %w", p.path, err)}
		}
	}
	p.keptOf, p.had, p.brings, p.out, p.fault, p.rescued = f.Run, f.Had, f.Brings, f.Out, f.Fault, f.Fault != nil
	p.why = "kept from run " + f.Run
	return nil
}

// bring makes what the steps inside one set and found visible behind it.
func (st *state) bring(step *playbooks.Step, b *branches) error {
	errs := []error{}
	inner(step, func(s *playbooks.Step, brief bool) {
		errs = append(errs, st.assign(s.Set, b.Vars))
		raw, given := b.Steps[s.ID]
		if s.ID == "" || !given || brief {
			return
		}
		v, err := s.OutputType().Decode(raw)
		st.outs[s.ID] = v
		errs = append(errs, err)
	})
	return errors.Join(errs...)
}

// inner visits the steps inside one that share what they set with it.
func inner(step *playbooks.Step, visit func(s *playbooks.Step, brief bool)) {
	if step.Kind != playbooks.ForEach {
		visitSame(step.Steps, step.Kind == playbooks.Repeat, visit)
	}
	visitSame(step.Else, false, visit)
	visitSame(step.Branches, false, visit)
	visitSame(step.Rescue, false, visit)
	visitSame(step.Finally, false, visit)
}

// kept answers what a run takes over.
func (e *Engine) kept(ctx context.Context, digest string) (*kept, error) {
	doc, err := e.docs.Get(ctx, docKept, digest)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("what it keeps, %s: %w", digest, err)
	case err != nil:
		return nil, fmt.Errorf("%w: what it keeps, %s: %w", errUnanswered, digest, err)
	}
	k, err := readKept(doc.Body)
	if err != nil {
		return nil, fmt.Errorf("what it keeps, %s: %w", digest, err)
	}
	return k, nil
}

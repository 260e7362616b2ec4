package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"stanch/actions"
	"stanch/playbooks"
)

// keeping finds out what of a run is kept by the one that retries it.
type keeping struct {
	of      string
	states  []strandState
	brings  map[*progress]*branches
	anew    map[string]bool          // steps of the playbook's own list
	tidies  map[*playbooks.Step]bool // steps that tidy up, and those inside
	outside map[*state]bool          // strands of such steps
	failed  map[string]bool          // paths in which something did not end well
	undone  map[string]bool          // paths in which something was taken back
	had     map[string]had           // the effects that stand, by the path of their step
	whole   map[*state]bool          // strands of which all is kept
}

// keepable answers what of a run that has ended is kept by one that retries it.
func (e *Engine) keepable(ctx context.Context, record RunRecord, from string) (*kept, error) {
	k := &keeping{
		of: record.ID, brings: map[*progress]*branches{}, tidies: map[*playbooks.Step]bool{}, outside: map[*state]bool{},
		failed: map[string]bool{}, undone: map[string]bool{}, had: map[string]had{}, whole: map[*state]bool{},
	}
	var bad error
	var err error
	k.states, err = e.replay(ctx, record, watch{after: func(st *state, p *progress) {
		if _, known := k.brings[p]; known || p.status == "" {
			return
		}
		b, err := st.brought(p)
		if err != nil && bad == nil {
			bad = fmt.Errorf("run %s: what %s gave: %w", record.ID, p.path, err)
		}
		k.brings[p] = b
	}})
	switch {
	case err != nil:
		return nil, err
	case bad != nil:
		return nil, bad
	case len(k.states) == 0:
		return nil, fmt.Errorf("run %s: it has no strands", record.ID)
	case len(unknownIn(k.states)) > 0:
		return nil, e.stillAlive(ctx, record)
	}
	root := k.states[0].st
	if k.anew, err = firstAnew(root, from); err != nil {
		return nil, err
	}
	k.tidying(root.outline.book, map[*playbooks.Playbook]bool{})
	if err := k.look(ctx, e); err != nil {
		return nil, err
	}
	return k.kept(), nil
}

// brought answers what the steps inside one have set and found by now; nil if
// there are none that it shares that with.
func (st *state) brought(p *progress) (*branches, error) {
	if p.step.Kind != playbooks.Block && p.step.Kind != playbooks.Repeat && len(p.step.Rescue)+len(p.step.Finally) == 0 {
		return nil, nil
	}
	b := &branches{Vars: map[string]json.RawMessage{}, Steps: map[string]json.RawMessage{}}
	var errs []error
	keep := func(into map[string]json.RawMessage, name string, v any) {
		raw, err := playbooks.Encode(v)
		errs, into[name] = append(errs, err), raw
	}
	inner(p.step, func(s *playbooks.Step, brief bool) {
		for _, set := range s.Set {
			if v, is := st.mine[set.Name]; is {
				keep(b.Vars, set.Name, v)
			}
		}
		if v := st.outs[s.ID]; s.ID != "" && !brief && v != nil {
			keep(b.Steps, s.ID, v)
		}
	})
	return b, errors.Join(errs...)
}

// tidying finds the steps that tidy up, in a playbook and those that it calls.
func (k *keeping) tidying(book *playbooks.Playbook, known map[*playbooks.Playbook]bool) {
	if known[book] {
		return
	}
	known[book] = true
	var visit func(list []*playbooks.Step, tidies bool)
	visit = func(list []*playbooks.Step, tidies bool) {
		for _, s := range list {
			k.tidies[s] = tidies
			visit(s.Steps, tidies)
			visit(s.Else, tidies)
			visit(s.Branches, tidies)
			visit(s.Rescue, true)
			visit(s.Finally, true)
			if s.Call != nil && s.Call.Book != nil {
				k.tidying(s.Call.Book, known)
			}
		}
	}
	visit(book.Steps, false)
	visit(book.OnFailure, true)
	visit(book.Finally, true)
}

// look finds the places where something did not end well, or was taken back
// since, and the effects that stand. A step whose children a cancel kept from
// beginning ended well only by its name.
func (k *keeping) look(ctx context.Context, e *Engine) error {
	children := map[string]int{}
	for _, s := range k.states {
		step, _, _ := cutIndex(s.record.Path)
		children[step]++
	}
	for _, s := range k.states {
		above := s.st.above
		k.outside[s.st] = above != nil && (k.outside[above] || k.tidies[s.st.opener] || s.st.opener.Kind == rollback)
		if out := s.record.Ended; out != nil && !k.outside[s.st] && endedBadly(out.Outcome) {
			mark(k.failed, s.record.Path)
		}
		for path, p := range s.st.steps {
			if !k.outside[s.st] && !k.tidies[p.step] && p.step.Kind != rollback && (endedBadly(p.status) || p.begun && p.status == "" || p.opened && children[path] != p.count) {
				mark(k.failed, path)
			}
			if err := k.lookAt(ctx, e, path, p); err != nil {
				return err
			}
		}
	}
	for _, s := range k.states {
		out := s.record.Ended
		k.whole[s.st] = s.st.above != nil && out != nil && !endedBadly(out.Outcome) && !k.failed[s.record.Path] && !k.undone[s.record.Path]
	}
	return nil
}

// lookAt looks whether the effects of a step stand, those too that it kept.
func (k *keeping) lookAt(ctx context.Context, e *Engine, path string, p *progress) error {
	stands := had{}
	maps.Copy(stands, p.had)
	for _, eff := range p.effects {
		if eff.Status == actions.Done && eff.Undoes == "" {
			stands[k.of] = append(stands[k.of], eff.ID)
		}
	}
	for _, id := range stands.all() {
		is, err := e.isUndone(ctx, id)
		if err != nil {
			return err
		}
		if is {
			mark(k.undone, path)
		}
	}
	if len(stands) > 0 {
		k.had[path] = stands
	}
	return nil
}

func endedBadly(status string) bool {
	return status == "failed" || status == "rejected" || status == "cancelled"
}

// mark marks a path and every path that it leads through.
func mark(places map[string]bool, path string) {
	for _, p := range around(path) {
		places[p] = true
	}
}

// keeps reports whether a step is kept, with all inside it.
func (k *keeping) keeps(st *state, p *progress) bool {
	step := p.step
	switch {
	case k.outside[st], k.tidies[step], step.Kind == rollback, p.exit != "", k.undone[p.path]:
		return false
	case st.above == nil && k.anew[around(p.path)[0]]:
		return false
	case step.Kind == playbooks.Approve:
		return p.status == "succeeded" && k.whole[st] && bindsWithin(step, stepsOf(st.strandList()), st.opener.Kind != playbooks.Parallel)
	case p.rescued:
		return p.status == "failed" && k.asksWithin(step)
	}
	return p.status == "succeeded" && !k.failed[p.path] && k.asksWithin(step)
}

// asksWithin reports whether the approvals inside a step are about nothing but
// what is inside it, so that none has to be asked again.
func (k *keeping) asksWithin(step *playbooks.Step) bool {
	inside := stepsOf([]*playbooks.Step{step})
	for s := range inside {
		if s.Kind == playbooks.Approve && !bindsWithin(s, inside, step.Kind == playbooks.ForEach || step.Kind == playbooks.Call) {
			return false
		}
	}
	return true
}

// bindsWithin reports whether an approval covers steps among these only. One
// that covers none by name may be about anything that comes behind it, unless
// nothing behind can know of it.
func bindsWithin(gate *playbooks.Step, inside map[*playbooks.Step]bool, apart bool) bool {
	for _, covered := range gate.Approve.Covers {
		if !inside[covered] {
			return false
		}
	}
	return apart || len(gate.Approve.Covers) > 0
}

// stepsOf answers all steps of lists, those of what is called too.
func stepsOf(lists ...[]*playbooks.Step) map[*playbooks.Step]bool {
	all := map[*playbooks.Step]bool{}
	var add func(_ string, s *playbooks.Step)
	add = func(_ string, s *playbooks.Step) {
		known := all[s]
		if all[s] = true; !known && s.Call != nil && s.Call.Book != nil {
			s.Call.Book.Walk(add)
		}
	}
	for _, list := range lists {
		playbooks.Walk(list, add)
	}
	return all
}

// strandList answers the steps of a strand that another opened.
func (st *state) strandList() []*playbooks.Step {
	switch st.opener.Kind {
	case playbooks.Parallel:
		return st.opener.Branches[st.index : st.index+1]
	case playbooks.ForEach:
		return st.opener.Steps
	}
	return st.outline.book.Steps
}

// kept answers what is kept: the outermost steps, and what the strands began
// with in which there may be some.
func (k *keeping) kept() *kept {
	steps := map[string]fact{}
	for _, s := range k.states {
		for path, p := range s.st.steps {
			if !k.keeps(s.st, p) {
				continue
			}
			f := fact{Kind: kKept, Out: p.out, Run: k.of, Brings: k.brings[p]}
			if p.keptOf != "" {
				f.Run = p.keptOf
			}
			if p.status == "failed" {
				f.Fault = p.fault
			}
			steps[path] = f
		}
	}
	out := &kept{Of: k.of, Steps: map[string]fact{}, Items: map[string]string{}}
	outermost := func(path string) string {
		for _, p := range around(path) {
			if _, is := steps[p]; is {
				return p
			}
		}
		return ""
	}
	for path, f := range steps {
		if outermost(path) == path {
			out.Steps[path] = f
		}
	}
	for _, path := range slices.Sorted(maps.Keys(k.had)) {
		if at := outermost(path); at != "" {
			f := out.Steps[at]
			if f.Had == nil {
				f.Had = had{}
			}
			for run, ids := range k.had[path] {
				f.Had[run] = append(f.Had[run], ids...)
			}
			out.Steps[at] = f
		}
	}
	for _, s := range k.states {
		if s.st.above != nil && !k.outside[s.st] && outermost(s.record.Path) == "" {
			out.Items[s.record.Path] = begunWith(s.st.opener, s.record.Item)
		}
	}
	return out
}

package engine

import (
	"stanch/playbooks"
)

// The parts of a path under which steps stand that are not the body of what is
// around them.
const (
	onError   = "on_error"   // of a step
	onFailure = "on_failure" // of a playbook
	finally   = "finally"    // of a step, or of a playbook
)

// outline is a playbook with what would else be looked for again and again:
// steps by their static paths, their places in the file, and the approvals over
// each step.
type outline struct {
	book  *playbooks.Playbook
	undo  *undo // of an undo's edition
	steps map[string]*playbooks.Step
	paths map[*playbooks.Step]string
	place map[string]int
	gates map[*playbooks.Step][]*playbooks.Step // covered step → the gates over it
	calls map[string]*outline                   // of what the call steps call, by their paths
}

func newOutline(book *playbooks.Playbook) *outline {
	return outlineOf(book, map[*playbooks.Playbook]*outline{})
}

// outlineOf makes the outline of a playbook, that of each called one once.
func outlineOf(book *playbooks.Playbook, known map[*playbooks.Playbook]*outline) *outline {
	if o := known[book]; o != nil {
		return o
	}
	o := &outline{
		book: book, steps: map[string]*playbooks.Step{}, paths: map[*playbooks.Step]string{},
		place: map[string]int{}, gates: map[*playbooks.Step][]*playbooks.Step{}, calls: map[string]*outline{},
	}
	known[book] = o
	o.list("", book.Steps)
	o.part(onFailure, book.OnFailure)
	o.part(finally, book.Finally)
	for path, s := range o.steps {
		if s.Kind == playbooks.Call && s.Call != nil && s.Call.Book != nil {
			o.calls[path] = outlineOf(s.Call.Book, known)
		}
	}
	return o
}

func (o *outline) list(prefix string, steps []*playbooks.Step) {
	for _, s := range steps {
		path := prefix + s.Name
		o.note(path, s)
		o.list(path+"/", s.Steps)
		o.part(path+"/else", s.Else)
		o.list(path+"/", s.Branches)
		o.part(path+"/"+onError, s.Rescue)
		o.part(path+"/"+finally, s.Finally)
		if s.OnError == rollback {
			o.note(path+"/"+rollback, rollingBack(s))
		}
	}
}

func (o *outline) part(path string, steps []*playbooks.Step) {
	if len(steps) == 0 {
		return
	}
	o.place[path] = len(o.place)
	o.list(path+"/", steps)
}

func (o *outline) note(path string, s *playbooks.Step) {
	o.steps[path], o.paths[s], o.place[path] = s, path, len(o.place)
	if s.Kind != playbooks.Approve {
		return
	}
	for _, covered := range s.Approve.Covers {
		o.gates[covered] = append(o.gates[covered], s)
	}
}

// find answers the step at a static path, of what is called too, or nil.
func (o *outline) find(path string) *playbooks.Step {
	if s := o.steps[path]; s != nil || len(o.calls) == 0 {
		return s
	}
	for i := partEnd(path, 0); i < len(path); i = partEnd(path, i+1) {
		if in := o.calls[path[:i]]; in != nil {
			return in.find(path[i+1:])
		}
	}
	return nil
}

// placeOf answers where in its file that stands what a path leads to.
func (o *outline) placeOf(path string) int {
	if len(o.calls) > 0 {
		for i := partEnd(path, 0); i < len(path); i = partEnd(path, i+1) {
			if path[i-1] != ']' {
				continue
			}
			if in := o.calls[staticPath(path[:i])]; in != nil {
				return in.placeOf(path[i+1:])
			}
		}
	}
	return o.place[staticPath(path)]
}

// sameStrand visits steps and those inside them that share what they set with
// the list: all but the items of a loop and what is called. What is found in the
// turns of a repeat is seen there only, and brief.
func sameStrand(steps []*playbooks.Step, visit func(s *playbooks.Step, brief bool)) {
	visitSame(steps, false, visit)
}

func visitSame(steps []*playbooks.Step, brief bool, visit func(*playbooks.Step, bool)) {
	for _, s := range steps {
		visit(s, brief)
		if s.Kind != playbooks.ForEach {
			visitSame(s.Steps, brief || s.Kind == playbooks.Repeat, visit)
		}
		visitSame(s.Else, brief, visit)
		visitSame(s.Branches, brief, visit)
		visitSame(s.Rescue, brief, visit)
		visitSame(s.Finally, brief, visit)
	}
}

package engine

import (
	"stanch/playbooks"
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
}

func newOutline(book *playbooks.Playbook) *outline {
	o := &outline{
		book: book, steps: map[string]*playbooks.Step{}, paths: map[*playbooks.Step]string{},
		place: map[string]int{}, gates: map[*playbooks.Step][]*playbooks.Step{},
	}
	note := func(path string, s *playbooks.Step) {
		o.steps[path], o.paths[s], o.place[path] = s, path, len(o.place)
		if s.Kind != playbooks.Approve {
			return
		}
		for _, covered := range s.Approve.Covers {
			o.gates[covered] = append(o.gates[covered], s)
		}
	}
	playbooks.Walk(book.Steps, note)
	o.place[onFailure] = len(o.place)
	playbooks.Walk(book.OnFailure, func(path string, s *playbooks.Step) { note(onFailure+"/"+path, s) })
	return o
}

// onFailure is the part of a path under which the steps of on_failure stand.
const onFailure = "on_failure"

// sameStrand visits steps and those inside them that share what they set with
// the list: all but the items of a loop.
func sameStrand(steps []*playbooks.Step, visit func(*playbooks.Step)) {
	for _, s := range steps {
		visit(s)
		if s.Kind == playbooks.ForEach {
			continue
		}
		sameStrand(s.Steps, visit)
		sameStrand(s.Else, visit)
		sameStrand(s.Branches, visit)
	}
}

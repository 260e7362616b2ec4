package playbooks

import "strconv"

// Walk visits steps and those inside them, in the order of the file, with their
// static paths: contain/0, 5/left, gate/else/0, poll/state, x/on_error/0,
// x/finally/0. Items of loops and turns are not told apart, and a call is not
// entered: what it runs has paths of its own.
func Walk(steps []*Step, visit func(path string, s *Step)) { walk("", steps, visit) }

// Walk visits every step of the playbook: the steps, then those of on_failure
// and of finally, whose paths begin with that word: on_failure/0, finally/0.
func (p *Playbook) Walk(visit func(path string, s *Step)) {
	walk("", p.Steps, visit)
	walk("on_failure/", p.OnFailure, visit)
	walk("finally/", p.Finally, visit)
}

func walk(prefix string, steps []*Step, visit func(string, *Step)) {
	for _, s := range steps {
		path := prefix + s.Name
		visit(path, s)
		walk(path+"/", s.Steps, visit)
		walk(path+"/else/", s.Else, visit)
		walk(path+"/", s.Branches, visit)
		walk(path+"/on_error/", s.Rescue, visit)
		walk(path+"/finally/", s.Finally, visit)
	}
}

// pathWords are parts of paths that name no step.
func pathWords() []string {
	return []string{"else", "on_error", "on_failure", "finally", "rollback"}
}

// stepName is the part of a path that names a step.
func stepName(id string, position int) string {
	if id != "" {
		return id
	}
	return strconv.Itoa(position)
}

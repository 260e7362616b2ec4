package playbooks

import "strconv"

// Walk visits steps and those inside them, in the order of the file, with their
// static paths: contain/0, 5/left, gate/else/0. Items of loops are not told
// apart.
func Walk(steps []*Step, visit func(path string, s *Step)) { walk("", steps, visit) }

func walk(prefix string, steps []*Step, visit func(string, *Step)) {
	for _, s := range steps {
		path := prefix + s.Name
		visit(path, s)
		walk(path+"/", s.Steps, visit)
		walk(path+"/else/", s.Else, visit)
		walk(path+"/", s.Branches, visit)
	}
}

// stepName is the part of a path that names a step.
func stepName(id string, position int) string {
	if id != "" {
		return id
	}
	return strconv.Itoa(position)
}

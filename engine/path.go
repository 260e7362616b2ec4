package engine

import (
	"fmt"
	"strconv"
	"strings"

	"stanch/playbooks"
)

// cutIndex takes the trailing [i] off a path.
func cutIndex(path string) (string, int, bool) {
	open := strings.LastIndexByte(path, '[')
	if open < 0 || !strings.HasSuffix(path, "]") {
		return path, 0, false
	}
	i, err := strconv.Atoi(path[open+1 : len(path)-1])
	return path[:open], i, err == nil
}

func childPath(step string, i int) string { return step + "[" + strconv.Itoa(i) + "]" }

// parentStrand answers the strand that opened this one.
func parentStrand(strand string) (string, bool) {
	path, _, ok := cutIndex(strand)
	if !ok {
		return "", false
	}
	for {
		cut := strings.LastIndexByte(path, '/')
		if cut < 0 {
			return "", true
		}
		path = path[:cut]
		if strings.HasSuffix(path, "]") {
			return path, true
		}
	}
}

// staticPath takes the indices out of a step path.
func staticPath(path string) string {
	var b strings.Builder
	depth := 0
	for _, r := range path {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		default:
			if depth == 0 {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// findStep answers the step at a path of this strand.
func findStep(st *state, path string) (*playbooks.Step, error) {
	return stepAt(st.run.book, path)
}

// stepAt answers the step that a full step path names.
func stepAt(book *playbooks.Playbook, path string) (*playbooks.Step, error) {
	list := book.Steps
	var step *playbooks.Step
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "on_failure" && step == nil:
			list = book.OnFailure
			continue
		case part == "else" && step != nil:
			list = step.Else
			continue
		}
		name, i, indexed := cutIndex(part)
		step = nil
		for _, s := range list {
			if s.Name == name {
				step = s
				break
			}
		}
		if step == nil {
			return nil, fmt.Errorf("playbook %s has no step %q", book.ID, path)
		}
		list = step.Steps
		if indexed && step.Kind == playbooks.Parallel {
			if i >= len(step.Branches) {
				return nil, fmt.Errorf("step %q has no branch %d", path, i)
			}
			list = step.Branches[i : i+1]
		}
	}
	return step, nil
}

// comparePaths orders step paths: numbers as numbers.
func comparePaths(a, b string) int {
	as, bs := strings.FieldsFunc(a, cutPath), strings.FieldsFunc(b, cutPath)
	for i := range min(len(as), len(bs)) {
		if as[i] == bs[i] {
			continue
		}
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		if errX == nil && errY == nil {
			return x - y
		}
		return strings.Compare(as[i], bs[i])
	}
	return len(as) - len(bs)
}

func cutPath(r rune) bool { return r == '/' || r == '[' || r == ']' }

// compareOrder orders step paths as the playbook has them; items by number.
func compareOrder(a, b string, place map[string]int) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(as), len(bs)) {
		if as[i] == bs[i] {
			continue
		}
		x := place[staticPath(strings.Join(as[:i+1], "/"))]
		y := place[staticPath(strings.Join(bs[:i+1], "/"))]
		if x != y {
			return x - y
		}
		return comparePaths(as[i], bs[i])
	}
	return len(as) - len(bs)
}

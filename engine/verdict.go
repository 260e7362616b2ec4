package engine

import (
	"strings"

	"stanch/playbooks"
)

// verdict answers what came of the approve step at a static path, as steps
// behind it in this strand, or below, see it.
func (st *state) verdict(gate string) gateVerdict {
	for s := st; s != nil; s = s.above {
		if rest, ok := strings.CutPrefix(gate, s.static); ok {
			v := gateVerdict{Path: gate}
			v.Outcome, v.Question = s.gate(gate, rest)
			return v
		}
		if s.whole() {
			break
		}
	}
	return gateVerdict{Path: gate, Outcome: notAsked}
}

// overGate is an approval that covers a step, with the strand in whose playbook
// it stands.
type overGate struct {
	gate *playbooks.Step
	in   *state
}

// over answers the approvals that cover a step of this strand: those of its
// playbook, and where that is called, those that cover the call.
func (st *state) over(step *playbooks.Step) []overGate {
	var found []overGate
	for s, covered := st, step; ; {
		for _, gate := range s.outline.gates[covered] {
			found = append(found, overGate{gate, s})
		}
		for !s.whole() {
			s = s.above
		}
		if s.above == nil {
			return found
		}
		covered, s = s.opener, s.above
	}
}

func (st *state) gate(gate, rest string) (string, *Question) {
	p := st.steps[st.placed(rest)]
	if p == nil || p.status == "" && p.part == "" {
		if v, ok := st.gates[gate]; ok {
			return v.Outcome, v.Question
		}
		return st.passedBy(rest), nil
	}
	q := p.ask[gateKey]
	switch {
	case p.status == "skipped":
		return notNeeded, nil
	case q == nil || p.came.ending == failed || p.came.ending == cancelled:
		return notAsked, nil
	case p.came.ending == succeeded:
		return p.why, &q.Question
	}
	return "rejected", &q.Question
}

// placed is the path at which a step of the strand stands now: in the turn that
// is run, or was the last.
func (st *state) placed(rest string) string {
	path := st.prefix + rest
	if strings.IndexByte(rest, '/') < 0 {
		return path
	}
	for i := len(st.prefix); i < len(path); i++ {
		if i = partEnd(path, i); i == len(path) {
			break
		}
		p := st.steps[path[:i]]
		if p != nil && p.round > 0 && !outside(path[i+1:]) {
			turned := turnPath(path[:i], p.round)
			path, i = turned+path[i:], len(turned)
		}
	}
	return path
}

// outside reports whether a path inside a step leads to what is not its body.
func outside(rest string) bool {
	part := rest[:partEnd(rest, 0)]
	return part == onError || part == finally
}

// passedBy tells a gate that the run did not need, because the condition of a
// block around it was false or because nothing failed, from one that it did not
// get to.
func (st *state) passedBy(rest string) string {
	for i := 0; i < len(rest); {
		end := partEnd(rest, i)
		p := st.steps[st.placed(rest[:end])]
		i = end + 1
		if p == nil {
			continue // a part that names no step
		}
		behind := rest[min(i, len(rest)):]
		switch inElse := strings.HasPrefix(behind, "else/"); {
		case p.status == "skipped":
			return notNeeded
		case strings.HasPrefix(behind, onError+"/"):
			if p.status != "" && !p.rescued {
				return notNeeded
			}
		case p.branch != "" && !outside(behind) && inElse != (p.branch == "else"):
			return notNeeded
		}
	}
	return notAsked
}

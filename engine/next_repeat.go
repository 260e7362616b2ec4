package engine

import (
	"encoding/json"
	"fmt"
	"time"

	"stanch/playbooks"
)

// rounds is the output of a repeat.
type rounds struct {
	Rounds int `json:"rounds"`
}

// repeat begins the first turn, and waits for the time of the others. It answers
// true when the move is complete.
func (st *state) repeat(m *move, step *playbooks.Step, path string, p *progress) (bool, error) {
	if p.round > 0 {
		st.waitUntil(m, p.until, fmt.Sprintf("turn %d of %s", p.round, path))
		return true, nil
	}
	due, err := st.deadline(step)
	if err != nil {
		return false, st.broken(m, path, err)
	}
	return false, st.emit(m, fact{Kind: kRound, Path: path, Count: 1, Until: st.now, Due: due})
}

// turned goes on behind a turn: it was the last, or there is another.
func (st *state) turned(m *move, p *progress) error {
	turns := p.step.Repeat
	over := false
	if turns.Until != nil {
		v, err := turns.Until.Eval(st.env())
		if err != nil {
			return st.broken(m, p.path, fmt.Errorf("until: %w", err))
		}
		is, ok := v.(bool)
		if !ok {
			return st.broken(m, p.path, fmt.Errorf("until gave %T, not true or false", v))
		}
		over = is
	}
	switch last := p.round >= turns.Times; {
	case over, last && turns.Until == nil:
		out, err := json.Marshal(rounds{p.round})
		if err != nil {
			return err
		}
		return st.emit(m, fact{Kind: kDone, Path: p.path, Out: out})
	case turns.Until != nil && st.run.planning() && (last || st.left(p.step) == p.turn):
		return st.emit(m, fact{Kind: kSkipped, Path: p.path, Why: NeedsLive + ": its condition is not true yet"})
	case last:
		message := fmt.Sprintf("its condition was false after each of %d turns", p.round)
		return st.emit(m, fact{Kind: kFailed, Path: p.path, Fault: &Fault{Step: p.path, Code: "limit", Message: message}})
	}
	return st.again(m, p)
}

// again makes another turn due.
func (st *state) again(m *move, p *progress) error {
	var every time.Duration
	if !st.run.planning() && !st.keepsIn(turnPath(p.path, p.round+1)) { // waits of a plan take no time, nor those that are over
		var err error
		if every, err = st.duration(p.step.Repeat.Every, 0); err != nil {
			return st.broken(m, p.path, fmt.Errorf("every: %w", err))
		}
	}
	return st.emit(m, fact{Kind: kRound, Path: p.path, Count: p.round + 1, Until: st.now.Add(every), Due: p.deadline})
}

// round takes in that a turn is due.
func (st *state) round(p *progress, f fact) error {
	if p.step.Kind != playbooks.Repeat {
		return fmt.Errorf("fact %s of %s: it is no repeat", f.Kind, f.Path)
	}
	if st.run.planning() && p.round > 0 {
		p.turn = st.left(p.step)
	}
	p.round, p.until, p.deadline = f.Count, f.Until, f.Due
	st.forget(p.step)
	return nil
}

// forget makes what the turns of a repeat found absent again.
func (st *state) forget(step *playbooks.Step) {
	sameStrand(step.Steps, func(s *playbooks.Step, _ bool) {
		if s.ID != "" {
			delete(st.outs, s.ID)
		}
	})
}

// left is what a turn has left, as text: a plan whose turns leave the same would
// go on for ever.
func (st *state) left(step *playbooks.Step) string {
	found := map[string]any{}
	sameStrand(step.Steps, func(s *playbooks.Step, _ bool) {
		if s.ID != "" {
			found[s.ID] = st.outs[s.ID]
		}
	})
	raw, err := playbooks.Encode(map[string]any{"vars": st.vars, "steps": found})
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

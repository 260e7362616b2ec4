package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Cut builds the strands of a record again from every beginning of their facts.
// It answers what disagrees: with itself when decided twice, or with the whole
// once the rest of the facts are known.
func (e *Engine) Cut(ctx context.Context, record RunRecord) ([]string, error) {
	run, err := e.context(ctx, record.RunHead)
	if err != nil {
		return nil, err
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, s := range states {
		whole := fingerprintOf(s.st)
		for cut := range len(s.record.Facts) + 1 {
			var said [2]string
			for i := range said {
				st, err := rebuild(run, s.record.Path, s.st.above, s.record.Item, s.record.Facts[:cut])
				if err != nil {
					return nil, fmt.Errorf("strand %q cut at %d: %w", s.record.Path, cut, err)
				}
				mv, err := st.next()
				said[i] = told(mv, err)
				if st, err = rebuild(run, s.record.Path, s.st.above, s.record.Item, s.record.Facts[:cut]); err != nil {
					return nil, err
				}
				if err := st.applyAll(s.record.Facts[cut:]); err != nil {
					return nil, err
				}
				if got := fingerprintOf(st); got != whole {
					wrong = append(wrong, fmt.Sprintf("strand %q cut at %d:\n%s\nwant\n%s", s.record.Path, cut, got, whole))
				}
			}
			if said[0] != said[1] {
				wrong = append(wrong, fmt.Sprintf("strand %q cut at %d: decided %s and %s", s.record.Path, cut, said[0], said[1]))
			}
		}
	}
	return wrong, nil
}

// WorkAlone claims one strand and drives it until it lets go of it. After every
// move it calls back with what the worker knows of the strand, and with what
// the facts in the store amount to, and those that it has still to settle. It answers false if nothing was due.
func (e *Engine) WorkAlone(ctx context.Context, moved func(strand, live, rebuilt string)) (bool, error) {
	claimed, err := e.store.Claim(ctx, Claim{Worker: "alone", Max: 1, Last: time.Hour})
	if err != nil || len(claimed.Strands) == 0 {
		return false, err
	}
	for s := &claimed.Strands[0]; s != nil; {
		work, grip := e.hold(ctx, s.Lease)
		h, err := e.take(work, *s)
		if err != nil {
			return true, err
		}
		h.grip, h.turn = grip, &turn{since: time.Now()}
		let := false
		for !let {
			if let, s, err = h.step(ctx, ctx, work); err != nil {
				return true, err
			}
			if !let {
				again, err := e.rebuilt(ctx, h)
				if err != nil {
					return true, err
				}
				moved(h.lease.Strand, fingerprintOf(h.st), again)
			}
		}
		e.letGo(grip)
	}
	return true, nil
}

func (e *Engine) rebuilt(ctx context.Context, h *holding) (string, error) {
	record, err := e.store.Run(ctx, h.lease.Run)
	if err != nil {
		return "", err
	}
	states, err := e.states(ctx, record)
	if err != nil {
		return "", err
	}
	for _, s := range states {
		if s.record.Path == h.lease.Strand {
			for _, body := range h.facts {
				if err := s.st.apply(Fact{At: h.storeNow(), Body: body}); err != nil {
					return "", err
				}
			}
			return fingerprintOf(s.st), nil
		}
	}
	return "", ErrNotFound
}

// fingerprintOf is all of a state that decisions follow from.
func fingerprintOf(st *state) string {
	type effect struct {
		Status, Held, Why         string
		Until, Deadline           time.Time
		Looks, Sent, Failed, Left int
		After                     json.RawMessage
	}
	type step struct {
		Status, Branch, Why     string
		Part, Exit, Came        string
		Begun, Opened, Prepared bool
		Forced, Rescued, Waits  bool
		Attempt, Count, Round   int
		Until, Deadline         time.Time
		Out                     json.RawMessage
		Fault                   *Fault
		Effects                 []effect
		Asked                   map[string]string
		KeptOf                  string
		Anew                    bool
		Brings                  *branches
		Had                     had
	}
	st.seek()
	steps := map[string]step{}
	for path, p := range st.steps {
		s := step{
			Status: p.status, Branch: p.branch, Why: p.why, Begun: p.begun, Opened: p.opened, Prepared: p.prepared,
			Part: p.part, Exit: string(p.exit), Came: fmt.Sprint(p.came.ending, p.came.fault, p.came.why), Forced: p.forced, Rescued: p.rescued,
			Waits: p.waits, Round: p.round, Deadline: p.deadline.UTC(),
			Attempt: p.attempt, Count: p.count, Until: p.until.UTC(), Out: p.out, Fault: p.fault, Asked: map[string]string{},
			KeptOf: p.keptOf, Anew: p.anew, Brings: p.brings, Had: p.had,
		}
		for _, e := range p.effects {
			s.Effects = append(s.Effects, effect{string(e.Status), e.held, e.why, e.until.UTC(), e.deadline.UTC(), e.looks, e.sent, e.failures, int(e.doubt), e.After})
		}
		for key, q := range p.ask {
			outcome, by := q.outcome(st.now)
			s.Asked[key] = fmt.Sprint(q.Hash, outcome, by)
		}
		if p.begun || p.status != "" || p.anew {
			steps[path] = s
		}
	}
	raw, err := json.MarshalIndent(map[string]any{
		"steps": steps, "vars": st.vars, "outs": st.outs, "error": st.names["error"], "run": st.names["run"],
		"phase": st.phase, "came": fmt.Sprint(st.came.ending, st.came.fault), "ending": st.ending, "marked": st.marked.UTC(), "lost": st.lost, "planned": st.planned, "gates": st.gates,
	}, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

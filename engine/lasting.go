package engine

import (
	"context"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// An effect with `for` lasts until a run begins that takes it back: an undo of
// just this effect, approved with it. The settlement that records the effect
// begins that run, so neither is there without the other.

// lasts answers how long the effects of a step are to last; 0: until undone.
func (st *state) lasts(step *playbooks.Step) (time.Duration, error) { return st.duration(step.For, 0) }

// lasting answers the task of beginning the undo of an effect that is done and
// does not last, or nil. It comes before everything else, a cancel included.
func (st *state) lasting() *task {
	if st.open == nil {
		return nil
	}
	for i := range st.open.effects {
		if e := &st.open.effects[i]; e.Status == actions.Done && e.lasts > 0 && e.undoRun == "" {
			return &task{kind: tUndoLater, path: st.open.path, step: st.open.step, effect: i}
		}
	}
	return nil
}

// undoLater settles what has come up together with the beginning of the undo. A
// repeat, by whoever comes after a lost worker, finds the run that was begun.
func (h *holding) undoLater(hard context.Context, t *task) error {
	e := &h.st.at(t.path).effects[t.effect]
	until := e.begun.Add(e.lasts)
	document, digest, err := edition{Language: 1, Undo: &undo{Run: h.st.run.id, Effects: []actions.Effect{e.Effect}}}.document()
	if err != nil {
		return err
	}
	begin, err := prepared(Begin{
		Playbook: undoPlaybook, Subject: h.st.run.head.Subject, Dedupe: "for " + e.ID, Edition: digest, Mode: ModeLive,
		After: max(0, until.Sub(h.storeNow())),
	}, Head{Event: h.st.run.start.Event, StartedBy: "run:" + h.st.run.id, Undoes: h.st.run.id})
	if err != nil {
		return err
	}
	s := h.settlement(Then{})
	s.Put = append(s.Put[:len(s.Put):len(s.Put)], document)
	s.Begin = []Begin{begin}
	settled, err := h.try(hard, s)
	if err != nil {
		return err
	}
	if _, _, err := h.settled(settled, Then{}); err != nil {
		return err
	}
	return h.record(fact{Kind: kLasts, Path: t.path, Effect: t.effect, Until: until, Run: settled.Begun[0]})
}

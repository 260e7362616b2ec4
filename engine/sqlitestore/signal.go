package sqlitestore

import (
	"context"
	"fmt"

	"stanch/engine"
)

// Signal tells a run or a strand something: see engine.Store. A cancelled run
// that still waits for its key ends at once: nothing of it has begun. With both
// Cancel and Body, the body becomes a fact of the strand too.
func (s *Store) Signal(ctx context.Context, in engine.Signal) (signalled engine.Signalled, err error) {
	if err = in.Check(); err == nil {
		err = s.act(ctx, func(t *tx) (err error) {
			signalled, err = t.signal(&in)
			return err
		})
	}
	if err != nil {
		return engine.Signalled{}, fmt.Errorf("signal to run %s: %w", in.Run, err)
	}
	return signalled, nil
}

func (t *tx) signal(in *engine.Signal) (engine.Signalled, error) {
	kept, repeated, err := t.answered(in.Request)
	if err != nil {
		return engine.Signalled{}, err
	}
	if repeated {
		return engine.Signalled{At: at(number(&kept)), N: number(&kept)}, nil
	}
	run, err := t.one("SELECT id, status, ended, cancel FROM runs WHERE name = ?", in.Run)
	switch {
	case err != nil:
		return engine.Signalled{}, err
	case run == nil:
		return engine.Signalled{}, engine.ErrNotFound
	case run.int(2) != 0:
		return engine.Signalled{}, engine.ErrEnded
	}
	signalled := engine.Signalled{At: at(t.now)}
	if in.Cancel == "" || len(in.Body) > 0 {
		if signalled.N, err = t.word(run.int(0), in); err != nil {
			return signalled, err
		}
	}
	if err := t.cancel(run, in.Cancel); err != nil {
		return signalled, err
	}
	if err := t.audit(in.Audit); err != nil {
		return signalled, err
	}
	return signalled, t.answer(in.Request, numbers(t.now, signalled.N))
}

// word adds a signal to the facts of a strand and wakes it if it waits.
func (t *tx) word(run int64, in *engine.Signal) (n int64, err error) {
	r, err := t.one("SELECT "+strandColumns+" FROM strands WHERE run = ? AND path = ?", run, in.Strand)
	if err != nil {
		return 0, err
	}
	if r == nil {
		return 0, fmt.Errorf("strand %q: %w", in.Strand, engine.ErrNotFound)
	}
	w := r.strand()
	switch {
	case w.state == stEnded:
		return 0, fmt.Errorf("strand %q has ended: %w", in.Strand, engine.ErrEnded)
	case in.Cancel == "" && in.Seen != engine.AnyVersion && in.Seen != w.n:
		return 0, fmt.Errorf("strand %q has %d facts, not %d: %w", in.Strand, w.n, in.Seen, engine.ErrConflict)
	case w.state == stJoining:
		t.s.known.forget() // its children know it otherwise
	case w.state == stWaiting:
		w.state, w.due, w.at, w.thaw, w.what = stDue, t.now, t.now, 0, ""
		t.woke = true
	}
	tail, err := t.log(entry{kind: logSignal, ref: w.id, prev: w.tail, n: w.n + 1, state: w.state, word: w.what, body: packFacts([][]byte{in.Body})})
	if err != nil {
		return 0, err
	}
	_, err = t.exec("UPDATE strands SET state = ?, due = ?, at = ?, thaw = ?, what = ?, n = ?, tail = ? WHERE id = ?",
		w.state, w.due, w.at, w.thaw, w.what, w.n+1, tail, w.id)
	return w.n + 1, err
}

// cancel marks a run, if the mark says more than the one it has.
func (t *tx) cancel(run row, c engine.Cancel) error {
	if marks(c) <= marks(engine.Cancel(run.text(3))) {
		return nil
	}
	id, status := run.int(0), run.text(1)
	if _, err := t.exec("UPDATE runs SET cancel = ? WHERE id = ?", string(c), id); err != nil {
		return err
	}
	if status == "queued" {
		return t.dequeue(id)
	}
	if _, err := t.log(entry{kind: logRun, ref: id, word: status, body: []byte(c)}); err != nil {
		return err
	}
	if _, err := t.exec("UPDATE strands SET cancel = ? WHERE run = ? AND state < 5", string(c), id); err != nil {
		return err
	}
	return t.wakeWaiting("SELECT id FROM strands WHERE run = ? AND state = 3", id)
}

// dequeue ends a run that has waited for its key.
func (t *tx) dequeue(id int64) error {
	r, err := t.one("SELECT id, n FROM strands WHERE run = ? AND path = ''", id)
	if err != nil {
		return err
	}
	if _, err := t.exec("UPDATE strands SET state = 5, outcome = 'cancelled', at = ? WHERE id = ?", t.now, r.int(0)); err != nil {
		return err
	}
	if _, err := t.log(entry{kind: logStrand, ref: r.int(0), state: stEnded}); err != nil {
		return err
	}
	return t.endRun(id, "cancelled", nil)
}

// wakeWaiting makes waiting strands due.
func (t *tx) wakeWaiting(q string, args ...any) error {
	var ids []int64
	if err := t.each(func(r row) error { ids = append(ids, r.int(0)); return nil }, q, args...); err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := t.exec("UPDATE strands SET state = 1, due = ?, at = ?, thaw = 0, what = '' WHERE id = ?", t.now, t.now, id); err != nil {
			return err
		}
		if _, err := t.log(entry{kind: logStrand, ref: id, state: stDue}); err != nil {
			return err
		}
	}
	t.woke = t.woke || len(ids) > 0
	return nil
}

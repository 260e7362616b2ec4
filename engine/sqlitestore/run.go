package sqlitestore

import (
	"context"
	"fmt"

	"stanch/engine"
)

// stateNames are what engine.StrandRecord and engine.Record call the states.
func stateName(state int64) string {
	switch state {
	case stDue:
		return "due"
	case stLeased:
		return "leased"
	case stJoining:
		return "joining"
	case stEnded:
		return "ended"
	}
	return "waiting"
}

// What the root of a queued run waits for.
const (
	waitsForKey  = "its concurrency key"
	waitsForTime = "its time"
)

// Run answers all that is kept of a run: see engine.Store.
func (s *Store) Run(ctx context.Context, id string) (record engine.RunRecord, err error) {
	err = s.read(ctx, func(c *conn) (err error) {
		record, err = c.runRecord(id)
		return err
	})
	if err != nil {
		return engine.RunRecord{}, fmt.Errorf("run %s: %w", id, err)
	}
	return record, nil
}

func (c *conn) runRecord(name string) (engine.RunRecord, error) {
	r, err := c.one("SELECT "+headColumns+", r.id, r.status, r.cancel, r.ended, r.result FROM runs r JOIN log l ON l.seq = r.id WHERE r.name = ?", name)
	if err != nil {
		return engine.RunRecord{}, err
	}
	if r == nil {
		return engine.RunRecord{}, engine.ErrNotFound
	}
	record := engine.RunRecord{
		RunHead: r.head(), Status: r.text(9), Cancel: engine.Cancel(r.text(10)), EndedAt: at(r.int(11)), Result: r.bytes(12),
	}
	var ids []*strand
	var ended []*engine.Ended
	err = c.each(func(r row) error {
		w := r.strand()
		ids = append(ids, w)
		var e *engine.Ended
		if w.state == stEnded {
			e = &engine.Ended{Index: int(w.idx), Outcome: r.text(22), Result: r.bytes(23)}
		}
		ended = append(ended, e)
		return nil
	}, "SELECT "+strandColumns+", outcome, result FROM strands WHERE run = ? ORDER BY path", r.int(8))
	if err != nil {
		return record, err
	}
	for i, w := range ids {
		st, err := c.strandRecord(w)
		if err != nil {
			return record, err
		}
		st.Ended = ended[i]
		record.Strands = append(record.Strands, st)
	}
	return record, nil
}

func (c *conn) strandRecord(w *strand) (engine.StrandRecord, error) {
	st := engine.StrandRecord{Path: w.path, State: stateName(w.state), On: w.what, Lost: int(w.lost), Seen: w.n}
	switch w.state {
	case stQueued:
		st.On, st.Due = waitsForKey, at(w.due)
		if w.due > 0 {
			st.On = waitsForTime
		}
	case stDue, stLeased, stWaiting:
		st.Due = at(w.due)
	}
	var err error
	if st.Facts, err = c.facts(w.tail, 0); err != nil {
		return st, err
	}
	st.Item, err = c.item(w.window, w.idx)
	return st, err
}

package sqlitestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

// Claim leases due strands: see engine.Store. Only a store that is open for work
// answers it.
func (s *Store) Claim(ctx context.Context, c engine.Claim) (claimed engine.Claimed, err error) {
	if !s.options.Work {
		return claimed, errors.New("claim: the store is not open for work")
	}
	if err := c.Check(); err != nil {
		return claimed, fmt.Errorf("claim: %w", err)
	}
	err = s.act(ctx, func(t *tx) (err error) {
		claimed, err = t.claim(&c)
		return err
	})
	if err != nil {
		return engine.Claimed{}, fmt.Errorf("claim: %w", err)
	}
	return claimed, nil
}

func (t *tx) claim(c *engine.Claim) (engine.Claimed, error) {
	claimed := engine.Claimed{At: at(t.now)}
	if err := t.sweep(); err != nil {
		return claimed, err
	}
	if err := t.fire(c.Max); err != nil {
		return claimed, err
	}
	if err := t.goOnInTime(c.Max); err != nil {
		return claimed, err
	}
	ids, more, err := t.draw(c)
	if err != nil {
		return claimed, err
	}
	for _, id := range ids {
		st, err := t.lease(id, c.Last)
		if err != nil {
			return claimed, err
		}
		claimed.Strands = append(claimed.Strands, *st)
	}
	f, err := t.frozen()
	if err != nil {
		return claimed, err
	}
	claimed.Frozen = f.on
	t.s.waits.looked(!more)
	if more {
		claimed.NextDue = at(t.now)
		return claimed, nil
	}
	claimed.NextDue, err = t.nextDue()
	return claimed, err
}

// nextDue answers the earliest time that something waits for, or none.
func (t *tx) nextDue() (time.Time, error) {
	next := int64(0)
	for _, q := range []string{
		"SELECT due FROM strands WHERE state IN (2, 3) AND due > 0 ORDER BY due LIMIT 1",
		"SELECT due FROM strands WHERE state = 0 AND due > 0 ORDER BY due LIMIT 1",
	} {
		r, err := t.one(q)
		if err != nil {
			return time.Time{}, err
		}
		if r != nil && (next == 0 || r.int(0) < next) {
			next = r.int(0)
		}
	}
	return at(next), nil
}

// fire makes due what waited for a time that has come, and what lost workers held.
func (t *tx) fire(limit int) error {
	var due []row
	err := t.each(func(r row) error {
		due = append(due, append(row(nil), r...))
		return nil
	}, "SELECT id, state FROM strands WHERE state IN (2, 3) AND due > 0 AND due <= +? ORDER BY due, id LIMIT +?", t.now, int64(max(2*limit, 64)))
	if err != nil {
		return err
	}
	for _, r := range due {
		q := "UPDATE strands SET state = 1, token = '', lost = lost + 1, due = ? WHERE id = ?"
		if r.int(1) == stWaiting {
			q = "UPDATE strands SET state = 1, at = ?, what = '', thaw = 0 WHERE id = ?"
		}
		if _, err := t.exec(q, t.now, r.int(0)); err != nil {
			return err
		}
		if r.int(1) == stWaiting {
			if _, err := t.log(entry{kind: logStrand, ref: r.int(0), state: stDue}); err != nil {
				return err
			}
		}
	}
	return nil
}

// draws is the order in which lanes are drawn: 8:4:2:1.
const draws = "010201030102010"

// draw answers due strands, as many as a claim has room for, and whether more
// would have been in lanes that have room left.
func (t *tx) draw(c *engine.Claim) (ids []int64, more bool, err error) {
	var due [engine.Lanes][]int64
	for lane := range due {
		most := c.Max + 1 // one more tells that there are more
		if c.Room != nil {
			most = min(most, c.Room[lane])
		}
		if most == 0 {
			continue
		}
		err := t.each(func(r row) error {
			due[lane] = append(due[lane], r.int(0))
			return nil
		}, "SELECT id FROM strands WHERE state = 1 AND lane = +? ORDER BY due, id LIMIT +?", int64(lane), int64(most))
		if err != nil {
			return nil, false, err
		}
	}
	left := func() bool { return len(due[0])+len(due[1])+len(due[2])+len(due[3]) > 0 }
	for len(ids) < c.Max && left() {
		lane := draws[t.s.lanes%len(draws)] - '0'
		t.s.lanes++
		if len(due[lane]) == 0 {
			continue
		}
		ids = append(ids, due[lane][0])
		due[lane] = due[lane][1:]
	}
	return ids, left(), nil
}

// lease leases a due strand.
func (t *tx) lease(id int64, last time.Duration) (*engine.Strand, error) {
	w, err := t.strand(id)
	if err != nil {
		return nil, err
	}
	w.token = rand.Text()
	if _, err := t.exec("UPDATE strands SET state = 2, token = ?, due = ?, lease = ?, told = cancel WHERE id = ?",
		w.token, t.now+int64(last), int64(last), id); err != nil {
		return nil, err
	}
	return t.held(w)
}

// Renew makes leases last from now: see engine.Store.
func (s *Store) Renew(ctx context.Context, leases []engine.Lease, last time.Duration) (renewed engine.Renewed, err error) {
	if last <= 0 {
		return renewed, fmt.Errorf("renew: last is %s, a lease must last", last)
	}
	err = s.act(ctx, func(t *tx) (err error) {
		renewed, err = t.renew(leases, last)
		return err
	})
	if err != nil {
		return engine.Renewed{}, fmt.Errorf("renew %d leases: %w", len(leases), err)
	}
	return renewed, nil
}

func (t *tx) renew(leases []engine.Lease, last time.Duration) (engine.Renewed, error) {
	renewed := engine.Renewed{At: at(t.now), Cancel: map[string]engine.Cancel{}}
	for _, l := range leases {
		id, secret, _ := strandOf(l.Token)
		n, err := t.change("UPDATE strands SET due = ?, lease = ? WHERE id = ? AND token = ? AND state = 2", t.now+int64(last), int64(last), id, secret)
		if err != nil {
			return renewed, err
		}
		if n == 0 {
			renewed.Lost = append(renewed.Lost, l)
			continue
		}
		r, err := t.one("SELECT cancel FROM strands WHERE id = ?", id)
		if err != nil {
			return renewed, err
		}
		if mark := r.text(0); mark != "" {
			renewed.Cancel[l.Run] = engine.Cancel(mark)
		}
	}
	f, err := t.frozen()
	if err != nil {
		return renewed, err
	}
	renewed.Frozen = f.on
	return renewed, nil
}

// How long the store remembers requests and deletions.
const (
	keepRequests  = time.Hour
	keepDeletions = 30 * 24 * time.Hour
	sweepEvery    = time.Minute
)

// sweep forgets, once a minute and a few thousand rows at a time, what is over.
func (t *tx) sweep() error {
	if t.now-t.s.swept < int64(sweepEvery) && t.s.swept <= t.now {
		return nil
	}
	t.s.swept = t.now
	n, err := t.change("DELETE FROM requests WHERE id IN (SELECT id FROM requests ORDER BY id LIMIT 5000) AND at < ?", t.now-int64(keepRequests))
	if err != nil {
		return err
	}
	if n == 5000 {
		t.s.swept = 0 // there is more: the next Claim goes on
	}
	if err := t.expire(); err != nil {
		return err
	}
	return t.trim()
}

// trim forgets old deletions. Who follows from before them has to begin anew.
// The newest row always stays, so no number comes twice.
func (t *tx) trim() error {
	r, err := t.one(`SELECT max(seq) FROM (SELECT seq, at FROM log WHERE kind = 6 ORDER BY seq LIMIT 5000)
		WHERE at < ? AND seq < (SELECT max(seq) FROM log)`, t.now-int64(keepDeletions))
	if err != nil || r[0] == nil {
		return err
	}
	if _, err := t.exec("UPDATE meta SET value = ? WHERE name = 'trimmed'", r.int(0)); err != nil {
		return err
	}
	_, err = t.exec("DELETE FROM log WHERE kind = 6 AND seq <= ?", r.int(0))
	return err
}

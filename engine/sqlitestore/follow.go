package sqlitestore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"stanch/engine"
)

// maxPage is how many records a page has at most.
const maxPage = 10_000

// Follow answers what was recorded after a cursor: see engine.Store. A cursor
// from before what has been forgotten, or from another store, is answered with
// engine.ErrConflict: then begin with an empty one.
func (s *Store) Follow(ctx context.Context, cursor string, limit int) (page engine.Page, err error) {
	if limit < 1 || limit > maxPage {
		return page, fmt.Errorf("follow: limit is %d, it must be 1 to %d", limit, maxPage)
	}
	err = s.read(ctx, func(c *conn) (err error) {
		page, err = s.page(c, cursor, limit)
		return err
	})
	if err != nil {
		return engine.Page{}, fmt.Errorf("follow after %q: %w", cursor, err)
	}
	return page, nil
}

func (s *Store) page(c *conn, cursor string, limit int) (engine.Page, error) {
	after, err := s.after(c, cursor)
	if err != nil {
		return engine.Page{}, err
	}
	page := engine.Page{}
	var rows []row
	last := map[int64]int64{} // run → its newest row of this page
	err = c.each(func(r row) error {
		if len(rows) == limit {
			page.More = true
			return nil
		}
		rows = append(rows, append(row(nil), r...))
		if run := r.int(6); run != 0 {
			last[run] = r.int(0)
		}
		return nil
	}, `SELECT l.seq, l.kind, l.at, l.ref, l.word, l.body, CASE l.kind WHEN 1 THEN l.seq WHEN 4 THEN l.ref WHEN 2 THEN s.run WHEN 3 THEN s.run END
		FROM log l LEFT JOIN strands s ON s.id = CASE WHEN l.kind IN (2, 3) THEN l.ref END
		WHERE l.seq > +? ORDER BY l.seq LIMIT +?`, after, int64(limit+1))
	if err != nil {
		return page, err
	}
	for _, r := range rows {
		after = r.int(0)
		if run := r.int(6); run != 0 && last[run] != after {
			continue
		}
		record, err := c.record(r, s.options.Now().UnixNano())
		if err != nil {
			return page, err
		}
		page.Records = append(page.Records, record)
	}
	page.Cursor = strconv.FormatInt(s.epoch, 10) + "." + strconv.FormatInt(after, 10)
	return page, nil
}

// after answers the number that a cursor stands at.
func (s *Store) after(c *conn, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	e, n, _ := strings.Cut(cursor, ".")
	epoch, err1 := strconv.ParseInt(e, 10, 64)
	seq, err2 := strconv.ParseInt(n, 10, 64)
	if err1 != nil || err2 != nil || seq < 0 {
		return 0, fmt.Errorf("this is no cursor: give one that Follow has answered, or none")
	}
	r, err := c.one("SELECT value, (SELECT max(seq) FROM log) FROM meta WHERE name = 'trimmed'")
	if err != nil {
		return 0, err
	}
	if r == nil {
		return 0, errDamaged
	}
	switch {
	case epoch != s.epoch:
		return 0, fmt.Errorf("it is of another store: begin with an empty cursor: %w", engine.ErrConflict)
	case seq < r.int(0):
		return 0, fmt.Errorf("what was deleted since is forgotten: begin with an empty cursor: %w", engine.ErrConflict)
	case seq > r.int(1):
		return 0, fmt.Errorf("the store has gone back to before it: begin with an empty cursor: %w", engine.ErrConflict)
	}
	return seq, nil
}

// record answers a row of the log as a record of the stream.
func (c *conn) record(r row, now int64) (engine.Record, error) {
	rec := engine.Record{Seq: r.int(0), At: at(r.int(2))}
	switch kind, ref := r.int(1), r.int(3); kind {
	case logBegin, logStrand, logSignal, logRun:
		return rec, c.runEntry(r.int(6), &rec)
	case logAudit:
		a, err := c.one("SELECT body FROM audit WHERE number = ?", ref)
		if err == nil && a == nil {
			err = errDamaged
		}
		if err == nil {
			rec.Kind, rec.Body = "audit", a.bytes(0)
		}
		return rec, err
	case logDeleted:
		rec.Kind, rec.Deleted, rec.Document = "document", true, &engine.Document{Kind: r.text(4), Key: r.text(5)}
		return rec, nil
	case logDocument:
		d, err := c.one("SELECT "+documentColumns+" FROM documents WHERE id = ?", ref)
		if err == nil && d == nil {
			err = errDamaged
		}
		if err != nil {
			return rec, err
		}
		doc := d.document(now)
		rec.Kind, rec.Document, rec.Deleted = "document", &doc, d.expired(now)
		return rec, nil
	default:
		return rec, fmt.Errorf("row %d of the log has the kind %d, which this version does not know: %w", rec.Seq, kind, engine.ErrNewer)
	}
}

// runEntry tells how a run stands.
func (c *conn) runEntry(id int64, rec *engine.Record) error {
	r, err := c.one("SELECT "+headColumns+", r.status, r.cancel, r.ended FROM runs r JOIN log l ON l.seq = r.id WHERE r.id = ?", id)
	if err != nil {
		return err
	}
	if r == nil {
		return errDamaged
	}
	head := r.head()
	rec.Kind, rec.Run, rec.Head = "run", head.ID, &head
	rec.Status, rec.Cancel, rec.EndedAt = r.text(8), engine.Cancel(r.text(9)), at(r.int(10))
	if r.int(10) != 0 {
		return nil
	}
	return c.each(func(r row) error {
		switch state := r.int(0); {
		case state == stDue || state == stLeased:
			rec.Active = true
		case r.text(1) != "":
			rec.Waits = append(rec.Waits, r.text(1))
		}
		return nil
	}, `SELECT DISTINCT state, CASE WHEN state = 3 THEN what WHEN state = 0 AND due > 0 THEN ? WHEN state = 0 THEN ? ELSE '' END AS waits
		FROM strands WHERE run = +? AND state < 4 ORDER BY waits`, waitsForTime, waitsForKey, id)
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stanch/engine"
)

// maxPage is how many records a page has at most, perFollow how many one act
// answers of each kind.
const (
	maxPage   = 10_000
	perFollow = 200
)

// Follow answers what has changed after a cursor: see engine.Store. A cursor
// from before what has been forgotten, from before the store went back, or from
// another store, is answered with engine.ErrConflict: then begin with an empty
// one.
func (s *Store) Follow(ctx context.Context, cursor string, limit int) (page engine.Page, err error) {
	if limit < 1 || limit > maxPage {
		return page, fmt.Errorf("follow: limit is %d, it must be 1 to %d", limit, maxPage)
	}
	places, err := s.cursors(cursor)
	if err == nil {
		page, err = s.page(ctx, places, cursor == "", limit)
	}
	if err != nil {
		return engine.Page{}, fmt.Errorf("follow after %q: %w", cursor, err)
	}
	return page, nil
}

func splitCursor(cursor string) []string { return strings.Split(cursor, ",") }

func splitPlace(text string) (epoch, seq int64, ok bool) {
	first, second, _ := strings.Cut(text, ".")
	epoch, err1 := strconv.ParseInt(first, 10, 64)
	seq, err2 := strconv.ParseInt(second, 10, 64)
	return epoch, seq, err1 == nil && err2 == nil && seq >= 0
}

// page reads all partitions at once, each from its place.
func (s *Store) page(ctx context.Context, places []place, anew bool, limit int) (engine.Page, error) {
	share := min(max(limit/len(s.parts), 1), perFollow)
	answers, err := s.everywhere(func(p *part) (*list, error) {
		return s.do(ctx, p, "follow", places[p.index].seq, share)
	})
	if err != nil {
		return engine.Page{}, err
	}
	page := engine.Page{}
	for i, l := range answers {
		high, trimmed := l.int(1), l.int(2)
		switch seq := places[i].seq; {
		case seq > high:
			return page, fmt.Errorf("the store has gone back to before it: begin with an empty cursor: %w", engine.ErrConflict)
		case !anew && seq < trimmed && seq > 0:
			return page, fmt.Errorf("what was deleted since is forgotten: begin with an empty cursor: %w", engine.ErrConflict)
		}
		records, full, err := s.records(i, l, share)
		if err != nil {
			return page, err
		}
		if room := limit - len(page.Records); len(records) > room {
			records, full = records[:room], true
		}
		page.More = page.More || full
		page.Records = append(page.Records, records...)
		switch {
		case !full:
			places[i].seq = high
		case len(records) > 0:
			places[i].seq = records[len(records)-1].Seq
		}
	}
	var cursor []string
	for _, p := range places {
		cursor = append(cursor, p.String())
	}
	page.Cursor = strings.Join(cursor, ",")
	return page, nil
}

// records reads what a partition has answered, in the order of its numbers. full
// says that it may have more.
func (s *Store) records(index int, l *list, share int) (all []engine.Record, full bool, err error) {
	now := l.int(0)
	changes, audit := l.list(3), l.list(4)
	full = len(changes.values) == share || len(audit.values) == share
	for i := range changes.values {
		r, err := s.change(changes.list(i), now)
		if err != nil {
			return nil, false, err
		}
		all = append(all, r)
	}
	for i := range audit.values {
		a := audit.list(i)
		all = append(all, engine.Record{Seq: a.int(0), Kind: "audit", At: at(a.int(1)), Body: nonNil([]byte(a.text(2)))})
		audit.bad = audit.bad || a.bad
	}
	slices.SortFunc(all, func(a, b engine.Record) int { return int(a.Seq - b.Seq) })
	if full { // of one kind there may be more before the last of the other
		if end, cutOff := lastOf(changes, audit, share); cutOff {
			i := slices.IndexFunc(all, func(r engine.Record) bool { return r.Seq > end })
			if i >= 0 {
				all = all[:i]
			}
		}
	}
	for i := range all {
		all[i].Partition = index
	}
	return all, full, errors.Join(l.err(), changes.err(), audit.err())
}

// lastOf is the number up to which both kinds are known.
func lastOf(changes, audit *list, share int) (end int64, cutOff bool) {
	for _, l := range []*list{changes, audit} {
		if len(l.values) < share {
			continue
		}
		if n := l.list(share - 1).int(0); !cutOff || n < end {
			end, cutOff = n, true
		}
	}
	return end, cutOff
}

// change reads what is there of something that has changed.
func (s *Store) change(l *list, now int64) (engine.Record, error) {
	r := engine.Record{Seq: l.int(0)}
	member, what := l.text(1), l.list(2)
	if member == "" {
		return r, errDamaged
	}
	name := member[1:]
	var err error
	switch member[0] {
	case 'r':
		r.Kind, r.Run = "run", name
		err = runChange(&r, what)
	case 'y':
		r.Kind, r.Run, r.Deleted, r.At = "run", name, true, at(now)
	case 'd', 'x':
		kind, key, _ := strings.Cut(name, "\x00")
		r.Kind, r.Deleted = "document", member[0] == 'x'
		d := engine.Document{Kind: kind, Key: key}
		if r.Deleted {
			r.At = at(what.int(0))
		} else if d, err = documentOf(kind, key, what.values, now); err == nil {
			r.At, r.Deleted = d.At, d.Expires < 0
		}
		r.Document = &d
	default:
		err = fmt.Errorf("a change of the kind %q, which this version does not know: %w", member[:1], engine.ErrNewer)
	}
	if r.At.IsZero() {
		r.At = at(now)
	}
	return r, errors.Join(err, l.err(), what.err())
}

// runChange reads how a run stands: the fields of its root, or its packed record.
func runChange(r *engine.Record, what *list) error {
	if len(what.values) < 15 {
		record, err := unpackRun(what.text(0))
		if err != nil {
			return err
		}
		r.Head, r.Status, r.Cancel, r.EndedAt, r.At = &record.RunHead, record.Status, record.Cancel, record.EndedAt, record.EndedAt
		return nil
	}
	f := fields{}
	for i, name := range []string{"pb", "sb", "ed", "md", "hd", "bg", "qd", "st", "c", "en", "ac", "la", "i", "d"} {
		f[name] = what.text(i)
	}
	head, err := headOf(r.Run, f)
	if err != nil {
		return err
	}
	r.Head, r.Status, r.Cancel, r.EndedAt, r.At = &head, f["st"], engine.Cancel(f["c"]), at(f.int("en")), at(f.int("la"))
	if f["en"] != "" {
		return nil
	}
	r.Active = f.int("ac") > 0
	for _, w := range what.texts(14) {
		if w != "" {
			r.Waits = append(r.Waits, w)
		}
	}
	if f["i"] == stQueued {
		st, err := strandRecord("", fields{"i": stQueued, "d": f["d"]}, nil)
		if err != nil {
			return err
		}
		r.Waits = append(r.Waits, st.On)
	}
	slices.Sort(r.Waits)
	r.Waits = slices.Compact(r.Waits)
	return nil
}

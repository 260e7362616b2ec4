package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"stanch/engine"
)

// stateName is what engine.StrandRecord calls a state.
func stateName(state string) string {
	switch state {
	case stDue, "":
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

// Run answers all that is kept of a run: see engine.Store. Of a run that goes on
// while it is read, strands may be told as they were a moment apart.
func (s *Store) Run(ctx context.Context, id string) (engine.RunRecord, error) {
	record, _, err := s.record(ctx, id)
	if err != nil {
		return engine.RunRecord{}, fmt.Errorf("run %s: %w", id, err)
	}
	return record, nil
}

// root reads the root of a run that is not packed, and the paths under which
// children were opened. It answers engine.ErrNotFound for one that is.
func (s *Store) root(ctx context.Context, run string) (fields, *list, error) {
	p := s.partOfRun(run)
	if p == nil {
		return nil, nil, engine.ErrNotFound
	}
	l, err := s.do(ctx, p, "read", run, "run", 0, 0, "")
	if err != nil {
		return nil, nil, err
	}
	f, err := fieldsOf(l.at(0))
	if err == nil && len(f) == 0 {
		err = engine.ErrNotFound
	}
	return f, l, err
}

// record reads a run, live or packed. f are the fields of its root; of a packed
// one there are none.
func (s *Store) record(ctx context.Context, run string) (record engine.RunRecord, f fields, err error) {
	f, l, err := s.root(ctx, run)
	if errors.Is(err, engine.ErrNotFound) && l != nil {
		packed, ok := l.at(1).(string)
		if !ok {
			return record, nil, err
		}
		record, err = unpackRun(packed)
		return record, nil, err
	}
	if err != nil {
		return record, nil, err
	}
	head, err := headOf(run, f)
	if err != nil {
		return record, nil, err
	}
	record = engine.RunRecord{RunHead: head, Status: f["st"], Cancel: engine.Cancel(f["c"]), EndedAt: at(f.int("en")), Result: bytesOf(f["R"])}
	root, err := strandRecord("", f, nil)
	if err != nil {
		return record, nil, err
	}
	record.Strands = append(record.Strands, root)
	windows := l.list(2)
	for i := range windows.values {
		w := windows.list(i)
		if err := s.windowRecords(ctx, run, w.text(0), int(w.int(2)), &record); err != nil {
			return record, nil, err
		}
		windows.bad = windows.bad || w.bad
	}
	slices.SortFunc(record.Strands, func(a, b engine.StrandRecord) int { return cmp.Compare(a.Path, b.Path) })
	return record, f, errors.Join(l.err(), windows.err())
}

// windowRecords adds the children of a window.
func (s *Store) windowRecords(ctx context.Context, run, open string, count int, record *engine.RunRecord) error {
	for from := 0; from < count; from += perRead {
		l, err := s.do(ctx, s.partOfRun(run), "read", run, open, from, min(from+perRead, count), "")
		if err != nil {
			return err
		}
		for i := range l.values {
			c := l.list(i)
			f, err := fieldsOf(c.at(2))
			if err != nil {
				return err
			}
			var item []byte
			if text, ok := c.at(3).(string); ok {
				item = nonNil([]byte(text))
			}
			index := int(c.int(0))
			st, err := childRecord(open, index, c.at(1), f, item)
			if err != nil {
				return err
			}
			record.Strands = append(record.Strands, st)
		}
		if l.err() != nil {
			return errDamaged
		}
	}
	return nil
}

// childRecord is the record of a child, ended or not.
func childRecord(open string, index int, ended any, f fields, item []byte) (engine.StrandRecord, error) {
	path := childPath(open, index)
	text, ok := ended.(string)
	if !ok {
		st, err := strandRecord(path, f, item)
		if len(f) == 0 {
			st.State = "due"
		}
		return st, err
	}
	e, err := endOf(text)
	if err != nil {
		return engine.StrandRecord{}, err
	}
	kept := fields{"i": stEnded, "h": e[2] + " " + e[3]}
	for i := 7; i+1 < len(e); i += 2 {
		kept[e[i]] = e[i+1]
	}
	st, err := strandRecord(path, kept, item)
	st.Ended = &engine.Ended{Index: index, Outcome: e[0], Result: bytesOf(e[1])}
	return st, err
}

func strandRecord(path string, f fields, item []byte) (engine.StrandRecord, error) {
	st := engine.StrandRecord{Path: path, State: stateName(f["i"]), On: f["o"], Due: at(f.int("d")), Lost: int(f.int("x")), Item: item}
	_, st.Seen = f.place()
	switch f["i"] {
	case stQueued:
		st.On = waitsForKey
		if f["d"] != "" {
			st.On = waitsForTime
		}
	case stEnded:
		if path == "" {
			st.Ended = &engine.Ended{Outcome: f["O"], Result: bytesOf(f["R"])}
		}
	}
	var err error
	st.Facts, err = f.facts()
	return st, err
}

func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Cursors are the epoch and the number of each partition: 1.2,1.0,…
func (s *Store) cursors(cursor string) ([]place, error) {
	places := make([]place, len(s.parts))
	if cursor == "" {
		for i, p := range s.parts {
			places[i].epoch = p.epoch.Load()
		}
		return places, nil
	}
	all := splitCursor(cursor)
	if len(all) != len(places) {
		return nil, errors.New("this is no cursor: give one that Follow has answered, or none")
	}
	for i, text := range all {
		epoch, seq, ok := splitPlace(text)
		if !ok {
			return nil, errors.New("this is no cursor: give one that Follow has answered, or none")
		}
		places[i] = place{epoch, seq}
		if epoch != s.parts[i].epoch.Load() {
			return nil, fmt.Errorf("it is of another store, or the store has gone back since: begin with an empty cursor: %w", engine.ErrConflict)
		}
	}
	return places, nil
}

// place is where a follower stands in a partition.
type place struct{ epoch, seq int64 }

func (p place) String() string {
	return strconv.FormatInt(p.epoch, 10) + "." + strconv.FormatInt(p.seq, 10)
}

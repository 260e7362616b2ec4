package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"stanch/engine"
)

// errHolds refuses to take over into a store that holds something.
var errHolds = errors.New("this store holds something: take over into one that is new")

// Import takes everything over in one transaction: see engine.Movable.
func (s *Store) Import(ctx context.Context, all iter.Seq2[engine.Dumped, error]) error {
	begun := false
	var failed error
	err := s.act(ctx, func(t *tx) error {
		if begun { // what was read cannot be read again
			return failed
		}
		begun = true
		failed = t.importAll(ctx, all)
		return failed
	})
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	return nil
}

func (t *tx) importAll(ctx context.Context, all iter.Seq2[engine.Dumped, error]) error {
	held, err := t.contents()
	if err != nil {
		return err
	}
	if !held.Empty() {
		return errHolds
	}
	t.s.known.forget()
	for d, err := range all {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = t.importOne(&d)
		}
		if err != nil {
			return err
		}
	}
	t.woke, t.freeze = true, nil
	return nil
}

func (t *tx) importOne(d *engine.Dumped) error {
	switch {
	case d.Head != nil:
		return t.importHead(d.Head)
	case d.Document != nil:
		return t.importDocument(d.Document)
	case d.Audit != nil:
		now := t.now
		t.now = ns(d.Audit.At)
		err := t.audit([][]byte{d.Audit.Body})
		t.now = now
		return err
	case d.Reserved != nil:
		return t.importTake(d.Reserved)
	case d.Hold != nil:
		_, err := t.exec("INSERT INTO holds VALUES (?, '', ?, 0)", d.Hold.Name, d.Hold.Token)
		return err
	case d.Run != nil:
		if err := t.importRun(d.Run); err != nil {
			return fmt.Errorf("run %s: %w", d.Run.ID, err)
		}
	}
	return nil
}

// ns is a time as it is kept.
func ns(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// importHead sets the freeze, and lets the log begin above all versions.
func (t *tx) importHead(h *engine.DumpedHead) error {
	on := int64(0)
	if h.Freeze.On {
		on = 1
	}
	if _, err := t.exec("UPDATE freeze SET frozen = ?, by = ?, reason = ?, at = ? WHERE id = 1", on, h.Freeze.By, h.Freeze.Reason, ns(h.Freeze.At)); err != nil {
		return err
	}
	if h.Highest == 0 {
		return nil
	}
	// A deletion of nothing: what is written after it has a higher number.
	_, err := t.exec("INSERT INTO log(seq, kind, at, ref, prev, n, state, word, body) VALUES (?, ?, ?, 0, 0, 0, 0, '', ?)", h.Highest+1, int64(logDeleted), t.now, []byte{})
	return err
}

func (t *tx) importDocument(d *engine.DumpedDocument) error {
	id, err := t.insert("INSERT INTO documents(kind, key, version, at, expires, body) VALUES (?, ?, 0, ?, ?, ?)",
		d.Kind, d.Key, ns(d.At), ns(d.ExpiresAt), nonNil(d.Body))
	if err != nil {
		return err
	}
	// Its version is its row of the log: the same, where nobody has that.
	var number any
	r, err := t.one("SELECT 1 FROM log WHERE seq = ?", d.Version)
	if err == nil && r == nil {
		number = d.Version
	}
	if err != nil {
		return err
	}
	version, err := t.insert("INSERT INTO log(seq, kind, at, ref, prev, n, state, word, body) VALUES (?, ?, ?, ?, 0, 0, 0, '', NULL)", number, int64(logDocument), ns(d.At), id)
	if err != nil {
		return err
	}
	_, err = t.exec("UPDATE documents SET version = ? WHERE id = ?", version, id)
	return err
}

func (t *tx) importTake(d *engine.DumpedTake) error {
	target := d.Target
	if d.Digest != "" {
		target = digestText(d.Digest)
		if err := t.importDigests(); err != nil {
			return err
		}
	}
	r, err := t.one("SELECT 1 FROM takes WHERE name = ? AND target = ?", d.Cap, target)
	if err != nil {
		return err
	}
	if _, err := t.exec("INSERT INTO takes VALUES (?, ?, ?, ?)", d.Cap, target, d.Effect, ns(d.Until)); err != nil {
		return err
	}
	if r == nil {
		_, err = t.exec("INSERT INTO caps VALUES (?, 1) ON CONFLICT(name) DO UPDATE SET count = count + 1", d.Cap)
	}
	return err
}

// importDigests notes that the store holds digests: from now on they are looked
// for, too.
func (t *tx) importDigests() error {
	t.s.digests = true
	_, err := t.exec("INSERT OR IGNORE INTO meta VALUES ('digests', 1)")
	return err
}

func (t *tx) importRun(d *engine.DumpedRun) error {
	dedupe, key := d.Dedupe, d.Key
	if d.Digest != "" {
		dedupe = digestText(d.Digest)
		if err := t.importDigests(); err != nil {
			return err
		}
	}
	if key != "" && !d.Wide {
		key = d.Subject + "\x00" + key
	}
	word := "running"
	if d.Queued {
		word = "queued"
	}
	id, err := t.insert("INSERT INTO log(kind, at, ref, prev, n, state, word, body) VALUES (?, ?, 0, 0, 0, 0, ?, ?)", int64(logBegin), ns(d.BegunAt), word, d.Head)
	if err != nil {
		return err
	}
	if _, err := t.exec(`INSERT INTO runs(id, name, playbook, subject, dedupe, edition, mode, lane, concurrency, begun, status, cancel, ended, result)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id, d.ID, d.Playbook, d.Subject, dedupe, d.Edition, d.Mode, int64(d.Lane), key, ns(d.BegunAt), d.Status, string(d.Cancel), ns(d.EndedAt), d.Result); err != nil {
		return err
	}
	return (&runImport{tx: t, run: d, id: id, windows: map[string]windowImport{}}).strands()
}

// windowImport is a window that has its row, and of whose children so many have
// not ended.
type windowImport struct{ id, strand, live int64 }

// runImport writes the strands of a run: parents before their children.
type runImport struct {
	*tx
	run     *engine.DumpedRun
	id      int64
	windows map[string]windowImport // by path
	joined  []joinedImport
}

type joinedImport struct {
	strand int64
	window string
}

func (i *runImport) strands() error {
	children, opened := map[string][]*engine.DumpedStrand{}, map[string][]*engine.DumpedWindow{}
	for k := range i.run.Strands {
		st := &i.run.Strands[k]
		children[st.Window] = append(children[st.Window], st)
	}
	for k := range i.run.Windows {
		w := &i.run.Windows[k]
		opened[w.Strand] = append(opened[w.Strand], w)
	}
	if len(children[""]) != 1 {
		return fmt.Errorf("it has %d roots", len(children[""]))
	}
	written := 0
	for next := children[""]; len(next) > 0; {
		st := next[0]
		next = next[1:]
		id, err := i.strand(st)
		if err != nil {
			return fmt.Errorf("strand %q: %w", st.Path, err)
		}
		written++
		for _, w := range opened[st.Path] {
			if err := i.window(id, w, children[w.Path]); err != nil {
				return fmt.Errorf("window %s: %w", w.Path, err)
			}
			next = append(next, children[w.Path]...)
		}
	}
	if written != len(i.run.Strands) {
		return fmt.Errorf("%d of its %d strands have no parent", len(i.run.Strands)-written, len(i.run.Strands))
	}
	for _, j := range i.joined {
		if _, err := i.exec("UPDATE strands SET joined = ? WHERE id = ?", i.windows[j.window].id, j.strand); err != nil {
			return err
		}
	}
	return nil
}

func (i *runImport) window(strand int64, w *engine.DumpedWindow, children []*engine.DumpedStrand) error {
	flag := func(is bool) int64 {
		if is {
			return 1
		}
		return 0
	}
	live := int64(0)
	for _, c := range children {
		live += flag(c.State != "ended")
	}
	id, err := i.insert("INSERT INTO windows(strand, path, count, size, next, live, failfast, stopped, under) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		strand, w.Path, int64(w.Count), max(live, 1), int64(w.Next), live, flag(w.Failfast), flag(w.Stopped), string(w.Under))
	if err != nil {
		return err
	}
	i.windows[w.Path] = windowImport{id: id, strand: strand, live: live}
	return i.putItems(id, w.Items)
}

// strand writes a strand with its facts.
func (i *runImport) strand(st *engine.DumpedStrand) (int64, error) {
	w := i.windows[st.Window]
	var state int64
	due := ns(st.Due)
	switch st.State {
	case "queued":
		state = stQueued
	case "due":
		if state = stDue; due == 0 {
			due = max(ns(st.At), 1)
		}
	case "waiting":
		state = stWaiting
	case "joining":
		state, due = stJoining, 0
	case "ended":
		state, due = stEnded, 0
	default:
		return 0, fmt.Errorf("its state %q is not known: %w", st.State, engine.ErrNewer)
	}
	outcome, result, mark, thaw := "", []byte(nil), string(i.run.Cancel), int64(0)
	if st.Ended != nil {
		outcome, result = st.Ended.Outcome, st.Ended.Result
	}
	if st.Thaw {
		thaw = 1
	}
	id, err := i.insert(`INSERT INTO strands(run, path, parent, win, idx, lane, state, due, at, lost, seq, n, cancel, thaw, what, outcome, result)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		i.id, st.Path, w.strand, w.id, int64(st.Index), int64(i.run.Lane), state, due, ns(st.At), int64(st.Lost), st.Seq, int64(len(st.Facts)), mark, thaw, st.On, outcome, result)
	if err != nil {
		return 0, err
	}
	if st.Joined != "" {
		i.joined = append(i.joined, joinedImport{id, st.Joined})
	}
	return id, i.facts(id, state, st)
}

// facts writes the facts of a strand: those of one act in one row.
func (i *runImport) facts(id, state int64, st *engine.DumpedStrand) error {
	tail := int64(0)
	for first := 0; first < len(st.Facts); {
		f := &st.Facts[first]
		kind, bodies := int64(logStrand), [][]byte{f.Body}
		if f.Signal {
			kind = logSignal
		} else {
			for k := first + 1; k < len(st.Facts) && !st.Facts[k].Signal && st.Facts[k].At.Equal(f.At); k++ {
				bodies = append(bodies, st.Facts[k].Body)
			}
		}
		var err error
		tail, err = i.insert("INSERT INTO log(kind, at, ref, prev, n, state, word, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			kind, ns(f.At), id, tail, f.N, state, st.On, packFacts(bodies))
		if err != nil {
			return err
		}
		first += len(bodies)
	}
	if tail == 0 {
		return nil
	}
	_, err := i.exec("UPDATE strands SET tail = ? WHERE id = ?", tail, id)
	return err
}

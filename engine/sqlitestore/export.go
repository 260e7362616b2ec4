package sqlitestore

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"

	"stanch/engine"
)

// A dedupe key or a target that came from a store which keeps digests only is
// kept so: this, and the digest in hexadecimal.
const digestMark = "\x00"

func digestText(digest string) string { return digestMark + hex.EncodeToString([]byte(digest)) }

// whole answers a text as it was given, or its digest.
func whole(kept string) (text, digest string) {
	if code, is := strings.CutPrefix(kept, digestMark); is {
		if b, err := hex.DecodeString(code); err == nil {
			return "", string(b)
		}
	}
	return kept, ""
}

// Contents counts what is kept: see engine.Movable.
func (s *Store) Contents(ctx context.Context) (held engine.Contents, err error) {
	err = s.read(ctx, func(c *conn) error {
		held, err = c.contents()
		return err
	})
	if err != nil {
		return engine.Contents{}, fmt.Errorf("contents: %w", err)
	}
	return held, nil
}

func (c *conn) contents() (engine.Contents, error) {
	r, err := c.one(`SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM runs WHERE ended = 0),
		(SELECT count(*) FROM documents), (SELECT count(*) FROM audit), (SELECT count(*) FROM takes), (SELECT frozen FROM freeze)`)
	if err != nil {
		return engine.Contents{}, err
	}
	return engine.Contents{
		Runs: int(r.int(0)), Live: int(r.int(1)), Documents: int(r.int(2)), Audit: int(r.int(3)), Reserved: int(r.int(4)), Frozen: r.int(5) == 1,
	}, nil
}

// errStop says that nobody wants to hear more.
var errStop = errors.New("stop")

// Export answers everything that is kept, as it is at one moment: see
// engine.Movable. The store has to be open for work: then nobody holds a lease.
func (s *Store) Export(ctx context.Context) iter.Seq2[engine.Dumped, error] {
	return func(yield func(engine.Dumped, error) bool) {
		err := errors.New("the store is not open for work")
		if s.options.Work {
			err = s.read(ctx, func(c *conn) error {
				return c.export(s.options.Now().UnixNano(), func(d engine.Dumped) error {
					if err := ctx.Err(); err != nil {
						return err
					}
					if !yield(d, nil) {
						return errStop
					}
					return nil
				})
			})
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(engine.Dumped{}, fmt.Errorf("export: %w", err))
		}
	}
}

func (c *conn) export(now int64, tell func(engine.Dumped) error) error {
	f, err := c.frozen()
	if err != nil {
		return err
	}
	high, err := c.one("SELECT coalesce(max(version), 0) FROM documents")
	if err != nil {
		return err
	}
	if err := tell(engine.Dumped{Head: &engine.DumpedHead{Freeze: f.state(), Highest: high.int(0)}}); err != nil {
		return err
	}
	if err := c.exportTables(now, tell); err != nil {
		return err
	}
	var ids []int64
	err = c.each(func(r row) error { ids = append(ids, r.int(0)); return nil }, "SELECT id FROM runs ORDER BY id")
	for _, id := range ids {
		if err != nil {
			return err
		}
		var run *engine.DumpedRun
		if run, err = c.exportRun(id, f.on); err == nil {
			err = tell(engine.Dumped{Run: run})
		}
	}
	return err
}

// exportTables tells all that is not of a run.
func (c *conn) exportTables(now int64, tell func(engine.Dumped) error) error {
	err := c.each(func(r row) error {
		d := r.document(now)
		d.Expires = 0
		return tell(engine.Dumped{Document: &engine.DumpedDocument{Document: d, ExpiresAt: at(r.int(5))}})
	}, "SELECT "+documentColumns+" FROM documents WHERE expires = 0 OR expires > ? ORDER BY kind, key", now)
	if err != nil {
		return err
	}
	err = c.each(func(r row) error {
		return tell(engine.Dumped{Audit: &engine.DumpedAudit{At: at(r.int(0)), Body: nonNil(r.bytes(1))}})
	}, "SELECT at, body FROM audit ORDER BY number")
	if err != nil {
		return err
	}
	err = c.each(func(r row) error {
		t := &engine.DumpedTake{Cap: r.text(0), Effect: r.text(2), Until: at(r.int(3))}
		t.Target, t.Digest = whole(r.text(1))
		return tell(engine.Dumped{Reserved: t})
	}, "SELECT name, target, effect, until FROM takes WHERE until = 0 OR until > ? ORDER BY name, target, effect", now)
	if err != nil {
		return err
	}
	return c.each(func(r row) error {
		return tell(engine.Dumped{Hold: &engine.DumpedHold{Name: r.text(0), Token: r.int(1)}})
	}, "SELECT name, token FROM holds ORDER BY name")
}

// exportRun answers a run. frozen is whether effects are.
func (c *conn) exportRun(id int64, frozen bool) (*engine.DumpedRun, error) {
	r, err := c.one("SELECT "+headColumns+", r.status, r.cancel, r.ended, r.result, r.lane, r.dedupe, r.concurrency FROM runs r JOIN log l ON l.seq = r.id WHERE r.id = ?", id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errDamaged
	}
	run := &engine.DumpedRun{
		RunHead: r.head(), Status: r.text(8), Cancel: engine.Cancel(r.text(9)), EndedAt: at(r.int(10)), Result: r.bytes(11), Lane: int(r.int(12)),
	}
	run.Dedupe, run.Digest = whole(r.text(13))
	if run.EndedAt.IsZero() {
		run.Key = r.text(14)
		own, local := strings.CutPrefix(run.Key, run.Subject+"\x00")
		if run.Wide = run.Key != "" && !local; local {
			run.Key = own
		}
	}
	windows, err := c.exportWindows(run, id)
	if err != nil {
		return nil, err
	}
	return run, c.exportStrands(run, id, windows, frozen)
}

// exportWindows adds the windows of a run, and answers their paths by their rows.
func (c *conn) exportWindows(run *engine.DumpedRun, id int64) (map[int64]string, error) {
	paths := map[int64]string{}
	var rows []int64
	err := c.each(func(r row) error {
		paths[r.int(0)] = r.text(1)
		rows = append(rows, r.int(0))
		run.Windows = append(run.Windows, engine.DumpedWindow{
			Path: r.text(1), Strand: r.text(2), Count: int(r.int(3)), Next: int(r.int(4)),
			Failfast: r.int(5) == 1, Stopped: r.int(6) == 1, Under: engine.Cancel(r.text(7)),
		})
		return nil
	}, `SELECT w.id, w.path, s.path, w.count, w.next, w.failfast, w.stopped, w.under
		FROM strands s JOIN windows w ON w.strand = s.id WHERE s.run = ? ORDER BY w.id`, id)
	for i, window := range rows {
		if err == nil {
			run.Windows[i].Items, err = c.items(window)
		}
	}
	return paths, err
}

// items answers all items of a window.
func (c *conn) items(window int64) (all [][]byte, err error) {
	err = c.each(func(r row) error {
		chunk := r.bytes(0)
		if len(chunk) < 8 {
			return errDamaged
		}
		for i := range int(binary.LittleEndian.Uint32(chunk)/4) - 1 {
			item, err := cutItem(chunk, i)
			if err != nil {
				return err
			}
			all = append(all, item)
		}
		return nil
	}, "SELECT body FROM items WHERE id BETWEEN ? AND ? ORDER BY id", window<<itemBits, window<<itemBits|(1<<itemBits-1))
	return all, err
}

// exportStrands adds the strands of a run.
func (c *conn) exportStrands(run *engine.DumpedRun, id int64, windows map[int64]string, frozen bool) error {
	var rows []*strand
	err := c.each(func(r row) error {
		w := r.strand()
		st := engine.DumpedStrand{
			Path: w.path, Window: windows[w.window], Index: int(w.idx), Due: at(w.due), At: at(w.at), Lost: int(w.lost), Seq: w.seq, Joined: windows[w.joined],
		}
		switch w.state {
		case stQueued:
			st.State = "queued"
		case stDue:
			st.State = "due"
		case stLeased: // nobody does: the store is open for work
			st.State = "due"
		case stWaiting:
			st.State, st.On, st.Thaw = "waiting", w.what, w.thaw == 1
			if st.Thaw && !frozen {
				st.State, st.On, st.Thaw, st.Due = "due", "", false, st.At
			}
		case stJoining:
			st.State, st.Due = "joining", at(0)
		case stEnded:
			st.State, st.Due = "ended", at(0)
			st.Ended = &engine.Ended{Index: int(w.idx), Outcome: r.text(22), Result: r.bytes(23)}
		}
		rows, run.Strands = append(rows, w), append(run.Strands, st)
		return nil
	}, "SELECT "+strandColumns+", outcome, result FROM strands WHERE run = ? ORDER BY path", id)
	for i, w := range rows {
		if err == nil {
			run.Strands[i].Facts, err = c.facts(w.tail, 0)
		}
	}
	return err
}

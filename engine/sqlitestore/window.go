package sqlitestore

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"

	"stanch/engine"
)

// The bounds of a chunk of items.
const (
	chunkItems = 500
	chunkBytes = 64 << 10
	itemBits   = 24 // of an items row's id, for the number of its first item
)

func childPath(path string, i int64) string { return path + "[" + strconv.FormatInt(i, 10) + "]" }

// mayOpen refuses an Open whose children are there already.
func (t *tx) mayOpen(w *strand, o *engine.Open) error {
	r, err := t.one("SELECT 1 FROM strands WHERE run = ? AND path = ?", w.run, childPath(o.Path, 0))
	if err != nil || r == nil {
		return err
	}
	return fmt.Errorf("Open: the run has a strand %s already", childPath(o.Path, 0))
}

// open makes the window of a strand and its first children. A run with a mark
// other than under opens none: the strand is due at once, as with Count 0.
func (t *tx) open(after *strand, o *engine.Open, under string) error {
	first := int64(min(o.Count, o.Window))
	if after.marked(engine.Cancel(under)) {
		first = 0
	}
	failfast := int64(0)
	if o.Failfast {
		failfast = 1
	}
	window, err := t.insert("INSERT INTO windows(strand, path, count, size, next, live, failfast, stopped, under) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
		after.id, o.Path, int64(o.Count), int64(o.Window), first, first, failfast, under)
	if err != nil {
		return err
	}
	t.woke = true
	if first == 0 {
		after.let(stDue, t.now)
		after.joined = window
		return nil
	}
	if err := t.putItems(window, o.Items); err != nil {
		return err
	}
	after.let(stJoining, 0)
	for i := range first {
		child := &strand{run: after.run, parent: after.id, window: window, idx: i, lane: after.lane, path: childPath(o.Path, i), state: stDue, due: t.now, cancel: after.cancel}
		if err := t.newChild(child); err != nil {
			return err
		}
	}
	return nil
}

// newChild makes the row of a child.
func (t *tx) newChild(w *strand) (err error) {
	w.at = t.now
	w.id, err = t.insert("INSERT INTO strands(run, path, parent, win, idx, lane, state, due, at, token, lease, cancel, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		w.run, w.path, w.parent, w.window, w.idx, w.lane, w.state, w.due, w.at, w.token, w.lease, w.cancel, w.cancel)
	if err != nil {
		return err
	}
	_, err = t.log(entry{kind: logStrand, ref: w.id, state: w.state})
	return err
}

// ended goes on after the end of a strand: with the run's end, with the next
// child of the window, or with the join. It answers the strand that the holder
// gets for it.
func (t *tx) ended(w *strand, end *engine.End) (*strand, error) {
	if w.window == 0 {
		return nil, t.endRun(w.run, end.Outcome, end.Result)
	}
	r, err := t.one("SELECT strand, path, count, next, live, failfast, stopped, under FROM windows WHERE id = ?", w.window)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errDamaged
	}
	parent, path, count, next, live := r.int(0), r.text(1), r.int(2), r.int(3), r.int(4)-1
	stopped := r.int(6)
	if (end.Outcome == "failed" && r.int(5) == 1) || w.marked(engine.Cancel(r.text(7))) {
		stopped = 1
	}
	if stopped == 0 && next < count {
		if _, err := t.exec("UPDATE windows SET next = ? WHERE id = ?", next+1, w.window); err != nil {
			return nil, err
		}
		child := &strand{
			run: w.run, parent: parent, window: w.window, idx: next, lane: w.lane, path: childPath(path, next),
			state: stLeased, due: t.now + w.lease, lease: w.lease, token: rand.Text(), cancel: w.cancel,
		}
		return child, t.newChild(child)
	}
	if _, err := t.exec("UPDATE windows SET live = ?, stopped = ? WHERE id = ?", live, stopped, w.window); err != nil {
		return nil, err
	}
	if live > 0 {
		return nil, nil
	}
	return t.join(parent, w)
}

// join fires the join of a window whose last child has ended.
func (t *tx) join(parent int64, child *strand) (*strand, error) {
	w, err := t.strand(parent)
	if err != nil {
		return nil, err
	}
	if w == nil || w.state != stJoining {
		return nil, errDamaged
	}
	w.joined, w.at = child.window, t.now
	if _, err := t.log(entry{kind: logStrand, ref: w.id, state: stLeased}); err != nil {
		return nil, err
	}
	w.token, w.lease = rand.Text(), child.lease
	_, err = t.exec("UPDATE strands SET state = 2, token = ?, due = ?, lease = ?, told = cancel, joined = ?, at = ? WHERE id = ?",
		w.token, t.now+w.lease, w.lease, w.joined, w.at, w.id)
	return w, err
}

// putItems stores the items of a window in chunks. A chunk begins with the
// offsets of its items and its own end, 4 bytes each.
func (t *tx) putItems(window int64, items [][]byte) error {
	for first := 0; first < len(items); {
		n, size := 0, 0
		for first+n < len(items) && n < chunkItems && (n == 0 || size+len(items[first+n]) <= chunkBytes) {
			size += len(items[first+n])
			n++
		}
		offset := 4 * (n + 1)
		b := make([]byte, 0, offset+size)
		b = binary.LittleEndian.AppendUint32(b, uint32(offset))
		for _, item := range items[first : first+n] {
			offset += len(item)
			b = binary.LittleEndian.AppendUint32(b, uint32(offset))
		}
		for _, item := range items[first : first+n] {
			b = append(b, item...)
		}
		if _, err := t.exec("INSERT INTO items VALUES (?, ?)", window<<itemBits|int64(first), b); err != nil {
			return err
		}
		first += n
	}
	return nil
}

// knownItem is item for the writer: the children of a window ask for one chunk.
func (t *tx) knownItem(window, i int64) ([]byte, error) {
	for first, chunk := range t.s.known.chunks {
		n := i - first&(1<<itemBits-1)
		if first>>itemBits == window && n >= 0 && 4*n+8 <= int64(binary.LittleEndian.Uint32(chunk)) {
			return cutItem(chunk, int(n))
		}
	}
	first, chunk, err := t.chunk(window, i)
	if err != nil || chunk == nil {
		return nil, err
	}
	if len(t.s.known.chunks) >= 8 {
		clear(t.s.known.chunks)
	}
	t.s.known.chunks[first] = chunk
	return cutItem(chunk, int(i-first&(1<<itemBits-1)))
}

// item answers one item of a window, or nil if it has none.
func (c *conn) item(window, i int64) ([]byte, error) {
	if window == 0 {
		return nil, nil
	}
	first, chunk, err := c.chunk(window, i)
	if err != nil || chunk == nil {
		return nil, err
	}
	return cutItem(chunk, int(i-first&(1<<itemBits-1)))
}

// chunk answers the chunk that has an item, with its row, or nil.
func (c *conn) chunk(window, i int64) (id int64, chunk []byte, err error) {
	r, err := c.one("SELECT id, body FROM items WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1", window<<itemBits, window<<itemBits|i)
	if err != nil || r == nil {
		return 0, nil, err
	}
	if len(r.bytes(1)) < 8 {
		return 0, nil, errDamaged
	}
	return r.int(0), r.bytes(1), nil
}

// cutItem answers item i of a chunk.
func cutItem(chunk []byte, i int) ([]byte, error) {
	if 4*i+8 > len(chunk) {
		return nil, errDamaged
	}
	begin, end := binary.LittleEndian.Uint32(chunk[4*i:]), binary.LittleEndian.Uint32(chunk[4*i+4:])
	if begin > end || uint64(end) > uint64(len(chunk)) {
		return nil, errDamaged
	}
	return append([]byte{}, chunk[begin:end]...), nil
}

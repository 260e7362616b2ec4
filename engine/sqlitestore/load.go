package sqlitestore

import (
	"errors"
	"strconv"
	"strings"

	"stanch/engine"
)

var errDamaged = errors.New("a row is missing: the store is damaged, restore it from a backup")

// strand is a row of a strand without what is only needed to answer a repeat.
type strand struct {
	id, run, parent, window, idx, lane int64
	state, due, at, lease, lost, seq   int64
	n, tail, thaw, joined              int64
	path, token, cancel, told, what    string
	request                            string
}

const strandColumns = `id, run, parent, win, idx, lane, state, due, at, lease, lost, seq, n, tail, thaw, joined,
	path, token, cancel, told, what, request`

func (r row) strand() *strand {
	return &strand{
		id: r.int(0), run: r.int(1), parent: r.int(2), window: r.int(3), idx: r.int(4), lane: r.int(5),
		state: r.int(6), due: r.int(7), at: r.int(8), lease: r.int(9), lost: r.int(10), seq: r.int(11),
		n: r.int(12), tail: r.int(13), thaw: r.int(14), joined: r.int(15),
		path: r.text(16), token: r.text(17), cancel: r.text(18), told: r.text(19), what: r.text(20), request: r.text(21),
	}
}

// strand answers a strand by its row, or nil.
func (c *conn) strand(id int64) (*strand, error) {
	r, err := c.one("SELECT "+strandColumns+" FROM strands WHERE id = ?", id)
	if err != nil || r == nil {
		return nil, err
	}
	return r.strand(), nil
}

// known is what the writer need not read again for each strand of a fan-out.
// It is forgotten with every rollback and whenever another process has written.
type known struct {
	heads  map[int64]engine.RunHead      // by run
	above  map[int64][]engine.AboveFacts // by window: but for signals, nothing is told to a strand that joins
	chunks map[int64][]byte              // of items
}

func (k *known) forget() {
	k.heads, k.above, k.chunks = map[int64]engine.RunHead{}, map[int64][]engine.AboveFacts{}, map[int64][]byte{}
}

// remember keeps a few values by their keys.
func remember[V any](m map[int64]V, key int64, v V) {
	const few = 128
	if len(m) >= few {
		clear(m)
	}
	m[key] = v
}

const headColumns = "r.name, r.playbook, r.subject, r.edition, r.mode, r.begun, l.body, l.word = 'queued'"

func (r row) head() engine.RunHead {
	return engine.RunHead{
		ID: r.text(0), Playbook: r.text(1), Subject: r.text(2), Edition: r.text(3), Mode: r.text(4),
		BegunAt: at(r.int(5)), Head: r.bytes(6), Queued: r.int(7) == 1,
	}
}

func (c *conn) head(id int64) (engine.RunHead, error) {
	r, err := c.one("SELECT "+headColumns+" FROM runs r JOIN log l ON l.seq = r.id WHERE r.id = ?", id)
	if err != nil {
		return engine.RunHead{}, err
	}
	if r == nil {
		return engine.RunHead{}, errDamaged
	}
	return r.head(), nil
}

// held answers a strand as its holder gets it.
func (t *tx) held(w *strand) (*engine.Strand, error) {
	head, ok := t.s.known.heads[w.run]
	if !ok {
		var err error
		if head, err = t.head(w.run); err != nil {
			return nil, err
		}
		remember(t.s.known.heads, w.run, head)
	}
	st := &engine.Strand{
		Lease: engine.Lease{Run: head.ID, Strand: w.path, Token: tokenOf(w.id, w.token), Seq: w.seq},
		Head:  head, Lane: int(w.lane), At: at(w.at), Lost: int(w.lost), Cancel: engine.Cancel(w.cancel),
	}
	var err error
	if st.Facts, err = t.facts(w.tail, 0); err != nil {
		return nil, err
	}
	if w.window > 0 && w.cancel != "" {
		r, err := t.one("SELECT under FROM windows WHERE id = ?", w.window)
		if err != nil {
			return nil, err
		}
		if r == nil {
			return nil, errDamaged
		}
		st.Under = engine.Cancel(r.text(0))
	}
	if w.window > 0 {
		if st.Item, err = t.knownItem(w.window, w.idx); err != nil {
			return nil, err
		}
		if st.Above, err = t.knownAbove(w); err != nil {
			return nil, err
		}
	}
	if w.joined > 0 {
		if st.Children, err = t.children(w.joined); err != nil {
			return nil, err
		}
	}
	return st, nil
}

func (t *tx) knownAbove(w *strand) ([]engine.AboveFacts, error) {
	above, ok := t.s.known.above[w.window]
	if !ok {
		var err error
		if above, err = t.above(w.parent); err != nil {
			return nil, err
		}
		remember(t.s.known.above, w.window, above)
	}
	return above[:len(above):len(above)], nil
}

// above answers the facts of the strands around one, outermost first.
func (t *tx) above(parent int64) ([]engine.AboveFacts, error) {
	if parent == 0 {
		return nil, nil
	}
	w, err := t.strand(parent)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, errDamaged
	}
	above, err := t.above(w.parent)
	if err != nil {
		return nil, err
	}
	a := engine.AboveFacts{Strand: w.path}
	if a.Facts, err = t.facts(w.tail, 0); err != nil {
		return nil, err
	}
	if a.Item, err = t.item(w.window, w.idx); err != nil {
		return nil, err
	}
	return append(above, a), nil
}

// children answers how the children of a window ended, by index.
func (c *conn) children(window int64) ([]engine.Ended, error) {
	ended := []engine.Ended{}
	err := c.each(func(r row) error {
		ended = append(ended, engine.Ended{Index: int(r.int(0)), Outcome: r.text(1), Result: r.bytes(2)})
		return nil
	}, "SELECT idx, outcome, result FROM strands WHERE win = +? AND win > 0 ORDER BY idx", window)
	return ended, err
}

// A lease's token is the row of its strand, for finding it, and 130 random bits,
// for nobody else to know it. The row of the strand keeps the random ones.
func tokenOf(id int64, secret string) string { return strconv.FormatInt(id, 10) + "." + secret }

func strandOf(token string) (id int64, secret string, ok bool) {
	digits, secret, _ := strings.Cut(token, ".")
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, secret, err == nil && secret != ""
}

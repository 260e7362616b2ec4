package sqlitestore

import (
	"context"
	"fmt"

	"stanch/engine"
)

// Settle writes what a holder has to say: see engine.Store. A refusal is not
// kept: nothing has happened, so a repeat asks again.
func (s *Store) Settle(ctx context.Context, in engine.Settlement) (settled engine.Settled, err error) {
	if err := in.Check(); err != nil {
		return settled, fmt.Errorf("settle %s %s: %w", in.Lease.Run, in.Lease.Strand, err)
	}
	err = s.act(ctx, func(t *tx) (err error) {
		settled, err = t.settle(&in)
		return err
	})
	if err != nil {
		return engine.Settled{}, fmt.Errorf("settle %s %s: %w", in.Lease.Run, in.Lease.Strand, err)
	}
	return settled, nil
}

func (t *tx) settle(in *engine.Settlement) (engine.Settled, error) {
	id, secret, ok := strandOf(in.Lease.Token)
	if !ok {
		return engine.Settled{}, engine.ErrLeaseLost
	}
	refused, taking, err := t.refuse(in)
	if err != nil {
		return engine.Settled{}, err
	}
	if refused == "" && in.Then == (engine.Then{}) && len(in.Begin) == 0 {
		settled, done, err := t.settleOn(id, secret, in)
		if err != nil {
			return settled, err
		}
		if done {
			return settled, t.alongside(in, taking)
		}
	}
	w, err := t.strand(id)
	switch {
	case err != nil:
		return engine.Settled{}, err
	case w == nil:
		return engine.Settled{}, engine.ErrLeaseLost
	case w.request == in.Request:
		return t.settledBefore(w, in)
	case w.state != stLeased || w.token != secret || w.seq != in.Lease.Seq || w.path != in.Lease.Strand:
		return engine.Settled{}, engine.ErrLeaseLost
	case in.Intent && w.marked(in.Under):
		refused = "cancelled"
	}
	if refused != "" {
		return engine.Settled{At: at(t.now), Cancel: engine.Cancel(w.cancel), Seen: w.n, Holds: true, Refused: refused}, nil
	}
	return t.settleStrand(w, in, taking)
}

// refuse answers why an intent may not be, as far as its strand does not matter.
func (t *tx) refuse(in *engine.Settlement) (why string, taking []reservation, err error) {
	if in.Intent {
		f, err := t.frozen()
		if err != nil {
			return "", nil, err
		}
		if f.on {
			return "frozen", nil, nil
		}
	}
	if len(in.Take) == 0 {
		return "", nil, nil
	}
	taking, name, err := t.plan(in.Take)
	if name != "" {
		why = "cap " + name
	}
	return why, taking, err
}

// settleOn is Settle of a holder that goes on, knows all facts and is not
// cancelled: nearly all of them. The row of the log is written only if all that
// is so.
func (t *tx) settleOn(id int64, secret string, in *engine.Settlement) (engine.Settled, bool, error) {
	n, err := t.change(`INSERT INTO log(kind, at, ref, prev, n, state, word, body)
		SELECT 2, ?, id, tail, ?, 2, '', ? FROM strands
		WHERE id = ? AND state = 2 AND token = ? AND seq = ? AND n = ? AND path = ? AND cancel = '' AND joined = 0 AND request <> ?`,
		t.now, in.Seen+1, packFacts(in.Facts), id, secret, in.Lease.Seq, in.Seen, in.Lease.Strand, in.Request)
	if err != nil || n == 0 {
		return engine.Settled{}, false, err
	}
	settled := engine.Settled{At: at(t.now), Seen: in.Seen + int64(len(in.Facts)), Holds: true}
	_, err = t.exec("UPDATE strands SET seq = ?, n = ?, tail = last_insert_rowid(), at = ?, lost = 0, request = ?, answer = ? WHERE id = ?",
		in.Lease.Seq+1, settled.Seen, t.now, in.Request, keep(&settled, nil), id)
	return settled, true, err
}

// alongside writes what a settlement brings besides facts.
func (t *tx) alongside(in *engine.Settlement, taking []reservation) error {
	if err := t.reserve(taking); err != nil {
		return err
	}
	for _, d := range in.Put {
		if _, err := t.put(&d); err != nil {
			return err
		}
	}
	return t.audit(in.Audit)
}

// settleStrand is Settle in general.
func (t *tx) settleStrand(w *strand, in *engine.Settlement, taking []reservation) (engine.Settled, error) {
	if o := in.Then.Open; o != nil {
		if err := t.mayOpen(w, o); err != nil {
			return engine.Settled{}, err
		}
	}
	if err := t.oneSubject(w, in); err != nil {
		return engine.Settled{}, err
	}
	settled := engine.Settled{At: at(t.now), Cancel: engine.Cancel(w.cancel), Seen: w.n + int64(len(in.Facts))}
	if err := t.unseen(w, in.Seen, &settled); err != nil {
		return settled, err
	}
	if err := t.alongside(in, taking); err != nil {
		return settled, err
	}
	if err := t.begins(in, &settled); err != nil {
		return settled, err
	}
	after, err := t.then(w, in, &settled)
	if err != nil {
		return settled, err
	}
	after.lost, after.at, after.told, after.seq, after.request = 0, t.now, w.cancel, w.seq+1, in.Request
	tail, err := t.log(entry{kind: logStrand, ref: w.id, prev: w.tail, n: w.n + 1, state: after.state, word: after.what, body: packFacts(in.Facts)})
	if err != nil {
		return settled, err
	}
	after.n, after.tail = settled.Seen, tail
	settled.Holds = after.state == stLeased
	var next *strand
	if in.Then.End != nil {
		if next, err = t.ended(after, in.Then.End); err != nil {
			return settled, err
		}
	}
	if err := t.saveSettled(after, in.Then.End, keep(&settled, next)); err != nil {
		return settled, err
	}
	if next != nil {
		settled.Next, err = t.held(next)
	}
	return settled, err
}

// begins begins the runs that come of a settlement.
func (t *tx) begins(in *engine.Settlement, settled *engine.Settled) (err error) {
	if len(in.Begin) > 0 {
		settled.Begun, err = t.beginAll(in.Begin)
	}
	return err
}

// oneSubject refuses runs of a settlement that are about something else than
// the run it is of.
func (t *tx) oneSubject(w *strand, in *engine.Settlement) error {
	if len(in.Begin) == 0 {
		return nil
	}
	r, err := t.one("SELECT subject FROM runs WHERE id = ?", w.run)
	if err != nil {
		return err
	}
	for _, b := range in.Begin {
		if b.Subject != r.text(0) {
			return fmt.Errorf("begin: the run is about %q, what it begins about %q: it has to be the same", r.text(0), b.Subject)
		}
	}
	return nil
}

// unseen puts the signals into the answer that the holder does not know.
func (t *tx) unseen(w *strand, seen int64, settled *engine.Settled) error {
	if w.n <= seen {
		return nil
	}
	facts, err := t.facts(w.tail, seen)
	for _, f := range facts {
		if f.Signal {
			settled.Signals = append(settled.Signals, f)
		}
	}
	return err
}

// then answers the strand as it will be, its facts aside.
func (t *tx) then(w *strand, in *engine.Settlement, settled *engine.Settled) (*strand, error) {
	after := *w
	after.joined = 0
	switch then := in.Then; {
	case then.Yield:
		after.let(stDue, t.now)
		t.woke = true
	case then.Wait != nil:
		if len(settled.Signals) > 0 || (w.cancel != w.told && w.marked(in.Under)) {
			break // there is news: the holder goes on
		}
		return &after, t.wait(&after, then.Wait)
	case then.Open != nil:
		return &after, t.open(&after, then.Open, string(in.Under))
	case then.End != nil:
		after.let(stEnded, 0)
	}
	return &after, nil
}

// marked reports whether the run has a mark other than that under which is acted.
func (w *strand) marked(under engine.Cancel) bool {
	return w.cancel != "" && w.cancel != string(under)
}

// let lets go of the lease.
func (w *strand) let(state, due int64) {
	w.state, w.due, w.token, w.thaw, w.what = state, due, "", 0, ""
}

// wait lets go of a strand until a time or a signal. One that waits for the end
// of a freeze that is over, or for no time at all, is due.
func (t *tx) wait(after *strand, wait *engine.Wait) error {
	f, err := t.frozen()
	if err != nil {
		return err
	}
	t.woke = true
	if (wait.Thaw && !f.on) || (!wait.Ever && wait.For <= 0) {
		after.let(stDue, t.now)
		return nil
	}
	after.let(stWaiting, 0)
	if !wait.Ever {
		after.due = t.now + int64(wait.For)
	}
	after.what = wait.On
	if wait.Thaw {
		after.thaw = 1
	}
	return nil
}

// saveSettled writes a strand after a settle.
func (t *tx) saveSettled(w *strand, end *engine.End, answer []byte) error {
	var outcome string
	var result []byte
	if end != nil {
		outcome, result = end.Outcome, end.Result
	}
	_, err := t.exec(`UPDATE strands SET state = ?, due = ?, at = ?, token = ?, lost = ?, seq = ?, n = ?, tail = ?,
		told = ?, thaw = ?, what = ?, joined = ?, request = ?, outcome = ?, result = ?, answer = ? WHERE id = ?`,
		w.state, w.due, w.at, w.token, w.lost, w.seq, w.n, w.tail,
		w.told, w.thaw, w.what, w.joined, w.request, outcome, result, answer, w.id)
	return err
}

// keep writes an answer for a repeat. Signals are read again from the facts,
// Next from its strand.
func keep(a *engine.Settled, next *strand) []byte {
	holds := int64(0)
	if a.Holds {
		holds = 1
	}
	b := numbers(a.At.UnixNano(), a.Seen, holds, marks(a.Cancel)+4*int64(len(a.Begun)))
	for _, name := range a.Begun {
		b = append(append(b, byte(len(name))), name...)
	}
	if next != nil {
		b = append(append(b, numbers(next.id, next.seq)...), next.token...)
	}
	return b
}

// settledBefore answers what the same request was answered.
func (t *tx) settledBefore(w *strand, in *engine.Settlement) (engine.Settled, error) {
	r, err := t.one("SELECT answer FROM strands WHERE id = ?", w.id)
	if err != nil {
		return engine.Settled{}, err
	}
	b := r.bytes(0)
	settled := engine.Settled{At: at(number(&b)), Seen: number(&b), Holds: number(&b) == 1}
	rest := number(&b)
	settled.Cancel = mark(rest % 4)
	for range rest / 4 {
		n := int(b[0])
		settled.Begun = append(settled.Begun, string(b[1:1+n]))
		b = b[1+n:]
	}
	own := settled.Seen - int64(len(in.Facts))
	facts, err := t.facts(w.tail, in.Seen)
	if err != nil {
		return settled, err
	}
	for _, f := range facts {
		if f.Signal && f.N <= own {
			settled.Signals = append(settled.Signals, f)
		}
	}
	if len(b) == 0 {
		return settled, nil
	}
	id, seq := number(&b), number(&b)
	next, err := t.strand(id)
	if err != nil {
		return settled, err
	}
	if next == nil {
		return settled, errDamaged
	}
	// Whatever has become of it since: the store refuses what is lost.
	next.token, next.seq, next.lost = string(b), seq, 0
	settled.Next, err = t.held(next)
	return settled, err
}

func marks(c engine.Cancel) int64 {
	switch c {
	case engine.Cancelled:
		return 1
	case engine.Terminated:
		return 2
	}
	return 0
}

func mark(n int64) engine.Cancel {
	return [...]engine.Cancel{engine.NotCancelled, engine.Cancelled, engine.Terminated}[n]
}

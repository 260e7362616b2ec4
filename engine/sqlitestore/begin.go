package sqlitestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"stanch/engine"
)

// longestQueue is how many runs wait for one concurrency key at most.
const longestQueue = 100

// Begin starts a run: see engine.Store. A run whose key is held waits, in the
// order of Begin, at most 100 of them. An answer of Busy is not kept: nothing
// has happened, so a repeat asks again.
func (s *Store) Begin(ctx context.Context, b engine.Begin) (begun engine.Begun, err error) {
	err = b.Check()
	if b.Request == "" {
		err = errors.New("Request is empty")
	}
	if err != nil {
		return begun, fmt.Errorf("begin: %w", err)
	}
	err = s.act(ctx, func(t *tx) (err error) {
		begun, err = t.begin(&b)
		return err
	})
	if err != nil {
		return engine.Begun{}, fmt.Errorf("begin a run of %s: %w", b.Playbook, err)
	}
	return begun, nil
}

func (t *tx) begin(b *engine.Begin) (engine.Begun, error) {
	kept, repeated, err := t.answered(b.Request)
	if err != nil {
		return engine.Begun{}, err
	}
	if repeated {
		isNew, when := number(&kept) == 1, number(&kept)
		return engine.Begun{Run: string(kept), New: isNew, At: at(when)}, nil
	}
	begun, err := t.beginOnce(b)
	if err != nil || begun.Busy {
		return begun, err
	}
	isNew := int64(0)
	if begun.New {
		isNew = 1
	}
	return begun, t.answer(b.Request, append(numbers(isNew, begun.At.UnixNano()), begun.Run...))
}

// beginOnce begins a run unless its dedupe key did so before.
func (t *tx) beginOnce(b *engine.Begin) (engine.Begun, error) {
	if b.Dedupe != "" {
		const known = "SELECT name, begun FROM runs WHERE playbook = ? AND subject = ? AND dedupe = ? AND dedupe <> ''"
		r, err := t.one(known, b.Playbook, b.Subject, b.Dedupe)
		if err == nil && r == nil && t.s.digests {
			r, err = t.one(known, b.Playbook, b.Subject, digestText(engine.DedupeDigest(b.Playbook, b.Subject, b.Dedupe)))
		}
		if err != nil {
			return engine.Begun{}, err
		}
		if r != nil {
			return engine.Begun{Run: r.text(0), At: at(r.int(1))}, nil
		}
	}
	status, busy, err := t.takeKey(b)
	if err != nil || busy {
		return engine.Begun{Busy: busy, At: at(t.now)}, err
	}
	return t.newRun(b, status)
}

// beginAll begins the runs of a settlement and answers their ids.
func (t *tx) beginAll(all []engine.Begin) (names []string, err error) {
	for i := range all {
		begun, err := t.beginOnce(&all[i])
		if err != nil {
			return nil, fmt.Errorf("begin a run of %s: %w", all[i].Playbook, err)
		}
		names = append(names, begun.Run)
	}
	return names, nil
}

// keyOf is the concurrency key of a run as the store keeps it: one that is not
// wide is its subject's.
func keyOf(b *engine.Begin) string {
	if b.Key == "" || b.Wide {
		return b.Key
	}
	return b.Subject + "\x00" + b.Key
}

// takeKey answers with which status a run begins, or that it does not.
func (t *tx) takeKey(b *engine.Begin) (status string, busy bool, err error) {
	switch {
	case b.After > 0:
		return "queued", false, nil
	case b.Key == "":
		return "running", false, nil
	}
	key := keyOf(b)
	live, err := t.one("SELECT count(*) FROM runs WHERE concurrency = ? AND concurrency <> '' AND ended = 0", key)
	switch {
	case err != nil:
		return "", false, err
	case live.int(0) == 0:
		return "running", false, nil
	case b.WhenBusy == "replace":
		return "queued", false, t.replace(key)
	case b.WhenBusy == "skip" || live.int(0) > longestQueue:
		return "", true, nil
	}
	return "queued", false, nil
}

// replace ends what waits for a key and cancels what holds it.
func (t *tx) replace(key string) error {
	var live []row
	err := t.each(func(r row) error { live = append(live, append(row(nil), r...)); return nil },
		"SELECT id, status, ended, cancel FROM runs WHERE concurrency = ? AND concurrency <> '' AND ended = 0 ORDER BY id DESC", key)
	for _, r := range live { // the holder, which is the oldest, last: nobody takes its key over
		if err == nil {
			err = t.cancel(r, engine.Cancelled)
		}
	}
	return err
}

func (t *tx) newRun(b *engine.Begin, status string) (engine.Begun, error) {
	name := fmt.Sprintf("r%02x%s", engine.PartitionOf(b.Subject, engine.Partitions), strings.ToLower(rand.Text()[:20]))
	id, err := t.log(entry{kind: logBegin, word: status, body: b.Head})
	if err != nil {
		return engine.Begun{}, err
	}
	if _, err := t.exec(`INSERT INTO runs(id, name, playbook, subject, dedupe, edition, mode, lane, concurrency, begun, status, cancel, ended)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0)`,
		id, name, b.Playbook, b.Subject, b.Dedupe, b.Edition, b.Mode, int64(b.Lane), keyOf(b), t.now, status); err != nil {
		return engine.Begun{}, err
	}
	state, due := int64(stDue), t.now
	if status == "queued" {
		state, due = stQueued, 0
		if b.After > 0 {
			due = t.now + int64(b.After)
		}
	}
	if _, err := t.exec("INSERT INTO strands(run, path, parent, win, idx, lane, state, due, at) VALUES (?, '', 0, 0, 0, ?, ?, ?, ?)",
		id, int64(b.Lane), state, due, t.now); err != nil {
		return engine.Begun{}, err
	}
	if err := t.audit(b.Audit); err != nil {
		return engine.Begun{}, err
	}
	t.woke = true
	return engine.Begun{Run: name, New: true, At: at(t.now)}, nil
}

// releaseKey lets the run that has waited longest for a key begin.
func (t *tx) releaseKey(key string) error {
	if key == "" {
		return nil
	}
	next, err := t.one("SELECT id, status FROM runs WHERE concurrency = ? AND concurrency <> '' AND ended = 0 ORDER BY id LIMIT 1", key)
	if err != nil || next == nil || next.text(1) != "queued" {
		return err
	}
	return t.goOn(next.int(0))
}

// goOn lets a queued run begin.
func (t *tx) goOn(id int64) error {
	if _, err := t.exec("UPDATE runs SET status = 'running' WHERE id = ?", id); err != nil {
		return err
	}
	if _, err := t.log(entry{kind: logRun, ref: id, word: "running"}); err != nil {
		return err
	}
	return t.wakeWaiting("SELECT id FROM strands WHERE run = ? AND path = '' AND state = 0", id)
}

// goOnInTime lets runs begin whose time has come.
func (t *tx) goOnInTime(limit int) error {
	var due []int64
	err := t.each(func(r row) error { due = append(due, r.int(0)); return nil },
		"SELECT run FROM strands WHERE state = 0 AND due > 0 AND due <= +? ORDER BY due, id LIMIT +?", t.now, int64(max(2*limit, 64)))
	for _, id := range due {
		if err == nil {
			err = t.goOn(id)
		}
	}
	return err
}

// endRun ends a run and releases its key.
func (t *tx) endRun(id int64, status string, result []byte) error {
	r, err := t.one("SELECT concurrency, cancel FROM runs WHERE id = ?", id)
	if err != nil {
		return err
	}
	if _, err := t.exec("UPDATE runs SET status = ?, ended = ?, result = ? WHERE id = ?", status, t.now, result, id); err != nil {
		return err
	}
	if _, err := t.log(entry{kind: logRun, ref: id, word: status, body: r.bytes(1)}); err != nil {
		return err
	}
	return t.releaseKey(r.text(0))
}

package sqlitestore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"stanch/engine"
)

// entry is one row of the log.
type entry struct {
	kind  int64
	ref   int64
	prev  int64
	n     int64
	state int64
	word  string
	body  []byte
}

// log appends a row to the log and answers its number.
func (t *tx) log(e entry) (int64, error) {
	return t.insert("INSERT INTO log(kind, at, ref, prev, n, state, word, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		e.kind, t.now, e.ref, e.prev, e.n, e.state, e.word, e.body)
}

// packFacts writes facts behind one another, each after its length.
func packFacts(facts [][]byte) []byte {
	if len(facts) == 0 {
		return nil
	}
	size := 0
	for _, f := range facts {
		size += len(f) + binary.MaxVarintLen32
	}
	b := make([]byte, 0, size)
	for _, f := range facts {
		b = binary.AppendUvarint(b, uint64(len(f)))
		b = append(b, f...)
	}
	return b
}

// unpackFacts is the inverse of packFacts; n is the number of the first.
func unpackFacts(b []byte, n, when int64, signal bool) ([]engine.Fact, error) {
	var facts []engine.Fact
	for len(b) > 0 {
		size, k := binary.Uvarint(b)
		if k <= 0 || size > uint64(len(b)-k) {
			return nil, errors.New("a row of facts is damaged: restore the store from a backup")
		}
		end := k + int(size)
		facts = append(facts, engine.Fact{N: n, At: at(when), Signal: signal, Body: b[k:end:end]})
		b = b[end:]
		n++
	}
	return facts, nil
}

// facts answers those of a strand after the number seen, in order, by walking
// its chain back from its newest row.
func (c *conn) facts(tail, seen int64) ([]engine.Fact, error) {
	if tail == 0 {
		return nil, nil
	}
	var rows [][]engine.Fact
	err := c.each(func(r row) error {
		facts, err := unpackFacts(r.bytes(3), r.int(1), r.int(2), r.int(0) == logSignal)
		rows = append(rows, facts)
		return err
	}, `WITH RECURSIVE chain(seq, prev, kind, n, at, body) AS (
		SELECT seq, prev, kind, n, at, body FROM log WHERE seq = ?
		UNION ALL
		SELECT l.seq, l.prev, l.kind, l.n, l.at, l.body FROM chain c JOIN log l ON l.seq = c.prev WHERE c.n > ? + 1)
		SELECT kind, n, at, body FROM chain`, tail, seen)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var all []engine.Fact
	for i := len(rows) - 1; i >= 0; i-- {
		for _, f := range rows[i] {
			if f.N > seen {
				all = append(all, f)
			}
		}
	}
	return all, nil
}

// audit appends audit records. The hash of each is over its number, its time
// in nanoseconds (both 8 bytes, big-endian) and its body.
func (t *tx) audit(records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	r, err := t.one("SELECT coalesce(max(number), 0) FROM audit")
	if err != nil {
		return err
	}
	number := r.int(0)
	for _, body := range records {
		number++
		sum := auditSum(number, t.now, body)
		if _, err := t.exec("INSERT INTO audit VALUES (?, ?, ?, ?)", number, t.now, nonNil(body), sum[:]); err != nil {
			return fmt.Errorf("audit record %d: %w", number, err)
		}
		if _, err := t.log(entry{kind: logAudit, ref: number}); err != nil {
			return err
		}
	}
	return nil
}

func auditSum(number, when int64, body []byte) [sha256.Size]byte {
	b := make([]byte, 0, 16+len(body))
	b = binary.BigEndian.AppendUint64(b, uint64(number))
	b = binary.BigEndian.AppendUint64(b, uint64(when))
	return sha256.Sum256(append(b, body...))
}

// answered answers what a request was answered, and whether it was made before.
func (t *tx) answered(request string) ([]byte, bool, error) {
	r, err := t.one("SELECT answer FROM requests WHERE request = ?", request)
	if err != nil || r == nil {
		return nil, false, err
	}
	return r.bytes(0), true, nil
}

func (t *tx) answer(request string, answer []byte) error {
	_, err := t.exec("INSERT INTO requests(request, at, answer) VALUES (?, ?, ?)", request, t.now, answer)
	return err
}

// numbers writes signed numbers behind one another.
func numbers(n ...int64) []byte {
	b := make([]byte, 0, len(n)*5)
	for _, v := range n {
		b = binary.AppendVarint(b, v)
	}
	return b
}

// number takes the next number off b.
func number(b *[]byte) int64 {
	v, n := binary.Varint(*b)
	*b = (*b)[max(n, 0):]
	return v
}

// nonNil keeps an empty body from becoming NULL.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

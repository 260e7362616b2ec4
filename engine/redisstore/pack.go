package redisstore

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"stanch/engine"
)

// An ended run is kept as one record: nothing of it changes any more, and a
// compressed text takes a fraction of the memory that its hashes take.

// packEvery is how often a worker packs ended runs at most.
const (
	packEvery = 250 * time.Millisecond
	perPack   = 64
)

// packs packs ended runs of the partitions that this worker looks after, until
// ctx ends.
func (s *Store) packs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.worker.ended:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(packEvery): // others end meanwhile
		}
		for _, p := range s.parts {
			if s.worker.owns(p) && p.due.packable() {
				// What could not be packed is there the next time.
				_ = s.packEnded(ctx, p)
			}
		}
	}
}

// ended notes that a partition has ended runs to be packed.
func (s *Store) ended(p *part) {
	p.due.ends()
	s.worker.mu.Lock()
	ended := s.worker.ended
	s.worker.mu.Unlock()
	select {
	case ended <- struct{}{}:
	default:
	}
}

// packEnded packs the ended runs of a partition.
func (s *Store) packEnded(ctx context.Context, p *part) error {
	for {
		reply, err := s.ask(ctx, p, "ended", false, []any{perPack})
		if err != nil {
			return err
		}
		runs := (&list{values: []any{reply}}).texts(0)
		errs := make(chan error, len(runs))
		for _, run := range runs {
			go func() { errs <- s.pack(ctx, p, run) }()
		}
		for range runs {
			err = errors.Join(err, <-errs)
		}
		if err != nil || len(runs) < perPack {
			return err
		}
	}
}

// pack replaces what is kept of an ended run by one record.
func (s *Store) pack(ctx context.Context, p *part, run string) error {
	record, f, err := s.record(ctx, run)
	if errors.Is(err, engine.ErrNotFound) || err == nil && f == nil {
		_, err = s.do(ctx, p, "pack", run, "", "")
		return err
	}
	if err != nil {
		return err
	}
	_, err = s.do(ctx, p, "pack", run, f["h"], packRun(&record, f["dd"]))
	return err
}

// packRun writes a record. The head stays as it was kept.
func packRun(r *engine.RunRecord, dedupe string) string {
	b := make([]byte, 0, 4096)
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	num := func(n int64) { b = binary.AppendVarint(b, n) }
	for _, s := range []string{r.ID, r.Playbook, r.Subject, r.Edition, r.Mode, string(r.Head), r.Status, string(r.Result), dedupe} {
		text(s)
	}
	queued := int64(0)
	if r.Queued {
		queued = 1
	}
	num(r.BegunAt.UnixMicro())
	num(queued)
	num(int64(len(r.Strands)))
	for i := range r.Strands {
		st := &r.Strands[i]
		text(st.Path)
		text(string(st.Item))
		has := int64(0)
		if st.Item != nil {
			has = 1
		}
		num(has)
		num(int64(st.Lost))
		outcome, result, index := "", "", 0
		if st.Ended != nil {
			outcome, result, index = st.Ended.Outcome, string(st.Ended.Result), st.Ended.Index
		}
		text(outcome)
		text(result)
		num(int64(index))
		num(int64(len(st.Facts)))
		for _, f := range st.Facts {
			signal := int64(0)
			if f.Signal {
				signal = 1
			}
			when := int64(0)
			if !f.At.IsZero() {
				when = f.At.UnixMicro()
			}
			num(when<<1 | signal)
			text(string(f.Body))
		}
	}
	return shrink(b)
}

// reader reads what packRun writes.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) num() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string {
	size, n := binary.Uvarint(r.b)
	if n <= 0 || size > uint64(len(r.b)-n) {
		r.bad = true
		return ""
	}
	s := string(r.b[n : n+int(size)])
	r.b = r.b[n+int(size):]
	return s
}

// unpackRun reads a packed run: the last request of its root with its answer,
// when it begun and ended, its mark, and the record. What it says of the end has
// no time: that is the one before it.
func unpackRun(packed string) (record engine.RunRecord, err error) {
	record, _, err = unpackAll(packed)
	return record, err
}

func unpackAll(packed string) (record engine.RunRecord, dedupe string, err error) {
	head, rest, err := unnets(packed, 5)
	if err == nil && len(head) < 5 {
		err = errDamaged
	}
	if err != nil {
		return record, "", err
	}
	ended, err := strconv.ParseInt(head[3], 10, 64)
	if err != nil {
		return record, "", errDamaged
	}
	body, err := expand(rest)
	if err != nil {
		return record, "", err
	}
	r := &reader{b: body}
	record.ID, record.Playbook, record.Subject, record.Edition, record.Mode = r.text(), r.text(), r.text(), r.text(), r.text()
	record.Head = bytesOf(r.text())
	record.Status, record.Cancel = r.text(), engine.Cancel(head[4])
	record.Result, dedupe = bytesOf(r.text()), r.text()
	record.BegunAt, record.EndedAt, record.Queued = at(r.num()), at(ended), r.num() == 1
	for n := r.num(); n > 0 && !r.bad; n-- {
		record.Strands = append(record.Strands, r.strand(record.EndedAt))
	}
	if r.bad {
		return record, "", errDamaged
	}
	return record, dedupe, nil
}

func (r *reader) strand(ended time.Time) engine.StrandRecord {
	st := engine.StrandRecord{Path: r.text(), State: "ended"}
	item := r.text()
	if r.num() == 1 {
		st.Item = []byte(item)
	}
	st.Lost = int(r.num())
	outcome, result, index := r.text(), r.text(), r.num()
	if outcome != "" {
		st.Ended = &engine.Ended{Index: int(index), Outcome: outcome, Result: bytesOf(result)}
	}
	facts := r.num()
	for n := int64(1); n <= facts && !r.bad; n++ {
		when := r.num()
		then := ended
		if when>>1 > 0 {
			then = at(when >> 1)
		}
		st.Facts = append(st.Facts, engine.Fact{N: n, At: then, Signal: when&1 == 1, Body: []byte(strings.Clone(r.text()))})
	}
	st.Seen = facts
	return st
}

// packEnding writes the record of a run whose root its holder ends: what it says
// now has no time yet.
func packEnding(h *heldRoot, in *engine.Settlement) string {
	end := in.Then.End
	facts := h.facts[:len(h.facts):len(h.facts)]
	for _, body := range in.Facts {
		facts = append(facts, engine.Fact{Body: body})
	}
	record := engine.RunRecord{RunHead: h.head, Status: end.Outcome, Result: end.Result, Strands: []engine.StrandRecord{
		{Ended: &engine.Ended{Outcome: end.Outcome, Result: end.Result}, Facts: facts},
	}}
	return packRun(&record, h.dedupe)
}

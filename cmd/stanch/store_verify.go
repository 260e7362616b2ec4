package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"stanch/engine"
)

// moved is what a move has read, for the comparison with what has arrived: a sum
// of each thing, by what it is.
type moved struct {
	sums  map[string][sha256.Size]byte
	audit [sha256.Size]byte // of all records, in their order
	told  int               // records
	head  engine.Frozen
}

func newMoved() *moved { return &moved{sums: map[string][sha256.Size]byte{}} }

// add takes note of one thing.
func (m *moved) add(d *engine.Dumped) error {
	name, form := plain(d)
	text, err := json.Marshal(form)
	if err != nil {
		return err
	}
	switch {
	case d.Head != nil:
		m.head = d.Head.Freeze
		m.head.At = m.head.At.Truncate(time.Microsecond)
	case d.Audit != nil:
		m.audit = sha256.Sum256(append(m.audit[:], text...))
		m.told++
	default:
		if _, twice := m.sums[name]; twice {
			return fmt.Errorf("there are two of %s", name)
		}
		m.sums[name] = sha256.Sum256(text)
	}
	return nil
}

// same compares what was read with what has arrived.
func (m *moved) same(to *moved) error {
	var missing, other []string
	for name, sum := range m.sums {
		switch is, there := to.sums[name]; {
		case !there:
			missing = append(missing, name)
		case is != sum:
			other = append(other, name)
		}
	}
	more := len(to.sums) - len(m.sums) + len(missing)
	slices.Sort(missing)
	slices.Sort(other)
	switch {
	case len(missing) > 0:
		return fmt.Errorf("%d things have not arrived, the first is %s", len(missing), missing[0])
	case len(other) > 0:
		return fmt.Errorf("%d things have arrived otherwise, the first is %s", len(other), other[0])
	case more > 0:
		return fmt.Errorf("%d things have arrived that were not there", more)
	case m.told != to.told || m.audit != to.audit:
		return fmt.Errorf("the audit log has %d records, %d have arrived, or others", m.told, to.told)
	case m.head != to.head:
		return fmt.Errorf("the freeze is %+v, it has arrived as %+v", m.head, to.head)
	}
	return nil
}

// Stores count time in nanoseconds or in microseconds: what is to come is not
// earlier, what was is cut.
func toCome(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	n := t.UnixMicro()
	if time.UnixMicro(n).Before(t) {
		n++
	}
	return n
}

func was(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// plain answers what a thing is called, and its form without what stores may
// keep in different ways.
func plain(d *engine.Dumped) (name string, form any) {
	switch {
	case d.Head != nil:
		return "the head", nil
	case d.Document != nil:
		o := d.Document
		return "the document " + o.Kind + " " + o.Key, []any{string(o.Body), was(o.At), toCome(o.ExpiresAt)}
	case d.Audit != nil:
		return "an audit record", []any{was(d.Audit.At), d.Audit.Body}
	case d.Reserved != nil:
		t := d.Reserved
		digest := t.Digest
		if digest == "" {
			digest = engine.TargetDigest(t.Target)
		}
		return fmt.Sprintf("the target %x of %s under the cap %s", digest, t.Effect, t.Cap), toCome(t.Until)
	case d.Hold != nil:
		return "the hold " + d.Hold.Name, d.Hold.Token
	}
	return "the run " + d.Run.ID, plainRun(d.Run)
}

func plainRun(d *engine.DumpedRun) any {
	digest := d.Digest
	if d.Dedupe != "" {
		digest = engine.DedupeDigest(d.Playbook, d.Subject, d.Dedupe)
	}
	r := []any{d.ID, d.Playbook, d.Subject, d.Edition, d.Mode, string(d.Head), was(d.BegunAt), d.Queued, d.Status, d.Cancel, was(d.EndedAt), string(d.Result), hex.EncodeToString([]byte(digest))}
	live := d.EndedAt.IsZero()
	items := map[string][][]byte{}
	for _, w := range d.Windows {
		items[w.Path] = w.Items
	}
	if live {
		r = append(r, d.Lane, d.Key, d.Wide)
		for _, path := range slices.Sorted(maps.Keys(items)) {
			i := slices.IndexFunc(d.Windows, func(w engine.DumpedWindow) bool { return w.Path == path })
			w := d.Windows[i]
			r = append(r, []any{w.Path, w.Strand, w.Count, w.Next, w.Failfast, w.Stopped, w.Under, w.Items})
		}
	}
	strands := slices.SortedFunc(slices.Values(d.Strands), func(a, b engine.DumpedStrand) int { return cmp.Compare(a.Path, b.Path) })
	for i := range strands {
		st := &strands[i]
		item := ""
		if of := items[st.Window]; st.Index < len(of) {
			item = string(of[st.Index])
		}
		s := []any{st.Path, st.State, st.Lost, st.On, st.Thaw, st.Joined, item}
		if live {
			s = append(s, st.Seq)
		}
		if st.State == "queued" || st.State == "waiting" {
			s = append(s, toCome(st.Due))
		}
		if st.Ended != nil {
			s = append(s, st.Ended.Index, st.Ended.Outcome, string(st.Ended.Result))
		}
		for _, f := range st.Facts {
			s = append(s, []any{f.N, was(f.At), f.Signal, string(f.Body)})
		}
		r = append(r, s)
	}
	return r
}

// answeredAlike compares a run or a document as both stores answer it.
func answeredAlike(ctx context.Context, from, to engine.Movable, d *engine.Dumped) error {
	switch {
	case d.Run != nil:
		a, err1 := from.Run(ctx, d.Run.ID)
		b, err2 := to.Run(ctx, d.Run.ID)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		plainRecord(&a)
		plainRecord(&b)
		woken(&a, &b)
		if !reflect.DeepEqual(a, b) {
			return fmt.Errorf("the run %s is answered otherwise", d.Run.ID)
		}
	case d.Document != nil:
		a, err1 := from.Get(ctx, d.Document.Kind, d.Document.Key)
		b, err2 := to.Get(ctx, d.Document.Kind, d.Document.Key)
		if errors.Is(err1, engine.ErrNotFound) { // its time is over meanwhile
			return nil
		}
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if string(a.Body) != string(b.Body) || was(a.At) != was(b.At) || (a.Expires == 0) != (b.Expires == 0) || b.Version < a.Version {
			return fmt.Errorf("the document %s %s is answered otherwise", a.Kind, a.Key)
		}
	}
	return nil
}

// plainRecord takes away what stores may answer in different ways.
func plainRecord(r *engine.RunRecord) {
	cut := func(t *time.Time) { *t = time.UnixMicro(was(*t)).UTC() }
	cut(&r.BegunAt)
	cut(&r.EndedAt)
	r.Head, r.Result = append([]byte{}, r.Head...), append([]byte{}, r.Result...)
	for i := range r.Strands {
		st := &r.Strands[i]
		if st.State == "leased" { // by a worker that is no more
			st.State = "due"
			st.Lost++
		}
		if st.Due = time.UnixMicro(toCome(st.Due)).UTC(); st.State != "waiting" {
			st.Due = time.Time{}
		}
		st.Item = append([]byte{}, st.Item...)
		facts := append([]engine.Fact{}, st.Facts...)
		for k := range facts {
			cut(&facts[k].At)
			facts[k].Body = append([]byte{}, facts[k].Body...)
		}
		st.Facts = facts
		if st.Ended != nil {
			e := *st.Ended
			e.Result = append([]byte{}, e.Result...)
			st.Ended = &e
		}
	}
}

// woken makes alike what a cancel or a thaw has yet to wake in one store, and
// is due in the other.
func woken(from, to *engine.RunRecord) {
	for i := range min(len(from.Strands), len(to.Strands)) {
		a, b := &from.Strands[i], &to.Strands[i]
		if a.State == "waiting" && b.State == "due" {
			a.State, a.On, a.Due = b.State, b.On, b.Due
		}
	}
}

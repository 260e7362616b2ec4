package history

import (
	"context"
	"errors"
	"time"

	"stanch/engine"
)

// Begin records Begin of the store: see engine.Store.
func (r *Recorder) Begin(ctx context.Context, b engine.Begin) (engine.Begun, error) {
	c, err := r.invoke(Line{Ev: "begin", Request: b.Request, Ask: &Ask{Begin: []Begin{begin(b)}, Said: said(b.Audit)}})
	if err != nil {
		return engine.Begun{}, err
	}
	begun, err := r.store.Begin(ctx, b)
	if err = c.complete(Line{AtStore: nanos(begun.At), Place: Place{Run: begun.Run}, Answer: &Answer{New: begun.New, Busy: begun.Busy}}, err); err != nil {
		return engine.Begun{}, err
	}
	return begun, nil
}

// Claim records Claim of the store: see engine.Store.
func (r *Recorder) Claim(ctx context.Context, in engine.Claim) (engine.Claimed, error) {
	ask := &Ask{Max: in.Max, Last: int64(in.Last)}
	if in.Room != nil {
		ask.Room = in.Room[:]
	}
	c, err := r.invoke(Line{Ev: "claim", Ask: ask})
	if err != nil {
		return engine.Claimed{}, err
	}
	claimed, err := r.store.Claim(ctx, in)
	a := &Answer{Frozen: claimed.Frozen}
	for i := range claimed.Strands {
		a.Grants = append(a.Grants, grant(&claimed.Strands[i]))
	}
	if err = c.complete(Line{AtStore: nanos(claimed.At), Answer: a}, err); err != nil {
		return engine.Claimed{}, err
	}
	return claimed, nil
}

// Settle records Settle of the store: see engine.Store.
func (r *Recorder) Settle(ctx context.Context, s engine.Settlement) (engine.Settled, error) {
	ask := &Ask{Words: words(s.Seen, s.Facts), Intent: s.Intent, Mark: string(s.Under), Then: then(s.Then), Said: said(s.Audit)}
	for _, b := range s.Begin {
		ask.Begin = append(ask.Begin, begin(b))
	}
	for _, t := range s.Take {
		ask.Take = append(ask.Take, take(t))
	}
	c, err := r.invoke(Line{Ev: "settle", Request: s.Request, Place: place(s.Lease), Ask: ask})
	if err != nil {
		return engine.Settled{}, err
	}
	settled, err := r.store.Settle(ctx, s)
	a := &Answer{Holds: settled.Holds, Refused: settled.Refused, Seen: settled.Seen, Begun: settled.Begun, Mark: string(settled.Cancel)}
	if settled.Next != nil {
		a.Grants = []Grant{grant(settled.Next)}
	}
	if err = c.complete(Line{AtStore: nanos(settled.At), Answer: a}, err); err != nil {
		return engine.Settled{}, err
	}
	return settled, nil
}

// Renew records Renew of the store: see engine.Store.
func (r *Recorder) Renew(ctx context.Context, leases []engine.Lease, last time.Duration) (engine.Renewed, error) {
	ask := &Ask{Last: int64(last)}
	for _, l := range leases {
		ask.Leases = append(ask.Leases, place(l))
	}
	c, err := r.invoke(Line{Ev: "renew", Ask: ask})
	if err != nil {
		return engine.Renewed{}, err
	}
	renewed, err := r.store.Renew(ctx, leases, last)
	a := &Answer{Frozen: renewed.Frozen}
	for _, l := range renewed.Lost {
		a.Lost = append(a.Lost, short(l.Token))
	}
	if err = c.complete(Line{AtStore: nanos(renewed.At), Answer: a}, err); err != nil {
		return engine.Renewed{}, err
	}
	return renewed, nil
}

// Signal records Signal of the store: see engine.Store.
func (r *Recorder) Signal(ctx context.Context, s engine.Signal) (engine.Signalled, error) {
	ask := &Ask{Mark: string(s.Cancel), Said: said(s.Audit)}
	if s.Cancel == engine.NotCancelled || len(s.Body) > 0 {
		ask.Words = words(s.Seen, [][]byte{s.Body})
	}
	c, err := r.invoke(Line{Ev: "signal", Request: s.Request, Place: Place{Run: s.Run, Strand: s.Strand}, Ask: ask})
	if err != nil {
		return engine.Signalled{}, err
	}
	signalled, err := r.store.Signal(ctx, s)
	if err = c.complete(Line{AtStore: nanos(signalled.At), Answer: &Answer{Seen: signalled.N}}, err); err != nil {
		return engine.Signalled{}, err
	}
	return signalled, nil
}

// Draw is not recorded: no law is about budgets, which only keep calls waiting.
func (r *Recorder) Draw(ctx context.Context, d engine.Draw) (engine.Drawn, error) {
	return r.store.Draw(ctx, d) //nolint:wrapcheck // it is the store's own
}

// Take records Take of the store: see engine.Store.
func (r *Recorder) Take(ctx context.Context, t engine.Take) (engine.Taken, error) {
	c, err := r.invoke(Line{Ev: "take", Request: t.Request, Ask: &Ask{Take: []Take{take(t)}}})
	if err != nil {
		return engine.Taken{}, err
	}
	taken, err := r.store.Take(ctx, t)
	if err = c.complete(Line{Answer: &Answer{Granted: taken.Granted, Count: int64(taken.Count)}}, err); err != nil {
		return engine.Taken{}, err
	}
	return taken, nil
}

// Freeze records Freeze of the store: see engine.Store.
func (r *Recorder) Freeze(ctx context.Context, f engine.Freeze) (engine.Frozen, error) {
	c, err := r.invoke(Line{Ev: "freeze", Request: f.Request, Ask: &Ask{Mark: f.Change}})
	if err != nil {
		return engine.Frozen{}, err
	}
	frozen, err := r.store.Freeze(ctx, f)
	if err = c.complete(Line{AtStore: nanos(frozen.At), Answer: &Answer{Frozen: frozen.On}}, err); err != nil {
		return engine.Frozen{}, err
	}
	return frozen, nil
}

// Run records Run of the store: see engine.Store.
func (r *Recorder) Run(ctx context.Context, id string) (engine.RunRecord, error) {
	c, err := r.invoke(Line{Ev: "run", Place: Place{Run: id}})
	if err != nil {
		return engine.RunRecord{}, err
	}
	record, err := r.store.Run(ctx, id)
	if err = c.complete(Line{Answer: &Answer{Mark: record.Status, Edition: shortUnless(record.Edition)}}, err); err != nil {
		return engine.RunRecord{}, err
	}
	return record, nil
}

// Follow answers what the store answers. It leaves no line.
func (r *Recorder) Follow(ctx context.Context, cursor string, limit int) (engine.Page, error) {
	return r.store.Follow(ctx, cursor, limit)
}

// Close records Close of the store, and closes the file after it.
func (r *Recorder) Close() error {
	c, err := r.invoke(Line{Ev: "close"})
	if err != nil {
		return errors.Join(err, r.store.Close(), r.file.Close())
	}
	err = c.complete(Line{}, r.store.Close())
	return errors.Join(err, r.file.Close())
}

func document(kind, key string) *Document { return &Document{Key: short(kind, key)} }

// Put records Put of the documents: see engine.Documents.
func (r *Recorder) Put(ctx context.Context, d engine.Document) (int64, error) {
	asked := document(d.Kind, d.Key)
	asked.Version = d.Version
	c, err := r.invoke(Line{Ev: "put", Ask: &Ask{Document: asked, Last: int64(d.Expires)}})
	if err != nil {
		return 0, err
	}
	version, err := r.docs.Put(ctx, d)
	if err = c.complete(Line{Answer: &Answer{Count: version}}, err); err != nil {
		return 0, err
	}
	return version, nil
}

// Get answers what the documents answer. It leaves no line.
func (r *Recorder) Get(ctx context.Context, kind, key string) (engine.Document, error) {
	return r.docs.Get(ctx, kind, key)
}

// Each answers what the documents answer. It leaves no line.
func (r *Recorder) Each(ctx context.Context, kind, after string, limit int) ([]engine.Document, error) {
	return r.docs.Each(ctx, kind, after, limit)
}

// Delete records Delete of the documents: see engine.Documents.
func (r *Recorder) Delete(ctx context.Context, kind, key string, version int64) error {
	asked := document(kind, key)
	asked.Version = version
	c, err := r.invoke(Line{Ev: "delete", Ask: &Ask{Document: asked}})
	if err != nil {
		return err
	}
	return c.complete(Line{}, r.docs.Delete(ctx, kind, key, version))
}

// Hold records Hold of the documents: see engine.Documents.
func (r *Recorder) Hold(ctx context.Context, name, holder string, last time.Duration) (int64, error) {
	asked := document("hold", name)
	asked.Holder = short(holder)
	c, err := r.invoke(Line{Ev: "hold", Ask: &Ask{Document: asked, Last: int64(last)}})
	if err != nil {
		return 0, err
	}
	token, err := r.docs.Hold(ctx, name, holder, last)
	if err = c.complete(Line{Answer: &Answer{Count: token}}, err); err != nil {
		return 0, err
	}
	return token, nil
}

// Note records Note of the documents: see engine.Documents.
func (r *Recorder) Note(ctx context.Context, record []byte) error {
	c, err := r.invoke(Line{Ev: "note", Ask: &Ask{Said: said([][]byte{record})}})
	if err != nil {
		return err
	}
	return c.complete(Line{}, r.docs.Note(ctx, record))
}

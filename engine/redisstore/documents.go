package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

// partOfKind answers the partition of a kind of documents: all of a kind lie
// together, so that they can be listed in order.
func (s *Store) partOfKind(kind string) *part { return s.partOf("kind " + kind) }

// repeatsKnown is how long a Put, a Delete or a Note is known, for who did not
// hear the answer.
const repeatsKnown = time.Minute

// Put writes a document: see engine.Documents. Versions rise from Put to Put,
// also over a deletion; they are not counted from 1.
func (s *Store) Put(ctx context.Context, d engine.Document) (version int64, err error) {
	if d.Kind == "" {
		return 0, errors.New("put a document: Kind is empty")
	}
	version, err = s.put(ctx, d.Kind, d.Key, d.Version, shrink(d.Body), micros(d.Expires), "")
	if err != nil {
		return 0, fmt.Errorf("put %s %s: %w", d.Kind, d.Key, err)
	}
	return version, nil
}

// put writes or, with remove, deletes a document.
func (s *Store) put(ctx context.Context, kind, key string, seen int64, body string, expires int64, remove string) (int64, error) {
	version, name := "", ""
	if seen != engine.AnyVersion {
		version, name = fmt.Sprint(seen), newRequest()
	}
	l, err := s.do(ctx, s.partOfKind(kind), "put", kind, key, version, body, expires, name, remove, repeatsKnown.Milliseconds())
	if err != nil {
		return 0, err
	}
	if len(l.values) == 2 {
		return 0, fmt.Errorf("its version is %s, not %s: %w", l.text(1), version, engine.ErrConflict)
	}
	return l.int(0), l.err()
}

// Delete removes a document: see engine.Documents.
func (s *Store) Delete(ctx context.Context, kind, key string, version int64) error {
	if _, err := s.put(ctx, kind, key, version, "", 0, "1"); err != nil {
		return fmt.Errorf("delete %s %s: %w", kind, key, err)
	}
	return nil
}

// documents reads documents of a kind: the one with the key, or those after it.
// Those whose time is over have a negative Expires.
func (s *Store) documents(ctx context.Context, kind, key, one string, limit int) ([]engine.Document, error) {
	l, err := s.do(ctx, s.partOfKind(kind), "get", kind, key, one, limit)
	if err != nil {
		return nil, err
	}
	now := l.int(0)
	var docs []engine.Document
	found := l.list(1)
	for i := range found.values {
		f := found.list(i)
		d, err := documentOf(kind, f.text(0), []any{f.at(1), f.at(2), f.at(3), f.at(4)}, now)
		if err != nil || f.bad {
			return nil, errDamaged
		}
		docs = append(docs, d)
	}
	if l.err() != nil || found.bad {
		return nil, errDamaged
	}
	return docs, nil
}

// documentOf reads body, version, time and end of a document. Expires is
// negative where its time is over.
func documentOf(kind, key string, values []any, now int64) (engine.Document, error) {
	l := &list{values: values}
	body, err := expand(l.text(0))
	d := engine.Document{Kind: kind, Key: key, Body: body, Version: l.int(1), At: at(l.int(2))}
	if d.Body == nil {
		d.Body = []byte{}
	}
	if x := l.int(3); x > 0 {
		d.Expires = time.Duration(x-now) * time.Microsecond
		if d.Expires <= 0 {
			d.Expires = -1
		}
	}
	return d, errors.Join(err, l.err())
}

// Get answers a document: see engine.Documents.
func (s *Store) Get(ctx context.Context, kind, key string) (engine.Document, error) {
	docs, err := s.documents(ctx, kind, key, "1", 1)
	if err == nil && (len(docs) == 0 || docs[0].Expires < 0) {
		err = engine.ErrNotFound
	}
	if err != nil {
		return engine.Document{}, fmt.Errorf("get %s %s: %w", kind, key, err)
	}
	return docs[0], nil
}

// perList is how many documents one act reads.
const perList = 100

// Each answers documents of a kind in key order: see engine.Documents.
func (s *Store) Each(ctx context.Context, kind, after string, limit int) (docs []engine.Document, err error) {
	for len(docs) < limit {
		n := min(perList, limit-len(docs))
		some, err := s.documents(ctx, kind, after, "", n)
		if err != nil {
			return nil, fmt.Errorf("each %s: %w", kind, err)
		}
		for _, d := range some {
			if d.Expires >= 0 {
				docs = append(docs, d)
			}
		}
		if len(some) < n {
			break
		}
		after = some[len(some)-1].Key
	}
	return docs, nil
}

// Hold takes, renews or gives back a named lease: see engine.Documents. Giving
// back answers 0; so does asking while somebody else holds it.
func (s *Store) Hold(ctx context.Context, name, holder string, last time.Duration) (token int64, err error) {
	if holder == "" {
		return 0, fmt.Errorf("hold %s: the holder has no name", name)
	}
	reply, err := s.ask(ctx, s.partOf("hold "+name), "hold", false, []any{name, holder, micros(max(last, 0))})
	if err != nil {
		return 0, fmt.Errorf("hold %s: %w", name, err)
	}
	token, ok := reply.(int64)
	if !ok {
		return 0, fmt.Errorf("hold %s: %w", name, errDamaged)
	}
	return token, nil
}

// Note appends a record to the audit log: see engine.Documents.
func (s *Store) Note(ctx context.Context, record []byte) error {
	if _, err := s.ask(ctx, s.parts[0], "note", false, []any{newRequest(), record}); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	return nil
}

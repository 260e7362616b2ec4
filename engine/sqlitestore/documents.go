package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stanch/engine"
)

const documentColumns = "kind, key, body, version, at, expires"

func (r row) document(now int64) engine.Document {
	d := engine.Document{Kind: r.text(0), Key: r.text(1), Body: nonNil(r.bytes(2)), Version: r.int(3), At: at(r.int(4))}
	if r.int(5) > 0 {
		d.Expires = max(time.Duration(r.int(5)-now), 0)
	}
	return d
}

func (r row) expired(now int64) bool { return r.int(5) > 0 && r.int(5) <= now }

// Put writes a document: see engine.Documents. Versions rise from Put to Put,
// also over a deletion; they are not counted from 1.
func (s *Store) Put(ctx context.Context, d engine.Document) (version int64, err error) {
	if d.Kind == "" {
		return 0, errors.New("put a document: Kind is empty")
	}
	err = s.act(ctx, func(t *tx) (err error) {
		version, err = t.put(&d)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("put %s %s: %w", d.Kind, d.Key, err)
	}
	return version, nil
}

func (t *tx) put(d *engine.Document) (int64, error) {
	old, err := t.one("SELECT id, version, expires FROM documents WHERE kind = ? AND key = ?", d.Kind, d.Key)
	if err != nil {
		return 0, err
	}
	var id, was, shown int64
	if old != nil {
		id, was, shown = old.int(0), old.int(1), old.int(1)
		if e := old.int(2); e > 0 && e <= t.now {
			shown = 0
		}
	}
	if d.Version != engine.AnyVersion && d.Version != shown {
		return 0, conflict(shown, d.Version)
	}
	expires := int64(0)
	if d.Expires > 0 {
		expires = t.now + int64(d.Expires)
	}
	if old == nil {
		id, err = t.insert("INSERT INTO documents(kind, key, version, at, expires, body) VALUES (?, ?, 0, ?, ?, ?)", d.Kind, d.Key, t.now, expires, nonNil(d.Body))
		if err != nil {
			return 0, err
		}
	}
	version, err := t.log(entry{kind: logDocument, ref: id})
	if err != nil {
		return 0, err
	}
	if old == nil {
		_, err = t.exec("UPDATE documents SET version = ? WHERE id = ?", version, id)
		return version, err
	}
	// The stream keeps the newest Put only. Its row is written before the old
	// one goes, so that no number comes twice.
	if _, err = t.exec("DELETE FROM log WHERE seq = ?", was); err != nil {
		return 0, err
	}
	_, err = t.exec("UPDATE documents SET version = ?, at = ?, expires = ?, body = ? WHERE id = ?", version, t.now, expires, nonNil(d.Body), id)
	return version, err
}

func conflict(is, given int64) error {
	return fmt.Errorf("its version is %d, not %d: %w", is, given, engine.ErrConflict)
}

// Get answers a document: see engine.Documents.
func (s *Store) Get(ctx context.Context, kind, key string) (d engine.Document, err error) {
	err = s.read(ctx, func(c *conn) error {
		now := s.options.Now().UnixNano()
		r, err := c.one("SELECT "+documentColumns+" FROM documents WHERE kind = ? AND key = ?", kind, key)
		if err != nil {
			return err
		}
		if r == nil || r.expired(now) {
			return engine.ErrNotFound
		}
		d = r.document(now)
		return nil
	})
	if err != nil {
		return engine.Document{}, fmt.Errorf("get %s %s: %w", kind, key, err)
	}
	return d, nil
}

// Each answers documents of a kind in key order: see engine.Documents.
func (s *Store) Each(ctx context.Context, kind, after string, limit int) (docs []engine.Document, err error) {
	err = s.read(ctx, func(c *conn) error {
		now := s.options.Now().UnixNano()
		docs = nil
		return c.each(func(r row) error {
			docs = append(docs, r.document(now))
			return nil
		}, "SELECT "+documentColumns+" FROM documents WHERE kind = ? AND key > ? AND (expires = 0 OR expires > ?) ORDER BY key LIMIT +?",
			kind, after, now, int64(max(limit, 0)))
	})
	if err != nil {
		return nil, fmt.Errorf("each %s: %w", kind, err)
	}
	return docs, nil
}

// Delete removes a document: see engine.Documents.
func (s *Store) Delete(ctx context.Context, kind, key string, version int64) error {
	err := s.act(ctx, func(t *tx) error {
		r, err := t.one("SELECT id, version, expires FROM documents WHERE kind = ? AND key = ?", kind, key)
		if err != nil || r == nil {
			return err
		}
		gone := r.int(2) > 0 && r.int(2) <= t.now
		if !gone && version != engine.AnyVersion && version != r.int(1) {
			return conflict(r.int(1), version)
		}
		return t.remove(r.int(0), r.int(1), kind, key)
	})
	if err != nil {
		return fmt.Errorf("delete %s %s: %w", kind, key, err)
	}
	return nil
}

// remove deletes a document and says so in the stream.
func (t *tx) remove(id, version int64, kind, key string) error {
	if _, err := t.log(entry{kind: logDeleted, word: kind, body: []byte(key)}); err != nil {
		return err
	}
	if _, err := t.exec("DELETE FROM log WHERE seq = ?", version); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM documents WHERE id = ?", id)
	return err
}

// expire deletes documents whose time is over.
func (t *tx) expire() error {
	var over []row
	err := t.each(func(r row) error { over = append(over, append(row(nil), r...)); return nil },
		"SELECT id, version, kind, key FROM documents WHERE expires > 0 AND expires <= ? ORDER BY expires LIMIT 1000", t.now)
	if err != nil {
		return err
	}
	for _, r := range over {
		if err := t.remove(r.int(0), r.int(1), r.text(2), r.text(3)); err != nil {
			return err
		}
	}
	return nil
}

// Hold takes, renews or gives back a named lease: see engine.Documents. Giving
// back answers 0; so does asking while somebody else holds it.
func (s *Store) Hold(ctx context.Context, name, holder string, last time.Duration) (token int64, err error) {
	if holder == "" {
		return 0, fmt.Errorf("hold %s: the holder has no name", name)
	}
	err = s.act(ctx, func(t *tx) (err error) {
		token, err = t.hold(name, holder, last)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("hold %s: %w", name, err)
	}
	return token, nil
}

func (t *tx) hold(name, holder string, last time.Duration) (int64, error) {
	r, err := t.one("SELECT holder, token, until FROM holds WHERE name = ?", name)
	if err != nil {
		return 0, err
	}
	if r == nil {
		r = row{"", int64(0), int64(0)}
	}
	mine := r.text(0) == holder
	switch {
	case !mine && r.text(0) != "" && r.int(2) > t.now:
		return 0, nil
	case last <= 0 && !mine:
		return 0, nil
	case last <= 0:
		_, err := t.exec("UPDATE holds SET holder = '', until = 0 WHERE name = ?", name)
		return 0, err
	}
	token := r.int(1)
	if !mine {
		token++
	}
	_, err = t.exec("INSERT INTO holds VALUES (?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET holder = excluded.holder, token = excluded.token, until = excluded.until",
		name, holder, token, t.now+int64(last))
	return token, err
}

// Note appends a record to the audit log: see engine.Documents.
func (s *Store) Note(ctx context.Context, record []byte) error {
	if err := s.act(ctx, func(t *tx) error { return t.audit([][]byte{record}) }); err != nil {
		return fmt.Errorf("note: %w", err)
	}
	return nil
}

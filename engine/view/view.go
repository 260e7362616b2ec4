package view

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // and its driver

	"stanch/engine"
)

// Source is the stream that a view is built from.
type Source interface {
	Follow(ctx context.Context, cursor string, limit int) (engine.Page, error)
}

// View is one set of tables. It is safe for concurrent use.
type View struct {
	db     *sql.DB
	source Source
}

// version is the version of the schema. A view of another version is built
// anew: nothing in it is worth a migration.
const version = 4

// perBatch is how many records one transaction takes. It bounds how long a
// writer of the same file waits.
const perBatch = 2000

// drop removes the tables; schema makes them. Times are texts of one length,
// so that they sort; see stamp.
const drop = `
DROP TABLE IF EXISTS view_cursor; DROP TABLE IF EXISTS view_runs; DROP TABLE IF EXISTS view_strands; DROP TABLE IF EXISTS view_waits;
DROP TABLE IF EXISTS view_effects; DROP TABLE IF EXISTS view_approvals; DROP TABLE IF EXISTS view_incidents;
DROP TABLE IF EXISTS view_facets; DROP TABLE IF EXISTS view_words; DROP TABLE IF EXISTS view_unread;`

const schema = `
CREATE TABLE view_cursor (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, cursor TEXT NOT NULL, seq INTEGER NOT NULL, at TEXT NOT NULL);

CREATE TABLE view_runs (id TEXT PRIMARY KEY, playbook TEXT NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL, edition TEXT NOT NULL, mode TEXT NOT NULL,
  started_by TEXT NOT NULL, undoes TEXT NOT NULL, event TEXT NOT NULL, status TEXT NOT NULL, cancel TEXT NOT NULL, active INTEGER NOT NULL, begun TEXT NOT NULL, ended TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX view_runs_begun ON view_runs(begun, id);
CREATE INDEX view_runs_subject ON view_runs(subject, begun, id);
CREATE INDEX view_runs_playbook ON view_runs(playbook, begun, id);
CREATE INDEX view_runs_live ON view_runs(begun, id) WHERE ended = '';
-- What runs wait for.
CREATE TABLE view_waits (run TEXT NOT NULL, waits TEXT NOT NULL, PRIMARY KEY (run, waits)) WITHOUT ROWID;

CREATE TABLE view_effects (id TEXT PRIMARY KEY, run TEXT NOT NULL, step TEXT NOT NULL, playbook TEXT NOT NULL, action TEXT NOT NULL, class TEXT NOT NULL,
  target TEXT NOT NULL, target_id TEXT NOT NULL, status TEXT NOT NULL, why TEXT NOT NULL, since TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX view_effects_run ON view_effects(run);
CREATE INDEX view_effects_target ON view_effects(target_id);
CREATE INDEX view_effects_open ON view_effects(since, id) WHERE status IN ('begun', 'open', 'unknown');

CREATE TABLE view_approvals (id TEXT PRIMARY KEY, run TEXT NOT NULL, status TEXT NOT NULL, asked TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX view_approvals_status ON view_approvals(status, asked, id);

CREATE TABLE view_incidents (id TEXT PRIMARY KEY, status TEXT NOT NULL, severity TEXT NOT NULL, assignee TEXT NOT NULL,
  created TEXT NOT NULL, updated TEXT NOT NULL, words TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX view_incidents_created ON view_incidents(created, id);
CREATE INDEX view_incidents_status ON view_incidents(status, created, id);
CREATE INDEX view_incidents_severity ON view_incidents(severity, created, id);
CREATE INDEX view_incidents_assignee ON view_incidents(assignee, created, id);
-- In which incidents three letters stand beside each other (sqlite.org/fts5.html, 4.3.4).
CREATE VIRTUAL TABLE view_words USING fts5(words, tokenize='trigram', detail=none, content='', contentless_delete=1);
-- What an incident can be found by: its policies, tags, sources and users, in lower case.
CREATE TABLE view_facets (kind TEXT NOT NULL, value TEXT NOT NULL, incident TEXT NOT NULL, PRIMARY KEY (kind, value, incident)) WITHOUT ROWID;
CREATE INDEX view_facets_incident ON view_facets(incident);

CREATE TABLE view_unread (part INTEGER NOT NULL, seq INTEGER NOT NULL, what TEXT NOT NULL, error TEXT NOT NULL, PRIMARY KEY (part, seq)) WITHOUT ROWID;
`

// Open opens the view in the file at path, which may be that of the store, and
// makes what is missing. It reads nothing from the source: see Catch.
func Open(ctx context.Context, path string, source Source) (*View, error) {
	v, err := open(ctx, path, source)
	if err != nil {
		return nil, fmt.Errorf("view %s: %w", path, err)
	}
	return v, nil
}

func open(ctx context.Context, path string, source Source) (*View, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o700); err != nil {
		return nil, err
	}
	// SQLite would make it readable for others. A file that is there is not
	// opened here: closing it would drop the locks that this process has on it.
	f, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	_, _ = sqlite.OFDLocking(true) // see the store's connections; not everywhere, and not after others
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs), RawQuery: "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(NORMAL)&_pragma=trusted_schema(0)&_txlock=immediate"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	v := &View{db: db, source: source}
	if err := v.prepare(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return v, nil
}

// prepare makes the tables, if they are not there in this version.
func (v *View) prepare(ctx context.Context) error {
	var have int
	err := v.db.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM view_cursor").Scan(&have)
	if err == nil && have == version {
		return nil
	}
	return v.rebuild(ctx)
}

// rebuild empties the view, so that the next Catch builds it from the beginning.
func (v *View) rebuild(ctx context.Context) error {
	tx, err := v.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, drop+schema); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO view_cursor VALUES (1, ?, '', 0, '')", version); err != nil {
		return err
	}
	return tx.Commit()
}

// Close ends the use of the view.
func (v *View) Close() error { return v.db.Close() }

// Catch brings the view up to what the store has recorded when it returns from
// its last look. Where the store no longer has what followed the view's cursor,
// or is another one, the view is built anew. Whoever has just acted sees it
// after the next Catch.
func (v *View) Catch(ctx context.Context) error {
	rebuilt := false
	for {
		more, err := v.catch(ctx)
		if errors.Is(err, engine.ErrConflict) && !rebuilt {
			rebuilt = true
			err, more = v.rebuild(ctx), true
		}
		if err != nil {
			return fmt.Errorf("view: %w", err)
		}
		if !more {
			return nil
		}
	}
}

// catch takes one batch. The cursor is read in the transaction that moves it,
// so of several processes none takes a record twice.
func (v *View) catch(ctx context.Context) (more bool, err error) {
	var cursor string
	if err := v.db.QueryRowContext(ctx, "SELECT cursor FROM view_cursor").Scan(&cursor); err != nil {
		return false, err
	}
	page, err := v.source.Follow(ctx, cursor, perBatch)
	if err != nil || len(page.Records) == 0 {
		return false, err
	}
	// A statement under a context that can end costs a goroutine each.
	whole := context.WithoutCancel(ctx)
	tx, err := v.db.BeginTx(whole, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	last := page.Records[len(page.Records)-1]
	r, err := tx.ExecContext(whole, "UPDATE view_cursor SET cursor = ?, seq = ?, at = ? WHERE cursor = ?", page.Cursor, last.Seq, stamp(last.At), cursor)
	if err != nil {
		return false, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return true, err // another process was faster: go on from where it is
	}
	b := &batch{ctx: whole, tx: tx, statements: map[string]*sql.Stmt{}}
	defer b.close()
	if err := b.take(page.Records); err != nil {
		return false, err
	}
	return page.More, tx.Commit()
}

// Position answers the number and time of the newest record in the view. What
// the store has beyond it is the view's lag.
func (v *View) Position(ctx context.Context) (seq int64, at time.Time, err error) {
	var text string
	if err := v.db.QueryRowContext(ctx, "SELECT seq, at FROM view_cursor").Scan(&seq, &text); err != nil {
		return 0, time.Time{}, fmt.Errorf("view: %w", err)
	}
	return seq, moment(text), nil
}

// layout writes times in UTC with one length, so that texts sort as times.
const layout = "2006-01-02T15:04:05.000000000Z"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(layout)
}

func moment(text string) time.Time {
	t, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{} // an empty text, or one that somebody else has written
	}
	return t
}

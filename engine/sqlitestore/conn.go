package sqlitestore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"stanch/engine"
)

// conn is one connection with its prepared statements. It serves one goroutine
// at a time. It stands on the driver itself: database/sql would add a pool that
// a single writer has no use for, and goroutines of its own.
type conn struct {
	c     driver.Conn
	stmts map[string]driver.Stmt
	args  []driver.NamedValue
	wrote int // statements executed that were not queries
}

// How long an act waits for another process that writes.
const busyWait = 10 * time.Second

// dsn answers the address of a file with the pragmas that every connection to
// it has. They stand in the address because a driver may reconnect.
func dsn(path string, readOnly bool) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}
	q := []string{
		"_pragma=busy_timeout(" + fmt.Sprint(busyWait.Milliseconds()) + ")",
		"_pragma=synchronous(FULL)",
		"_pragma=temp_store(MEMORY)",
		"_pragma=trusted_schema(0)",
	}
	if readOnly {
		q = append(q, "mode=ro", "_pragma=query_only(1)", "_pragma=cache_size(-2048)")
	} else {
		q = append(q, "_pragma=cache_size(-8192)", "_pragma=journal_mode(WAL)", "_pragma=wal_autocheckpoint(4000)", "_pragma=journal_size_limit(67108864)")
	}
	return u.String() + "?" + strings.Join(q, "&"), nil
}

// dial opens a connection. POSIX locks end when their process closes any
// descriptor of the file, say after a backup; those of the open file do not,
// where the system has them and no other database was opened before.
func dial(dsn string) (*conn, error) {
	_, _ = sqlite.OFDLocking(true)
	c, err := (&sqlite.Driver{}).Open(dsn)
	if err != nil {
		return nil, told(err)
	}
	return &conn{c: c, stmts: make(map[string]driver.Stmt)}, nil
}

// dialPatiently opens a connection that may turn the file to WAL. SQLite refuses
// that at once, without its wait, while another process does the same to a file
// that is new.
func dialPatiently(dsn string) (*conn, error) {
	for begun := time.Now(); ; <-time.After(10 * time.Millisecond) {
		c, err := dial(dsn)
		e, ok := errors.AsType[*sqlite.Error](err)
		if !ok || e.Code()&0xff != sqlite3.SQLITE_BUSY || time.Since(begun) > busyWait {
			return c, err
		}
	}
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.Close()
	}
	clear(c.stmts)
	return told(c.c.Close())
}

// stmt answers a statement that is prepared once. What it plans by, such as a bound
// LIMIT or a column beside that of a partial index, SQLite would prepare again for
// each other value: written +? it cannot be planned by (sqlite.org/lang_expr.html,
// sqlite.org/queryplanner-ng.html).
func (c *conn) stmt(q string, args []any) (driver.Stmt, error) {
	s := c.stmts[q]
	if s == nil {
		var err error
		if s, err = c.c.Prepare(q); err != nil {
			return nil, told(err)
		}
		c.stmts[q] = s
	}
	c.args = c.args[:0]
	for i, a := range args {
		if b, ok := a.([]byte); ok && b == nil {
			a = nil
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s, nil
}

// exec executes a statement that writes. Arguments are int64, string or []byte.
func (c *conn) exec(q string, args ...any) (driver.Result, error) {
	s, err := c.stmt(q, args)
	if err != nil {
		return nil, err
	}
	c.wrote++
	r, err := s.(driver.StmtExecContext).ExecContext(context.Background(), c.args)
	return r, told(err)
}

// put executes a statement and answers the row id it has inserted.
func (c *conn) insert(q string, args ...any) (int64, error) {
	r, err := c.exec(q, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// change executes a statement and answers how many rows it has changed.
func (c *conn) change(q string, args ...any) (int64, error) {
	r, err := c.exec(q, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// script executes several statements that take no arguments.
func (c *conn) script(q string) error {
	s, err := c.c.Prepare(q)
	if err != nil {
		return told(err)
	}
	defer s.Close()
	c.wrote++
	_, err = s.(driver.StmtExecContext).ExecContext(context.Background(), nil)
	return told(err)
}

// row is one row of an answer.
type row []driver.Value

func (r row) int(i int) int64 { n, _ := r[i].(int64); return n }

func (r row) text(i int) string {
	switch v := r[i].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (r row) bytes(i int) []byte {
	switch v := r[i].(type) {
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	return nil
}

// each calls f with every row of an answer. The row is f's only while it runs;
// f must not use the same statement.
func (c *conn) each(f func(row) error, q string, args ...any) error {
	s, err := c.stmt(q, args)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(context.Background(), c.args)
	if err != nil {
		return told(err)
	}
	dest := make([]driver.Value, len(rows.Columns()))
	for {
		if err = rows.Next(dest); err != nil {
			break
		}
		if err = f(dest); err != nil {
			break
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(told(err), told(rows.Close()))
}

// one answers the first row, or nil.
func (c *conn) one(q string, args ...any) (row, error) {
	var got row
	err := c.each(func(r row) error {
		if got == nil {
			got = append(got, r...)
		}
		return nil
	}, q, args...)
	return got, err
}

// told gives the errors of SQLite and of the disk that a person can do
// something about their names. All others stay as they are.
func told(err error) error {
	if errors.Is(err, engine.ErrFull) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: the disk is full: %w; free some space", engine.ErrFull, err)
	}
	e, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return err
	}
	if e.Code() == sqlite3.SQLITE_IOERR_SHMSIZE { // the file of shared memory cannot grow
		return fmt.Errorf("%w: the disk is full: %w; free some space", engine.ErrFull, e)
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: the disk is full: %w; free some space, nothing needs to be restarted", engine.ErrFull, e)
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w; name another path, or restore the file from a backup", e)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the store is damaged: %w; stop every process that uses it and restore it from a backup", e)
	case sqlite3.SQLITE_READONLY:
		return fmt.Errorf("the store cannot be written: %w; check the rights of the file and of its directory", e)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another process has been writing to the store for more than %s: %w", busyWait, e)
	}
	return err
}

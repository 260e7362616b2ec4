package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"stanch/engine"
)

// Store is one SQLite file. It implements engine.Store and engine.Documents.
type Store struct {
	options Options
	path    string
	lock    *os.File
	epoch   int64

	queue   queue
	acts    sync.Pool // per store: a channel may not leave its synctest bubble
	written chan struct{}
	readers readers
	close   func() error

	// Of the writer's goroutine alone.
	w       *conn
	ran     []*act
	last    int64
	lanes   int
	swept   int64
	others  int64 // PRAGMA data_version at the last look
	lookDue atomic.Bool
	broken  error
	known   known
	digests bool // some dedupe keys and targets are kept as digests: see export.go

	waits waits
}

var (
	_ engine.Store     = (*Store)(nil)
	_ engine.Documents = (*Store)(nil)
)

// Options say how a file is opened.
type Options struct {
	// Work makes this process the one worker of the file: only it may Claim.
	// All leases of an earlier worker end at once. While another process is
	// the worker, Open answers engine.ErrWorkerBusy.
	Work bool
	// ReadOnly refuses every act that changes something.
	ReadOnly bool
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// lookEvery is how often the worker looks whether another process has written.
const lookEvery = 250 * time.Millisecond

// Open opens the file, or makes it with mode 0600 and its directories with
// 0700. It answers engine.ErrNewer for a file that a newer version wrote and
// engine.ErrWorkerBusy where Options.Work cannot be had.
func Open(path string, o Options) (*Store, error) {
	s, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	return s, nil
}

// OpenMemory opens an empty store that ends with its Close. It starts one
// goroutine and reads no clock but now, so it works inside a synctest bubble.
func OpenMemory(now func() time.Time) (*Store, error) {
	s := newStore(Options{Work: true, Now: now})
	w, err := dial("file::memory:?_pragma=temp_store(MEMORY)&_pragma=trusted_schema(0)")
	if err != nil {
		return nil, fmt.Errorf("store in memory: %w", err)
	}
	s.w = w
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("store in memory: %w", err), w.close())
	}
	go s.write()
	return s, nil
}

func newStore(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{options: o, written: make(chan struct{})}
	s.queue.filled = make(chan struct{}, 1)
	s.acts.New = func() any { return &act{done: make(chan struct{}, 1)} }
	s.waits.changed = make(chan struct{})
	s.known.forget()
	s.close = sync.OnceValue(s.end)
	return s
}

func open(path string, o Options) (_ *Store, err error) {
	if o.Work && o.ReadOnly {
		return nil, errors.New("a worker has to write: Work and ReadOnly exclude each other")
	}
	s := newStore(o)
	s.path = path
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if err := s.file(); err != nil {
		return nil, told(err)
	}
	if o.Work {
		if s.lock, err = lockFile(path + ".lock"); err != nil {
			return nil, told(err)
		}
	}
	address, err := dsn(path, o.ReadOnly)
	if err != nil {
		return nil, err
	}
	if s.w, err = dialPatiently(address); err != nil {
		return nil, err
	}
	if err := s.assert(); err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	readAddress, err := dsn(path, true)
	if err != nil {
		return nil, err
	}
	s.readers.dial = func() (*conn, error) { return dial(readAddress) }
	go s.write()
	if o.Work {
		s.waits.look(s)
	}
	return s, nil
}

// file sees to it that the file is there, ours alone, and not a directory.
func (s *Store) file() error {
	if s.options.ReadOnly {
		_, err := os.Stat(s.path)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	if err := local(s.path); err != nil {
		return err
	}
	// A file that is there is not opened here: closing it again would drop the
	// locks that this process has on it, see conn.go.
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Stat(s.path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("this is a directory: name a file in it")
	case info.Mode().Perm()&0o077 != 0:
		return os.Chmod(s.path, 0o600)
	}
	return nil
}

// assert checks that the pragmas of the address really hold.
func (s *Store) assert() error {
	want := map[string]string{"synchronous": "2", "trusted_schema": "0"}
	if !s.options.ReadOnly {
		want["journal_mode"] = "wal"
	}
	for name, value := range want {
		r, err := s.w.one("PRAGMA " + name)
		if err != nil {
			return err
		}
		if r == nil || fmt.Sprint(r[0]) != value {
			return fmt.Errorf("PRAGMA %s is %v, it must be %s: is the file on a network file system?", name, r, value)
		}
	}
	return nil
}

// prepare checks and brings up the schema, and ends what an earlier worker held.
func (s *Store) prepare() error {
	if s.options.Work && s.path != "" {
		r, err := s.w.one("PRAGMA quick_check(1)")
		if err != nil {
			return err
		}
		if r == nil || r.text(0) != "ok" {
			return fmt.Errorf("the store is damaged (%v): restore it from a backup", r)
		}
	}
	if err := s.migrate(); err != nil {
		return err
	}
	r, err := s.w.one(`SELECT value, (SELECT coalesce(max(at), 0) FROM log WHERE seq = (SELECT max(seq) FROM log)),
		EXISTS (SELECT 1 FROM meta WHERE name = 'digests') FROM meta WHERE name = 'epoch'`)
	if err != nil {
		return err
	}
	if r == nil {
		return errors.New("the store has no epoch: it was not made by stanch, or it is damaged")
	}
	s.epoch, s.last, s.digests = r.int(0), r.int(1), r.int(2) == 1
	if s.options.Work {
		return s.giveBack(1)
	}
	return nil
}

// giveBack makes every leased strand due. lost is what it adds to their losses.
func (s *Store) giveBack(lost int64) error {
	_, err := s.w.exec("UPDATE strands SET state = 1, token = '', due = ?, lost = lost + ? WHERE state = 2", s.clock(), lost)
	return err
}

func (s *Store) migrate() error {
	version, application, err := s.versions()
	steps := migrations()
	switch {
	case err != nil:
		return err
	case version > int64(len(steps)):
		return fmt.Errorf("%w: its schema is %d, this version knows %d; use the newer version", engine.ErrNewer, version, len(steps))
	case version > 0 && application != applicationID:
		return errors.New("this SQLite file belongs to another program; name another path")
	case version == int64(len(steps)):
		return nil
	case s.options.ReadOnly:
		return fmt.Errorf("its schema is %d, this version reads %d: open it once for writing", version, len(steps))
	}
	if err := s.start(); err != nil {
		return err
	}
	if err := s.upgrade(steps); err != nil {
		s.rollback()
		return err
	}
	return s.commit()
}

func (s *Store) versions() (version, application int64, err error) {
	r, err := s.w.one("SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_master)")
	if err != nil {
		return 0, 0, err
	}
	if r.int(0) == 0 && r.int(2) > 0 {
		return 0, 0, errors.New("this SQLite file belongs to another program; name another path")
	}
	return r.int(0), r.int(1), nil
}

// upgrade executes the missing migrations inside a transaction.
func (s *Store) upgrade(steps []string) error {
	version, _, err := s.versions() // again: another process may have been faster
	if err != nil {
		return err
	}
	fresh := version == 0
	for i := version; i < int64(len(steps)); i++ {
		if err := s.w.script(steps[i]); err != nil {
			return fmt.Errorf("migration to schema %d: %w", i+1, err)
		}
	}
	if err := s.w.script(fmt.Sprintf("PRAGMA user_version = %d; PRAGMA application_id = %d", len(steps), applicationID)); err != nil {
		return err
	}
	if fresh {
		_, err = s.w.exec("INSERT INTO meta VALUES ('epoch', ?), ('trimmed', 0)", s.clock())
	}
	return err
}

// Close gives back the leases and ends the use of the file. Acts that are
// queued are executed first. A second Close answers what the first did.
func (s *Store) Close() error { return s.close() }

func (s *Store) end() error {
	s.waits.end()
	var err error
	if s.options.Work {
		err = s.act(context.Background(), func(t *tx) error { return s.giveBack(0) })
	}
	s.queue.close()
	<-s.written
	return errors.Join(err, s.release())
}

// release closes what is open.
func (s *Store) release() error {
	err := s.readers.close()
	if s.w != nil {
		err = errors.Join(err, s.w.close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

package redisstore_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/sqlitestore"
	"stanch/engine/storetest"
)

// A store that is moved goes on as if nothing had happened: random acts are
// compared with a model over moves from SQLite to Redis, to another Redis, back
// to SQLite, and to another file.
func TestMovedStoreGoesOn(t *testing.T) {
	for _, partitions := range []int{engine.Partitions, 2 * engine.Partitions} { // in the second, runs lie elsewhere
		t.Run(strconv.Itoa(partitions), func(t *testing.T) {
			m := mover{addr: single(t).Addr(), partitions: partitions}
			storetest.Model(t, m.open)
		})
	}
}

// mover moves stores.
type mover struct {
	addr       string
	partitions int
}

// movable is a store, and how to end its use.
type movable struct {
	engine.Movable
	reopen func(t *testing.T, killed bool) movable
}

func (m mover) open(t *testing.T, clock *storetest.Clock) storetest.Opened {
	now := m.sqlite(t, clock, filepath.Join(t.TempDir(), "stanch.db"))
	moves := 0
	return storetest.Opened{Store: now, Moved: true, Again: func(t *testing.T, killed bool) storetest.Store {
		from := now.reopen(t, killed)
		var to movable
		if moves++; moves%4 == 1 || moves%4 == 2 {
			to = m.redis(t, clock, "move"+strconv.FormatInt(prefixes.Add(1), 10))
		} else {
			to = m.sqlite(t, clock, filepath.Join(t.TempDir(), "stanch.db"))
		}
		err := to.Import(t.Context(), from.Export(t.Context()))
		if err != nil && strings.Contains(err.Error(), "concurrency key") && m.partitions > engine.Partitions {
			moves-- // it stays where it is
			if err := to.Close(); err != nil {
				t.Fatal(err)
			}
			now = from
			return now
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := from.Close(); err != nil {
			t.Fatal(err)
		}
		now = to
		return now
	}}
}

func (m mover) sqlite(t *testing.T, clock *storetest.Clock, path string) movable {
	t.Helper()
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return movable{s, func(t *testing.T, killed bool) movable {
		if killed {
			t.Cleanup(func() { _ = s.Close() })
			return m.sqlite(t, clock, copied(t, path))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return m.sqlite(t, clock, path)
	}}
}

// copied copies what a killed process leaves on the disk.
func copied(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "stanch.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func (m mover) redis(t *testing.T, clock *storetest.Clock, prefix string) movable {
	t.Helper()
	s := open(t, redisstore.Options{Addrs: []string{m.addr}, Prefix: prefix, Partitions: m.partitions, Work: true, Now: clock.Now})
	return movable{s, func(t *testing.T, killed bool) movable {
		if err := s.Pack(t.Context()); err != nil {
			t.Fatal(err)
		}
		if killed {
			t.Cleanup(func() { _ = s.Abandon() })
		} else if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return m.redis(t, clock, prefix)
	}}
}

// What stores keep of names in the same way.
func TestNamesAreKeptAlike(t *testing.T) {
	if redisstore.DefaultPartitions != engine.Partitions {
		t.Errorf("%d partitions, not %d", redisstore.DefaultPartitions, engine.Partitions)
	}
	s := open(t, redisstore.Options{Addrs: []string{single(t).Addr()}})
	defer s.Close()
	for _, subject := range []string{"", "defender/1", "ünï"} {
		if at, want := s.PartitionOf(subject), engine.PartitionOf(subject, engine.Partitions); at != want {
			t.Errorf("the subject %q lies in partition %d, not %d", subject, at, want)
		}
		b := engine.Begin{Playbook: "p", Subject: subject, Dedupe: "d:1"}
		if is, want := redisstore.Digest(&b), engine.DedupeDigest(b.Playbook, b.Subject, b.Dedupe); is != want {
			t.Errorf("the digest of %+v is %x, not %x", b, is, want)
		}
		if is, want := redisstore.TargetID(subject), engine.TargetDigest(subject); is != want {
			t.Errorf("the digest of %s is %x, not %x", subject, is, want)
		}
	}
}

package sqlitestore_test

import (
	"os"
	"path/filepath"
	"testing"

	"stanch/engine/sqlitestore"
	"stanch/engine/storetest"
)

func TestFile(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) storetest.Opened {
		path := filepath.Join(t.TempDir(), "stanch.db")
		s := open(t, path, clock)
		return storetest.Opened{Store: s, Again: func(t *testing.T, killed bool) storetest.Store {
			if killed {
				path = copyFiles(t, path)
				t.Cleanup(func() { s.Close() })
			} else if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path, clock)
			return s
		}}
	})
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) storetest.Opened {
		s, err := sqlitestore.OpenMemory(clock.Now)
		if err != nil {
			t.Fatal(err)
		}
		return storetest.Opened{Store: s}
	})
}

func open(t *testing.T, path string, clock *storetest.Clock) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// copyFiles copies what a killed process leaves on the disk: the database and
// its write-ahead log.
func copyFiles(t *testing.T, path string) string {
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

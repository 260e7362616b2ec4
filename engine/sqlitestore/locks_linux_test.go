package sqlitestore_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"stanch/engine/sqlitestore"
	"stanch/engine/view"
)

// Whatever this process opens and closes of the file, the store's locks stay:
// without them another process takes itself for the last one when it closes, and
// removes the write-ahead log in use.
func TestLocksStay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stanch.db")
	s, err := sqlitestore.Open(path, sqlitestore.Options{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if locks(t, path) == 0 {
		t.Fatal("an open store has no lock on its file")
	}
	for what, act := range map[string]func() error{
		"a second store": func() error {
			second, err := sqlitestore.Open(path, sqlitestore.Options{})
			return errors.Join(err, second.Close())
		},
		"a view": func() error {
			v, err := view.Open(t.Context(), path, s)
			return errors.Join(err, v.Catch(t.Context()), v.Close())
		},
		"a backup": func() error {
			_, err := os.ReadFile(path)
			return err
		},
	} {
		if err := act(); err != nil {
			t.Fatal(what, err)
		}
		if locks(t, path) == 0 {
			t.Errorf("after %s the store has no lock on its file", what)
		}
	}
}

// locks counts the locks of SQLite on a file.
func locks(t *testing.T, path string) (n int) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	inode := fmt.Sprintf(":%d ", info.Sys().(*syscall.Stat_t).Ino)
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, inode) {
			n++
		}
	}
	return n
}

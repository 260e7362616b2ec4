//go:build unix

package sqlitestore

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// workerOf tells which process holds the lock of the worker.
func workerOf(lock string) (pid string, alive bool, err error) {
	f, err := os.Open(lock)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return "", false, err // closing gives it back
	}
	text, err := io.ReadAll(io.LimitReader(f, 32))
	return strings.TrimSpace(string(text)), true, err
}

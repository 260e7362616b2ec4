package sqlitestore_test

import (
	"syscall"
	"testing"
)

// mount makes dir a disk of 2 MiB until the test ends, where the user may.
func mount(t *testing.T, dir string) bool {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		return false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return true
}

//go:build !linux

package sqlitestore

// freeSpace is told on Linux only.
func freeSpace(string) (bytes uint64, known bool) { return 0, false }

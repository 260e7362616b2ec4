//go:build !linux

package sqlitestore_test

import "testing"

// mount would make dir a small disk; here SQLite's own limit stands in for it.
func mount(*testing.T, string) bool { return false }

//go:build !linux

package redistest

import "syscall"

// diesWithUs can do nothing here: the end of each test ends its servers.
func diesWithUs() *syscall.SysProcAttr { return nil }

// standsStill believes in the signal.
func standsStill(int) bool { return true }

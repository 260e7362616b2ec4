package redistest

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// diesWithUs ends a child when this process has ended, however that happened.
func diesWithUs() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// standsStill tells whether every thread of a process is stopped, or it is gone.
func standsStill(pid int) bool {
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", pid, thread.Name()))
		if err != nil {
			continue // it has just ended
		}
		// PID (NAME) STATE …, where the name may hold anything.
		state := bytes.TrimSpace(stat[bytes.LastIndexByte(stat, ')')+1:])
		if !bytes.HasPrefix(state, []byte("T")) {
			return false
		}
	}
	return true
}

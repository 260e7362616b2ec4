package redistest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is a child process. It is reaped as soon as it has ended.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// spawn starts redis-server; what it prints is added to the file log.
func spawn(log string, args ...string) (*process, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("redis-server is not on PATH and these tests need it: apt-get install redis-server")
	}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = diesWithUs()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended is in its log
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal; one that has ended does not mind.
func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// finish sends a signal that ends it and waits until it has. One that takes
// longer than 15 seconds is killed, which is an error.
func (p *process) finish(sig syscall.Signal) error {
	p.signal(sig)
	p.signal(syscall.SIGCONT)
	select {
	case <-p.ended:
		return nil
	case <-time.After(15 * time.Second):
	}
	p.signal(syscall.SIGKILL)
	<-p.ended
	return fmt.Errorf("it did not end upon %s within 15 seconds", sig)
}

// pause returns when it stands still.
func (p *process) pause() error {
	if !p.running() {
		return errors.New("it does not run")
	}
	p.signal(syscall.SIGSTOP)
	if !until(5*time.Second, func() bool { return standsStill(p.pid()) }) {
		return errors.New("it does not stand still")
	}
	return nil
}

// Package again starts this program once more, to measure what several
// processes do. It starts nothing else.
package again

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Process is this program, running once more.
type Process struct {
	In  io.WriteCloser // what it reads
	Out *bufio.Reader  // what it says

	cmd *exec.Cmd
}

// Start starts this program with other arguments. What it has to complain of
// goes to complaints. The end of ctx kills it. Wait has to be called.
func Start(ctx context.Context, complaints io.Writer, args ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program does not know where it is: %w", err)
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // it is this very program
	cmd.Args = append([]string{os.Args[0]}, args...)
	cmd.Stderr = complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start this program again: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start this program again: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start this program again: %w", err)
	}
	return &Process{In: in, Out: bufio.NewReader(out), cmd: cmd}, nil
}

// Kill ends the process without a word to it.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }

// Wait waits for the end of the process.
func (p *Process) Wait() error { return p.cmd.Wait() }

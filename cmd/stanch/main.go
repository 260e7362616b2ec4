// Command stanch runs playbooks for data-loss incidents of Microsoft 365.
//
// Each command stands in a file of its own: options, a function that does the
// work and answers a value, and a function that prints it. Only this package
// knows flags, exit codes and which rooms are joined to which.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules name zones, and not every computer has them

	"stanch/cmd/stanch/internal/terminal"
)

func main() {
	// A reader that leaves, as in `stanch actions | head`, is met where output
	// is written, not by a signal in the middle of a run.
	signal.Ignore(syscall.SIGPIPE)
	sh := &shell{
		in:  os.Stdin,
		out: terminal.On(os.Stdout, os.Getenv),
		err: terminal.On(os.Stderr, os.Getenv),
	}
	ctx, stop := sh.interruptible(context.Background())
	code := sh.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

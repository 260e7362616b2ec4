package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
)

// The exit codes, as `stanch help exit-codes` tells them.
const (
	exitOK          = 0
	exitFailed      = 1 // findings, or a run that failed
	exitUsage       = 2 // the command line is wrong
	exitCannot      = 3 // could not do it: a file, the store, the network, the configuration
	exitRejected    = 4 // run --live: an approval was rejected
	exitInterrupted = 130
)

// exitError carries an exit code. An empty err means that everything has been
// told already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// quietly ends the command with a code; what there was to tell has been told.
func quietly(code int) error { return &exitError{code: code} }

// misused says that the command line is wrong.
func misused(format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// shell is the person's side of a command: its streams and the flags that all
// commands share.
type shell struct {
	in  io.Reader
	out *terminal.Screen // data
	err *terminal.Screen // everything else

	configFile  string
	storeURL    string
	historyFile string
	output      string
}

// run executes a command line and answers its exit code.
func (sh *shell) run(ctx context.Context, args []string) int {
	root := newRoot(sh)
	root.SetArgs(args)
	root.SetIn(sh.in)
	root.SetOut(sh.out)
	root.SetErr(sh.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = sh.unwritten()
	}
	return sh.tell(ctx, cmd, err)
}

// unwritten answers why data did not reach standard output in full.
func (sh *shell) unwritten() error {
	if err := sh.out.Err(); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// tell prints what went wrong and answers the exit code. An error without a
// code comes from the parser of the command line: everything a command says
// itself has one (see verb).
func (sh *shell) tell(ctx context.Context, cmd *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	e, known := errors.AsType[*exitError](err)
	switch {
	case !known && sh.out.Err() != nil:
		e = &exitError{exitCannot, err}
	case !known:
		e = &exitError{exitUsage, err}
	case e.code != exitUsage && errors.Is(context.Cause(ctx), errInterrupted) && errors.Is(err, context.Canceled):
		e = &exitError{exitInterrupted, nil}
	}
	if e.err != nil {
		sh.err.Line(terminal.Text{Style: terminal.Red, Text: "stanch: "}, e.err)
	}
	if e.code == exitUsage {
		sh.err.Printf("usage: %s\nrun `%s --help` for more\n", strings.TrimSpace(cmd.UseLine()), cmd.CommandPath())
	}
	return e.code
}

// errInterrupted is the cause of a context that Ctrl-C or SIGTERM has ended.
var errInterrupted = errors.New("interrupted")

// patience is how long a command may take to end before it says that it does.
const patience = 500 * time.Millisecond

// interruptible answers a context that the first Ctrl-C (or SIGTERM) ends, so
// that what is under way is finished or handed over; the second ends the
// process at once.
func (sh *shell) interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel(errInterrupted)
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitInterrupted)
		case <-done:
			return
		case <-time.After(patience):
			sh.err.Printf("finishing what is under way; Ctrl-C again ends it at once\n")
		}
		select {
		case <-signals:
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// verb makes a function that does the work of a command fit for cobra: an error
// of its own that names no exit code is 3, could not run.
func verb(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := do(cmd.Context(), args)
		if err == nil {
			return nil
		}
		if _, known := errors.AsType[*exitError](err); known {
			return err
		}
		if errors.Is(err, engine.ErrRefused) {
			return &exitError{code: exitFailed, err: err}
		}
		return &exitError{code: exitCannot, err: err}
	}
}

// config reads the operator's file.
func (sh *shell) config() (*config.Config, error) {
	file, err := config.Find(sh.configFile)
	if err != nil {
		return nil, err
	}
	c, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	c.UseVaults(vaultReader(c.Tenant))
	return c, nil
}

// print writes v as asked by --output, or as table does.
func (sh *shell) print(v any, table func()) error {
	if sh.asTable() {
		table()
		return nil
	}
	return sh.out.Data(terminal.Format(sh.output), v)
}

// asTable reports whether what is told is for people.
func (sh *shell) asTable() bool {
	return sh.output == "" || terminal.Format(sh.output) == terminal.AsTable
}

func table(head ...string) terminal.Table { return terminal.Table{Head: head} }

// facts writes a table without head, indented.
func (sh *shell) facts(t terminal.Table) { sh.out.List(t) }

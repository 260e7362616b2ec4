package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stanch/engine"
)

func runsCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "runs",
		GroupID: "look",
		Short:   "Look at runs, end them, do again what failed, send them events, keep them elsewhere",
		Example: `  stanch runs list --status waiting
  stanch runs show r3f0123456789abcdefghij
  stanch runs cancel r3f0123456789abcdefghij --reason "wrong incident"
  stanch runs retry r3f0123456789abcdefghij
  stanch runs export --since 24h > runs.jsonl
  stanch runs resolve r3f0123456789abcdefghij contain[3]/0 --done
  stanch runs shadow contain-external-share --since 30d
  stanch runs signal owner-replied --key defender/42`,
	}
	c.AddCommand(runsList(sh), runsShow(sh), runsCancel(sh), runsTerminate(sh), runsRetry(sh), runsResubmit(sh), runsResolve(sh), runsSignal(sh), runsShadow(sh), runsExport(sh))
	return c
}

func runsShow(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "show RUN",
		Short:   "Show one run with its steps and effects",
		Example: "  stanch runs show r3f0123456789abcdefghij --output json",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			d, err := sh.open(ctx, need{looks: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			run, err := d.run(ctx, args[0])
			if err != nil {
				return err
			}
			return sh.print(run, func() { sh.showRun(run) })
		}),
	}
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func runsCancel(sh *shell) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Cancel a run: nothing more of it begins",
		Long: `Cancel a run: no further step or effect of it begins, and what waits ends. An
effect that has begun still gets its outcome. Then every ` + "`finally`" + ` around it runs,
ten minutes in all. What was done stays done: ` + "`stanch undo`" + ` takes it back.`,
		Example: "  stanch runs cancel r3f0123456789abcdefghij --reason \"wrong incident\"",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			return sh.halt(ctx, args[0], func(e *engine.Engine) error {
				return e.Cancel(ctx, args[0], operator(), reason)
			}, "is cancelled; what has begun still gets its outcome, then its finally runs")
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record: a `TEXT`")
	sh.storeFlag(c)
	return c
}

func runsTerminate(sh *shell) *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "terminate RUN --reason TEXT",
		Short: "End a run without its finally",
		Long: `End a run at once. As with ` + "`stanch runs cancel`" + ` nothing more of it begins, and an
effect that has begun still gets its outcome. But no ` + "`finally`" + ` runs, of no step and
not of the playbook: what it would tidy up stays as it is. One that runs already
goes no further. Cancel a run unless its ` + "`finally`" + ` is what goes wrong; a run that is
cancelled already can still be terminated.`,
		Example: "  stanch runs terminate r3f0123456789abcdefghij --reason \"its finally hangs\"",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			if reason == "" {
				return misused("--reason is missing: say why, for the record; the finally of the run is skipped")
			}
			return sh.halt(ctx, args[0], func(e *engine.Engine) error {
				return e.Terminate(ctx, args[0], operator(), reason)
			}, "is terminated; what has begun still gets its outcome, and no finally runs")
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record: a `TEXT`")
	sh.storeFlag(c)
	return c
}

// halt puts a mark on a run and tells what that means.
func (sh *shell) halt(ctx context.Context, run string, mark func(*engine.Engine) error, means string) error {
	d, err := sh.open(ctx, need{exists: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	switch err := mark(d.engine); {
	case errors.Is(err, engine.ErrNotFound):
		return noRun(run)
	case errors.Is(err, engine.ErrEnded):
		return &exitError{exitFailed, fmt.Errorf("run %s has ended already", run)}
	case err != nil:
		return err
	}
	sh.err.Printf("run %s %s\n", run, means)
	return nil
}

func runsResolve(sh *shell) *cobra.Command {
	var done, notDone bool
	c := &cobra.Command{
		Use:   "resolve RUN STEP --done|--not-done",
		Short: "Tell what became of an effect that nobody could tell",
		Long: `Tell what became of an effect whose outcome is unknown: Stanch asked for it, got
no certain answer, and cannot see by looking. You look, and say whether it
happened. It is never guessed and never sent again; with --not-done the step has
failed, and the run goes on as its playbook says for that.`,
		Example: "  stanch runs resolve r3f0123456789abcdefghij contain[3]/0 --done",
		Args:    exactArgs(2),
		RunE: verb(func(ctx context.Context, args []string) error {
			if done == notDone {
				return misused("give either --done or --not-done")
			}
			d, err := sh.open(ctx, need{exists: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			err = d.engine.Resolve(ctx, args[0], args[1], done, operator())
			if errors.Is(err, engine.ErrNotFound) {
				return noRun(args[0])
			}
			return err
		}),
	}
	c.Flags().BoolVar(&done, "done", false, "it happened")
	c.Flags().BoolVar(&notDone, "not-done", false, "it did not happen")
	sh.storeFlag(c)
	return c
}

func (d *desk) run(ctx context.Context, id string) (engine.Run, error) {
	run, err := d.engine.Run(ctx, id)
	if errors.Is(err, engine.ErrNotFound) {
		return run, noRun(id)
	}
	return run, err
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"stanch/engine"
	"stanch/playbooks"
)

type againOptions struct {
	run, reason string
	playbook    string // resubmit: its file
	from        string // retry: a step
	noWait      bool
}

func runsRetry(sh *shell) *cobra.Command {
	var o againOptions
	c := &cobra.Command{
		Use:   "retry RUN",
		Short: "Go on with a run from the step that failed",
		Long: `Go on with a run that failed or was cancelled, from the step at which it did: in a
run of its own, with the same edition of the playbook, event and params. The
earlier run stays as it is.

What succeeded is kept and not done again, in items and branches too. What did
not is done anew, and reads the world first. Approvals are asked again, unless
all that they cover is kept with them. What an undo has taken back is done anew.
What a finally or on_failure of the earlier run did to what is kept, nobody looks
at: --from goes further back, and does that step and all behind it anew.

Caps count the runs that retry each other as one, and who started one of them
does not approve in another. The command stays until the run has ended, as
` + "`stanch run --live`" + ` does. Given again, it finds the run that it began.`,
		Example: `  stanch runs retry r3f0123456789abcdefghij --reason "the site is unlocked now"
  stanch runs retry r3f0123456789abcdefghij --from contain`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			o.run = args[0]
			return sh.again(ctx, o, func(d *desk) (engine.Begun, error) { return sh.retry(ctx, d, o) })
		}),
	}
	c.Flags().StringVar(&o.from, "from", "", "an earlier `STEP` of the playbook's own list: do it and all behind it anew")
	sh.againFlags(c, &o)
	return c
}

func (sh *shell) retry(ctx context.Context, d *desk, o againOptions) (engine.Begun, error) {
	begun, err := d.engine.Retry(ctx, engine.Retry{Run: o.run, From: o.from, By: operator(), Reason: o.reason})
	switch {
	case err != nil || begun.Busy:
	case begun.New:
		sh.err.Printf("run %s begins; it retries %s\n", begun.Run, o.run)
	default:
		sh.err.Printf("run %s retries %s already\n", begun.Run, o.run)
	}
	return begun, err
}

func runsResubmit(sh *shell) *cobra.Command {
	var o againOptions
	c := &cobra.Command{
		Use:   "resubmit RUN",
		Short: "Begin a run again with the playbook as it is now",
		Long: `Begin a run again from its first step: with the same event and params, and the
playbook as it is now in the configuration's folders, or in the file given. It is
refused where the params no longer fit. What the earlier run did is not known to
it: each step reads the world anew, and finds what is so already.

The command stays until the run has ended, as ` + "`stanch run --live`" + ` does.`,
		Example: `  stanch runs resubmit r3f0123456789abcdefghij --reason "the label is right now"
  stanch runs resubmit r3f0123456789abcdefghij --playbook contain.yaml --no-wait`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			o.run = args[0]
			return sh.again(ctx, o, func(d *desk) (engine.Begun, error) { return sh.resubmit(ctx, d, o) })
		}),
	}
	c.Flags().StringVar(&o.playbook, "playbook", "", "the playbook as `FILE` (default: by its id in the configuration's folders)")
	sh.againFlags(c, &o)
	return c
}

func (sh *shell) againFlags(c *cobra.Command, o *againOptions) {
	c.Flags().StringVar(&o.reason, "reason", "", "why, for the record: a `TEXT`")
	c.Flags().BoolVar(&o.noWait, "no-wait", false, "begin the run and leave it to `stanch serve`")
	sh.storeFlag(c)
	sh.outputFlag(c)
}

// again begins a run that follows another, and stays until it has ended.
func (sh *shell) again(ctx context.Context, o againOptions, begin func(*desk) (engine.Begun, error)) error {
	d, err := sh.open(ctx, need{tenant: true, works: !o.noWait, may: true, exists: true}, sh.warnings())
	if err != nil {
		return err
	}
	defer d.close()
	begun, err := begin(d)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return noRun(o.run)
	case err != nil:
		return err
	case begun.Busy:
		return &exitError{exitFailed, fmt.Errorf("the playbook is busy with what run %s is about: no run was begun", o.run)}
	}
	if !o.noWait {
		return sh.follow(ctx, d, begun.Run)
	}
	run, err := d.engine.Run(ctx, begun.Run)
	if err != nil {
		return err
	}
	return sh.print(run, func() { sh.showRun(run) })
}

func (sh *shell) resubmit(ctx context.Context, d *desk, o againOptions) (engine.Begun, error) {
	old, err := d.engine.Run(ctx, o.run)
	if err != nil {
		return engine.Begun{}, err
	}
	book, err := sh.bookNow(d, old.Playbook.ID, o.playbook)
	if err != nil {
		return engine.Begun{}, err
	}
	begun, err := d.engine.Resubmit(ctx, engine.Resubmit{Run: o.run, Book: book, By: operator(), Reason: o.reason})
	if err == nil && !begun.Busy {
		sh.err.Printf("run %s of %s begins; it resubmits %s\n", begun.Run, book.ID, o.run)
	}
	return begun, err
}

// bookNow is a playbook as it is now.
func (sh *shell) bookNow(d *desk, id, file string) (*playbooks.Playbook, error) {
	switch {
	case file != "":
		return sh.findBook(d, file)
	case len(d.cfg.Playbooks) == 0:
		return nil, misused("--playbook is missing: the configuration names no folders in which %s could be", id)
	}
	return sh.bookOf(d, id)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

type workerOptions struct {
	concurrency  int
	lease, grace time.Duration
	text         bool
}

func workerCommand(sh *shell) *cobra.Command {
	var o workerOptions
	c := &cobra.Command{
		Use:     "worker",
		GroupID: "run",
		Short:   "Do the work of a store beside other workers",
		Long: `Do the work of a store: execute the runs that others begin. It looks for no
incidents and needs no playbooks: each run carries what it goes on with.
` + "`stanch serve`" + ` is a worker, too, and feeds the store.

With a store in Redis as many workers as you like work on one, on any machine;
each needs the operator's file with the tenant, for it does what the steps say.
When one is lost, the others take over what it held after its lease. A SQLite
file has one worker.

Ctrl-C or SIGTERM ends it: what is under way is finished within the grace time,
the rest is given back at once.`,
		Example: "  stanch worker --config stanch.yaml --store rediss://redis.example\n  stanch worker --concurrency 16 --lease 10s --grace 1m",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			return sh.work(ctx, o)
		}),
	}
	f := c.Flags()
	f.IntVar(&o.concurrency, "concurrency", 0, "steps of how many strands at once: a `NUMBER` (default the configuration's worker.concurrency, 64)")
	f.DurationVar(&o.lease, "lease", 0, "after which `TIME` others take over when this worker is lost (default worker.lease, 15s)")
	f.DurationVar(&o.grace, "grace", 0, "`TIME` for what is under way at the end (default worker.grace, 20s)")
	f.BoolVar(&o.text, "log-text", false, "log lines for people; default JSON")
	sh.storeFlag(c)
	return c
}

// work works on the store until it is told to end.
func (sh *shell) work(ctx context.Context, o workerOptions) error {
	log := sh.logger(o.text)
	n := need{tenant: true, works: true}
	d, err := sh.desk(n)
	if err != nil {
		return err
	}
	w := &d.cfg.Worker
	if o.concurrency != 0 {
		w.Concurrency = o.concurrency
	}
	if o.lease != 0 {
		w.Lease = o.lease
	}
	if o.grace != 0 {
		w.Grace = o.grace
	}
	if err := w.Check(); err != nil {
		return misused("%v", err)
	}
	if err := sh.openStore(ctx, d, n, log); err != nil {
		return err
	}
	defer d.close()
	log.Info("working", "store", d.at.String(), "concurrency", w.Concurrency, "lease", w.Lease.String(), "grace", w.Grace.String())
	if err := d.work(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("ended", "cause", fmt.Sprint(context.Cause(ctx)))
	return nil
}

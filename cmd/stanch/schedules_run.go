package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/playbooks"
	"stanch/triggers"
)

// nextTime is one line of `stanch schedules next`.
type nextTime struct {
	Playbook string    `json:"playbook"`
	Trigger  string    `json:"trigger"`
	At       time.Time `json:"at"`    // as the schedule names it, in its zone
	Comes    time.Time `json:"comes"` // later by the jitter
}

func schedulesNext(sh *shell) *cobra.Command {
	var count int
	var after string
	c := &cobra.Command{
		Use:   "next [PATH…]",
		Short: "Tell the next times of schedules",
		Long: `Tell the next times at which playbooks are started by the clock, each in the zone
of its schedule, and when that is, jitter included. It needs no store.`,
		Example: `  stanch schedules next playbooks/weekly.yaml
  stanch schedules next playbooks --count 3 --after 2026-03-28 --output json`,
		RunE: verb(func(_ context.Context, args []string) error {
			list, err := sh.nextTimes(args, count, after)
			if err != nil {
				return err
			}
			return sh.print(list, func() { sh.nextTable(list) })
		}),
	}
	c.Flags().IntVar(&count, "count", 5, "how many times of each: a `NUMBER` up to 1000")
	c.Flags().StringVar(&after, "after", "", "those after a `TIME` (2026-03-28, 2026-03-28T09:00:00Z); default now")
	sh.outputFlag(c)
	return c
}

func (sh *shell) nextTimes(paths []string, count int, after string) ([]nextTime, error) {
	if count < 1 || count > 1000 {
		return nil, misused("--count must be 1 to 1000, not %d", count)
	}
	from := time.Now()
	if after != "" {
		var err error
		if from, err = moment("after", after, from); err != nil {
			return nil, err
		}
	}
	d, err := sh.desk(need{})
	if err != nil {
		return nil, err
	}
	all, err := sh.timed(d, paths)
	if err != nil {
		return nil, err
	}
	list := []nextTime{}
	for _, t := range all {
		for _, tick := range t.Next(from, count) {
			list = append(list, nextTime{t.Book.ID, t.Trigger, tick.At, tick.Comes})
		}
	}
	return list, nil
}

func (sh *shell) nextTable(list []nextTime) {
	if len(list) == 0 {
		sh.err.Printf("the clock starts none of these playbooks\n")
		return
	}
	t := table("PLAYBOOK", "TRIGGER", "BY ITS ZONE", "COMES")
	for _, l := range list {
		t.Add(l.Playbook, l.Trigger, l.At.Format("Mon 2006-01-02 15:04 -0700 MST"), instant(l.Comes))
	}
	sh.out.Table(t)
}

func schedulesRun(sh *shell) *cobra.Command {
	var trigger string
	c := &cobra.Command{
		Use:   "run PLAYBOOK",
		Short: "Do now what the clock would start later",
		Long: `Do at once what a schedule or hunt does when its time comes: ask its condition, or
its query, and begin the runs that come of it, live, for a worker to execute (` + "`stanch serve`" + `).
The schedule itself goes on as it is; rows that a hunt finds are remembered.
PLAYBOOK is a file, or the id of a playbook in the configuration's folders.

` + "`stanch hunt`" + ` shows what a query finds and begins nothing.`,
		Example: `  stanch schedules run weekly --config stanch.yaml
  stanch schedules run playbooks/hunt.yaml --trigger hunting --output json`,
		Args: exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			came, err := sh.scheduleNow(ctx, args[0], trigger)
			if err != nil {
				return err
			}
			if err := sh.print(came, func() { sh.out.Printf("%s\n", saidOf(came)) }); err != nil {
				return err
			}
			if came.Outcome == triggers.TickFailed {
				return quietly(exitFailed)
			}
			return nil
		}),
	}
	c.Flags().StringVar(&trigger, "trigger", "", "which, where the playbook has both: `NAME` schedule or hunting")
	_ = c.RegisterFlagCompletionFunc("trigger", cobra.FixedCompletions([]string{"schedule", "hunting"}, cobra.ShellCompDirectiveNoFileComp))
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) scheduleNow(ctx context.Context, named, trigger string) (triggers.Ticked, error) {
	n := need{}
	d, err := sh.desk(n)
	if err != nil {
		return triggers.Ticked{}, err
	}
	book, err := sh.findBook(d, named)
	if err != nil {
		return triggers.Ticked{}, err
	}
	t, err := triggerOf(book, trigger)
	if err != nil {
		return triggers.Ticked{}, err
	}
	if t.Trigger == "hunting" {
		if d.tenant, err = connect(d.cfg); err != nil {
			return triggers.Ticked{}, err
		}
		if err := askable(d.cfg, []*playbooks.Playbook{book}); err != nil {
			return triggers.Ticked{}, err
		}
	}
	if err := sh.openStore(ctx, d, n, nil); err != nil {
		return triggers.Ticked{}, err
	}
	defer d.close()
	s := &triggers.Schedules{Engine: d.engine, Docs: d.store, Hunter: hunter(d.cfg, d.tenant)}
	return s.ByHand(ctx, t, operator())
}

// triggerOf answers the trigger of a playbook that comes by the clock.
func triggerOf(book *playbooks.Playbook, trigger string) (triggers.Timed, error) {
	all, err := triggers.TimedOf([]*playbooks.Playbook{book})
	if err != nil {
		return triggers.Timed{}, err
	}
	var named []string
	for _, t := range all {
		if t.Trigger == trigger || trigger == "" && len(all) == 1 {
			return t, nil
		}
		named = append(named, t.Trigger)
	}
	switch {
	case len(all) == 0:
		return triggers.Timed{}, &exitError{exitFailed, fmt.Errorf("%s has neither on.schedule nor on.hunting: the clock does not start it", book.File)}
	case trigger == "":
		return triggers.Timed{}, misused("%s has %s: name one with --trigger", book.File, strings.Join(named, " and "))
	}
	return triggers.Timed{}, misused("%s has no on.%s, it has %s", book.File, trigger, strings.Join(named, " and "))
}

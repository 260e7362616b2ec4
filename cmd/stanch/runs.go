package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/engine"
	"stanch/engine/view"
)

// runLine is a run in a list.
type runLine struct {
	ID         string     `json:"id"`
	Playbook   string     `json:"playbook"`
	Mode       string     `json:"mode"`
	Status     string     `json:"status"`
	Subject    string     `json:"subject"`
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	WaitsFor   []string   `json:"waits_for"`
	Unknown    []string   `json:"unknown"` // steps with an effect that a person must resolve
}

// runFilter selects runs. Empty fields select all.
type runFilter struct {
	playbook, subject string
	status            string // live: those that have not ended
	limit             int    // 0: all
}

// runStatuses are what --status takes: a status of a run, or what its effects
// need.
func runStatuses() []string {
	return []string{"queued", "running", "waiting", "succeeded", "failed", "rejected", "cancelled", "unknown", "live"}
}

func runsCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "runs",
		GroupID: "look",
		Short:   "Look at runs, cancel them, send them events, resolve what nobody could tell",
		Example: `  stanch runs list --status waiting
  stanch runs show r3f0123456789abcdefghij
  stanch runs cancel r3f0123456789abcdefghij --reason "wrong incident"
  stanch runs resolve r3f0123456789abcdefghij contain[3]/0 --done
  stanch runs signal owner-replied --key defender/42`,
	}
	c.AddCommand(runsList(sh), runsShow(sh), runsCancel(sh), runsResolve(sh), runsSignal(sh))
	return c
}

func runsList(sh *shell) *cobra.Command {
	var f runFilter
	c := &cobra.Command{
		Use:     "list",
		Short:   "List runs, the newest first",
		Example: "  stanch runs list\n  stanch runs list --status failed --playbook contain-external-share --output json",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			if f.limit < 1 {
				return misused("--limit must be 1 or more")
			}
			if !slices.Contains(runStatuses(), f.status) && f.status != "" {
				return misused("--status must be one of %s, not %q", strings.Join(runStatuses(), ", "), f.status)
			}
			d, err := sh.open(ctx, need{looks: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			lines, err := d.runs(ctx, f)
			if err != nil {
				return err
			}
			return sh.print(lines, func() { sh.runTable(lines) })
		}),
	}
	c.Flags().StringVar(&f.playbook, "playbook", "", "only those of this playbook `ID`")
	c.Flags().StringVar(&f.status, "status", "", "only those with this `STATUS`: "+strings.Join(runStatuses(), ", "))
	c.Flags().StringVar(&f.subject, "incident", "", "only those about this incident `ID`")
	c.Flags().IntVar(&f.limit, "limit", 100, "at most this `NUMBER`")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) runTable(lines []runLine) {
	if len(lines) == 0 {
		sh.err.Printf("no runs\n")
		return
	}
	t := table("RUN", "PLAYBOOK", "STATUS", "ABOUT", "STARTED", "NOTE")
	for _, l := range lines {
		note := strings.Join(l.WaitsFor, ", ")
		if len(l.Unknown) > 0 {
			note = "a person must resolve " + strings.Join(l.Unknown, ", ")
		}
		if l.Mode != engine.ModeLive {
			note = strings.TrimSpace(l.Mode + " " + note)
		}
		t.Add(l.ID, l.Playbook, status(l.Status), l.Subject, instant(l.StartedAt), note)
	}
	sh.out.Table(t)
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
effect that has begun still gets its outcome. What was done stays done:
` + "`stanch undo`" + ` takes it back.`,
		Example: "  stanch runs cancel r3f0123456789abcdefghij --reason \"wrong incident\"",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) error {
			d, err := sh.open(ctx, need{exists: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			switch err := d.engine.Cancel(ctx, args[0], operator(), reason); {
			case errors.Is(err, engine.ErrNotFound):
				return noRun(args[0])
			case errors.Is(err, engine.ErrEnded):
				return &exitError{exitFailed, fmt.Errorf("run %s has ended already", args[0])}
			case err != nil:
				return err
			}
			sh.err.Printf("run %s is cancelled; what has begun still gets its outcome\n", args[0])
			return nil
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record: a `TEXT`")
	sh.storeFlag(c)
	return c
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

// runs answers the runs that the filter selects, the newest first.
func (d *desk) runs(ctx context.Context, f runFilter) ([]runLine, error) {
	v, err := d.lists(ctx)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	ask := view.RunFilter{Status: f.status, Playbook: f.playbook, Subject: f.subject, Limit: f.limit}
	lines := []runLine{}
	for {
		page, next, err := v.Runs(ctx, ask)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			lines = append(lines, lineOf(r))
		}
		if ask.Cursor = next; next == "" || f.limit > 0 && len(lines) >= f.limit {
			return lines, nil
		}
	}
}

func lineOf(r view.Run) runLine {
	l := runLine{
		ID: r.ID, Playbook: r.Playbook, Mode: r.Mode, Status: r.Status, Subject: r.Subject, StartedAt: r.BegunAt,
		WaitsFor: append([]string{}, r.WaitsFor...), Unknown: append([]string{}, r.Unknown...),
	}
	if !r.EndedAt.IsZero() {
		l.FinishedAt = &r.EndedAt
	}
	return l
}

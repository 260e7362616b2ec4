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
	playbook, status, subject string
	live                      bool // those that have not ended
	limit                     int
}

func runsCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "runs",
		GroupID: "look",
		Short:   "Look at runs, cancel them, resolve what nobody could tell",
		Example: `  stanch runs list --status waiting
  stanch runs show r3f0123456789abcdefghij
  stanch runs cancel r3f0123456789abcdefghij --reason "wrong incident"
  stanch runs resolve r3f0123456789abcdefghij contain[3]/0 --done`,
	}
	c.AddCommand(runsList(sh), runsShow(sh), runsCancel(sh), runsResolve(sh))
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
			d, err := sh.open(need{looks: true}, nil)
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
	c.Flags().StringVar(&f.status, "status", "", "only those with this `STATUS`: queued, running, waiting, succeeded, failed, rejected, cancelled, unknown")
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
			d, err := sh.open(need{looks: true}, nil)
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
			d, err := sh.open(need{exists: true}, nil)
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
happened. It is never guessed and never sent again unasked; with --not-done the
step goes on and may do it.`,
		Example: "  stanch runs resolve r3f0123456789abcdefghij contain[3]/0 --done",
		Args:    exactArgs(2),
		RunE: verb(func(ctx context.Context, args []string) error {
			if done == notDone {
				return misused("give either --done or --not-done")
			}
			d, err := sh.open(need{exists: true}, nil)
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
	byID, err := d.begun(ctx)
	if err != nil {
		return nil, err
	}
	lines := []runLine{}
	for _, l := range byID {
		if f.playbook != "" && l.Playbook != f.playbook || f.subject != "" && l.Subject != f.subject || f.live && l.FinishedAt != nil {
			continue
		}
		if l.FinishedAt == nil {
			if err := d.lookInto(ctx, l); err != nil {
				return nil, err
			}
		}
		if f.status == "" || f.status == l.Status || f.status == "unknown" && len(l.Unknown) > 0 {
			lines = append(lines, *l)
		}
	}
	slices.SortFunc(lines, func(a, b runLine) int {
		if c := b.StartedAt.Compare(a.StartedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	if f.limit > 0 && len(lines) > f.limit {
		lines = lines[:f.limit]
	}
	return lines, nil
}

// lookInto asks a run that has not ended what it waits for.
func (d *desk) lookInto(ctx context.Context, l *runLine) error {
	run, err := d.engine.Run(ctx, l.ID)
	if err != nil {
		return err
	}
	l.Status = run.Status
	l.WaitsFor = append(l.WaitsFor, run.WaitsFor...)
	for _, s := range run.Steps {
		if s.Status == "unknown" {
			l.Unknown = append(l.Unknown, s.Path)
		}
	}
	return nil
}

// begun reads all runs that the store keeps from its stream.
func (d *desk) begun(ctx context.Context) (map[string]*runLine, error) {
	byID := map[string]*runLine{}
	for cursor := ""; ; {
		page, err := d.store.Follow(ctx, cursor, 1000)
		if err != nil {
			return nil, fmt.Errorf("runs: %w", err)
		}
		for _, r := range page.Records {
			l := byID[r.Run]
			switch {
			case r.Kind == "begin" && r.Head != nil:
				byID[r.Head.ID] = &runLine{
					ID: r.Head.ID, Playbook: r.Head.Playbook, Mode: r.Head.Mode, Status: r.Status, Subject: r.Head.Subject,
					StartedAt: r.Head.BegunAt, WaitsFor: []string{}, Unknown: []string{},
				}
			case r.Kind == "run" && l != nil:
				if l.Status = r.Status; (engine.Run{Status: r.Status}).Ended() {
					l.FinishedAt = new(r.At)
				}
			}
		}
		if cursor = page.Cursor; !page.More {
			return byID, nil
		}
	}
}

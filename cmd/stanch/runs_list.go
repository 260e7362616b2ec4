package main

import (
	"context"
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
	Name       string     `json:"name,omitempty"` // of the entity that it was started on, as people know it
	StartedAt  time.Time  `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	WaitsFor   []string   `json:"waits_for"`
	Unknown    []string   `json:"unknown"` // steps with an effect that a person must resolve
}

// runFilter selects runs. Empty fields select all.
type runFilter struct {
	playbook, subject string
	status            string // live: those that have not ended
	mode              string
	since, until      time.Time // begun at or after; before
	limit             int       // 0: all
}

// runFlags are the flags by which people select runs.
type runFlags struct {
	filter       runFilter
	since, until string
}

// add gives a command the flags.
func (f *runFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.filter.playbook, "playbook", "", "only those of this playbook `ID`")
	flags.StringVar(&f.filter.status, "status", "", "only those with this `STATUS`: "+strings.Join(runStatuses(), ", "))
	flags.StringVar(&f.filter.subject, "incident", "", "only those about this incident `ID`")
	flags.StringVar(&f.filter.mode, "mode", "", "only those of this `MODE`: "+strings.Join(keptModes(), ", "))
	flags.StringVar(&f.since, "since", "", "only those begun since a `TIME` (2026-03-02, 2026-03-02T09:00:00Z) or within a duration (24h)")
	flags.StringVar(&f.until, "until", "", "only those begun before a `TIME`, or longer ago than a duration")
}

// read checks what was given and answers the filter.
func (f *runFlags) read() (runFilter, error) {
	if f.filter.status != "" && !slices.Contains(runStatuses(), f.filter.status) {
		return f.filter, misused("--status must be one of %s, not %q", strings.Join(runStatuses(), ", "), f.filter.status)
	}
	if f.filter.mode != "" && !slices.Contains(keptModes(), f.filter.mode) {
		return f.filter, misused("--mode must be one of %s, not %q", strings.Join(keptModes(), ", "), f.filter.mode)
	}
	now := time.Now()
	var err error
	if f.filter.since, err = moment("since", f.since, now); err != nil {
		return f.filter, err
	}
	if f.filter.until, err = moment("until", f.until, now); err != nil {
		return f.filter, err
	}
	if !f.filter.until.IsZero() && !f.filter.since.Before(f.filter.until) {
		return f.filter, misused("--since %s is not before --until %s: that selects nothing", f.since, f.until)
	}
	return f.filter, nil
}

// runStatuses are what --status takes: a status of a run, or what its effects
// need.
func runStatuses() []string {
	return []string{"queued", "running", "waiting", "succeeded", "failed", "rejected", "cancelled", "unknown", "live"}
}

// keptModes are the modes of runs that a store keeps; a plan leaves nothing.
func keptModes() []string { return []string{engine.ModeLive, engine.ModeShadow} }

func runsList(sh *shell) *cobra.Command {
	var f runFlags
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List runs, the newest first",
		Example: `  stanch runs list
  stanch runs list --status failed --since 24h
  stanch runs list --playbook contain-external-share --incident defender/42 --output json`,
		Args: noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			if limit < 1 {
				return misused("--limit must be 1 or more")
			}
			filter, err := f.read()
			if err != nil {
				return err
			}
			filter.limit = limit
			d, err := sh.open(ctx, need{looks: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			lines, more, err := d.runs(ctx, filter)
			if err != nil {
				return err
			}
			if err := sh.print(lines, func() { sh.runTable(lines) }); err != nil {
				return err
			}
			if more {
				sh.err.Printf("there are more than these %d: a larger --limit shows them, --since and --status narrow the list\n", len(lines))
			}
			return nil
		}),
	}
	f.add(c)
	c.Flags().IntVar(&limit, "limit", 100, "at most this `NUMBER`")
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
		t.Add(l.ID, l.Playbook, status(l.Status), l.about(), instant(l.StartedAt), note)
	}
	sh.out.Table(t)
}

// about is what a run is about, with a name where its id says nothing to people.
func (l runLine) about() string {
	if l.Name == "" || strings.Contains(l.Subject, "@") || strings.Contains(l.Subject, "://") {
		return l.Subject
	}
	return l.Subject + " " + l.Name
}

// runs answers the runs that the filter selects, the newest first, and whether
// there are more than its limit.
func (d *desk) runs(ctx context.Context, f runFilter) (lines []runLine, more bool, err error) {
	lines = []runLine{}
	err = d.eachRun(ctx, f, func(r view.Run) bool {
		if more = f.limit > 0 && len(lines) == f.limit; !more {
			lines = append(lines, lineOf(r))
		}
		return !more
	})
	return lines, more, err
}

// eachRun visits the runs that the filter selects, whatever its limit, the
// newest first, until visit answers false.
func (d *desk) eachRun(ctx context.Context, f runFilter, visit func(view.Run) bool) error {
	v, err := d.lists(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	ask := view.RunFilter{Status: f.status, Playbook: f.playbook, Subject: f.subject, Since: f.since, Until: f.until, Limit: 1000}
	if f.limit > 0 && f.mode == "" {
		ask.Limit = f.limit + 1
	}
	for {
		page, next, err := v.Runs(ctx, ask)
		if err != nil {
			return err
		}
		for _, r := range page {
			if f.mode != "" && r.Mode != f.mode {
				continue
			}
			if !visit(r) {
				return nil
			}
		}
		if ask.Cursor = next; next == "" {
			return nil
		}
	}
}

func lineOf(r view.Run) runLine {
	l := runLine{
		ID: r.ID, Playbook: r.Playbook, Mode: r.Mode, Status: r.Status, Subject: r.Subject, Name: r.Name, StartedAt: r.BegunAt,
		WaitsFor: append([]string{}, r.WaitsFor...), Unknown: append([]string{}, r.Unknown...),
	}
	if !r.EndedAt.IsZero() {
		l.FinishedAt = &r.EndedAt
	}
	return l
}

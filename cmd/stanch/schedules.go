package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
	"stanch/playbooks"
	"stanch/triggers"
)

func schedulesCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "schedules",
		GroupID: "look",
		Short:   "Look at what the clock starts, and start it now",
		Example: `  stanch schedules list --config stanch.yaml
  stanch schedules next playbooks/weekly.yaml --count 10
  stanch schedules run weekly --config stanch.yaml`,
	}
	c.AddCommand(schedulesList(sh), schedulesNext(sh), schedulesRun(sh))
	return c
}

// listedSchedule is one line of `stanch schedules list`.
type listedSchedule struct {
	Playbook string            `json:"playbook"`
	Trigger  string            `json:"trigger"` // schedule | hunting
	Status   string            `json:"status"`  // of the playbook; a draft is not started
	Cron     string            `json:"cron"`
	Zone     string            `json:"zone"`
	Misfire  string            `json:"misfire"`
	DST      string            `json:"dst"`
	Next     *time.Time        `json:"next"`    // when the next run begins, jitter included; null: never
	Last     *triggers.Ticked  `json:"last"`    // null: nothing was decided yet
	Failing  *triggers.Failing `json:"failing"` // null: nothing is
}

func schedulesList(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:   "list [PATH…]",
		Short: "List schedules and hunts: when each comes next, and what it came to last",
		Long: `List the schedules and hunts of playbooks: when each comes next, what the last
time came to, and what fails and is tried again. Playbooks are those of the folders
and files given, else of the configuration's, as for ` + "`stanch serve`" + `.`,
		Example: "  stanch schedules list --config stanch.yaml\n  stanch schedules list playbooks --output json",
		RunE: verb(func(ctx context.Context, args []string) error {
			list, err := sh.listSchedules(ctx, args)
			if err != nil {
				return err
			}
			return sh.print(list, func() { sh.scheduleTable(list) })
		}),
	}
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) listSchedules(ctx context.Context, paths []string) ([]listedSchedule, error) {
	n := need{looks: true}
	d, err := sh.desk(n)
	if err != nil {
		return nil, err
	}
	all, err := sh.timed(d, paths)
	if err != nil {
		return nil, err
	}
	none, err := sh.openIfThere(ctx, d, n)
	if err != nil {
		return nil, err
	}
	if !none {
		defer d.close()
		frozen, err := d.engine.Frozen(ctx)
		if err != nil {
			return nil, err
		}
		if frozen.On {
			sh.err.Printf("note: frozen by %s: nothing is started before `stanch thaw`\n", frozen.By)
		}
	}
	list := []listedSchedule{}
	for _, t := range all {
		l := listedSchedule{
			Playbook: t.Book.ID, Trigger: t.Trigger, Status: t.Book.Status, Cron: t.When.Cron, Zone: t.When.Zone, Misfire: t.When.Misfire, DST: t.When.DST,
		}
		if ticks := t.Next(time.Now(), 1); len(ticks) > 0 && t.Book.Status != "draft" {
			l.Next = &ticks[0].Comes
		}
		if !none {
			st, err := triggers.ScheduleOf(ctx, d.store, t.Book.ID, t.Trigger)
			if err != nil && !errors.Is(err, engine.ErrNotFound) {
				return nil, err
			}
			l.Last, l.Failing = st.Last, st.Failing
		}
		list = append(list, l)
	}
	return list, nil
}

// openIfThere opens a store to look, and answers whether there is none yet.
func (sh *shell) openIfThere(ctx context.Context, d *desk, n need) (none bool, err error) {
	err = sh.openStore(ctx, d, n, nil)
	if missing, is := errors.AsType[noStore](err); is {
		sh.err.Printf("note: %s\n", missing)
		return true, nil
	}
	return false, err
}

// timed answers what the clock starts of the playbooks of paths, else of the
// configuration's.
func (sh *shell) timed(d *desk, paths []string) ([]triggers.Timed, error) {
	if len(paths) == 0 {
		paths = d.cfg.Playbooks
	}
	if len(paths) == 0 {
		return nil, misused("no playbooks: name their folders or files, or list them as `playbooks` in the configuration")
	}
	s, err := loadBooks(paths, world(d.catalog, d.cfg))
	if err != nil {
		return nil, fmt.Errorf("playbooks: %w", err)
	}
	var books []*playbooks.Playbook
	for _, b := range s.books {
		if b.playbook == nil || playbooks.HasErrors(b.findings) {
			sh.err.Printf("note: %s has errors, which `stanch lint` tells: left out\n", b.file)
			continue
		}
		books = append(books, b.playbook)
	}
	return triggers.TimedOf(books)
}

func (sh *shell) scheduleTable(list []listedSchedule) {
	if len(list) == 0 {
		sh.err.Printf("the clock starts none of these playbooks\n")
		return
	}
	t := table("PLAYBOOK", "TRIGGER", "STATUS", "SCHEDULE", "NEXT", "LAST", "CAME TO")
	for _, l := range list {
		next, last := "never", ""
		switch {
		case l.Next != nil:
			next = instant(*l.Next)
		case l.Status == "draft":
			next = "not while it is a draft"
		}
		if l.Last != nil {
			last = instant(l.Last.ScheduledAt)
		}
		t.Add(l.Playbook, l.Trigger, l.Status, l.Cron+" "+l.Zone, next, last, cameTo(l))
	}
	sh.out.Table(t)
}

// cameTo says in one line how a schedule does.
func cameTo(l listedSchedule) terminal.Text {
	switch {
	case l.Failing != nil:
		f := l.Failing
		return terminal.Text{Style: terminal.Red, Text: fmt.Sprintf("fails since %s, again at %s: %s", instant(f.Since), instant(f.RetryAt), f.Error)}
	case l.Last == nil:
		return terminal.Text{}
	}
	said := terminal.Text{Text: saidOf(*l.Last)}
	if l.Last.Outcome == triggers.TickFailed {
		said.Style = terminal.Red
	}
	return said
}

// saidOf says in one line what a tick came to.
func saidOf(d triggers.Ticked) string {
	parts := []string{strings.ReplaceAll(d.Outcome, "_", " ")}
	switch {
	case d.Runs == 1:
		parts = append(parts, "run "+d.Run)
	case d.Runs > 1:
		parts = append(parts, fmt.Sprintf("%d runs, the last is %s", d.Runs, d.Run))
	case d.Outcome != triggers.TickBegun && d.Outcome != triggers.TickNothing:
		parts = append(parts, d.Because)
	}
	if h := d.Hunted; h != nil {
		parts = append(parts, huntedSaid(*h)...)
	}
	if d.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d missed before it", d.Skipped))
	}
	return strings.Join(parts, "; ")
}

// huntedSaid tells what of an answer began nothing.
func huntedSaid(h triggers.Hunted) []string {
	parts := []string{plural(h.Rows, "row")}
	for _, p := range []struct {
		n    int
		what string
	}{
		{h.Known, "known"}, {h.NotMatched, "not matched"}, {h.Left, "beyond max_rows, left for the next time"}, {h.Unreadable, "not as columns declares (" + h.Why + ")"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if h.Truncated {
		parts = append(parts, "the answer was cut: there are more rows")
	}
	return parts
}

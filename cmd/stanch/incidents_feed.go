package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/terminal"
	"stanch/triggers"
)

func incidentsPoisoned(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:   "poisoned",
		Short: "List the incidents that the feed has set aside because they cannot be read",
		Long: `List the incidents that the feed has set aside because their bodies are not what
the API describes, each with the reason. The others go on. One of them is read
again as soon as it changes.`,
		Example: "  stanch incidents poisoned\n  stanch incidents poisoned --output json",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			d, err := sh.open(ctx, need{looks: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			list, err := triggers.AllPoisoned(ctx, d.store)
			if err != nil {
				return err
			}
			return sh.print(list, func() { sh.poisonedTable(list) })
		}),
	}
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) poisonedTable(list []triggers.Poisoned) {
	if len(list) == 0 {
		sh.err.Printf("no incident is set aside\n")
		return
	}
	t := table("INCIDENT", "SINCE", "REASON")
	for _, p := range list {
		t.Add(p.ID, instant(p.At), terminal.OneLine(p.Reason))
	}
	sh.out.Table(t)
}

func incidentsFeed(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:   "feed",
		Short: "Tell how far the feed has come with each source of incidents",
		Long: `Tell of each source of incidents until when it has been read, how far the feed
lags behind (the time since it last read the source to its end), and which
incidents it could not take and tries again. Where the feed reads the audit log
(feed.details), audit_log is among them: how many incidents are looked for in it
again, for how long one has been due, and why it cannot be read.`,
		Example: "  stanch incidents feed\n  stanch incidents feed --output json",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			d, err := sh.open(ctx, need{looks: true}, nil)
			if err != nil {
				return err
			}
			defer d.close()
			list, err := triggers.Sources(ctx, d.store, time.Now())
			if err != nil {
				return err
			}
			return sh.print(list, func() { sh.feedTable(list) })
		}),
	}
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) feedTable(list []triggers.Source) {
	if len(list) == 0 {
		sh.err.Printf("no feed has read anything yet: `stanch serve` does\n")
		return
	}
	t := table("SOURCE", "BEGAN", "READ UNTIL", "LAG", "TRIED AGAIN")
	for _, s := range list {
		lag := ""
		if !s.Read.IsZero() {
			lag = time.Duration(s.Lag * float64(time.Second)).Round(time.Second).String()
		}
		t.Add(s.Name, instant(s.Began), instant(s.Until), lag, fmt.Sprint(len(s.Aside)+s.Waiting))
	}
	sh.out.Table(t)
	for _, s := range list {
		if s.Failing != "" {
			sh.out.Line("  ", s.Name, " cannot be read since ", instant(s.Since), ": ", terminal.OneLine(s.Failing))
		}
		for _, a := range s.Aside {
			sh.out.Line("  ", a.Incident, " since ", instant(a.Since), ", again ", instant(a.Next), ": ", terminal.OneLine(a.Reason))
		}
	}
}

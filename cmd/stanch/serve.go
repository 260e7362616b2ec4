package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/playbooks"
)

type serveOptions struct {
	folders []string
	listen  string
	since   string
	shadow  bool
	text    bool
}

func serveCommand(sh *shell) *cobra.Command {
	var o serveOptions
	c := &cobra.Command{
		Use:     "serve [PATH…]",
		GroupID: "run",
		Short:   "Watch for incidents, the clock and what queries find, and run playbooks",
		Long: `Poll the tenant for incidents, look at the clock, ask the queries of hunting
playbooks; start the playbooks whose triggers concern what comes, and do the work,
until Ctrl-C: then what is under way is finished or handed over, and everything
goes on at the next start. A second Ctrl-C ends it at once; nothing is lost by
that either.

Incidents come from Defender XDR and from the configured workspace of Sentinel;
one that both have is one. Of all nodes on a store one polls, another takes over
within the lease. What was decided over each incident tells
stanch explain INCIDENT, how far the feed has come stanch incidents feed.

With --listen requests of other systems are taken at /hooks/PATH, of playbooks
with on.webhook and of hooks in the configuration, which names the secret of each.
What was answered with 202 is in the store. /healthz says that the process lives,
/readyz that its store answers.

With --shadow triggers start everything in shadow, as playbooks with status: test
always are: the tenant is read, effects are planned and not done, rules do nothing
either. stanch runs shadow tells afterwards how far that agrees with what was done.
Give it a store of its own, or one of a server that has ended: what was begun live
there goes on live, and what was begun in shadow is not begun again.

Playbooks and rules are those of the folders and files given, else of the
configuration's; it refuses to start while one of them has errors. Rules are asked
about each revision of an incident first, in their order.`,
		Example: "  stanch serve --config stanch.yaml\n  stanch serve --config stanch.yaml --since 24h --listen 127.0.0.1:8080\n  stanch serve --config examples/practice.yaml\n  stanch serve --config stanch.yaml --shadow --store sqlite:shadow.db",
		RunE: verb(func(ctx context.Context, args []string) error {
			o.folders = args
			return sh.serve(ctx, o)
		}),
	}
	c.Flags().StringVar(&o.listen, "listen", "", "`ADDRESS` where requests to hooks are taken, such as 127.0.0.1:8080 (default the configuration's listen, else none)")
	c.Flags().StringVar(&o.since, "since", "", "begin with incidents updated since a `TIME` (2026-03-02, 2026-03-02T09:00:00Z) or within a duration (7d); what was opened before starts nothing (default the configuration's feed.since, else now)")
	c.Flags().BoolVar(&o.shadow, "shadow", false, "start everything in shadow: without effects")
	c.Flags().BoolVar(&o.text, "log-text", false, "log lines for people; default JSON")
	sh.storeFlag(c)
	return c
}

func (sh *shell) serve(ctx context.Context, o serveOptions) error {
	log := sh.logger(o.text)
	all, err := sh.tenants(o, log)
	if err != nil {
		return err
	}
	for _, t := range all {
		if err := t.open(ctx); err != nil {
			return err
		}
		defer t.desk.close()
	}
	if err := together(ctx, all); err != nil {
		return err
	}
	log.Info("ended", "cause", fmt.Sprint(context.Cause(ctx)))
	return nil
}

// served answers the playbooks of the folders, and gives the desk the rules there.
// One with errors stops the server: what it would have contained stays open, and
// nobody would notice.
func (sh *shell) served(d *desk, folders []string) ([]*playbooks.Playbook, error) {
	if len(folders) == 0 {
		folders = d.cfg.Playbooks
	}
	if len(folders) == 0 {
		return nil, misused("no playbooks: name their folders or files, or list them as `playbooks` in the configuration")
	}
	s, err := loadBooks(folders, world(d.catalog, d.cfg))
	if err != nil {
		return nil, fmt.Errorf("playbooks: %w", err)
	}
	for _, f := range s.findings() {
		sh.err.Printf("%s\n", f.Text())
	}
	books, err := s.usable()
	if err != nil {
		return nil, &exitError{exitFailed, err}
	}
	if len(books) == 0 {
		return nil, fmt.Errorf("no playbooks in %v", folders)
	}
	for _, b := range s.beside {
		if playbooks.HasErrors(b.findings) {
			return nil, &exitError{exitFailed, fmt.Errorf("%s has errors: run `stanch lint`", b.file)}
		}
	}
	d.rules = s.rules
	return books, askable(d.cfg, books)
}

// logger writes to standard error, JSON unless people are to read it.
func (sh *shell) logger(text bool) *slog.Logger {
	if text {
		return slog.New(slog.NewTextHandler(sh.err, nil))
	}
	return slog.New(slog.NewJSONHandler(sh.err, nil))
}

// askable refuses playbooks whose queries nobody could be asked.
func askable(cfg *config.Config, books []*playbooks.Playbook) error {
	for _, b := range books {
		if t := b.On.Hunting; t != nil && t.Source == "logs" && hunter(cfg, clients{}).Workspace == "" {
			return fmt.Errorf("%s hunts with source: logs, and the configuration names no workspace: set hunting.workspace to its id", b.File)
		}
	}
	return nil
}

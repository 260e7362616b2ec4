package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/playbooks"
	"stanch/triggers"
)

type serveOptions struct {
	folders []string
	listen  string
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

Playbooks are those of the folders and files given, else of the configuration's;
it refuses to start while one of them has errors.`,
		Example: "  stanch serve --config stanch.yaml\n  stanch serve --config examples/practice.yaml",
		RunE: verb(func(ctx context.Context, args []string) error {
			o.folders = args
			return sh.serve(ctx, o)
		}),
	}
	c.Flags().StringVar(&o.listen, "listen", "", "`ADDRESS` of the console and API (not in this version)")
	c.Flags().BoolVar(&o.text, "log-text", false, "log lines for people; default JSON")
	sh.storeFlag(c)
	return c
}

func (sh *shell) serve(ctx context.Context, o serveOptions) error {
	log := sh.logger(o.text)
	n := need{tenant: true, works: true}
	d, err := sh.desk(n)
	if err != nil {
		return err
	}
	if o.listen != "" {
		sh.err.Printf("note: --listen is not used: the console and the API are not in this version\n")
	}
	books, err := sh.served(d, o.folders)
	if err != nil {
		return err
	}
	if err := sh.openStore(ctx, d, n, log); err != nil {
		return err
	}
	defer d.close()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	holder := fmt.Sprintf("%s/%d", host, os.Getpid())
	feed := &triggers.Feed{
		Graph: d.tenant.graph, Engine: d.engine, Docs: d.store, Books: books,
		Poll: d.cfg.Feed.Poll, Overlap: d.cfg.Feed.Overlap, Since: time.Now().Add(-d.cfg.Feed.Since),
		Holder: holder, Log: log,
	}
	clock := &triggers.Schedules{
		Engine: d.engine, Docs: d.store, Books: books, Hunter: hunter(d.cfg, d.tenant), Holder: holder, Log: log,
	}
	log.Info("serving", "playbooks", len(books), "store", d.at.String(), "poll", d.cfg.Feed.Poll.String())
	starts := func(ctx context.Context) error { return alongside(ctx, clock.Run, feed.Run) }
	if err := d.working(ctx, starts); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("ended", "cause", fmt.Sprint(context.Cause(ctx)))
	return nil
}

// served answers the playbooks of the folders. One with errors stops the
// server: what it would have contained stays open, and nobody would notice.
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

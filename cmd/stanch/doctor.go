package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/cmd/stanch/internal/terminal"
	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/sqlitestore"
)

// examined is what `stanch doctor` answers.
type examined struct {
	Store string `json:"store"`
	engine.Inspection
}

type doctorOptions struct {
	afterRestore, printACL bool
}

func doctorCommand(sh *shell) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:     "doctor",
		GroupID: "look",
		Short:   "Say whether the store is fit, what it may lose when, and whether permissions are missing",
		Long: `Look at the store as somebody who has to keep runs there, and at what the app may
do in the tenant, and say what is wrong, what may become so, and what may be lost
when. Nothing is changed.

Of Redis: version and role, eviction, the append-only file, replicas and what
keeps a primary that is cut off from going on, memory, the round trip, the clocks,
whether every command that is needed may be used, workers, queues.
Of a SQLite file: the file system, free space, who can read it, whether it is
whole, the worker.
Of the tenant, where the configuration names one and playbooks: whether the app
signs in and has the permissions that they need.

After a backup was restored, say so with --after-restore before any worker
starts: a store that went back looks like one that never was further.

Exits 1 when something is wrong, 0 with warnings.`,
		Example: "  stanch doctor --store rediss://redis.example\n  stanch doctor --output json\n  stanch doctor --print-acl --store 'redis://localhost?prefix=blue'\n  stanch doctor --after-restore",
		Args:    noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			switch {
			case o.afterRestore && o.printACL:
				return misused("give either --after-restore or --print-acl")
			case o.printACL:
				return sh.printACL()
			case o.afterRestore:
				return sh.afterRestore(ctx)
			}
			return sh.doctor(ctx)
		}),
	}
	c.Flags().BoolVar(&o.afterRestore, "after-restore", false, "tell a store in Redis that a backup was restored: a new epoch begins")
	c.Flags().BoolVar(&o.printACL, "print-acl", false, "print the user that a store in Redis needs, as a line for its ACL file")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) doctor(ctx context.Context) error {
	cfg, at, err := sh.storeAt()
	if err != nil {
		return err
	}
	found := examined{Store: at.String()}
	if at.Redis == nil {
		found.Inspection = sqlitestore.Inspect(at.Path)
	} else {
		o, err := redisOptions(cfg, at.Redis)
		if err != nil {
			return err
		}
		sh.err.Printf("looking for some four seconds …\n")
		if found.Inspection, err = redisstore.Inspect(ctx, o); err != nil {
			return err
		}
	}
	if cfg.HasTenant() && len(cfg.Playbooks) > 0 {
		found.Findings = append(found.Findings, sh.permitted(ctx, cfg))
	}
	if cfg.HasTenant() && cfg.Feed.Details {
		found.Findings = append(found.Findings, logged(ctx, cfg))
	}
	if err := sh.print(found, func() { sh.examination(found) }); err != nil {
		return err
	}
	if slices.ContainsFunc(found.Findings, func(f engine.Finding) bool { return f.Level == engine.Wrong }) {
		return quietly(exitFailed)
	}
	return nil
}

// storeAt answers the operator's file and where it, or a flag, says the store is.
func (sh *shell) storeAt() (*config.Config, config.Store, error) {
	cfg, err := sh.config()
	if err != nil {
		return nil, config.Store{}, err
	}
	at, err := cfg.StoreAt(sh.storeURL)
	return cfg, at, err
}

func (sh *shell) examination(found examined) {
	sh.out.Printf("%s\n\n", found.Store)
	t := table("", "WHAT", "FOUND", "")
	for _, f := range found.Findings {
		level := terminal.Text{Style: terminal.Green, Text: f.Level}
		switch f.Level {
		case engine.Warning:
			level.Style = terminal.Yellow
		case engine.Wrong:
			level.Style = terminal.Red
		}
		what := f.What
		if f.Where != "" {
			what += " at " + f.Where
		}
		t.Add(level, what, f.Found, f.Says)
	}
	sh.out.Table(t)
	if found.Level != "" {
		sh.out.Printf("\ndurability: %s\n%s\n", found.Level, found.Loses)
	}
}

// printACL prints the user that a store needs.
func (sh *shell) printACL() error {
	prefix := ""
	if _, at, err := sh.storeAt(); err != nil {
		return err
	} else if at.Redis != nil {
		prefix = at.Redis.Prefix
	}
	line, err := redisstore.ACL(prefix)
	if err != nil {
		return err
	}
	sh.out.Printf("%s\n", line)
	sh.err.Printf("put a long random password in the place of PASSWORD; CONFIG is left out, so `stanch doctor` under this user cannot tell appendfsync and min-replicas-to-write: add +config|get for that\n")
	return nil
}

// restoredStore is what `stanch doctor --after-restore` answers.
type restoredStore struct {
	Store string `json:"store"`
	redisstore.Restored
}

func (sh *shell) afterRestore(ctx context.Context) error {
	cfg, at, err := sh.storeAt()
	if err != nil {
		return err
	}
	if at.Redis == nil {
		return misused("--after-restore is for stores in Redis: a SQLite file that is copied back needs nothing, its worker ends all leases when it starts")
	}
	o, err := redisOptions(cfg, at.Redis)
	if err != nil {
		return err
	}
	o.ReadOnly = true
	there, err := redisstore.Look(ctx, o)
	if err != nil {
		return fmt.Errorf("store %s: %w", at, err)
	}
	if !there {
		return noStore(at.String())
	}
	done := restoredStore{Store: at.String()}
	if done.Restored, err = redisstore.AfterRestore(ctx, o); errors.Is(err, redisstore.ErrWorkers) {
		return fmt.Errorf("%w, then say it again", err)
	} else if err != nil {
		return err
	}
	return sh.print(done, func() {
		sh.out.Printf("%s: %d partitions are in epoch %d, so that lists are built anew\n", done.Store, done.Partitions, done.Epoch)
		sh.out.Printf("%s given back: the next worker goes on with what was held, and looks at effects that had begun before it sends them again\n", plural(int(done.Leases), "lease"))
		sh.out.Printf("approvals that were open in the backup are open again, whatever was decided since: look at `stanch approvals list` before a worker starts\n")
		sh.out.Printf("a freeze is as it was in the backup: `stanch freeze` sets it anew\n")
	})
}

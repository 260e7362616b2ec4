package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"stanch/playbooks"
	"stanch/triggers"
)

// servedTenant is a tenant that is served.
type servedTenant struct {
	sh    *shell
	desk  *desk
	books []*playbooks.Playbook
	since time.Time
	site  site
	log   *slog.Logger
}

// tenants are that of the operator's file and those of the files that it names,
// with all that can be checked before a store is opened.
func (sh *shell) tenants(o serveOptions, log *slog.Logger) ([]*servedTenant, error) {
	first, err := sh.tenant(o, log)
	if err != nil {
		return nil, err
	}
	all := []*servedTenant{first}
	stores := map[string]string{}
	files := first.desk.cfg.Tenants
	if len(files) > 0 {
		first.log = log.With("tenant", first.desk.cfg.Tenant.ID)
	}
	for _, file := range files {
		other := *sh
		other.configFile, other.storeURL = file, ""
		t, err := other.tenant(serveOptions{since: o.since, shadow: o.shadow}, log)
		if err != nil {
			return nil, fmt.Errorf("tenants: %s: %w", file, err)
		}
		if len(t.desk.cfg.Tenants) > 0 {
			return nil, fmt.Errorf("tenants: %s names tenants itself: name them all in one file", file)
		}
		t.log = log.With("tenant", t.desk.cfg.Tenant.ID)
		all = append(all, t)
	}
	for _, t := range all {
		at, err := t.desk.cfg.StoreAt(t.sh.storeURL)
		if err != nil {
			return nil, err
		}
		if other, taken := stores[at.String()]; taken {
			return nil, fmt.Errorf("tenants: %s and %s have one store, %s: each tenant needs its own, such as another file or another prefix in Redis", other, t.desk.cfg.File, at.String())
		}
		stores[at.String()] = t.desk.cfg.File
	}
	return all, nil
}

func (sh *shell) tenant(o serveOptions, log *slog.Logger) (*servedTenant, error) {
	d, err := sh.desk(need{tenant: true, works: true})
	if err != nil {
		return nil, err
	}
	d.shadow = o.shadow
	since, err := d.begins(o.since, time.Now())
	if err != nil {
		return nil, err
	}
	books, err := sh.served(d, o.folders)
	if err != nil {
		return nil, err
	}
	site, err := siteOf(d.cfg, o.listen, books, log)
	if err != nil {
		return nil, err
	}
	return &servedTenant{sh: sh, desk: d, books: books, since: since, site: site, log: log}, nil
}

// open opens the tenant's store for work.
func (t *servedTenant) open(ctx context.Context) error {
	return t.sh.openStore(ctx, t.desk, need{tenant: true, works: true}, t.log)
}

// serve works, feeds and listens until it is told to end.
func (t *servedTenant) serve(ctx context.Context) error {
	feed, err := t.desk.feed(t.books, t.since, t.log)
	if err != nil {
		return err
	}
	clock := &triggers.Schedules{
		Engine: t.desk.engine, Docs: t.desk.store, Books: t.books, Hunter: hunter(t.desk.cfg, t.desk.tenant), Holder: feed.Holder, Log: t.log,
	}
	starts := func(ctx context.Context) error { return alongside(ctx, clock.Run, feed.Run) }
	if t.site.address != "" {
		opened, err := t.site.open(ctx, t.desk, feed, t.log)
		if err != nil {
			return err
		}
		inside := starts
		starts = func(ctx context.Context) error { return alongside(ctx, opened.run, inside) }
	}
	t.log.Info("serving", "playbooks", len(t.books), "store", t.desk.at.String(), "poll", t.desk.cfg.Feed.Poll.String(), "shadow", t.desk.shadow)
	return t.desk.working(ctx, starts)
}

// together serves tenants until one of them fails or ctx ends.
func together(ctx context.Context, all []*servedTenant) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	failed := make([]error, len(all))
	for i, t := range all {
		wg.Go(func() {
			if failed[i] = t.serve(ctx); failed[i] != nil {
				stop(failed[i])
			}
		})
	}
	wg.Wait()
	for _, err := range failed {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

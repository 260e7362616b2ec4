package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"sync"

	"stanch/actions"
	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/engine"
	"stanch/engine/history"
	"stanch/engine/redisstore"
	"stanch/engine/sqlitestore"
	"stanch/playbooks"
)

// need is what a command needs of the store and the tenant.
type need struct {
	tenant bool // clients of the tenant; without, actions can be told but not done
	looks  bool // nothing is written
	exists bool // the store is there already
	works  bool // work on the store; on a SQLite file one process can
	may    bool // with works: go on without, if another process does
}

// keeper is a store of any kind.
type keeper interface {
	engine.Store
	engine.Documents
}

// desk is the engine on the person's store.
type desk struct {
	cfg     *config.Config
	tenant  clients
	catalog *actions.Catalog
	at      config.Store
	store   keeper
	engine  *engine.Engine
	worker  bool              // this process works on the store
	rules   []*playbooks.Rule // of serve
	shadow  bool              // nothing that is begun here has effects

	log     *slog.Logger             // of the work
	journal string                   // file of effects that were begun, where the store may forget them
	backs   chan redisstore.Rollback // what the store has forgotten
}

// open opens the store and makes an engine on it.
func (sh *shell) open(ctx context.Context, n need, log *slog.Logger) (*desk, error) {
	d, err := sh.desk(n)
	if err != nil {
		return nil, err
	}
	if err := sh.openStore(ctx, d, n, log); err != nil {
		return nil, err
	}
	return d, nil
}

// desk makes what needs no store: a command that has input to check does so
// before it opens one.
func (sh *shell) desk(n need) (*desk, error) {
	cfg, err := sh.config()
	if err != nil {
		return nil, err
	}
	d := &desk{cfg: cfg}
	if n.tenant {
		if d.tenant, err = connect(cfg); err != nil {
			return nil, err
		}
	}
	d.catalog, err = catalogOf(d.tenant, cfg.OwnDomains)
	return d, err
}

// openStore opens the store that the person means, and makes the engine on it.
func (sh *shell) openStore(ctx context.Context, d *desk, n need, log *slog.Logger) error {
	var err error
	if d.at, err = d.cfg.StoreAt(sh.storeURL); err != nil {
		return err
	}
	if d.at.Redis != nil {
		err = d.openRedis(ctx, n, cmp.Or(log, sh.warnings()))
	} else {
		err = d.openFile(n)
	}
	switch {
	case errors.Is(err, engine.ErrWorkerBusy):
		return fmt.Errorf("%w: there can be one; end the other, or give another store with --store", err)
	case errors.Is(err, engine.ErrNewer):
		return fmt.Errorf("%w: use that version, or give another store with --store", err)
	case err != nil:
		return err
	}
	if d.log = log; log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	options := engineOptions(d.cfg, log)
	options.Journal, options.Shadow = d.journal, d.shadow
	if v := d.tenant.evidence; v != nil {
		v.Record = d.accessed
	}
	if sh.historyFile != "" && !n.looks {
		return d.recorded(sh.historyFile, options)
	}
	d.engine = engine.New(d.store, d.store, d.catalog, options)
	return nil
}

// nodeName tells this process from others on the same store.
func nodeName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// recorded makes the engine on a store whose acts are written down.
func (d *desk) recorded(file string, options engine.Options) error {
	recorder, err := history.New(d.store, d.store, file, nodeName())
	if err != nil {
		return errors.Join(err, d.store.Close())
	}
	d.store = recorder
	d.engine = engine.New(recorder.Store(), recorder, d.catalog, options)
	return nil
}

// openFile opens a SQLite file.
func (d *desk) openFile(n need) error {
	if n.looks || n.exists {
		if _, err := os.Stat(d.at.Path); errors.Is(err, fs.ErrNotExist) {
			return noStore(d.at.Path)
		}
	}
	store, err := sqlitestore.Open(d.at.Path, sqlitestore.Options{Work: n.works, ReadOnly: n.looks})
	d.worker = n.works && err == nil
	if errors.Is(err, engine.ErrWorkerBusy) && n.may {
		store, err = sqlitestore.Open(d.at.Path, sqlitestore.Options{})
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	d.store = store
	return nil
}

// noStore says where there is no store yet.
type noStore string

func (where noStore) Error() string {
	return fmt.Sprintf("there is no store at %s yet: `stanch run --live` and `stanch serve` make it; another one is named with --store", string(where))
}

// close ends the use of the store. What it was told is durable by then, so
// there is nothing to tell of it.
func (d *desk) close() { _ = d.store.Close() }

// engineOptions are what the operator's file says to the engine.
func engineOptions(cfg *config.Config, log *slog.Logger) engine.Options {
	var lanes [engine.Lanes]int
	for lane, name := range config.Lanes() {
		lanes[lane] = cfg.Worker.Lanes[name]
	}
	return engine.Options{
		Groups: cfg.Groups, OwnDomains: cfg.OwnDomains, Labels: cfg.Labels, UndoAsks: cfg.Undo.Approval == "one", Log: log,
		Guardrails: playbooks.Guardrails{MaxTargets: cfg.Guardrails.MaxTargets, Protect: cfg.Guardrails.Protect},
		Workers:    cfg.Worker.Concurrency, Lease: cfg.Worker.Lease, Grace: cfg.Worker.Grace, Limits: cfg.Worker.Connectors, Lanes: lanes,
		Budgets: budgets(cfg),
	}
}

// budgets are what the tenant's APIs let us use: as published, unless the
// operator's file says more of a class. The practice tenant throttles nothing
// unless it is told to: there only what the operator's file says limits.
func budgets(cfg *config.Config) map[string]engine.Budget {
	all := map[string]engine.Budget{}
	for class, limits := range connectors.Allowances() {
		t, told := cfg.Throttle[class]
		if cfg.Tenant.Cloud == config.Practice && !told {
			continue
		}
		b := engine.Budget{Name: cfg.Tenant.ID + "/" + class, Told: class == connectors.ClassSharePoint}
		for _, l := range limits {
			b.Windows = append(b.Windows, engine.Window{Units: l.Units, Per: l.Per})
		}
		if told {
			b.Windows = []engine.Window{{Units: t.Units, Per: t.Per}}
		}
		all[class] = b
	}
	return all
}

// working runs do while the engine works, if this process is a worker, and
// ends the work when do has ended. What the worker holds by then is finished
// or handed over.
func (d *desk) working(ctx context.Context, do func(context.Context) error) error {
	if !d.worker {
		return do(ctx)
	}
	roomyHeap()
	return alongside(ctx, d.work, do)
}

// alongside runs do beside work: when do has ended, so does work; when work
// fails, so does do.
func alongside(ctx context.Context, work, do func(context.Context) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		if failed = work(ctx); failed != nil {
			stop(failed)
		}
	})
	err := do(ctx)
	stop(nil)
	wg.Wait()
	if failed != nil && !errors.Is(failed, context.Canceled) {
		return failed
	}
	return err
}

// operator names who sits at this terminal, as far as the system knows.
func operator() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return "operator:" + u.Username
	}
	return fmt.Sprintf("operator:uid-%d", os.Getuid())
}

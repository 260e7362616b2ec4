package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/sqlitestore"
)

// benchKeeper is a store that is measured.
type benchKeeper interface {
	engine.Store
	engine.Documents
	Wait(ctx context.Context, until time.Time) error
}

// benchPlace is where stores are made to be measured, and removed.
type benchPlace interface {
	// kind names the store, and says when what it is told is on the disk.
	kind(ctx context.Context) (name, durability string, err error)
	// limit answers what the place allows, in calls a second.
	limit(ctx context.Context, d time.Duration) (float64, error)
	// open opens the present store for work, and makes it if it is not there.
	open(ctx context.Context) (benchKeeper, error)
	// shared reports whether several processes may work on one store.
	shared() bool
	// spent answers what the server has spent, nothing where there is none.
	spent(ctx context.Context, k benchKeeper) (redisstore.Usage, error)
	// size answers the bytes that the store takes, when what is done after a run
	// has ended is done. It may close and open the store.
	size(ctx context.Context, b *benchLoad) (int64, error)
	// clear removes the present store, which nobody uses: the next one is new.
	clear(ctx context.Context) error
	// end removes everything.
	end(ctx context.Context) error
	// order tells another process which store this is.
	order() benchOrder
}

// benchPlace makes the place beside the store that the person named: in a folder
// on the same disk, or under keys of its own on the same server.
func (sh *shell) benchPlace() (benchPlace, error) {
	beside := os.TempDir()
	if sh.storeURL != "" {
		places, err := sh.storePlaces()
		if err != nil {
			return nil, err
		}
		at, redis, err := places.at(sh.storeURL)
		if err != nil {
			return nil, err
		}
		if redis != nil {
			p := newRedisPlace(sh.storeURL, "stanch-bench-"+strings.ToLower(rand.Text()), *redis)
			p.config = sh.configFile
			return p, nil
		}
		beside = filepath.Dir(at.Path)
	}
	folder, err := os.MkdirTemp(beside, "stanch-bench-")
	if err != nil {
		return nil, fmt.Errorf("a folder for the measurement: %w", err)
	}
	return sqlitePlace{filepath.Join(folder, "bench.db")}, nil
}

// sqlitePlace is a file in a folder of its own.
type sqlitePlace struct{ path string }

func (p sqlitePlace) kind(context.Context) (name, durability string, err error) {
	return "sqlite", "every step is on the disk before it counts (WAL, synchronous=FULL)", nil
}

func (p sqlitePlace) limit(ctx context.Context, d time.Duration) (float64, error) {
	return sqlitestore.Limit(ctx, p.path+".limit", 64, d)
}

func (p sqlitePlace) open(context.Context) (benchKeeper, error) {
	return sqlitestore.Open(p.path, sqlitestore.Options{Work: true})
}

func (p sqlitePlace) shared() bool { return false }

func (p sqlitePlace) spent(context.Context, benchKeeper) (redisstore.Usage, error) {
	return redisstore.Usage{}, nil
}

// size looks at the file of a store that is closed: then all is in it.
func (p sqlitePlace) size(ctx context.Context, b *benchLoad) (int64, error) {
	if err := b.store.Close(); err != nil {
		return 0, err
	}
	info, err := os.Stat(p.path)
	if err != nil {
		return 0, err
	}
	return info.Size(), b.reopen(ctx)
}

func (p sqlitePlace) clear(context.Context) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(p.path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p sqlitePlace) end(context.Context) error { return os.RemoveAll(filepath.Dir(p.path)) }

func (p sqlitePlace) order() benchOrder { return benchOrder{Path: p.path} }

// redisPlace is a prefix of keys on a server.
type redisPlace struct {
	address string
	config  string
	o       redisstore.Options
}

func newRedisPlace(address, prefix string, o redisstore.Options) redisPlace {
	o.Prefix, o.Work = prefix, true
	return redisPlace{address: address, o: o}
}

func (p redisPlace) kind(ctx context.Context) (name, durability string, err error) {
	name = "redis"
	switch {
	case p.o.Cluster:
		name = "redis cluster"
	case p.o.Sentinel != "":
		name = "redis sentinel"
	}
	s, err := redisstore.Open(ctx, p.o)
	if err != nil {
		return name, "", err
	}
	durability, err = s.Durability(ctx)
	return name, durability, errors.Join(err, s.Close())
}

func (p redisPlace) limit(ctx context.Context, d time.Duration) (float64, error) {
	return redisstore.Limit(ctx, p.o, d)
}

func (p redisPlace) open(ctx context.Context) (benchKeeper, error) { return redisstore.Open(ctx, p.o) }

func (p redisPlace) shared() bool { return true }

func (p redisPlace) spent(ctx context.Context, k benchKeeper) (redisstore.Usage, error) {
	s, is := k.(*redisstore.Store)
	if !is {
		return redisstore.Usage{}, nil
	}
	return s.Usage(ctx)
}

// size waits until what has ended is packed.
func (p redisPlace) size(ctx context.Context, b *benchLoad) (int64, error) {
	if err := p.packed(ctx, b.store); err != nil {
		return 0, err
	}
	u, err := p.spent(ctx, b.store)
	return u.Memory, err
}

// packing is how long packing may take once nothing is done any more.
const packing = 60 * time.Second

func (p redisPlace) packed(ctx context.Context, k benchKeeper) error {
	s, is := k.(*redisstore.Store)
	if !is {
		return nil
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(packing); ; {
		n, err := s.Unpacked(ctx)
		if err != nil || n == 0 {
			return err
		}
		if time.Now().After(until) {
			return fmt.Errorf("%d ended runs are still not packed after %s", n, packing)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p redisPlace) clear(ctx context.Context) error { return redisstore.Drop(ctx, p.o) }

func (p redisPlace) end(ctx context.Context) error { return p.clear(context.WithoutCancel(ctx)) }

func (p redisPlace) order() benchOrder {
	return benchOrder{Address: p.address, Prefix: p.o.Prefix, Config: p.config}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"stanch/cmd/stanch/internal/config"
	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/sqlitestore"
)

func storeCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "store",
		GroupID: "look",
		Short:   "Say what a store holds, or move it to another",
	}
	c.AddCommand(storeInfoCommand(sh), storeMoveCommand(sh))
	return c
}

// openedStore is a store with what is told of it.
type openedStore struct {
	engine.Movable
	at      config.Store
	workers func(context.Context) (int, error)
}

// What a store is opened for.
const (
	toLook = iota // it changes nothing
	toRead        // it has to be there
	toFill        // it is made if it is not there
)

// storePlaces finds stores by their addresses, with what the operator's file says
// of how they are reached.
type storePlaces struct{ cfg *config.Config }

func (sh *shell) storePlaces() (storePlaces, error) {
	cfg, err := sh.config()
	return storePlaces{cfg}, err
}

// at reads an address. redis is nil for a file.
func (p storePlaces) at(address string) (at config.Store, redis *redisstore.Options, err error) {
	if at, err = p.cfg.StoreAt(address); err != nil || at.Redis == nil {
		return at, nil, err
	}
	o, err := redisOptions(p.cfg, at.Redis)
	return at, &o, err
}

// open opens the store at an address. Unless it only looks, this process is the
// worker of a file: nobody else can be meanwhile.
func (p storePlaces) open(ctx context.Context, address string, use int) (*openedStore, error) {
	at, redis, err := p.at(address)
	switch {
	case err != nil:
		return nil, err
	case redis != nil:
		return openedRedis(ctx, at, *redis, use)
	}
	if _, err := os.Stat(at.Path); use != toFill && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no store at %s", at.Path)
	}
	s, err := sqlitestore.Open(at.Path, sqlitestore.Options{Work: use != toLook, ReadOnly: use == toLook})
	if err != nil {
		return nil, err
	}
	return &openedStore{s, at, func(context.Context) (int, error) { return 0, nil }}, nil
}

func openedRedis(ctx context.Context, at config.Store, o redisstore.Options, use int) (*openedStore, error) {
	found, err := redisstore.Look(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", at, err)
	}
	if !found && use != toFill {
		return nil, fmt.Errorf("there is no store at %s", at)
	}
	o.ReadOnly = use == toLook
	s, err := redisstore.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return &openedStore{s, at, s.Workers}, nil
}

// storeInfo is what `stanch store info --output json` prints.
type storeInfo struct {
	Store string `json:"store"`
	engine.Contents
	Workers    *int   `json:"workers,omitempty"`    // that live, of a Redis
	Durability string `json:"durability,omitempty"` // of a Redis
	Bytes      int64  `json:"bytes"`                // of the file, or of the memory of the Redis
}

func storeInfoCommand(sh *shell) *cobra.Command {
	c := &cobra.Command{
		Use:     "info URL",
		Short:   "Say what a store holds",
		Long:    "Counts what a store holds, and says who works on it. It changes nothing.",
		Example: "  stanch store info sqlite:/var/lib/stanch/stanch.db\n  stanch store info redis://localhost --output json",
		Args:    exactArgs(1),
		RunE: verb(func(ctx context.Context, args []string) (err error) {
			places, err := sh.storePlaces()
			if err != nil {
				return err
			}
			s, err := places.open(ctx, args[0], toLook)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			i, err := s.info(ctx)
			if err != nil {
				return err
			}
			return sh.print(i, func() { sh.storeTable(i) })
		}),
	}
	sh.outputFlag(c)
	return c
}

func (s *openedStore) info(ctx context.Context) (i storeInfo, err error) {
	i.Store = s.at.String()
	if i.Contents, err = s.Contents(ctx); err != nil {
		return i, err
	}
	r, is := s.Movable.(*redisstore.Store)
	if !is {
		file, err := os.Stat(s.at.Path)
		if err == nil {
			i.Bytes = file.Size()
		}
		return i, err
	}
	n, err := s.workers(ctx)
	if err != nil {
		return i, err
	}
	i.Workers = &n
	if i.Durability, err = r.Durability(ctx); err != nil {
		return i, err
	}
	used, err := r.Usage(ctx)
	i.Bytes = used.Memory
	return i, err
}

func (sh *shell) storeTable(i storeInfo) {
	t := table("", "")
	t.Add("store", i.Store)
	t.Add("runs", fmt.Sprintf("%d, of which %d have not ended", i.Runs, i.Live))
	t.Add("documents", strconv.Itoa(i.Documents))
	t.Add("audit", fmt.Sprintf("%d records", i.Audit))
	t.Add("reserved", fmt.Sprintf("%d targets under caps", i.Reserved))
	t.Add("frozen", map[bool]string{true: "yes", false: "no"}[i.Frozen])
	if i.Workers != nil {
		t.Add("workers", strconv.Itoa(*i.Workers))
		t.Add("durability", i.Durability)
		t.Add("memory", fmt.Sprintf("%d bytes, of the whole server", i.Bytes))
	} else {
		t.Add("file", fmt.Sprintf("%d bytes", i.Bytes))
	}
	sh.facts(t)
}

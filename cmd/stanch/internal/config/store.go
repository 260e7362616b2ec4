package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// EnvStore is the environment variable that names the store.
const EnvStore = "STANCH_STORE"

const sqliteScheme = "sqlite:"

// Store is where runs are kept: in a SQLite file or in Redis.
type Store struct {
	Path  string // of the SQLite file; empty for Redis
	Redis *Redis // nil for SQLite
}

// String answers the address of the store. No secret is in it.
func (s Store) String() string {
	if s.Redis != nil {
		return s.Redis.String()
	}
	return sqliteScheme + s.Path
}

// forms is what an address may look like.
const forms = "use sqlite:PATH, redis://HOST:PORT, rediss://HOST:PORT, redis+cluster://HOST:PORT,… or redis+sentinel://HOST:PORT,…/PRIMARY"

// ParseStore reads the address of a store, such as sqlite:/var/lib/stanch.db or
// rediss://redis.example:6379/0.
func ParseStore(address string) (Store, error) {
	scheme, rest, has := strings.Cut(address, ":")
	switch {
	case !has:
		return Store{}, fmt.Errorf("%q has no scheme: write sqlite:%s", address, address)
	case isRedis(scheme):
		r, err := parseRedis(scheme, rest)
		if err != nil {
			return Store{}, err
		}
		return Store{Redis: r}, nil
	case scheme != "sqlite":
		return Store{}, fmt.Errorf("%s: is not a store: %s", scheme, forms)
	case rest == "" || strings.ContainsAny(rest, "?\x00"):
		return Store{}, fmt.Errorf("%q names no file: use sqlite:PATH", address)
	}
	// sqlite:///abs and sqlite:/abs are the same file.
	if after, is := strings.CutPrefix(rest, "//"); is {
		rest = after
	}
	return Store{Path: rest}, nil
}

// StoreAt decides where the store is: the address given, else STANCH_STORE,
// else the file's, else stanch/stanch.db in the user's state folder
// ($XDG_STATE_HOME, ~/.local/state). A Redis that anybody on the network could
// use is refused unless its address says insecure=true.
func (c *Config) StoreAt(given string) (Store, error) {
	for _, from := range []struct{ what, address string }{
		{"--store", given}, {EnvStore, os.Getenv(EnvStore)}, {"store", c.Store},
	} {
		if from.address == "" {
			continue
		}
		s, err := ParseStore(from.address)
		switch {
		case err != nil:
		case s.Redis == nil:
			err = absolutePath(&s.Path, "")
		case from.what == "store":
			err = errors.Join(absolutePath(&s.Redis.CA, filepath.Dir(c.File)), s.Redis.guarded(c.StoreAuth))
		default:
			err = errors.Join(absolutePath(&s.Redis.CA, ""), s.Redis.guarded(c.StoreAuth))
		}
		if err != nil {
			return Store{}, fmt.Errorf("%s: %w", from.what, err)
		}
		return s, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return Store{}, fmt.Errorf("no place for the store: %w: give --store sqlite:PATH", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return Store{Path: filepath.Join(state, "stanch", "stanch.db")}, nil
}

// absolutePath makes a path absolute that is meant from dir, or, where that is
// empty, from the folder in which the command runs.
func absolutePath(path *string, dir string) (err error) {
	if *path, err = resolve(dir, *path); err != nil || *path == "" {
		return err
	}
	*path, err = filepath.Abs(*path)
	return err
}

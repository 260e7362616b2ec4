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

// Store is where runs are kept.
type Store struct {
	Path string // of the SQLite file
}

func (s Store) String() string { return sqliteScheme + s.Path }

// ParseStore reads the address of a store, such as sqlite:/var/lib/stanch.db.
func ParseStore(address string) (Store, error) {
	scheme, rest, has := strings.Cut(address, ":")
	switch {
	case !has:
		return Store{}, fmt.Errorf("%q has no scheme: write sqlite:%s", address, address)
	case scheme == "redis", scheme == "rediss", scheme == "redis+cluster", scheme == "redis+sentinel":
		return Store{}, errors.New("Redis is not in this version: use sqlite:PATH")
	case scheme != "sqlite":
		return Store{}, fmt.Errorf("%s: is not a store: use sqlite:PATH", scheme)
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
// ($XDG_STATE_HOME, ~/.local/state).
func (c *Config) StoreAt(given string) (Store, error) {
	for _, from := range []struct{ what, address string }{
		{"--store", given}, {EnvStore, os.Getenv(EnvStore)}, {"store", c.Store},
	} {
		if from.address == "" {
			continue
		}
		s, err := ParseStore(from.address)
		if err != nil {
			return Store{}, fmt.Errorf("%s: %w", from.what, err)
		}
		if s.Path, err = resolve("", s.Path); err != nil {
			return Store{}, fmt.Errorf("%s: %w", from.what, err)
		}
		if s.Path, err = filepath.Abs(s.Path); err != nil {
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

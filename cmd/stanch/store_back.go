package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"stanch/engine/redisstore"
)

// mostBacks is how many partitions may go back before the first is dealt with:
// all that a store has.
const mostBacks = 256

// remembers lets a worker notice, also after its own end, that Redis has gone
// back: how far it was, and which effects were begun, is kept in the user's state
// folder.
func (d *desk) remembers(o *redisstore.Options) error {
	dir, err := stateFolder()
	if err != nil {
		return fmt.Errorf("no place to remember how far %s was: %w: set XDG_STATE_HOME", d.at, err)
	}
	sum := sha256.Sum256([]byte(d.at.String()))
	dir = filepath.Join(dir, "redis", hex.EncodeToString(sum[:12]))
	o.Remember, d.journal = filepath.Join(dir, "remember.json"), filepath.Join(dir, "journal.jsonl")
	d.backs = make(chan redisstore.Rollback, mostBacks)
	o.WentBack = func(r redisstore.Rollback) {
		select {
		case d.backs <- r:
		default: // so many are told already
		}
	}
	return nil
}

// stateFolder is stanch in the user's state folder.
func stateFolder() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "stanch"), nil
}

// work works on the store until ctx ends, and looks at the tenant when the store
// has gone back.
func (d *desk) work(ctx context.Context) error {
	work := d.engine.Work
	if d.tenant.evidence != nil {
		work = func(ctx context.Context) error { return alongside(ctx, d.sweeps, d.engine.Work) }
	}
	if d.backs == nil {
		return work(ctx)
	}
	return alongside(ctx, d.looksBack, work)
}

func (d *desk) looksBack(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-d.backs:
			if err := d.engine.WentBack(ctx, r.String(), r.Of); err != nil && ctx.Err() == nil {
				d.log.Error("what the store has forgotten could not all be looked up", "error", err)
			}
		}
	}
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"stanch/engine/view"
)

// lists brings the view of the store up to now; close it after use. What lists
// show may be a moment old: deciding never reads it.
func (d *desk) lists(ctx context.Context) (*view.View, error) {
	path, err := d.viewFile()
	if err != nil {
		return nil, err
	}
	v, err := d.caughtUp(ctx, path)
	if err != nil && d.at.Redis != nil && ctx.Err() == nil {
		// The file holds nothing but what the store tells: make another one.
		for _, suffix := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(path + suffix)
		}
		v, err = d.caughtUp(ctx, path)
	}
	return v, err
}

func (d *desk) caughtUp(ctx context.Context, path string) (*view.View, error) {
	v, err := view.Open(ctx, path, d.store)
	if err != nil {
		return nil, err
	}
	if err := v.Catch(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// viewFile is where the view is kept: in the SQLite store itself, and with Redis
// in a file of the user's cache folder, one for each store. Several processes
// share it.
func (d *desk) viewFile() (string, error) {
	if d.at.Redis == nil {
		return d.at.Path, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the lists of %s: %w: set XDG_CACHE_HOME", d.at, err)
	}
	sum := sha256.Sum256([]byte(d.at.String()))
	return filepath.Join(dir, "stanch", "views", hex.EncodeToString(sum[:12])+".db"), nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// watchEvery is how often files are looked at.
const watchEvery = 300 * time.Millisecond

// watchTests runs the tests, and again after every change of a YAML or JSON
// file of their folders, until ctx ends.
func (sh *shell) watchTests(ctx context.Context, o testOptions) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	last := ""
	for {
		if now := watched(o.paths); now != last {
			last = now
			if err := sh.test(ctx, o); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				if e, known := errors.AsType[*exitError](err); !known || e.err != nil {
					sh.err.Printf("stanch: %v\n", err)
				}
			}
			sh.err.Printf("watching; Ctrl-C ends it\n")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// watched tells the files of some paths apart from what they were: names, sizes
// and times.
func watched(paths []string) string {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var all []string
	for _, p := range paths {
		if info, err := os.Stat(p); err == nil && !info.IsDir() {
			p = filepath.Dir(p) // a playbook and its fixtures stand beside
		}
		_ = filepath.WalkDir(p, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // it may have gone meanwhile
			}
			if d.IsDir() && strings.HasPrefix(d.Name(), ".") && file != p {
				return filepath.SkipDir
			}
			if ext := filepath.Ext(file); d.IsDir() || ext != ".yaml" && ext != ".yml" && ext != ".json" {
				return nil
			}
			if info, err := d.Info(); err == nil {
				all = append(all, fmt.Sprintf("%s %d %d", file, info.Size(), info.ModTime().UnixNano()))
			}
			return nil
		})
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

package sqlitestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"stanch/engine"
)

// Inspect looks at a store's file as somebody who has to keep runs there: where
// it lies, who can read it, what room there is, whether it is whole, and how the
// work on it stands. It changes nothing. What it cannot look at, it says.
func Inspect(path string) engine.Inspection {
	i := &inspector{out: engine.Inspection{
		Level: "single+always",
		Loses: "Nothing that was acknowledged is lost but with the disk. When the disk is full, work waits until there is room.",
	}}
	i.place(path)
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		i.add(engine.Good, "store", "none yet: `stanch run --live` and `stanch serve` make it", "")
	case err != nil:
		i.add(engine.Wrong, "store", "cannot be looked at", err.Error())
	default:
		i.file(path, info)
	}
	return i.out
}

type inspector struct{ out engine.Inspection }

func (i *inspector) add(level, what, found, says string) {
	i.out.Findings = append(i.out.Findings, engine.Finding{Level: level, What: what, Found: found, Says: says})
}

// leastFree is how much room a store should have, in bytes.
const leastFree = 1 << 30

// place looks at the file system that the store lies on, or will lie on.
func (i *inspector) place(path string) {
	for {
		if _, err := os.Stat(filepath.Dir(path)); err == nil || filepath.Dir(path) == path {
			break
		}
		path = filepath.Dir(path)
	}
	if err := local(path); err != nil {
		i.add(engine.Wrong, "file system", "not local", err.Error())
	} else {
		i.add(engine.Good, "file system", "local", "")
	}
	free, known := freeSpace(filepath.Dir(path))
	switch found := fmt.Sprintf("%.1f GiB", float64(free)/(1<<30)); {
	case !known:
		i.add(engine.Good, "free space", "not told on this system", "")
	case free < leastFree/10:
		i.add(engine.Wrong, "free space", found, "work waits when the disk is full: free some space")
	case free < leastFree:
		i.add(engine.Warning, "free space", found, "free some space before the disk is full")
	default:
		i.add(engine.Good, "free space", found, "")
	}
}

// file looks at a file that is there.
func (i *inspector) file(path string, info os.FileInfo) {
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		i.add(engine.Wrong, "file", "it is not a file", "name a file with --store sqlite:PATH")
		return
	case mode.Perm()&0o077 != 0:
		i.add(engine.Warning, "permissions", fmt.Sprintf("%04o", mode.Perm()), "others can read incidents and decisions: run `chmod 600 "+path+"`")
	default:
		i.add(engine.Good, "permissions", fmt.Sprintf("%04o", mode.Perm()), "")
	}
	pid, alive, err := workerOf(path + ".lock")
	switch {
	case err != nil:
		i.add(engine.Warning, "worker", "cannot be told", err.Error())
	case alive:
		i.add(engine.Good, "worker", "process "+pid, "")
	default:
		i.add(engine.Good, "worker", "none", "")
	}
	if err := i.inside(path, alive); err != nil {
		i.add(engine.Wrong, "store", "cannot be read", err.Error())
	}
}

// inside looks at what the file holds.
func (i *inspector) inside(path string, worked bool) error {
	s := newStore(Options{ReadOnly: true})
	s.path = path
	address, err := dsn(path, true)
	if err != nil {
		return err
	}
	if s.w, err = dial(address); err != nil {
		return err
	}
	defer s.w.close() //nolint:errcheck // it was read only
	begun := time.Now()
	whole, err := s.w.one("PRAGMA quick_check(1)")
	if err != nil {
		return err
	}
	if whole == nil || whole.text(0) != "ok" {
		i.add(engine.Wrong, "quick check", fmt.Sprint(whole), "the file is damaged: restore it from a backup")
		return nil
	}
	i.add(engine.Good, "quick check", "whole, looked through in "+time.Since(begun).Round(time.Millisecond).String(), "")
	version, _, err := s.versions()
	if err != nil {
		return err
	}
	if err := s.migrate(); err != nil { // open for reading only, it says what is wrong
		i.add(engine.Wrong, "schema", fmt.Sprint(version), err.Error())
		return nil
	}
	i.add(engine.Good, "schema", fmt.Sprint(version), "")
	return i.waiting(s, worked)
}

// waiting looks at what waits for a worker.
func (i *inspector) waiting(s *Store, worked bool) error {
	r, err := s.w.one("SELECT count(*) FROM strands WHERE state = 1")
	if err != nil {
		return err
	}
	n := r.int(0)
	level, says := engine.Good, ""
	if n > 0 && !worked {
		level, says = engine.Warning, "nobody does the work: start `stanch serve` or `stanch worker`"
	}
	i.add(level, "due", fmt.Sprintf("%d strands", n), says)
	return nil
}

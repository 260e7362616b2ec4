package evidence

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
)

const (
	draftPrefix = "draft-"
	suffix      = ".sealed"
	// staleDraft is after which time a draft was left by a process that has
	// ended.
	staleDraft = 24 * time.Hour
)

// Folder keeps items in a folder of this machine: 0600 in folders of 0700.
type Folder struct{ dir string }

// NewFolder makes the folder, if need be.
func NewFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(filepath.Join(dir, "drafts"), 0o700); err != nil {
		return nil, broken("the folder cannot be made", err)
	}
	return &Folder{dir}, nil
}

// Folder is where drafts lie: on the same disk.
func (f *Folder) Folder() string { return filepath.Join(f.dir, "drafts") }

func (f *Folder) path(name string) string { return filepath.Join(f.dir, name[:2], name+suffix) }

// Put moves the file to its place once its bytes are on the disk.
func (f *Folder) Put(_ context.Context, name string, sealed *os.File) error {
	at := f.path(name)
	if err := errors.Join(sealed.Sync(), os.MkdirAll(filepath.Dir(at), 0o700)); err != nil {
		return broken("an item cannot be written", err)
	}
	if err := os.Rename(sealed.Name(), at); err != nil {
		return broken("an item cannot be written", err)
	}
	for _, dir := range []string{filepath.Dir(at), f.dir} {
		if err := synced(dir); err != nil {
			return broken("an item cannot be written", err)
		}
	}
	return nil
}

// synced makes what was renamed into a folder last.
func synced(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get copies a file.
func (f *Folder) Get(ctx context.Context, name string, most int64, into io.Writer) error {
	in, err := os.Open(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return notKept(name)
	}
	if err != nil {
		return broken("an item cannot be read", err)
	}
	defer func() { _ = in.Close() }()
	var from io.Reader = &watched{ctx, in}
	if most > 0 {
		from = io.LimitReader(from, most)
	}
	sink := &blamed{to: into}
	if _, err := io.CopyBuffer(sink, from, make([]byte, chunkSize)); err != nil {
		if sink.err != nil {
			return spoiled(name, sink.err)
		}
		return broken("an item cannot be read", err)
	}
	return nil
}

func notKept(name string) error {
	return problem(connectors.NotFound, "`stanch evidence list` names what is kept", "%s is not kept here, or was swept", name)
}

// watched ends a copy when its context ends.
type watched struct {
	ctx context.Context
	r   io.Reader
}

func (w *watched) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(b)
}

// blamed remembers that it was the writer who failed.
type blamed struct {
	to  io.Writer
	err error
}

func (b *blamed) Write(p []byte) (int, error) {
	n, err := b.to.Write(p)
	b.err = err
	return n, err
}

// List reads the folder. Drafts that nobody will finish are removed on the way.
func (f *Folder) List(ctx context.Context) ([]Entry, error) {
	var all []Entry
	var stale []string
	err := filepath.WalkDir(f.dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // swept meanwhile
		}
		if err != nil || d.IsDir() {
			return errors.Join(err, ctx.Err())
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), draftPrefix) && time.Since(info.ModTime()) > staleDraft {
			stale = append(stale, d.Name())
		}
		if name, is := strings.CutSuffix(d.Name(), suffix); is {
			all = append(all, Entry{name, info.Size(), info.ModTime().UTC()})
		}
		return nil
	})
	if err != nil {
		return nil, broken("the folder cannot be read", err)
	}
	for _, name := range stale {
		_ = os.Remove(filepath.Join(f.Folder(), name)) // the next look tries again
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// Delete removes a file; one that is gone is no error.
func (f *Folder) Delete(_ context.Context, name string) error {
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return broken("an item cannot be deleted", err)
	}
	return nil
}

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/rehearse"
	"stanch/engine/view"
	"stanch/triggers"
)

// errEnough ends a walk of which nobody wants more.
var errEnough = errors.New("enough")

// kept are the incidents of the store.
func (t *trial) kept(ctx context.Context) iter.Seq2[incident.Incident, error] {
	return func(yield func(incident.Incident, error) bool) {
		bounds := triggers.Opened{From: t.opened.since, Until: t.opened.until}
		err := triggers.EachIncident(ctx, t.desk.store, bounds, t.cannotRead, func(in incident.Incident) error {
			if !yield(in, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(incident.Incident{}, err)
		}
	}
}

func (t *trial) cannotRead(where string, why error) {
	t.unread = append(t.unread, notRead{where, why.Error()})
}

// exported are the incidents in the files of --input.
func (t *trial) exported(ctx context.Context) iter.Seq2[incident.Incident, error] {
	return func(yield func(incident.Incident, error) bool) {
		files, err := t.exportFiles()
		if err != nil {
			yield(incident.Incident{}, err)
			return
		}
		for _, file := range files {
			err := eachExported(ctx, file, func(where string, raw []byte) error {
				in, err := rehearse.ReadIncident(raw)
				switch {
				case err != nil:
					t.cannotRead(where, err)
				case t.opened.holds(in.CreatedAt) && !yield(in, nil):
					return errEnough
				}
				return nil
			})
			switch {
			case errors.Is(err, errEnough):
				return
			case ctx.Err() != nil:
				yield(incident.Incident{}, ctx.Err())
				return
			case err != nil:
				t.cannotRead(file, err)
			}
		}
	}
}

// exportFiles are the files that --input names, in order of their names. What in
// a folder is no file, or cannot be looked into, is noted and left out.
func (t *trial) exportFiles() ([]string, error) {
	named := t.o.input
	info, err := os.Stat(named)
	if err != nil {
		return nil, fmt.Errorf("--input: %w", err)
	}
	if !info.IsDir() {
		return []string{named}, nil
	}
	var files []string
	root := named + string(filepath.Separator) // so that a link to a folder is followed
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && file == root:
			return err
		case err != nil:
			t.cannotRead(file, err)
		case strings.HasPrefix(d.Name(), ".") && file != root:
			if d.IsDir() {
				return filepath.SkipDir
			}
		case !d.IsDir() && slices.Contains([]string{".json", ".jsonl", ".ndjson"}, filepath.Ext(file)):
			if what, err := os.Stat(file); err == nil && !what.Mode().IsRegular() {
				t.cannotRead(file, errors.New("it is no regular file"))
				return nil
			}
			files = append(files, file)
		}
		return nil
	})
	if err == nil && len(files)+len(t.unread) == 0 {
		err = fmt.Errorf("--input: no *.json, *.jsonl or *.ndjson in %s", named)
	}
	return files, err
}

// eachExported visits the incidents in one file, with where each stands. What
// visit answers ends it; any other error says why the rest cannot be read.
func eachExported(ctx context.Context, file string, visit func(where string, raw []byte) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if filepath.Ext(file) != ".json" {
		return eachLine(ctx, f, file, visit)
	}
	bounded := &boundedReader{from: f, left: mostValue}
	r := bufio.NewReader(bounded)
	begin, err := opening(r)
	if err != nil {
		return err
	}
	d := json.NewDecoder(r)
	if begin == '[' {
		if _, err := d.Token(); err != nil {
			return err
		}
	}
	n := 1
	for ; d.More(); n++ {
		var raw json.RawMessage
		switch err := cmp.Or(ctx.Err(), d.Decode(&raw)); {
		case err != nil && n == 1:
			return fmt.Errorf("no JSON that can be read: %w", err)
		case err != nil:
			return fmt.Errorf("the rest, from incident %d on, is no JSON that can be read: %w", n, err)
		}
		where := file
		if begin == '[' || n > 1 {
			where = fmt.Sprintf("%s, incident %d", file, n)
		}
		if err := eachOf(where, raw, visit); err != nil {
			return err
		}
		bounded.left = mostValue
	}
	if begin == '[' {
		if _, err := d.Token(); err != nil {
			return fmt.Errorf("its list does not end: %w", err)
		}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the rest, behind %s, is not read: want one list, or one incident after the other", plural(n-1, "value"))
	}
	return nil
}

// mostValue bounds one value of an export in bytes: an incident or a page.
const mostValue = incident.MaxBody

// boundedReader reads no more than is left.
type boundedReader struct {
	from io.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("one value has more than %d bytes: give a page of fewer incidents, or one incident on each line of a .jsonl", mostValue)
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// opening is the first character of a JSON text, behind a mark of the byte order
// and space.
func opening(r *bufio.Reader) (byte, error) {
	if mark, err := r.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = r.Discard(3) // they are there
	}
	for {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, errors.New("it is empty")
		case err != nil:
			return 0, err
		case !strings.ContainsRune(" \t\r\n", rune(c)):
			return c, r.UnreadByte()
		}
	}
}

// eachOf visits one value: an incident, or a page of them as the APIs answer lists.
func eachOf(where string, raw json.RawMessage, visit func(where string, raw []byte) error) error {
	var page struct {
		Value []json.RawMessage `json:"value"`
	}
	if json.Unmarshal(raw, &page) != nil || page.Value == nil {
		return visit(where, raw)
	}
	for i, one := range page.Value {
		if err := visit(fmt.Sprintf("%s, value[%d]", where, i), one); err != nil {
			return err
		}
	}
	return nil
}

// eachLine visits the incidents of a file with one on each line. A line that is
// wrong does not stop the others.
func eachLine(ctx context.Context, f io.Reader, file string, visit func(where string, raw []byte) error) error {
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, incident.MaxBody)
	n := 1
	for ; lines.Scan(); n++ {
		line := bytes.TrimSpace(bytes.TrimPrefix(lines.Bytes(), []byte("\ufeff")))
		if len(line) == 0 {
			continue
		}
		if err := cmp.Or(ctx.Err(), eachOf(fmt.Sprintf("%s:%d", file, n), line, visit)); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("from line %d on it is not read: %w", n, err)
	}
	return nil
}

// pastRuns answers what actions read in the runs that the store has.
type pastRuns struct {
	view    *view.View
	engine  *engine.Engine
	skipped atomic.Int64 // runs that cannot be read
}

func (d *desk) pastRuns(ctx context.Context) (*pastRuns, error) {
	v, err := d.lists(ctx)
	if err != nil {
		return nil, err
	}
	return &pastRuns{view: v, engine: d.engine}, nil
}

func (p *pastRuns) close() { _ = p.view.Close() } // it was only read

// mostRuns is how many past runs on one incident are looked into.
const mostRuns = 1000

// answers are those of the past runs on an incident, the earliest run first. A run
// that this version cannot read any more has none.
func (p *pastRuns) answers(ctx context.Context, id string) ([]engine.Answer, error) {
	runs, _, err := p.view.Runs(ctx, view.RunFilter{Subject: id, Limit: mostRuns})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(runs, func(a, b view.Run) int { return cmp.Or(a.BegunAt.Compare(b.BegunAt), cmp.Compare(a.ID, b.ID)) })
	var all []engine.Answer
	for _, r := range runs {
		if r.Undoes != "" {
			continue
		}
		found, err := p.engine.Answers(ctx, r.ID)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			p.skipped.Add(1)
			continue
		}
		all = append(all, found...)
	}
	return all, nil
}

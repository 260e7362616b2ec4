package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"stanch/engine"
	"stanch/engine/rehearse"
	"stanch/playbooks"
)

// record makes a test of a run in the store, writes it with its fixture, and
// runs it.
func (sh *shell) record(ctx context.Context, o testOptions) error {
	d, err := sh.open(ctx, need{looks: true}, nil)
	if err != nil {
		return err
	}
	defer d.close()
	r, at, err := recording(ctx, d, o)
	if err != nil {
		return err
	}
	for _, file := range []string{at.test, at.fixture} {
		if _, err := os.Stat(file); err == nil {
			return fmt.Errorf("%s is there already: name another with --out", file)
		}
	}
	made, err := rehearse.Record(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at.fixture), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(at.fixture, made.Fixture, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(at.test, made.Test, 0o600); err != nil {
		return err
	}
	sh.err.Printf("wrote %s and %s: look through them for names that a stand-in should replace\n", at.test, at.fixture)
	o.paths, o.record = []string{at.test}, ""
	return sh.test(ctx, o)
}

// recordedFiles are where a recorded test goes.
type recordedFiles struct{ test, fixture string }

// recording reads a run with the playbook that it was of.
func recording(ctx context.Context, d *desk, o testOptions) (rehearse.Recording, recordedFiles, error) {
	var r rehearse.Recording
	var at recordedFiles
	record, err := d.store.Run(ctx, o.record)
	if err != nil {
		return r, at, fmt.Errorf("run %s: %w", o.record, err)
	}
	if r.Run, err = d.engine.Run(ctx, o.record); err != nil {
		return r, at, err
	}
	var head engine.Head
	if err := json.Unmarshal(record.Head, &head); err != nil {
		return r, at, fmt.Errorf("run %s: %w", o.record, err)
	}
	r.Params = head.Params
	doc, err := d.store.Get(ctx, "edition", record.Edition)
	if err != nil {
		return r, at, fmt.Errorf("the playbook of run %s: %w", o.record, err)
	}
	var kept playbooks.Source
	var edition struct{ File, Text string }
	if err := json.Unmarshal(doc.Body, &edition); err != nil {
		return r, at, fmt.Errorf("the playbook of run %s: %w", o.record, err)
	}
	kept.File, kept.Text = edition.File, []byte(edition.Text)
	if r.Book, _ = playbooks.Load(kept.File, kept.Text); r.Book == nil {
		return r, at, fmt.Errorf("the playbook of run %s cannot be read any more", o.record)
	}
	base := strings.TrimSuffix(kept.File, filepath.Ext(kept.File))
	if at.test = o.out; at.test == "" {
		at.test = base + "-" + strings.ToLower(o.record) + "_test.yaml"
	}
	if !isTest(at.test) {
		return r, at, misused("--out %s: a test file is called NAME_test.yaml", at.test)
	}
	dir := filepath.Dir(at.test)
	r.Fixture = "fixtures/" + strings.TrimSuffix(strings.TrimSuffix(filepath.Base(at.test), filepath.Ext(at.test)), "_test") + ".json"
	at.fixture = filepath.Join(dir, filepath.FromSlash(r.Fixture))
	absolute, err := filepath.Abs(kept.File)
	if err != nil {
		return r, at, err
	}
	from, err := filepath.Abs(dir)
	if err != nil {
		return r, at, err
	}
	if r.Playbook, err = filepath.Rel(from, absolute); err != nil {
		r.Playbook = absolute
	}
	r.Playbook = filepath.ToSlash(r.Playbook)
	return r, at, nil
}
